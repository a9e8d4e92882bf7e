"""Steps of one partitioned asset that fared alike, put together for a person: one line, not one for each day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as changed

from msgspec.structs import replace

from nacre.keys import key_of, partition_of
from nacre.planning.reason import Reason
from nacre.store.records import StepRecord

_MAX_LISTED = 3


class Parts:
    """Collects the records of partitions until all of an asset's are there.

    Args:
        expected: Step key to how many of its partitions are coming.
    """

    def __init__(self, expected: Mapping[str, int]) -> None:
        self._missing = dict(expected)
        self._waiting: dict[str, list[StepRecord]] = {}

    def add(self, record: StepRecord) -> list[list[StepRecord]]:
        """Take a record; returns the groups that can be shown now, each of records that fared alike."""
        key = key_of(record.step)
        if key not in self._missing:
            return [[record]]
        self._waiting.setdefault(key, []).append(record)
        self._missing[key] -= 1
        return self._groups(key) if not self._missing[key] else []

    def rest(self) -> list[list[StepRecord]]:
        """Give what is still waiting, at the end of a run or before something else is shown."""
        return [group for key in list(self._waiting) for group in self._groups(key)]

    def _groups(self, key: str) -> list[list[StepRecord]]:
        found: dict[tuple[str, bool, Reason, bool, str], list[StepRecord]] = {}
        for record in sorted(self._waiting.pop(key, []), key=lambda each: each.partition):
            alike = (
                record.action,
                record.checked,
                general(record.reason, record.partition),
                bool(record.error),
                record.superseded_by,
            )
            found.setdefault(alike, []).append(record)
        return list(found.values())


def general(reason: Reason, partition: str) -> Reason:
    """Return a reason without the partition it shares with the step it is about."""
    if partition and partition_of(reason.subject) == partition:
        return changed(reason, subject=key_of(reason.subject), change=None)
    return changed(reason, change=None) if partition and reason.change is not None else reason


def together(group: list[StepRecord]) -> StepRecord:
    """Make one record of several that fared alike: their time added up, without a version of its own."""
    first = group[0]
    return replace(
        first,
        step=key_of(first.step),
        partition="",
        reason=general(first.reason, first.partition),
        duration_s=sum(each.duration_s for each in group),
        seq=0,
    )


def listed(partitions: list[str]) -> str:
    """Name some partitions: a few of them each, many by the first and the last."""
    if len(partitions) <= _MAX_LISTED:
        return ", ".join(partitions)
    return f"{partitions[0]} to {partitions[-1]}"
