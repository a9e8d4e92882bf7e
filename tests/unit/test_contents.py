"""Values in and out: small ones inline, every byte verified."""

from __future__ import annotations

import gc
import itertools
import os
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pytest
from msgspec.structs import replace

from nacre.errors import CorruptObject, StoreUnavailable, TypeMismatch, UnserialisableValue
from nacre.store.contents import Contents
from nacre.store.directory import DirectoryObjects
from nacre.store.ids import new_id
from nacre.store.memory import MemoryObjects
from nacre.store.records import INLINE_BYTES, Output
from nacre.store.wrap import Fault, FaultyObjects
from nacre.values import identify


def write(contents: Contents, value: object, asset: str = "a://a") -> Output:
    identity = identify(value)
    return contents.write(asset, value, identity, identity.digest)


@pytest.mark.parametrize(
    ("value", "is_inline"),
    [([1, "é", None], True), ("x" * 10, True), (b"\0\xff", True), ("x" * 200_000, False), (b"x" * INLINE_BYTES, True),
     (b"x" * (INLINE_BYTES + 1), False)],
)  # fmt: skip
def test_a_value_comes_back_from_inline_or_an_object(value: object, is_inline: bool) -> None:
    objects = MemoryObjects()
    contents = Contents(objects, new_id)
    output = write(contents, value)
    assert (output.object == "") is is_inline
    assert (output.inline == b"") is not is_inline
    assert len(list(objects.list(""))) == (0 if is_inline else 1)
    assert contents.read(output) == value
    assert output.data_version == identify(value).digest
    assert not contents.is_damaged(output)


def test_no_name_is_used_twice() -> None:
    contents = Contents(MemoryObjects(), new_id)
    first, second = write(contents, "x" * 100_000), write(contents, "x" * 100_000)
    assert first.object != second.object
    assert first.digest == second.digest


def test_damage_is_found_wherever_it_is(tmp_path: Path) -> None:
    contents = Contents(DirectoryObjects(tmp_path), new_id)
    large, small = write(contents, "x" * 100_000), write(contents, "small")
    gone = replace(large, object="data/a-a/gone")
    changed = replace(large, digest="0" * 64)
    inline = replace(small, inline=b'"smell"')
    for damaged, problem in ((gone, "missing"), (changed, "not the ones"), (inline, "not the ones")):
        with pytest.raises(CorruptObject, match=problem) as raised:
            contents.read(damaged)
        assert "a://a" in str(raised.value)
        assert contents.is_damaged(damaged)
    assert contents.read(large) == "x" * 100_000
    assert contents.read(small) == "small"


def test_a_refused_value_leaves_nothing(tmp_path: Path) -> None:
    contents = Contents(DirectoryObjects(tmp_path), new_id)
    with pytest.raises(UnserialisableValue):
        write(contents, ["x" * 200_000, object()])
    assert list(contents.objects.list("")) == []


@pytest.mark.parametrize("asked", [Iterator[pa.RecordBatch], Iterable[pa.RecordBatch] | None])
@pytest.mark.parametrize("rows", [10, 100_000])
def test_record_batches_are_read_while_they_are_consumed(tmp_path: Path, asked: object, rows: int) -> None:
    contents = Contents(DirectoryObjects(tmp_path), new_id)
    table = pa.table({"a": range(rows), "b": [str(number) for number in range(rows)]})
    output = write(contents, table)
    opened: list[BinaryIO] = []
    get = contents.open
    contents.open = lambda output: opened.append(get(output)) or opened[-1]  # type: ignore[method-assign, func-returns-value]  # counts
    whole, begun, untouched = (contents.read(output, asked) for _ in range(3))
    assert pa.Table.from_batches(whole) == table  # type: ignore[arg-type]  # batches
    next(begun)  # type: ignore[call-overload]  # an iterator
    assert [source.closed for source in opened] == [True, False, False]
    del begun, untouched
    gc.collect()
    assert all(source.closed for source in opened)


