"""Steps are laid over the time of their run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nacre.planning.reason import Cause, Reason
from nacre.store.records import StepRecord
from nacre.web.timeline import SCALE, bars

START = datetime(2026, 1, 1, tzinfo=UTC)


def step(after: float | None, took: float = 0.0) -> StepRecord:
    started = None if after is None else START + timedelta(seconds=after)
    return StepRecord(
        step="x", action="built", reason=Reason(Cause.FIRST), started_at=started, duration_s=took
    )


def test_a_bar_stands_where_its_step_ran() -> None:
    found = bars([step(0, 5), step(5, 5)], START, START + timedelta(seconds=10))
    assert [(bar.x, bar.width) for bar in found] == [(0, 500), (500, 500)]


def test_what_took_no_time_can_still_be_seen_and_nothing_leaves_the_run() -> None:
    found = bars([step(0), step(10, 0), step(3, 90), step(-5, 1)], START, START + timedelta(seconds=10))
    assert all(bar.width > 0 and 0 <= bar.x <= SCALE - bar.width for bar in found)


def test_what_did_not_run_has_no_bar() -> None:
    (bar,) = bars([step(None)], START, START)
    assert bar.width == 0
