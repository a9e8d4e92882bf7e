"""Servers of schedules, whatever happens to them and to the clock: no tick runs twice, and none is forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.schedule.definition import Schedule
from nacre.schedule.loop import Loop
from nacre.schedule.trigger import Cron, Due, Interval, missed
from nacre.store.lease import TTL_S
from nacre.store.memory import MemoryRecords
from nacre.store.paths import tick_path
from nacre.store.wrap import Call, Fault, FaultyRecords
from serving import DAY, HOUR, START, World

SCHEDULES = (
    Schedule("often", Interval(60), ("build", "a")),
    Schedule("quarterly", Cron("*/15 * * * *", "Europe/Berlin"), ("build", "b"), overlap="allow"),
    Schedule("nightly", Cron("30 2 * * *", "America/New_York"), ("build", "c"), catchup="none"),
)
MOVES = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1.0, 20.0, 61.0, HOUR])),
    st.tuples(st.just("leap"), st.sampled_from([-DAY, -HOUR, -1.0, 1.0, HOUR, DAY, 400 * DAY, -400 * DAY])),
    st.tuples(st.sampled_from(["pause", "wake", "kill", "end", "lose"]), st.integers(0, 2)),
)


class Fleet:
    """Three servers on one store, which may be paused, killed and started again, and lose answers of the store."""

    def __init__(self) -> None:
        self.index = MemoryIndex()
        self.world = World(MemoryRecords(self.index.apply), Catalog(self.index.read))
        self.n_started = 0
        self.faults: list[Fault] = []
        self.loops = [self.start() for _ in range(3)]
        self.paused: set[int] = set()

    def start(self) -> Loop:
        self.n_started += 1
        records = FaultyRecords(self.world.records, self.fault)
        return self.world.server(*SCHEDULES, name=f"server {self.n_started}", records=records)

    def fault(self, call: Call) -> Fault | None:
        return self.faults.pop() if self.faults and call.method != "get" else None

    def move(self, kind: str, value: float) -> None:
        number = int(value)
        if kind == "pass":
            awake = [loop for n, loop in enumerate(self.loops) if n not in self.paused]
            self.world.pass_time(value, *awake, step=max(1.0, value / 20))
        elif kind == "leap":
            self.world.clock.leap(value)
        elif kind == "pause":
            self.paused.add(number)
        elif kind == "wake":
            self.paused.discard(number)
        elif kind == "kill":
            self.loops[number] = self.start()
        elif kind == "lose":
            self.faults.append(Fault(TimeoutError("no answer"), after=number > 0))
        elif kind == "end":
            for child in self.world.children:
                child.code = 0


def forgotten(world: World, since: datetime) -> list[Due]:
    """What was due every minute since then, and has no tick."""
    often = SCHEDULES[0]
    dues = missed(often.trigger, since, world.clock.now(), 10)
    return [due for due in dues if world.records.get(tick_path(often.name, due.nominal)) is None]


@given(st.lists(MOVES, max_size=25))
@settings(max_examples=150)
def test_no_tick_runs_twice_and_none_is_forgotten(moves: list[tuple[str, float]]) -> None:
    fleet = Fleet()
    world = fleet.world
    fleet.move("pass", 1)
    for kind, value in moves:
        n_before = len(world.children)
        fleet.move(kind, value)
        # No burst: in an hour as many as are due, of each schedule; one more for what was missed before.
        assert len(world.children) - n_before <= 62 + 5 + 2
        fleet.move("end", 0)
    started = Counter((child.schedule, child.tick.nominal) for child in world.children)
    assert not [tick for tick, n in started.items() if n > 1]
    fleet.paused = {1, 2}
    fleet.faults.clear()
    world.pass_time(3 * TTL_S + 61, fleet.loops[0], step=1)
    settled = world.clock.now()
    assert forgotten(world, settled - timedelta(minutes=1)) == []
    if settled >= START:  # before it the schedule is newer than now, and has missed nothing
        world.clock.advance(60)
        fleet.move("kill", 0)
        world.pass_time(2 * TTL_S, fleet.loops[0], step=1)
        assert forgotten(world, settled) == []
    fleet.move("end", 0)
    fleet.loops[0].turn()
    assert [tick for tick in world.ticks() if tick.ended_at is None] == []
    fleet.index.close()
