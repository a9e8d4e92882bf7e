"""Writes the part of a history again that lists a version, as it is: what was decided on it before is refused then."""

from __future__ import annotations

from nacre.store.codec import decode
from nacre.store.history import last_of, whole
from nacre.store.paths import head_path
from nacre.store.port import RecordStore, Stored
from nacre.store.records import Head, Past
from nacre.store.tries import MAX_TRIES, contended


def list_again(records: RecordStore, env: str, asset: str, partition: str, seq: int) -> bool:
    """Write the record that lists a version once more. Atomic and idempotent.

    A collection trims a history only as it read it, heads and histories first and pins last. So whoever pins a version
    and then lists it again is either seen with the pin, or the trim is refused.

    Args:
        records: Where histories are.
        env: The environment whose history it is.
        asset: Key.
        partition: Which slice.
        seq: The version.

    Returns:
        False where no history lists it any more.

    Raises:
        StoreError: The store refused.
    """
    path = head_path(env, asset, partition)
    for _ in range(MAX_TRIES):
        # The head first: what leaves it meanwhile is in the histories by then.
        head = records.get(path)
        found = [*([head] if head is not None else []), *records.scan(f"hist/{path.removeprefix('heads/')}/")]
        parts = [(stored, _decoded(stored)) for stored in found]
        if seq not in {each.seq for each in whole((last_of(s.path, part), part) for s, part in parts)}:
            return False
        # In both, after a crash: then both are what a collection has read.
        listing = [stored for stored, part in parts if any(each.seq == seq for each in part.history)]
        if all(records.replace(each.path, each.data, each.token) is not None for each in listing):
            return True
    raise contended(path)


def _decoded(stored: Stored) -> Head | Past:
    if stored.path.startswith("heads/"):
        return decode(stored.data, Head, stored.path)
    return decode(stored.data, Past, stored.path)
