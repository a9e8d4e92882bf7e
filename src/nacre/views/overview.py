"""The one sentence on how a project's assets stand, for every face that greets a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from nacre.views.runs import state_of
from nacre.views.session import Session
from nacre.views.words import ago, count

#: How a last run that did not end by itself is told; how others ended is told by the assets.
_UNENDED = ("running", "killed", "no end recorded")


@dataclass(frozen=True, slots=True)
class Overview:
    """The sentence, in pieces: a face may keep the time in it up to date.

    Args:
        told: How the assets stand; empty where there are none.
        before: The sentence up to when something last ran; all of it where nothing did.
        at: When that was: ISO 8601, UTC; empty where nothing ran.
        after: The rest.
    """

    told: str
    before: str
    at: str = ""
    after: str = ""

    def sentence(self, now: datetime) -> str:
        """Put it together."""
        return f"{self.before}{ago(self.at, now) if self.at else ''}{self.after}"


def overview(session: Session, states: Iterable[str], problem: str = "") -> Overview:
    """Say how the assets stand and when something last ran.

    Args:
        session: The project.
        states: The state of each asset, as in ``Standing``; ``failed`` where its last attempt failed.
        problem: What kept the modules from being imported.
    """
    told = tell(states)
    if not told:
        return Overview("", _nothing(session, problem))
    runs = session.workspace.catalog.runs(1)
    if not runs:
        return Overview(told, f"{told}.")
    state = state_of(session, runs[0])
    end = f" ({state})" if state in _UNENDED else ""
    return Overview(told, f"{told}; last run ", runs[0].started_at, f"{end}.")


def _nothing(session: Session, problem: str) -> str:
    if problem:
        return "The modules cannot be imported, and nothing is stored."
    if session.has_modules:
        return "No assets here yet."
    place = session.project.root
    return f"No assets here yet: {place} has no pipeline.py, no modules in its settings and nothing stored."


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
        "held": f"{n['held']:,} held",
        "pending": f"{n['pending']:,} waiting for an upstream",
        "stored": f"{n['stored']:,} stored and not declared here",
    }
    return ", ".join(text for state, text in words.items() if n[state])
