"""Whether a catalog says what the records say: it is compared with one that is made from them anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from nacre.catalog.index import MemoryIndex
from nacre.catalog.queries import QUERIES, Read
from nacre.errors import CorruptRecord
from nacre.store.paths import head_path
from nacre.store.port import Stored

_DUMPS = {
    "heads": ("dump_heads", "dump_materializations", "dump_lineage"),
    "runs": ("dump_runs",),
    "artifacts": ("dump_artifacts",),
    "schedules": ("dump_schedules",),
    "ticks": ("dump_ticks",),
}


def differs(
    read: Read, stored: Iterable[Stored], areas: Sequence[str], aside: Collection[str] = ()
) -> list[str]:
    """Compare a catalog with the records it is made from.

    Args:
        read: Reaches the catalog.
        stored: All readable records of the store, in any order.
        areas: First parts of the paths of those that it indexes.
        aside: Paths of records that nobody goes on from: what the catalog still knows of them is no difference.

    Returns:
        One sentence for each table that differs or cannot be read.
    """
    anew = MemoryIndex()
    anew.rebuild(stored)
    found = []
    for dump in (each for area in areas for each in _DUMPS.get(area, ())):
        table = dump.removeprefix("dump_")
        expected = set(anew.read(QUERIES[dump], (), _row))
        try:
            there = set(read(QUERIES[dump], (), _row))
            if aside and dump in _DUMPS["heads"]:
                there = {row for row in there if head_path(*map(str, row[:3])) not in aside}
        except CorruptRecord as error:
            found.append(f"the index {table} cannot be read: {error.facts.get('problem', error.what)}")
            continue
        if there != expected:
            missing, extra = len(expected - there), len(there - expected)
            found.append(
                f"the index {table} differs from the records: {missing:,} rows missing, {extra:,} too many"
            )
    return found


def _row(*columns: object) -> tuple[object, ...]:
    return columns
