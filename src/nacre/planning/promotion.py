"""What a promotion moves from one environment to another, in which order, and what keeps it from moving. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, Protocol

from nacre.keys import key_of
from nacre.planning.explain import short
from nacre.planning.facts import HeadFact


class PromotableHead(HeadFact, Protocol):
    """What is current for a slot in an environment."""

    @property
    def base_seq(self) -> int:
        """What was current in the base when this head began, or was last promoted; 0 for nothing."""
        ...


class Entry(Protocol):
    """One version of a history."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...

    @property
    def fingerprint(self) -> str:
        """Recipe it was made by."""
        ...

    @property
    def data_version(self) -> str:
        """Its content."""
        ...


class UsedInput(NamedTuple):
    """A version that another was made from.

    Args:
        name: Name of the input, as it is kept with a head.
        slot: What was read.
        seq: Its number where the version was made, for a person.
        fingerprint: Recipe of what was read; empty where that is not kept.
        data_version: Its content.
    """

    name: str
    slot: str
    seq: int
    fingerprint: str
    data_version: str


class Obstacle(StrEnum):
    """Why a version cannot be promoted."""

    #: The target has another version now than the one the source began with.
    MOVED = "moved"
    #: The target's version is held.
    HELD = "held"
    #: It was made from a version that the target does not have, and that is not promoted with it.
    NEEDS = "needs"
    #: Its bytes are gone.
    LOST = "lost"


class Conflict(NamedTuple):
    """What keeps a version from being promoted.

    Args:
        slot: What is not promoted.
        obstacle: Why.
        seq: The number of the target's version, or of the input's in the source.
        subject: The input's slot, or what the target is held at.
        at: Since when.
    """

    slot: str
    obstacle: Obstacle
    seq: int = 0
    subject: str = ""
    at: str = ""

    @property
    def can_be_forced(self) -> bool:
        """Whether who promotes may decide that it does not matter."""
        return self.obstacle in (Obstacle.MOVED, Obstacle.HELD)

    def sentence(self, source: str, target: str) -> str:
        """Say it to a person.

        Args:
            source: Name of the environment that is promoted.
            target: Name of the one that it is promoted to.
        """
        match self.obstacle:
            case Obstacle.MOVED:
                return f"{target} got v{self.seq} meanwhile, at {self.at[:16].replace('T', ' ')} UTC"
            case Obstacle.HELD:
                return f"{target} is held at {self.subject}"
            case Obstacle.NEEDS:
                made = f"was made from {short(self.subject)} v{self.seq} of {source}"
                return f"{made}, which {target} does not have"
            case Obstacle.LOST:
                remedy = f"nacre build {short(self.slot)} --env {source}"
                return f"the bytes of v{self.seq} are gone or damaged: {remedy}"


class Promoted(NamedTuple):
    """A version that becomes current in the target.

    Args:
        slot: Of what.
        seq: Its number in the source.
        target_seq: What is current in the target so far; 0 for nothing.
        inputs: Name of each input to its asset and the number that it has in the target.
    """

    slot: str
    seq: int
    target_seq: int
    inputs: Mapping[str, tuple[str, int]]


class Promotion(NamedTuple):
    """What a promotion does.

    Args:
        moves: What becomes current, upstream first.
        same: Slots whose version is current in the target already.
        conflicts: What keeps versions from being promoted; where there are any that count, nothing is.
    """

    moves: tuple[Promoted, ...]
    same: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


class Histories(NamedTuple):
    """What is looked up of single slots.

    Args:
        source: Slot to its versions in the source, newest first.
        target: Slot to its versions in the target, newest first.
        inputs: Slot to what its current version in the source was made from.
    """

    source: Callable[[str], Sequence[Entry]]
    target: Callable[[str], Sequence[Entry]]
    inputs: Callable[[str], Sequence[UsedInput]]


