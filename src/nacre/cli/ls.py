"""``nacre ls``: the assets of a project, one a row."""

from __future__ import annotations

from fnmatch import fnmatchcase

import click

from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option
from nacre.cli.streams import echo
from nacre.planning.explain import short
from nacre.store.records import Output
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
    found, problem = standings(session)
    if problem:
        echo(f"{PROBLEM}{problem}", err=True)
    names = names_of(each.asset for each in found)
    found = [
        each for each in found if fnmatchcase(each.asset, pattern) or fnmatchcase(short(each.asset), pattern)
    ]
    if as_json:
        for each in found:
            print_json(_fields(session, each))
        return
    if not found:
        echo("No assets." if pattern == "*" else f"No asset matches {pattern!r}.")
        return
    headings = ["name", "state", "version", "made", "size", "rows", "format", "key"]
    print_lines(
        table(
            [_row(session, each, names[each.asset]) for each in found],
            headings,
            [each.state for each in found],
        )
    )


def _stored(session: Session, asset: str) -> Output | None:
    head = session.heads.get(asset)
    return session.output(head.fingerprint, asset) if head else None


def _n_rows(output: Output | None) -> int | None:
    return output.outline.size if output is not None and output.outline.columns else None


def _row(session: Session, each: Standing, name: str) -> list[str]:
    head, output = session.heads.get(each.asset), _stored(session, each.asset)
    rows = _n_rows(output)
    return [
        name,
        f"{GLYPHS[each.state]} {each.state}",
        f"v{head.seq}" if head else "",
        ago(head.at, session.now) if head else "",
        size(output.size_bytes) if output else "",
        "" if rows is None else f"{rows:,}",
        output.format if output else "",
        each.asset,
    ]


def _fields(session: Session, each: Standing) -> dict[str, object]:
    head, output = session.heads.get(each.asset), _stored(session, each.asset)
    return {
        "asset": each.asset,
        "state": each.state,
        "reason": each.reason,
        "upstream": each.upstream,
        "version": head.seq if head else None,
        "at": head.at if head else None,
        "run": head.run if head else None,
        "data_version": head.data_version if head else None,
        "size_bytes": output.size_bytes if output else None,
        "rows": _n_rows(output),
        "format": output.format if output else None,
    }
