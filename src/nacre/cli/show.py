"""``nacre show``: the value of an asset first, then where it came from."""

from __future__ import annotations

import click

from nacre.catalog.versions_at import is_moment
from nacre.cli.layout import fit, print_lines, table
from nacre.cli.options import modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.errors import UsageError
from nacre.execute.report import duration
from nacre.keys import resolved
from nacre.loading import find_version, load_stored, naming, require_output
from nacre.planning.explain import short
from nacre.store.records import Head
from nacre.values import Preview, preview
from nacre.views.neighbours import made_from
from nacre.views.session import Session
from nacre.views.versions import Version, current_head, describe, seen_at, used_by
from nacre.views.words import SHORT, ago, count, size

_MAX_PARTITIONS = 10
_NOUNS = {"text": "character", "bytes": "byte", "table": "row"}
#: What is said where a version was made from nothing.
_SOURCE = "nothing: it is a source"


@click.command("show")
@click.argument("asset", metavar="ASSET[@VERSION]")
@click.option("--version", "wanted", metavar="VERSION", help="The same as @VERSION.")
@one_partition_option
@click.option(
    "--rows", type=click.IntRange(min=0), default=20, show_default=True, help="Rows or lines shown."
)
@modules_option
def command(asset: str, wanted: str | None, partition: str, rows: int, modules: tuple[str, ...]) -> None:
    """Show an asset's value, then its version, metadata, artifacts and neighbours.

    VERSION is v12, a part of its content or of a run, a time such as 2026-11-01, or a pin; the current one by default.
    """
    session = Session(modules)
    key, at = session.find_at(asset)
    if wanted and at:
        raise UsageError("The version is named twice", {"asset": asset, "--version": wanted}, "leave one out")
    at = wanted or at
    if not partition and session.slots[key][0].partition and (not at or is_moment(at)):
        _show_whole(session, key, rows, at or None)
        return
    current = session.current(key, partition)
    made = current.slot
    found = find_version(session.workspace, current, at or None)
    version = describe(session, key, found, partition)
    output = require_output(session.workspace, session.versions, made, found)
    with naming(current, found):
        value = session.workspace.contents.read(output)
    print_lines(preview_lines(preview(value, rows)))
    echo("")
    row = version.row
    echo(f"{paint(short(made), 'strong')} v{row.seq}  {resolved(made)}")
    took = f" in {duration(version.action.duration_s)}" if version.action else ""
    _row("made", f"{ago(row.at, session.now)}{took}, run {row.run[:SHORT]}")
    n_rows = "" if version.n_rows is None else f", {count(version.n_rows, 'row')}"
    _row("stored", f"{output.format}, {size(output.size_bytes)}{n_rows}, content {row.data_version[:SHORT]}")
    if current.held:
        _row("held", f"at {current.held}, {ago(current.held_since, session.now)}; builds leave it so")
    head = current_head(session, key, partition)
    if file := seen_at(session, current):
        _row("lies at", file)
    elif head is not None and head.published:
        _row("published", f"{session.workspace.place_of(made)}{_behind(head)}")
    for name, text in (head.metadata if head is not None else {}).items():
        _row("metadata", f"{name}: {text}")
    _neighbours(session, key, version, "made by others, and only looked at" if file else _SOURCE)


def _show_whole(session: Session, asset: str, n_rows: int, at: str | None) -> None:
    """Show a partitioned asset: all of it as one value, then its partitions, the last ones where there are many."""
    workspace, rows = session.workspace, session.slots[asset]
    print_lines(preview_lines(preview(load_stored(workspace, asset, at=at), n_rows)))
    echo("")
    if at is not None:
        echo(f"{paint(short(asset), 'strong')} as it was at {at}  {asset}")
        return
    first, last = rows[0].partition, rows[-1].partition
    echo(f"{paint(short(asset), 'strong')}  {count(len(rows), 'partition')}, {first} to {last}  {asset}")
    cells = []
    for row in rows[-_MAX_PARTITIONS:]:
        output = session.output(row)
        size_of = size(output.size_bytes) if output else ""
        n = (
            f"{output.outline.size:,}"
            if output and output.outline.columns and output.outline.size is not None
            else ""
        )
        version = f"v{row.seq}, held at {row.held}" if row.held else f"v{row.seq}"
        cells.append([row.partition, version, ago(row.at, session.now), n, size_of, row.run[:SHORT]])
    print_lines(table(cells, ["partition", "version", "made", "rows", "size", "run"]))
    if len(rows) > _MAX_PARTITIONS:
        echo(paint(f"… and {len(rows) - _MAX_PARTITIONS:,} earlier ones", "quiet"))


def _behind(head: Head) -> str:
    return (
        "" if head.published == head.current.seq else f" (v{head.published}; the next build publishes again)"
    )


def preview_lines(shown: Preview) -> list[str]:
    """Turn a preview into lines, with a last one that says how much more there is."""
    if shown.kind == "table":
        lines = table(shown.rows, shown.columns)
        n_shown, noun = len(shown.rows), "row"
    else:
        lines = shown.text.splitlines() or ["(empty)"]
        n_shown, noun = len(lines), _NOUNS.get(shown.kind, "item")
    if not shown.complete and shown.total is not None:
        of = (
            f"of {count(shown.total, noun)}" if shown.kind in ("table", "value") else count(shown.total, noun)
        )
        lines.append(paint(f"… {f'{n_shown:,} {of}' if of.startswith('of') else of}", "quiet"))
    return lines


def _neighbours(session: Session, key: str, version: Version, otherwise: str) -> None:
    _row("from", made_from(version.inputs) or otherwise)
    below = sorted(map(short, used_by(session, key)))
    if below:
        _row("used by", ", ".join(below))
    artifacts = dict.fromkeys(row.key or row.id for row in session.workspace.catalog.artifacts(asset=key))
    if artifacts:
        _row("artifacts", ", ".join(artifacts))


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<9} {text}"))
