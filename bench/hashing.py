"""Measure data versions against BLAKE3 of as many bytes, and against writing the same table as Parquet.

CPU seconds of this process, one thread, medians of interleaved rounds. The bytes of a table are those of its Arrow
columns, whatever library holds it; of categories, those of the texts they stand for.

usage: python bench/hashing.py [--rounds 5] [--rows 2000000]
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

# Before the libraries start their threads.
os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np
import polars as pl
import pyarrow as pa
from blake3 import blake3

from nacre.store import formats
from nacre.values import identify, unordered_version


class Contender(NamedTuple):
    """What is hashed, how many bytes it has, and what hashes or writes it."""

    name: str
    size: int
    run: Callable[[], object]


class Nowhere(io.RawIOBase):
    """A sink that keeps nothing."""

    def __init__(self) -> None:
        self.position = 0

    def writable(self) -> bool:
        """Say that it takes bytes."""
        return True

    def write(self, data: Any, /) -> int:
        """Count bytes."""
        self.position += len(memoryview(data).cast("B"))
        return len(data)

    def tell(self) -> int:
        """Say how many bytes came."""
        return self.position


def tables(rows: int) -> dict[str, pa.Table]:
    draw = np.random.default_rng(1)
    words = np.array([f"word-{number}" for number in range(5_000)], dtype=object)
    some = words[draw.integers(0, len(words), rows)]
    missing = draw.random(rows) < 0.1
    ids, scores = draw.integers(0, 1 << 40, rows), draw.normal(size=rows)
    posts = [f"{number}: " + "what was said " * 14 for number in range(rows // 10)]
    mixed = {"id": ids, "score": scores, "name": pa.array(some), "at": pa.array(ids).cast(pa.timestamp("us"))}
    return {
        "numbers": pa.table({"id": ids, "score": scores, "n": draw.integers(0, 99, rows).astype("i4")}),
        "short text": pa.table({"name": pa.array(some)}),
        "long text": pa.table({"text": posts}),
        "mixed": pa.table(mixed),
        "mixed, a tenth null": pa.table(
            {name: pa.array(column, mask=missing) for name, column in mixed.items()}
        ),
        "categories": pa.table({"name": pa.array(some).dictionary_encode()}),
        "lists": pa.table({"l": pa.ListArray.from_arrays(np.arange(0, rows + 1, 4, dtype="i4"), ids)}),
        "10,000 columns": pa.table({f"c{number}": scores[: rows // 1_000] for number in range(10_000)}),
    }


def contenders(rows: int) -> list[Contender]:
    made = tables(rows)
    sizes = {name: t.nbytes for name, t in made.items()} | {"categories": made["short text"].nbytes}
    found = [Contender(f"Arrow, {name}", sizes[name], lambda t=t: identify(t)) for name, t in made.items()]
    mixed = made["mixed"]
    pieces = pa.concat_tables([mixed.slice(at, 1_000) for at in range(0, mixed.num_rows, 1_000)])
    frame, polars = mixed.to_pandas(), pl.from_arrow(mixed)
    array = np.random.default_rng(2).normal(size=(rows, 4))
    items = [{"id": number, "name": f"name {number}", "score": number / 7} for number in range(rows // 20)]
    return [
        *found,
        Contender("Arrow, mixed, chunks of 1,000 rows", mixed.nbytes, lambda: identify(pieces)),
        Contender("pandas, mixed", mixed.nbytes, lambda: identify(frame)),
        Contender("polars, mixed", mixed.nbytes, lambda: identify(polars)),
        Contender("numpy, float64", array.nbytes, lambda: identify(array)),
        Contender("list of dicts", sum(map(len, map(repr, items))), lambda: identify(items)),
        Contender("Arrow, mixed, unordered", mixed.nbytes, lambda: unordered_version(mixed)),
        Contender("numpy, float64, unordered", array[:, 0].nbytes, lambda: unordered_version(array[:, 0])),
    ]


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def medians(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run everything in turn, once to warm up and then ``rounds`` times."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            found = seconds(run)
            if turn:
                taken[name].append(found)
    return {name: statistics.median(found) for name, found in taken.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def against_blake3(rows: int, rounds: int) -> str:
    """Data versions as ratios to BLAKE3 of as many bytes."""
    lines = []
    buffer = memoryview(np.random.default_rng(3).bytes(1 << 28))
    for name, size, run in contenders(rows):
        repeats = max(1, 20_000_000 // size)
        data = buffer[:size]
        found = medians(
            {
                "blake3": lambda data=data, repeats=repeats: [blake3(data).digest() for _ in range(repeats)],
                "nacre": lambda run=run, repeats=repeats: [run() for _ in range(repeats)],
            },
            rounds,
        )
        rate = size * repeats / found["nacre"] / 1e9
        lines.append([name, f"{size / 1e6:.0f}", f"{rate:.2f}", f"{found['nacre'] / found['blake3']:.2f}"])
    return table(["data version of", "MB", "GB/s", "÷ BLAKE3"], lines)


def against_writing(rows: int, rounds: int) -> str:
    """The data version as a share of writing the same table as nacre's Parquet."""
    lines = []
    for name, t in tables(rows).items():
        known = identify(t)
        found = medians(
            {"hash": lambda t=t: identify(t), "write": lambda t=t, k=known: formats.save(t, k, "asset://t", Nowhere())},
            rounds,
        )  # fmt: skip
        share = found["hash"] / found["write"]
        lines.append([name, f"{found['hash']:.3f}", f"{found['write']:.3f}", f"{100 * share:.1f} %"])
    return table(["table", "data version, CPU s", "writing, CPU s", "share"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2_000_000)
    given = parser.parse_args()
    pa.set_cpu_count(1)
    print(against_blake3(given.rows, given.rounds), end="\n\n")
    print(against_writing(given.rows, given.rounds))


if __name__ == "__main__":
    main()
