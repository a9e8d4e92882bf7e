"""What published files on a disk must do beyond what every place must: second names, times, and bytes of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nacre.store.directory import DirectoryObjects
from nacre.store.publish.files import FilePlace
from nacre.store.publish.port import is_as_noted
from nacre.testing import write_object
from published import inline, stored


def test_each_file_of_others_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    place, path = FilePlace(), tmp_path / "out.txt"
    name = str(path).lstrip("/")
    for theirs in (b"precious", b"dear"):
        path.write_bytes(theirs)
        place.set_aside(name, [inline(b"ours")])
        place.put(name, inline(b"ours"))
    assert path.read_bytes() == b"ours"
    assert (tmp_path / "out.txt.before-nacre").read_bytes() == b"precious"
    assert (tmp_path / "out.txt.before-nacre-2").read_bytes() == b"dear"
    assert len(list(tmp_path.iterdir())) == 3


def test_an_edit_of_the_same_size_whose_time_was_put_back_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    name = str(path).lstrip("/")
    mark = FilePlace().put(name, inline(b"[1]"))
    before = path.stat()
    path.write_bytes(b"[2]")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert FilePlace().marks([name])[name] != mark


def test_a_mark_that_an_earlier_version_noted_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    name = str(path).lstrip("/")
    mark = FilePlace().put(name, inline(b"[1]"))
    assert mark is not None
    earlier = f"{path.stat().st_size}-{path.stat().st_mtime_ns}"
    assert is_as_noted(mark, earlier)
    assert not is_as_noted(mark, earlier[:-1])
    assert not is_as_noted(mark, f"{earlier}+1")


def test_a_published_file_shares_no_name_with_the_store(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "objects")
    write_object(objects, "data/a/1", b"x" * 100_000)
    path = tmp_path / "lake/a.bin"
    FilePlace().put(str(path).lstrip("/"), stored(objects, "data/a/1", b"x" * 100_000))
    path.write_bytes(b"an edit in place")
    with objects.get("data/a/1") as file:
        assert file.read() == b"x" * 100_000


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes of what was flushed to the disk, in order."""
    real, found = os.fsync, list[int]()

    def fsync(descriptor: int) -> None:
        found.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_file_in_new_folders_is_on_disk_with_all_of_them_and_later_ones_flush_no_more_than_theirs(
    tmp_path: Path, synced: list[int], is_checked: bool
) -> None:
    path, place = tmp_path / "lake/a/b/x", FilePlace()
    name = str(path).lstrip("/")
    if is_checked:
        place.check(name)
    place.put(name, inline(b"1"))
    places = [path, tmp_path / "lake/a/b", tmp_path / "lake/a", tmp_path / "lake", tmp_path]
    assert sorted(synced) == sorted(each.stat().st_ino for each in places)
    synced.clear()
    if is_checked:
        place.check(name)
    place.put(name, inline(b"2"))
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]
