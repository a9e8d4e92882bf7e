"""``nacre build``: builds what is selected; one line per step, then what to change, then what to type next."""

from __future__ import annotations

from collections.abc import Iterable

import click

from nacre import context
from nacre.builds import Request, building
from nacre.cli.env import tell_environment
from nacre.cli.errors import FAILED, failure
from nacre.cli.layout import print_json, print_next
from nacre.cli.options import (
    json_option,
    modules_option,
    partition_options,
    refresh_option,
    reuse_sources_option,
)
from nacre.cli.paint import paint
from nacre.cli.progress import StepLines, StepObjects
from nacre.cli.streams import echo
from nacre.execute.active import ActiveRun
from nacre.execute.parts import listed
from nacre.execute.report import duration
from nacre.execute.result import RunResult, StepResult
from nacre.keys import key_of, partition_of
from nacre.planning.explain import unfollowed
from nacre.planning.reason import Cause
from nacre.views.session import Session
from nacre.views.words import SHORT, names_of

_ORDER = ("built", "checked", "reused", "skipped", "failed")


@click.command("build")
@click.argument("select", nargs=-1)
@modules_option
@refresh_option
@reuse_sources_option
@partition_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    select: tuple[str, ...],
    modules: tuple[str, ...],
    refresh: bool,
    reuse_sources: bool,
    partitions: tuple[str, ...],
    missing: bool,
    as_json: bool,
) -> None:
    """Build assets and what they need, in order; run only what must run.

    SELECT is a key, a name, +a (and its upstream), a+ (and its downstream), tag:x or a glob such as "demo://*".
    Nothing selected means everything.
    """
    session = Session(modules)
    tell_environment(session)
    mode = "selected" if refresh else ""
    chosen = select or ("*",)
    request = Request(chosen, modules, mode, reuse_sources, partitions, missing, releases=True)
    reporter = StepObjects() if as_json else StepLines()
    with session.running(lambda: reporter):
        with building(session.project, request, reporter) as execution:
            if isinstance(reporter, StepLines):
                reporter.names = names_of(_known_assets())
            execution.execute()
        result = execution.result()
    if isinstance(reporter, StepObjects):
        reporter.print_rest(result.steps)
        _print_run(result)
    else:
        _print_result(result, reporter.names, modules, full=bool(ctx.meta.get("nacre.full")))
    ctx.exit(0 if result.ok else FAILED)


def _known_assets() -> list[str]:
    """List the assets that the run which is going on may make, and those that are stored."""
    run = context.current_run.get()
    if not isinstance(run, ActiveRun):
        return []
    declared = (asset.key for task in run.shared.producers.values() for asset in task.assets)
    return [*declared, *map(key_of, run.facts.heads)]


def _print_run(result: RunResult) -> None:
    print_json(
        {
            "event": "run",
            "run": result.id,
            "state": "completed" if result.ok else "failed",
            "counts": result.counts,
            "duration_s": result.duration_s,
            "remedies": list(result.remedies),
            "warnings": list(result.warnings),
        }
    )


def _print_result(result: RunResult, names: dict[str, str], modules: tuple[str, ...], *, full: bool) -> None:
    counts = result.counts
    done = " · ".join(f"{counts[kind]:,} {kind}" for kind in _ORDER if counts.get(kind)) or "nothing to do"
    verb = "Done" if result.ok else "Failed"
    line = f"{verb} in {duration(result.duration_s)} · {done} · run {result.id[:SHORT]}"
    echo(paint(line, "strong" if result.ok else "failed"))
    if not result.ok:
        _print_failures(result, names, full=full)
        return
    doubtful = [names.get(step.asset, step.name) for step in result.steps if step.warnings]
    if said := unfollowed(list(dict.fromkeys(doubtful))):
        echo(paint(f"! {said}", "doubt"))
    for remedy in result.remedies:
        echo(f"→ {remedy}")
    last = result.steps[-1] if result.steps else None
    if last is not None:
        where = "".join(f" -m {module}" for module in modules)
        print_next([(f"nacre show {names[last.asset]}{where}", "its value, and where it came from")])


def _print_failures(result: RunResult, names: dict[str, str], *, full: bool) -> None:
    for made, error in result.errors.items():
        skipped = [step.slot for step in result.steps if _is_skipped_by(step, made)]
        text = failure(error, _name(names, made), _by_asset(names, skipped), full=full)
        echo(f"\n{text}", err=True)
    counts = result.counts
    n_kept = sum(counts.get(kind, 0) for kind in ("built", "checked", "reused"))
    kept = (
        f"{n_kept:,} finished {'asset is' if n_kept == 1 else 'assets are'} kept"
        if n_kept
        else "nothing was changed"
    )
    echo(f"\nStored data is safe: {kept}; the next build goes on from there.", err=True)


def _name(names: dict[str, str], made: str) -> str:
    name = names.get(key_of(made), key_of(made))
    return f"{name}[{partition_of(made)}]" if partition_of(made) else name


def _by_asset(names: dict[str, str], made: Iterable[str]) -> list[str]:
    """Name assets, each once: with its partitions, where it has some."""
    found: dict[str, list[str]] = {}
    for each in made:
        found.setdefault(key_of(each), []).append(partition_of(each))
    return [
        f"{names.get(key, key)}[{listed(sorted(parts))}]" if parts[0] else names.get(key, key)
        for key, parts in found.items()
    ]


def _is_skipped_by(step: StepResult, made: str) -> bool:
    return (
        step.action == "skipped" and step.cause.cause is Cause.UPSTREAM_FAILED and step.cause.subject == made
    )
