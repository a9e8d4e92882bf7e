"""The negative control of the probe: rclone speaks S3 and ignores conditions, so no store may be begun on it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_buckets import LANE
from buckets import closed_port
from nacre.errors import StoreUnavailable
from nacre.store import probe
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import connect
from nacre.store.publish.bucket import BucketPlace
from published import inline


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that rclone serves as the bucket ``lake``."""
    (tmp_path / "lake").mkdir()
    port = closed_port()
    command = [LANE / "rclone/bin/rclone", "serve", "s3", tmp_path, "--addr", f"127.0.0.1:{port}"]
    process = subprocess.Popen([*command, "--auth-key", "test,testsecret"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "rclone does not answer"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testsecret")
    yield tmp_path / "lake"
    process.terminate()
    process.wait()


def test_a_store_on_rclone_is_refused_by_name_and_nothing_stays(lake: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not keep what sharing a store rests on") as caught:
        BucketRecords(connect("s3://lake/team", is_store=True), "team/records")
    promises = (probe.IF_MATCH, probe.IF_NONE_MATCH, probe.ONE_CREATES, probe.REPLACES)
    assert any(promise in str(caught.value) for promise in promises)
    assert "NACRE_STORE=.nacre" in str(caught.value)
    assert [path for path in lake.rglob("*") if path.is_file()] == []


def test_files_are_published_to_rclone_all_the_same(lake: Path) -> None:
    place = BucketPlace(connect("s3://lake"))
    place.check("posts/a.json")
    mark = place.put("posts/a.json", inline(b"[1]"))
    assert place.marks(["posts/a.json"]) == {"posts/a.json": mark}
    assert (lake / "posts/a.json").read_bytes() == b"[1]"
