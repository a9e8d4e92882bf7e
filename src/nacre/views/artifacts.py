"""What steps made for people to look at: found by key or id, read, and taken apart for any face to lay out."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nacre.catalog.history import ArtifactRow
from nacre.errors import UsageError
from nacre.store.codec import decode
from nacre.store.records import Artifact
from nacre.views.session import Session

_LINK = re.compile(r"\[(.*)\]\((.*)\)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table artifact as text.

    Args:
        columns: Names over the cells.
        rows: Cells, one tuple a row.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def latest(rows: Sequence[ArtifactRow]) -> list[ArtifactRow]:
    """Take the newest artifact of each key, newest first; those without a key all count.

    Args:
        rows: Artifacts, newest first.
    """
    newest = {row.key or row.id: row for row in reversed(rows)}
    return sorted(newest.values(), key=lambda row: row.id, reverse=True)


def find(rows: Sequence[ArtifactRow], name: str) -> ArtifactRow:
    """Find the newest artifact of a key, or the one with an id.

    Raises:
        UsageError: There is none; offers the closest key.
    """
    for row in rows:  # newest first
        if name and name in (row.key, row.id):
            return row
    known = list(dict.fromkeys(row.key or row.id for row in rows))
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"There is no artifact {name!r}", {"known": ", ".join(known[:12]) or "none"}, hint)


def read(session: Session, row: ArtifactRow) -> Artifact:
    """Read an artifact's record.

    Raises:
        UsageError: It is gone.
    """
    path = f"artifacts/{row.key or '-'}/{row.id}"
    stored = session.workspace.records.get(path)
    if stored is None:
        raise UsageError(f"The artifact {row.key or row.id} is gone", {"store": session.workspace.location})
    return decode(stored.data, Artifact, path)


def n_versions(row: ArtifactRow, rows: Sequence[ArtifactRow]) -> int:
    """Count the artifacts of the same key; one without a key stands alone."""
    return sum(each.key == row.key for each in rows) if row.key else 1


def grid(data: str) -> Grid:
    """Turn the data of a table artifact into cells; columns without names are numbered."""
    records = [
        row if isinstance(row, Mapping) else dict(enumerate(row))
        for row in json.loads(data)
        if isinstance(row, dict | list)
    ]
    columns = list(dict.fromkeys(name for record in records for name in record))
    cells = tuple(
        tuple("" if record.get(name) is None else str(record[name]) for name in columns) for record in records
    )
    return Grid(tuple(map(str, columns)), cells)


def link(data: str) -> tuple[str, str]:
    """Take a link artifact apart: its text, and its address."""
    found = _LINK.match(data)
    return (found[1], found[2]) if found else (data, data)
