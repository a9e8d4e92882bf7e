"""P2: files that a library reads where Python cannot hear it count where the code mentions them; else it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import nacre
from sandbox import Sandbox

HEAD = """
import os
from functools import partial
from pathlib import Path
import duckdb
import polars as pl

HERE = Path(__file__).parent
COLUMN = pl.col("x")  # has every attribute, and no truth value
NAME = "points.csv"
LATER = Path("conf") / "late.txt"
WHOLE = HERE / "points.csv"
FOLDER = HERE / "d"

def load(path="points.csv"):
    return pl.read_csv(path)

@task
def fetch():
    return pl.read_csv(WHOLE)

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://points")
def points(raw):
    calls.append("points")
"""


def write(project: Sandbox, name: str, text: str) -> None:
    path = project.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    "body",
    [
        'pl.read_csv("points.csv")',
        'pl.scan_csv("./points.csv").collect()',
        "pl.read_csv(NAME)",
        "pl.read_csv(WHOLE)",
        "load()",
        "fetch()",
        'pl.read_csv(Path("d") / "points.csv")',
        'pl.read_csv(FOLDER / "points.csv")',
        'pl.read_csv(HERE / "d" / "points.csv")',
        'pl.read_csv("d/*.csv")',
        "duckdb.sql(\"select * from 'd/points.csv'\").pl()",
        "duckdb.sql(\"select * from read_csv('points.csv')\").pl()",
        "partial(pl.read_csv, NAME)()",
        "pl.read_csv(NAME).select(COLUMN)",
        "(lambda: pl.read_csv(NAME).select(COLUMN))()",
    ],
)
def test_a_file_that_the_code_mentions_counts(
    body: str, project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    for name in ("points.csv", "d/points.csv"):
        write(project, name, "x\n1\n")
    module = project.module(f"{HEAD}    return {body}\n")
    assert project.ran(module) == ["points"]
    assert project.ran(module) == []
    assert nacre.plan("*", modules=[module])["points"].warnings == ()
    for name in ("points.csv", "d/points.csv"):
        write(project, name, "x\n2\n")
    assert project.ran(module) == ["points"]
    assert nacre.load("asset://points")["x"].to_list() == [2]  # type: ignore[index]  # a frame


def test_a_new_file_that_fits_a_pattern_counts(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    write(project, "d/a.csv", "x\n1\n")
    module = project.module(f'{HEAD}    return pl.read_csv("d/*.csv")\n')
    assert project.ran(module) == ["points"]
    write(project, "d/b.csv", "x\n2\n")
    assert project.ran(module) == ["points"]


@pytest.mark.parametrize(
    "body",
    [
        '"yes" if Path("late.txt").exists() else "no"',
        '"yes" if os.path.exists("late.txt") else "no"',
        '"yes" if (HERE / "late.txt").is_file() else "no"',
        '"yes" if LATER.exists() else "no"',
    ],
)
def test_a_file_that_is_asked_for_counts_when_it_appears(
    body: str, project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    module = project.module(f"{HEAD}    return {body}\n")
    assert project.ran(module) == ["points"]
    assert project.ran(module) == []
    for name in ("late.txt", "conf/late.txt"):
        write(project, name, "here")
    assert project.ran(module) == ["points"]
    assert nacre.load("asset://points") == "yes"


def test_a_file_that_is_not_mentioned_is_said_to_be_unheard(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    write(project, "p1.csv", "x\n1\n")
    module = project.module(f"{HEAD}    return pl.read_csv(f'p{{raw}}.csv')\n")
    project.ran(module)
    (warning,) = nacre.plan("*", modules=[module])["points"].warnings
    assert warning.startswith("it reads with polars.read_csv, and nobody hears which file")


def test_a_declared_path_answers_for_what_is_unheard(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    write(project, "p1.csv", "x\n1\n")
    source = HEAD.replace('"asset://points"', '"asset://points", deps=[Path("p1.csv")]')
    module = project.module(f"{source}    return pl.read_csv(f'p{{raw}}.csv')\n")
    project.ran(module)
    assert nacre.plan("*", modules=[module])["points"].warnings == ()
    Path("p1.csv").write_text("x\n2\n")
    assert project.ran(module) == ["points"]


def test_frames_alone_mention_no_files(project: Sandbox) -> None:
    module = project.module(f"""{HEAD}
    frame = pl.DataFrame({{"x": [raw]}})
    return duckdb.sql("select x + 1 as x from frame").pl()
""")
    project.ran(module)
    assert project.record("asset://points").reads == ()


def test_a_star_in_a_text_is_no_pattern(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    module = project.module(f"""{HEAD}
    frame = pl.DataFrame({{"x": [raw]}})
    note = "* There is none. *"
    return duckdb.sql("select * from frame").pl() if os.path.exists(note) is False else None
""")
    project.ran(module)
    assert project.record("asset://points").reads == ()


def test_a_file_that_a_program_is_given_counts(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    write(project, "note.txt", "one")
    body = "import subprocess\n    return subprocess.check_output(['cat', 'note.txt'])\n"
    module = project.module(f"{HEAD}    {body}")
    assert project.ran(module) == ["points"]
    write(project, "note.txt", "two")
    assert project.ran(module) == ["points"]
    assert nacre.load("asset://points") == b"two"
