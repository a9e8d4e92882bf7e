"""``unordered=True``: the same rows or items, each as often, in whatever order; everything else counts as before."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
from collections import Counter, deque
from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.errors import UnserialisableValue
from nacre.values import identify, unordered_version, without

NAN = float("nan")
ODD_NAN = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]

COLUMNS = {
    "floats": pa.array([0.0, -0.0, NAN, None, -0.0, math.inf], pa.float64()),
    "halves": pa.array([0.0, -0.0, NAN, None, -0.0, 1.5], pa.float16()),
    "flags": pa.array([True, False, None, None, True, False]),
    "texts": pa.array(["b", "a", None, "", "b", "ä"]),
    "views": pa.array(["b", "a", None, "", "b", "a string too long to be inline"], pa.string_view()),
    "bytes": pa.array([b"b", b"\xff", None, b"", b"b", b"a"]),
    "days": pa.array([dt.date(2026, 3, day) if day else None for day in (2, 1, 0, 4, 2, 3)]),
    "times": pa.array([2, 1, None, 4, 2, 3], pa.timestamp("ns", "UTC")),
    "spans": pa.array([2, 1, None, 4, 2, 3], pa.duration("s")),
    "money": pa.array([decimal.Decimal(n) if n else None for n in (2, 1, 0, 4, 2, -3)], pa.decimal128(9, 2)),
    "large": pa.array([decimal.Decimal(n) if n else None for n in (2, 1, 0, 4, 2, -3)], pa.decimal256(60, 2)),
    "fixed": pa.array([b"ab", b"aa", None, b"zz", b"ab", b"\0\0"], pa.binary(2)),
    "nothing": pa.nulls(6),
    "categories": pa.array(["b", "a", None, "c", "b", "a"]).dictionary_encode(),
    "runs": pa.RunEndEncodedArray.from_arrays([2, 3, 6], ["x", None, "y"]),
    "lists": pa.array([[1, None], [1], None, [], [1, None], [2]], pa.list_(pa.int64())),
    "deep": pa.array(
        [[[0.0]], [[-0.0]], None, [None], [[0.0]], [[], [NAN]]], pa.large_list(pa.list_(pa.float64()))
    ),
    "pairs": pa.array([[1, 2], [2, 1], None, [None, 1], [1, 2], [0, 0]], pa.list_(pa.int8(), 2)),
    "structs": pa.array(
        [{"a": 1}, {"a": None}, None, {"a": 3}, {"a": 1}, {"a": 0}], pa.struct([("a", pa.int8())])
    ),
    "maps": pa.array(
        [[("k", 1)], [], None, [("k", None)], [("k", 1)], [("a", 1)]], pa.map_(pa.string(), pa.int8())
    ),
    "ids": pa.array([bytes([n]) * 16 if n else None for n in (2, 1, 0, 4, 2, 3)], pa.uuid()),
    "months": pa.array([(n, 0, 0) if n else None for n in (2, 1, 0, 4, 2, 3)], pa.month_day_nano_interval()),
}
ORDERS = [[5, 4, 3, 2, 1, 0], [1, 0, 3, 2, 5, 4], [3, 1, 4, 0, 5, 2]]


def numbered(name: str) -> pa.Table:
    """The column, with some rows that tie in it and differ beside it, and two that are equal in all."""
    return pa.table({name: COLUMNS[name], "n": pa.array([1, 2, 3, 4, 1, 6])})


@pytest.mark.parametrize("name", COLUMNS)
def test_the_order_of_rows_does_not_count_for_any_type(name: str) -> None:
    table = numbered(name)
    expected = unordered_version(table)
    for order in ORDERS:
        turned = pa.concat_tables([table.slice(row, 1) for row in order])
        assert unordered_version(turned) == expected
        assert unordered_version(turned.combine_chunks()) == expected
    assert unordered_version(pa.concat_tables([table.slice(1, 2), table]).slice(2)) == expected


@pytest.mark.parametrize("name", COLUMNS)
def test_which_rows_and_how_often_counts_for_any_type(name: str) -> None:
    table = numbered(name)
    others = [table, table.slice(1), table.slice(0, 5), pa.concat_tables([table, table.slice(0, 1)])]
    others += [pa.concat_tables([table, table.slice(1, 1)]), table.rename_columns(["other", "n"])]
    moved = pa.table({name: COLUMNS[name], "n": pa.array([1, 2, 6, 4, 1, 3])})
    if name != "nothing":
        others.append(moved)
    assert len({unordered_version(each) for each in others}) == len(others)


def test_zeros_and_missing_values_stay_apart_without_order() -> None:
    values = [[0.0, 0.0], [0.0, -0.0], [-0.0, -0.0], [NAN, None], [None, None], [NAN, NAN], [NAN, 0.0]]
    tables = [pa.table({"a": pa.array(each, pa.float64())}) for each in values]
    assert len({unordered_version(table) for table in tables}) == len(tables)
    assert unordered_version(tables[1]) == unordered_version(pa.table({"a": [-0.0, 0.0]}))
    assert unordered_version(pa.table({"a": [ODD_NAN, 1.0]})) == unordered_version(
        pa.table({"a": [1.0, NAN]})
    )
    assert unordered_version(np.array([ODD_NAN, 1.0])) == unordered_version(np.array([1.0, NAN]))


def test_rows_without_order_are_the_same_in_every_library() -> None:
    rows = {"id": [3, 1, 2], "name": ["c", None, "b"]}
    turned = {"id": [2, 3, 1], "name": ["b", "c", None]}
    tables = [pa.table(rows), pa.table(turned), pa.table(turned).to_batches()[0]]
    tables += [pl.DataFrame(turned), pl.DataFrame(turned).lazy(), pd.DataFrame(turned)]
    tables += [
        duckdb.from_arrow(pa.table(turned)),
        duckdb.sql("select * from (values (1, null), (3, 'c'), (2, 'b')) t(id, name)"),
    ]
    found = {unordered_version(table) for table in tables[:-1]}
    assert len(found) == 1
    cast = pa.table(turned).cast(pa.schema([("id", pa.int32()), ("name", pa.string())]))
    assert unordered_version(tables[-1]) == unordered_version(cast)
    assert unordered_version(pl.Series("a", [2, 1])) == unordered_version(pl.Series("a", [1, 2]))
    assert unordered_version(pl.Series("a", [2, 1])) != unordered_version(pl.Series("b", [2, 1]))
    assert found.isdisjoint({identify(table).digest for table in tables})


def test_an_index_belongs_to_its_rows() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=pd.Index(["x", "y", "z"], name="key"))
    assert unordered_version(frame.iloc[::-1]) == unordered_version(frame)
    assert unordered_version(frame["a"].iloc[::-1]) == unordered_version(frame["a"])
    swapped = frame.set_axis(pd.Index(["y", "x", "z"], name="key"))
    others = [frame, swapped, frame.rename_axis("other"), frame.reset_index(), frame.reset_index(drop=True)]
    others += [frame.rename(columns={"a": 0}), frame.astype("Int64"), frame["a"], frame["a"].rename("b")]
    assert len({unordered_version(each) for each in others}) == len(others)
    plain = frame.reset_index(drop=True)
    assert unordered_version(plain.sort_values("a", ascending=False, ignore_index=True)) == unordered_version(
        plain
    )


def test_the_order_of_categories_still_counts() -> None:
    kinds = [pd.CategoricalDtype(list(order), ordered=True) for order in ("ab", "ba")]
    frames = [pd.DataFrame({"a": pd.Series(["a", "b"], dtype=kind)}) for kind in kinds]
    assert len({unordered_version(frame) for frame in frames}) == 2
    assert unordered_version(frames[0].iloc[::-1].reset_index(drop=True)) == unordered_version(frames[0])
    turned = [
        pa.DictionaryArray.from_arrays([1, 0, 1], ["x", "y"]),
        pa.DictionaryArray.from_arrays([0, 0, 1], ["y", "x"]),
    ]
    assert len({unordered_version(pa.table({"a": each})) for each in turned}) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.array([3, 1, 2, 1], "i8"),
        np.array([3, 1, 2, 1], ">i2"),
        np.array([0.0, -0.0, NAN, 0.0]),
        np.array([True, False, True, True]),
        np.array(["b", "a", "ccc", "b"]),
        np.array([b"b", b"a", b"", b"b"]),
        np.array([1 + 2j, 2 + 1j, 0, 1 + 2j]),
        np.array(["2026-03-01", "NaT", "2026-01-01", "NaT"], "M8[D]"),
        np.array([[1, 2], [2, 1], [1, 1], [1, 2]], "i4"),
        np.arange(12.0).reshape(4, 3),
        np.arange(24, dtype="i2").reshape(4, 3, 2),
        np.array([(1, 2.0), (2, 1.0), (1, 1.0), (1, 2.0)], dtype=[("a", "i1"), ("b", "f8")]),
        np.array([1, "a", None, 1], dtype=object),
        np.array(["b", "a", "", "b"], dtype=np.dtypes.StringDType()),
    ],
    ids=lambda array: f"{array.dtype}-{array.ndim}d",
)
def test_the_first_axis_of_an_array_has_no_order(array: np.ndarray) -> None:
    expected = unordered_version(array)
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        assert unordered_version(array[order]) == expected
    assert unordered_version(array[[1, 1, 1, 1]]) != expected
    assert unordered_version(array[1:]) != expected
    assert unordered_version(np.asfortranarray(array[::-1])) == expected


def test_what_lies_across_the_rows_of_an_array_keeps_its_order() -> None:
    array = np.arange(6).reshape(3, 2)
    assert unordered_version(array[:, ::-1]) != unordered_version(array)
    assert unordered_version(array.astype("i4")) != unordered_version(array)
    assert unordered_version(array.reshape(2, 3)) != unordered_version(array)


def test_items_and_entries_have_no_order_but_their_number() -> None:
    same: list[tuple[object, object]] = [
        ([1, "a", None, 1], [1, 1, None, "a"]),
        ((1, [2, 3]), ([2, 3], 1)),
        ([{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 1}]),
        (deque([1, 2], maxlen=3), deque([2, 1], maxlen=3)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Counter("abb"), Counter("bba")),
        ({1, 2}, {2, 1}),
        ([pa.table({"a": [1]}), 5], [5, pa.table({"a": [1]})]),
    ]
    for one, two in same:
        assert unordered_version(one) == unordered_version(two)
    others = [[1, 2], [1, 1, 2], [1, 2, 2], [1.0, 2], [True, 2], (1, 2), {1, 2}, {1: 2}, [], (), {}, [[1, 2]]]
    assert len({unordered_version(each) for each in others}) == len(others)


def test_only_the_outermost_order_is_taken_away() -> None:
    for inner in (pa.table({"a": [1, 2]}), [1, 2]):
        turned = inner[::-1] if isinstance(inner, list) else inner.take([1, 0])
        assert unordered_version({"t": inner}) != unordered_version({"t": turned})
        assert unordered_version([inner]) != unordered_version([turned])


def test_a_data_version_rule_comes_first() -> None:
    rule = without("at")
    assert unordered_version(rule([{"id": 1, "at": 5}, {"id": 2, "at": 6}])) == unordered_version(
        [{"id": 2}, {"id": 1}]
    )


@pytest.mark.parametrize(
    "make",
    [lambda: "text", lambda: 5, lambda: None, lambda: b"x", lambda: np.array(5), lambda: dt.date(2026, 3, 1)],
)
def test_a_value_without_rows_or_items_is_refused(make: Callable[[], object]) -> None:
    value = make()
    with pytest.raises(UnserialisableValue, match=rf"(?s)rows or items.*{type(value).__name__}.*unordered="):
        unordered_version(value)


CELLS = {
    pa.float64(): st.sampled_from([0.0, -0.0, NAN, 1.5, None]),
    pa.string(): st.sampled_from(["", "a", "b", None]),
    pa.list_(pa.float32()): st.lists(st.sampled_from([0.0, -0.0, NAN, None]), max_size=2) | st.none(),
    pa.struct([("x", pa.int8()), ("y", pa.string())]): st.none()
    | st.fixed_dictionaries({"x": st.sampled_from([0, 1, None]), "y": st.sampled_from(["a", None])}),
}


@settings(max_examples=150)
@given(st.data())
def test_two_tables_agree_without_order_exactly_if_their_rows_do(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=3))
    row = st.tuples(*(CELLS[kind] for kind in kinds))
    first = data.draw(st.lists(row, max_size=5))
    second = data.draw(st.permutations(first) | st.lists(row, max_size=5))
    schema = pa.schema([(str(at), kind) for at, kind in enumerate(kinds)])
    tables = [
        pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in kinds], schema=schema)
        for rows in (first, second)
    ]
    # As tables give them back: the fields of a struct have no order of their own.
    agree = sorted(map(repr, tables[0].to_pylist())) == sorted(map(repr, tables[1].to_pylist()))
    assert (unordered_version(tables[0]) == unordered_version(tables[1])) is agree


def test_where_texts_repeat_does_not_count() -> None:
    half = 70_000
    texts = [str(number) for number in range(half)] + ["same"] * half
    table = pa.table({"t": texts, "n": pa.array([number % 7 for number in range(2 * half)], pa.int32())})
    turned = table.take(pa.array(range(2 * half - 1, -1, -1)))
    assert unordered_version(turned) == unordered_version(table)
