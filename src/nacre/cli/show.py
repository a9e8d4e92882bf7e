"""``nacre show``: the value of an asset first, then where it came from."""

from __future__ import annotations

import click

from nacre.catalog.history import HistoryRow
from nacre.cli.layout import fit, print_lines, table
from nacre.cli.options import modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.errors import NotMaterialized, UsageError
from nacre.execute.report import duration
from nacre.keys import key_of, partition_of, resolved
from nacre.loading import load_current
from nacre.planning.explain import short
from nacre.store.records import Head, decode, head_path
from nacre.values import Preview, preview
from nacre.views.neighbours import made_from
from nacre.views.session import Session
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
    found = session.find(asset)
    if not partition and session.slots[found][0].partition:
        _show_whole(session, found, rows)
        return
    key = session.current(asset, partition).slot
    version = _version(session, key, wanted)
    output = session.output(version.fingerprint, key)
    if output is None:
        facts = {"store": session.workspace.location}
        raise NotMaterialized(
            f"The record of {resolved(key)} v{version.seq} is gone", facts, f"nacre build {asset} --refresh"
        )
    print_lines(preview_lines(preview(session.workspace.contents.read(output), rows)))
    echo("")
    echo(f"{paint(short(key), 'strong')} v{version.seq}  {resolved(key)}")
    action = session.action(version.fingerprint)
    took = f" in {duration(action.duration_s)}" if action else ""
    _row("made", f"{ago(version.at, session.now)}{took}, run {version.run[:SHORT]}")
    n_rows = f", {count(output.outline.size or 0, 'row')}" if output.outline.columns else ""
    _row(
        "stored",
        f"{output.format}, {size(output.size_bytes)}{n_rows}, content {version.data_version[:SHORT]}",
    )
    head = _head(session, key)
    if head is not None and head.published:
        _row("published", f"{session.workspace.publisher.location(key)}{_behind(head)}")
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


def _version(session: Session, key: str, wanted: str | None) -> HistoryRow:
    rows = session.workspace.catalog.history(session.workspace.env, key_of(key), partition_of(key))
    if wanted is None:
        return rows[0]
    number = wanted.lower().removeprefix("v")
    found = next((row for row in rows if str(row.seq) == number), None)
    if found is None:
        there = f"v{rows[-1].seq} to v{rows[0].seq}" if len(rows) > 1 else f"v{rows[0].seq}"
        raise UsageError(
            f"{short(key)} has no version {wanted!r}", {"there is": there}, f"nacre history {short(key)}"
        )
    return found


def _head(session: Session, key: str) -> Head | None:
    path = head_path(session.workspace.env, key_of(key), partition_of(key))
    stored = session.workspace.records.get(path)
    return decode(stored.data, Head, path) if stored else None


def _neighbours(session: Session, key: str, version: HistoryRow) -> None:
    catalog, env = session.workspace.catalog, session.workspace.env
    asset = key_of(key)
    rows = catalog.inputs(env, asset, version.seq, partition_of(key))
    _row("from", made_from(rows) or "nothing: it is a source")
    below = sorted(short(each) for each in catalog.downstream(env, asset))
    if below:
        _row("used by", ", ".join(below))
    artifacts = dict.fromkeys(row.key or row.id for row in catalog.artifacts(asset=asset))
    if artifacts:
        _row("artifacts", ", ".join(artifacts))


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<9} {text}"))
