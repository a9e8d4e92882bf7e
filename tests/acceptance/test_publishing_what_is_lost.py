"""Versions that shall be published and whose bytes or record are gone: told by name, made again by the next build."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import nacre
from buckets import Lake
from nacre.errors import NotPublished
from nacre.store.codec import decode, encode
from nacre.store.paths import action_path
from nacre.store.records import Action
from nacre.testing import write_object
from sandbox import Sandbox

PIPELINE = """
@materialize("{url}/rain/large.bin")
def large() -> bytes:
    calls.append("large")
    return b"x" * 100_000

@materialize("demo://size")
def size(large: bytes) -> int:
    return len(large)
"""
CASES = ["folder to folder", "folder to bucket", "bucket to bucket"]


class Lost:
    """A project whose current version of ``large`` is neither at its place nor whole in the store."""

    def __init__(self, project: Sandbox, lake: Lake, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.lake = project, lake
        self.folder = project.map("s3://mapped", "mapped") if case == "folder to folder" else None
        self.url = "s3://mapped" if self.folder else lake.url
        self.is_far = case == "bucket to bucket"
        if self.is_far:
            monkeypatch.setenv("NACRE_STORE", f"{lake.url}/store")
            project.reopen()
        self.key = f"{self.url}/rain/large.bin"
        self.module = project.module(PIPELINE.replace("{url}", self.url))
        project.build(self.module).raise_for_failure()

    def lose_the_file(self) -> None:
        if self.folder is not None:
            (self.folder / "rain/large.bin").unlink()
        else:
            self.lake.service.client.delete_object(Bucket=self.lake.bucket, Key="rain/large.bin")

    def lose_the_bytes(self) -> None:
        name = self.project.record(self.key).outputs[0].object
        self.project.workspace.contents.objects.delete(name)

    def cut_the_bytes(self) -> None:
        self.damage(b"x" * 60_000)

    def damage(self, data: bytes) -> None:
        objects = self.project.workspace.contents.objects
        name = self.project.record(self.key).outputs[0].object
        objects.delete(name)
        write_object(objects, name, data)

    def lose_the_record(self) -> None:
        records = self.project.workspace.records
        path = action_path(self.project.history(self.key)[0])
        stored = records.get(path)
        assert stored is not None
        buried = decode(stored.data, Action, path)
        now = self.project.clock.now()
        from msgspec.structs import replace

        assert records.replace(path, encode(replace(buried, outputs=(), buried_at=now)), stored.token)

    def at_place(self) -> bytes:
        if self.folder is not None:
            return (self.folder / "rain/large.bin").read_bytes()
        return self.lake.read("rain/large.bin")


@pytest.fixture(params=CASES)
def lost(
    request: pytest.FixtureRequest, project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> Lost:
    return Lost(project, lake, request.param, monkeypatch)


LOSSES = {"bytes": Lost.lose_the_bytes, "end": Lost.cut_the_bytes, "record": Lost.lose_the_record}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_it_is_told_by_name_and_the_next_build_makes_and_publishes_it(
    lost: Lost, lose: Callable[[Lost], None]
) -> None:
    project, module = lost.project, lost.module
    lose(lost)
    lost.lose_the_file()
    project.reopen()
    result = nacre.build("*", modules=[module], reuse_sources=True)
    error = result.errors[lost.key]
    assert isinstance(error, NotPublished)
    text = str(error)
    assert "v1 of large could not be published" in text
    assert lost.key in text
    assert "the next build makes it again" in text
    assert ("not the ones that were stored" if lose is Lost.cut_the_bytes else "gone") in text
    assert "the version is stored" not in text
    project.reopen()
    module.calls.clear()
    assert nacre.build("*", modules=[module], reuse_sources=True).ok
    assert module.calls == ["large"]
    assert lost.at_place() == b"x" * 100_000


# A copy by the service is known by its size only.
@pytest.mark.parametrize("lost", CASES[:2], indirect=True)
def test_a_damaged_version_is_not_put_over_a_good_file(lost: Lost) -> None:
    project, module = lost.project, lost.module
    lost.damage(b"x" * 99_999 + b"y")
    module = project.edit(module, "    calls.append", "    str()\n    calls.append")
    assert "could not be published" in str(nacre.build("*", modules=[module]).errors[lost.key])
    assert lost.at_place() == b"x" * 100_000
    assert nacre.build("*", modules=[module]).ok
    assert lost.at_place() == b"x" * 100_000
    assert nacre.load("large", as_type=bytes) == b"x" * 100_000