@contextmanager
def limited_descriptors(n: int) -> Iterator[None]:
    """This process can open so many more files and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = set(map(int, os.listdir("/dev/fd")))
    free = itertools.filterfalse(taken.__contains__, itertools.count())
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, n, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kind", [dict, dict[str, list], None, pa.Table, dict[str, Path]])
def test_more_partitions_than_files_can_be_open_are_read_as_one_value(tmp_path: Path, kind: object) -> None:
    contents = Contents(DirectoryObjects(tmp_path), new_id)
    table = pa.table({"a": [os.urandom(INLINE_BYTES)]})
    output = write(contents, table if kind in (None, pa.Table) else ["x" * INLINE_BYTES])
    assert output.object
    parts = {str(n): output for n in range(40)}
    contents.read_whole(parts, kind)  # imports what it needs
    with limited_descriptors(8):
        whole = contents.read_whole(parts, kind)
    assert whole.num_rows == 40 if isinstance(whole, pa.Table) else list(whole) == list(parts)  # type: ignore[call-overload]  # a dict


def test_a_partition_that_is_damaged_is_named(tmp_path: Path) -> None:
    contents = Contents(DirectoryObjects(tmp_path), new_id)
    output = write(contents, "x" * 100_000)
    with pytest.raises(CorruptObject, match="is missing") as raised:
        contents.read_whole({"eu": output, "us": replace(output, object="data/a-a/gone")}, dict)
    assert raised.value.facts["partition"] == "us"


EMPTY = pd.DataFrame({"n": pd.Series([], dtype="float64"), "only here": pd.Series([], dtype="str")})


@pytest.mark.parametrize("days", [("quiet", "one", "two"), ("one", "quiet", "two")])
def test_a_partition_without_rows_takes_the_types_of_the_others(days: tuple[str, ...]) -> None:
    contents = Contents(MemoryObjects(), new_id)
    frames = {
        "one": pd.DataFrame({"n": [1], "name": ["tern"]}),
        "quiet": EMPTY,
        "two": pd.DataFrame({"n": [2], "name": ["gull"]}),
    }
    whole = contents.read_whole({day: write(contents, frames[day]) for day in days}, pd.DataFrame)
    assert isinstance(whole, pd.DataFrame)
    assert (list(whole["n"]), list(whole["name"])) == ([1, 2], ["tern", "gull"])
    assert str(whole["n"].dtype) == "int64"


def test_partitions_that_are_all_empty_are_one_empty_table() -> None:
    contents = Contents(MemoryObjects(), new_id)
    other = pd.DataFrame({"n": pd.Series([], dtype="int64")})
    parts = {"a": write(contents, EMPTY), "b": write(contents, other)}
    whole = contents.read_whole(parts, pd.DataFrame)
    assert isinstance(whole, pd.DataFrame)
    assert (len(whole), "n" in whole) == (0, True)


@pytest.mark.parametrize(("asked", "said"), [(pd.DataFrame, "pandas.DataFrame"), (None, "one table")])
def test_columns_of_other_types_are_named_with_their_partitions(asked: object, said: str) -> None:
    contents = Contents(MemoryObjects(), new_id)
    values = {"mon": [1], "tue": [2], "wed": [0.5]}
    parts = {day: write(contents, pd.DataFrame({"a": ["x"], "n": n})) for day, n in values.items()}
    with pytest.raises(TypeMismatch, match="column 'n' is int64 in mon, double in wed") as raised:
        contents.read_whole(parts, asked)
    assert raised.value.facts["asked for"] == said
    assert "dict[str" in str(raised.value)


def test_batches_of_each_partition_are_read_while_they_are_consumed(tmp_path: Path) -> None:
    contents = Contents(DirectoryObjects(tmp_path), new_id)
    output = write(contents, pa.table({"a": range(100_000)}))
    whole = contents.read_whole({"eu": output, "us": output}, dict[str, Iterator[pa.RecordBatch]])
    assert isinstance(whole, dict)
    assert {name: sum(map(len, batches)) for name, batches in whole.items()} == {"eu": 100_000, "us": 100_000}


def test_a_type_it_cannot_become_names_the_asset() -> None:
    contents = Contents(MemoryObjects(), new_id)
    output = write(contents, [1])
    assert contents.read(output, list) == [1]
    with pytest.raises(TypeMismatch, match="not of the type") as raised:
        contents.read(output, dict)
    assert "a://a" in str(raised.value)


def test_an_answer_that_was_lost_leaves_no_file_open(tmp_path: Path) -> None:
    inner = DirectoryObjects(tmp_path)
    with inner.put("data/a") as file:
        file.write(b"bytes")
    opened: list[BinaryIO] = []

    class Watched(DirectoryObjects):
        def get(self, name: str) -> BinaryIO:
            opened.append(super().get(name))
            return opened[-1]

    lost = StoreUnavailable("There was no answer")
    objects = FaultyObjects(Watched(tmp_path), lambda call: Fault(lost, after=True))
    with pytest.raises(StoreUnavailable):
        objects.get("data/a")
    assert [each.closed for each in opened] == [True]
