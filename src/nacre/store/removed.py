"""What a collection tells: how much it removed, or would, and what it leaves and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Tally(NamedTuple):
    """How many of something, and how large together."""

    n: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class Report:
    """What a collection removed, or would remove, and what it leaves and why.

    Args:
        deleted: False where it only looked.
        removed: Kind to how much: versions, results, objects, texts, tombstones, unfinished, runs, logs, ticks,
            artifacts, images and leases.
        kept: Reason to how many results, and how large with their objects: current, pinned, history, recent; and young,
            objects of no record that may belong to a writer at work.
        warnings: What could not be looked at, a sentence each.
    """

    deleted: bool
    removed: dict[str, Tally] = field(default_factory=dict)
    kept: dict[str, Tally] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def freed_bytes(self) -> int:
        """How large everything together is that was removed, or would be."""
        return sum(each.size_bytes for each in self.removed.values())

    def remove(self, kind: str, size_bytes: int = 0, n: int = 1) -> None:
        """Count what goes."""
        _add(self.removed, kind, n, size_bytes)

    def keep(self, reason: str, size_bytes: int) -> None:
        """Count what stays."""
        _add(self.kept, reason, 1, size_bytes)


def _add(tallies: dict[str, Tally], kind: str, n: int, size_bytes: int) -> None:
    before = tallies.get(kind, Tally())
    if n:
        tallies[kind] = Tally(before.n + n, before.size_bytes + size_bytes)
