"""What a consumer asks for is what it gets, in a build and by ``nacre.load``."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

import nacre
from sandbox import Sandbox

BATCHES = """
from collections.abc import Iterable, Iterator
import pyarrow as pa

@materialize("asset://rows")
def rows() -> pa.Table:
    return pa.table({"a": range(200_000)})

@materialize("asset://total")
def total(rows: Iterator[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in rows)

@materialize("asset://first")
def first(rows: Iterable[pa.RecordBatch]) -> int:
    return next(iter(rows)).num_rows
"""

RELATIONS = """
import duckdb
import pyarrow as pa

@materialize("asset://rows")
def rows() -> pa.Table:
    return pa.table({"a": range(200_000)})
"""

RELATION = """
@materialize("asset://part{n}")
def part{n}(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return rows.filter("a % 8 = {n}").order("a")

@materialize("asset://count{n}")
def count{n}(part{n}: duckdb.DuckDBPyRelation) -> int:
    return part{n}.aggregate("count(*)").fetchall()[0][0]
"""


def test_record_batches_can_be_asked_for(project: Sandbox) -> None:
    module = project.module(BATCHES)
    result = project.build(module)
    assert result.counts == {"built": 3}
    assert nacre.load("asset://total") == 200_000
    assert nacre.load("asset://first") == 65_536
    batches = nacre.load("asset://rows", as_type=Iterator[pa.RecordBatch])
    assert sum(batch.num_rows for batch in batches) == 200_000


def test_parallel_steps_can_each_query_what_they_load(project: Sandbox) -> None:
    module = project.module(RELATIONS + "".join(RELATION.format(n=n) for n in range(8)))
    result = project.build(module)
    assert result.counts == {"built": 17}
    assert [nacre.load(f"asset://count{n}") for n in range(8)] == [25_000] * 8
    loaded = nacre.load("asset://part3", as_type=duckdb.DuckDBPyRelation)
    assert loaded.limit(2).fetchall() == [(3,), (11,)]
