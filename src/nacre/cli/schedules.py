"""``nacre schedules``: what runs by itself, how it went last, and when it is due next."""

from __future__ import annotations

from datetime import datetime

import click

from nacre.cli.errors import FAILED
from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option
from nacre.cli.streams import echo
from nacre.views.schedules import ScheduleView, ahead, schedules
from nacre.views.session import Session
from nacre.views.words import SHORT, ago

HEADINGS = ("name", "when", "runs", "last", "next", "served")


@click.command("schedules")
@click.option(
    "--served", "must_be_served", is_flag=True, help="Fail where one is served by nobody; for health checks."
)
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
        _print(found, session.now)
    else:
        echo("No schedules.")
        echo('→ add to nacre.toml: [[schedules]]  name = "daily"  cron = "0 7 * * *"  build = ["*"]')
    is_served = all(view.is_served or view.is_paused for view in found)
    ctx.exit(FAILED if must_be_served and not is_served else 0)


def _print(found: list[ScheduleView], now: datetime) -> None:
    print_lines(table([_row(view, now) for view in found], HEADINGS))
    for view in found:
        if view.last is not None and view.last.state != "completed" and view.last.reason:
            echo(f"{view.name}: {view.last.reason}")


def _row(view: ScheduleView, now: datetime) -> list[str]:
    return [
        view.name,
        view.trigger,
        view.target,
        _last(view, now),
        _next(view, now),
        "yes" if view.is_served else "no",
    ]


def _last(view: ScheduleView, now: datetime) -> str:
    tick = view.last
    if tick is None:
        return ""
    text = f"{tick.state} {ago(tick.ended_at or tick.started_at or tick.due_at, now)}"
    return f"{text}, run {tick.run[:SHORT]}" if tick.run else text


def _next(view: ScheduleView, now: datetime) -> str:
    if view.next_at is None:
        return "paused" if view.is_paused else "never"
    return f"{view.shown(view.next_at)} ({ahead(view.next_at, now)})"


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
