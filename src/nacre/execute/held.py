"""External assets that are held: what is made from them is made from the version they are held at, or not at all."""

from __future__ import annotations

from nacre.errors import CorruptObject
from nacre.execute.active import ActiveRun
from nacre.execute.lost import InputLost, cannot_be_read
from nacre.planning.decide import Action
from nacre.planning.plan import Plan
from nacre.planning.reason import Cause

_RUNS = (Action.BUILD, Action.CHECK)


def require_held(run: ActiveRun, plan: Plan) -> None:
    """Find out, before anything runs, whether the held versions that steps will read can be read.

    Only small files and those of ``keep_external`` are in the store; of others the bytes may be gone. What waits for an
    upstream is not looked at: it may come out as it was, and then nothing is read.

    Args:
        run: The run; it knows which external assets are held.
        plan: What it does.

    Raises:
        CorruptObject: One cannot be read; names it, the hold and the setting.
    """
    contents = run.workspace.contents
    for key in sorted(run.survey.held_outside & plan.steps.keys()):
        step = plan.steps[key]
        if step.reason.cause is not Cause.HELD or step.decision is None or not _is_read(plan, key):
            continue
        made = run.stored.look_up(step.decision, plan.facts.heads)[key]
        if not made.output.is_outside:
            continue
        try:
            contents.open(made.output).close()
        except CorruptObject as error:
            raise cannot_be_read(InputLost(key, error), plan.facts.heads[key].held) from None


def _is_read(plan: Plan, key: str) -> bool:
    """Whether a step that runs for sure is passed an asset."""
    return any(
        edge.asset == key and edge.parameter
        for step in plan.steps.values()
        if step.action in _RUNS and not step.is_done
        for edge in plan.graph.upstream[step.key]
    )
