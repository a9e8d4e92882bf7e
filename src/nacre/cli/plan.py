"""``nacre plan``: what a build would do and why. Runs nothing, reads no data."""

from __future__ import annotations

import click

from nacre.builds import Request, make_plan, planned_steps
from nacre.cli.layout import fit, print_json
from nacre.cli.options import (
    json_option,
    modules_option,
    partition_options,
    refresh_option,
    reuse_sources_option,
)
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.execute.parts import general, listed
from nacre.execute.result import StepResult
from nacre.planning.decide import Action
from nacre.planning.explain import sentence
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
@partition_options
@json_option
def command(
    select: tuple[str, ...],
    modules: tuple[str, ...],
    refresh: bool,
    reuse_sources: bool,
    partitions: tuple[str, ...],
    missing: bool,
    as_json: bool,
) -> None:
    """Say what a build would do and why, without running anything.

    SELECT as in nacre build. ~ check: a source runs to see whether the world changed; + build: it must run;
    = reuse: its result is known; ? pending: decided when its upstream has run.
    """
    session = Session(modules)
    mode = "selected" if refresh else ""
    request = Request(tuple(select) or ("*",), modules, mode, reuse_sources, partitions, missing)
    steps = planned_steps(make_plan(session.project, request))
    if as_json:
        for step in steps:
            print_json(_fields(step))
        return
    echo(paint(_summary(steps), "strong"))
    names = names_of(step.asset for step in steps)
    rows = [_row(names, group) for group in _alike(steps)]
    longest = min(max((len(name) for _, name, _ in rows), default=0), 40)
    n_reused = 0
    for action, name, reason in rows:
        n_reused += action == Action.REUSE
        if action != Action.REUSE or n_reused <= _MAX_REUSED:
            line = f"{GLYPHS[action]} {name:<{longest}}  {action:<7}  {reason}"
            echo(paint(fit(line), _COLOURS[action]))
    if n_reused > _MAX_REUSED:
        echo(f"= … and {n_reused - _MAX_REUSED:,} more reuse")


def _fields(step: StepResult) -> dict[str, object]:
    partition = {"partition": step.partition} if step.partition else {}
    return {
        "asset": step.asset,
        **partition,
        "action": step.action,
        "reason": step.reason,
        "version": step.version,
    }


def _alike(steps: list[StepResult]) -> list[list[StepResult]]:
    """Put the partitions of an asset together that are planned alike."""
    found: dict[tuple[str, str, str], list[StepResult]] = {}
    for step in steps:
        reason = sentence(general(step.cause, step.partition))
        found.setdefault((step.asset, step.action, reason if step.partition else ""), []).append(step)
    return list(found.values())


def _row(names: dict[str, str], group: list[StepResult]) -> tuple[str, str, str]:
    first, name = group[0], names[group[0].asset]
    if len(group) == 1:
        return first.action, f"{name}[{first.partition}]" if first.partition else name, first.reason
    partitions = listed([step.partition for step in group])
    reason = sentence(general(first.cause, first.partition))
    return first.action, f"{name} ×{len(group)}", f"{reason} · {partitions}"


def _summary(steps: list[StepResult]) -> str:
    counts = {action: sum(step.action == action for step in steps) for action in GLYPHS}
    parts = [f"{counts[action]:,} to {action}" for action in ("check", "build") if counts[action]]
    if counts["pending"]:
        it = "it" if counts["check"] + counts["build"] == 1 else "them"
        depend = f"{counts['pending']:,} {'depends' if counts['pending'] == 1 else 'depend'} on {it}"
        parts = [*parts[:-1], f"{parts[-1]}, {depend}"] if parts else [depend]
    if counts["reuse"]:
        parts.append(f"{counts['reuse']:,} to reuse")
    n_assets = len({step.asset for step in steps})
    n_slices = sum(bool(step.partition) for step in steps)
    what = count(n_assets, "asset") + (f", {count(n_slices, 'partition')}" if n_slices else "")
    return f"Plan  {what} · {' · '.join(parts) or 'nothing to do'}"
