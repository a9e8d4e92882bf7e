"""What goes back together with an asset: versions below it that were made from exactly what is current then. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from nacre.catalog.history import HistoryRow
from nacre.keys import key_of


class MadeFrom(NamedTuple):
    """A version and what it was made from.

    Args:
        row: Its entry in the history.
        inputs: Each slot it was made from, with the content that it had then; None where that is not known any more.
    """

    row: HistoryRow
    inputs: frozenset[tuple[str, str]] | None


class Followed(NamedTuple):
    """What becomes of the slots below.

    Args:
        moves: Slot to the version it goes back to, upstream first.
        rebuilt: Slots of which no stored version fits; the next build makes them.
    """

    moves: Mapping[str, HistoryRow]
    rebuilt: Sequence[str]


def below(changed: Iterable[str], made_from: Mapping[str, Iterable[str]]) -> list[str]:
    """List what rests on some slots, however far, upstream first.

    Args:
        changed: The slots that change.
        made_from: Each slot to those its current version was made from.

    Returns:
        The slots below, without those that change. Where versions were made from each other in a circle, by name.
    """
    readers: dict[str, list[str]] = {}
    for slot, upstream in made_from.items():
        for each in upstream:
            readers.setdefault(each, []).append(slot)
    start = set(changed)
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            if reader not in found and reader not in start:
                found.add(reader)
                waiting.append(reader)
    graph = {slot: sorted(found.intersection(made_from[slot]) - {slot}) for slot in sorted(found)}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return sorted(found)


def follow(
    wanted: Mapping[str, str],
    order: Sequence[str],
    versions: Callable[[str], Iterable[MadeFrom]],
    current: Callable[[str], str],
    is_whole: Callable[[str, HistoryRow], bool],
) -> Followed:
    """Choose, for each slot below, the newest version that was made from exactly what will be current.

    Of an asset that it reads by partition that is those that its current version read: one that came since is missed.

    Args:
        wanted: Slot to the content that it is given.
        order: The slots below, upstream first.
        versions: The versions of a slot, newest first, of which the first is current.
        current: The content of a slot that stays as it is; empty where it has none.
        is_whole: Whether the bytes of a version are still there.
    """
    content: dict[str, str | None] = dict(wanted)
    moves: dict[str, HistoryRow] = {}
    rebuilt: list[str] = []
    for slot in order:
        now: MadeFrom | None = None
        content[slot] = None
        for version in versions(slot):
            is_now, now = now is None, now or version
            if version.inputs is None or not _reads_as(now, version):
                continue
            is_made = all(content.get(each, current(each)) == made for each, made in version.inputs)
            if is_made and (is_now or is_whole(slot, version.row)):
                content[slot] = version.row.data_version
                if not is_now:
                    moves[slot] = version.row
                break
        else:
            rebuilt.append(slot)
    return Followed(moves, rebuilt)


def _reads_as(now: MadeFrom, version: MadeFrom) -> bool:
    """Say whether a version read the partitions that the current one read, of each asset that both read."""
    ours, theirs = _parts(version), _parts(now)
    return all(ours[asset] == theirs[asset] for asset in ours.keys() & theirs.keys())


def _parts(version: MadeFrom) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each, _ in version.inputs or ():
        found.setdefault(key_of(each), set()).add(each)
    return found
