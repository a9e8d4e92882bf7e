"""The loop that starts ticks: with a clock that the test moves, processes that it ends, and real stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex, apply, prepare
from nacre.schedule.definition import Schedule
from nacre.schedule.lease import RENEW_S, TTL_S, Tenure
from nacre.schedule.loop import MAX_MISSED, PATIENCE_S, Loop
from nacre.schedule.ticks import TickBook
from nacre.schedule.trigger import Cron, Interval
from nacre.store.embedded import SqliteRecords
from nacre.store.memory import MemoryRecords
from nacre.store.port import RecordStore
from nacre.store.records import Run, Tick, decode, encode, lease_path, run_path, tick_path
from nacre.store.wrap import Call, Fault, FaultyRecords
from nacre.testing import ManualClock

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR, DAY = 3_600.0, 86_400.0
DAILY = Schedule("daily", Cron("30 2 * * *", "Europe/Berlin"), ("build", "report"))
OFTEN = Schedule("often", Interval(60), ("build", "report"))


@dataclass
class Child:
    """A process that ends when the test says so."""

    schedule: str
    tick: Tick
    code: int | None = None
    ends_on_interrupt: bool = True
    signals: list[str] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.code

    def interrupt(self) -> None:
        self.signals.append("interrupt")
        if self.ends_on_interrupt:
            self.code = -2

    def kill(self) -> None:
        self.signals.append("kill")
        self.code = -9


class World:
    """One store and one time, and any number of servers on it, each with a clock that may be off."""

    def __init__(self, records: RecordStore, catalog: Catalog) -> None:
        self.records, self.catalog = records, catalog
        self.clock = ManualClock(START)
        self.children: list[Child] = []
        self.problems: list[str] = []
        self.seen: list[tuple[str, str]] = []
        self.start_error: OSError | None = None

    def server(
        self,
        *schedules: Schedule,
        name: str = "a",
        clock: ManualClock | None = None,
        records: RecordStore | None = None,
        start: Callable[[Schedule, Tick], Child] | None = None,
    ) -> Loop:
        clock, records = clock or self.clock, records or self.records
        served = schedules or (DAILY,)
        book = TickBook(records, self.catalog, name, clock)
        tenure = Tenure(records, ", ".join(sorted(each.name for each in served)), name, clock)
        return Loop(
            served, book, tenure, clock, start or self.start, self, lambda: f"run-{len(self.children)}"
        )

    def start(self, schedule: Schedule, tick: Tick) -> Child:
        if self.start_error:
            raise self.start_error
        child = Child(schedule.name, tick)
        self.children.append(child)
        return child

    def on_tick(self, schedule: Schedule, tick: Tick) -> None:
        self.seen.append((tick.nominal, tick.state))

    def on_problem(self, what: str) -> None:
        self.problems.append(what)

    def pass_time(self, seconds: float, *loops: Loop, step: float = HOUR / 2) -> None:
        """Let time pass, with a turn of each server at every step and at the end."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            for loop in loops:
                loop.turn()
            self.clock.advance(min(step, end - self.clock.monotonic()))
        for loop in loops:
            loop.turn()

    def ticks(self) -> list[Tick]:
        return sorted(
            (decode(stored.data, Tick, stored.path) for stored in self.records.scan("ticks/")),
            key=lambda t: t.due_at,
        )

    def states(self) -> list[tuple[str, str]]:
        return [(tick.nominal, tick.state) for tick in self.ticks()]

    def end(self, state: str = "completed", code: int = 0, error: str = "", **counts: int) -> None:
        """Let the newest child end, with the record of its run."""
        child = self.children[-1]
        now = self.clock.now()
        run = Run(
            id=child.tick.run,
            name="report",
            kind="build",
            state=state,
            started_at=now,
            ended_at=now,
            error=error,
            counts=counts,
        )
        self.records.create(run_path(run.id), encode(run))
        child.code = code


