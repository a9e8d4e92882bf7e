"""The sentence of freshness."""

from __future__ import annotations

from datetime import UTC, date, datetime

from nacre.views.freshness import Freshness

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MADE = "2026-11-02T10:00:00+00:00"


def said(state: str, reason: str = "", through: date | None = None) -> str:
    return Freshness("shop://week", state, reason, 3, MADE).sentence(NOW, through)


def test_a_fresh_asset_says_what_it_covers_and_how_old_it_is() -> None:
    assert said("fresh", through=date(2026, 11, 1)) == (
        "Data through Sun 1 Nov 2026 (UTC): week v3, made 2 h ago, fresh"
    )
    assert said("fresh") == "week v3, made 2 h ago, fresh"


def test_a_stale_asset_says_why() -> None:
    reason = "code changed: `week` (week.py:3) changed"
    assert said("stale", reason) == f"week v3, made 2 h ago, stale: {reason}"
    assert said("pending", "depends on what posts brings").endswith(", depends on what posts brings")


def test_a_partitioned_asset_says_how_many_partitions_it_has() -> None:
    days = Freshness("shop://days", "fresh", "", 1, MADE, n_stored=60)
    assert days.sentence(NOW) == "days, 60 partitions, made 2 h ago, fresh"


def test_what_was_never_built_has_no_age() -> None:
    assert Freshness("shop://week", "new", "not made yet").sentence(NOW) == "week is not built yet"
