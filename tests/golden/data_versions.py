"""Values whose data versions never change, whatever Python, hash seed or library version identifies them.

Needs nothing but nacre's ``values`` and the libraries that are there: ``python data_versions.py`` prints the digests
as JSON, beside the versions they were made with. What a library lacks, or has only from some version on, is left out.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import fractions
import json
import pathlib
import platform
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from nacre.values import identify, unordered_version

NOW = dt.datetime(2026, 3, 1, 12, 30, 5, 250, tzinfo=dt.UTC)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    x: int
    y: object = 0


class Pair(NamedTuple):
    left: int
    right: str


class Keyed:
    def __data_key__(self) -> object:
        return ("key", 1)


# Class names count, and this file is started as well as imported.
for named in (Colour, Access, Point, Pair, Keyed):
    named.__module__ = "shapes"

#: What differs because a library makes another type of the same call: the case and the version it changed with.
CHANGED = {
    # pandas 3 infers microseconds where pandas 2 took nanoseconds.
    "pandas inferred times": ("pandas", (3,)),
}

Cases = dict[str, Callable[[], object]]
PYTHON: Cases = {
    "none": lambda: None,
    "bools and ints": lambda: [True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, -(2**200)],
    "floats": lambda: [0.0, -0.0, 1.5, float("nan"), float("inf"), 5e-324],
    "text": lambda: ["", "é", "e\u0301", "\ud800", "a" * 70_000],
    "bytes": lambda: [b"", b"\x00", bytearray(b"ab"), b"a" * 70_000],
    "containers": lambda: [[], (), {}, {"b": 1, "a": [2, (3,)]}, {1: {}, None: ()}],
    "sets": lambda: [{"a", "b", "c", 1, None}, frozenset({("a", 1), frozenset()})],
    "collections": lambda: [
        collections.OrderedDict(b=1, a=2),
        collections.Counter("hello"),
        collections.deque([1, 2], maxlen=5),
    ],
    "times": lambda: [
        NOW,
        NOW.date(),
        NOW.time(),
        NOW.timetz(),
        NOW.replace(tzinfo=None),
        dt.timedelta(-1, 2, 3),
    ],
    "zones": lambda: [
        NOW.astimezone(BERLIN),
        dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
        NOW.astimezone(dt.timezone(dt.timedelta(hours=2), "here")),
    ],
    "numbers": lambda: [
        decimal.Decimal("1.20"),
        decimal.Decimal("NaN"),
        fractions.Fraction(1, 3),
        1 + 2j,
        range(1, 9, 2),
    ],
    "names": lambda: [uuid.UUID(int=7), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a\\b")],
    "classes": lambda: [
        Colour.RED,
        Access.READ,
        Access.READ | Access.WRITE,
        Point(1, "b"),
        Pair(1, "r"),
        Keyed(),
    ],
    "unordered items": lambda: Unordered([3, "a", None, 3]),
    "unordered entries": lambda: Unordered({"b": 1, "a": [2, 1]}),
}


@dataclass
class Unordered:
    """A value to be identified without its order."""

    value: object


def numpy_cases() -> Cases:
    import numpy as np

    structured = np.array([(1, 2.0), (3, -0.0)], dtype=np.dtype([("a", "i1"), ("b", ">f8")], align=True))
    return {
        "numpy numbers": lambda: np.arange(6, dtype="i4").reshape(2, 3),
        "numpy floats": lambda: np.array([0.0, -0.0, np.nan, np.inf], dtype=">f8"),
        "numpy narrow floats": lambda: np.array([1.5, np.nan], dtype="f2"),
        "numpy complex": lambda: np.array([1 + 2j, complex(np.nan, 1)]),
        "numpy bools": lambda: np.array([[True], [False]]),
        "numpy text": lambda: np.array(["a", "bc"]),
        "numpy times": lambda: np.array(["2026-03-01", "NaT"], dtype="M8[ms]"),
        "numpy structured": lambda: structured,
        "numpy objects": lambda: np.array([1, "a", None], dtype=object),
        "numpy nothing": lambda: np.zeros((0, 3)),
        "numpy no axis": lambda: np.array(5),
        "numpy scalars": lambda: [
            np.float64(1.5),
            np.int32(3),
            np.bool_(True),
            np.datetime64("2026-03-01", "D"),
        ],
        "numpy unordered": lambda: Unordered(np.array([[3, 1], [-1, 2], [3, 1]], dtype=">i2")),
        "numpy unordered structured": lambda: Unordered(structured),
    }


def arrow_columns(pa: Any) -> dict[str, Any]:
    money = [decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")]
    return {
        "int8": pa.array([1, None, -1], pa.int8()),
        "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
        "double": pa.array([0.0, None, float("nan")], pa.float64()),
        "float": pa.array([-0.0, None, 1.5], pa.float32()),
        "half": pa.array([1.5, None, 2.0], pa.float32()).cast(pa.float16())
        if newer("pyarrow", (15,))
        else None,
        "bool": pa.array([True, None, False]),
        "string": pa.array(["", None, "é"]),
        "large": pa.array(["", None, "é"], pa.large_string()),
        "binary": pa.array([b"", None, b"\xff"]),
        "fixed": pa.array([b"ab", None, b"\0\0"], pa.binary(2)),
        "date": pa.array([NOW.date(), None, NOW.date()]),
        "date64": pa.array([NOW.date(), None, NOW.date()], pa.date64()),
        "time": pa.array([NOW.time(), None, NOW.time()], pa.time64("us")),
        "timestamp": pa.array([1, None, -1], pa.timestamp("ns")),
        "zone": pa.array([1, None, -1], pa.timestamp("us", "Europe/Berlin")),
        "utc": pa.array([1, None, -1], pa.timestamp("us", "+00:00")),
        "span": pa.array([1, None, -1], pa.duration("s")),
        "decimal": pa.array(money, pa.decimal128(9, 2)),
        "decimal256": pa.array(money, pa.decimal256(60, 2)),
        "null": pa.nulls(3),
        "list": pa.array([[1, None], None, []], pa.list_(pa.int16())),
        "fixed list": pa.array([[1, 2], None, [3, None]], pa.list_(pa.int16(), 2)),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
        "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "deep": pa.array(
            [[{"a": [1.0]}], None, [None]], pa.list_(pa.struct([("a", pa.list_(pa.float64()))]))
        ),
        "dictionary": pa.array(["b", None, "a"]).dictionary_encode(),
        "ordered": pa.DictionaryArray.from_arrays([1, None, 0], ["x", "y", "z"], ordered=True),
        "view": pa.array(["", None, "é"]).cast(pa.string_view()) if newer("pyarrow", (17,)) else None,
    }


def arrow_cases() -> Cases:
    import pyarrow as pa

    columns = {name: column for name, column in arrow_columns(pa).items() if column is not None}
    cases: Cases = {f"arrow {name}": lambda c=column: pa.table({"c": c}) for name, column in columns.items()}  # type: ignore[misc]
    whole = pa.table({name: column for name, column in columns.items() if name not in ("half", "view")})
    # The same digest as that of one table: what is unordered must be sorted alike everywhere.
    cases |= {
        f"unordered {name}": lambda c=column: Unordered(pa.table({"c": c, "n": [2, 1, 0]}))  # type: ignore[misc]
        for name, column in columns.items()
    }
    return cases | {
        "arrow table": lambda: whole,
        "arrow chunks": lambda: pa.concat_tables([whole.slice(0, 1), whole.slice(1)]),
        "arrow no rows": lambda: whole.slice(0, 0),
        "arrow no columns": lambda: pa.table({}),
        "arrow inside": lambda: {"t": whole},
        "unordered table": lambda: Unordered(pa.concat_tables([whole.slice(1), whole, whole])),
    }


def pandas_cases() -> Cases:
    import pandas as pd

    plain = pd.DataFrame({"i": [1, 2], "f": [1.5, None], "s": ["a", None], "b": [True, False]})
    keyed = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key"))
    several = pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", None])
    times = pd.Series([NOW, NOW]).dt.tz_convert("UTC").astype("datetime64[ns, UTC]")
    return {
        "pandas frame": lambda: plain,
        "pandas index": lambda: keyed,
        "pandas range": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 7, name="n")),
        "pandas several levels": lambda: pd.DataFrame({"a": [1, 2]}, index=several),
        "pandas labels": lambda: pd.DataFrame({0: [1], 1: ["x"]}),
        "pandas nullable": lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        "pandas strings": lambda: pd.DataFrame({"a": pd.array(["x", None], dtype="string")}),
        "pandas categories": lambda: pd.DataFrame(
            {"a": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True)}
        ),
        "pandas times": lambda: pd.DataFrame({"a": times}),
        "pandas inferred times": lambda: pd.DataFrame({"a": pd.to_datetime(["2026-03-01"])}),
        "pandas series": lambda: pd.Series([1, 2], name="s"),
        "pandas nothing": lambda: pd.DataFrame({"a": pd.Series([], dtype="int64")}),
        "pandas scalars": lambda: [pd.NaT, pd.NA, pd.Timestamp("2026-03-01", tz="UTC").as_unit("us")],
        "pandas unordered": lambda: Unordered(keyed.iloc[::-1]),
    }


def polars_cases() -> Cases:
    import polars as pl

    frame = pl.DataFrame(
        {"i": [1, None], "s": ["a", None], "f": [1.5, float("nan")], "l": [[1], []], "t": [NOW, None]}
    )
    enum_type = pl.Series(["x"], dtype=pl.Enum(["x", "y"]))
    return {
        "polars frame": lambda: frame,
        "polars lazy": lambda: frame.lazy(),
        "polars struct": lambda: pl.DataFrame({"a": [{"x": 1, "y": "b"}]}),
        "polars enum": lambda: pl.DataFrame({"e": enum_type}),
        "polars categorical": lambda: pl.DataFrame({"c": pl.Series(["x", "y", "x"], dtype=pl.Categorical)}),
        "polars times": lambda: pl.DataFrame(
            {"a": [dt.time(1), None], "b": [dt.timedelta(1), None], "c": [NOW.date(), None]}
        ),
        "polars array": lambda: pl.DataFrame(
            {"a": pl.Series([[1, 2]], dtype=pl.List(pl.Int8)).cast(pl.Array(pl.Int8, 2))}
        ),
        "polars series": lambda: pl.Series("a", [1, None]),
        "polars unordered": lambda: Unordered(pl.DataFrame({"a": ["y", "x", "y"]})),
    }


def duckdb_cases() -> Cases:
    import duckdb

    query = "select i::int as i, 'x' || i as s, {'a': i, 'b': [i]} as n from range(3) t(i) order by i"
    return {
        "duckdb relation": lambda: duckdb.sql(query),
        "duckdb unordered": lambda: Unordered(duckdb.sql(query.replace("order by i", "order by -i"))),
    }


LIBRARIES = {
    "numpy": numpy_cases,
    "pyarrow": arrow_cases,
    "pandas": pandas_cases,
    "polars": polars_cases,
    "duckdb": duckdb_cases,
}


def version(library: str) -> tuple[int, ...]:
    text = str(__import__(library).__version__)
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def newer(library: str, than: tuple[int, ...]) -> bool:
    return version(library) >= than


def case_name(name: str) -> str:
    """Name a case; one that a library changed, with the version it holds from."""
    library, since = CHANGED.get(name, ("", ()))
    if not library:
        return name
    return f"{name}, {library} {'from' if newer(library, since) else 'before'} {since[0]}"


def data_versions() -> dict[str, str]:
    """Identify every case that the libraries here know."""
    cases = dict(PYTHON)
    for library, made in LIBRARIES.items():
        try:
            __import__(library)
        except ImportError:
            continue
        cases |= made()
    found = {}
    for name, make in cases.items():
        value = make()
        is_unordered = isinstance(value, Unordered)
        found[case_name(name)] = unordered_version(value.value) if is_unordered else identify(value).digest  # type: ignore[attr-defined]
    return found


def main() -> None:
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = str(__import__(library).__version__)
        except ImportError:
            continue
    json.dump({"versions": found, "digests": data_versions()}, sys.stdout)


if __name__ == "__main__":
    main()
