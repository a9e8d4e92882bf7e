"""``nacre schedules``: what runs by itself, how it went last, and when it is due next."""

from __future__ import annotations

from datetime import datetime

import click

from nacre.catalog.history import TickRow
from nacre.cli.errors import FAILED
from nacre.cli.layout import fit, print_json, print_lines
from nacre.cli.options import env_option, json_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.views.schedules import ScheduleView, ahead, schedules
from nacre.views.session import Session
from nacre.views.words import SHORT, ago


@click.command("schedules")
@click.option(
    "--served", "must_be_served", is_flag=True, help="Fail where one is served by nobody; for health checks."
)
@env_option
@json_option
@click.pass_context
def command(ctx: click.Context, must_be_served: bool, as_json: bool) -> None:
    """List schedules with their last and next tick."""
    session = Session()
    found = schedules(session)
    if as_json:
        for view in found:
            print_json(_fields(view))
    elif found:
        print_lines(line for view in found for line in _lines(view, session.now))
    else:
        echo("No schedules.")
        echo('→ add to nacre.toml: [[schedules]]  name = "daily"  cron = "0 7 * * *"  build = ["*"]')
    is_served = all(view.is_served or view.is_paused for view in found)
    ctx.exit(FAILED if must_be_served and not is_served else 0)


def _lines(view: ScheduleView, now: datetime) -> list[str]:
    """Write up one schedule: what it is, when it is due next, how it went last."""
    lines = [f"{paint(view.name, 'strong')}  {view.trigger} · {view.target}", f"  next  {_next(view, now)}"]
    if view.last is not None:
        lines.append(f"  last  {_last(view.last, now)}")
    return [fit(line) for line in lines]


def _next(view: ScheduleView, now: datetime) -> str:
    if view.next_at is None:
        return "paused" if view.is_paused else "never"
    idle = "" if view.is_served else " · not served: nacre serve"
    return f"{view.shown(view.next_at)}, {ahead(view.next_at, now)}{idle}"


def _last(tick: TickRow, now: datetime) -> str:
    state = f"{tick.state} {ago(tick.ended_at or tick.started_at or tick.due_at, now)}"
    run = f"run {tick.run[:SHORT]}" if tick.run else ""
    return " · ".join(filter(None, (state, tick.reason, run)))


def _fields(view: ScheduleView) -> dict[str, object]:
    tick = view.last
    return {
        "schedule": view.name,
        "trigger": view.trigger,
        "target": view.target,
        "timezone": view.timezone,
        "next_at": view.next_at.isoformat() if view.next_at else None,
        "paused": view.is_paused,
        "served": view.is_served,
        "last": None
        if tick is None
        else {
            "nominal": tick.nominal,
            "due_at": tick.due_at,
            "state": tick.state,
            "reason": tick.reason,
            "run": tick.run or None,
            "started_at": tick.started_at,
            "ended_at": tick.ended_at,
        },
    }
