"""What a collection removes and leaves: on the drivers in memory, with real commits and a clock of our own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.errors import CorruptRecord
from nacre.store.codec import decode, encode
from nacre.store.commit import Commit, Committer, Move
from nacre.store.gc import GRACE_S, Report, Retention, collect
from nacre.store.ids import new_id
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.paths import action_path, artifact_path, head_path, past_path, pin_path, run_path, tick_path
from nacre.store.port import RecordStore, Token
from nacre.store.records import Action, Artifact, Head, Output, Past, Pin, Run, Sources, Tick
from nacre.store.wrap import Call, Fault, FaultyObjects, FaultyRecords
from nacre.testing import ManualClock, write_object
from nacre.version.outline import Outline

KEY = "pipeline://table"
DAY = 86_400.0
KEEP_ALL = Retention(cache_keep=30)


class Store:
    """A store in memory whose versions are made at moments that the test chooses."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.index = MemoryIndex()
        self.records = MemoryRecords(self.index.apply)
        self.objects = MemoryObjects()
        self._seqs: dict[str, int] = {}

    def build(self, fingerprint: str, *, asset: str = KEY, has_head: bool = True, object: str = "") -> str:
        """Make a version whose bytes lie in an object; returns the object's name."""
        name = object or f"data/{asset.rpartition('/')[2]}/{new_id(lambda: self.clock.now().timestamp())}"
        if not object:
            write_object(self.objects, name, f"bytes of {fingerprint}".encode())
        output = Output(
            asset=asset,
            data_version=f"content of {fingerprint}",
            format="bytes",
            size_bytes=10,
            digest="",
            outline=Outline("bytes"),
            object=name,
        )
        action = Action(
            fingerprint=fingerprint,
            task="pipeline.table",
            code="code",
            outputs=(output,),
            attempt=f"attempt of {fingerprint} {self.clock.monotonic()}",
            run="run",
            started_at=self.clock.now(),
            duration_s=1.0,
            sources={"pipeline.py": f"text of {fingerprint}"},
        )
        seq = self._seqs.get(asset, 0)
        moves = (Move("default", asset, output.data_version, {}, seq),) if has_head else ()
        self._seqs[asset] = seq + has_head
        committer = Committer(self.records, self.clock.monotonic)
        texts = {f"sources/text of {fingerprint}": encode(Sources(texts={"1": "x"}))}
        committer.add(
            Commit(fingerprint, "run", action.attempt, self.clock.now(), action, moves, sources=texts)
        )
        committer.flush()
        return name

    def collect(self, keep: Retention = KEEP_ALL, *, delete: bool = True) -> Report:
        return collect(self.records, self.objects, now=self.clock.now(), settings=keep, delete=delete)

    def action(self, fingerprint: str) -> Action:
        stored = self.records.get(action_path(fingerprint))
        assert stored is not None
        return decode(stored.data, Action)

    def versions(self, asset: str = KEY) -> list[int]:
        return [row.seq for row in Catalog(self.index.read).history("default", asset)][::-1]

    def has(self, name: str) -> bool:
        return self.objects.head(name) is not None

    def wait(self, days: float) -> None:
        self.clock.advance(days * DAY)


@pytest.fixture
def store() -> Store:
    return Store()


def test_nothing_that_a_history_names_goes_however_old_it_is(store: Store) -> None:
    names = [store.build(each) for each in "abc"]
    store.wait(1_000)
    report = store.collect()
    assert report.removed == {}
    assert all(map(store.has, names))
    assert {reason: each.n for reason, each in report.kept.items()} == {"current": 1, "history": 2}


def test_a_result_without_a_version_goes_some_days_after_its_last_use(store: Store) -> None:
    name = store.build("spare", has_head=False)
    store.wait(29)
    assert store.collect().removed == {}
    store.wait(2)
    report = store.collect()
    assert {kind: each.n for kind, each in report.removed.items()} == {
        "results": 1,
        "objects": 1,
        "texts": 1,
    }
    assert not store.has(name)
    assert store.action("spare").buried_at == store.clock.now()
    assert store.action("spare").outputs == ()
    assert store.records.get("sources/text of spare") is None


def test_looking_removes_nothing_and_tells_the_same_as_deleting(store: Store) -> None:
    for each in "abcdef":
        store.build(each)
        store.wait(1)
    store.build("spare", has_head=False)
    store.wait(40)
    keep = Retention(keep_versions=2)
    looked = store.collect(keep, delete=False)
    assert store.collect(keep, delete=False) == looked
    assert store.versions() == [1, 2, 3, 4, 5, 6]
    deleted = store.collect(keep)
    assert looked.removed == deleted.removed
    assert looked.kept == deleted.kept
    assert store.collect(keep).removed == {}


def test_a_result_that_was_taken_again_is_in_use(store: Store) -> None:
    name = store.build("spare", has_head=False)
    store.wait(31)
    stored = store.records.get(action_path("spare"))
    assert stored is not None
    used = Action(**{**_fields(decode(stored.data, Action)), "used_at": store.clock.now()})
    store.records.replace(stored.path, encode(used), stored.token)
    assert store.collect().removed == {}
    assert store.has(name)


