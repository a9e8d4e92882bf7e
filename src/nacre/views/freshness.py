"""How fresh an asset is, in one sentence for every face: what it covers, which version, how old, and its state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from nacre.planning.explain import short
from nacre.views.session import Session
from nacre.views.standing import Standing, standings
from nacre.views.words import ago

_STATES = {
    "fresh": "fresh",
    "check": "looked at again on every run",
    "stored": "as it was stored",
}


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh one asset is.

    Args:
        asset: Its key.
        state: As in ``Standing``.
        reason: Why, in one sentence.
        version: The current version; 0 where there is none.
        made_at: When it became current: ISO 8601, UTC; empty where there is none.
        run: The run that made it.
        fingerprint: Its recipe: another one means another version, so what was read of it is out of date.
    """

    asset: str
    state: str
    reason: str
    version: int = 0
    made_at: str = ""
    run: str = ""
    fingerprint: str = ""

    def sentence(self, now: datetime, through: date | None = None) -> str:
        """Say it in one sentence without a full stop.

        Args:
            now: Aware.
            through: The last day that the data covers, in UTC.

        Returns:
            For example ``Data through Sun 1 Nov 2026 (UTC): weekly_summary v3, made 2 h ago, fresh``.
        """
        name = short(self.asset)
        if not self.version:
            return f"{name} is not built yet"
        state = self.reason if self.state == "pending" else _STATES.get(self.state, f"stale: {self.reason}")
        covered = (
            "" if through is None else f"Data through {through:%a} {through.day} {through:%b %Y} (UTC): "
        )
        return f"{covered}{name} v{self.version}, made {ago(self.made_at, now)}, {state}"


def freshness(session: Session, listed: Iterable[Standing] | None = None) -> dict[str, Freshness]:
    """Say how fresh each asset is, declared or stored.

    Args:
        session: The project.
        listed: How the assets stand, where the caller knows already.

    Returns:
        Asset key to its freshness, in the order of the standings.
    """
    found = {}
    for each in standings(session)[0] if listed is None else listed:
        head = session.heads.get(each.asset)
        found[each.asset] = Freshness(
            each.asset,
            each.state,
            each.reason,
            *((head.seq, head.at, head.run, head.fingerprint) if head else ()),
        )
    return found
