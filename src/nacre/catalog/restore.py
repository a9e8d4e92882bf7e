"""A head that cannot be read, put together again from what the index says of it."""

from __future__ import annotations

from datetime import datetime

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.lineage import inputs
from nacre.catalog.queries import QUERIES, Read
from nacre.store.history import MAX_HISTORY
from nacre.store.paths import head_path
from nacre.store.records import Head, Materialization


def restored_head(read: Read, path: str) -> Head | None:
    """Put a head together from the index: its newest versions, with what each was made from. Linear in the heads.

    What steps noted with it and who made each version last are in no index, and are lost.

    Args:
        read: How the catalog's tables are reached.
        path: The record's.

    Returns:
        The head; None where this index knows nothing of it.
    """
    env = path.split("/")[1]
    slots = read(QUERIES["slots_of"], (env,), _pair)
    asset, partition = next((each for each in slots if head_path(env, *each) == path), ("", ""))
    if not asset:
        return None
    row = next(
        each for each in read(QUERIES["heads_of"], (env, asset), HeadRow) if each.partition == partition
    )
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


def _pair(asset: str, partition: str) -> tuple[str, str]:
    return asset, partition
