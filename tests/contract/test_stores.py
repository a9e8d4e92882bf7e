"""The contract suites, run on every driver that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from buckets import Lake
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import connect
from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.port import ObjectStore, RecordStore
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
