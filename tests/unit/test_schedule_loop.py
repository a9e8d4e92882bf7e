"""One server of schedules: what is due, what was missed, and clocks that jump; on real stores."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nacre.schedule.definition import Schedule
from nacre.schedule.loop import MAX_MISSED
from nacre.schedule.trigger import Cron, Interval
from nacre.store.lease import TTL_S
from serving import DAILY, DAY, HOUR, OFTEN, START, World

# ── one server ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tick_starts_when_it_is_due_and_records_how_it_ended(world: World) -> None:
    loop = world.server()
    world.pass_time(13 * HOUR + 60, loop)
    (child,) = world.children
    assert (child.schedule, child.tick.nominal, child.tick.run) == ("daily", "20260329T023000", "run-0")
    assert child.tick.due_at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert world.states() == [("20260329T023000", "started")]
    world.end(checked=1, reused=2)
    loop.turn()
    (tick,) = world.ticks()
    assert (tick.state, tick.reason, tick.run) == ("completed", "1 checked, 2 reused", "run-0")
    assert tick.started_at is not None
    assert tick.ended_at is not None
    assert world.seen == [("20260329T023000", "started"), ("20260329T023000", "completed")]
    assert [row.state for row in world.catalog.ticks("daily")] == ["completed"]


def test_nothing_before_the_first_serving_is_due(world: World) -> None:
    world.pass_time(60, world.server())
    assert world.states() == []


def test_what_failed_says_why(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(61, loop, step=30)
    world.end("failed", code=1, error="KeyError: 'mood'\nmore", failed=1)
    world.pass_time(60, loop, step=30)
    world.children[-1].code = 2
    world.pass_time(60, loop, step=30)
    world.children[-1].code = -9
    loop.turn()
    assert [(tick.state, tick.reason) for tick in world.ticks()] == [
        ("failed", "KeyError: 'mood'"),
        ("failed", "it ended before its run began, with exit code 2: see its output"),
        ("crashed", "its process was ended by signal 9"),
    ]


def test_a_process_that_cannot_be_started_is_a_failed_tick(world: World) -> None:
    world.start_error = OSError("no memory")
    world.pass_time(61, world.server(OFTEN), step=30)
    (tick,) = world.ticks()
    assert (tick.state, tick.reason) == ("failed", "its process could not be started: OSError: no memory")


def test_a_tick_is_skipped_while_the_run_before_goes_on(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(125, loop, step=30)
    assert [state for _, state in world.states()] == ["started", "skipped"]
    assert world.ticks()[1].reason == "the run of 20260328T120100 still goes on"
    world.end()
    world.pass_time(60, loop, step=30)
    assert [state for _, state in world.states()] == ["completed", "skipped", "started"]


def test_runs_may_overlap_where_that_is_allowed(world: World) -> None:
    loop = world.server(Schedule("often", Interval(60), ("build", "x"), overlap="allow"))
    world.pass_time(125, loop, step=30)
    assert [state for _, state in world.states()] == ["started", "started"]


def test_a_paused_schedule_is_never_due(world: World) -> None:
    loop = world.server(Schedule("often", Interval(60), ("build", "x"), paused=True))
    world.pass_time(600, loop)
    assert world.states() == []
    assert world.catalog.schedules()[0].paused


# ── missed ticks and clocks ───────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_sleep_the_newest_missed_tick_runs_and_the_others_are_recorded(world: World) -> None:
    loop = world.server()
    loop.turn()
    world.clock.advance(3 * DAY)
    loop.turn()
    assert world.states() == [
        ("20260329T023000", "skipped"),
        ("20260330T023000", "skipped"),
        ("20260331T023000", "started"),
    ]
    assert world.ticks()[0].reason == "missed: a later one was due as well"


def test_a_missed_tick_outside_its_grace_is_skipped(world: World) -> None:
    weekly = Schedule("weekly", Cron("0 0 * * SUN"), ("build", "x"), grace_s=HOUR)
    loop = world.server(weekly)
    loop.turn()
    world.clock.advance(3 * DAY)
    loop.turn()
    (tick,) = world.ticks()
    assert (tick.state, tick.reason) == ("skipped", "missed: nothing served it for 2 d 12 h")


def test_nothing_is_caught_up_on_where_that_is_not_wanted(world: World) -> None:
    loop = world.server(Schedule("daily", DAILY.trigger, ("build", "x"), catchup="none"))
    loop.turn()
    world.clock.advance(2 * DAY)
    loop.turn()
    assert [state for _, state in world.states()] == ["skipped", "skipped"]
    world.pass_time(DAY, loop, step=60)
    assert [state for _, state in world.states()] == ["skipped", "skipped", "started"]


def test_a_restart_catches_up_on_what_was_due_while_nothing_served(world: World) -> None:
    world.pass_time(60, world.server())
    world.clock.advance(2 * DAY + TTL_S)
    world.pass_time(2 * TTL_S, world.server(name="b"), step=1)
    assert [state for _, state in world.states()] == ["skipped", "started"]


@pytest.mark.parametrize("years", [1, 12])
def test_a_clock_that_leaps_years_causes_no_burst(world: World, years: int) -> None:
    loop = world.server(OFTEN)
    loop.turn()
    world.clock.leap(years * 366 * DAY)
    loop.turn()
    assert len(world.children) == 1
    assert len(world.ticks()) == MAX_MISSED


def test_a_clock_that_is_put_back_makes_nothing_due_again(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(601, loop, step=30)
    n_before = len(world.ticks())
    world.clock.leap(-600)
    assert loop.turn() <= 60
    world.pass_time(600, loop, step=30)
    assert len(world.ticks()) == n_before
    world.end()
    world.pass_time(60, loop, step=30)
    assert len(world.ticks()) == n_before + 1
    assert len({child.tick.nominal for child in world.children}) == len(world.children)


def test_after_a_leap_that_is_taken_back_ticks_are_due_at_their_time(world: World) -> None:
    loop = world.server()
    loop.turn()
    world.clock.leap(365 * DAY)
    loop.turn()
    world.end()
    world.clock.leap(-365 * DAY)
    world.pass_time(DAY, loop)
    assert ("20260329T023000", "started") in world.states()


@pytest.mark.parametrize("restarts", [False, True])
def test_in_autumn_a_fixed_time_is_due_once_also_across_a_restart(world: World, restarts: bool) -> None:
    world.clock.advance((datetime(2026, 10, 24, 22, tzinfo=UTC) - START).total_seconds())
    loop = world.server()
    world.pass_time(2.75 * HOUR, loop, step=600)
    assert world.states() == [("20261025T023000", "started")]
    world.end()
    loop.turn()
    if restarts:
        world.clock.advance(TTL_S)
        loop = world.server(name="b")
    world.pass_time(3 * HOUR, loop, step=600)
    assert world.states() == [("20261025T023000", "completed")]


def test_a_changed_schedule_has_missed_nothing(world: World) -> None:
    world.pass_time(60, world.server())
    world.clock.advance(TTL_S + 5 * HOUR)
    edited = Schedule("daily", Cron("0 13 * * *"), ("build", "x"))
    loop = world.server(edited, name="b")
    world.pass_time(3 * TTL_S, loop, step=1)
    assert world.states() == []
    assert world.catalog.schedules()[0].cron == "0 13 * * *"
