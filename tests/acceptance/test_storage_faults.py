"""Trouble with local storage: faults 9 to 17 of the catalogue. Each is one clear error, and nothing stored is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import nacre
from nacre.errors import CorruptObject, NacreError, StoreError, StoreFull
from nacre.store import embedded
from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.failures import from_os
from nacre.store.wrap import Fault, FaultyObjects
from nacre.testing import read_object, write_object
from sandbox import Sandbox

PIPELINE = """
@materialize("asset://small")
def small() -> int:
    return 1

@materialize("asset://large")
def large(small: int) -> bytes:
    calls.append("large")
    return b"x" * 200_000
"""


def actions(result: nacre.RunResult) -> list[str]:
    return ["checked" if step.checked else step.action for step in result.steps]


# ── 9: no room ────────────────────────────────────────────────────────────────────────────────────────────────────────


def filled(disk: Path, left: int = 0) -> Path:
    """Fill a disk but for some bytes; what fills it."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler = disk / "filler"
    filler.write_bytes(b"x" * (free - left))
    return filler


def test_a_full_disk_under_an_object_names_it_and_the_next_build_goes_on(
    project: Sandbox, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", str(small_disk / "store"))
    project.reopen()
    module = project.module(PIPELINE)
    project.build(module, "small").raise_for_failure()
    filler = filled(small_disk, 100_000)
    failed = project.build(module)
    assert actions(failed) == ["checked", "failed"]
    error = failed["asset://large"].error
    assert "No space is left" in error
    full = failed.errors["asset://large"]
    assert isinstance(full, StoreFull)
    assert str(full.facts["file system"]) == os.path.realpath(small_disk)
    assert "more than" in str(full.facts["needed"])
    assert nacre.load("asset://small") == 1
    filler.unlink()
    assert actions(project.build(module)) == ["checked", "built"]


def test_a_full_disk_under_the_log_costs_the_log_and_not_the_run(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://chatty")
        def chatty() -> int:
            get_run_logger().info("one line")
            return 1
    """)
    contents = project.workspace.contents
    full = Fault(OSError(errno.ENOSPC, "No space left on device"))
    contents.objects = FaultyObjects(
        contents.objects, lambda call: _told(full) if call.paths[0].startswith("logs/") else None
    )
    project.build(module).raise_for_failure()
    (run,) = project.runs()
    assert (run.state, run.ended_at is not None) == ("completed", True)
    assert run.error.startswith("its log could not be stored: No space is left")
    assert nacre.load("asset://chatty") == 1


def _told(fault: Fault) -> Fault:
    """The fault as a driver tells it."""
    assert isinstance(fault.error, OSError)
    return fault._replace(error=from_os(fault.error, Path("objects")))


def test_a_full_disk_under_the_records_is_named_and_what_is_stored_can_be_read(
    project: Sandbox, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", str(small_disk / "store"))
    project.reopen()
    module = project.module(PIPELINE)
    project.build(module, "small").raise_for_failure()
    filler = filled(small_disk)
    with pytest.raises(StoreFull, match="No space is left for the store") as caught:
        project.build(module)
    assert {"store", "free", "problem"} <= caught.value.facts.keys()
    assert module.calls == [], "found before the first step"
    assert nacre.load("asset://small") == 1
    filler.unlink()
    project.build(module).raise_for_failure()


def test_a_full_disk_for_temporary_files_is_told_with_its_folder(
    project: Sandbox, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = project.module(PIPELINE)
    project.build(module).raise_for_failure()
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    monkeypatch.setattr("nacre.store.formats.scratch._folders", {})
    filler = filled(small_disk, 50_000)
    with pytest.raises(StoreFull, match="temporary files") as caught:
        nacre.load("asset://large", Path)
    assert str(small_disk) in str(caught.value.facts["folder"])
    filler.unlink()
    loaded: Path = nacre.load("asset://large", Path)
    assert loaded.read_bytes() == b"x" * 200_000


# ── 10 and 11: errors of the disk ─────────────────────────────────────────────────────────────────────────────────────


def failing(monkeypatch: pytest.MonkeyPatch, number: int, *names: str) -> None:
    """Let functions of ``os`` fail with an error number."""

    def fail(*arguments: object, **more: object) -> object:
        raise OSError(number, os.strerror(number))

    for name in names:
        monkeypatch.setattr(os, name, fail)


def failing_once(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> list[object]:
    """Let one call of a function of ``os`` fail with an error number; what it was called with."""
    real: Callable[..., object] = getattr(os, name)
    seen: list[object] = []

    def call(*arguments: object, **more: object) -> object:
        seen.append(arguments[0])
        if len(seen) == 1:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **more)

    monkeypatch.setattr(os, name, call)
    return seen


def test_a_flush_that_failed_is_never_tried_again_on_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = DirectoryObjects(tmp_path / "objects")
    failing_once(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(StoreError, match="cannot be opened"):
        write_object(objects, "data/a", b"x" * 1_000)
    assert objects.head("data/a") is None
    assert list((tmp_path / "objects" / ".unfinished").iterdir()) == [], "what may not be on disk is not kept"
    write_object(objects, "data/b", b"y")
    assert read_object(objects, "data/b") == b"y"


def test_a_step_whose_flush_failed_is_made_again_into_a_new_object(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = project.module(PIPELINE)
    with monkeypatch.context() as broken:
        failing_once(broken, "fsync", errno.EIO)
        failed = project.build(module)
    assert actions(failed) == ["built", "failed"]
    assert actions(project.build(module)) == ["checked", "built"]
    assert nacre.load("asset://large") == b"x" * 200_000


@pytest.mark.parametrize(
    "number",
    [errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.EDQUOT, errno.ESTALE, errno.EIO],
    ids=errno.errorcode.get,
)
def test_whatever_a_disk_says_to_an_object_is_one_error_of_the_store(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    module = project.module(PIPELINE)
    with monkeypatch.context() as broken:
        failing(broken, number, "link", "rename")
        failed = project.build(module)
    step = failed["asset://large"]
    assert step.action == "failed"
    assert isinstance(failed.errors["asset://large"], StoreError)
    assert failed.errors["asset://large"].facts["asset"] == "asset://large"
    assert project.build(module)["asset://large"].action == "built"


def test_a_file_system_without_second_names_takes_objects_by_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = DirectoryObjects(tmp_path / "objects")
    failing_once(monkeypatch, "link", errno.EPERM)
    write_object(objects, "data/a", b"x")
    assert read_object(objects, "data/a") == b"x"


def test_a_process_out_of_file_descriptors_fails_its_step_and_keeps_the_rest(project: Sandbox) -> None:
    (project.folder / "pipeline.py").write_text(
        "import resource\nfrom nacre import materialize\n\n"
        '@materialize("asset://small")\ndef small() -> int:\n    return 1\n\n'
        '@materialize("asset://large")\ndef large(small: int) -> bytes:\n'
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        '    return b"x" * 200_000\n'
    )
    process = project.python("-m", "nacre", "build")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1, out + errors
    assert "Too many open files" in out + errors
    assert "Traceback" not in out + errors
    project.reopen()
    assert nacre.load("asset://small") == 1


# ── 14: twins ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("one", "two"),
    [("Rain", "rain"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "stra\u00dfe")],
    ids=["case", "composed", "folded"],
)
def test_files_that_some_file_systems_cannot_tell_apart_are_refused(
    project: Sandbox, one: str, two: str
) -> None:
    folder = project.folder / "lake"
    module = project.module(f"""
        @materialize("file://{folder}/{one}.json")
        def first() -> int:
            return 1

        @materialize("file://{folder}/{two}.json")
        def second() -> int:
            return 2
    """)
    with pytest.raises(NacreError, match=r"one file|cannot tell apart|not in the form"):
        project.build(module)
    assert not folder.exists()


def test_keys_that_differ_in_case_are_two_assets_of_the_store(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://Rain")
        def first() -> int:
            return 1

        @materialize("asset://rain")
        def second() -> int:
            return 2
    """)
    project.build(module).raise_for_failure()
    assert (nacre.load("asset://Rain"), nacre.load("asset://rain")) == (1, 2)


# ── 15: planted links ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_planted_in_place_of_an_object_is_refused(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module).raise_for_failure()
    (stored,) = [each for each in (project.store / "objects" / "data").rglob("*") if each.is_file()]
    elsewhere = project.folder / "elsewhere"
    elsewhere.write_bytes(stored.read_bytes())
    stored.unlink()
    stored.symlink_to(elsewhere)
    project.reopen()
    with pytest.raises((CorruptObject, StoreError)):
        nacre.load("asset://large")


def test_a_folder_that_was_replaced_by_a_link_takes_no_objects(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "objects")
    write_object(objects, "data/a", b"x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (".unfinished", "data"):
        place = tmp_path / "objects" / name
        for each in place.iterdir():
            each.unlink()
        place.rmdir()
        place.symlink_to(elsewhere)
        with pytest.raises(StoreError, match="cannot be opened"):
            write_object(objects, "data/b", b"y")
        assert list(elsewhere.iterdir()) == []
        place.unlink()
        place.mkdir()


# ── 16: network file systems ──────────────────────────────────────────────────────────────────────────────────────────


def test_on_a_network_file_system_no_log_is_shared_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "network_filesystem", lambda path: "nfs4")
    records = SqliteRecords(tmp_path / "records.sqlite")
    records.create("a", b"1")
    (mode,) = records.read("PRAGMA journal_mode", (), str)
    assert mode == "delete"
    assert not (tmp_path / "records.sqlite-wal").exists()
    assert not (tmp_path / "records.sqlite-shm").exists()
    other = SqliteRecords(tmp_path / "records.sqlite")
    assert other.create("b", b"2") is not None
    assert [stored.path for stored in records.scan("")] == ["a", "b", "format"]
    other.close()
    records.close()


# ── 17: a value that changes while it is stored ───────────────────────────────────────────────────────────────────────


def test_what_is_stored_is_what_was_hashed_whatever_happens_to_the_value_meanwhile(project: Sandbox) -> None:
    module = project.module("""
        import threading

        class Rows(list):
            pass

        @materialize("asset://rows")
        def rows() -> list:
            found = [{"n": n, "text": "x" * 50} for n in range(20_000)]
            world["go"] = True

            def change():
                n = 0
                while world["go"]:
                    n += 1
                    found[n % len(found)]["n"] = -n

            world["thread"] = threading.Thread(target=change, daemon=True)
            world["thread"].start()
            return found
    """)
    result = project.build(module)
    module.turn(go=False)
    module.world["thread"].join()
    step = result["asset://rows"]
    if step.action == "built":
        # What was read back while it was proven had the data version that is recorded: loading must give just that.
        from nacre.values import identify

        project.reopen()
        loaded = nacre.load("asset://rows")
        record = project.record("asset://rows")
        assert identify(loaded).digest == record.outputs[0].data_version
    else:
        assert "rows" in step.error
        assert project.workspace.catalog.heads("default") == []


def test_a_reader_of_mounts_tells_network_file_systems(tmp_path: Path) -> None:
    from nacre.store.filesystems import network_filesystem

    mounts = "\n".join(
        [
            "21 1 8:1 / / rw - ext4 /dev/sda1 rw",
            "30 21 0:40 / /home rw - nfs4 server:/home rw",
            r"31 21 0:41 / /mnt/my\040share rw - cifs //host/share rw",
            "32 30 8:2 / /home/ada/local rw - xfs /dev/sdb1 rw",
            "33 21 0:42 / /mnt/ssh rw - fuse.sshfs ada@host: rw",
        ]
    )
    found = {
        path: network_filesystem(Path(path), mounts)
        for path in (
            "/srv/x",
            "/home/ada/p/.nacre",
            "/home/ada/local/.nacre",
            "/mnt/my share/.nacre",
            "/mnt/ssh/a",
            "/homestead",
        )
    }
    assert found == {
        "/srv/x": "",
        "/home/ada/p/.nacre": "nfs4",
        "/home/ada/local/.nacre": "",
        "/mnt/my share/.nacre": "cifs",
        "/mnt/ssh/a": "fuse.sshfs",
        "/homestead": "",
    }
    assert network_filesystem(tmp_path) == ""
