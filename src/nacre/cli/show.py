"""``nacre show``: the value of an asset first, then where it came from."""

from __future__ import annotations

import click

from nacre.cli.layout import fit, print_lines, table
from nacre.cli.options import modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.keys import resolved
from nacre.loading import load_current
from nacre.planning.explain import short
from nacre.store.records import Head
from nacre.values import Preview, preview
from nacre.views.neighbours import made_from
from nacre.views.session import Session
from nacre.views.versions import Version, choose, current_head, describe, history, require_output, used_by
from nacre.views.words import SHORT, ago, count, size

_MAX_PARTITIONS = 10
_NOUNS = {"text": "character", "bytes": "byte", "table": "row"}


@click.command("show")
@click.argument("asset")
@click.option("--version", "wanted", metavar="vN", help="An older version; the current one by default.")
@one_partition_option
@click.option(
    "--rows", type=click.IntRange(min=0), default=20, show_default=True, help="Rows or lines shown."
)
@modules_option
def command(asset: str, wanted: str | None, partition: str, rows: int, modules: tuple[str, ...]) -> None:
    """Show an asset's value, then its version, metadata, artifacts and neighbours."""
    session = Session(modules)
    key = session.find(asset)
    if not partition and wanted is None and session.slots[key][0].partition:
        _show_whole(session, key, rows)
        return
    made = session.current(asset, partition).slot
    version = describe(session, key, choose(history(session, key, partition), key, wanted), partition)
    output = require_output(session, key, version)
    print_lines(preview_lines(preview(session.workspace.contents.read(output), rows)))
    echo("")
    row = version.row
    echo(f"{paint(short(made), 'strong')} v{row.seq}  {resolved(made)}")
    took = f" in {duration(version.action.duration_s)}" if version.action else ""
    _row("made", f"{ago(row.at, session.now)}{took}, run {row.run[:SHORT]}")
    n_rows = "" if version.n_rows is None else f", {count(version.n_rows, 'row')}"
    _row("stored", f"{output.format}, {size(output.size_bytes)}{n_rows}, content {row.data_version[:SHORT]}")
    head = current_head(session, key, partition)
    if head is not None and head.published:
        _row("published", f"{session.workspace.publisher.location(made)}{_behind(head)}")
    for name, text in (head.metadata if head is not None else {}).items():
        _row("metadata", f"{name}: {text}")
    _neighbours(session, key, version)


def _show_whole(session: Session, asset: str, n_rows: int) -> None:
    """Show a partitioned asset: all of it as one value, then its partitions, the last ones where there are many."""
    workspace, rows = session.workspace, session.slots[asset]
    print_lines(preview_lines(preview(load_current(workspace, asset), n_rows)))
    echo("")
    first, last = rows[0].partition, rows[-1].partition
    echo(f"{paint(short(asset), 'strong')}  {count(len(rows), 'partition')}, {first} to {last}  {asset}")
    cells = []
    for row in rows[-_MAX_PARTITIONS:]:
        output = session.output(row.fingerprint, row.slot)
        size_of = size(output.size_bytes) if output else ""
        n = (
            f"{output.outline.size:,}"
            if output and output.outline.columns and output.outline.size is not None
            else ""
        )
        cells.append([row.partition, f"v{row.seq}", ago(row.at, session.now), n, size_of, row.run[:SHORT]])
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


def _neighbours(session: Session, key: str, version: Version) -> None:
    _row("from", made_from(version.inputs) or "nothing: it is a source")
    below = sorted(map(short, used_by(session, key)))
    if below:
        _row("used by", ", ".join(below))
    artifacts = dict.fromkeys(row.key or row.id for row in session.workspace.catalog.artifacts(asset=key))
    if artifacts:
        _row("artifacts", ", ".join(artifacts))


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<9} {text}"))
