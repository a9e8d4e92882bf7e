"""Steps are laid over the time of their run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nacre.keys import slot
from nacre.planning.reason import Cause, Reason
from nacre.store.records import StepRecord
from nacre.web.timeline import SCALE, bars

START = datetime(2026, 1, 1, tzinfo=UTC)


def step(after: float | None, took: float = 0.0, day: str = "", action: str = "built") -> StepRecord:
    started = None if after is None else START + timedelta(seconds=after)
    return StepRecord(
        step=slot("demo://x", day),
        action=action,
        reason=Reason(Cause.FIRST),
        started_at=started,
        duration_s=took,
        partition=day,
        seq=1,
    )


def test_a_bar_stands_where_its_step_ran() -> None:
    found = bars([step(0, 5), step(5, 5)], START, START + timedelta(seconds=10))
    assert [bar.spans for bar in found] == [((0, 500),), ((500, 500),)]


def test_what_took_no_time_can_still_be_seen_and_nothing_leaves_the_run() -> None:
    found = bars([step(0), step(10, 0), step(3, 90), step(-5, 1)], START, START + timedelta(seconds=10))
    spans = [span for bar in found for span in bar.spans]
    assert len(spans) == 4
    assert all(width > 0 and 0 <= x <= SCALE - width for x, width in spans)


def test_what_did_not_run_has_no_bar() -> None:
    (bar,) = bars([step(None)], START, START)
    assert bar.spans == ()


def test_partitions_that_fared_alike_share_a_bar_and_others_do_not() -> None:
    steps = [step(after, 1, f"2026-01-0{day}") for day, after in ((2, 0), (1, 0.5), (3, 8))]
    steps.insert(1, step(None, 0, "2026-01-04", "skipped"))
    built, skipped = bars(steps, START, START + timedelta(seconds=10))
    assert built.spans == ((0, 150), (800, 100)), "what touches is one span"
    assert [part.partition for part in built.parts] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert (built.step.duration_s, built.step.partition, built.step.seq) == (3, "", 0)
    assert (skipped.step.partition, skipped.parts) == ("2026-01-04", ())
