"""The drivers of buckets on a real Ceph gateway, which checks signatures, and answers 500 where writers meet."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from buckets import closed_port
from cloud_story import CloudStory
from contract.test_places import PlaceContract
from nacre.errors import StoreReadOnly, StoreUnavailable
from nacre.store import services
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import PART_BYTES, connect
from nacre.store.port import ObjectStore, RecordStore
from nacre.store.probe import broken_promise
from nacre.store.publish.bucket import BucketPlace
from nacre.testing import ObjectStoreContract, RecordStoreContract, read_object, write_object
from published import inline, stored

START = Path(__file__).parent / "ceph.sh"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "testsecret"}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    run, port = started(tmp_path_factory)
    yield f"http://127.0.0.1:{port}"
    subprocess.run([START, "stop", run], check=True)


def started(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Start the gateway; where another program took one of its ports meanwhile, with others."""
    for is_last in (False, False, True):
        run, port = tmp_path_factory.mktemp("ceph"), closed_port()
        environ = {**os.environ, "RGW_PORT": str(port), "MON_PORT": str(closed_port())}
        if subprocess.run([START, "start", run], env=environ, check=is_last).returncode == 0:
            break
    return run, port


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None) -> Any:
    """A client that does not know nacre, and the variables by which nacre reaches the same gateway."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **KEYS)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"lake-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return name


class TestCephRecords(RecordStoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: str) -> None:
        self.url = f"s3://{bucket}"

    def make(self, directory: Path) -> RecordStore:
        return BucketRecords(connect(self.url), "team/records")


class TestCephObjects(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: str) -> None:
        self.url = f"s3://{bucket}"

    def make(self, directory: Path) -> ObjectStore:
        return BucketObjects(connect(self.url), "team/objects")


class CephLake(NamedTuple):
    """A bucket as a program that does not know nacre sees it."""

    client: Any
    bucket: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}"

    def names(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.bucket)
        return [each["Key"] for each in listed.get("Contents", [])]

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)


class TestCephPlace(PlaceContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, client: Any, bucket: str) -> None:
        self.lake = CephLake(client, bucket)
        self.place = BucketPlace(connect(self.lake.url))
        self.folder = ""

    def read(self, path: str) -> bytes:
        return self.lake.read(path)

    def write(self, path: str, data: bytes) -> None:
        self.lake.write(path, data)

    def names(self) -> list[str]:
        return self.lake.names()


class TestCephStory(CloudStory):
    @pytest.fixture(autouse=True)
    def _bucket(self, client: Any, bucket: str) -> None:
        self.lake = CephLake(client, bucket)


@pytest.mark.parametrize("time_of_many", range(5))
def test_the_gateway_keeps_what_sharing_rests_on(bucket: str, time_of_many: int) -> None:
    assert broken_promise(connect(f"s3://{bucket}"), "records") == ""


def test_what_is_too_large_to_be_copied_at_once_passes_through_in_parts(
    client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(services.SERVICES, "s3", services.S3._replace(max_copy_bytes=PART_BYTES))
    objects = BucketObjects(connect(f"s3://{bucket}"), "team/objects")
    data = bytes(range(251)) * (3 * PART_BYTES // 251)
    write_object(objects, "data/a/1", data)
    objects.copy("data/a/1", "data/a/2")
    assert read_object(objects, "data/a/2") == data


def test_a_large_object_comes_back_and_is_copied_to_its_place(client: Any, bucket: str) -> None:
    objects = BucketObjects(connect(f"s3://{bucket}/team"), "team/objects")
    data = bytes(range(251)) * (3 * PART_BYTES // 251)
    write_object(objects, "data/a/1", data)
    assert read_object(objects, "data/a/1") == data
    place = BucketPlace(connect(f"s3://{bucket}/posts"))
    mark = place.put("posts/a.bin", stored(objects, "data/a/1", data))
    assert place.marks(["posts/a.bin", "posts/none"]) == {"posts/a.bin": mark}
    assert client.get_object(Bucket=bucket, Key="posts/a.bin")["Body"].read() == data


def test_what_is_wrong_is_told_before_anything_is_written(
    client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    BucketPlace(connect(f"s3://{bucket}")).check("posts/a.json")
    with pytest.raises(StoreUnavailable, match="There is no bucket nowhere"):
        BucketPlace(connect("s3://nowhere")).check("posts/a.json")
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "wrong")
        with pytest.raises(StoreReadOnly, match="are not accepted"):
            BucketPlace(connect(f"s3://{bucket}")).check("posts/a.json")
        with pytest.raises(StoreReadOnly, match="are not accepted"):
            BucketRecords(connect(f"s3://{bucket}"), "records")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_a_file_is_put_over_the_one_that_is_there(client: Any, bucket: str) -> None:
    place = BucketPlace(connect(f"s3://{bucket}"))
    marks = {place.put("a.json", inline(data)) for data in (b"[1]", b"[2]")}
    assert len(marks) == 2
    assert client.get_object(Bucket=bucket, Key="a.json")["Body"].read() == b"[2]"
