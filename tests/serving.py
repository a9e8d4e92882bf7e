"""A store, a time and servers of schedules on it, whose processes end when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nacre.catalog.history import Catalog
from nacre.schedule.definition import Schedule
from nacre.schedule.loop import Loop
from nacre.schedule.ticks import TickBook
from nacre.schedule.trigger import Cron, Interval
from nacre.store.codec import decode, encode
from nacre.store.lease import Tenure
from nacre.store.paths import run_path
from nacre.store.port import RecordStore
from nacre.store.records import Run, Tick
from nacre.testing import ManualClock

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR, DAY = 3_600.0, 86_400.0
DAILY = Schedule("daily", Cron("30 2 * * *", "Europe/Berlin"), ("build", "report"))
OFTEN = Schedule("often", Interval(60), ("build", "report"))


class WallClock(ManualClock):
    """A clock that can be put forward or back, as people and time servers do, while time passes as ever."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self._off = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self._off

    def leap(self, seconds: float) -> None:
        self._off += timedelta(seconds=seconds)


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
        self.clock = WallClock()
        self.children: list[Child] = []
        self.problems: list[str] = []
        self.duties: list[bool] = []
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
        tenure = Tenure(records, ", ".join(sorted(each.name for each in served)), name, clock)
        book = TickBook(records, self.catalog, clock, name, tenure.path)
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

    def on_duty(self, is_serving: bool) -> None:
        self.duties.append(is_serving)

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
