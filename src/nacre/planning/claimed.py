"""Which steps are claimed before they run, so that no other run makes the same at the same time. Pure."""

from __future__ import annotations

from nacre.planning.decide import Action, Decision
from nacre.planning.facts import Facts
from nacre.planning.reason import Cause

#: A step that took no longer is made twice for less than it costs to find out that somebody makes it.
SLOW_S = 5.0


def is_claimed(decision: Decision, facts: Facts) -> bool:
    """Say whether a step is worth a claim: its result is looked for by its recipe, and it is slow or never ran.

    Args:
        decision: What the step does.
        facts: What is known; of a version that is current, what it was made of.
    """
    reason = decision.reason
    if decision.action is not Action.BUILD or decision.overwrites:
        return False
    # What has no identity, or whose key cannot be made, runs whatever is recorded.
    if reason.cause is Cause.UNKNOWN or (reason.cause is Cause.KEY and reason.subject):
        return False
    head = facts.heads.get(decision.recipe.assets[0])
    evidence = facts.evidence(head.fingerprint) if head is not None else None
    return evidence is None or evidence.duration_s > SLOW_S
