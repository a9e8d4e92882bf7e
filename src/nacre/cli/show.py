"""``nacre show``: the value of an asset first, then where it came from."""

from __future__ import annotations

import click

from nacre.catalog.history import HistoryRow
from nacre.cli.layout import fit, print_lines, table
from nacre.cli.options import modules_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.errors import NotMaterialized, UsageError
from nacre.execute.report import duration
from nacre.planning.explain import short
from nacre.store.records import Head, decode, head_path
from nacre.values import Preview, preview
from nacre.views.session import Session
from nacre.views.words import SHORT, ago, count, size

_NOUNS = {"text": "character", "bytes": "byte", "table": "row"}


@click.command("show")
@click.argument("asset")
@click.option("--version", "wanted", metavar="vN", help="An older version; the current one by default.")
@click.option(
    "--rows", type=click.IntRange(min=0), default=20, show_default=True, help="Rows or lines shown."
)
@modules_option
def command(asset: str, wanted: str | None, rows: int, modules: tuple[str, ...]) -> None:
    """Show an asset's value, then its version, metadata, artifacts and neighbours."""
    session = Session(modules)
    key = session.find(asset)
    version = _version(session, key, wanted)
    output = session.output(version.fingerprint, key)
    if output is None:
        facts = {"store": session.workspace.location}
        raise NotMaterialized(
            f"The record of {key} v{version.seq} is gone", facts, f"nacre build {key} --refresh"
        )
    print_lines(preview_lines(preview(session.workspace.contents.read(output), rows)))
    echo("")
    echo(f"{paint(short(key), 'strong')} v{version.seq}  {key}")
    action = session.action(version.fingerprint)
    took = f" in {duration(action.duration_s)}" if action else ""
    _row("made", f"{ago(version.at, session.now)}{took}, run {version.run[:SHORT]}")
    n_rows = f", {count(output.outline.size or 0, 'row')}" if output.outline.columns else ""
    _row(
        "stored",
        f"{output.format}, {size(output.size_bytes)}{n_rows}, content {version.data_version[:SHORT]}",
    )
    for name, text in _metadata(session, key).items():
        _row("metadata", f"{name}: {text}")
    _neighbours(session, key, version)


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
    rows = session.workspace.catalog.history(session.workspace.env, key)
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


def _metadata(session: Session, key: str) -> dict[str, str]:
    path = head_path(session.workspace.env, key)
    stored = session.workspace.records.get(path)
    return decode(stored.data, Head, path).metadata if stored else {}


def _neighbours(session: Session, key: str, version: HistoryRow) -> None:
    catalog, env = session.workspace.catalog, session.workspace.env
    above = [f"{short(row.upstream)} v{row.upstream_seq}" for row in catalog.inputs(env, key, version.seq)]
    _row("from", ", ".join(above) or "nothing: it is a source")
    below = sorted(short(each) for each in catalog.downstream(env, key))
    if below:
        _row("used by", ", ".join(below))
    artifacts = dict.fromkeys(row.key or row.id for row in catalog.artifacts(asset=key))
    if artifacts:
        _row("artifacts", ", ".join(artifacts))


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<9} {text}"))
