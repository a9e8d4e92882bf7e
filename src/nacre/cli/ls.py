"""``nacre ls``: the assets of a project, one a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase

import click

from nacre.cli.env import tell_environment
from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option
from nacre.cli.streams import echo
from nacre.planning.explain import short
from nacre.store.paths import env_name
from nacre.store.records import DEFAULT_ENV, Output
from nacre.views.board import with_failures
from nacre.views.runs import state_of
from nacre.views.session import Session
from nacre.views.standing import GLYPHS, PROBLEM, Standing, standings
from nacre.views.words import ago, names_of, size


@click.command("ls")
@click.argument("pattern", default="*")
@modules_option
@json_option
def command(pattern: str, modules: tuple[str, ...], as_json: bool) -> None:
    """List assets with state, version, age, size and format; PATTERN is a glob over names and keys."""
    session = Session(modules)
    tell_environment(session)
    listed, problem = standings(session, explains=as_json)
    found = with_failures(session, listed)
    if problem:
        echo(f"{PROBLEM}{problem}", err=True)
    names = names_of(each.asset for each in found)
    found = [
        each for each in found if fnmatchcase(each.asset, pattern) or fnmatchcase(short(each.asset), pattern)
    ]
    if as_json:
        states = _run_states(session)
        for each in found:
            print_json(_fields(session, each, states))
        return
    if not found:
        echo("No assets." if pattern == "*" else f"No asset matches {pattern!r}.")
        return
    headings = ["name", "state", "version", "made", "size", "rows", "format", "key"]
    rows = [_row(session, each, names[each.asset]) for each in found]
    if session.workspace.env != DEFAULT_ENV:
        headings.insert(3, "of")
        for row, each in zip(rows, found, strict=True):
            row.insert(3, ", ".join(_origins(session, each.asset)))
    if any(each.state == "failed" for each in found):
        headings.append("why")
        for row, each in zip(rows, found, strict=True):
            row.append(each.reason if each.state == "failed" else "")
    print_lines(table(rows, headings, [each.state for each in found]))


def _stored(session: Session, asset: str) -> list[Output]:
    """Collect what is stored of an asset, of each of its partitions."""
    found = (session.output(row) for row in session.slots.get(asset, ()))
    return [output for output in found if output is not None]


def _origins(session: Session, asset: str) -> list[str]:
    """Name the environments that an asset's versions are of: the one that is used, or those it reads through."""
    return list(
        dict.fromkeys(env_name(row.base or session.workspace.env) for row in session.slots.get(asset, ()))
    )


def _run_states(session: Session) -> dict[str, str]:
    """Say how the runs stand that made what is current."""
    rows = (session.workspace.catalog.run(run) for run in {head.run for head in session.heads.values()})
    return {row.id: state_of(session, row) for row in rows if row is not None}


def _n_rows(outputs: list[Output]) -> int | None:
    tables = [output.outline.size or 0 for output in outputs if output.outline.columns]
    return sum(tables) if tables else None


def _n_bytes(outputs: list[Output]) -> int | None:
    return sum(output.size_bytes for output in outputs) if outputs else None


def _row(session: Session, each: Standing, name: str) -> list[str]:
    head, outputs = session.heads.get(each.asset), _stored(session, each.asset)
    rows, n_bytes = _n_rows(outputs), _n_bytes(outputs)
    version = f"v{head.seq}" if head else ""
    return [
        name,
        f"{GLYPHS[each.state]} {each.state}",
        f"×{len(session.slots[each.asset])}" if head is not None and head.partition else version,
        ago(head.at, session.now) if head else "",
        "" if n_bytes is None else size(n_bytes),
        "" if rows is None else f"{rows:,}",
        outputs[0].format if outputs else "",
        each.asset,
    ]


def _fields(session: Session, each: Standing, states: Mapping[str, str]) -> dict[str, object]:
    head, outputs = session.heads.get(each.asset), _stored(session, each.asset)
    return {
        "asset": each.asset,
        "state": each.state,
        "reason": each.reason,
        **({"partitions": dict(each.partitions)} if each.partitions else {}),
        **({"because": [asdict(cause) for cause in each.because]} if each.because else {}),
        **({"warnings": list(each.warnings)} if each.warnings else {}),
        "upstream": each.upstream,
        "version": head.seq if head else None,
        "environment": env_name(head.base or session.workspace.env) if head else None,
        "at": head.at if head else None,
        "run": head.run if head else None,
        "run_state": states.get(head.run) if head else None,
        "data_version": head.data_version if head else None,
        "size_bytes": _n_bytes(outputs),
        "rows": _n_rows(outputs),
        "format": outputs[0].format if outputs else None,
    }
