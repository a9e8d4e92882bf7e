"""``nacre history``: the versions of an asset, newest first."""

from __future__ import annotations

import click

from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.keys import key_of, partition_of
from nacre.views.neighbours import made_from
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
@one_partition_option
@modules_option
@json_option
def command(asset: str, limit: int, partition: str, modules: tuple[str, ...], as_json: bool) -> None:
    """List the versions of an asset, newest first: when, from what, by which run."""
    session = Session(modules)
    key = session.current(asset, partition).asset
    rows = history(session, key, partition)
    shown = [describe(session, key, row, partition) for row in rows[:limit]]
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
        "accepted" if action and action.accepted else duration(action.duration_s) if action else "",
        size(output.size_bytes) if output else "",
        row.data_version[:SHORT],
        made_from(version.inputs) or "(source)",
        row.run[:SHORT],
    ]


def _fields(key: str, version: Version) -> dict[str, object]:
    row, action, output = version.row, version.action, version.output
    inputs = [
        {
            "parameter": key_of(each.parameter),
            "asset": each.upstream,
            **({"partition": partition_of(each.parameter)} if partition_of(each.parameter) else {}),
            "version": each.upstream_seq,
            **({"environment": each.env} if each.env else {}),
        }
        for each in version.inputs
    ]
    return {
        "asset": key_of(key),
        **({"partition": partition_of(key)} if partition_of(key) else {}),
        "version": row.seq,
        "at": row.at,
        "run": row.run,
        "data_version": row.data_version,
        "fingerprint": row.fingerprint,
        "duration_s": action.duration_s if action else None,
        "accepted": _accepted(version),
        "size_bytes": output.size_bytes if output else None,
        "inputs": inputs,
    }


def _accepted(version: Version) -> dict[str, object] | None:
    """Say who bound an earlier result to the code of this version; None where it was made by it."""
    accepted = version.action.accepted if version.action else None
    return {"by": accepted.who, "at": accepted.at, "reason": accepted.reason} if accepted else None
