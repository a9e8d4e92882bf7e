"""``nacre history``: the versions of an asset, newest first."""

from __future__ import annotations

import click

from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.planning.explain import short
from nacre.views.session import Session
from nacre.views.versions import Version, describe, history
from nacre.views.words import SHORT, ago, size


@click.command("history")
@click.argument("asset")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many versions.",
)
@modules_option
@json_option
def command(asset: str, limit: int, modules: tuple[str, ...], as_json: bool) -> None:
    """List the versions of an asset, newest first: when, from what, by which run."""
    session = Session(modules)
    key = session.find(asset)
    rows = history(session, key)
    shown = [describe(session, key, row) for row in rows[:limit]]
    if as_json:
        for version in shown:
            print_json(_fields(key, version))
        return
    headings = ["version", "made", "took", "size", "content", "made from", "run"]
    print_lines(table([_row(session, version) for version in shown], headings))
    if len(rows) > limit:
        echo(f"… and {len(rows) - limit:,} more (-n {len(rows)})")


def _row(session: Session, version: Version) -> list[str]:
    row, action, output = version.row, version.action, version.output
    return [
        f"v{row.seq}",
        ago(row.at, session.now),
        duration(action.duration_s) if action else "",
        size(output.size_bytes) if output else "",
        row.data_version[:SHORT],
        ", ".join(f"{short(each.upstream)} v{each.upstream_seq}" for each in version.inputs) or "(source)",
        row.run[:SHORT],
    ]


def _fields(key: str, version: Version) -> dict[str, object]:
    row, action, output = version.row, version.action, version.output
    inputs = [
        {"parameter": each.parameter, "asset": each.upstream, "version": each.upstream_seq}
        for each in version.inputs
    ]
    return {
        "asset": key,
        "version": row.seq,
        "at": row.at,
        "run": row.run,
        "data_version": row.data_version,
        "fingerprint": row.fingerprint,
        "duration_s": action.duration_s if action else None,
        "size_bytes": output.size_bytes if output else None,
        "inputs": inputs,
    }
