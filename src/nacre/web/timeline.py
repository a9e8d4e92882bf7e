"""The steps of a run as bars: where each begins and ends between the run's own begin and end. Pure.

Partitions of an asset that fared alike share one bar, which shows when any of them ran.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from nacre.execute.parts import Parts, together
from nacre.keys import key_of
from nacre.store.records import StepRecord

#: A bar's place is given in thousandths of the run; none is so thin that it cannot be seen.
SCALE = 1000
_THINNEST = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One step, or the partitions of an asset that fared alike.

    Args:
        step: The step; for several partitions, what they have in common.
        spans: When it ran: begins and widths in thousandths of the run; empty where it did not.
        after_s: Seconds from the run's begin to its own.
        parts: The partitions, where there are several.
    """

    step: StepRecord
    spans: tuple[tuple[int, int], ...]
    after_s: float
    parts: tuple[StepRecord, ...] = ()


def bars(steps: Sequence[StepRecord], start: datetime, end: datetime) -> list[Bar]:
    """Lay the steps of a run over its time."""
    last = max((_after(step, start) + step.duration_s for step in steps), default=0.0)
    total = max((end - start).total_seconds(), last, 1e-6)
    return [_bar(group, start, total) for group in _alike(steps)]


def _alike(steps: Sequence[StepRecord]) -> list[list[StepRecord]]:
    """Put partitions of an asset that fared alike together, where the last of them was settled."""
    parts = Parts(Counter(key_of(step.step) for step in steps if step.partition))
    return [group for step in steps for group in parts.add(step)]


def _bar(group: Sequence[StepRecord], start: datetime, total: float) -> Bar:
    ran = [step for step in group if step.started_at is not None]
    after = min((_after(step, start) for step in ran), default=0.0)
    spans = tuple(_joined(_span(step, start, total) for step in ran))
    if len(group) == 1:
        return Bar(group[0], spans, after)
    return Bar(together(list(group)), spans, after, tuple(group))


def _span(step: StepRecord, start: datetime, total: float) -> tuple[int, int]:
    width = max(round(step.duration_s / total * SCALE), _THINNEST)
    return min(round(_after(step, start) / total * SCALE), SCALE - width), width


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that touch, so that there are never more than can be told apart."""
    found: list[tuple[int, int]] = []
    for begin, width in sorted(spans):
        if found and begin <= sum(found[-1]) + 1:
            first, so_far = found[-1]
            found[-1] = first, max(so_far, begin + width - first)
        else:
            found.append((begin, width))
    return found


def _after(step: StepRecord, start: datetime) -> float:
    return max((step.started_at - start).total_seconds(), 0.0) if step.started_at else 0.0
