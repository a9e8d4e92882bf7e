"""A head keeps the newest part of its history; what no longer fits goes into a record of its own. Pure.

A whole history is the ``hist/`` records of a slot in their order, then its head. After a crash an entry may stand in
both; it is the same there, so a reader takes entries by their seq.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from nacre.store.paths import past_path
from nacre.store.port import Write
from nacre.store.records import Head, Past, encode

#: How many entries a head holds at most, and how many of the oldest leave it when there would be one more.
MAX_HISTORY, SPILLED = 64, 32


class Fitted(NamedTuple):
    """A head that is short enough to be stored, and the record of what left it, if anything did.

    ``past`` is created before the head is replaced. Where it is refused, it is there already with the same content:
    whoever wrote it was stopped before the head.
    """

    head: Head
    past: Write | None = None


def fitted(head: Head) -> Fitted:
    """Move the oldest entries out of a head whose history has grown too long."""
    if len(head.history) <= MAX_HISTORY:
        return Fitted(head)
    oldest, kept = head.history[:SPILLED], head.history[SPILLED:]
    past = Past(env=head.env, asset=head.asset, partition=head.partition, history=oldest, first=head.first)
    path = past_path(head.env, head.asset, head.partition, oldest[-1].seq)
    return Fitted(replace(head, history=kept, first=0), Write(path, encode(past)))
