"""Ticks in the store: claimed by creating them, then started, then ended; each step by one conditional write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from nacre.catalog.history import Catalog
from nacre.execute.clock import Clock
from nacre.execute.report import summary
from nacre.schedule.definition import Schedule
from nacre.schedule.trigger import Cron, Due, Interval
from nacre.store.port import RecordStore, Stored, Token, Write
from nacre.store.records import Run, ScheduleRecord, Tick, decode, encode, run_path, schedule_path, tick_path


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
        holder: Names this process.
        clock: Time.
    """

    def __init__(self, records: RecordStore, catalog: Catalog, holder: str, clock: Clock) -> None:
        self._records = records
        self._catalog = catalog
        self.holder = holder
        self._clock = clock

    # ── schedules ─────────────────────────────────────────────────────────────────────────────────────────────────

    def enter(self, schedule: Schedule, lease: str) -> datetime:
        """Record what is served, where it is new or has changed.

        Returns:
            Since when it is as it is: nothing before counts as missed.
        """
        now = self._clock.now().replace(microsecond=0)
        path = schedule_path(schedule.name)
        while True:
            stored = self._records.get(path)
            known = decode(stored.data, ScheduleRecord, path) if stored else None
            record = _record(schedule, lease, known.created_at if known else now, now)
            if known is not None and record == msgspec.structs.replace(known, changed_at=now):
                return known.changed_at
            if stored is None:
                done = self._records.create(path, encode(record))
            else:
                done = self._records.replace(path, encode(record), stored.token)
            if done is not None:
                return now

    def settled_until(self, schedule: str) -> datetime | None:
        """Return the newest time of a schedule that has a tick."""
        rows = self._catalog.ticks(schedule, 1)
        return datetime.fromisoformat(rows[0].due_at) if rows else None

    # ── ticks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def claim(self, schedule: str, due: Due) -> Held | None:
        """Create the tick; None where it exists, so that another process has it or it was dealt with."""
        tick = self._tick(schedule, due, "claimed")
        path = tick_path(schedule, due.nominal)
        token = self._records.create(path, encode(tick))
        if token is not None:
            return Held(tick, token)
        # A creation whose answer was lost is found under our own name.
        return self._own(self._records.get(path))

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

    def end(self, held: Held, ending: Ending) -> Tick:
        """Record how a tick ended. Whoever saw it end is right, also where others had given it up as lost."""
        fields = {"state": ending.state, "reason": ending.reason, "ended_at": self._clock.now()}
        done = self.replace(held, **fields)
        if done is None:
            path = tick_path(held.tick.schedule, held.tick.nominal)
            stored = self._records.get(path)
            done = self.replace(Held(held.tick, stored.token), **fields) if stored else None
        return done.tick if done else msgspec.structs.replace(held.tick, **fields)

    def left_open(self, schedule: str) -> list[Held]:
        """Return the ticks of a schedule that did not end, as they are in the store now."""
        found = []
        for row in self._catalog.open_ticks(schedule):
            stored = self._records.get(row.path)
            tick = decode(stored.data, Tick, stored.path) if stored else None
            if stored is not None and tick is not None and tick.ended_at is None:
                found.append(Held(tick, stored.token))
        return found

    def run_ending(self, run: str) -> Ending | None:
        """Return how the run that a tick started has ended; None where it did not, or there is none."""
        stored = self._records.get(run_path(run)) if run else None
        if stored is None:
            return None
        record = decode(stored.data, Run, stored.path)
        if record.ended_at is None:
            return None
        failed = next((f"{step.step}: {step.error}" for step in record.steps if step.error), "")
        told = record.error or failed or (summary(record.counts) if record.counts else "")
        return Ending(record.state, told.partition("\n")[0])

    def _tick(self, schedule: str, due: Due, state: str, **fields: object) -> Tick:
        tick = Tick(schedule=schedule, nominal=due.nominal, due_at=due.at, state=state, holder=self.holder)
        return msgspec.structs.replace(tick, **fields)

    def _own(self, stored: Stored | None) -> Held | None:
        tick = decode(stored.data, Tick, stored.path) if stored else None
        if stored is None or tick is None or tick.holder != self.holder or tick.state != "claimed":
            return None
        return Held(tick, stored.token)


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
