"""What Arrow's types do not tell apart counts too: pandas' own dtypes, and which categories there are."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa

from nacre.values import identify


def digest(value: object) -> str:
    return identify(value).digest


def test_a_dtype_of_pandas_own_counts() -> None:
    texts, numbers = ["b", "a"], [2, 1]
    columns = [
        numbers,
        pd.array(numbers, dtype="Int64"),
        pd.array(numbers, dtype="Int32"),
        pd.array(numbers, dtype="Float64"),
        pd.array(numbers, dtype=pd.ArrowDtype(pa.int64())),
        texts,
        pd.array(texts, dtype="string"),
        pd.array(texts, dtype=pd.ArrowDtype(pa.string())),
        pd.Categorical(texts),
        pd.Categorical(texts, categories=["b", "a"]),
        pd.Categorical(texts, categories=["a", "b", "c"]),
        pd.Categorical(texts, ordered=True),
        pd.Categorical(numbers),
    ]
    frames = [pd.DataFrame({"a": column}) for column in columns]
    indexed = [pd.DataFrame({"a": [1, 2]}, index=pd.Index(column)) for column in columns]
    series = [pd.Series(column, name="a") for column in columns]
    for values in (frames, indexed, series):
        assert len({digest(value) for value in values}) == len(columns)
        assert [digest(value) for value in values] == [digest(value.copy()) for value in values]
    assert digest(frames[0]) == digest(pa.table({"a": numbers}))
    assert (
        digest(frames[5])
        == digest(pa.table({"a": texts}))
        == digest(pa.table({"a": pa.array(texts, "large_string")}))
    )


def test_the_categories_of_an_enum_count() -> None:
    enums = [pl.Series("a", ["x"], dtype=pl.Enum(kinds)) for kinds in (["x"], ["x", "y"], ["y", "x"])]
    assert len({digest(enum.to_frame()) for enum in enums}) == 3
