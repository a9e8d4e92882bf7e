"""Pairs of values that count as one, and pairs that count as two."""

from __future__ import annotations

import collections
import copy
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from nacre.errors import UnserialisableValue
from nacre.values import identify

BERLIN, PARIS = zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Europe/Paris")
NOW = dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
D = decimal.Decimal


@dataclass
class One:
    a: int


@dataclass
class Two:
    a: int


class Tupled(NamedTuple):
    a: int


class Model(pydantic.BaseModel):
    a: int


class Colour(enum.Enum):
    A = 1


class Shade(enum.Enum):
    A = 1


class Level(enum.IntEnum):
    A = 1


def digest(value: object) -> str:
    return identify(value).digest


APART: dict[str, Callable[[], list[object]]] = {
    "numbers that are equal": lambda: [
        1,
        1.0,
        True,
        D(1),
        D("1.0"),
        D("1.00"),
        fractions.Fraction(1),
        1 + 0j,
        "1",
        b"1",
        Level.A,
    ],
    "numpy's numbers": lambda: [
        1,
        np.int64(1),
        np.int32(1),
        np.uint8(1),
        np.float64(1),
        np.float32(1),
        np.bool_(True),
        np.array(1),
        np.array([1]),
    ],
    "large ints": lambda: [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 2**4000, 2**4000 + 1, -(2**4000)],
    "decimals": lambda: [
        D("0"),
        D("-0"),
        D("0E+2"),
        D("NaN"),
        D("-NaN"),
        D("sNaN"),
        D("Infinity"),
        D("-Infinity"),
        D("1E+1"),
        D("10"),
    ],
    "texts": lambda: [
        "é",
        "e\u0301",
        "\ud800",
        "\udc00",
        "",
        " ",
        "\x00",
        "a",
        "A",
        "\ufeffa",
        b"a",
        bytearray(b"a"),
    ],
    "sequences": lambda: [
        [1, 2],
        (1, 2),
        [2, 1],
        [[1, 2]],
        [1, [2]],
        [1, 2, None],
        range(1, 3),
        {1, 2},
        collections.deque([1, 2]),
    ],
    "mappings": lambda: [
        {"a": 1},
        collections.OrderedDict(a=1),
        collections.Counter(a=1),
        {"a": 1.0},
        {b"a": 1},
        {"a": {}},
        {"a": None},
        {},
    ],
    "empty things": lambda: [
        None,
        [],
        (),
        {},
        set(),
        frozenset(),
        "",
        b"",
        bytearray(),
        0,
        0.0,
        False,
        np.zeros(0),
        np.zeros((0, 1)),
        range(0),
    ],
    "keys": lambda: [{1: 0}, {True: 0}, {1.0: 0}, {"1": 0}, {(1,): 0}, {None: 0}, {frozenset({1}): 0}],
    "classes": lambda: [One(1), Two(1), Tupled(1), Model(a=1), {"a": 1}, (1,), One(True), One(2)],
    "enums": lambda: [Colour.A, Shade.A, Level.A, 1, "A", Colour],
    "moments": lambda: [
        NOW,
        NOW.replace(fold=1),
        NOW.astimezone(PARIS),
        NOW.astimezone(dt.UTC),
        NOW.replace(tzinfo=None),
        NOW.astimezone(dt.timezone(dt.timedelta(hours=2))),
        NOW.isoformat(),
        NOW.timestamp(),
        NOW.replace(microsecond=1),
        pd.Timestamp(NOW),
    ],
    "utc": lambda: [
        dt.datetime(2026, 1, 1, tzinfo=zone)
        for zone in (dt.UTC, zoneinfo.ZoneInfo("UTC"), dt.timezone(dt.timedelta(0), "x"))
    ],
    "days and times": lambda: [
        dt.date(2026, 1, 1),
        NOW.replace(tzinfo=None),
        dt.time(0),
        dt.time(0, tzinfo=dt.UTC),
        dt.timedelta(0),
        dt.timedelta(1),
        dt.timedelta(-1),
    ],
    "names": lambda: [
        uuid.UUID(int=1),
        str(uuid.UUID(int=1)),
        pathlib.PurePosixPath("a/b"),
        pathlib.PureWindowsPath("a/b"),
        "a/b",
        pathlib.PurePosixPath("a/B"),
    ],
    "arrays": lambda: [
        np.array(each)
        for each in ([1, 2], [1.0, 2.0], [[1, 2]], [True, False], ["1", "2"], [b"1", b"2"], [1 + 0j, 2])
    ],
    "dtypes": lambda: [
        np.zeros(2, kind)
        for kind in (
            "i1",
            "i2",
            "u1",
            "f2",
            "f4",
            "longdouble",
            "c8",
            "m8[s]",
            "m8[ms]",
            "M8[s]",
            "S1",
            "S2",
            "U1",
            "V1",
            "?",
            "O",
        )
    ],
    "structured arrays": lambda: [
        np.zeros(2, kind)
        for kind in (
            [("a", "i4")],
            [("b", "i4")],
            [("a", "f4")],
            [("a", "i4"), ("b", "i4")],
            [("b", "i4"), ("a", "i4")],
            [("a", "i4", (2,))],
            [("a", [("b", "i4")])],
        )
    ],
}


