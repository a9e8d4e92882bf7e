"""The steps of a run as bars: where each begins and ends between the run's own begin and end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nacre.store.records import StepRecord

#: A bar's place is given in thousandths of the run; none is so thin that it cannot be seen.
SCALE = 1000
_THINNEST = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One step; ``width`` is 0 where it did not run.

    Args:
        step: The step.
        x: Where it begins, in thousandths of the run.
        width: How long it took, likewise.
        after_s: Seconds from the run's begin to its own.
    """

    step: StepRecord
    x: int
    width: int
    after_s: float


def bars(steps: Sequence[StepRecord], start: datetime, end: datetime) -> list[Bar]:
    """Lay the steps of a run over its time."""
    last = max((_after(step, start) + step.duration_s for step in steps), default=0.0)
    total = max((end - start).total_seconds(), last, 1e-6)
    found = []
    for step in steps:
        after = _after(step, start)
        if step.started_at is None:
            found.append(Bar(step, 0, 0, 0.0))
            continue
        width = max(round(step.duration_s / total * SCALE), _THINNEST)
        found.append(Bar(step, min(round(after / total * SCALE), SCALE - width), width, after))
    return found


def _after(step: StepRecord, start: datetime) -> float:
    return max((step.started_at - start).total_seconds(), 0.0) if step.started_at else 0.0
