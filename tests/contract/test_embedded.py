"""What the embedded drivers promise beyond the contract: processes, crashes, damage, full and sealed disks."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nacre.errors import CorruptRecord, StoreFull, StoreReadOnly, StoreTooNew, StoreUnavailable
from nacre.store import embedded
from nacre.store.codec import encode
from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.port import Stored, Write
from nacre.store.records import FORMAT_VERSION, StoreFormat
from nacre.testing import read_object, write_object

Seal = Callable[[Path], AbstractContextManager[None]]

COUNT = """
import sys
from pathlib import Path
from nacre.store.embedded import SqliteRecords
from nacre.testing import add_one
records = SqliteRecords(Path(sys.argv[1]))
records.create("n", b"0")
for _ in range(20):
    add_one(records, "n")
records.close()
"""

WRITE_PAIRS = """
import sys
from pathlib import Path
from nacre.store.embedded import SqliteRecords
from nacre.store.port import Write
records = SqliteRecords(Path(sys.argv[1]))
for n in range(1_000_000):
    records.batch([Write(f"a/{n:07}", b"x" * 500), Write(f"b/{n:07}", b"x" * 500)])
    print(n, flush=True)
"""


def start(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)


def test_processes_that_make_and_count_in_one_store_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "records.sqlite"
    processes = [start(COUNT, path) for _ in range(4)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    with closing(SqliteRecords(path)) as records:
        stored = records.get("n")
        assert stored is not None
        assert stored.data == b"80"


def test_a_killed_writer_leaves_whole_batches_and_all_it_was_told_of(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    for _ in range(3):
        path.unlink(missing_ok=True)
        process = start(WRITE_PAIRS, path)
        assert process.stdout is not None
        told = [next(process.stdout) for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        told.extend(process.communicate()[0].splitlines(keepends=True))
        with closing(SqliteRecords(path)) as records:
            first = [stored.path[2:] for stored in records.scan("a/")]
            second = [stored.path[2:] for stored in records.scan("b/")]
        assert first == second
        # The last line may have been cut off by the kill.
        assert len(first) >= sum(line.endswith("\n") for line in told)


def test_the_format_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        first = records.get("format")
    with closing(SqliteRecords(path)) as records:
        assert records.get("format") == first
        assert first is not None


def test_a_newer_store_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = store_with_format(
        tmp_path, encode(StoreFormat(version=FORMAT_VERSION + 1, created_at=datetime.now(UTC)))
    )
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="written by a newer nacre: upgrade nacre; nothing was changed"):
        SqliteRecords(path, prepare=lambda connection: pytest.fail("touched"))
    assert path.read_bytes() == before


def test_a_format_that_cannot_be_read_is_a_corrupt_record(tmp_path: Path) -> None:
    path = store_with_format(tmp_path, b"garbage")
    with pytest.raises(CorruptRecord, match="format"):
        SqliteRecords(path)


def test_a_file_that_is_no_database_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    path.write_bytes(b"this is a text file, not a database" * 100)
    with pytest.raises(CorruptRecord, match=r"(?s)records\.sqlite.*move it away"):
        SqliteRecords(path)
    with pytest.raises(CorruptRecord):
        SqliteRecords(path, read_only=True)


def test_damaged_pages_are_found_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        records.batch([Write(f"a/{n}", b"x" * 500) for n in range(500)])
    with path.open("r+b") as file:
        file.seek(30 * 4096)
        file.write(b"\xff" * 4096)
    with closing(SqliteRecords(path)) as records, pytest.raises(CorruptRecord, match="damaged"):
        list(records.scan("a/"))


def test_a_store_that_lost_a_table_or_its_counter_is_damaged_not_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        with pytest.raises(CorruptRecord, match=r"(?s)no such table: heads.*fsck --repair"):
            records.read("SELECT 1 FROM heads", (), int)
        records.write(lambda connection: connection.execute("DELETE FROM counter"))
        with pytest.raises(CorruptRecord, match=r"(?s)counter of versions is gone.*move it away"):
            records.create("a", b"1")
        records.write(lambda connection: connection.execute("DROP TABLE counter"))
        with pytest.raises(CorruptRecord, match="no such table: counter"):
            records.create("a", b"1")


def test_a_failing_index_undoes_its_batch(tmp_path: Path) -> None:
    def refuse(connection: sqlite3.Connection, stored: Sequence[Stored]) -> None:
        raise CorruptRecord(f"refused {stored[0].path}")

    with closing(SqliteRecords(tmp_path / "records.sqlite", refuse)) as records:
        with pytest.raises(CorruptRecord, match="refused a"):
            records.create("a", b"")
        assert records.get("a") is None


def test_the_index_hears_of_accepted_writes_and_of_deletes(tmp_path: Path) -> None:
    heard: list[Stored] = []
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path, lambda connection, stored: heard.extend(stored))) as records:
        token = records.batch([Write("a", b"1"), Write("a", b"2")])[0]
        assert token is not None
        records.delete("a", token)
    assert heard == [("a", b"1", token), ("a", b"", "")]


def test_an_index_that_asks_for_it_gets_every_record_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        records.batch([Write("a", b"1"), Write("b", b"2")])
    heard: list[str] = []

    def index(connection: sqlite3.Connection, stored: Sequence[Stored]) -> None:
        heard.extend(s.path for s in stored)

    SqliteRecords(path, index, prepare=lambda connection: True).close()
    assert heard == ["a", "b", "format"]


def test_reading_is_not_blocked_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path)) as records, closing(SqliteRecords(path)) as other:
        records.create("a", b"1")

        def in_the_middle(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE records SET data = 'unseen'")
            for reader in (records, other):
                stored = reader.get("a")
                assert stored is not None
                assert stored.data == b"1"
                assert len(list(reader.scan(""))) == 2

        records.write(in_the_middle)


def test_a_store_that_stays_locked_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "BUSY_TIMEOUT_S", 0.01)
    path = tmp_path / "records.sqlite"
    with closing(SqliteRecords(path)) as records, closing(SqliteRecords(path)) as other:

        def write_from_the_other(connection: sqlite3.Connection) -> None:
            with pytest.raises(StoreUnavailable, match="another process is writing"):
                other.create("b", b"")

        records.write(write_from_the_other)


def test_a_missing_store_is_not_made_by_reading(tmp_path: Path) -> None:
    path = tmp_path / "none" / "records.sqlite"
    with pytest.raises(StoreUnavailable, match="no store"):
        SqliteRecords(path, read_only=True)
    assert not path.parent.exists()


def test_a_store_opened_for_reading_refuses_writes(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    SqliteRecords(path).close()
    with closing(SqliteRecords(path, read_only=True)) as records:
        assert records.read_only
        with pytest.raises(StoreReadOnly):
            records.create("a", b"")


@pytest.mark.parametrize("is_open_elsewhere", [False, True])
def test_a_sealed_store_can_be_read_and_refuses_writes(
    open_dir: Path, sealed: Seal, is_open_elsewhere: bool
) -> None:
    path = open_dir / "records.sqlite"
    writer = SqliteRecords(path)
    writer.create("a", b"kept")
    if not is_open_elsewhere:
        writer.close()
    with sealed(open_dir), closing(SqliteRecords(path)) as records:
        stored = records.get("a")
        assert stored is not None
        assert stored.data == b"kept"
        assert [s.path for s in records.scan("a")] == ["a"]
        with pytest.raises(StoreReadOnly, match=r"records\.sqlite"):
            records.create("b", b"")
    writer.close()


def test_a_store_cannot_be_made_in_a_sealed_directory(open_dir: Path, sealed: Seal) -> None:
    with sealed(open_dir):
        for path in (open_dir / "records.sqlite", open_dir / "new" / "records.sqlite"):
            with pytest.raises(StoreReadOnly, match="nothing was changed"):
                SqliteRecords(path)


def test_a_full_database_undoes_the_batch_and_keeps_the_rest(tmp_path: Path) -> None:
    with closing(SqliteRecords(tmp_path / "records.sqlite")) as records:
        records.create("a", b"kept")
        limit_pages(records, 20)
        writes = [Write(f"b/{n}", b"x" * 4000) for n in range(100)]
        with pytest.raises(StoreFull, match=r"(?s)records\.sqlite.*free .*bytes"):
            records.batch(writes)
        assert list(records.scan("b/")) == []
        assert records.get("a") is not None
        assert records.create("small", b"") is not None


def test_a_full_disk_is_named_and_nothing_stored_is_lost(small_disk: Path) -> None:
    path = small_disk / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        records.create("a", b"kept")
        for _ in range(2):
            with pytest.raises(StoreFull, match=r"(?s)records\.sqlite.*free"):
                records.batch([Write(f"b/{n}", b"x" * 4000) for n in range(400)])
            assert [s.path for s in records.scan("")] == ["a", "format"]
    with closing(SqliteRecords(path)) as records:
        assert [s.path for s in records.scan("")] == ["a", "format"]
        assert records.create("b", b"") is not None


def test_a_store_on_a_disk_that_others_filled_can_be_read(small_disk: Path) -> None:
    path = small_disk / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        records.create("a", b"kept")
    fill(small_disk / "filler")
    with closing(SqliteRecords(path)) as records:
        assert records.get("a") is not None
        with pytest.raises(StoreFull):
            records.batch([Write(f"b/{n}", b"x" * 4000) for n in range(10)])
        assert [s.path for s in records.scan("")] == ["a", "format"]
    (small_disk / "filler").unlink()
    with closing(SqliteRecords(path)) as records:
        assert records.create("b", b"") is not None


def test_objects_on_a_full_disk_leave_nothing_half_written(small_disk: Path) -> None:
    objects = DirectoryObjects(small_disk)
    write_object(objects, "a", b"kept")
    with pytest.raises(StoreFull, match="free"):
        write_object(objects, "big", b"x" * 2_000_000)
    assert [info.name for info in objects.list("")] == ["a"]
    write_object(objects, "small", b"x")


def test_an_object_is_a_file_that_nobody_can_write(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path)
    write_object(objects, "a/b", b"1")
    with objects.get("a/b") as file:
        assert Path(file.name) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o222 == 0


def test_an_object_too_large_for_the_place_leaves_nothing(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path)
    with limited_files(100_000):
        with pytest.raises(StoreFull, match="No space"):
            write_object(objects, "a", b"x" * 1_000_000)
        write_object(objects, "b", b"x" * 1_000)
    assert [info.name for info in objects.list("")] == ["b"]
    assert list((tmp_path / ".unfinished").iterdir()) == []


def test_a_sealed_directory_of_objects_can_be_read(open_dir: Path, sealed: Seal) -> None:
    objects = DirectoryObjects(open_dir)
    write_object(objects, "a", b"kept")
    with sealed(open_dir):
        assert read_object(objects, "a") == b"kept"
        assert objects.head("a") == ("a", 4)
        with pytest.raises(StoreReadOnly):
            write_object(objects, "b", b"")
        with pytest.raises(StoreReadOnly):
            objects.delete("a")


def test_errors_of_the_blocks_own_files_pass_unchanged(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "objects")
    with pytest.raises(FileNotFoundError, match="mine"), objects.put("a"):
        (tmp_path / "mine").read_bytes()


def test_what_a_crash_left_unfinished_is_not_listed(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path)
    write_object(objects, "a", b"1")
    (tmp_path / ".unfinished" / "left").write_bytes(b"half")
    assert [info.name for info in objects.list("")] == ["a"]


def store_with_format(directory: Path, data: bytes) -> Path:
    """A store whose format record was overwritten."""
    path = directory / "records.sqlite"
    with closing(SqliteRecords(path)) as records:
        stored = records.get("format")
        assert stored is not None
        assert records.replace("format", data, stored.token) is not None
    return path


def limit_pages(records: SqliteRecords, n_pages: int) -> None:
    """Make SQLite itself say "full" beyond some pages."""
    # A pragma of the connection, which `write` hands out; it needs no transaction of its own.
    records.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {n_pages}").fetchall())


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (64 * 1024, 1024, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue


@contextmanager
def limited_files(size_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