def test_an_object_that_two_results_share_stays_until_the_last_one_goes(store: Store) -> None:
    name = store.build("first", has_head=False)
    store.wait(31)
    store.build("second", has_head=False, object=name)
    assert store.collect().removed["results"].n == 1
    assert store.has(name)
    store.wait(31)
    store.collect()
    assert not store.has(name)


def test_versions_beyond_every_limit_are_dropped_and_the_catalog_is_as_a_rebuild(store: Store) -> None:
    names = []
    for each in "abcdef":
        names.append(store.build(each))
        store.wait(10)
    store.collect(Retention(keep_versions=2))
    assert store.versions() == [5, 6]
    assert [store.has(name) for name in names] == [False, False, False, True, True, True], "d is 30 days old"
    again = MemoryIndex()
    again.rebuild(store.records.scan(""))
    assert [row.seq for row in Catalog(again.read).history("default", KEY)] == [6, 5]
    store.build("g")
    assert store.versions() == [5, 6, 7]


def test_a_version_must_be_beyond_both_limits_to_go(store: Store) -> None:
    for each in "abcdef":
        store.build(each)
        store.wait(10)
    store.collect(Retention(keep_versions=2, keep_days=35))
    assert store.versions() == [3, 4, 5, 6], "c was current until 30 days ago"


def test_what_was_current_within_the_grace_period_is_never_dropped(store: Store) -> None:
    for each in "abc":
        store.build(each)
    store.wait(6)
    store.collect(Retention(keep_versions=1))
    assert store.versions() == [1, 2, 3]
    store.wait(2)
    store.collect(Retention(keep_versions=1))
    assert store.versions() == [3]


def test_a_machine_whose_clock_is_behind_makes_no_hole_in_a_history(store: Store) -> None:
    """c is told to be of before b, and was current after it: it does not age sooner."""
    store.build("a")
    store.wait(1)
    store.build("b")
    store.wait(-1)
    store.build("c")
    store.build("d")
    store.wait(7.5)
    store.collect(Retention(keep_versions=1))
    assert store.versions() == [1, 2, 3, 4]
    store.wait(1)
    store.collect(Retention(keep_versions=1))
    assert store.versions() == [4]


def test_pinned_and_held_versions_stay(store: Store) -> None:
    names = [store.build(each) for each in "abcdef"]
    pin = Pin(name="good", env="default", asset=KEY, seq=2, fingerprint="b", at=store.clock.now())
    store.records.create(pin_path("good"), encode(pin))
    _change_head(store, lambda head: {"held": "v4"})
    store.wait(100)
    report = store.collect(Retention(keep_versions=1))
    assert store.versions() == [2, 4, 6]
    assert [store.has(name) for name in names] == [False, True, False, True, False, True]
    assert report.kept["pinned"].n == 2


def test_an_emptied_part_of_a_history_goes_and_its_numbers_stay_dropped(store: Store) -> None:
    for each in "abcdef":
        store.build(each)
    head = _head(store)
    old = Past(env="default", asset=KEY, history=head.history[:3])
    store.records.create(past_path("default", KEY, "", 3), encode(old))
    _change_head(store, lambda head: {"history": head.history[3:]})
    store.wait(100)
    store.collect(Retention(keep_versions=2))
    assert store.records.get(past_path("default", KEY, "", 3)) is None
    assert _head(store).first == 1
    assert store.versions() == [5, 6]


def test_what_leaves_a_trimmed_head_later_is_not_taken_for_dropped(store: Store) -> None:
    for n in range(60):
        store.build(f"early{n}")
    store.wait(100)
    store.collect(Retention(keep_versions=50))
    assert store.versions() == list(range(11, 61))
    for n in range(30):
        store.build(f"late{n}")
    assert list(store.records.scan("hist/"))
    assert store.versions() == list(range(11, 91))


def test_a_trim_that_was_killed_between_two_records_is_finished_by_the_next(store: Store) -> None:
    for each in "abcdef":
        store.build(each)
    head = _head(store)
    store.records.create(
        past_path("default", KEY, "", 3),
        encode(Past(env="default", asset=KEY, history=(), first=1)),
    )
    _change_head(store, lambda _: {"history": head.history[3:]})
    store.collect()
    assert _head(store).first == 1
    assert store.records.get(past_path("default", KEY, "", 3)) is None
    assert store.versions() == [4, 5, 6]


def test_an_object_of_a_writer_at_work_is_left_alone(store: Store) -> None:
    name = f"data/table/{new_id(lambda: store.clock.now().timestamp())}"
    write_object(store.objects, name, b"not named yet")
    store.wait(GRACE_S / DAY - 0.01)
    assert store.collect().kept["young"].n == 1
    store.wait(0.02)
    assert store.collect().removed["objects"].n == 1
    assert not store.has(name)


def test_objects_of_others_are_left_alone(store: Store) -> None:
    for name in ("data/table/mine", "notes.txt", "data/README"):
        write_object(store.objects, name, b"theirs")
    store.wait(1_000)
    store.collect()
    assert len(list(store.objects.list(""))) == 3


