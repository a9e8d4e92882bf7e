"""How each asset stands, in one word: from a plan where modules are known, else from the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nacre.execute.parts import general
from nacre.keys import key_of, partition_of
from nacre.planning.decide import Action
from nacre.planning.doubt import doubts
from nacre.planning.explain import sentence
from nacre.planning.plan import Plan, Step
from nacre.planning.reason import Cause
from nacre.planning.settings import runs_every_time
from nacre.views.changed import Because, because
from nacre.views.session import Session
from nacre.views.words import count, held_at

_WORST_FIRST = ("stale", "new", "pending", "held", "check", "fresh")
#: What a plan would do with a step.
ACTION_GLYPHS = {"check": "~", "build": "+", "reuse": "=", "pending": "?"}
GLYPHS = {
    "fresh": "=",
    "check": "~",
    "stale": "+",
    "new": "+",
    "pending": "?",
    "held": "‖",
    "stored": "·",
    "failed": "✗",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one asset stands.

    Args:
        asset: Its key.
        state: ``fresh``, ``check`` (a source, or whatever runs on every run), ``stale`` (the next build makes it, or
            makes another known version current), ``new`` (not made yet), ``pending`` (depends on what an upstream
            brings), ``held`` (rolled back, and left so) or ``stored`` (nothing here declares it).
        reason: Why, in one sentence.
        partitions: How many partitions stand how; empty where it has none.
        upstream: Keys of the assets it is declared to be made from.
        because: Every cause with what differs, where it was asked for and the state is ``stale``.
        warnings: What of its code could not be followed; one sentence each.
    """

    asset: str
    state: str
    reason: str
    partitions: Mapping[str, int] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    because: tuple[Because, ...] = ()
    warnings: tuple[str, ...] = ()


#: What is said of an asset with a parameter that names no asset.
FLOWS_ONLY = "only a flow can make it, by passing what it needs"
#: What is said of one whose lineage leads to a head that cannot be read.
UNTOLD = "what it is made from cannot be read"
#: How a face begins to say that modules cannot be imported; what follows is the problem.
PROBLEM = "The modules cannot be imported, so this is what is stored: "


def standings(session: Session, *, explains: bool = False) -> tuple[list[Standing], str]:
    """Say how every asset stands: declared ones first, upstream before downstream, then those only stored.

    Sources count as they were last seen: whether the world changed is known only after a build.

    Args:
        session: The project.
        explains: True lists every cause of what is stale, with the lines of code that changed.

    Returns:
        The assets, and what kept the modules from being imported (empty where nothing did).
    """
    inferred, problem = session.try_declared()
    slots: dict[str, list[tuple[str, Standing]]] = {}
    if inferred is not None:
        plan = session.plan(reuse_sources=True)
        for step in plan.steps.values():
            upstream = tuple(dict.fromkeys(key_of(edge.asset) for edge in plan.graph.upstream[step.key]))
            for made in step.assets:
                state = _state(step, made in plan.facts.heads)
                reason = general(step.reason, partition_of(made))
                is_run = state == "check" and reason.cause is not Cause.OUTSIDE
                text = "runs on every run, to see what changed" if is_run else sentence(reason)
                doubtful = doubts(step.task, step.key, plan.facts)
                told = _because(session, plan, step) if explains and state == "stale" else ()
                standing = Standing(key_of(made), state, text, {}, upstream, told, doubtful)
                slots.setdefault(key_of(made), []).append((partition_of(made), standing))
    found = [_whole(each) for each in slots.values()]
    listed = {standing.asset for standing in found}
    words: dict[str, str] = {}
    if inferred is not None:
        # What is declared and was not planned was left out of the plan.
        words = dict.fromkeys(session.heads, "not declared here") | dict.fromkeys(
            inferred.graph.producer, UNTOLD
        )
        if inferred.missing:
            words |= dict.fromkeys(inferred.graph.descendants(inferred.missing), FLOWS_ONLY)
    others = sorted(session.heads.keys() - listed)
    found += [_undeclared(session, key, words.get(key, "")) for key in others]
    return found, problem


def _undeclared(session: Session, key: str, word: str) -> Standing:
    """Say of an asset that no module makes that it is stored, or that it is held all the same."""
    held = [row for row in session.slots[key] if row.held]
    if not held:
        return Standing(key, "stored", word)
    text = held_at(held[0])
    if held[0].partition:
        text = f"{text} · {len(held):,} of {count(len(session.slots[key]), 'partition')}"
    return Standing(key, "held", f"{text}; {word}" if word else text)


def _because(session: Session, plan: Plan, step: Step) -> tuple[Because, ...]:
    if step.decision is None:
        return ()
    return tuple(because(session.workspace, session.versions, step.task, step.decision, plan.facts))


def _whole(parts: list[tuple[str, Standing]]) -> Standing:
    """Say how an asset stands as a whole: as the worst of its partitions, which is named."""
    if not parts[0][0]:
        return parts[0][1]
    counts = Counter(standing.state for _, standing in parts)
    state = next(each for each in _WORST_FIRST if counts[each])
    named = [partition for partition, standing in parts if standing.state == state]
    worst = next(standing for _, standing in parts if standing.state == state)
    reason = worst.reason
    text = f"{reason} · {len(named):,} of {len(parts):,} partitions" if len(counts) > 1 else reason
    upstream = dict.fromkeys(key for _, standing in parts for key in standing.upstream)
    return replace(worst, reason=text, partitions=dict(counts), upstream=tuple(upstream))


def _state(step: Step, is_stored: bool) -> str:
    if not is_stored:
        return "new"
    if step.reason.cause is Cause.HELD:
        return "held"
    if step.reason.cause is Cause.CLOSED:
        return "fresh"
    if runs_every_time(step.task.options, step.is_source):
        return "check"
    if step.action is Action.REUSE:
        # A known result that is not current becomes so with the next build.
        return "stale" if step.decision is not None and step.decision.moves_head else "fresh"
    return "pending" if step.action is Action.PENDING else "stale"
