"""``nacre artifacts``: lists what steps made for people to look at, or shows the latest of one key as plain text."""

from __future__ import annotations

import json
import os

import click

from nacre.catalog.history import ArtifactRow
from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.planning.explain import short
from nacre.store.records import Artifact
from nacre.views.artifacts import find, grid, latest, link, n_versions, read
from nacre.views.session import Session
from nacre.views.words import ago, count, size

_BAR = 30


@click.command("artifacts")
@click.argument("key", required=False)
@modules_option
@json_option
def command(key: str | None, modules: tuple[str, ...], as_json: bool) -> None:
    """List artifacts, the latest of each key; with KEY (or an id), show that one."""
    session = Session(modules)
    rows = session.workspace.catalog.artifacts()
    if key is not None:
        row = find(rows, key)
        if as_json:
            print_json(_fields(row, rows, read(session, row)))
        else:
            _show(session, row, rows)
        return
    newest = latest(rows)
    if as_json:
        for row in newest:
            print_json(_fields(row, rows, read(session, row)))
    elif newest:
        headings = ["key", "kind", "made", "by", "versions", "description"]
        print_lines(table([_row(session, row, rows) for row in newest], headings))
    else:
        echo("No artifacts yet. A step makes one with create_markdown_artifact and its like.")


def _row(session: Session, row: ArtifactRow, rows: list[ArtifactRow]) -> list[str]:
    made = ago(row.updated_at or row.created_at, session.now)
    by = short(row.asset) if row.asset else ""
    return [row.key or row.id, row.kind, made, by, str(n_versions(row, rows)), row.description]


def _fields(row: ArtifactRow, rows: list[ArtifactRow], artifact: Artifact) -> dict[str, object]:
    return {
        "id": row.id,
        "key": row.key,
        "kind": row.kind,
        "description": row.description,
        "asset": row.asset,
        "run": row.run,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "versions": n_versions(row, rows),
        "data": json.loads(artifact.data) if row.kind == "table" else artifact.data,
    }


def _show(session: Session, row: ArtifactRow, rows: list[ArtifactRow]) -> None:
    print_lines(_content(session, read(session, row)))
    about = [row.key or row.id, row.kind, ago(row.updated_at or row.created_at, session.now)]
    about += [f"by {short(row.asset)}"] if row.asset else []
    about += [count(n_versions(row, rows), "version"), row.description]
    echo("\n" + paint(" · ".join(filter(None, about)), "quiet"))


def _content(session: Session, artifact: Artifact) -> list[str]:
    """Show an artifact with nothing but text."""
    if artifact.kind == "table":
        shown = grid(artifact.data)
        return table(shown.rows, shown.columns) if shown.columns else ["(empty)"]
    if artifact.kind == "link":
        text, address = link(artifact.data)
        return [text, address] if text != address else [address]
    if artifact.kind == "image":
        return _image(session, artifact)
    if artifact.kind == "progress":
        percent = float(artifact.data)
        done = round(_BAR * percent / 100)
        return [f"{'█' * done}{'░' * (_BAR - done)} {percent:g} %"]
    return artifact.data.splitlines() or ["(empty)"]


def _image(session: Session, artifact: Artifact) -> list[str]:
    """Name an image by what it was called, and the stored file where there is one."""
    if not artifact.object:
        return [artifact.data]
    objects = session.workspace.contents.objects
    info = objects.head(artifact.object)
    if info is None:
        return [f"{artifact.data}  (its stored file is missing)"]
    with objects.get(artifact.object) as source:
        stored = getattr(source, "name", "")
    lines = [f"{os.path.basename(artifact.data)}  {artifact.media_type}, {size(info.size_bytes)}"]
    return [*lines, str(stored)] if stored else lines
