"""Finds the record of a version, and marks it as used before something comes to name the version again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from nacre.errors import CorruptRecord
from nacre.store.codec import decode, encode
from nacre.store.paths import action_path
from nacre.store.port import RecordStore, Stored, Token, Write
from nacre.store.records import Action
from nacre.store.tries import MAX_TRIES, contended
from nacre.store.use import touched


class Kept(NamedTuple):
    """The record of a version as it lies in the store now."""

    path: str
    token: Token
    action: Action


def kept(
    records: RecordStore, stored: Stored | None, fingerprint: str, asset: str, data_version: str
) -> Kept | None:
    """Find the record of a version: that of its recipe, or one that a refresh replaced; None where it was collected.

    Args:
        records: Where it is looked for, where the record of its recipe is not it.
        stored: The record of its recipe.
        fingerprint: Its recipe.
        asset: Its key.
        data_version: Its content.
    """
    path = action_path(fingerprint)
    found = _of(stored, asset, data_version) if stored is not None else None
    if found is not None:
        return found
    for each in records.scan(f"{path}/was-"):
        if (found := _of(each, asset, data_version)) is not None:
            return found
    return None


def keep(records: RecordStore, fingerprint: str, asset: str, data_version: str, now: datetime) -> bool:
    """Mark a result as used, where it is old, so that no collection that goes on takes it away.

    Whoever makes an old version current again, or pins it, does this first. Atomic and idempotent.

    Args:
        records: Where results are.
        fingerprint: Recipe of the version.
        asset: Its key.
        data_version: Its content.
        now: Aware UTC.

    Returns:
        False where it was collected before.

    Raises:
        StoreError: The store refused.
    """
    return keep_all(records, [(fingerprint, asset, data_version)], now)


def keep_all(records: RecordStore, versions: Sequence[tuple[str, str, str]], now: datetime) -> bool:
    """Mark several results as used, as ``keep`` each.

    Args:
        records: Where results are.
        versions: Recipe, key and content of each.
        now: Aware UTC.

    Returns:
        False where one was collected before.

    Raises:
        StoreError: The store refused.
    """
    for _ in range(MAX_TRIES):
        stored = records.get_many([action_path(fingerprint) for fingerprint, _, _ in versions])
        found = [kept(records, there, *each) for there, each in zip(stored, versions, strict=True)]
        if None in found:
            return False
        # By path: what one step made together has one record.
        used = {each.path: (each, touched(each.action, now)) for each in found if each is not None}
        writes = [
            Write(path, encode(new), each.token) for path, (each, new) in used.items() if new is not None
        ]
        tokens = records.batch(writes) if writes else []
        if None not in tokens:
            return True
    raise contended(next(write.path for write, token in zip(writes, tokens, strict=True) if token is None))


def _of(stored: Stored, asset: str, data_version: str) -> Kept | None:
    """Take a record where it has a content; a tombstone has none."""
    try:
        action = decode(stored.data, Action, stored.path)
    except CorruptRecord:
        return None
    has_it = any((each.asset, each.data_version) == (asset, data_version) for each in action.outputs)
    return Kept(stored.path, stored.token, action) if has_it and action.buried_at is None else None
