"""How a head begins in an environment that reads through another: with that one's history."""

from __future__ import annotations

from nacre.store.codec import decode
from nacre.store.paths import head_path
from nacre.store.port import RecordStore, Stored
from nacre.store.records import Head


def begun(records: RecordStore, env: str, base: str, asset: str, partition: str, seen: int) -> Head:
    """Make the head that an environment's first own version is appended to; nothing is written.

    It has the base's history as it was when it was looked at, whatever the base got meanwhile. So numbers go on, and
    those by which other versions name the ones they were made from stay true. It is neither published nor held here.

    Args:
        records: Where heads are.
        env: The environment that gets a head.
        base: The environment that the slot is read from so far.
        asset: Key.
        partition: Which slice.
        seen: The number of the base's version that was looked at.

    Returns:
        The head; without history where the base has nothing left of what was seen.
    """
    return going_on(records.get(head_path(base, asset, partition)), env, asset, partition, seen)


def going_on(stored: Stored | None, env: str, asset: str, partition: str, seen: int) -> Head:
    """Make the same of the base's head, as it was read; None where there was none."""
    there = decode(stored.data, Head, stored.path) if stored is not None else None
    return Head(
        env=env,
        asset=asset,
        partition=partition,
        history=tuple([each for each in there.history if each.seq <= seen]) if there is not None else (),
        metadata=there.metadata if there is not None else {},
        base_seq=seen,
        lost=there.lost if there is not None else (),
    )
