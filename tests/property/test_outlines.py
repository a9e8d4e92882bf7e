"""An outline names exactly what was edited, and is small whatever the value."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nacre.values import identify
from nacre.version.outline import Change, compare

WORDS = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
LEAVES = st.integers(0, 3) | st.sampled_from(["x", "y", None, 1.5, True])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(WORDS, inner, min_size=1, max_size=3)
    ),
    max_leaves=10,
)


def changed(old: object, new: object) -> Change:
    return compare(identify(old).outline, identify(new).outline)


def leaves(value: Any, path: str = "") -> list[tuple[str, Callable[[Any, object], None]]]:
    """Every leaf by its path, and how to put another value there."""
    found: list[tuple[str, Callable[[Any, object], None]]] = []
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, item in pairs:
        step = f".{key}" if isinstance(value, dict) else f"[{key}]"
        if isinstance(item, (dict, list)):
            found += [
                (below, lambda root, new, put=put, key=key: put(root[key], new))
                for below, put in leaves(item, path + step)
            ]
        else:
            found.append((path + step, lambda root, new, key=key: root.__setitem__(key, new)))
    return [(where.removeprefix("."), put) for where, put in found] if not path else found


@given(st.dictionaries(WORDS, TREES, min_size=1, max_size=4) | st.lists(TREES, min_size=1), st.data())
def test_one_edited_leaf_is_named_by_its_path_alone(value: Any, data: st.DataObject) -> None:
    path, put = data.draw(st.sampled_from(leaves(value)))
    edited = copy.deepcopy(value)
    put(edited, data.draw(st.sampled_from(["other", 99, False, 0.5])))
    found = changed(value, edited)
    assert found.changed == (path,)
    assert (found.size, found.added, found.removed, found.type, found.complete) == (None, (), (), None, True)
    assert changed(edited, copy.deepcopy(edited)).changed == ()


@given(st.dictionaries(WORDS, LEAVES, min_size=1, max_size=4), WORDS, LEAVES)
def test_an_added_key_is_named_and_so_is_a_removed_one(
    value: dict[str, object], key: str, item: object
) -> None:
    assume(key not in value)
    more = {**value, key: item}
    assert (changed(value, more).added, changed(value, more).changed) == ((key,), ())
    assert (changed(more, value).removed, changed(more, value).size) == ((key,), (len(more), len(value)))


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["x", None])), min_size=1, max_size=5)


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame, lambda columns: pa.table(columns).to_pandas()])
@given(rows=ROWS, at=st.integers(0, 4))
def test_an_edited_table_is_described_by_its_columns(
    make: Callable[[dict[str, list[Any]]], Any], rows: list[tuple[int, str | None]], at: int
) -> None:
    columns: dict[str, list[Any]] = {"n": [n for n, _ in rows], "t": ["z", *(t for _, t in rows[1:])]}
    edited = {**columns, "n": [7 if i == at % len(rows) else n for i, n in enumerate(columns["n"])]}
    old = make(columns)
    assert changed(old, make(edited)) == Change(changed=("n",), kind="table")
    assert changed(old, make({**columns, "lang": columns["n"]})).added == ("lang",)
    assert changed(make({**columns, "lang": columns["n"]}), old).removed == ("lang",)
    renamed = changed(old, make({"n": columns["n"], "text": columns["t"]}))
    assert (renamed.added, renamed.removed, renamed.changed) == (("text",), ("t",), ())
    longer = changed(old, make({name: [*items, items[0]] for name, items in columns.items()}))
    assert (longer.size, longer.added, longer.removed) == ((len(rows), len(rows) + 1), (), ())
    retyped = changed(old, make({**columns, "n": [float(n) for n in columns["n"]]}))
    assert (retyped.changed, retyped.retyped) == (("n",), (("n", "int64", "double"),))


def long_names() -> dict[str, object]:
    return {"k" * 1_000_000: 1, "k" * 999_999 + "j": {"k" * 1_000_000: 2}}


@pytest.mark.parametrize(
    "make",
    [
        lambda: pa.table({f"column {i}": [i] for i in range(10_000)}),
        lambda: pa.table({"k" * 1_000_000: [1], "j" * 1_000_000: [1]}),
        lambda: pa.table({"a": [{f"field {i}": 1 for i in range(3_000)}]}),
        lambda: pa.table({"\x00" * 200 + str(i): [i] for i in range(500)}),
        lambda: pl.DataFrame({"e": pl.Series(["v0"], dtype=pl.Enum([f"v{i}" for i in range(5_000)]))}),
        lambda: np.zeros(2, dtype=[(f"field {i}", "i4") for i in range(3_000)]),
        lambda: {f"key {i} " + "ü" * 50: i for i in range(5_000)},
        lambda: {"\ud800" * 100 + str(i): i for i in range(2_000)},
        lambda: {'"\\' * 90 + str(i): "\U0001f600" * i for i in range(2_000)},
        lambda: [{"a": i, "b": str(i)} for i in range(5_000)],
        lambda: {(1,) * 10_000: {frozenset(range(999)): 1}},
        lambda: dataclasses.make_dataclass("C" * 50_000, ["f" * 50_000])(1),
        long_names,
    ],
)
def test_an_outline_has_at_most_16_kib(make: Callable[[], object]) -> None:
    outline = identify(make()).outline
    assert len(msgspec.json.encode(outline)) <= 16 * 1024
    assert outline.columns or outline.paths or outline.type.startswith("ndarray")


def test_an_outline_that_lacks_something_says_so() -> None:
    many = {f"c{i}": [i] for i in range(10_000)}
    outline = identify(pa.table(many)).outline
    assert outline.truncated
    assert len(outline.columns) > 300
    edited = changed(pa.table(many), pa.table({**many, "c9999": [0]}))
    assert (edited.changed, edited.complete) == ((), False)


def test_long_names_that_differ_stay_different() -> None:
    one = long_names()
    other = {**one, "k" * 999_999 + "j": {"k" * 1_000_000: 3}}
    assert len(identify(one).outline.paths) == 2
    assert len(changed(one, other).changed) == 1
    deep_one, deep_other = ({"a" * 150: {"b" * 150: {f"{c}" * 150: {"d" * 150: 1}}}} for c in "xy")
    assert len(changed(deep_one, deep_other).added) == 1


def test_columns_of_one_name_are_both_in_the_outline() -> None:
    old, new = (pa.table([[1], [n]], names=["a", "a"]) for n in (2, 3))
    assert changed(old, new).changed == ("a (2)",)