def test_tombstones_go_a_grace_period_later(store: Store) -> None:
    store.build("spare", has_head=False)
    store.wait(31)
    store.collect()
    store.wait(6)
    assert store.collect().removed == {}
    store.wait(2)
    assert store.collect().removed["tombstones"].n == 1
    assert store.records.get(action_path("spare")) is None


class Beside(MemoryRecords):
    """A store beside whose collection somebody else writes, at the moment of a certain write."""

    def __init__(self, act: Callable[[], None], when: str) -> None:
        super().__init__()
        self._act = act
        self._when = when

    def scan(self, prefix: str):  # type: ignore[no-untyped-def]
        found = super().scan(prefix)
        if prefix == self._when:
            self._when = ""
            self._act()
        return found


def test_who_takes_a_result_while_it_is_collected_keeps_it(store: Store) -> None:
    def touch() -> None:
        stored = store.records.get(action_path("spare"))
        assert stored is not None
        used = Action(**{**_fields(decode(stored.data, Action)), "used_at": store.clock.now()})
        assert store.records.replace(stored.path, encode(used), stored.token)

    store.records = Beside(touch, "ac/")
    name = store.build("spare", has_head=False)
    store.wait(31)
    assert store.collect().removed == {}
    assert store.has(name)
    assert store.action("spare").buried_at is None


def test_a_head_that_comes_to_name_a_result_without_a_word_gets_it_back(store: Store) -> None:
    def move() -> None:
        move = Move("default", "pipeline://other", "content of spare", {})
        committer = Committer(store.records, store.clock.monotonic)
        committer.add(Commit("spare", "run", "other", store.clock.now(), None, (move,)))
        committer.flush()

    store.records = Beside(move, "ac/")
    name = store.build("spare", has_head=False)
    store.wait(31)
    store.collect()
    assert store.action("spare").buried_at is None
    assert store.has(name)


def test_a_collection_that_is_killed_anywhere_is_finished_by_the_next() -> None:
    def world() -> Store:
        store = Store()
        for each in "abcd":
            store.build(each)
        store.build("spare", has_head=False)
        store.wait(40)
        return store

    keep = Retention(keep_versions=2)
    whole = world()
    whole.collect(keep)
    for n in range(1, 60):
        store, left = world(), [n]

        def die(call: Call, left: list[int] = left) -> Fault | None:
            left[0] -= 1
            return Fault(KeyboardInterrupt(), after=n % 2 == 0) if left[0] == 0 else None  # type: ignore[arg-type]  # noqa: B023

        try:
            collect(
                FaultyRecords(store.records, die),
                FaultyObjects(store.objects, die),
                now=store.clock.now(),
                settings=keep,
                delete=True,
            )
            assert n > 10
            break
        except KeyboardInterrupt:
            store.collect(keep)
        assert store.versions() == whole.versions()
        assert len(list(store.objects.list(""))) == len(list(whole.objects.list("")))


def test_a_record_that_cannot_be_read_stops_a_collection_before_it_removes(store: Store) -> None:
    name = store.build("spare", has_head=False)
    store.records.create(action_path("broken"), b"{")
    store.wait(31)
    with pytest.raises(CorruptRecord):
        store.collect()
    assert store.has(name)
    assert store.action("spare").buried_at is None


def test_runs_artifacts_and_ticks_go_only_where_the_settings_say_for_how_long(store: Store) -> None:
    first, second = new_id(), new_id()
    at = store.clock.now()
    for each in (first, second):
        run = Run(id=each, name="build", kind="build", state="completed", started_at=at, ended_at=at)
        store.records.create(run_path(each), encode(run))
        write_object(store.objects, f"logs/{each}", b"log")
        artifact = Artifact(id=each, kind="markdown", created_at=at, key="report", data="# x")
        store.records.create(artifact_path("report", each), encode(artifact))
    for nominal, due in (("20260101T0000", at), ("20260102T0000", at + timedelta(days=1))):
        tick = Tick(schedule="daily", nominal=nominal, due_at=due, state="completed", holder="h")
        store.records.create(tick_path("daily", nominal), encode(tick))
    store.wait(100)
    assert store.collect().removed == {}
    report = store.collect(Retention(keep_runs=90))
    counts = {kind: each.n for kind, each in report.removed.items()}
    assert counts == {"runs": 2, "logs": 2, "artifacts": 1, "ticks": 1}
    assert Catalog(store.index.read).runs() == []
    assert [row.id for row in Catalog(store.index.read).artifacts()] == [second]


def _head(store: Store) -> Head:
    stored = store.records.get(head_path("default", KEY))
    assert stored is not None
    return decode(stored.data, Head)


def _change_head(store: Store, change: Callable[[Head], dict[str, object]]) -> None:
    stored = store.records.get(head_path("default", KEY))
    assert stored is not None
    head = decode(stored.data, Head)
    changed = Head(**{**_fields(head), **change(head)})  # type: ignore[arg-type]
    assert _replaced(store.records, stored.path, encode(changed), stored.token)


def _replaced(records: RecordStore, path: str, data: bytes, token: Token) -> Token | None:
    return records.replace(path, data, token)


def _fields(record: Action | Head) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
