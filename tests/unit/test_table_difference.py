"""What differs between two tables: columns, rows by key and by position, figures; the same in every library."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import UsageError
from nacre.values.difference import ColumnChange, TableDifference, difference, pairing
from nacre.views.difference_words import told

OLD = pa.table({"id": [1, 2, 3], "price": [1.5, 2.0, None], "item": ["tea", "cake", "jam"]})
NEW = pa.table({"id": [3, 1, 4], "price": [None, 1.25, 9.0], "item": ["jam", "tea", "scone"]})


def compared(old: object, new: object, *key: str, limit: int = 20) -> TableDifference:
    found = difference(old, new, key, limit)
    assert isinstance(found, TableDifference)
    return found


def texts(
    found: TableDifference,
) -> list[tuple[str, tuple[str, ...], dict[str, tuple[str | None, str | None]]]]:
    return [(row.what, row.key, {c.column: (c.old, c.new) for c in row.cells}) for row in found.rows]


def test_rows_with_the_same_key_belong_together() -> None:
    found = compared(OLD, NEW, "id")
    assert (found.added, found.removed, found.changed, found.changed_cells) == (1, 1, 1, {"price": 1})
    assert texts(found) == [
        ("changed", ("1",), {"price": ("1.5", "1.25")}),
        ("added", ("4",), {"id": (None, "4"), "price": (None, "9.0"), "item": (None, "scone")}),
        ("removed", ("2",), {"id": ("2", None), "price": ("2.0", None), "item": ("cake", None)}),
    ]


def test_rows_that_came_in_another_order_are_said_to_have() -> None:
    turned = OLD.take(pa.array([2, 1, 0]))
    found = compared(OLD, turned, "id")
    assert (found.reordered, found.rows) == (True, ())
    assert told(found) == [("", "Rows     3 → 3, compared by id: the same cells, rows in another order")]
    more = pa.concat_tables([NEW, OLD.slice(1, 1)])
    assert told(compared(OLD, more, "id"))[0][1].endswith("1 added, 1 changed, rows in another order")
    for fewer in (OLD, turned):  # of rows that others were taken out between
        found = compared(fewer, fewer.take(pa.array([0, 2])), "id")
        assert (found.reordered, found.removed) == (False, 1)
    assert "none of that" in told(compared(OLD, OLD.slice(0), "id"))[-1][1]


def test_without_a_key_rows_are_compared_by_position_and_one_is_suggested() -> None:
    found = compared(OLD, NEW)
    assert (found.added, found.removed, found.changed, found.suggested) == (0, 0, 3, "id")
    assert compared(OLD, OLD.set_column(1, "price", pa.array([0.0, 2.0, 0.5]))).suggested == "id"
    twice = pa.table({"n": [1, 1]})
    assert compared(twice, pa.table({"n": [2, 2]})).suggested == ""


@pytest.mark.parametrize("at", [0, 1, 3])
def test_rows_put_in_at_one_place_are_seen_as_that(at: int) -> None:
    more = pa.concat_tables([OLD.slice(0, at), NEW.slice(2), NEW.slice(2), OLD.slice(at)])
    found = compared(OLD, more)
    assert (found.added, found.removed, found.changed) == (2, 0, 0)
    assert [row.new_row for row in found.rows] == [at, at + 1]
    back = compared(more, OLD)
    assert (back.added, back.removed, [row.old_row for row in back.rows]) == (0, 2, [at, at + 1])


def test_columns_that_came_went_moved_or_were_retyped_are_named() -> None:
    new = pa.table({"item": ["tea"], "id": pa.array([1], pa.int32()), "when": [dt.date(2026, 1, 1)]})
    found = compared(OLD.slice(0, 1), new)
    assert found.columns == (
        ColumnChange("price", "removed", old="double"),
        ColumnChange("when", "added", new="date32[day]"),
        ColumnChange("id", "retyped", "int64", "int32"),
        ColumnChange("item", "moved", "3", "1"),
    )
    assert (found.changed, found.uncompared) == (0, ())


def test_types_that_do_not_compare_are_said_to_be_left_out() -> None:
    found = compared(pa.table({"a": [1, 2], "b": [1, 2]}), pa.table({"a": ["1", "2"], "b": [1, 3]}))
    assert (found.uncompared, found.changed_cells) == (("a",), {"b": 1})


BIG, FAR = 2**53 + 1, dt.date(9999, 1, 1)
NANOSECONDS = pa.array([0, 1], pa.timestamp("ns"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1234567890123456789, 2]), pa.array([1.0, None])),
        (pa.array([BIG, 2], pa.uint64()), pa.array([1.0, None])),
        (pa.array([2**63 + 5, 2], pa.uint64()), pa.array([1, 2])),
        (pa.array([FAR, None], pa.date32()), NANOSECONDS),
        (pa.array([FAR, None], pa.date64()), NANOSECONDS),
        (pa.array([2**62, 1], pa.timestamp("us")), NANOSECONDS),
        (pa.array([2**55, 1], pa.timestamp("s")), NANOSECONDS),
        (pa.array([2**62, 1], pa.duration("us")), pa.array([0, 1], pa.duration("ns"))),
        (pa.array([2, 1], pa.timestamp("us")), pa.array([2, 1], pa.timestamp("us", "UTC"))),
        (pa.array([[1], [2]]), pa.array([[(1, 2)], []], pa.map_(pa.int64(), pa.int64()))),
        (pa.array([[BIG], [2]]), pa.array([[1.0], [2.0]])),
        (pa.array([{"a": BIG}, None]), pa.array([{"a": 1.0}, None])),
    ],
    ids=lambda each: str(each.type),
)
def test_cells_without_a_counterpart_in_the_other_type_are_said_to_be_left_out(
    one: pa.Array, other: pa.Array
) -> None:
    for old, new in ((one, other), (other, one)):
        before = pa.table({"id": [1, 2], "x": old, "n": [1, 2]})
        after = pa.table({"id": [1, 2], "x": new, "n": [1, 3]})
        more = pa.concat_tables([after.slice(0, 1), after.set_column(0, "id", pa.array([8, 9]))])
        for key in ((), ("id",)):
            found = compared(before, after, *key)
            assert (found.uncompared, found.changed_cells) == (("x",), {"n": 1})
            assert [cell.column for row in found.rows for cell in row.cells] == ["n"]
            assert compared(before, more, *key).uncompared == ("x",)
        with suppress(UsageError):  # values that are no key, or are none any more: never an error of Arrow
            compared(before, after, "x")


def test_a_column_is_left_out_whole_where_only_a_late_cell_has_no_counterpart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairing, "BLOCK", 2)
    found = compared(
        pa.table({"x": [1, 2, BIG], "n": [1, 2, 3]}), pa.table({"x": [1.0, 9, 3], "n": [1, 2, 4]})
    )
    assert (found.uncompared, found.changed, found.changed_cells) == (("x",), 1, {"n": 1})
    assert [row.old_row for row in found.rows] == [2]


@pytest.mark.parametrize(
    ("old", "new", "n"),
    [
        ([None, 1], [None, None], 1),
        ([float("nan"), 0.0], [float("nan"), -0.0], 1),
        ([Decimal("1.5"), Decimal("2.5")], [Decimal("1.5"), Decimal("3.5")], 1),
        ([b"a", None], [b"b", None], 1),
        ([[1, 2], None, []], [[1, 3], [], []], 2),
        ([[[1], []], [[2]]], [[[1], []], [[3]]], 1),
        ([{"a": 1, "b": [1]}, None], [{"a": 1, "b": [2]}, {"a": None, "b": None}], 2),
        ([dt.time(1, 2), None], [dt.time(1, 3), None], 1),
        ([True, False], [True, True], 1),
        ([None, None], [None, None], 0),
    ],
    ids=[
        "null",
        "nan",
        "decimal",
        "bytes",
        "lists",
        "lists of lists",
        "records",
        "times",
        "bools",
        "no type",
    ],
)
def test_cells_are_compared_by_value(old: list[object], new: list[object], n: int) -> None:
    rest = pa.array(range(len(old)))
    found = compared(pa.table([pa.array(old), rest], ["x", "n"]), pa.table([pa.array(new), rest], ["x", "n"]))
    assert found.changed == found.changed_cells.get("x", 0) == n


def test_what_is_no_part_of_a_value_is_no_difference() -> None:
    words = pa.array(["a", "b", None])
    encoded = pa.table({"x": words.dictionary_encode()})
    chunked = pa.table({"x": pa.chunked_array([["a"], ["b", None]], pa.large_string())})
    found = compared(encoded, chunked)
    assert (found.changed, [each.what for each in found.columns]) == (0, ["retyped"])
    maps = pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))
    fixed = pa.array([[1, 2], None], pa.list_(pa.int64(), 2))
    both = pa.table({"m": maps, "f": fixed, "v": pa.array(["a", "b"], pa.string_view())})
    assert compared(both, both.slice(0, 2)).changed == 0


@pytest.mark.parametrize(
    "made",
    [pl.from_arrow, lambda table: table.to_pandas(), lambda table: duckdb.from_arrow(table)],
    ids=["polars", "pandas", "duckdb"],
)
def test_tables_of_every_library_are_compared(made: Callable[[pa.Table], object]) -> None:
    assert texts(compared(made(OLD), made(NEW), "id")) == texts(compared(OLD, NEW, "id"))
    assert compared(made(OLD), NEW, "id").changed == 1


def test_an_index_of_pandas_is_a_column() -> None:
    one = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="k"))
    other = pd.DataFrame({"n": [2, 3]}, index=pd.Index(["b", "a"], name="k"))
    assert [(row.key, row.cells[0].new) for row in compared(one, other, "k").rows] == [(("a",), "3")]


def test_several_key_columns_tell_rows_apart_together() -> None:
    old = pa.table({"day": ["mo", "mo", None], "n": pa.array([1, 2, 1], pa.int8()), "x": [1, 2, 3]})
    new = pa.table({"day": pa.array([None, "mo", "tu"]).dictionary_encode(), "n": [1, 2, 1], "x": [4, 2, 5]})
    found = compared(old, new, "n", "day")
    assert [(row.what, row.key) for row in found.rows] == [
        ("changed", ("1", "null")),
        ("added", ("1", "tu")),
        ("removed", ("1", "mo")),
    ]


def test_a_key_column_may_have_no_type_or_another_one() -> None:
    old = pa.table({"k": pa.nulls(1), "x": [1]})
    assert compared(old, pa.table({"k": pa.nulls(1), "x": [2]}), "k").changed == 1
    assert compared(old, pa.table({"k": ["a"], "x": [1]}), "k").added == 1
    assert compared(pa.table({"k": pa.array([1, 2], pa.int8())}), pa.table({"k": [2, 300]}), "k").removed == 1
    with pytest.raises(UsageError, match="another type now"):
        difference(pa.table({"k": [1]}), pa.table({"k": [dt.date(2026, 1, 1)]}), ["k"])


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("item", "does not tell all rows apart"),
        ("nope", "no column 'nope'"),
        ("list", "must have plain values"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused(key: str, says: str) -> None:
    old = pa.table({"id": [1, 2], "item": ["tea", "tea"], "list": [[1], [2]]})
    with pytest.raises(UsageError, match=says):
        difference(old, old.slice(1), [key])


def test_figures_stand_side_by_side() -> None:
    figures = {each.name: each for each in compared(OLD, NEW.drop(["item"])).statistics}
    price = figures["price"]
    assert price.old is not None and price.new is not None
    assert (price.old.nulls, price.old.distinct, price.old.min, price.old.max, price.old.mean) == (
        *(1, 2, "1.5", "2.0", "1.75"),
    )
    assert (price.new.max, price.new.mean) == ("9.0", "5.125")
    assert figures["item"].new is None
    assert figures["item"].old is not None and figures["item"].old.min == "cake"


def test_only_the_rows_asked_for_are_shown_and_all_are_counted() -> None:
    old, new = pa.table({"a": range(100), "b": range(100)}), pa.table({"a": range(1, 101), "b": range(100)})
    found = compared(old, new, limit=3)
    assert (found.changed, [row.old_row for row in found.rows]) == (100, [0, 1, 2])
    found = compared(old, pa.table({"a": [1000]}), "a", limit=2)
    assert (found.added, found.removed, len(found.rows)) == (1, 100, 3)


def test_columns_of_one_name_are_told_apart() -> None:
    old = pa.table([pa.array([1]), pa.array([2])], ["a", "a"])
    new = pa.table([pa.array([1]), pa.array([3])], ["a", "a"])
    assert compared(old, new).changed_cells == {"a (2)": 1}


def test_tables_without_rows_or_columns_compare() -> None:
    assert compared(OLD.slice(0, 0), OLD).added == 3
    assert compared(OLD, OLD.slice(0, 0), "id").removed == 3
    assert [each.what for each in compared(pa.table({}), OLD.slice(0, 0)).columns] == ["added"] * 3


ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("ab"), st.sampled_from([None, 0.0, 1.0])), max_size=8
)


@given(ROWS, ROWS, st.integers(1, 3))
def test_any_two_tables_differ_as_row_by_row_comparison_says(
    old: list[tuple[int, str, float | None]], new: list[tuple[int, str, float | None]], chunks: int
) -> None:
    """The vectorised comparison against the plainest one, for keys and for positions."""
    before, after = ({row[:2]: row for row in rows} for rows in (old, new))
    tables = [_table(list(rows.values()), chunks) for rows in (before, after)]
    found = compared(*tables, "k", "s", limit=50)
    both = before.keys() & after.keys()
    assert found.changed == sum(before[k] != after[k] for k in both)
    assert (found.added, found.removed) == (len(after) - len(both), len(before) - len(both))
    assert {row.key for row in found.rows if row.what == "added"} == {
        (str(k), s) for k, s in after.keys() - before.keys()
    }
    least = min(len(old), len(new))
    found = compared(_table(old, chunks), _table(new, chunks), limit=50)
    if found.added + found.removed and not found.changed:
        kept = [row for i, row in enumerate(new) if i not in {each.new_row for each in found.rows}]
        rest = [row for i, row in enumerate(old) if i not in {each.old_row for each in found.rows}]
        assert kept == rest
    else:
        assert found.changed == sum(old[i] != new[i] for i in range(least))


def _table(rows: list[tuple[int, str, float | None]], chunks: int) -> pa.Table:
    schema = pa.schema({"k": pa.int64(), "s": pa.string(), "x": pa.float64()})
    parts = [rows[i::1][:chunks] for i in range(0, len(rows), chunks)]
    made = [pa.Table.from_pylist([dict(zip("ksx", row, strict=True)) for row in p], schema) for p in parts]
    return pa.concat_tables(made) if made else schema.empty_table()


def test_times_that_python_does_not_have_are_shown() -> None:
    far = pa.array([2**40], pa.timestamp("s"))
    tables = [pa.table({"n": [i], "far": far, "ns": pa.array([i + 1], pa.timestamp("ns"))}) for i in (1, 2)]
    ((_, _, cells),) = texts(compared(*tables))
    assert cells["ns"] == ("1970-01-01 00:00:00.000000002", "1970-01-01 00:00:00.000000003")
    (row,) = compared(tables[0].slice(1), tables[0]).rows
    assert [cell.new for cell in row.cells if cell.column == "far"] == ["<value out of range: 1099511627776>"]
    lists = pa.table({"far": pa.array([[2**40]], pa.list_(pa.timestamp("s")))})
    assert compared(lists.slice(1), lists).rows[0].cells[0].new == "list<item: timestamp[s]>"
