"""Heads that cannot be read, put together again from what the index says of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.lineage import inputs
from nacre.catalog.queries import QUERIES, Read
from nacre.store.history import MAX_HISTORY
from nacre.store.paths import head_path
from nacre.store.records import Head, Materialization


def restored_heads(read: Read, paths: Iterable[str]) -> dict[str, Head]:
    """Put heads together from the index: their newest versions, with what each was made from. Linear in the heads.

    What steps noted with them and who made each version last are in no index, and are lost.

    Args:
        read: How the catalog's tables are reached.
        paths: Those of the records.

    Returns:
        Path to head, without those that this index knows nothing of.
    """
    wanted = set(paths)
    found = {}
    for env in sorted({path.split("/")[1] for path in wanted}):
        for row in read(QUERIES["heads"], (env,), HeadRow):
            path = head_path(env, row.asset, row.partition)
            if path in wanted:
                found[path] = _head(read, env, row)
    return found


def _head(read: Read, env: str, row: HeadRow) -> Head:
    asset, partition = row.asset, row.partition
    rows = read(QUERIES["history"], (env, asset, partition), HistoryRow)[:MAX_HISTORY]
    return Head(
        env=env,
        asset=asset,
        partition=partition,
        history=tuple(_version(read, env, asset, partition, each) for each in reversed(rows)),
        published=row.published,
        mark=row.mark,
        held=row.held,
        held_since=datetime.fromisoformat(row.held_since) if row.held_since else None,
        base_seq=row.base_seq,
        lost=(row.seq,) if row.is_lost else (),
        first=rows[-1].seq if len(rows) < MAX_HISTORY and rows[-1].seq > 1 else 0,
    )


def _version(read: Read, env: str, asset: str, partition: str, row: HistoryRow) -> Materialization:
    found = inputs(read, env, asset, row.seq, partition)
    return Materialization(
        seq=row.seq,
        fingerprint=row.fingerprint,
        data_version=row.data_version,
        run=row.run,
        at=datetime.fromisoformat(row.at),
        attempt="",
        inputs={each.parameter: (each.upstream, each.upstream_seq) for each in found},
    )
