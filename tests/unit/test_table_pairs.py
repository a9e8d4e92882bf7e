"""Pairs of tables that count as one, and pairs that count as two, in every library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nacre.values import identify


def digest(value: object) -> str:
    return identify(value).digest


APART: dict[str, Callable[[], list[object]]] = {
    "tables of libraries inside": lambda: [
        [pa.table({"a": [1]})],
        [[{"a": 1}]],
        pa.table({"a": [1]}),
        {"a": pa.table({"a": [1]})},
    ],
    "arrow types": lambda: [
        pa.table({"a": pa.nulls(2, kind)})
        for kind in (
            pa.null(),
            pa.bool_(),
            pa.int8(),
            pa.int16(),
            pa.uint8(),
            pa.float16(),
            pa.float32(),
            pa.string(),
            pa.binary(),
            pa.binary(1),
            pa.date32(),
            pa.date64(),
            pa.time32("s"),
            pa.time32("ms"),
            pa.time64("us"),
            pa.timestamp("s"),
            pa.timestamp("ms"),
            pa.timestamp("s", "UTC"),
            pa.timestamp("s", "Europe/Berlin"),
            pa.duration("s"),
            pa.decimal128(5, 2),
            pa.decimal128(5, 3),
            pa.decimal128(6, 2),
            pa.decimal256(5, 2),
            pa.list_(pa.int8()),
            pa.list_(pa.int16()),
            pa.list_(pa.int8(), 2),
            pa.map_(pa.int8(), pa.int8()),
            pa.struct([("a", pa.int8())]),
            pa.struct([("b", pa.int8())]),
            pa.struct([("a", pa.int8()), ("b", pa.int8())]),
            pa.dictionary(pa.int8(), pa.string()),
            pa.uuid(),
        )
    ],
    "arrow names that look alike": lambda: [
        pa.table({"a": [{"b": 1, "c": 2}]}),
        pa.table({"a": [{"b: int64, c": 1}]}),
        pa.table({"a": [1], "b": [1]}),
        pa.table({"ab": [1], "": [1]}),
        pa.table([[1], [1]], names=["a", "a"]),
        pa.table({"a": [1, 1]}),
    ],
    "nested arrow values": lambda: [
        pa.table({"a": pa.array(each, pa.list_(pa.list_(pa.int8())))})
        for each in (
            [[[1], [2]]],
            [[[1, 2]]],
            [[[1]], [[2]]],
            [[[1], [2], []]],
            [[[1], [2], None]],
            [None],
            [[]],
            [[None]],
            [],
        )
    ],
    "maps and lists of pairs": lambda: [
        pa.table({"a": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8()))}),
        pa.table(
            {
                "a": pa.array(
                    [[{"key": "k", "value": 1}]],
                    pa.list_(pa.struct([("key", pa.string()), ("value", pa.int8())])),
                )
            }
        ),
        pa.table({"a": pa.array([[("k", 1), ("k", 1)]], pa.map_(pa.string(), pa.int8()))}),
    ],
    "no rows but a schema": lambda: [
        pa.table({}),
        *(
            pa.schema([(name, kind)]).empty_table()
            for name, kind in (("a", pa.int8()), ("b", pa.int8()), ("a", pa.int16()))
        ),
        pd.DataFrame(index=[0, 1]),
        pd.DataFrame(index=range(2)),
        pd.DataFrame(index=range(3)),
        pl.DataFrame({"a": pl.Series([], dtype=pl.Int32)}),
    ],
    "pandas indexes": lambda: [
        pd.DataFrame({"a": [1, 2]}, index=index)
        for index in (
            None,
            [0, 2],
            [2, 0],
            pd.RangeIndex(2, name="n"),
            pd.RangeIndex(0, 4, 2),
            pd.Index([0.0, 2.0]),
            pd.Index(["0", "2"]),
            pd.MultiIndex.from_tuples([(0, 1), (2, 1)]),
            pd.MultiIndex.from_tuples([(0, 1), (2, 1)], names=["a", None]),
            pd.CategoricalIndex(["0", "2"]),
            pd.DatetimeIndex(["2026-01-01", "2026-01-02"]),
            pd.DatetimeIndex(["2026-01-01", "2026-01-02"], tz="UTC"),
        )
    ],
    "pandas columns": lambda: [
        pd.DataFrame([[1, 2]], columns=columns)
        for columns in (
            ["a", "b"],
            ["b", "a"],
            [0, 1],
            ["0", "1"],
            pd.Index(["a", "b"], name="n"),
            pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]),
            [True, False],
        )
    ],
    "polars types": lambda: [
        pl.DataFrame({"a": pl.Series([None], dtype=kind)})
        for kind in (
            pl.Int8,
            pl.Int16,
            pl.String,
            pl.Categorical,
            pl.Enum(["a"]),
            pl.Enum(["b"]),
            pl.Enum(["a", "b"]),
            pl.Date,
            pl.Time,
            pl.Datetime("ms"),
            pl.Datetime("us"),
            pl.Datetime("us", "UTC"),
            pl.Duration("us"),
            pl.List(pl.Int8),
            pl.Array(pl.Int8, 2),
            pl.Array(pl.Int8, 3),
            pl.Struct({"a": pl.Int8}),
            pl.Null,
            pl.Binary,
            pl.Decimal(5, 2),
        )
    ],
}


@pytest.mark.parametrize("name", APART)
def test_tables_that_a_step_can_tell_apart_differ(name: str) -> None:
    seen: dict[str, object] = {}
    for value in APART[name]():
        found = digest(value)
        assert found not in seen, (value, seen[found])
        seen[found] = value


TOGETHER: dict[str, Callable[[], list[object]]] = {
    "names of utc in arrow": lambda: [
        pa.table({"a": pa.array([1], pa.timestamp("us", zone))}) for zone in ("UTC", "Etc/UTC", "+00:00", "Z")
    ],
    "metadata of a schema": lambda: [
        pa.table({"a": [1]}),
        pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
        pa.table([pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), metadata={"k": "v"})])),
    ],
    "whether nulls are allowed": lambda: [
        pa.table({"a": [1]}),
        pa.table([pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), nullable=False)])),
    ],
    "names of list items": lambda: [
        pa.table({"a": pa.array([[1]], pa.list_(pa.field(name, pa.int64())))}) for name in ("item", "element")
    ],
    "libraries of tables": lambda: [
        pa.table({"a": [1], "s": ["x"]}),
        pl.DataFrame({"a": [1], "s": ["x"]}),
        pd.DataFrame({"a": [1], "s": ["x"]}),
        pl.LazyFrame({"a": [1], "s": ["x"]}),
    ],
    "pandas blocks": lambda: [
        pd.DataFrame(np.ones((2, 2)), columns=["a", "b"]),
        pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, 1.0]}),
        pd.DataFrame({"b": [1.0, 1.0], "a": [1.0, 1.0]})[["a", "b"]],
    ],
    "objects that are texts": lambda: [
        pd.DataFrame({"a": ["x", None]}),
        pd.DataFrame({"a": pd.Series(["x", None], dtype=object)}),
    ],
    "default indexes": lambda: [
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame({"a": [1, 2]}, index=range(2)),
        pd.DataFrame({"a": [1, 2, 3]}).head(2),
    ],
}


@pytest.mark.parametrize("name", TOGETHER)
def test_tables_that_a_step_cannot_tell_apart_agree(name: str) -> None:
    assert len({digest(value) for value in TOGETHER[name]()}) == 1
