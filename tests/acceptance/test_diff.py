"""``nacre diff`` and ``nacre.diff`` over stored versions: which are compared, and what is said of them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

import nacre
from nacre.errors import CorruptObject, NotMaterialized, UsageError
from nacre.store.contents import Contents
from nacre.values.difference import TableDifference
from sandbox import Sandbox
from shell import Shell

VALUES = """
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
import datetime as dt
import numpy as np, pandas as pd, polars as pl, pyarrow as pa
from nacre.assets import materialize
from nacre import StaticPartitions

N = 1

class Mood(Enum):
    GOOD = 1
    BAD = 2

@dataclass(frozen=True)
class Point:
    x: int
    mood: Mood
    at: dt.date

@materialize("demo://posts.parquet")
def posts() -> pl.DataFrame:
    tags = pl.Series(["a", "b", None], dtype=pl.Categorical)
    return pl.DataFrame({"id": [1, 2, 3], "likes": [5, 6 * N, 7], "tag": tags})

@materialize("demo://frame")
def frame() -> pd.DataFrame:
    rows = pd.DataFrame({"k": ["x", "y"], "n": [1, N]})
    return rows.astype({"k": pd.CategoricalDtype(["y", "x"], ordered=True)}).set_index("k")

@materialize("demo://odd")
def odd() -> pa.Table:
    return pa.table([pa.array([1, 2]), pa.array([N, 2])], ["a.b", "a"])

@materialize("demo://points")
def points() -> dict:
    day = dt.date(2026, 1, N)
    return {"all": [Point(N, Mood(N), day)], "set": frozenset([Point(7, Mood.GOOD, day)])}

@materialize("demo://words")
def words() -> str:
    return f"one\\ntwo {N}\\n"

@materialize("demo://grid")
def grid() -> np.ndarray:
    return np.arange(4) * N

@materialize("demo://file.bin")
def file() -> Path:
    path = Path("made.bin")
    path.write_bytes(bytes([0, 1, 2, N]))
    return path

@materialize("demo://kind")
def kind() -> object:
    return "text" if N == 1 else [N]

@materialize("demo://slices", partitions=StaticPartitions(["de", "fr"], "land"))
def slices(land: str) -> dict:
    return {"land": land, "n": N}
