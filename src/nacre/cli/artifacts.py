"""``nacre artifacts``: lists what steps made for people to look at, or shows the latest of one key as plain text."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping

import click

from nacre.catalog.history import ArtifactRow
from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import json_option, modules_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.errors import UsageError
from nacre.planning.explain import short
from nacre.store.records import Artifact, decode
from nacre.views.session import Session
from nacre.views.words import ago, count, size

_LINK = re.compile(r"\[(.*)\]\((.*)\)\Z", re.DOTALL)
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
        row = _find(rows, key)
        if as_json:
            print_json(_fields(row, rows, _read(session, row)))
        else:
            _show(session, row, rows)
        return
    latest = {row.key or row.id: row for row in reversed(rows)}
    newest = sorted(latest.values(), key=lambda row: row.id, reverse=True)
    if as_json:
        for row in newest:
            print_json(_fields(row, rows, _read(session, row)))
    elif newest:
        headings = ["key", "kind", "made", "by", "versions", "description"]
        print_lines(table([_row(session, row, rows) for row in newest], headings))
    else:
        echo("No artifacts yet. A step makes one with create_markdown_artifact and its like.")


def _find(rows: list[ArtifactRow], key: str) -> ArtifactRow:
    for row in rows:  # newest first
        if key in (row.key, row.id):
            return row
    known = list(dict.fromkeys(row.key or row.id for row in rows))
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"There is no artifact {key!r}", {"known": ", ".join(known[:12]) or "none"}, hint)


def _read(session: Session, row: ArtifactRow) -> Artifact:
    path = f"artifacts/{row.key or '-'}/{row.id}"
    stored = session.workspace.records.get(path)
    if stored is None:
        raise UsageError(f"The artifact {row.key or row.id} is gone", {"store": session.workspace.location})
    return decode(stored.data, Artifact, path)


def _n_versions(row: ArtifactRow, rows: list[ArtifactRow]) -> int:
    return sum(each.key == row.key for each in rows) if row.key else 1


def _row(session: Session, row: ArtifactRow, rows: list[ArtifactRow]) -> list[str]:
    made = ago(row.updated_at or row.created_at, session.now)
    by = short(row.asset) if row.asset else ""
    return [row.key or row.id, row.kind, made, by, str(_n_versions(row, rows)), row.description]


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
        "versions": _n_versions(row, rows),
        "data": json.loads(artifact.data) if row.kind == "table" else artifact.data,
    }


def _show(session: Session, row: ArtifactRow, rows: list[ArtifactRow]) -> None:
    print_lines(_content(session, _read(session, row)))
    about = [row.key or row.id, row.kind, ago(row.updated_at or row.created_at, session.now)]
    about += [f"by {short(row.asset)}"] if row.asset else []
    about += [count(_n_versions(row, rows), "version"), row.description]
    echo("\n" + paint(" · ".join(filter(None, about)), "quiet"))


def _content(session: Session, artifact: Artifact) -> list[str]:
    """Show an artifact with nothing but text."""
    if artifact.kind == "table":
        return _table(json.loads(artifact.data))
    if artifact.kind == "link":
        found = _LINK.match(artifact.data)
        text, address = found.groups() if found else (artifact.data, artifact.data)
        return [text, address] if text != address else [address]
    if artifact.kind == "image":
        return _image(session, artifact)
    if artifact.kind == "progress":
        percent = float(artifact.data)
        done = round(_BAR * percent / 100)
        return [f"{'█' * done}{'░' * (_BAR - done)} {percent:g} %"]
    return artifact.data.splitlines() or ["(empty)"]


def _table(rows: list[object]) -> list[str]:
    """Align the rows of a table; those without column names are numbered."""
    records = [
        row if isinstance(row, Mapping) else dict(enumerate(row))
        for row in rows
        if isinstance(row, dict | list)
    ]
    columns = list(dict.fromkeys(name for record in records for name in record))
    if not columns:
        return ["(empty)"]
    cells = [
        ["" if record.get(name) is None else str(record[name]) for name in columns] for record in records
    ]
    return table(cells, [str(name) for name in columns])


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
