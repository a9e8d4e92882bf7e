"""``nacre history``: the versions of an asset, newest first."""

from __future__ import annotations

import click

from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.keys import key_of, partition_of
from nacre.store.paths import env_name
from nacre.views.neighbours import made_from
from nacre.views.session import Session
from nacre.views.versions import HistoryEntry, Version, describe, entries, history
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
    current = session.current(asset, partition)
    rows = history(session, current.asset, partition)
    marks = {entry.version: entry for entry in entries(session.workspace, current)}
    shown = [describe(session, current.asset, row, partition) for row in rows[:limit]]
    if as_json:
        for version in shown:
            print_json(_fields(current.slot, version, marks[version.row.seq]))
        return
    headings = ["version", "made", "took", "size", "content", "made from", "run"]
    cells = [_row(session, version) for version in shown]
    noted = [marks[version.row.seq].noted for version in shown]
    if any(noted):
        headings.insert(1, "")
        cells = [[cell[0], note, *cell[1:]] for cell, note in zip(cells, noted, strict=True)]
    print_lines(table(cells, headings))
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


def _fields(key: str, version: Version, entry: HistoryEntry) -> dict[str, object]:
    row, action, output = version.row, version.action, version.output
    inputs = [
        {
            "parameter": key_of(each.parameter),
            "asset": each.upstream,
            **({"partition": partition_of(each.parameter)} if partition_of(each.parameter) else {}),
            "version": each.upstream_seq,
            **({"environment": env_name(each.env)} if each.env else {}),
        }
        for each in version.inputs
    ]
    return {
        "asset": key_of(key),
        **({"partition": partition_of(key)} if partition_of(key) else {}),
        "version": row.seq,
        "current": entry.is_current,
        "again": entry.again or None,
        "held": entry.held,
        "moved": {"reason": entry.reason, "by": entry.by} if entry.reason else None,
        "pins": list(entry.pins),
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
