"""For any value: copies, chunks and slices keep the data version, edits change it, and saving keeps the value."""

from __future__ import annotations

import copy
import datetime as dt
import io
import math

import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nacre.store import formats
from nacre.values import dispatch, identify, python
from nacre.version.outline import MAX_PATHS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=8)
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
)
HASHABLE = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
VALUES = st.recursive(
    SCALARS | st.sets(HASHABLE, max_size=4) | st.frozensets(HASHABLE, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["$", "$nacre", "v"]), inner, max_size=4)
    ),
    max_leaves=12,
)
PLAIN = st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), SCALARS, max_size=5)
TYPES = st.sampled_from(
    [
        (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.uint8(), st.integers(0, 255)),
        (pa.float64(), st.floats(width=64)),
        (pa.bool_(), st.booleans()),
        (pa.string(), st.text(max_size=6)),
        (pa.binary(), st.binary(max_size=6)),
        (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
        (pa.list_(pa.int8()), st.lists(st.none() | st.integers(0, 9), max_size=3)),
        (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": st.none() | st.text(max_size=3)})),
        (pa.list_(pa.struct([("x", pa.float32())])), st.lists(st.just({"x": 1.5}), max_size=2)),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 12))
    columns = {}
    for name in draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=3), unique=True, max_size=3)):
        kind, values = draw(TYPES)
        items = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[name] = pa.array(items, kind)
    return pa.table(columns) if columns else pa.table({"only": pa.nulls(rows)})


def digest(value: object) -> str:
    return identify(value).digest


@given(VALUES)
def test_a_copy_has_the_same_data_version(value: object) -> None:
    assert digest(copy.deepcopy(value)) == digest(value)


@given(VALUES, VALUES)
def test_only_equal_values_share_a_data_version(one: object, two: object) -> None:
    if digest(one) == digest(two):
        assert repr_of(one) == repr_of(two)
    else:
        assert repr_of(one) != repr_of(two)


def repr_of(value: object) -> object:
    """Say all there is of a value, with sets in one order and one NaN."""
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, sorted(map(repr, value)))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [repr_of(item) for item in value])
    if isinstance(value, dict):
        return ("dict", [(repr_of(key), repr_of(item)) for key, item in value.items()])
    return (type(value).__name__, repr(value))


@given(PLAIN)
def test_the_short_way_through_small_dicts_writes_the_same_bytes(value: dict[str, object]) -> None:
    tree = python._checked(value, dispatch._foreign, {})
    outline = python._outline(value, dispatch._foreign, {})
    found = identify(value)
    assert found.digest == tree.hexdigest()
    assert found.outline == outline


@given(VALUES)
def test_an_outline_has_a_digest_for_each_leaf(value: object) -> None:
    outline = identify(value).outline
    assert len(outline.paths) <= MAX_PATHS
    assert all(len(what) == 16 for what in outline.paths.values())


@given(VALUES, st.sampled_from(["asset://a", "asset://a.json"]))
def test_what_is_saved_comes_back(value: object, key: str) -> None:
    sink = io.BytesIO()
    before = identify(value)
    name = formats.save(value, before, key, sink)
    assert identify(formats.load(name, io.BytesIO(sink.getvalue()))).digest == before.digest


@given(tables(), st.data())
def test_chunks_and_slices_keep_the_data_version_of_a_table(table: pa.Table, data: st.DataObject) -> None:
    expected = digest(table)
    cut = data.draw(st.integers(0, table.num_rows))
    assert digest(pa.concat_tables([table.slice(0, cut), table.slice(cut)])) == expected
    doubled = pa.concat_tables([table, table]).combine_chunks()
    assert digest(doubled.slice(table.num_rows)) == expected
    assert digest(pa.table(table.to_pydict(), schema=table.schema)) == expected


@given(tables(), st.data())
def test_any_edit_changes_the_data_version_of_a_table(table: pa.Table, data: st.DataObject) -> None:
    rows = table.to_pylist()
    assume(rows)
    name = data.draw(st.sampled_from(table.column_names))
    at = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(st.sampled_from([row[name] for row in rows]) | st.none())
    assume(not same(rows[at][name], other))
    rows[at][name] = other
    assert digest(pa.Table.from_pylist(rows, schema=table.schema)) != digest(table)


def same(one: object, two: object) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return (math.isnan(one) and math.isnan(two)) or repr(one) == repr(two)
    return one == two


@settings(max_examples=50)
@given(tables())
def test_a_saved_table_comes_back(table: pa.Table) -> None:
    sink = io.BytesIO()
    before = identify(table)
    assert formats.save(table, before, "asset://t", sink) == "parquet"
    assert identify(formats.load("parquet", io.BytesIO(sink.getvalue()))).digest == before.digest
