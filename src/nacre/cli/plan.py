"""``nacre plan``: what a build would do and why. Runs nothing, reads no data."""

from __future__ import annotations

import click

from nacre.api import planned_steps
from nacre.cli.layout import fit, print_json
from nacre.cli.options import json_option, modules_option, refresh_option, reuse_sources_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.execute.result import StepResult
from nacre.planning.decide import Action
from nacre.views.session import Session
from nacre.views.words import count, names_of

GLYPHS = {"check": "~", "build": "+", "reuse": "=", "pending": "?"}
_COLOURS = {"check": "check", "build": "build", "reuse": "quiet", "pending": "pending"}
_MAX_REUSED = 200


@click.command("plan")
@click.argument("select", nargs=-1)
@modules_option
@refresh_option
@reuse_sources_option
@json_option
def command(
    select: tuple[str, ...], modules: tuple[str, ...], refresh: bool, reuse_sources: bool, as_json: bool
) -> None:
    """Say what a build would do and why, without running anything.

    SELECT as in nacre build. ~ check: a source runs to see whether the world changed; + build: it must run;
    = reuse: its result is known; ? pending: decided when its upstream has run.
    """
    session = Session(modules)
    steps = planned_steps(session.plan(select, refresh=refresh, reuse_sources=reuse_sources))
    if as_json:
        for step in steps:
            print_json(
                {"asset": step.asset, "action": step.action, "reason": step.reason, "version": step.version}
            )
        return
    echo(paint(_summary(steps), "strong"))
    names = names_of(step.asset for step in steps)
    longest = min(max(map(len, names.values()), default=0), 40)
    n_reused = 0
    for step in steps:
        n_reused += step.action == Action.REUSE
        if step.action != Action.REUSE or n_reused <= _MAX_REUSED:
            line = f"{GLYPHS[step.action]} {names[step.asset]:<{longest}}  {step.action:<7}  {step.reason}"
            echo(paint(fit(line), _COLOURS[step.action]))
    if n_reused > _MAX_REUSED:
        echo(f"= … and {n_reused - _MAX_REUSED:,} more reuse")


def _summary(steps: list[StepResult]) -> str:
    counts = {action: sum(step.action == action for step in steps) for action in GLYPHS}
    parts = [f"{counts[action]:,} to {action}" for action in ("check", "build") if counts[action]]
    if counts["pending"]:
        it = "it" if counts["check"] + counts["build"] == 1 else "them"
        depend = f"{counts['pending']:,} {'depends' if counts['pending'] == 1 else 'depend'} on {it}"
        parts = [*parts[:-1], f"{parts[-1]}, {depend}"] if parts else [depend]
    if counts["reuse"]:
        parts.append(f"{counts['reuse']:,} to reuse")
    return f"Plan  {count(len(steps), 'asset')} · {' · '.join(parts) or 'nothing to do'}"
