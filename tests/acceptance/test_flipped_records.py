"""A bit of a record flips: no value is ever another, no command ends in a traceback, and each says what to do.

``NACRE_FLIPS`` says how many bits are tried; which they are differs from run to run, and the failure names them.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import nacre
from nacre import project as roots
from nacre.cli.main import cli
from nacre.errors import NacreError
from sandbox import Sandbox
from shell import Shell

N_FLIPS = int(os.environ.get("NACRE_FLIPS", "24"))
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


@pytest.fixture
def store(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with all kinds of records: two environments, runs, a pin."""
    shell = Shell(project)
    (project.folder / "nacre.toml").write_text('modules = ["pipeline.py"]\n')
    shell.write(PIPELINE)
    shell("build")
    shell("pin", "c@v1", "best")
    shell.write(PIPELINE.replace("41", "42"))
    shell("build", "--env", "dev")
    shell.write(PIPELINE)
    project.close()
    yield project.store
    roots._open_projects.clear()


def records(store: Path) -> list[tuple[str, bytes]]:
    with closing(sqlite3.connect(store / "records.sqlite")) as connection:
        return list(connection.execute("SELECT path, data FROM records ORDER BY path"))


def put(store: Path, path: str, data: bytes, *, is_index_new: bool) -> None:
    with closing(sqlite3.connect(store / "records.sqlite")) as connection:
        connection.execute("UPDATE records SET data = ? WHERE path = ?", (data, path))
        if is_index_new:
            connection.execute("PRAGMA user_version = 1")
        connection.commit()


def opened_anew() -> None:
    for each in roots._open_projects.values():
        each.close()
    roots._open_projects.clear()


def test_a_flipped_bit_of_a_record_is_never_a_value_and_never_a_traceback(store: Path) -> None:
    right = {key: nacre.load(key) for key in KEYS}
    opened_anew()
    kept = store.with_name("kept")
    shutil.copytree(store, kept)
    chance = random.Random()
    found = records(store)
    assert {path.partition("/")[0] for path, _ in found} >= {"ac", "heads", "runs", "envs", "pins", "format"}
    for _ in range(N_FLIPS):
        path, data = chance.choice(found)
        bit, is_index_new = chance.randrange(len(data) * 8), chance.random() < 0.5
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        where = f"bit {bit} of {path}, {is_index_new=}"
        shutil.rmtree(store)
        shutil.copytree(kept, store)
        put(store, path, bytes(flipped), is_index_new=is_index_new)
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
    opened_anew()
