"""A clock that tests own, and contract suites for drivers of the store's two ports.

A driver is right when its suite passes.

Derive a class named ``Test…`` from a suite, give it ``make``, and let pytest collect it:

    class TestMyRecords(RecordStoreContract):
        def make(self, directory):
            return MyRecords(directory / "records")
"""
# ruff: noqa: D102 - the name of each test is its claim

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from nacre.store.port import ObjectInfo, ObjectStore, RecordStore, Token, Write
from nacre.store.wrap import Call, Fault, FaultyObjects, FaultyRecords

__all__ = ["ManualClock", "ObjectStoreContract", "RecordStoreContract"]

T = TypeVar("T")
N_THREADS = 16


class ManualClock:
    """A clock that moves only when told to, or when somebody sleeps; for tests that own the time.

    Args:
        start: The first instant, aware UTC.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._seconds = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The instant, aware UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move on at once, and keep how long in ``slept``."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._seconds += seconds


class RecordStoreContract(ABC):
    """What every driver of ``RecordStore`` must do."""

    @abstractmethod
    def make(self, directory: Path) -> RecordStore:
        """Make an empty store.

        Args:
            directory: An empty directory of the test, for drivers that need one.
        """

    def test_a_missing_record_reads_as_none(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            assert records.get("heads/nothing") is None

    def test_a_created_record_is_read_as_written(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            data = bytes(range(256)) * 300
            token = records.create("ac/ä ?=", data)
            assert records.get("ac/ä ?=") == ("ac/ä ?=", data, token)

    def test_several_records_are_read_in_the_order_asked_for(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            for n in range(40):
                records.create(f"ac/{n}", b"%d" % n)
            paths = ["missing", *(f"ac/{n}" for n in reversed(range(40))), "ac/7"]
            assert records.get_many(paths) == [records.get(path) for path in paths]
            assert records.get_many([]) == []

    def test_a_conflicting_create_leaves_the_first_record(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            token = records.create("a", b"first")
            assert records.create("a", b"second") is None
            assert records.get("a") == ("a", b"first", token)

    def test_replacing_needs_the_token_of_the_content(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            first = _accepted(records.create("a", b"1"))
            second = _accepted(records.replace("a", b"2", first))
            assert second != first
            assert records.replace("a", b"3", first) is None
            assert records.replace("missing", b"3", second) is None
            assert records.replace("a", b"3", "no token of this store") is None
            assert records.get("a") == ("a", b"2", second)
            assert records.get("missing") is None

    def test_writing_the_same_bytes_again_gives_another_token(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            first = _accepted(records.create("a", b"same"))
            second = _accepted(records.replace("a", b"same", first))
            assert records.replace("a", b"late", first) is None
            assert records.replace("a", b"next", second) is not None

    def test_deleting_needs_the_token(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            first = _accepted(records.create("a", b"1"))
            second = _accepted(records.replace("a", b"2", first))
            assert not records.delete("a", first)
            assert records.delete("a", second)
            assert not records.delete("a", second)
            assert records.get("a") is None

    def test_it_says_whether_deleting_compares_in_the_same_step(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            assert records.deletes_atomically in (True, False)

    def test_a_token_is_not_used_again_after_a_delete(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            first = _accepted(records.create("a", b"1"))
            records.delete("a", first)
            assert _accepted(records.create("a", b"1")) != first
            assert records.replace("a", b"2", first) is None

    def test_a_scan_yields_what_is_below_the_prefix_in_path_order(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            for path in ("h/b", "h/a/2", "h/a", "h0", "g/z", "h/é", "h/a-1"):
                records.create(path, path.encode())
            found = list(records.scan("h/"))
            assert [stored.path for stored in found] == ["h/a", "h/a-1", "h/a/2", "h/b", "h/é"]
            assert all(records.get(stored.path) == stored for stored in found)
            assert list(records.scan("x")) == []

    def test_a_scan_shows_the_store_as_of_the_call(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            first = _accepted(records.create("s/1", b"old"))
            found = records.scan("s/")
            records.replace("s/1", b"new", first)
            records.create("s/2", b"new")
            assert [stored.data for stored in found] == [b"old"]
            assert [stored.data for stored in records.scan("s/")] == [b"new", b"new"]

    def test_a_scan_that_is_left_early_delays_nobody(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            for n in range(5):
                records.create(f"s/{n}", b"")
            found = records.scan("s/")
            next(found)
            assert records.create("s/9", b"") is not None
            assert records.get("s/9") is not None

    def test_only_what_differs_from_the_known_tokens_is_a_change(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            known = {path: _accepted(records.create(path, b"1")) for path in ("c/a", "c/b", "c/d", "e/f")}
            assert list(records.changes("c/", known)) == []
            second = _accepted(records.replace("c/b", b"2", known["c/b"]))
            third = _accepted(records.create("c/c", b"3"))
            assert records.delete("c/d", known["c/d"])
            changed = [("c/b", b"2", second), ("c/c", b"3", third), ("c/d", b"", "")]
            assert list(records.changes("c/", known)) == changed
            assert [stored.path for stored in records.changes("c/", {})] == ["c/a", "c/b", "c/c"]

    def test_a_batch_gives_one_outcome_for_each_write(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            token = _accepted(records.create("a", b"1"))
            outcomes = records.batch([Write("a", b"no"), Write("b", b"2"), Write("a", b"3", token)])
            assert [outcome is not None for outcome in outcomes] == [False, True, True]
            assert [stored.data for stored in records.scan("")][:2] == [b"3", b"2"]
            assert _stored_token(records, "a") == outcomes[2]
            assert records.batch([]) == []

    def test_writes_of_a_batch_see_the_earlier_ones(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            outcomes = records.batch([Write("a", b"1"), Write("a", b"2")])
            assert [outcome is not None for outcome in outcomes] == [True, False]

    def test_a_write_is_refused_with_the_one_it_comes_after(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            records.create("ac/1", b"winner")
            writes = [
                Write("ac/1", b"late"),
                Write("h", b"", after=0),
                Write("i", b"", after=1),
                Write("j", b""),
            ]
            outcomes = records.batch([*writes, Write("k", b"", after=3)])
            assert [outcome is not None for outcome in outcomes] == [False, False, False, True, True]
            assert records.get("h") is None

    def test_a_write_is_refused_with_any_that_it_needs(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            records.create("h/1", b"theirs")
            writes = [
                Write("h/1", b""),
                Write("h/2", b""),
                Write("h/3", b"", needs=(0, 1)),
                Write("h/4", b"", needs=(1,)),
            ]
            outcomes = records.batch(writes)
            assert [outcome is not None for outcome in outcomes] == [False, True, False, True]

    def test_of_sixteen_threads_that_create_exactly_one_wins(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            outcomes = _at_once(lambda n: records.create("ac/1", b"%d" % n))
            winners = [n for n, token in enumerate(outcomes) if token is not None]
            assert len(winners) == 1
            assert records.get("ac/1") == ("ac/1", b"%d" % winners[0], outcomes[winners[0]])

    def test_a_counter_that_threads_replace_loses_nothing(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as records:
            records.create("n", b"0")

            def add_five(_: int) -> None:
                for _ in range(5):
                    add_one(records, "n")

            _at_once(add_five)
            stored = records.get("n")
            assert stored is not None
            assert stored.data == b"%d" % (5 * N_THREADS)

    def test_a_lost_answer_is_settled_by_reading_back(self, tmp_path: Path) -> None:
        """A create that took effect and then timed out is found under the writer's own attempt id."""
        with closing(self.make(tmp_path)) as inner:
            records = FaultyRecords(inner, _once("create", after=True))
            with _raises(TimeoutError):
                records.create("ac/1", b"attempt 1")
            assert records.create("ac/1", b"attempt 1") is None
            stored = records.get("ac/1")
            assert stored is not None
            assert stored.data == b"attempt 1"

    def test_a_call_that_never_arrived_changed_nothing(self, tmp_path: Path) -> None:
        with closing(self.make(tmp_path)) as inner:
            records = FaultyRecords(inner, _once("batch"))
            with _raises(TimeoutError):
                records.batch([Write("a", b"1"), Write("b", b"1")])
            assert [records.get("a"), records.get("b")] == [None, None]

    def test_closing_twice_is_harmless(self, tmp_path: Path) -> None:
        records = self.make(tmp_path)
        records.close()
        records.close()


