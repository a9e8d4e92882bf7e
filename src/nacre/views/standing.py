"""How each asset stands, in one word: from a plan where modules are known, else from the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from nacre.planning.decide import Action, runs_every_time
from nacre.planning.explain import sentence
from nacre.planning.plan import Step
from nacre.views.session import Session

GLYPHS = {"fresh": "=", "check": "~", "stale": "+", "new": "+", "pending": "?", "stored": "·"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one asset stands.

    Args:
        asset: Its key.
        state: ``fresh``, ``check`` (a source, or whatever runs on every run), ``stale``, ``new`` (not made yet),
            ``pending`` (depends on what an upstream brings) or ``stored`` (nothing here declares it).
        reason: Why, in one sentence.
        upstream: Keys of the assets it is declared to be made from.
    """

    asset: str
    state: str
    reason: str
    upstream: tuple[str, ...] = ()


#: How a face begins to say that modules cannot be imported; what follows is the problem.
PROBLEM = "The modules cannot be imported, so this is what is stored: "


def standings(session: Session) -> tuple[list[Standing], str]:
    """Say how every asset stands: declared ones first, upstream before downstream, then those only stored.

    Sources count as they were last seen: whether the world changed is known only after a build.

    Returns:
        The assets, and what kept the modules from being imported (empty where nothing did).
    """
    inferred, problem = session.try_declared()
    found = []
    if inferred is not None:
        plan = session.plan(reuse_sources=True)
        for step in plan.steps.values():
            upstream = tuple(dict.fromkeys(edge.asset for edge in plan.graph.upstream[step.key]))
            for asset in step.task.assets:
                state = _state(step, asset.key in session.heads)
                reason = (
                    "runs on every run, to see what changed" if state == "check" else sentence(step.reason)
                )
                found.append(Standing(asset.key, state, reason, upstream))
    listed = {standing.asset for standing in found}
    word = "not declared here" if inferred is not None else ""
    found += [Standing(key, "stored", word) for key in sorted(session.heads) if key not in listed]
    return found, problem


def _state(step: Step, is_stored: bool) -> str:
    if not is_stored:
        return "new"
    if runs_every_time(step.task.options, step.is_source):
        return "check"
    if step.action is Action.REUSE:
        return "fresh"
    return "pending" if step.action is Action.PENDING else "stale"
