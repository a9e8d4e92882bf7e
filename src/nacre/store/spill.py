"""Writes the part of a history that leaves its head, also where there is one already."""

from __future__ import annotations

from nacre.store.codec import decode, encode
from nacre.store.history import joined
from nacre.store.port import RecordStore, Write
from nacre.store.records import Past
from nacre.store.tries import MAX_TRIES, contended


def spill(records: RecordStore, past: Write) -> None:
    """Make sure that a part of a history is there before its versions leave the head. Idempotent.

    One that is there was left by a writer that was stopped before the head moved; a collection may have trimmed it, or
    the head, since. What either dropped stays dropped.

    Args:
        records: Where histories are.
        past: The part, as ``fitted`` gives it.

    Raises:
        StoreError: The store refused.
    """
    ours = decode(past.data, Past, past.path)
    for _ in range(MAX_TRIES):
        stored = records.get(past.path)
        if stored is None:
            token = records.create(past.path, past.data)
        else:
            there = decode(stored.data, Past, past.path)
            wanted = joined(there, ours, int(past.path.rpartition("/")[2]))
            if wanted == there:
                return
            token = records.replace(past.path, encode(wanted), stored.token)
        if token is not None:
            return
    raise contended(past.path)