def plan_promotion(
    source: Mapping[str, PromotableHead],
    target: Mapping[str, PromotableHead],
    histories: Histories,
    *,
    is_base: bool,
    force: bool = False,
) -> Promotion:
    """Decide what is promoted.

    Args:
        source: What is promoted: slot to what is current in the source and its own.
        target: Slot to what is current in the target, or read there through its base.
        histories: What came before.
        is_base: True where the target is what the source reads through.
        force: Promote over what the target got meanwhile, and over what is held there.

    Returns:
        The promotion; linear in what is promoted and its histories.
    """
    wanted: dict[str, PromotableHead] = {}
    same: list[str] = []
    conflicts: list[Conflict] = []
    for slot, head in source.items():
        there = target.get(slot)
        if there is not None and _is_same(there, head):
            same.append(slot)
            continue
        if head.is_lost:
            conflicts.append(Conflict(slot, Obstacle.LOST, head.seq))
        if there is not None and there.held:
            conflicts.append(Conflict(slot, Obstacle.HELD, there.seq, there.held, there.held_since))
        elif there is not None and not _knows(head, histories.source(slot), there, is_base=is_base):
            conflicts.append(Conflict(slot, Obstacle.MOVED, there.seq, at=there.at))
        wanted[slot] = head
    used = {slot: histories.inputs(slot) for slot in wanted}
    moves: list[Promoted] = []
    for slot in _upstream_first(wanted, used):
        inputs: dict[str, tuple[str, int]] = {}
        for each in used[slot]:
            seq = _seq_in_target(each, wanted, target, histories.target)
            if not seq:
                conflicts.append(Conflict(slot, Obstacle.NEEDS, each.seq, each.slot))
            inputs[each.name] = (key_of(each.slot), seq)
        there = target.get(slot)
        moves.append(Promoted(slot, wanted[slot].seq, there.seq if there else 0, inputs))
    counted = tuple(each for each in conflicts if not (force and each.can_be_forced))
    return Promotion(tuple(moves), tuple(same), counted)


def _knows(head: PromotableHead, history: Sequence[Entry], there: PromotableHead, *, is_base: bool) -> bool:
    """Say whether what is current in the target is something that the source's version came after.

    Of its base a source knows the number that it began with, so that going back to an older version counts as a change.
    """
    if is_base and there.seq == head.base_seq:
        return True
    own = (each for each in history if each.seq > head.base_seq) if is_base else iter(history)
    return any(_is_same(each, there) for each in own)


def _is_same(one: Entry, other: Entry) -> bool:
    """Say whether two versions are one: a recipe that was refreshed gave several contents."""
    return (one.fingerprint, one.data_version) == (other.fingerprint, other.data_version)


def _seq_in_target(
    used: UsedInput,
    wanted: Mapping[str, PromotableHead],
    target: Mapping[str, PromotableHead],
    history: Callable[[str], Sequence[Entry]],
) -> int:
    """Say which number an input has in the target, once all is promoted; 0 where it has none there."""
    alike: list[int] = []
    promoted = wanted.get(used.slot)
    there = target.get(used.slot)
    if promoted is not None and promoted.data_version == used.data_version:
        seq = (there.seq if there else 0) + 1
        if promoted.fingerprint == used.fingerprint:
            return seq
        alike.append(seq)
    for each in history(used.slot) if there is not None else ():
        if each.data_version == used.data_version:
            if each.fingerprint == used.fingerprint:
                return each.seq
            alike.append(each.seq)
    return alike[0] if alike else 0


def _upstream_first(
    wanted: Mapping[str, PromotableHead], used: Mapping[str, Iterable[UsedInput]]
) -> Iterable[str]:
    """Order slots so that what a version was made from comes before it.

    Only versions that are promoted count: between older ones assets may have changed their direction.
    """

    def above(slot: str) -> list[str]:
        # By content: the recipe of a version that a collection dropped is not kept.
        found = {each.slot: each.data_version for each in used[slot]}
        return [name for name in found if name in wanted and wanted[name].data_version == found[name]]

    try:
        return list(TopologicalSorter({slot: above(slot) for slot in wanted}).static_order())
    except CycleError:  # one was made again, by the same recipe, from what had been made from it
        return list(wanted)
