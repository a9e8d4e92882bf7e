"""The drivers of buckets on Azure's own emulator: contracts, stories from end to end, and what it refuses."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from azure_buckets import AzureLake
from cloud_story import CloudStory
from contract.test_places import PlaceContract
from nacre.errors import StoreError, StoreReadOnly, StoreUnavailable
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import PART_BYTES, connect
from nacre.store.credentials.azure import EMULATOR_ACCOUNT, EMULATOR_KEY
from nacre.store.port import ObjectStore, RecordStore
from nacre.store.publish.bucket import BucketPlace
from nacre.testing import ObjectStoreContract, RecordStoreContract, read_object, write_object
from published import stored


class TestAzureRecords(RecordStoreContract):
    @pytest.fixture(autouse=True)
    def _container(self, azure_lake: AzureLake) -> None:
        self.url = azure_lake.url

    def make(self, directory: Path) -> RecordStore:
        return BucketRecords(connect(self.url), "team/records")


class TestAzureObjects(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _container(self, azure_lake: AzureLake) -> None:
        self.url = azure_lake.url

    def make(self, directory: Path) -> ObjectStore:
        return BucketObjects(connect(self.url), "team/objects")


class TestAzurePlace(PlaceContract):
    @pytest.fixture(autouse=True)
    def _container(self, azure_lake: AzureLake) -> None:
        self.lake = azure_lake
        self.place = BucketPlace(connect(azure_lake.url))
        self.folder = ""

    def read(self, path: str) -> bytes:
        return self.lake.read(path)

    def write(self, path: str, data: bytes) -> None:
        self.lake.write(path, data)

    def names(self) -> list[str]:
        return self.lake.names()

    def objects(self) -> ObjectStore:
        return BucketObjects(connect(self.lake.url), "team/objects")


class TestAzureStory(CloudStory):
    @pytest.fixture(autouse=True)
    def _container(self, azure_lake: AzureLake) -> None:
        self.lake = azure_lake


def test_a_large_object_comes_back_and_is_copied_to_its_place(azure_lake: AzureLake) -> None:
    objects = BucketObjects(connect(f"{azure_lake.url}/team"), "team/objects")
    data = bytes(range(251)) * (3 * PART_BYTES // 251)
    write_object(objects, "data/a/1", data)
    assert read_object(objects, "data/a/1") == data
    place = BucketPlace(connect(f"{azure_lake.url}/posts"))
    mark = place.put("posts/a.bin", stored(objects, "data/a/1", data))
    assert place.marks(["posts/a.bin", "posts/none"]) == {"posts/a.bin": mark}
    assert azure_lake.read("posts/a.bin") == data


def refused(url: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        BucketPlace(connect(url)).check("posts/a.json")
    return caught.value


def test_a_container_that_is_not_there_is_named(azure_lake: AzureLake) -> None:
    for error in (refused("az://nowhere"), refused("az://nowhere/deep")):
        assert isinstance(error, StoreUnavailable)
        assert "There is no container nowhere" in str(error)
        assert "az storage container create --name nowhere" in str(error)
    with pytest.raises(StoreUnavailable, match="There is no container nowhere"):
        BucketRecords(connect("az://nowhere"), "records")


def test_a_wrong_key_is_told_without_showing_it(
    azure_lake: AzureLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_USE_EMULATOR")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", EMULATOR_ACCOUNT)
    wrong = base64.b64encode(b"wrong").decode()
    for variable, value in (
        ("AZURE_STORAGE_KEY", wrong),
        ("AZURE_STORAGE_KEY", "no base 64!"),
        ("AZURE_STORAGE_SAS_TOKEN", "?sv=2021-08-06&sp=rw&se=2030-01-01&sig=c2VjcmV0"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            error = refused(azure_lake.url)
        assert isinstance(error, StoreReadOnly)
        assert "The credentials for the container" in str(error)
        assert value not in str(error)
        assert "sig=" not in str(error)
    assert azure_lake.names() == []


def test_a_connection_string_is_enough(azure_lake: AzureLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_USE_EMULATOR")
    monkeypatch.delenv("AZURE_STORAGE_ENDPOINT")
    endpoint = azure_lake.service.endpoint
    said = f"AccountName={EMULATOR_ACCOUNT};AccountKey={EMULATOR_KEY};BlobEndpoint={endpoint};"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"DefaultEndpointsProtocol=http;{said}")
    assert BucketRecords(connect(azure_lake.url), "records").identity
