"""Measure what code versions of 2,000 functions cost: CPU seconds cold and warm, and as ratios to parsing their files.

*cold* walks everything; *warm* is a new process on the same files that takes every version from the memo in the store.

usage: python bench/code_identity.py [--functions 2000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import ast
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nacre.store.memory import MemoryRecords
from nacre.survey.codes import Codes

FILES = 20
MODULE = """
from nacre.assets import materialize
LIMIT = {at}
"""
FUNCTIONS = '''

def clean_{n}(rows, by=2):
    """Take what is large enough."""
    kept = [row for row in rows if row["size"] * by > LIMIT]
    return {{row["name"]: row for row in kept}} if kept else None


@materialize("bench://{at}/{n}")
def asset_{n}(rows):
    found = clean_{n}(rows)
    for name, row in (found or {{}}).items():
        print(f"{{name:>10}}: {{row['size']}}")
    return {before}
'''


def write(folder: Path, functions: int) -> list[Path]:
    """Write modules whose functions call each other, half of them assets."""
    paths = []
    each = functions // FILES // 2
    for at in range(FILES):
        text = MODULE.format(at=at)
        for n in range(each):
            text += FUNCTIONS.format(at=at, n=n, before=f"clean_{n - 1}(rows)" if n else "None")
        paths.append(folder / f"bench_{at}.py")
        paths[-1].write_text(text)
    return paths


def cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--functions", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    taken: dict[str, list[float]] = {"parse": [], "cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        paths = write(folder, given.functions)
        sys.path.insert(0, work)
        modules = [importlib.import_module(path.stem) for path in paths]
        tasks = [
            value for module in modules for name, value in vars(module).items() if name.startswith("asset_")
        ]
        for _ in range(given.rounds):
            records = MemoryRecords(lambda batch: None)
            cold, warm = Codes(records, [work]), Codes(records, [work])
            taken["parse"].append(cpu(lambda: [ast.parse(path.read_bytes()) for path in paths]))
            taken["cold"].append(cpu(lambda codes=cold: codes.prepare(tasks)))
            cold.save()
            taken["warm"].append(cpu(lambda codes=warm: codes.prepare(tasks)))
            assert [warm.of(task).digest for task in tasks] == [cold.of(task).digest for task in tasks]
    parse = statistics.median(taken["parse"])
    print(f"{given.functions:,} functions in {FILES} files, medians of {given.rounds}\n")
    print("| | CPU s | ÷ parsing |\n| --- | --- | --- |")
    for name, samples in taken.items():
        print(f"| {name} | {statistics.median(samples):.4f} | {statistics.median(samples) / parse:.2f} |")


if __name__ == "__main__":
    main()
