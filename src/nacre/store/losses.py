"""Versions whose bytes were found to be gone or damaged: noted in the head, so that the next build makes them again."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from nacre.store.codec import decode, encode
from nacre.store.paths import head_path
from nacre.store.port import RecordStore
from nacre.store.records import Head

_MAX_TRIES = 20


def note_lost(
    records: RecordStore, env: str, asset: str, partition: str, seqs: Iterable[int], found: Iterable[int] = ()
) -> bool:
    """Note with a head which of its versions are lost. Atomic and idempotent; loses nobody's version.

    Args:
        records: The store's records.
        env: Environment.
        asset: Key.
        partition: Which slice; empty for the whole.
        seqs: Numbers of the versions that are lost.
        found: Numbers of versions that are whole, and were noted as lost.

    Returns:
        False where there is no such head, or it changes all the time: then nothing was noted.
    """
    path, lost, whole = head_path(env, asset, partition), set(seqs), set(found)
    for _ in range(_MAX_TRIES):
        stored = records.get(path)
        if stored is None:
            return False
        head = decode(stored.data, Head, path)
        noted = tuple(sorted((set(head.lost) | lost) - whole))
        if noted == head.lost:
            return True
        if records.replace(path, encode(replace(head, lost=noted)), stored.token) is not None:
            return True
    return False