@pytest.fixture(params=["memory", "embedded"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        index = MemoryIndex()
        yield World(MemoryRecords(index.apply), Catalog(index.read))
        index.close()
        return
    records = SqliteRecords(tmp_path / "records.sqlite", apply, prepare=prepare)
    yield World(records, Catalog(records.read))
    records.close()


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
    world.clock.advance(years * 366 * DAY)
    loop.turn()
    assert len(world.children) == 1
    assert len(world.ticks()) == MAX_MISSED


def test_a_clock_that_is_put_back_makes_nothing_due_again(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(601, loop, step=30)
    n_before = len(world.ticks())
    world.clock.advance(-600)
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
    world.clock.advance(365 * DAY)
    loop.turn()
    world.end()
    world.clock.advance(-365 * DAY)
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


# ── several servers ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [2, 5])
def test_several_servers_run_each_tick_once(world: World, n: int) -> None:
    loops = [world.server(OFTEN, name=str(number)) for number in range(n)]

    def turn_all() -> None:
        for loop in loops:
            loop.turn()
        for child in world.children:
            child.code = 0

    for _ in range(201):
        turn_all()
        world.clock.advance(3)
    nominals = [child.tick.nominal for child in world.children]
    assert len(nominals) == len(set(nominals)) == 10


def test_servers_that_all_believe_in_their_lease_still_run_each_tick_once(world: World) -> None:
    """What a lease could do worst: the records of the ticks decide."""
    loops = []
    for name in ("a", "b", "c"):
        book = TickBook(world.records, world.catalog, name, world.clock)
        tenure = Tenure(world.records, f"lease of {name} alone", name, world.clock)
        loops.append(
            Loop([OFTEN], book, tenure, world.clock, world.start, world, lambda: f"run-{len(world.children)}")
        )
    world.pass_time(301, *loops, step=30)
    nominals = [child.tick.nominal for child in world.children]
    assert len(nominals) == len(set(nominals))
    assert world.problems == []


def test_another_server_takes_over_within_fifteen_seconds(world: World) -> None:
    first, second = world.server(OFTEN), world.server(OFTEN, name="b")
    world.pass_time(30, first, second, step=1)
    world.clock.advance(29)  # the first was killed; the second goes on alone
    world.pass_time(15, second, step=1)
    assert [(child.tick.nominal, child.tick.holder) for child in world.children] == [("20260328T120100", "b")]


def test_a_lease_that_was_given_back_is_taken_at_once(world: World) -> None:
    first, second = world.server(OFTEN), world.server(OFTEN, name="b")
    first.turn()
    second.turn()
    first.stop(world.clock.advance)
    second.turn()
    world.clock.advance(60)
    second.turn()
    assert [child.tick.holder for child in world.children] == ["b"]


def test_a_clock_that_is_off_by_a_day_takes_no_lease_away(world: World) -> None:
    first = world.server(OFTEN)
    ahead = ManualClock(START + timedelta(days=1))
    second = world.server(OFTEN, name="b", clock=ahead)
    for _ in range(21):
        first.turn()
        second.turn()
        world.clock.advance(RENEW_S)
        ahead.advance(RENEW_S)
    stored = world.records.get(lease_path("often"))
    assert stored is not None
    assert b'"holder":"a"' in stored.data
    assert {child.tick.holder for child in world.children} == {"a"}


def test_a_paused_server_that_wakes_up_lets_the_other_go_on(world: World) -> None:
    first, second = world.server(OFTEN), world.server(OFTEN, name="b")
    world.pass_time(10, first, second, step=1)
    world.pass_time(120, second, step=1)
    world.pass_time(120, first, second, step=1)
    nominals = [child.tick.nominal for child in world.children]
    assert len(nominals) == len(set(nominals))
    assert {child.tick.holder for child in world.children} == {"b"}


def test_a_tick_that_was_claimed_and_not_started_is_started_once_by_the_next(world: World) -> None:
    """Killed between the record of the tick and the start of its process."""

    class Killed(BaseException):
        pass

    def die(call: Call) -> Fault | None:
        return Fault(Killed()) if call.method == "replace" and call.paths[0].startswith("ticks/") else None

    first = world.server(OFTEN, records=FaultyRecords(world.records, die))
    with pytest.raises(Killed):
        world.pass_time(61, first, step=30)
    assert world.states() == [("20260328T120100", "claimed")]
    second, third = world.server(OFTEN, name="b"), world.server(OFTEN, name="c")
    world.pass_time(2 * TTL_S, second, third, step=1)
    assert [(child.tick.nominal, child.tick.holder) for child in world.children] == [("20260328T120100", "b")]


def test_a_tick_whose_server_is_gone_takes_the_end_of_its_run(world: World) -> None:
    first = world.server(OFTEN)
    world.pass_time(61, first, step=30)
    world.end(built=3)
    world.pass_time(2 * TTL_S, world.server(OFTEN, name="b"), step=1)
    assert [(tick.state, tick.reason) for tick in world.ticks()] == [("completed", "3 built")]


def test_a_tick_whose_server_and_run_are_gone_is_lost_until_somebody_saw_its_end(world: World) -> None:
    first = world.server(OFTEN)
    world.pass_time(61, first, step=30)
    world.pass_time(2 * TTL_S, world.server(OFTEN, name="b"), step=1)
    assert [tick.state for tick in world.ticks()] == ["lost"]
    world.end(built=1)
    first.turn()
    assert [tick.state for tick in world.ticks()] == ["completed"]
    assert [row.state for row in world.catalog.ticks("often")] == ["completed"]


# ── a store that does not answer, and the end ─────────────────────────────────────────────────────────────────────────


def test_a_claim_whose_answer_was_lost_starts_its_tick_once(world: World) -> None:
    faults = [Fault(TimeoutError("no answer"), True)]

    def lose(call: Call) -> Fault | None:
        return (
            faults.pop()
            if faults and call.method == "create" and call.paths[0].startswith("ticks/")
            else None
        )

    loop = world.server(OFTEN, records=FaultyRecords(world.records, lose))
    world.pass_time(65, loop, step=30)
    assert [child.tick.nominal for child in world.children] == ["20260328T120100"]
    assert len(world.problems) == 1
    assert "no answer" in world.problems[0]


def test_a_store_that_is_away_for_a_while_is_caught_up_with(world: World) -> None:
    is_away = False

    def away(call: Call) -> Fault | None:
        return Fault(TimeoutError("no answer")) if is_away else None

    loop = world.server(OFTEN, records=FaultyRecords(world.records, away))
    loop.turn()
    is_away = True
    world.pass_time(200, loop, step=5)
    assert world.children == []
    assert len(world.problems) == 1
    is_away = False
    world.pass_time(5, loop, step=1)
    assert [state for _, state in world.states()] == ["skipped", "skipped", "started"]


def test_one_schedule_that_cannot_be_started_keeps_no_other_waiting(world: World) -> None:
    def refuse(call: Call) -> Fault | None:
        bad = call.method == "create" and call.paths[0].startswith("ticks/bad-")
        return Fault(TimeoutError("no answer")) if bad else None

    bad = Schedule("bad", Interval(60), ("build", "x"))
    loop = world.server(bad, OFTEN, records=FaultyRecords(world.records, refuse))
    world.pass_time(65, loop, step=5)
    assert [child.schedule for child in world.children] == ["often"]


def test_stopping_waits_for_what_runs_and_records_that_it_was_cancelled(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(61, loop, step=30)
    loop.stop(world.clock.advance)
    assert world.children[0].signals == ["interrupt"]
    (tick,) = world.ticks()
    assert (tick.state, tick.reason) == ("cancelled", "serving ended before it did")


def test_stopping_kills_what_does_not_end_in_time(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(61, loop, step=30)
    world.children[0].ends_on_interrupt = False
    before = world.clock.monotonic()
    loop.stop(world.clock.advance)
    assert world.children[0].signals[:2] == ["interrupt", "kill"]
    assert world.clock.monotonic() - before < PATIENCE_S + 2
    assert world.ticks()[0].state == "cancelled"


def test_ticks_lie_where_the_format_says(world: World) -> None:
    world.pass_time(61, world.server(OFTEN), step=30)
    assert world.records.get(tick_path("often", "20260328T120100")) is not None
