"""What a version was made from, in a few words; the partitions of an asset that was read whole count as one."""

from __future__ import annotations

from collections.abc import Sequence

from nacre.catalog.lineage import InputRow
from nacre.keys import partition_of, slot
from nacre.planning.explain import short


def made_from(rows: Sequence[InputRow]) -> str:
    """Name the versions that another was made from: ``raw v3, posts[2026-11-01] v1, daily ×6``; empty for a source."""
    by_asset: dict[str, list[InputRow]] = {}
    for row in rows:
        by_asset.setdefault(row.upstream, []).append(row)
    return ", ".join(_named(asset, found) for asset, found in by_asset.items())


def _named(asset: str, rows: list[InputRow]) -> str:
    if len(rows) > 1:
        return f"{short(asset)} ×{len(rows)}"
    return f"{short(slot(asset, partition_of(rows[0].parameter)))} v{rows[0].upstream_seq}"
