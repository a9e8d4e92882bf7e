"""Versions on their way to a place in a bucket: copied by the service, or passing through this process in parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from buckets import Lake, Relay
from nacre.errors import CorruptObject, StoreReadOnly
from nacre.store import connect as connecting
from nacre.store import services
from nacre.store.bucket import BucketObjects
from nacre.store.connect import connect
from nacre.store.memory import MemoryObjects
from nacre.store.publish.bucket import BucketPlace
from nacre.testing import write_object
from published import DAMAGES, stored


def test_a_version_in_the_same_bucket_is_copied_by_the_service(lake: Lake, relay: Relay) -> None:
    objects = BucketObjects(connect(f"{lake.url}/team", is_store=True), "team/objects")
    write_object(objects, "data/a/1", b"x" * 100_000)
    place = BucketPlace(connect(f"{lake.url}/posts"))
    relay.asked.clear()
    mark = place.put("posts/a.bin", stored(objects, "data/a/1", b"x" * 100_000))
    assert relay.counts == {"COPY": 1, "HEAD": 1}
    assert lake.read("posts/a.bin") == b"x" * 100_000
    assert place.marks(["posts/a.bin"]) == {"posts/a.bin": mark}


@pytest.fixture
def small_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that copies 1,000 bytes at once, as S3 copies 5 GiB."""
    monkeypatch.setitem(services.SERVICES, "s3", services.S3._replace(max_copy_bytes=1_000))
    monkeypatch.setattr(connecting, "PART_BYTES", 6 * 1024 * 1024)


@pytest.mark.usefixtures("small_copies")
def test_what_is_too_large_to_be_copied_at_once_passes_through_in_parts(lake: Lake, relay: Relay) -> None:
    objects = BucketObjects(connect(lake.url), "team/objects")
    data = bytes(range(256)) * 50_000
    write_object(objects, "data/a/1", data)
    relay.asked.clear()
    mark = BucketPlace(connect(lake.url)).put("a.bin", stored(objects, "data/a/1", data))
    objects.copy("data/a/1", "data/a/2")
    assert lake.read("a.bin") == data == lake.read("team/objects/data/a/2")
    assert "COPY" not in relay.counts
    pieces = [asked.headers["range"] for asked in relay.asked if asked.kind == "GET"]
    assert len(pieces) == 2 * 3, "never more than a part is in memory"
    assert BucketPlace(connect(lake.url)).marks(["a.bin"]) == {"a.bin": mark}


@pytest.mark.usefixtures("small_copies")
def test_a_copy_in_parts_that_fails_leaves_what_was_there(lake: Lake, relay: Relay) -> None:
    objects = BucketObjects(connect(lake.url), "team/objects")
    write_object(objects, "data/a/1", bytes(13 * 1024 * 1024))
    lake.write("a.bin", b"before")
    relay.spoil = lambda asked: (
        "403 AccessDenied" if asked.headers.get("range", "").startswith("bytes=6") else ""
    )
    with pytest.raises(StoreReadOnly, match="no permission to read"):
        BucketPlace(connect(lake.url)).put("a.bin", stored(objects, "data/a/1", bytes(13 * 1024 * 1024)))
    assert lake.read("a.bin") == b"before"
    assert lake.unfinished() == []


def test_a_copy_of_a_version_that_was_cut_off_is_told(lake: Lake) -> None:
    objects = BucketObjects(connect(lake.url), "team/objects")
    write_object(objects, "data/a/1", b"1234")
    with pytest.raises(CorruptObject, match="cannot be read"):
        BucketPlace(connect(lake.url)).put("a.bin", stored(objects, "data/a/1", b"12345"))


@pytest.mark.usefixtures("small_copies")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_that_is_copied_in_parts_leaves_what_was_there(
    lake: Lake, damage: Callable[[bytes], bytes]
) -> None:
    objects = BucketObjects(connect(lake.url), "team/objects")
    data = bytes(range(256)) * 50_000
    write_object(objects, "data/a/1", damage(data))
    lake.write("a.bin", b"before")
    with pytest.raises(CorruptObject, match="cannot be read"):
        BucketPlace(connect(lake.url)).put("a.bin", stored(objects, "data/a/1", data))
    assert lake.read("a.bin") == b"before"
    assert lake.unfinished() == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_that_is_uploaded_in_parts_leaves_what_was_there(
    lake: Lake, damage: Callable[[bytes], bytes]
) -> None:
    objects, data = MemoryObjects(), bytes(range(256)) * 80_000
    write_object(objects, "data/a/1", damage(data))
    lake.write("a.bin", b"before")
    with pytest.raises(CorruptObject, match="cannot be read"):
        BucketPlace(connect(lake.url)).put("a.bin", stored(objects, "data/a/1", data))
    assert lake.read("a.bin") == b"before"
    assert lake.unfinished() == []
