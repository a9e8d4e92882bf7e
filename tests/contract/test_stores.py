"""The contract suites, run on every driver that ships."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from buckets import Lake
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import connect
from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.ids import new_id
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.overlay import OverlayObjects, OverlayRecords
from nacre.store.port import ObjectInfo, ObjectStore, RecordStore
from nacre.store.wrap import CountingObjects, CountingRecords, FaultyRecords
from nacre.testing import ObjectStoreContract, RecordStoreContract


class TestMemoryRecords(RecordStoreContract):
    def make(self, directory: Path) -> RecordStore:
        return MemoryRecords()


class TestSqliteRecords(RecordStoreContract):
    def make(self, directory: Path) -> RecordStore:
        return SqliteRecords(directory / "store" / "records.sqlite")


class TestCountedRecords(RecordStoreContract):
    """A wrapper is a driver as well."""

    def make(self, directory: Path) -> RecordStore:
        return CountingRecords(MemoryRecords())


class TestOverlayRecords(RecordStoreContract):
    """What forgets its writes is a driver as well, and leaves the store below as it was."""

    def make(self, directory: Path) -> RecordStore:
        return OverlayRecords(MemoryRecords())

    def test_the_store_below_is_read_and_never_written(self) -> None:
        below = MemoryRecords()
        token = below.create("a", b"below")
        over = OverlayRecords(below)
        assert over.create("a", b"other") is None
        assert token is not None
        replaced = over.replace("a", b"above", token)
        assert replaced is not None
        assert [stored.data for stored in over.scan("")] == [b"above"]
        assert over.delete("a", replaced)
        assert over.get("a") is None
        assert over.create("a", b"again") is not None
        assert below.get("a") == ("a", b"below", token)


class TestOverlayObjects(ObjectStoreContract):
    def make(self, directory: Path) -> ObjectStore:
        return OverlayObjects(MemoryObjects())

    def test_the_store_below_is_read_and_never_written(self) -> None:
        below = MemoryObjects()
        with below.put("data/a") as file:
            file.write(b"below")
        over = OverlayObjects(below)
        over.copy("data/a", "data/b")
        over.delete("data/a")
        assert over.head("data/a") is None
        assert over.get("data/b").read() == b"below"
        assert [each.name for each in over.list("data/")] == ["data/b"]
        assert [each.name for each in below.list("data/")] == ["data/a"]


class TestMemoryObjects(ObjectStoreContract):
    def make(self, directory: Path) -> ObjectStore:
        return MemoryObjects()


class TestDirectoryObjects(ObjectStoreContract):
    def make(self, directory: Path) -> ObjectStore:
        return DirectoryObjects(directory / "store" / "objects")


class TestCountedObjects(ObjectStoreContract):
    """A wrapper is a driver as well."""

    def make(self, directory: Path) -> ObjectStore:
        return CountingObjects(MemoryObjects())


class TestFaultyRecords(RecordStoreContract):
    """A wrapper that lets everything through is a driver too."""

    def make(self, directory: Path) -> RecordStore:
        return FaultyRecords(MemoryRecords(), lambda call: None)


class TestBucketRecords(RecordStoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, lake: Lake) -> None:
        self.url = lake.url

    def make(self, directory: Path) -> RecordStore:
        return BucketRecords(connect(self.url), "team/records")


class TestBucketObjects(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, lake: Lake) -> None:
        self.url = lake.url

    def make(self, directory: Path) -> ObjectStore:
        return BucketObjects(connect(self.url), "team/objects")


def test_wrappers_count_calls_by_method() -> None:
    records = CountingRecords(MemoryRecords())
    records.create("a", b"")
    records.get("a")
    records.get("b")
    assert records.counts == {"create": 1, "get": 2}


def test_a_sweep_removes_what_killed_writers_left_long_ago(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path)
    folder = tmp_path / ".unfinished"
    folder.mkdir()
    old, young = new_id(lambda: 1_000.0), new_id(lambda: 2_000.0)
    for name in (old, young, "notes"):
        (folder / name).write_bytes(b"left")
    moment = datetime.fromtimestamp(1_500, UTC)
    found = [ObjectInfo(f".unfinished/{old}", 4)]
    assert objects.sweep(moment, delete=False) == found
    assert objects.sweep(moment, delete=True) == found
    assert sorted(each.name for each in folder.iterdir()) == sorted([young, "notes"])
