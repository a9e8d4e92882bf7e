"""Several servers of schedules on one store: killed, paused, with wrong clocks, or with a store that is away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.schedule.definition import Schedule
from nacre.schedule.loop import PATIENCE_S, Loop
from nacre.schedule.ticks import TickBook
from nacre.schedule.trigger import Interval
from nacre.store.lease import RENEW_S, TTL_S, Tenure
from nacre.store.paths import lease_path, tick_path
from nacre.store.wrap import Call, Fault, FaultyRecords
from nacre.testing import ManualClock
from serving import DAILY, DAY, OFTEN, START, World

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
        book = TickBook(world.records, world.catalog, world.clock, name, f"leases/{name}")
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
    assert world.duties == [False, True]


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


def test_an_index_that_lags_behind_is_brought_up_to_date_when_a_server_takes_over(world: World) -> None:
    """As that of a bucket does: what the process before claimed was not in it."""
    index = MemoryIndex()
    other = Catalog(index.read)
    tenure = Tenure(world.records, "often", "b", world.clock)
    book = TickBook(
        world.records,
        other,
        world.clock,
        "b",
        tenure.path,
        look=lambda: index.rebuild(world.records.scan("")),
    )
    second = Loop(
        [OFTEN], book, tenure, world.clock, world.start, world, lambda: f"run-{len(world.children)}"
    )
    world.pass_time(61, world.server(OFTEN), second, step=30)
    assert other.ticks("often") == []
    world.end(built=1)
    world.pass_time(2 * TTL_S, second, step=1)
    assert [tick.state for tick in world.ticks()] == ["completed"]
    index.close()


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


def test_what_a_server_of_other_schedules_runs_is_left_to_it(world: World) -> None:
    """As when one is replaced by another whose settings have one schedule more: each has a lease of its own."""
    before, after = world.server(OFTEN), world.server(OFTEN, DAILY, name="b")
    world.pass_time(61, before, step=30)
    world.pass_time(3 * TTL_S, before, after, step=1)
    assert [tick.state for tick in world.ticks()] == ["started"]
    world.pass_time(60, before, after, step=1)
    assert [tick.state for tick in world.ticks()] == ["started", "skipped"]
    world.end(built=1)
    world.pass_time(5, before, after, step=1)
    assert [tick.state for tick in world.ticks()] == ["completed", "skipped"]
    world.pass_time(60, after, step=1)
    assert world.children[-1].tick.holder == "b"


def test_what_a_server_of_other_schedules_left_is_lost_when_its_lease_has_run_out(world: World) -> None:
    world.pass_time(61, world.server(OFTEN), step=30)
    after = world.server(OFTEN, DAILY, name="b")
    world.pass_time(TTL_S - 1, after, step=1)
    assert [tick.state for tick in world.ticks()] == ["started"]
    world.pass_time(6, after, step=1)
    assert [tick.state for tick in world.ticks()] == ["lost"]


def test_a_tick_that_was_taken_over_is_left_to_its_new_holder(world: World) -> None:
    world.pass_time(5, world.server(OFTEN), step=1)
    book = TickBook(world.records, world.catalog, world.clock, "gone", "leases/gone")
    due = OFTEN.trigger.after(world.clock.now())
    assert due is not None
    assert book.claim("often", due) is not None
    world.clock.advance(60)
    second, third = world.server(OFTEN, name="b"), world.server(OFTEN, DAILY, name="c")
    world.pass_time(2 * TTL_S, second, step=1)
    world.pass_time(2 * TTL_S, second, third, step=1)
    assert [(tick.state, tick.holder) for tick in world.ticks()][:1] == [("started", "b")]


def test_ticks_of_a_leap_that_was_taken_back_hide_none_from_the_next_server(world: World) -> None:
    """As after a machine began with a clock that was a year ahead: its tick is the newest of all for a year."""
    first, second = world.server(OFTEN), world.server(OFTEN, name="b")
    world.pass_time(65, first, step=5)
    world.end()
    world.clock.leap(365 * DAY)
    world.pass_time(1, first, step=1)
    world.end()
    world.clock.leap(-365 * DAY)
    world.pass_time(49, first, step=1)
    world.clock.advance(20)  # the first was killed; the tick of 12:02 is due while nothing serves
    world.pass_time(TTL_S + 1, second, step=1)
    child = world.children[-1]
    assert (child.tick.nominal, child.tick.holder) == ("20260328T120200", "b")


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


def test_a_start_whose_answer_was_lost_starts_its_process_once(world: World) -> None:
    faults = [Fault(TimeoutError("no answer"), True)]

    def lose(call: Call) -> Fault | None:
        return (
            faults.pop()
            if faults and call.method == "replace" and call.paths[0].startswith("ticks/")
            else None
        )

    loop = world.server(OFTEN, records=FaultyRecords(world.records, lose))
    world.pass_time(65, loop, step=30)
    assert [child.tick.nominal for child in world.children] == ["20260328T120100"]
    (tick,) = world.ticks()
    assert (tick.state, tick.run) == ("started", world.children[0].tick.run)
    world.clock.leap(-30)
    world.pass_time(29, loop, step=1)
    assert len(world.children) == 1


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


def test_a_clock_that_is_put_back_while_the_store_is_away_keeps_no_tick_waiting(world: World) -> None:
    """The turn that could have seen the leap fails; the next one must see it as well, not wait for a day."""
    faults: list[Fault] = []

    def lose(call: Call) -> Fault | None:
        return faults.pop() if faults and call.method != "get" else None

    records = FaultyRecords(world.records, lose)
    loops = [world.server(OFTEN, name=name, records=records) for name in ("a", "b", "c")]
    for seconds in (1, 1, 1, 20):
        world.pass_time(seconds, *loops, step=1)
    faults += [Fault(TimeoutError("no answer"))] * 2
    world.pass_time(1, *loops, step=1)
    world.clock.leap(-DAY)
    world.pass_time(1, *loops, step=1)
    assert faults == []
    world.pass_time(60, loops[0], step=1)
    assert [child.tick.nominal for child in world.children] == ["20260327T120100"]


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


def test_asking_twice_to_stop_kills_at_once(world: World) -> None:
    loop = world.server(OFTEN)
    world.pass_time(61, loop, step=30)
    world.children[0].ends_on_interrupt = False
    loop.stop(world.clock.advance, is_hurried=lambda: True)
    assert world.children[0].signals == ["interrupt", "kill"]
    assert world.clock.monotonic() < 62


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
