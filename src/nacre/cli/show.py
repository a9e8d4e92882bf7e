"""``nacre show``: the value of an asset first, then where it came from."""

from __future__ import annotations

import click

from nacre.cli.layout import fit, print_lines, table
from nacre.cli.options import modules_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.planning.explain import short
from nacre.values import Preview, preview
from nacre.views.session import Session
from nacre.views.versions import Version, choose, describe, history, metadata, require_output, used_by
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
    version = describe(session, key, choose(history(session, key), key, wanted))
    output = require_output(session, key, version)
    print_lines(preview_lines(preview(session.workspace.contents.read(output), rows)))
    echo("")
    row = version.row
    echo(f"{paint(short(key), 'strong')} v{row.seq}  {key}")
    took = f" in {duration(version.action.duration_s)}" if version.action else ""
    _row("made", f"{ago(row.at, session.now)}{took}, run {row.run[:SHORT]}")
    n_rows = "" if version.n_rows is None else f", {count(version.n_rows, 'row')}"
    _row("stored", f"{output.format}, {size(output.size_bytes)}{n_rows}, content {row.data_version[:SHORT]}")
    for name, text in metadata(session, key).items():
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


def _neighbours(session: Session, key: str, version: Version) -> None:
    above = [f"{short(row.upstream)} v{row.upstream_seq}" for row in version.inputs]
    _row("from", ", ".join(above) or "nothing: it is a source")
    below = sorted(map(short, used_by(session, key)))
    if below:
        _row("used by", ", ".join(below))
    artifacts = dict.fromkeys(row.key or row.id for row in session.workspace.catalog.artifacts(asset=key))
    if artifacts:
        _row("artifacts", ", ".join(artifacts))


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<9} {text}"))
