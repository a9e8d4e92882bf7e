"""Ticks in the store: claimed by creating them, then started, then ended; each step by one conditional write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from nacre.catalog.history import Catalog
from nacre.execute.clock import Clock
from nacre.execute.report import summary
from nacre.schedule.definition import Schedule
from nacre.schedule.trigger import Cron, Due, Interval
from nacre.store.codec import decode, encode
from nacre.store.lease import Watch
from nacre.store.paths import run_path, schedule_path, tick_path
from nacre.store.port import RecordStore, Token, Write
from nacre.store.records import Run, ScheduleRecord, Tick


class Held(NamedTuple):
    """A tick that this process has, with the token of its record."""

    tick: Tick
    token: Token


class Ending(NamedTuple):
    """How what a tick started has ended: the tick's state, and what there is to say about it."""

    state: str
    reason: str = ""


class TickBook:
    """Reads and writes the records of schedules and ticks.

    Args:
        records: Where they lie.
        catalog: The index over them.
        clock: Time.
        holder: Names this process.
        lease: Path of the lease that it holds while it lives.
        look: Brings the index up to date with what other processes wrote, where it does not see that by itself.
    """

    def __init__(
        self,
        records: RecordStore,
        catalog: Catalog,
        clock: Clock,
        holder: str,
        lease: str,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        self._records = records
        self._catalog = catalog
        self._clock = clock
        self._watch = Watch(records, clock)
        self.holder = holder
        self.lease = lease
        self.look = look

    # ── schedules ─────────────────────────────────────────────────────────────────────────────────────────────────

    def enter(self, schedule: Schedule) -> datetime:
        """Record what is served, where it is new or has changed.

        Returns:
            Since when it is as it is: nothing before counts as missed.
        """
        now = self._clock.now().replace(microsecond=0)
        path = schedule_path(schedule.name)
        while True:
            stored = self._records.get(path)
            known = decode(stored.data, ScheduleRecord, path) if stored else None
            record = _record(schedule, self.lease, known.created_at if known else now, now)
            if known is not None and record == msgspec.structs.replace(known, changed_at=now):
                return known.changed_at
            if stored is None:
                done = self._records.create(path, encode(record))
            else:
                done = self._records.replace(path, encode(record), stored.token)
            if done is not None:
                return now

    def settled_until(self, schedule: str, now: datetime) -> datetime | None:
        """Return the newest time of a schedule that has a tick; one after now says nothing about what is due before."""
        rows = self._catalog.ticks(schedule, 1, msgspec.to_builtins(now.replace(microsecond=0)))
        return datetime.fromisoformat(rows[0].due_at) if rows else None

    # ── ticks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def claim(self, schedule: str, due: Due) -> Held | None:
        """Create the tick; None where another process has it, or it has ended. One of our own is given again."""
        tick = self._tick(schedule, due, "claimed")
        path = tick_path(schedule, due.nominal)
        token = self._records.create(path, encode(tick))
        if token is not None:
            return Held(tick, token)
        # A write whose answer was lost is found under our own name.
        held = self._open(path)
        return held if held is not None and held.tick.holder == self.holder else None

    def skip(self, schedule: str, dues: Sequence[Due], reason: str) -> list[Tick]:
        """Create ticks that start nothing, with the reason; returns those that did not exist."""
        now = self._clock.now()
        ticks = [self._tick(schedule, due, "skipped", reason=reason, ended_at=now) for due in dues]
        outcomes = self._records.batch([Write(tick_path(schedule, t.nominal), encode(t)) for t in ticks])
        return [tick for tick, token in zip(ticks, outcomes, strict=True) if token is not None]

    def replace(self, held: Held, **fields: object) -> Held | None:
        """Move a tick on; None where somebody else did meanwhile."""
        tick = msgspec.structs.replace(held.tick, **fields)
        path = tick_path(tick.schedule, tick.nominal)
        token = self._records.replace(path, encode(tick), held.token)
        return Held(tick, token) if token is not None else None

    def end(self, held: Held, ending: Ending, run: str = "") -> Tick:
        """Record how a tick ended. Whoever saw it end is right, also where others had given it up as lost.

        Args:
            held: The tick.
            ending: Its state, and what there is to say.
            run: The run it started; empty where none began.
        """
        fields = {"state": ending.state, "reason": ending.reason, "run": run, "ended_at": self._clock.now()}
        done = self.replace(held, **fields)
        if done is None:
            stored = self._records.get(tick_path(held.tick.schedule, held.tick.nominal))
            done = self.replace(Held(held.tick, stored.token), **fields) if stored else None
        return done.tick if done else msgspec.structs.replace(held.tick, **fields)

    def conclude(self, held: Held, otherwise: Ending) -> Tick:
        """End a tick as its run did.

        Args:
            held: The tick.
            otherwise: How it ended where its run has no end, or there is no run.
        """
        stored = self._records.get(run_path(held.tick.run))
        if stored is None:
            return self.end(held, otherwise)
        run = decode(stored.data, Run, stored.path)
        return self.end(held, _ending(run) if run.ended_at else otherwise, run.id)

    def left_open(self, schedule: str) -> list[Held]:
        """Return the ticks of a schedule that did not end, as they are in the store now."""
        paths = [row.path for row in self._catalog.open_ticks(schedule)]
        return [held for path in paths if (held := self._open(path)) is not None]

    def is_left(self, tick: Tick) -> bool:
        """Whether nobody takes care of an open tick any more; one of our own that we do not run is such."""
        return tick.holder == self.holder or self._watch.is_gone(tick.lease, tick.holder)

    def fresh(self, held: Held) -> Held | None:
        """Read a tick again; None once it has ended."""
        return self._open(tick_path(held.tick.schedule, held.tick.nominal))

    def _tick(self, schedule: str, due: Due, state: str, **fields: object) -> Tick:
        named = {"schedule": schedule, "nominal": due.nominal, "due_at": due.at, "state": state}
        return Tick(**named, holder=self.holder, lease=self.lease, **fields)  # type: ignore[arg-type]  # by name

    def _open(self, path: str) -> Held | None:
        stored = self._records.get(path)
        tick = decode(stored.data, Tick, path) if stored else None
        return Held(tick, stored.token) if stored and tick and tick.ended_at is None else None


def _ending(run: Run) -> Ending:
    failed = next((f"{step.step}: {step.error}" for step in run.steps if step.error), "")
    told = run.error or failed or (summary(run.counts) if run.counts else "")
    return Ending(run.state, told.partition("\n")[0])


def _record(schedule: Schedule, lease: str, created_at: datetime, changed_at: datetime) -> ScheduleRecord:
    trigger = schedule.trigger
    record = ScheduleRecord(
        name=schedule.name,
        command=schedule.command,
        created_at=created_at,
        changed_at=changed_at,
        timezone=trigger.timezone,
        paused=schedule.paused,
        lease=lease,
    )
    if isinstance(trigger, Interval):
        return msgspec.structs.replace(record, interval_s=trigger.seconds, anchor=trigger.anchor_date)
    assert isinstance(trigger, Cron)
    return msgspec.structs.replace(record, cron=trigger.expression)
