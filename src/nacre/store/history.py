"""A head keeps the newest part of its history; what no longer fits goes into a record of its own. Pure.

A whole history is the ``hist/`` records of a slot in their order, then its head. After a crash an entry may stand in
both; it is the same there, so a reader takes entries by their seq. A part with ``first`` tells of all numbers from
there to its last: what it does not list was dropped, also where a writer that did not know brings it back elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from msgspec.structs import replace

from nacre.store.codec import encode
from nacre.store.paths import past_path
from nacre.store.port import Write
from nacre.store.records import Head, Materialization, Past

#: How many entries a head holds at most, and how many of the oldest leave it when there would be one more.
MAX_HISTORY, SPILLED = 64, 32
#: How many inputs the entries of a head name together at most; when there would be more, the oldest leave it until half
#: is left. A head is written as a whole for each version. The newest two stay in any case.
MAX_INPUTS, KEPT = 10_000, 2


class Fitted(NamedTuple):
    """A head that is short enough to be stored, and the record of what left it, if anything did.

    ``past`` is created before the head is replaced. Where it is refused, whoever wrote one was stopped before the head:
    ``spill`` brings it up to date.
    """

    head: Head
    past: Write | None = None


def fitted(head: Head) -> Fitted:
    """Move the oldest entries out of a head whose history has grown too long, or names too many inputs."""
    n = _n_leaving(head.history)
    if not n:
        return Fitted(head)
    oldest, kept = head.history[:n], head.history[n:]
    past = Past(env=head.env, asset=head.asset, partition=head.partition, history=oldest, first=head.first)
    last = oldest[-1].seq
    # Where nothing is missing from what stays, what it lists says enough.
    has_gaps = kept[-1].seq - last > len(kept)
    path = past_path(head.env, head.asset, head.partition, last)
    return Fitted(replace(head, history=kept, first=last + 1 if has_gaps else 0), Write(path, encode(past)))


def _n_leaving(history: Sequence[Materialization]) -> int:
    n = SPILLED if len(history) > MAX_HISTORY else 0
    # Of each entry, the newest first, how many inputs it names together with those after it.
    named = list(accumulate(len(each.inputs) for each in reversed(history)))
    if named[-1] <= MAX_INPUTS:
        return n
    kept = max(bisect_right(named, MAX_INPUTS // 2), KEPT)
    return max(n, len(history) - kept)


def last_of(path: str, part: Head | Past) -> int:
    """Return the number up to which a part of a history tells."""
    return part.current.seq if isinstance(part, Head) else int(path.rpartition("/")[2])


def whole(parts: Iterable[tuple[int, Head | Past]]) -> list[Materialization]:
    """Put the parts of a history together, oldest first.

    A version counts where every part that tells of its number lists it; what is current always counts.

    Args:
        parts: Each with the number up to which it tells, in any order.
    """
    entries: dict[int, Materialization] = {}
    current = 0
    told: list[tuple[int, int, frozenset[int]]] = []
    for last, part in sorted(parts, key=lambda pair: (isinstance(pair[1], Head), pair[0])):
        entries.update({each.seq: each for each in part.history})
        if isinstance(part, Head):
            current = last
        if part.first:
            told.append((part.first, last, frozenset([each.seq for each in part.history])))

    def is_dropped(seq: int) -> bool:
        return any(first <= seq <= last and seq not in listed for first, last, listed in told)

    return [entries[seq] for seq in sorted(entries) if seq == current or not is_dropped(seq)]


def joined(there: Past, ours: Past, last: int) -> Past:
    """Say what a part of a history must be of which there is one already: what both tell, ours where they differ.

    Args:
        there: As a writer left it that was stopped before its head, and as collections trimmed it since.
        ours: What leaves the head now.
        last: The number up to which they tell.
    """
    known = {each.seq: each for each in ours.history}
    if any(known.get(each.seq, each) != each for each in there.history):
        return ours  # of an environment of this name that was removed
    first = min(filter(None, (there.first, ours.first)), default=0)
    return replace(ours, history=tuple(whole([(last, there), (last, ours)])), first=first)
