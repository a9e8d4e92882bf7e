"""How fresh an asset is, in one sentence for every face: what it covers, which version, how old, and its state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from nacre.catalog.history import HeadRow
from nacre.encoding import digest_texts
from nacre.planning.explain import short
from nacre.views.session import Session
from nacre.views.standing import Standing, standings
from nacre.views.words import ago, count

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
        version: The current version; 0 where there is none. Of a partitioned asset, of the partition made last.
        made_at: When it became current: ISO 8601, UTC; empty where there is none.
        run: The run that made it.
        fingerprint: Identifies what is stored: another one means that what was read of it is out of date.
        n_stored: How many partitions are stored; 0 where it has none.
        n_missing: How many partitions that have begun are not.
    """

    asset: str
    state: str
    reason: str
    version: int = 0
    made_at: str = ""
    run: str = ""
    fingerprint: str = ""
    n_stored: int = 0
    n_missing: int = 0

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
        state = (
            self.reason
            if self.state in ("pending", "held")
            else _STATES.get(self.state, f"stale: {self.reason}")
        )
        covered = (
            "" if through is None else f"Data through {through:%a} {through.day} {through:%b %Y} (UTC): "
        )
        what = f"{name}, {count(self.n_stored, 'partition')}" if self.n_stored else f"{name} v{self.version}"
        return f"{covered}{what}, made {ago(self.made_at, now)}, {state}"


def freshness(session: Session, listed: Iterable[Standing] | None = None) -> dict[str, Freshness]:
    """Say how fresh each asset is, declared or stored.

    Args:
        session: The project.
        listed: How the assets stand, where the caller knows already.

    Returns:
        Asset key to its freshness, in the order of the standings.
    """
    return {
        each.asset: _of(each, session.slots.get(each.asset, []))
        for each in (standings(session)[0] if listed is None else listed)
    }


def _of(standing: Standing, rows: list[HeadRow]) -> Freshness:
    if not rows:
        return Freshness(standing.asset, standing.state, standing.reason)
    last = max(rows, key=lambda row: row.at)
    stored = digest_texts("stored", sorted(row.fingerprint for row in rows))
    return Freshness(
        standing.asset,
        standing.state,
        standing.reason,
        last.seq,
        last.at,
        last.run,
        stored,
        len(rows) if last.partition else 0,
        standing.partitions.get("new", 0),
    )
