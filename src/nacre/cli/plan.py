"""``nacre plan``: what a build would do and why. Runs nothing, reads no data."""

from __future__ import annotations

from dataclasses import replace

import click

from nacre.builds import Request, expected, make_plan, planned_steps
from nacre.cli.env import tell_environment
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
from nacre.planning.forecast import Total, total
from nacre.views.session import Session
from nacre.views.standing import ACTION_GLYPHS
from nacre.views.words import count, names_of, rough, size

_COLOURS = {"check": "check", "build": "build", "reuse": "quiet", "pending": "pending"}
_MAX_REUSED = 200
_MAX_ALSO = 4


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
    tell_environment(session)
    mode = "selected" if refresh else ""
    chosen = tuple(select) or ("*",)
    request = Request(chosen, modules, mode, reuse_sources, partitions, missing, releases=True)
    made = make_plan(session.project, request)
    found = expected(session.project, made)
    steps = planned_steps(made, found)
    if as_json:
        for step in steps:
            print_json(_fields(step))
        return
    echo(paint(_summary(steps, total(made, found)), "strong"))
    names = names_of(step.asset for step in steps)
    groups = _alike(steps)
    rows = [_row(names, group) for group in groups]
    longest = min(max((len(name) for _, name, _ in rows), default=0), 40)
    n_reused = 0
    for (action, name, reason), group in zip(rows, groups, strict=True):
        n_reused += action == Action.REUSE
        if action != Action.REUSE or n_reused <= _MAX_REUSED:
            line = f"{ACTION_GLYPHS[action]} {name:<{longest}}  {action:<7}  {reason}"
            echo(paint(fit(line), _COLOURS[action]))
            for kind, text in _below(group[0]):
                echo(paint(fit(f"{'':<{longest + 4}}{text}"), kind))
    if n_reused > _MAX_REUSED:
        echo(f"= … and {n_reused - _MAX_REUSED:,} more reuse")


def _below(step: StepResult) -> list[tuple[str, str]]:
    """Say below a step what its line has no room for: its other causes, and what could not be followed."""
    also = [("quiet", f"also: {sentence(each)}") for each in step.further[:_MAX_ALSO]]
    if len(step.further) > _MAX_ALSO:
        also.append(("quiet", f"and {len(step.further) - _MAX_ALSO:,} more: nacre why {step.name}"))
    return also + [("doubt", f"! {text}") for text in step.warnings]


def _fields(step: StepResult) -> dict[str, object]:
    partition = {"partition": step.partition} if step.partition else {}
    return {
        "asset": step.asset,
        **partition,
        "action": step.action,
        "reason": step.reason,
        "causes": [
            {"cause": each.cause.value, "subject": each.subject, "text": sentence(replace(each, also=0))}
            for each in step.causes
        ],
        "version": step.version,
        "warnings": list(step.warnings),
        "forecast_s": step.forecast_s,
        "forecast_bytes": step.forecast_bytes,
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


def _forecast(taken: Total) -> str:
    """Say what the steps that may run will take, and of how many that is not known."""
    if not taken.n_known and not taken.n_unknown:
        return ""
    not_made = f" ({taken.n_unknown:,} not made yet)" if taken.n_unknown else ""
    if not taken.n_known:
        return f" · time not known{not_made}"
    about = "up to" if taken.is_limit else "about"
    seconds = rough(taken.seconds)
    about = "" if seconds.startswith("under") else f"{about} "
    return f" · {about}{seconds}, {size(taken.n_bytes)}{not_made}"


def _summary(steps: list[StepResult], taken: Total) -> str:
    counts = {action: sum(step.action == action for step in steps) for action in ACTION_GLYPHS}
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
    return f"Plan  {what} · {' · '.join(parts) or 'nothing to do'}{_forecast(taken)}"
