"""Shows what is served: the schedules with their next tick, then one line for each start and end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime

from nacre.execute.report import duration, print_line
from nacre.schedule.definition import Schedule
from nacre.schedule.trigger import shown
from nacre.store.records import Tick

GLYPHS = {
    "started": "❱",
    "completed": "✓",
    "failed": "✗",
    "crashed": "✗",
    "lost": "✗",
    "skipped": "-",
    "cancelled": "-",
}
_SHORT_ID = 12


class TickLines:
    """Prints one line for each tick that starts, ends or is skipped.

    Args:
        write: Prints a line; to standard error by default.
    """

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or (lambda line: print_line(line, sys.stderr))

    def begin(self, schedules: Sequence[Schedule], place: str, now: datetime) -> None:
        """Say what is served, and when it is due next."""
        n = len(schedules)
        self._write(f"Serving {n} schedule{'' if n == 1 else 's'} of {place}; Ctrl-C ends it.")
        size = max(len(schedule.name) for schedule in schedules)
        for schedule in schedules:
            due = None if schedule.paused else schedule.trigger.after(now)
            when = (
                f"next {shown(due.at, schedule.trigger.timezone)}"
                if due
                else "paused"
                if schedule.paused
                else "never"
            )
            self._write(f"  {schedule.name:<{size}}  {schedule.trigger.words()}  {schedule.target}  {when}")

    def on_tick(self, schedule: Schedule, tick: Tick) -> None:
        """Print the line of a tick."""
        text = f"{GLYPHS[tick.state]} {tick.schedule:<16} {tick.state:<9}  {_about(schedule, tick)}"
        self._write(text.rstrip())

    def on_duty(self, is_serving: bool) -> None:
        """Say when another process serves the same, and when this one goes on instead."""
        self._write("Goes on." if is_serving else "Another process serves them; this one stands by.")

    def on_problem(self, what: str) -> None:
        """Print what kept a turn from being done."""
        self._write(f"✗ {what}\n  → it is tried again; what is due meanwhile is caught up on")

    def end(self) -> None:
        """Say that it is over."""
        self._write("Stopped. What had started has ended, and is recorded.")


def _about(schedule: Schedule, tick: Tick) -> str:
    parts = (
        [f"due {shown(tick.due_at, schedule.trigger.timezone)}"]
        if tick.state in ("started", "skipped")
        else []
    )
    if tick.ended_at is not None and tick.started_at is not None:
        parts.append(f"in {duration((tick.ended_at - tick.started_at).total_seconds())}")
    parts += [tick.reason] if tick.reason else []
    parts += [f"run {tick.run[:_SHORT_ID]}"] if tick.run and tick.ended_at else []
    return " · ".join(parts)
