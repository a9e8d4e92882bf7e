"""A pandas frame comes back cell by cell and with its labels, or is refused with its column and the way out."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nacre.errors import TypeMismatch, UnserialisableValue
from nacre.store import formats
from nacre.store.formats.parquet import Parquet
from nacre.values import identify

BIG = 2**53 + 1
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def back(value: object, as_type: object = None) -> object:
    sink = io.BytesIO()
    name = formats.save(value, identify(value), "asset://thing", sink)
    return formats.load(name, io.BytesIO(sink.getvalue()), as_type)


def objects(*cells: object) -> pd.Series:
    return pd.Series(list(cells), dtype=object)


def at(zone: str) -> pd.Timestamp:
    return pd.Timestamp("2026-03-01", tz=zone)


@pytest.mark.parametrize(
    ("cells", "place", "problem", "way_out"),
    [
        ((1, None), 0, "int comes back as float", "Int64"),
        ((1.5, 1), 1, "int comes back as float", "to_numeric"),
        (({"id": 1}, {"x": 1}), 0, "dict comes back changed", "list of dicts"),
        (({"id": 1}, {"id": None}), 0, "dict comes back changed", "list of dicts"),
        ((None, (1, 2)), 1, "tuple comes back as ndarray", "numpy array"),
        (({1}, {2}), 0, "set comes back as ndarray", "numpy array"),
        (([1], [2, 3]), 0, "list comes back as ndarray", "numpy array"),
        ((np.array(["a"]), None), 0, "ndarray comes back changed", "dtype=object"),
        ((NOW, None), 0, "datetime comes back as Timestamp", "to_datetime"),
        ((at("Europe/Berlin"), at("UTC")), 1, "Timestamp comes back changed", "to_datetime"),
        (("a", b"b"), 0, "str comes back as bytes", "text"),
    ],
    ids=lambda found: repr(found)[:30],
)
def test_an_object_that_comes_back_as_another_is_refused_with_its_place(
    cells: tuple[object, ...], place: int, problem: str, way_out: str
) -> None:
    column = objects(*cells)
    for value, where in (
        (pd.DataFrame({"fine": ["x", None], "c": column}), rf"result\['c'\]\[{place}\]"),
        (column, rf"result\[{place}\]"),
    ):
        with pytest.raises(UnserialisableValue, match=rf"(?s){where}.*{problem}.*{way_out}"):
            back(value)


def test_categories_that_come_back_as_others_are_refused_with_their_place() -> None:
    mixed = pd.Categorical.from_codes([0, 1], categories=pd.Index(["a", b"b"], dtype=object))
    for frame in (pd.DataFrame({"c": mixed}), pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(mixed))):
        with pytest.raises(UnserialisableValue, match=r"(?s)its categories\[0\].*str comes back as bytes"):
            back(frame)
    dates = pd.DataFrame({"c": pd.Categorical([dt.date(2026, 3, 1), None])})
    pd.testing.assert_frame_equal(back(dates), dates)


def test_large_integers_among_objects_are_refused_with_the_dtype_they_need() -> None:
    for column in (pd.DataFrame({"c": objects(BIG, None)}), objects(BIG, None)):
        with pytest.raises(UnserialisableValue, match=r'(?s)result.*objects come back.*astype\("Int64"\)'):
            back(column)
    for cells in (({"id": BIG}, {"x": 1}), ([BIG, None],)):
        with pytest.raises(UnserialisableValue, match=r"(?s)column: 'c'.*2\*\*53"):
            back(pd.DataFrame({"c": objects(*cells)}))
    with pytest.raises(UnserialisableValue, match=r"(?s)column: the index.*2\*\*53"):
        back(pd.DataFrame({"a": [1, 2]}, index=pd.Index([BIG, None], dtype=object)))


def test_an_object_in_the_index_is_refused_where_it_comes_back_as_another() -> None:
    for cells in ((1, None), (NOW, NOW)):
        frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(cells, dtype=object))
        with pytest.raises(UnserialisableValue, match=r"(?s)result\.index\[0\].*comes back as"):
            back(frame)


@pytest.mark.parametrize(
    "cells",
    [
        (1, 2),
        (np.int32(1), np.int32(2)),
        (True, None),
        (1.5, None),
        (b"a", None),
        (dt.date(2026, 3, 1), None),
        (dt.time(1), None),
        (decimal.Decimal("1.5"), decimal.Decimal("2.25")),
        (np.array([1.5, np.nan]), None),
        (np.array(["a", "b"], dtype=object), None),
        (np.array([1, 2]), np.array([3])),
        ({"id": BIG, "x": "a"}, {"id": 2, "x": None}),
        (at("Europe/Berlin"), None),
        (uuid.UUID(int=5), None),
        (None, None),
        ("a", pd.NA),
        (),
    ],
    ids=lambda cells: repr(cells)[:30],
)
def test_objects_that_come_back_as_they_were_are_stored(cells: tuple[object, ...]) -> None:
    found = back(pd.DataFrame({"c": objects(*cells)}))
    assert isinstance(found, pd.DataFrame)
    for old, new in zip(cells, found["c"], strict=True):
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(new, old)
        else:
            assert pd.isna(new) if pd.api.types.is_scalar(old) and pd.isna(old) else new == old


def test_frames_without_objects_are_not_loaded_to_be_compared() -> None:
    times = pd.to_datetime(["2026-03-01", None])
    plain = pd.DataFrame({"i": [1, 2], "f": [1.5, None], "s": ["a", None], "t": times, "n": [True, False]})
    assert Parquet().is_exact(plain)
    assert Parquet().is_exact(pd.DataFrame({"s": objects("a", None)}))
    assert not Parquet().is_exact(pd.DataFrame({"i": objects(1, 2)}))


CATEGORIES = pd.Categorical(["a", "b"])


@pytest.mark.parametrize(
    "labels",
    [
        pd.CategoricalIndex(CATEGORIES),
        pd.CategoricalIndex(CATEGORIES, name="kind"),
        pd.MultiIndex.from_arrays([CATEGORIES, ["x", "y"]]),
    ],
    ids=["categories", "named categories", "a level of categories"],
)
def test_labels_that_are_categories_are_refused_with_the_way_out(labels: pd.Index) -> None:
    frame = pd.DataFrame([[1, 2]], columns=labels)
    with pytest.raises(UnserialisableValue, match=r"(?s)labels.*categor.*frame\.columns = "):
        back(frame)
    frame.columns = labels.astype(str) if labels.nlevels == 1 else labels.to_flat_index().map(str)
    pd.testing.assert_frame_equal(back(frame), frame)


def test_a_pivot_over_categories_is_refused_with_the_way_out() -> None:
    frame = pd.DataFrame({"day": [1, 1], "kind": CATEGORIES, "n": [1, 2]})
    pivot = frame.pivot_table(index="day", columns="kind", values="n", observed=True)
    with pytest.raises(UnserialisableValue, match="labels"):
        back(pivot)
    pivot.columns = pivot.columns.astype(str)
    pd.testing.assert_frame_equal(back(pivot), pivot)


def test_labels_of_another_index_class_come_back_in_it() -> None:
    for labels in (
        pd.DatetimeIndex(["2026-03-01", "2026-03-02"]),
        pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")], names=["k", None]),
        pd.RangeIndex(2),
        pd.Index(["a", "b"], dtype=object, name="n"),
    ):
        found = back(pd.DataFrame([[1, 2]], columns=labels))
        assert isinstance(found, pd.DataFrame)
        assert found.columns.equals(labels)
        assert found.columns.names == labels.names


def test_what_a_library_cannot_load_is_refused_with_what_it_said() -> None:
    frame = pd.DataFrame([[1]], columns=pd.Index([dt.date(2026, 3, 1)]))
    with pytest.raises(UnserialisableValue, match=r"(?s)would not come back.*datetime64\[D\].*labels"):
        back(frame)


@pytest.mark.parametrize("number", [BIG, -BIG, 1761234567890123457, 2**63 - 1])
def test_large_integers_beside_nulls_come_to_pandas_as_they_are(number: int) -> None:
    for table in (
        pl.DataFrame({"id": [number, None], "n": [1, None]}),
        pa.table({"id": [number, None], "n": [1, None]}),
    ):
        found = back(table, as_type=pd.DataFrame)
        assert isinstance(found, pd.DataFrame)
        assert found["id"].dtype == "Int64"
        assert found["id"].iloc[0] == number
        assert found["id"].isna().tolist() == [False, True]
        assert found["n"].dtype == "float64"


def test_integers_that_a_float_holds_come_to_pandas_as_its_usual_floats() -> None:
    found = back(pl.DataFrame({"id": [2**53, None, -(2**53)], "none": [None] * 3}), as_type=pd.DataFrame)
    assert isinstance(found, pd.DataFrame)
    assert found["id"].dtype == "float64"
    whole = back(pl.DataFrame({"id": [BIG]}), as_type=pd.DataFrame)
    assert isinstance(whole, pd.DataFrame)
    assert whole["id"].dtype == "int64"


def test_large_integers_without_a_sign_and_series_come_to_pandas_as_they_are() -> None:
    found = back(pl.DataFrame({"id": pl.Series([2**64 - 1, None], dtype=pl.UInt64)}), as_type=pd.DataFrame)
    assert isinstance(found, pd.DataFrame)
    assert found["id"].dtype == "UInt64"
    assert found["id"].iloc[0] == 2**64 - 1
    series = back(pl.Series("id", [BIG, None]), as_type=pd.Series)
    assert isinstance(series, pd.Series)
    assert series.iloc[0] == BIG


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[BIG, None]]),
        pa.array([[BIG], [None]]),
        pa.array([{"x": BIG}, {"x": None}]),
        pa.array([[{"x": [BIG, None]}]]),
        pa.array([[BIG, None]], pa.list_(pa.int64(), 2)),
        pa.array([[("k", BIG), ("l", None)]], pa.map_(pa.string(), pa.int64())),
    ],
    ids=lambda column: str(column.type),
)
def test_large_integers_beside_nulls_inside_a_column_are_refused_to_pandas(column: pa.Array) -> None:
    table = pa.table({"a": column})
    with pytest.raises(TypeMismatch, match=r"(?s)'a'.*2\*\*53.*pl\.DataFrame"):
        back(table, as_type=pd.DataFrame)
    assert back(table) == table
    small = pa.table({"a": [[1, None]], "b": [{"x": BIG}]})
    assert isinstance(back(small, as_type=pd.DataFrame), pd.DataFrame)


def test_large_integers_beside_nulls_come_to_pandas_where_an_index_lies_before_them() -> None:
    keyed = pa.Table.from_pandas(pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="k")))
    table = keyed.select(["k", "a"]).append_column("id", pa.array([BIG, None]))
    found = back(table, as_type=pd.DataFrame)
    assert isinstance(found, pd.DataFrame)
    assert found.loc["x", "id"] == BIG
    assert found["a"].tolist() == [1, 2]


def test_an_index_of_large_integers_beside_nulls_is_refused_to_pandas() -> None:
    index = pd.Index(pd.array([BIG, None], dtype="Int64"), name="k")
    table = pa.Table.from_pandas(pd.DataFrame({"a": [1, 2]}, index=index))
    with pytest.raises(TypeMismatch, match=r"(?s)'k'.*2\*\*53"):
        back(table, as_type=pd.DataFrame)
    frame = pd.DataFrame({"a": [1, 2]}, index=index)
    pd.testing.assert_frame_equal(back(frame), frame)
