"""What is reached from heads, histories and pins, and what no longer is. Pure: store/gc.py reads and acts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from msgspec.structs import replace

from nacre.store.ids import time_of
from nacre.store.records import Action, Artifact, Head, Materialization, Past, Pin, Run, Tick
from nacre.store.use import GRACE_S, last_use

#: Why something is kept, the strongest first.
CURRENT, PINNED, HISTORY, RECENT, YOUNG = "current", "pinned", "history", "recent", "young"
_STRENGTH = {reason: n for n, reason in enumerate((CURRENT, PINNED, HISTORY, RECENT, YOUNG))}


class Retention(NamedTuple):
    """How long what is kept.

    Args:
        keep_versions: The newest versions of each slot; 0 for all.
        keep_days: The versions that were current within as many days; 0 for all.
        cache_keep: Days after its last use for which a result without any version stays.
        keep_runs: Days for runs, their logs, artifacts and ticks; 0 for ever.
        grace_s: Whatever is younger may belong to a writer that is at work, and is left alone.
    """

    keep_versions: int = 0
    keep_days: float = 0
    cache_keep: float = 30
    keep_runs: float = 0
    grace_s: float = GRACE_S

    @property
    def limits_history(self) -> bool:
        """Whether versions are dropped at all."""
        return bool(self.keep_versions or self.keep_days)


def dropped(
    history: Sequence[Materialization], wanted: Collection[int], keep: Retention, now: datetime
) -> set[int]:
    """Choose the versions of a slot that its history need not keep.

    A version goes when it is beyond every limit that is set, and was not current within the grace period.

    Args:
        history: All of it, oldest first; the last is current.
        wanted: Numbers of versions that stay whatever their age: held ones and those with a pin.
        keep: The limits.
        now: Aware UTC.

    Returns:
        Their numbers.
    """
    if not keep.limits_history:
        return set()
    days = timedelta(days=keep.keep_days) if keep.keep_days else timedelta(0)
    since = now - max(days, timedelta(seconds=keep.grace_s))
    n_newer = len(history)
    found: set[int] = set()
    until = history[0].at if history else now
    for each, following in pairwise(history):
        n_newer -= 1
        is_beyond = not keep.keep_versions or n_newer >= keep.keep_versions
        # It was current until the next one came: later than any before, whatever the clock of its machine said.
        until = max(until, following.at)
        if is_beyond and until < since and each.seq not in wanted:
            found.add(each.seq)
    return found


def trimmed(parts: Sequence[Head | Past], gone: Collection[int]) -> list[Head | Past]:
    """Leave versions out of the parts of a history; one that needs no change is the same object.

    A part without any version left is to be removed once the one after it tells of its numbers too: by them every index
    knows what was dropped, also one that did not see each change.

    Args:
        parts: Oldest first, the head last.
        gone: Numbers of what is left out.
    """
    found: list[Head | Past] = []
    carried = 0
    for part in parts:
        kept = tuple([each for each in part.history if each.seq not in gone])
        first = part.first or (part.history[0].seq if part.history else 0)
        lowest = min(carried or first, first or carried)
        if len(kept) < len(part.history) or (carried and lowest < first):
            part = replace(part, history=kept, first=lowest)
        found.append(part)
        carried = 0 if kept else lowest
    return found


def held_seq(head: Head) -> int:
    """Return the number of the version that a head is held at; 0 where it is not."""
    number = head.held.removeprefix("v")
    return int(number) if number.isdigit() else 0


class Reached:
    """The recipes that heads, histories and pins name, each with the strongest reason to keep what it made."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        #: Recipe and content of each version: a recipe that ran more than once has several.
        self.contents: set[tuple[str, str]] = set()

    def add(self, fingerprint: str, reason: str) -> None:
        """Take one that is named."""
        self.reasons[fingerprint] = min(self.reasons.get(fingerprint, reason), reason, key=strength)

    def add_history(self, history: Iterable[Materialization], reason: str = HISTORY) -> None:
        """Take those of a part of a history."""
        for each in history:
            self.add(each.fingerprint, reason)
            self.contents.add((each.fingerprint, each.data_version))

    def add_head(self, head: Head) -> None:
        """Take what is current, and what the head is held at."""
        held = held_seq(head)
        for each in head.history:
            if each.seq == held:
                self.add(each.fingerprint, PINNED)
        self.add(head.current.fingerprint, CURRENT)

    def names(self, action: Action, *, was_replaced: bool) -> bool:
        """Say whether a result is named: one that was replaced, only where a version has its content."""
        if not was_replaced or self.reasons.get(action.fingerprint) == PINNED:
            return action.fingerprint in self.reasons
        return any((action.fingerprint, output.data_version) in self.contents for output in action.outputs)

    def add_pin(self, pin: Pin) -> None:
        """Take the one that a pin keeps."""
        self.add(pin.fingerprint, PINNED)


