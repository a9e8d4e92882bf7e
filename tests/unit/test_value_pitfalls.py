"""What goes wrong with other ways to identify data: by their bytes, by a sample, by a library's own hash."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nacre.values import identify


def digest(value: object) -> str:
    return identify(value).digest


def differ(*values: object) -> bool:
    return len({digest(value) for value in values}) == len(values)


def agree(*values: object) -> bool:
    return len({digest(value) for value in values}) == 1


def column(array: Any) -> pa.Table:
    return pa.table({"c": array})


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_the_bytes_of_parquet_are_no_identity() -> None:
    table = pa.table({"a": range(1_000), "s": [str(number % 7) for number in range(1_000)]})
    ways = [
        {},
        {"compression": "zstd"},
        {"row_group_size": 10},
        {"use_dictionary": False},
        {"version": "1.0"},
    ]
    files = [parquet(table, **way) for way in ways]
    assert len(set(files)) == len(files)
    assert agree(table, *(pq.read_table(io.BytesIO(file)) for file in files))


def test_the_bytes_of_pickle_are_no_identity() -> None:
    word = "".join(["sha", "red"])
    apart, together = [word, "".join(["sha", "red"])], [word, word]
    assert pickle.dumps(apart) != pickle.dumps(together)
    assert agree(apart, together)
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    pieces = pd.concat([frame.iloc[:1], frame.iloc[1:]])
    assert agree(frame, frame.copy(), pieces.reset_index(drop=True), pickle.loads(pickle.dumps(frame)))


def test_the_names_of_columns_count_as_pandas_own_hash_forgets() -> None:
    one, other = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"x": [1], "y": [2]})
    assert list(pd.util.hash_pandas_object(one)) == list(pd.util.hash_pandas_object(other))
    assert differ(one, other, one[["b", "a"]], one.rename_axis("i"), one.rename_axis("c", axis=1))
    assert differ(pd.Series([1]), pd.Series([1], name="a"), pd.Series([1], index=[1]))


def test_polars_own_hash_of_rows_is_no_part_of_a_data_version() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    before = digest(frame)
    hashes = {frame.hash_rows(seed=seed).to_list()[0] for seed in range(3)}
    assert len(hashes) == 3
    assert digest(frame) == before == digest(frame.to_arrow())


def test_the_bytes_of_an_array_are_not_all_of_it() -> None:
    array = np.arange(6, dtype="i8").reshape(2, 3)
    ways = [
        array,
        array.reshape(3, 2),
        array.reshape(6),
        array.view("u8"),
        array.view("m8[s]"),
        array.view("M8[s]"),
    ]
    assert len({way.tobytes() for way in ways}) == 1
    assert differ(*ways)
    assert agree(array, np.asfortranarray(array), array.astype(">i8"), array[:, ::-1][:, ::-1], array.copy())
    assert differ(array, array.T, array[::-1], array.astype("i4"), array.tolist(), array[0], array[0, 0])


JUNK = pa.py_buffer(struct.pack("<qqq", 1, 77, 3))
CLEAN = pa.py_buffer(struct.pack("<qqq", 1, 0, 3))
VALID = pa.py_buffer(b"\x05")
RAW = {
    "int64": (pa.int64(), JUNK, CLEAN),
    "float64": (
        pa.float64(),
        pa.py_buffer(struct.pack("<dQd", 1, 0x7FF8_0000_0000_0001, 3)),
        pa.py_buffer(struct.pack("<ddd", 1, 0, 3)),
    ),
    "bool": (pa.bool_(), pa.py_buffer(b"\x07"), pa.py_buffer(b"\x05")),
    "time": (pa.timestamp("us"), JUNK, CLEAN),
    "decimal": (pa.decimal64(9, 2) if hasattr(pa, "decimal64") else pa.duration("s"), JUNK, CLEAN),
    "fixed": (pa.binary(8), JUNK, CLEAN),
}


@pytest.mark.parametrize("name", RAW)
def test_the_bytes_under_nulls_are_garbage(name: str) -> None:
    kind, *buffers = RAW[name]
    arrays = [pa.Array.from_buffers(kind, 3, [VALID, data]) for data in buffers]
    assert arrays[0].equals(arrays[1])
    assert agree(*map(column, arrays))


def test_what_lies_under_a_missing_list_or_struct_is_garbage() -> None:
    offsets = pa.py_buffer(struct.pack("<iiii", 0, 1, 3, 4))
    lists = [
        pa.Array.from_buffers(pa.list_(pa.int64()), 3, [VALID, offsets], children=[pa.array(items)])
        for items in ([1, 8, 9, 4], [1, 0, None, 4])
    ]
    structs = [
        pa.Array.from_buffers(pa.struct([("x", pa.int64())]), 3, [VALID], children=[pa.array([1, hidden, 3])])
        for hidden in (8, None)
    ]
    assert agree(*map(column, lists), column([[1], None, [4]]))
    assert agree(*map(column, structs), column([{"x": 1}, None, {"x": 3}]))
    assert differ(column([{"x": 1}, None]), column([{"x": 1}, {"x": None}]))


BOOLS = [True, False, None, True, True, None, False, False, True, True, None]


@pytest.mark.parametrize("start", range(10))
def test_bits_need_not_begin_at_a_byte(start: int) -> None:
    array = pa.array(BOOLS)
    sliced, fresh = array.slice(start), pa.array(BOOLS[start:], pa.bool_())
    assert agree(column(sliced), column(fresh))
    numbers = pa.array([None if flag is None else int(flag) for flag in BOOLS])
    assert agree(column(numbers.slice(start)), column(pa.array(numbers.to_pylist()[start:], pa.int64())))


def test_offsets_and_chunk_boundaries_are_no_content() -> None:
    table = pa.table(
        {
            "i": range(9),
            "s": [None if n % 4 == 0 else "x" * n for n in range(9)],
            "l": [[n] * (n % 3) for n in range(9)],
        }
    )
    padded = pa.concat_tables([table.slice(5), table, table.slice(0, 2)]).combine_chunks()
    ones = pa.concat_tables([table.slice(n, 1) for n in range(9)])
    with_empty = pa.concat_tables([table.slice(0, 0), table.slice(0, 4), table.slice(4, 0), table.slice(4)])
    assert agree(table, padded.slice(4, 9), ones, with_empty, table.combine_chunks(), table.slice(0, 99))
    assert agree(column(pa.chunked_array([], pa.int8())), column(pa.array([], pa.int8())))


def test_rows_at_the_edges_of_blocks_count() -> None:
    rows = 3 * 32_768 + 5
    for values in (
        [None if n % 1_000 == 0 else n for n in range(rows)],
        [str(n) if n < 40_000 else None for n in range(rows)],
    ):
        table = column(pa.array(values))
        pieces = [table.slice(0, 32_767), table.slice(32_767, 2), table.slice(32_769)]
        assert agree(
            table,
            pa.concat_tables(pieces),
            pa.concat_tables([table.slice(n, 1_000) for n in range(0, rows, 1_000)]),
        )
        assert differ(table, table.slice(1), table.slice(0, rows - 1))


def test_the_width_of_offsets_is_no_content() -> None:
    texts = pa.array(["", None, "a string too long to lie inline", "é"])
    kinds = [pa.string(), pa.large_string(), pa.string_view()]
    assert agree(*(column(texts.cast(kind)) for kind in kinds))
    raw = pa.array([b"", None, b"\xff" * 20])
    assert agree(*(column(raw.cast(kind)) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())))
    assert differ(column(texts), column(texts.cast(pa.binary())))
    lists = pa.array([[1], None, []], pa.list_(pa.int8()))
    assert agree(column(lists), column(lists.cast(pa.large_list(pa.int8()))))


def test_the_codes_of_a_dictionary_are_no_content_but_being_one_is() -> None:
    one = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), ["x", "y"])
    other = pa.DictionaryArray.from_arrays(pa.array([2, 1, None, 2]), ["unused", "y", "x"])
    narrow = pa.DictionaryArray.from_arrays(pa.array([2, 1, None, 2], pa.int8()), ["unused", "y", "x"])
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0]), ["x", "y", None])
    chunked = pa.chunked_array([one.slice(0, 2), other.slice(2)])
    assert agree(column(one), column(other), column(narrow), column(hidden), column(chunked))
    ordered = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), ["x", "y"], ordered=True)
    numbers = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), [1, 2])
    assert differ(column(one), column(one.dictionary_decode()), column(ordered), column(numbers))


def floats(*bits: int) -> list[float]:
    return [struct.unpack("<d", struct.pack("<Q", each))[0] for each in bits]


def test_there_is_one_nan_and_two_zeros_and_null_is_neither() -> None:
    negative, quiet, signalling = floats(0xFFF8_0000_0000_0000, 0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001)
    for make in (
        column,
        np.array,
        list,
        lambda values: pl.DataFrame({"a": values}),
        lambda values: values[0],
    ):
        assert agree(make([negative, 1.0]), make([quiet, 1.0]), make([signalling, 1.0]))  # type: ignore[operator]  # all take a list
    for make in (column, np.array, list):
        assert differ(make([0.0]), make([-0.0]), make([quiet]), make([None]), make([0.0, 0.0]))  # type: ignore[operator]
    assert differ(column(pa.array([None], pa.float64())), column([quiet]), column([0.0]))


def test_pandas_takes_nan_for_missing_where_it_has_nothing_else() -> None:
    assert agree(
        pd.DataFrame({"a": [1.5, None]}),
        pd.DataFrame({"a": [1.5, np.nan]}),
        column([1.5, None]).rename_columns(["a"]),
    )
    assert differ(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), pd.DataFrame({"a": [1, None]}))


def test_the_unit_that_pandas_infers_for_times_counts() -> None:
    at = pd.to_datetime(["2026-03-01"])
    units = [pd.DataFrame({"a": at.as_unit(unit)}) for unit in ("s", "ms", "us", "ns")]
    assert differ(*units)
    assert digest(pd.DataFrame({"a": at})) in set(map(digest, units))
    assert differ(
        *(pd.DataFrame({"a": at.as_unit("us").tz_localize(zone)}) for zone in (None, "UTC", "Europe/Berlin"))
    )


@pytest.mark.parametrize("at", [0, 1, 499_999, 777_777, 999_999])
def test_no_row_is_too_many_to_be_looked_at(at: int) -> None:
    values = np.zeros(1_000_000, "i8")
    edited = values.copy()
    edited[at] = 1
    assert differ(values, edited)
    assert differ(column(values), column(edited))
    assert differ(pd.DataFrame({"a": values}), pd.DataFrame({"a": edited}))
    assert differ(["x"] * at + ["y"], ["x"] * (at + 1))


def test_sets_have_no_order_and_dicts_keep_theirs() -> None:
    assert agree({"a", "b", "c", 1, None}, {None, 1, "c", "b", "a"})
    assert agree([{(1, "a"), (2, "b")}], [{(2, "b"), (1, "a")}])
    assert differ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1})
    assert differ({1}, frozenset({1}), [1], {1: None}, {True, 2}, {1, 2}, {"1"})
