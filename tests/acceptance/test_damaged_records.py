"""Records are damaged behind our back: no value is ever another, and no command ends in a traceback of ours.

``NACRE_DAMAGES`` says how many are tried; which they are differs from run to run, and a failure names its own.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner

import nacre
from buckets import Lake
from nacre import project as roots
from nacre.cli.main import cli
from nacre.errors import NacreError
from sandbox import Sandbox
from shell import Shell

N_DAMAGES = int(os.environ.get("NACRE_DAMAGES", "24"))
PIPELINE = """
from nacre import materialize

@materialize("demo://a")
def a() -> int:
    return 41

@materialize("demo://b")
def b(a: int) -> dict:
    return {"x": a, "y": "text", "z": [1.5, None, True]}

@materialize("demo://c")
def c(b: dict) -> str:
    return str(b)
"""
KEYS = ("demo://a", "demo://b", "demo://c")
COMMANDS = (
    ("ls",), ("ls", "--json"), (), ("history", "c"), ("why", "c"), ("plan",), ("fsck", "--read-data"), ("gc",),
    ("env", "ls"), ("pin",), ("lineage", "c"), ("show", "c"), ("diff", "b", "v1", "v1"), ("doctor",),
    ("artifacts",), ("schedules",), ("build",), ("fsck", "--repair"), ("build",),
)  # fmt: skip


class Records(Protocol):
    """The records of a store, reached without nacre."""

    def read(self) -> dict[str, bytes]: ...
    def restore(self) -> None: ...
    def put(self, path: str, data: bytes) -> None: ...
    def forget_index(self) -> None: ...


class OnDisk:
    def __init__(self, store: Path) -> None:
        self._store = store
        self._kept = store.with_name("kept")
        shutil.copytree(store, self._kept)

    def read(self) -> dict[str, bytes]:
        with closing(sqlite3.connect(self._store / "records.sqlite")) as connection:
            return dict(connection.execute("SELECT path, data FROM records ORDER BY path"))

    def restore(self) -> None:
        shutil.rmtree(self._store)
        shutil.copytree(self._kept, self._store)

    def put(self, path: str, data: bytes) -> None:
        self._change("UPDATE records SET data = ? WHERE path = ?", data, path)

    def forget_index(self) -> None:
        self._change("PRAGMA user_version = 1")

    def _change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self._store / "records.sqlite")) as connection, connection:
            connection.execute(statement, values)


class InBucket:
    def __init__(self, lake: Lake, folder: Path) -> None:
        self._lake = lake
        self._folder = folder
        self._kept = {name: lake.read(name) for name in lake.names()}

    def read(self) -> dict[str, bytes]:
        start = "team/records/"
        return {name.removeprefix(start): data for name, data in self._kept.items() if name.startswith(start)}

    def restore(self) -> None:
        for name in set(self._lake.names()) - self._kept.keys():
            self._lake.service.client.delete_object(Bucket=self._lake.bucket, Key=name)
        for name, data in self._kept.items():
            self._lake.write(name, data)

    def put(self, path: str, data: bytes) -> None:
        self._lake.write(f"team/records/{path}", data)

    def forget_index(self) -> None:
        shutil.rmtree(self._folder / ".nacre", ignore_errors=True)


def flipped(data: bytes, chance: random.Random) -> bytes:
    bit = chance.randrange(len(data) * 8)
    found = bytearray(data)
    found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def zeros(data: bytes, chance: random.Random) -> bytes:
    return bytes(len(data))


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, flipped, flipped, cut, zeros)


def begin(project: Sandbox) -> None:
    """Make a store with many kinds of records: two environments, runs, a pin."""
    shell = Shell(project)
    (project.folder / "nacre.toml").write_text('modules = ["pipeline.py"]\n')
    shell.write(PIPELINE)
    shell("build")
    shell("pin", "c@v1", "best")
    shell.write(PIPELINE.replace("41", "42"))
    shell("build", "--env", "dev")
    shell.write(PIPELINE)
    project.close()


@pytest.fixture
def opened_anew() -> Iterator[Callable[[], None]]:
    """Go on as the next process would."""

    def opened_anew() -> None:
        for each in roots._open_projects.values():
            each.close()
        roots._open_projects.clear()

    yield opened_anew
    opened_anew()


def test_a_damaged_record_is_never_a_value_and_never_a_traceback(
    project: Sandbox, opened_anew: Callable[[], None]
) -> None:
    begin(project)
    require_care(OnDisk(project.store), opened_anew, N_DAMAGES)


@pytest.mark.whole
def test_a_damaged_record_in_a_bucket_is_never_a_value_and_never_a_traceback(
    project: Sandbox, lake: Lake, opened_anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    begin(project)
    require_care(InBucket(lake, project.folder), opened_anew, N_DAMAGES)


def require_care(store: Records, opened_anew: Callable[[], None], n: int) -> None:
    right = {key: nacre.load(key) for key in KEYS}
    opened_anew()
    found = store.read()
    assert {path.partition("/")[0] for path in found} >= {"ac", "heads", "runs", "envs", "pins", "format"}
    chance = random.Random()
    for _ in range(n):
        path, damage = chance.choice([*found]), chance.choice(DAMAGES)
        data = damage(found[path], chance)
        store.restore()
        store.put(path, data)
        if chance.random() < 0.5:
            store.forget_index()
        where = f"{path} is {data!r}"
        for key, value in right.items():
            opened_anew()
            try:
                loaded = nacre.load(key)
            except NacreError:
                continue
            assert loaded == value, where
        for command in COMMANDS:
            opened_anew()
            output = CliRunner().invoke(cli, list(command)).output
            assert "a bug in nacre" not in output, f"{where}: nacre {' '.join(command)}\n{output}"
