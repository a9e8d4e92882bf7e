"""Schedules as plain values: what is due when, how the last tick went, and whether anybody serves them.

Read from settings and catalog; no user code is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nacre.catalog.history import ScheduleRow, TickRow
from nacre.execute.workspace import Workspace
from nacre.schedule.definition import Schedule
from nacre.schedule.trigger import Cron, Interval, Trigger, shown
from nacre.store.codec import readable
from nacre.store.lease import TTL_S
from nacre.store.records import DEFAULT_ENV, Lease
from nacre.views.session import Session
from nacre.views.words import ago, count

#: For showing only, clocks of other machines are believed as far as this.
_FRESH = timedelta(seconds=3 * TTL_S)


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """One schedule as a person sees it.

    Args:
        name: Its name.
        trigger: When it is due, in words: ``at 07:00 every day (UTC)``.
        target: What it runs, as a person would type it after ``nacre``.
        timezone: Zone its times are shown in.
        next_at: When it is due next; None where it is paused, or has no next time.
        last: Its newest tick; None before the first.
        is_paused: True is never due.
        is_served: Whether a process serves it now.
    """

    name: str
    trigger: str
    target: str
    timezone: str
    next_at: datetime | None
    last: TickRow | None
    is_paused: bool
    is_served: bool

    def shown(self, at: datetime) -> str:
        """Show a time in the schedule's zone: ``2026-03-30 07:00 CEST``."""
        return shown(at, self.timezone)


def schedules(session: Session) -> list[ScheduleView]:
    """List the schedules of the settings, as they are there; then those that scripts serve or served, by name."""
    workspace, now = session.project.workspace(creates=False, schedules=True), session.now
    recorded = {row.name: row for row in workspace.catalog.schedules()}
    declared = session.project.settings.schedules
    if workspace.env_name != DEFAULT_ENV:
        declared = tuple(each.in_environment(workspace.env_name) for each in declared)
    listed = [_of_settings(workspace, each, recorded.get(each.name), now) for each in declared]
    known = {view.name for view in listed}
    others = [_recorded(workspace, row, now) for name, row in recorded.items() if name not in known]
    # What a table of the settings was and is no longer, nobody will serve again.
    return listed + [view for view in others if view.is_served or view.target.startswith("run ")]


def summary(found: Sequence[ScheduleView], now: datetime) -> str:
    """Say in one line what is due next, and whether anybody serves it."""
    coming = sorted((view.next_at, view.name) for view in found if view.next_at is not None)
    next_up = f"; next {coming[0][1]} {ahead(coming[0][0], now)}" if coming else ""
    n_idle = sum(not view.is_served for view in found if not view.is_paused)
    served = (
        ""
        if not n_idle
        else "; not served: nacre serve"
        if n_idle == len(found)
        else f"; {n_idle} not served"
    )
    return f"{count(len(found), 'schedule')}{next_up}{served}."


def ahead(at: datetime, now: datetime) -> str:
    """Say in how long something is: ``in 2 h``."""
    return (
        "now"
        if at <= now
        else f"in {ago(now, at).removesuffix(' ago')}".replace("in just now", "in a moment")
    )


def _of_settings(
    workspace: Workspace, schedule: Schedule, row: ScheduleRow | None, now: datetime
) -> ScheduleView:
    return _view(workspace, schedule.name, schedule.trigger, schedule.target, schedule.paused, row, now)


def _recorded(workspace: Workspace, row: ScheduleRow, now: datetime) -> ScheduleView:
    schedule = Schedule(row.name, _trigger(row), row.command)
    return _view(workspace, row.name, schedule.trigger, schedule.target, row.paused, row, now)


def _view(
    workspace: Workspace,
    name: str,
    trigger: Trigger,
    target: str,
    is_paused: bool,
    row: ScheduleRow | None,
    now: datetime,
) -> ScheduleView:
    due = None if is_paused else trigger.after(now)
    last = next(iter(workspace.catalog.ticks(name, 1)), None)
    is_served = row is not None and _is_held(workspace, row.lease, now)
    return ScheduleView(
        name, trigger.words(), target, trigger.timezone, due.at if due else None, last, is_paused, is_served
    )


def _trigger(row: ScheduleRow) -> Trigger:
    if row.cron:
        return Cron(row.cron, row.timezone)
    anchor = datetime.fromisoformat(row.anchor or row.created_at)
    return Interval(row.interval_s, anchor, row.timezone)


def _is_held(workspace: Workspace, lease: str, now: datetime) -> bool:
    stored = workspace.records.get(lease)
    if stored is None:
        return False
    record = readable(stored, Lease)
    return record is not None and bool(record.holder) and abs(now - record.renewed_at) < _FRESH