@pytest.mark.parametrize("name", APART)
def test_values_that_a_step_can_tell_apart_differ(name: str) -> None:
    seen: dict[str, object] = {}
    for value in APART[name]():
        if isinstance(value, type):
            continue
        found = digest(value)
        assert found not in seen, (value, seen[found])
        seen[found] = value


def shared() -> object:
    inner = [1, 2]
    return {"a": inner, "b": inner}


def read_only() -> np.ndarray:
    array = np.arange(4)
    array.flags.writeable = False
    return array


TOGETHER: dict[str, Callable[[], list[object]]] = {
    "copies": lambda: [shared(), copy.deepcopy(shared()), {"a": [1, 2], "b": [1, 2]}],
    "sets however they were filled": lambda: [
        set("abcdefgh"),
        set("hgfedcba"),
        set("abcdefghijk") - set("ijk"),
    ],
    "nan": lambda: [float("nan"), -float("nan"), float("inf") - float("inf")],
    "nan of numpy": lambda: [np.float32("nan"), -np.float32("nan")],
    "texts however they were made": lambda: ["ab" * 9, "".join(["ab"] * 9), sys.intern("ab" * 9)],
    "byte orders": lambda: [np.arange(4, dtype=kind) for kind in ("<i4", ">i4", "=i4")],
    "layouts": lambda: [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(12).reshape(2, 6)[:, :3] + [[0], [-3]],
    ],
    "views and copies": lambda: [
        np.arange(4),
        np.arange(8)[:4],
        np.arange(4)[::-1][::-1],
        read_only(),
        np.broadcast_to(np.arange(4), (1, 4))[0],
    ],
    "scalars of either byte order": lambda: [np.array(5, ">i4")[()], np.int32(5)],
    "paths however they are written": lambda: [
        pathlib.PurePosixPath("a/b"),
        pathlib.PurePosixPath("a//b"),
        pathlib.PurePosixPath("a") / "b",
    ],
}


@pytest.mark.parametrize("name", TOGETHER)
def test_values_that_a_step_cannot_tell_apart_agree(name: str) -> None:
    assert len({digest(value) for value in TOGETHER[name]()}) == 1


REFUSED: dict[str, Callable[[], tuple[object, str]]] = {
    "a masked array": lambda: ({"a": [np.ma.array([1], mask=[True])]}, r'result\["a"\]\[0\]'),
    "a matrix": lambda: (np.array([[1]]).view(np.matrix), "numpy.asarray"),
    "an object in an array": lambda: ([np.array([object()])], "object"),
    "a subclass of dict": lambda: ([type("D", (dict,), {})()], r"result\[0\]"),
    "a generator": lambda: ((x for x in ()), "return list"),
    "a lambda": lambda: ({"f": lambda: 0}, r'result\["f"\]'),
    "an exception": lambda: (One(ValueError()), r"result\.a"),  # type: ignore[arg-type]  # wrong on purpose
    "a key": lambda: ({object(): 1}, "a key of result"),
    "an element": lambda: ([{object()}], r"an element of result\[0\]"),
    "an arrow union": lambda: (
        pa.table({"u": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])}),
        r"result\['u'\]",
    ),
    "a polars object": lambda: (
        pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}),
        r"result\['o'\]",
    ),
    "a wide polars integer": lambda: (
        pl.DataFrame({"i": pl.Series([1], dtype=pl.Int128)}),
        r"(?s)result\['i'\].*Int128",
    ),
    "a mixed pandas column": lambda: (pd.DataFrame({"m": [1, "x"]}), r"result\['m'\]"),
    "an integer too large for a pandas column": lambda: (pd.DataFrame({"m": [2**70]}), r"result\['m'\]"),
    "mixed categories of a pandas column": lambda: (
        pd.DataFrame({"m": pd.Categorical([1, "x"])}),
        r"result\['m'\]",
    ),
    "a mixed pandas index": lambda: (
        pd.DataFrame({"a": [1, 2]}, index=[1, "x"]),
        r"(?s)result\.index.*map\(str\)",
    ),
    "an integer too large for the index of a series": lambda: (
        pd.Series([1], index=[2**70]),
        r"result\.index",
    ),
    "a mixed level of a pandas index": lambda: (
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_arrays([[1, 2], [1, "x"]])),
        r"result\.index, level 1",
    ),
    "two pandas columns of one name": lambda: (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate"),
    "a cycle through a dict": lambda: (_cycle(), r'(?s)contains itself.*result\["a"\]'),
}


def _cycle() -> Any:
    value: dict[str, object] = {}
    value["b"] = [value]
    return {"a": value}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_identity_is_refused_with_its_place(name: str) -> None:
    value, said = REFUSED[name]()
    with pytest.raises(UnserialisableValue, match=said):
        identify(value)


@pytest.mark.whole
def test_depth_and_size_have_no_limit_that_a_person_meets() -> None:
    deep: Any = 1
    for level in range(20_000):
        deep = [deep] if level % 2 else {"a": deep}
    assert digest(deep) != digest([deep])
    assert digest(10**5_000) != digest(10**5_000 + 1)
    wide = {str(number): number for number in range(20_000)}
    assert digest(wide) == digest(dict(wide)) != digest({**wide, "0": 1})
