"""What a plan will take: time and bytes of the steps that may run, from what they took before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nacre.keys import key_of
from nacre.planning.decide import Action
from nacre.planning.facts import Facts
from nacre.planning.plan import Plan

#: As many steps are asked for their records; in a plan of thousands that may run, the others are known by their runs.
MAX_RECORDS = 100


class Forecast(NamedTuple):
    """What a step is expected to take; None where it was never made.

    Args:
        seconds: The median of the last times it ran.
        n_bytes: What it stored the last time.
    """

    seconds: float | None = None
    n_bytes: int | None = None


class Total(NamedTuple):
    """What a plan is expected to take.

    Args:
        seconds: Of all steps that may run, one after the other.
        n_bytes: What they stored the last time, together.
        n_unknown: How many of them were never made.
        n_known: How many of them were.
        is_limit: True where some may turn out not to run, so that it is at most that much.
    """

    seconds: float = 0.0
    n_bytes: int = 0
    n_unknown: int = 0
    n_known: int = 0
    is_limit: bool = False


def may_run(plan: Plan) -> list[str]:
    """List the steps that run, or may run when their upstream has."""
    return [step.key for step in plan.steps.values() if step.action in _RUNS]


def forecasts(plan: Plan, durations: Mapping[str, Sequence[float]]) -> dict[str, Forecast]:
    """Say what each step that may run is expected to take.

    Args:
        plan: What is planned.
        durations: Step to how long it took the last times it ran, as far as the last runs tell.
    """
    from statistics import median  # late: it brings random and fractions, and a build needs none of them

    found, n_read = {}, 0
    for key in may_run(plan):
        head = plan.facts.heads.get(key)
        seconds = median(durations[key]) if durations.get(key) else None
        n_bytes = None
        if head is not None and n_read < MAX_RECORDS:
            n_read += 1
            taken = _recorded(plan.facts, head.fingerprint, plan.steps[key].assets)
            seconds, n_bytes = taken.seconds if seconds is None else seconds, taken.n_bytes
        found[key] = Forecast(seconds, n_bytes)
    return found


def total(plan: Plan, found: Mapping[str, Forecast]) -> Total:
    """Add up what the steps of a plan are expected to take."""
    known = [each for each in found.values() if each.seconds is not None]
    return Total(
        seconds=sum(each.seconds or 0.0 for each in known),
        n_bytes=sum(each.n_bytes or 0 for each in known),
        n_unknown=len(found) - len(known),
        n_known=len(known),
        is_limit=any(plan.steps[key].action is Action.PENDING for key in found),
    )


def _recorded(facts: Facts, fingerprint: str, slots: Iterable[str]) -> Forecast:
    evidence = facts.evidence(fingerprint)
    if evidence is None:
        return Forecast()
    sizes = [evidence.sizes.get(key_of(each), 0) for each in slots]
    return Forecast(evidence.duration_s, sum(sizes))


_RUNS = frozenset({Action.BUILD, Action.CHECK, Action.PENDING})