class ObjectStoreContract(ABC):
    """What every driver of ``ObjectStore`` must do."""

    @abstractmethod
    def make(self, directory: Path) -> ObjectStore:
        """Make an empty store.

        Args:
            directory: An empty directory of the test, for drivers that need one.
        """

    def test_an_object_is_read_as_written_and_in_ranges(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        data = bytes(range(256)) * 1_000
        write_object(objects, "data/a/1.bin", data)
        with objects.get("data/a/1.bin") as file:
            assert file.read() == data
            file.seek(1_000)
            assert file.read(4) == data[1_000:1_004]
        assert objects.head("data/a/1.bin") == ("data/a/1.bin", len(data))

    def test_a_missing_object_is_not_found(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "data/a/1", b"")
        for name in ("data/none", "data/a", "data/a/1/x", "nothing"):
            assert objects.head(name) is None
            with _raises(FileNotFoundError):
                objects.get(name)
            with _raises(FileNotFoundError):
                objects.copy(name, "data/copy")
        assert objects.head("data/copy") is None

    def test_an_object_is_invisible_until_its_writer_ends(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        with objects.put("a/1") as file:
            file.write(b"half")
            file.flush()
            assert objects.head("a/1") is None
            assert list(objects.list("")) == []
        assert list(objects.list("")) == [ObjectInfo("a/1", 4)]

    def test_an_abandoned_writer_leaves_nothing(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        with _raises(KeyError), objects.put("a/1") as file:
            file.write(b"half")
            raise KeyError("the step failed")
        assert objects.head("a/1") is None
        assert list(objects.list("")) == []
        write_object(objects, "a/1", b"whole")
        assert read_object(objects, "a/1") == b"whole"

    def test_a_writer_may_be_closed_in_the_block(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        with objects.put("a") as file:
            file.write(b"whole")
            file.close()
        assert read_object(objects, "a") == b"whole"

    def test_an_empty_object_is_an_object(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "empty", b"")
        assert objects.head("empty") == ("empty", 0)

    def test_a_name_is_never_written_twice(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "a", b"first")
        write_object(objects, "b", b"other")
        with _raises(FileExistsError):
            write_object(objects, "a", b"second")
        with _raises(FileExistsError):
            objects.copy("b", "a")
        assert read_object(objects, "a") == b"first"

    def test_of_threads_that_write_one_name_exactly_one_wins(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)

        def write(n: int) -> bool:
            try:
                write_object(objects, "deep/er/name", b"%d" % n * 1_000)
            except FileExistsError:
                return False
            return True

        won = [n for n, outcome in enumerate(_at_once(write)) if outcome]
        assert len(won) == 1
        assert read_object(objects, "deep/er/name") == b"%d" % won[0] * 1_000
        assert len(list(objects.list(""))) == 1

    def test_a_copy_outlives_its_source(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "a", b"x" * 100_000)
        objects.copy("a", "b/c")
        objects.delete("a")
        assert objects.head("a") is None
        assert read_object(objects, "b/c") == b"x" * 100_000

    def test_deleting_what_is_not_there_does_nothing(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        objects.delete("never")
        objects.delete("never/ever")

    def test_a_reader_keeps_its_object_when_it_is_deleted(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "a", b"still here")
        with objects.get("a") as file:
            objects.delete("a")
            assert file.read() == b"still here"

    def test_a_list_is_in_name_order_below_the_prefix(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        for name in ("a/b", "a-b", "a.b", "a/b-c/d", "ab", "b", "a/é"):
            write_object(objects, name, b"1")
        assert _names(objects, "") == ["a-b", "a.b", "a/b", "a/b-c/d", "a/é", "ab", "b"]
        assert _names(objects, "a/") == ["a/b", "a/b-c/d", "a/é"]
        assert _names(objects, "a/b") == ["a/b", "a/b-c/d"]
        assert _names(objects, "a/b-") == ["a/b-c/d"]
        assert _names(objects, "c/") == []

    def test_a_sweep_leaves_what_is_whole_and_what_is_being_written(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "data/whole", b"whole")
        with objects.put("data/begun") as file:
            file.write(b"begun")
            assert objects.sweep(datetime.now(UTC) - timedelta(days=1), delete=True) == []
        assert _names(objects, "") == ["data/begun", "data/whole"]
        assert objects.sweep(datetime.now(UTC), delete=True) == []
        assert objects.sweep(datetime.now(UTC), delete=False) == []
        assert _names(objects, "") == ["data/begun", "data/whole"]

    def test_names_cannot_leave_the_store(self, tmp_path: Path) -> None:
        objects = self.make(tmp_path)
        write_object(objects, "a", b"1")
        for name in ("../a", "/a", "a/../b", "a//b", "", "a/", ".hidden", "a\\b", "a\0b"):
            with _raises(ValueError):
                write_object(objects, name, b"2")
            with _raises(ValueError):
                objects.copy("a", name)

    def test_an_object_whose_answer_was_lost_is_whole(self, tmp_path: Path) -> None:
        objects = FaultyObjects(self.make(tmp_path), _once("put", after=True))
        with _raises(TimeoutError):
            write_object(objects, "a", b"whole")
        assert read_object(objects, "a") == b"whole"

    def test_a_put_that_never_arrived_left_nothing(self, tmp_path: Path) -> None:
        objects = FaultyObjects(self.make(tmp_path), _once("put"))
        with _raises(TimeoutError):
            write_object(objects, "a", b"whole")
        assert list(objects.list("")) == []


def write_object(objects: ObjectStore, name: str, data: bytes) -> None:
    """Store bytes as an object."""
    with objects.put(name) as file:
        file.write(data)


def read_object(objects: ObjectStore, name: str) -> bytes:
    """The bytes of an object."""
    with objects.get(name) as file:
        return file.read()


def add_one(records: RecordStore, path: str) -> None:
    """Count a decimal record up by one, reading again until the replacement is accepted."""
    token = None
    while token is None:
        stored = records.get(path)
        assert stored is not None
        token = records.replace(path, b"%d" % (int(stored.data) + 1), stored.token)


def _accepted(token: Token | None) -> Token:
    assert token is not None
    return token


def _stored_token(records: RecordStore, path: str) -> Token:
    stored = records.get(path)
    assert stored is not None
    return stored.token


def _names(objects: ObjectStore, prefix: str) -> list[str]:
    return [info.name for info in objects.list(prefix)]


def _once(method: str, after: bool = False) -> Callable[[Call], Fault | None]:
    faults = [Fault(TimeoutError("no answer"), after)]
    return lambda call: faults.pop() if faults and call.method == method else None


def _at_once(action: Callable[[int], T]) -> list[T]:
    """Call an action in threads that start together; its results by number."""
    start = threading.Barrier(N_THREADS)
    results: dict[int, T] = {}

    def work(n: int) -> None:
        start.wait()
        results[n] = action(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == N_THREADS, "a thread failed"
    return [results[n] for n in range(N_THREADS)]


@contextmanager
def _raises(kind: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")
