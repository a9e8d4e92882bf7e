"""The one sentence on how a project's assets stand, for every face that greets a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nacre.views.session import Session
from nacre.views.words import ago, count


def overview(session: Session, states: Iterable[str]) -> str:
    """Say how the assets stand and when something last ran.

    Args:
        session: The project.
        states: The state of each asset, as in ``Standing``; ``failed`` where its last attempt failed.
    """
    told = tell(states)
    if not told:
        place = session.project.root
        return (
            f"No assets here yet: {place} has no pipeline.py, no modules in its settings and nothing stored."
        )
    runs = session.workspace.catalog.runs(1)
    last = f"; last run {ago(runs[0].started_at, session.now)}" if runs else ""
    return f"{told}{last}."


def tell(states: Iterable[str]) -> str:
    """Say how many assets stand how; empty where there are none."""
    n = Counter(states)
    if set(n) == {"stored"}:
        return f"{count(n['stored'], 'asset')} stored"
    words = {
        "failed": f"{n['failed']:,} failed",
        "fresh": f"{count(n['fresh'], 'asset')} fresh",
        "check": f"{count(n['check'], 'source')} to check",
        "stale": f"{n['stale']:,} stale",
        "new": f"{n['new']:,} not made yet",
        "pending": f"{n['pending']:,} waiting for an upstream",
        "stored": f"{n['stored']:,} stored and not declared here",
    }
    return ", ".join(text for state, text in words.items() if n[state])
