"""What a version was made from, in a few words; the partitions of an asset that was read whole count as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nacre.catalog.lineage import InputRow
from nacre.keys import partition_of, slot
from nacre.planning.explain import short
from nacre.store.paths import env_name


@dataclass(frozen=True, slots=True)
class Use:
    """What a version read of one asset.

    Args:
        asset: Its key.
        partition: The partition that was read; empty where it has none, or several were.
        seq: Which version; 0 where several partitions were read, or what was read never was a version.
        n: How many partitions.
        env: The environment that the version is of, where it is not the one that is looked at.
    """

    asset: str
    partition: str
    seq: int
    n: int
    env: str = ""


def uses(rows: Sequence[InputRow]) -> list[Use]:
    """Put what a version was made from together by asset."""
    by_asset: dict[str, list[InputRow]] = {}
    for row in rows:
        by_asset.setdefault(row.upstream, []).append(row)
    return [
        Use(asset, partition_of(found[0].parameter), found[0].upstream_seq, 1, env_name(found[0].env))
        if len(found) == 1
        else Use(asset, "", 0, len(found))
        for asset, found in by_asset.items()
    ]


def made_from(rows: Sequence[InputRow]) -> str:
    """Name the versions that another was made from: ``raw v3, posts[2026-11-01] v1, daily ×6``.

    What was read and never was a version has no number: ``raw (no version)``. Empty for a source.
    """
    return ", ".join(
        f"{short(use.asset)} ×{use.n}"
        if use.n > 1
        else f"{short(slot(use.asset, use.partition))} {_numbered(use)}"
        for use in uses(rows)
    )


def _numbered(use: Use) -> str:
    if not use.seq:
        return "(no version)"
    return f"v{use.seq}{f' of {use.env}' if use.env else ''}"
