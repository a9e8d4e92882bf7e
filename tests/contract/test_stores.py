"""The contract suites, run on every driver that ships."""

from __future__ import annotations

from pathlib import Path

from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.port import ObjectStore, RecordStore
from nacre.store.wrap import CountingObjects, CountingRecords
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


def test_wrappers_count_calls_by_method() -> None:
    records = CountingRecords(MemoryRecords())
    records.create("a", b"")
    records.get("a")
    records.get("b")
    assert records.counts == {"create": 1, "get": 2}
