"""The drivers on buckets of whoever runs this, with their credentials: what no emulator shows.

    NACRE_TEST_BUCKETS="gs://mine/tests az://mine/tests s3://mine/tests" make test-s3-real

Each test works below a folder of its own there, and removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_story import CloudStory
from nacre.store.address import parse
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import connect
from nacre.store.ids import new_id
from nacre.store.port import ObjectStore, RecordStore
from nacre.store.probe import broken_promise
from nacre.testing import ObjectStoreContract, RecordStoreContract

# Taken before the fixture that keeps the settings of whoever runs this away from all other tests.
OWN = dict(os.environ)
BUCKETS = OWN.get("NACRE_TEST_BUCKETS", "").split()
NOT_RUN = "not run here: clouds themselves, with their permissions and limits of rate (NACRE_TEST_BUCKETS names none)"


class OwnLake:
    """A folder of a bucket, as the client library shows it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._bucket = connect(url)
        self._folder = parse(url).prefix

    def names(self) -> list[str]:
        start = f"{self._folder}/"
        return [each.path.removeprefix(start) for page in self._bucket.pages(self._folder) for each in page]

    def read(self, key: str) -> bytes:
        found = self._bucket.read(f"{self._folder}/{key}")
        assert found is not None, key
        return found[0]

    def write(self, key: str, data: bytes) -> None:

        self._bucket.put(f"{self._folder}/{key}", [data], len(data))

    def empty(self) -> None:
        for name in self.names():
            self._bucket.delete(f"{self._folder}/{name}")


@pytest.fixture(params=BUCKETS or [pytest.param("", marks=pytest.mark.skip(reason=NOT_RUN))])
def own_lake(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None
) -> Iterator[OwnLake]:
    """A folder in a bucket of whoever runs this."""
    for name in ("CLOUDSDK_CONFIG", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name)
    for name, value in OWN.items():
        if not name.startswith("NACRE_"):
            monkeypatch.setenv(name, value)
    lake = OwnLake(f"{request.param.rstrip('/')}/{new_id()}")
    yield lake
    lake.empty()


class TestOwnRecords(RecordStoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, own_lake: OwnLake) -> None:
        self.url = own_lake.url

    def make(self, directory: Path) -> RecordStore:
        return BucketRecords(connect(self.url), parse(self.url).folder("records"))


class TestOwnObjects(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, own_lake: OwnLake) -> None:
        self.url = own_lake.url

    def make(self, directory: Path) -> ObjectStore:
        return BucketObjects(connect(self.url), parse(self.url).folder("objects"))


class TestOwnStory(CloudStory):
    @pytest.fixture(autouse=True)
    def _bucket(self, own_lake: OwnLake) -> None:
        self.lake = own_lake


def test_the_service_keeps_what_sharing_rests_on(own_lake: OwnLake) -> None:
    assert broken_promise(connect(own_lake.url), parse(own_lake.url).folder("records")) == ""