"""


@pytest.fixture
def two(shell: Shell) -> Shell:
    """A project with two versions of every kind of value."""
    shell.write(VALUES)
    shell("build")
    shell.project.clock.advance(3_600)
    shell.write(VALUES.replace("N = 1\n", "N = 2\n"))
    shell("build")
    return shell


def lines(shell: Shell, *arguments: str) -> list[str]:
    return shell("diff", *arguments).stdout.splitlines()[3:]


def test_a_version_is_compared_with_the_one_before(two: Shell) -> None:
    shown = two("diff", "posts").stdout.splitlines()
    assert shown[0] == "posts v1 → v2  demo://posts.parquet"
    assert shown[1].startswith("  v1  made 1 h ago, parquet, ")
    assert shown[3:] == [
        "Rows     3 → 3, compared by position: 1 changed",
        "         id tells all rows apart: --key id",
        "Cells    likes (1)",
        "~ row 1  likes 6 → 12",
        "Figures  likes: max 7 → 12, mean 6 → 8",
    ]
    assert lines(two, "posts", "--key", "id")[:3] == [
        "Rows     3 → 3, compared by id: 1 changed",
        "Cells    likes (1)",
        "~ id=2  likes 6 → 12",
    ]


@pytest.mark.parametrize(
    ("asset", "says"),
    [
        ("frame", "~ row 1  n 1 → 2"),
        ("odd", "~ row 0  a 1 → 2"),
        ("points", "~ $.all[0].x  1 → 2"),
        ("points", "~ $.all[0].mood  Mood.GOOD → Mood.BAD"),
        ("points", "~ $.all[0].at  2026-01-01 → 2026-01-02"),
        ("words", "+two 2"),
        ("grid", "Changed  3 elements, by 3 at most"),
        ("file", "First    at byte 3: 01 → 02"),
        ("kind", "Another kind of value: text of 4 bytes became list of 1 item"),
    ],
)
def test_every_kind_of_value_says_what_differs(two: Shell, asset: str, says: str) -> None:
    assert says in lines(two, asset)


def test_no_class_of_the_user_is_needed(two: Shell) -> None:
    two.write("raise RuntimeError('broken')\n")
    assert "~ $.all[0].x  1 → 2" in lines(two, "points")


def test_versions_are_named_as_everywhere(two: Shell) -> None:
    assert two("diff", "posts@v2").stdout == two("diff", "posts", "v1").stdout == two("diff", "posts").stdout
    back = lines(two, "posts", "v2", "v1")
    assert "~ row 1  likes 12 → 6" in back
    assert "has no version v9" in two("diff", "posts", "v9", exits=2).stderr
    assert "no version of posts before v1" in two("diff", "posts@v1", exits=2).stderr
    two("pin", "posts@v1", "before")
    assert two("diff", "posts", "before").stdout == two("diff", "posts").stdout
    assert "Three versions" in two("diff", "posts@v1", "v1", "v2", exits=2).stderr


def test_a_partition_has_versions_of_its_own(two: Shell) -> None:
    assert lines(two, "slices", "--partition", "de") == [
        "Parts    dict of 2 items: 1 changed",
        "~ $.n  1 → 2",
    ]
    assert "say which" in two("diff", "slices", exits=2).stderr


def test_equal_content_is_said_without_reading(two: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("nothing needs to be read")

    monkeypatch.setattr(Contents, "open", refuse)
    assert lines(two, "posts", "v2", "v2")[0].startswith("The same content: ")
    (row,) = two.rows("diff", "posts", "v2", "v2")
    assert (row["same"], row["difference"]) == (True, None)


def test_the_answer_is_plain_data(two: Shell) -> None:
    (row,) = two.rows("diff", "posts", "--key", "id")
    assert row["asset"] == "demo://posts.parquet"
    assert [row[side]["version"] for side in ("old", "new")] == [1, 2]  # type: ignore[index]  # JSON
    found = row["difference"]
    assert isinstance(found, dict)
    assert (found["kind"], found["key"], found["changed"]) == ("table", ["id"], 1)
    assert found["rows"][0]["cells"] == [{"column": "likes", "old": "6", "new": "12"}]


def test_python_gets_the_same_answer(two: Shell) -> None:
    found = nacre.diff("posts", "v1", 2, key="id")
    assert str(found).splitlines()[3:] == lines(two, "posts", "--key", "id")
    assert isinstance(found.found, TableDifference)
    assert (found.same, found.old.version, found.found.changed_cells) == (False, 1, {"likes": 1})
    assert json.dumps(found.fields())
    with pytest.raises(UsageError, match="no column"):
        nacre.diff("posts", key="nope")
    with pytest.raises(NotMaterialized):
        nacre.diff("nothing")


def test_damaged_bytes_are_never_compared(project: Sandbox) -> None:
    pipe = project.module(
        """
        @materialize("demo://large")
        def large() -> bytes:
            return bytes([world.get("n", 0)]) * 100_000
        """
    )
    project.build(pipe)
    pipe.turn(n=1)
    project.build(pipe)
    (path, *_) = sorted(each for each in (project.store / "objects" / "data").rglob("*") if each.is_file())
    path.chmod(0o600)
    path.write_bytes(b"\2" * 100_000)
    with pytest.raises(CorruptObject):
        nacre.diff("large")


def test_columns_are_read_one_at_a_time(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stored table no more than a column of each side is decoded at once."""
    import pyarrow.parquet as pq

    pipe = project.module(
        """
        import pyarrow as pa

        @materialize("demo://wide")
        def wide() -> pa.Table:
            n = world.get("n", 0)
            return pa.table({f"c{i}": range(n, n + 1_000) for i in range(20)})
        """
    )
    project.build(pipe)
    pipe.turn(n=1)
    project.build(pipe)
    read, widest = pq.ParquetFile.read, []

    def watched(self: pq.ParquetFile, *given: object, **named: object) -> pa.Table:
        table = read(self, *given, **named)
        widest.append(table.num_columns)
        return table

    monkeypatch.setattr(pq.ParquetFile, "read", watched)
    found = nacre.diff("wide", key="c0").found
    assert isinstance(found, TableDifference)
    assert (found.added, found.removed, set(widest)) == (1, 1, {1})


def test_columns_of_any_name_and_type_are_found_in_the_file(project: Sandbox) -> None:
    pipe = project.module(
        """
        import pyarrow as pa

        @materialize("demo://odd")
        def odd() -> pa.Table:
            n = world.get("n", 1)
            records = pa.array([{"x": n, "y": [n]}], pa.struct({"x": pa.int64(), "y": pa.list_(pa.int64())}))
            maps = pa.array([[("k", n)]], pa.map_(pa.string(), pa.int64()))
            times = pa.array([n], pa.timestamp("s", "UTC"))
            return pa.table([records, maps, times, pa.array([n])], ["s", "m", "\\u65e5", ""])
        """
    )
    project.build(pipe).raise_for_failure()
    pipe.turn(n=2)
    project.build(pipe).raise_for_failure()
    found = nacre.diff("odd").found
    assert isinstance(found, TableDifference)
    assert found.changed_cells == {"s": 1, "m": 1, "\u65e5": 1, "": 1}