def strength(reason: str) -> int:
    """Return where a reason to keep something stands; the strongest is 0."""
    return _STRENGTH[reason]


def used_at(action: Action) -> datetime:
    """Say when a result was made, accepted or taken for the last time."""
    made = action.started_at + timedelta(seconds=action.duration_s)
    accepted = action.accepted.at if action.accepted is not None else made
    return max(made, accepted, last_use(action))


def is_forgotten(action: Action, keep: Retention, now: datetime) -> bool:
    """Say whether a result that no version names was last used so long ago that it may go."""
    limit = max(timedelta(days=keep.cache_keep), timedelta(seconds=keep.grace_s))
    return now - used_at(action) > limit


def objects_of(action: Action) -> tuple[str, ...]:
    """Name the objects that a record's values lie in."""
    return tuple(output.object for output in action.outputs if output.object)


def tombstone(action: Action, now: datetime) -> Action:
    """Make the record that takes the place of a collected one: who reads it sees that there is no result."""
    return Action(
        fingerprint=action.fingerprint,
        task=action.task,
        code="",
        outputs=(),
        attempt=action.attempt,
        run=action.run,
        started_at=action.started_at,
        duration_s=0.0,
        env=action.env,
        partition=action.partition,
        buried_at=now,
    )


def is_spent(action: Action, keep: Retention, now: datetime) -> bool:
    """Say whether a tombstone has stood for so long that no writer knows of what was there."""
    return action.buried_at is not None and now - action.buried_at > timedelta(seconds=keep.grace_s)


def is_past_grace(name: str, keep: Retention, now: datetime) -> bool:
    """Say whether an object is older than the grace period; its name ends in an id, which tells its time."""
    made = time_of(name.rpartition("/")[2])
    return made is not None and now - made > timedelta(seconds=keep.grace_s)


def is_over(run: Run, keep: Retention, now: datetime) -> bool:
    """Say whether a run ended so long ago that its record may go; one without an end is given a grace period more."""
    limit = timedelta(days=keep.keep_runs)
    if run.ended_at is None:
        return now - run.started_at > limit + timedelta(seconds=keep.grace_s)
    return now - run.ended_at > limit


def old_ticks(ticks: Iterable[tuple[str, Tick]], keep: Retention, now: datetime) -> list[str]:
    """Choose the ticks that may go: the newest of each schedule stays, since the next one is told by it."""
    limit = timedelta(days=keep.keep_runs)
    newest: dict[str, datetime] = {}
    listed = list(ticks)
    for _, tick in listed:
        newest[tick.schedule] = max(newest.get(tick.schedule, tick.due_at), tick.due_at)
    return [
        path
        for path, tick in listed
        if tick.due_at < newest[tick.schedule] and now - (tick.ended_at or tick.due_at) > limit
    ]


def old_artifacts(artifacts: Iterable[tuple[str, Artifact]], keep: Retention, now: datetime) -> list[str]:
    """Choose the artifacts that may go: the newest of each key stays, since it is what people look at."""
    limit = timedelta(days=keep.keep_runs)
    listed = list(artifacts)
    newest: dict[str, str] = {}
    for _, each in listed:
        if each.key:
            newest[each.key] = max(newest.get(each.key, each.id), each.id)
    return [
        path
        for path, each in listed
        if newest.get(each.key) != each.id and now - (each.updated_at or each.created_at) > limit
    ]
