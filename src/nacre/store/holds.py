"""Holds: a head that builds leave as it is, and how that ends."""

from __future__ import annotations

from msgspec.structs import replace

from nacre.store.codec import decode, encode
from nacre.store.paths import head_path
from nacre.store.port import RecordStore
from nacre.store.records import Head
from nacre.store.tries import MAX_TRIES, contended


def release(records: RecordStore, env: str, asset: str, partition: str = "", *, seq: int = 0) -> str:
    """End the hold on a head; what is current stays so. Idempotent, and atomic for one head.

    Args:
        records: Where heads are.
        env: The environment.
        asset: Key.
        partition: Which slice.
        seq: Only while this version is current; 0 for any.

    Returns:
        What it was held at; empty where it was not held.

    Raises:
        StoreError: The store refused.
    """
    path = head_path(env, asset, partition)
    for _ in range(MAX_TRIES):
        stored = records.get(path)
        head = decode(stored.data, Head, path) if stored else None
        if stored is None or head is None or not head.held or (seq and head.current.seq != seq):
            return ""
        free = replace(head, held="", held_since=None)
        if records.replace(path, encode(free), stored.token) is not None:
            return head.held
    raise contended(path)


def held_at(records: RecordStore, env: str, asset: str, partition: str = "") -> str:
    """Say at which version a head is held; empty where it is not."""
    path = head_path(env, asset, partition)
    stored = records.get(path)
    return decode(stored.data, Head, path).held if stored else ""
