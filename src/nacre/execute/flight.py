"""Single flight across processes: what another run is making just now is waited for, and its result is taken.

Inside a run, ``turn`` does the same for its calls. Claims save work and decide nothing (docs/explanation/commit.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from nacre.execute.active import ActiveRun
from nacre.execute.effects import Effects, Pause
from nacre.execute.step import Elsewhere, Receipt, StepRun
from nacre.planning.claimed import is_claimed
from nacre.planning.decide import Decision
from nacre.planning.explain import short

#: It is looked again after the first, then after twice as long, and so on up to the longest.
FIRST_S, LONGEST_S = 0.02, 0.5
#: Who got a claim later than this after the decision looks once more: meanwhile somebody may have made it all.
MOMENT_S = 1.0


#: As if decided long ago: who has waited looks once more.
LONG_AGO = float("-inf")


def claimed(run: ActiveRun, step: StepRun, effects: Effects[Receipt], since: float) -> Effects[Receipt]:
    """Run a step of a build under its claim; where another run has that, give a receipt that says so.

    Args:
        run: The run that shall have the claim until the result is durable or has failed.
        step: What runs.
        effects: Its effects.
        since: When it was decided.
    """
    elsewhere = look(run, step.fingerprint, since)
    if elsewhere is not None:
        effects.close()
        return Receipt(step.key, step.id, step.started_at, 0.0, 0, elsewhere=elsewhere)
    return (yield from effects)


def look(run: ActiveRun, fingerprint: str, since: float) -> Elsewhere | None:
    """Claim a fingerprint; None where this run has it now, and nobody made it meanwhile.

    Args:
        run: The run that shall have it.
        fingerprint: Of a recipe.
        since: When it was last found that nothing is recorded.
    """
    workspace = run.workspace
    claim = workspace.claims.claim(fingerprint)
    if claim is None:
        return Elsewhere.GOING
    is_late = workspace.clock.monotonic() - since > MOMENT_S
    if (is_late or claim.had_holder) and run.versions.look_again(fingerprint):
        workspace.claims.release([claim])
        return Elsewhere.MADE
    run.shared.held[fingerprint] = claim
    return None


def patience() -> Iterator[float]:
    """Say how long to wait before each further look."""
    wait = FIRST_S
    while True:
        yield wait
        wait = min(2 * wait, LONGEST_S)


def decided(run: ActiveRun, decide: Callable[[], Decision]) -> Effects[Decision]:
    """Decide on a call, and again once another run has made or given up what it wants to make.

    Returns:
        A decision to take a known result; or to run, with the claim where it is worth one.
    """
    clock = run.workspace.clock
    waits: Iterator[float] | None = None
    decision, since = decide(), clock.monotonic()
    while is_claimed(decision, run.facts):
        elsewhere = look(run, decision.fingerprint, since)
        if elsewhere is None:
            return decision
        if elsewhere is Elsewhere.MADE:
            decision, since = decide(), clock.monotonic()
            continue
        if waits is None:
            waits = patience()
            say_waiting(run, decision.recipe.assets[0])
        # Whoever makes it may wait for something of ours that is not durable yet.
        run.commits.flush()
        yield Pause(next(waits))
        since = LONG_AGO
    return decision


def say_waiting(run: ActiveRun, step: str) -> None:
    """Tell the log why a step does not begin."""
    run.log(logging.INFO, f"{short(step)}: another run is making it; waiting for its result")
