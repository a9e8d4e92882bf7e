"""``nacre run``: runs a flow or an asset function of a file; progress goes to stderr, its result to stdout."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Coroutine
from typing import cast

import click

from nacre.cli.env import tell_environment
from nacre.cli.errors import FAILED, failure
from nacre.cli.layout import print_json, print_lines
from nacre.cli.options import json_option, modules_option
from nacre.cli.paint import paint
from nacre.cli.progress import StepLines
from nacre.cli.show import preview_lines
from nacre.cli.streams import echo
from nacre.declare.discover import assets_in, flows_in, load_module
from nacre.declare.flow import Flow
from nacre.declare.parameters import annotation, names
from nacre.declare.tags import tags
from nacre.declare.task import Task
from nacre.errors import InvalidOption, NacreError, UsageError
from nacre.execute.report import duration, summary
from nacre.frames import split
from nacre.values import preview
from nacre.views.session import Session
from nacre.views.words import SHORT, names_of

Runnable = Flow[..., object] | Task[..., object]
_MAX_LINES = 20


@click.command("run")
@click.argument("target", metavar="FILE:NAME")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--tag", "run_tags", multiple=True, metavar="TAG", help="Tag the run; several may be given.")
@modules_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    parameters: tuple[str, ...],
    run_tags: tuple[str, ...],
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run a flow or an asset function of a file; NAME may be left out where the file has one flow.

    A parameter that is annotated str is taken as it is, any other as JSON where it reads as such; KEY:=JSON always is.
    """
    file, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    if not file:
        raise UsageError(
            f"{target!r} names no file", {}, f"write it as FILE:NAME: nacre run pipeline.py:{name or 'NAME'}"
        )
    session = Session((*modules, file))
    tell_environment(session)
    module = load_module(file, os.getcwd())
    found = _find(vars(module), flows_in(module), file, name)
    given = _parameters(found, parameters)
    reporter = StepLines(err=True)
    reporter.names = names_of(asset.key for task in assets_in([module]) for asset in task.assets)
    clock = session.workspace.clock
    start = clock.monotonic()
    with session.running(lambda: reporter), tags(*run_tags):
        try:
            value = _finished(cast("Callable[..., object]", found)(**given))
        except Exception as error:
            if isinstance(error, InvalidOption) and not split(error).user:
                raise UsageError(error.what, error.facts, error.hint) from None
            if isinstance(error, NacreError) and not reporter.failed:
                raise
            _print_failure(error, reporter, full=bool(ctx.meta.get("nacre.full")))
            ctx.exit(FAILED)
    _print_result(value, reporter, clock.monotonic() - start, as_json=as_json)


def _print_result(value: object, reporter: StepLines, took_s: float, *, as_json: bool) -> None:
    if as_json:
        row = {"event": "run", "run": reporter.run, "counts": reporter.counts, "duration_s": took_s}
        print_json({**row, "remedies": list(reporter.remedies), "result": _plain(value)})
        return
    if value is not None:
        print_lines(preview_lines(preview(value, _MAX_LINES)))
    done = summary(reporter.counts).replace(", ", " · ") if reporter.counts else "1 flow run"
    echo(
        paint(f"Done in {duration(took_s)} · {done} · run {reporter.run[:SHORT]}", "strong", err=True),
        err=True,
    )
    for remedy in reporter.remedies:
        echo(f"→ {remedy}", err=True)


def _find(scope: dict[str, object], flows: dict[str, Flow[..., object]], file: str, name: str) -> Runnable:
    """Find what is to run by its variable or its flow's name.

    Raises:
        UsageError: There is none of that name; lists what there is.
    """
    known: dict[str, Runnable] = {key: each for key, each in scope.items() if isinstance(each, Flow | Task)}
    by_name: dict[str, Runnable] = {each.name: each for each in flows.values()}
    if not name and len(flows) == 1:
        return next(iter(flows.values()))
    found = known.get(name) or by_name.get(name)
    if found is not None:
        return found
    what = (
        f"{file} has no flow or asset function {name!r}"
        if name
        else f"{file} has {len(flows)} flows: say which"
    )
    close = difflib.get_close_matches(name, known, n=1) if name else list(flows or known)[:1]
    hint = (f"did you mean {close[0]!r}?" if name else f"nacre run {file}:{close[0]}") if close else ""
    raise UsageError(what, {"there is": ", ".join(known) or "none"}, hint)


def _parameters(found: Runnable, texts: tuple[str, ...]) -> dict[str, object]:
    """Read ``key=value`` and ``key:=JSON`` texts.

    Raises:
        UsageError: One is no such text, or names no parameter, or is no JSON where it must be.
    """
    known = names(found.fn)
    takes_any = bool(getattr(getattr(found.fn, "__code__", None), "co_flags", 0) & 0x08)
    given: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        is_json, name = name.endswith(":"), name.removesuffix(":")
        if not equals:
            raise UsageError(f"{text!r} is no parameter", hint="write it as name=value")
        if name not in known and not takes_any:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else ""
            raise UsageError(
                f"{found.name} has no parameter {name!r}", {"there is": ", ".join(known) or "none"}, hint
            )
        if is_json:
            given[name] = _json(text, value)
        else:
            given[name] = value if annotation(found.fn, name) is str else _value(value)
    return given


def _json(text: str, value: str) -> object:
    try:
        return json.loads(value)
    except ValueError as error:
        raise UsageError(f"{text!r} is no JSON", {"problem": error}, "write a text as name=value") from None


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _finished(value: object) -> object:
    """Wait for an asynchronous flow."""
    if not isinstance(value, Coroutine):
        return value
    import asyncio

    return asyncio.run(value)


def _print_failure(error: Exception, reporter: StepLines, *, full: bool) -> None:
    name = reporter.failed[0] if len(reporter.failed) == 1 else ""
    echo("\n" + failure(error, name, full=full), err=True)
    echo("\nStored data is safe: finished steps are kept; the next run goes on from there.", err=True)


def _plain(value: object) -> object:
    """Return what JSON can hold, else a few lines of text."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return "\n".join(preview_lines(preview(value, _MAX_LINES)))
    return value
