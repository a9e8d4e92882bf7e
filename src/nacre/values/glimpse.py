"""A few rows or lines of a value, as text, for the terminal and the web. Reads no more than it shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from nacre.values.dispatch import library, settle
from nacre.values.kinds import field_values, record_kind

if TYPE_CHECKING:
    from pathlib import Path

#: Longest text shown of one cell.
_CELL = 80
_COLUMNS = 30
_BYTES = 512


@dataclass(frozen=True, slots=True)
class Preview:
    """What a person sees of a value.

    Args:
        kind: ``table``, ``text``, ``bytes``, ``file`` or ``value``.
        columns: Names over ``rows``; tables only, at most 30.
        rows: Cells as text; tables only.
        text: What is shown of anything else.
        total: Rows, items, characters or bytes in all; None where that means nothing.
        complete: False where more is there than is shown.
    """

    kind: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    total: int | None = None
    complete: bool = True


def preview(value: object, rows: int = 20) -> Preview:
    """Show the beginning of a value.

    Args:
        value: Anything that can be identified; also anything else, by its repr.
        rows: Rows, lines or items shown at most.
    """
    value = settle(value)
    if isinstance(value, str):
        return _text(value, rows)
    if isinstance(value, (bytes, bytearray, memoryview)):
        shown = bytes(value[:_BYTES])
        return Preview("bytes", text=shown.hex(" "), total=len(value), complete=len(value) <= _BYTES)
    if library(value) == "pathlib" and hasattr(value, "is_dir"):
        return _file(value, rows)  # type: ignore[arg-type]  # only a path on this machine has is_dir
    table = _table(value, rows)
    return table if table is not None else _value(value, rows)


def _text(value: str, rows: int) -> Preview:
    limit = rows * 200
    lines = value[:limit].splitlines()
    shown = "\n".join(lines[:rows])
    return Preview("text", text=shown, total=len(value), complete=len(value) <= limit and len(lines) <= rows)


def _file(path: Path, rows: int) -> Preview:
    """Show what a file holds: what it is called says little, as a stored one is read from a private copy."""
    if path.is_dir():
        names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
        shown = "\n".join(names[:_COLUMNS])
        return Preview("file", text=shown, total=len(names), complete=len(names) <= _COLUMNS)
    if not path.is_file():
        return Preview("file", text=path.name, complete=False)
    size = path.stat().st_size
    with path.open("rb") as source:
        data = source.read(rows * 200)
    inner = _decoded(data)
    shown = preview(data if inner is None else inner, rows).text
    is_whole = len(data) == size and (len(data) <= _BYTES if inner is None else inner.count("\n") <= rows)
    noun = "byte" if size == 1 else "bytes"
    # The size is said first, so no total follows: what is shown may be lines or bytes.
    lines = [f"file of {size:,} {noun}", *shown.splitlines(), *([] if is_whole else ["…"])]
    return Preview("file", text="\n".join(lines), complete=is_whole)


def _decoded(data: bytes) -> str | None:
    """Read the beginning of a file as text, or give None where it is none."""
    import codecs  # imported late: only files need it

    try:
        # A character may be cut at the end, which only a last part forbids.
        found = codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return None
    return None if "\0" in found else found


def _table(value: Any, rows: int) -> Preview | None:
    """Show a table of any library, a list of dicts or a list of records; None for any other value."""
    name, origin = type(value).__name__, library(value)
    if origin == "pyarrow" and name in ("Table", "RecordBatch"):
        records = (
            value.slice(0, rows).to_pylist() if len(set(value.schema.names)) == value.num_columns else []
        )
        return _grid(value.schema.names, (record.values() for record in records), value.num_rows)
    if origin == "polars" and name in ("DataFrame", "Series"):
        frame = value.to_frame() if name == "Series" else value
        return _grid(frame.columns, frame.head(rows).iter_rows(), frame.height)
    if origin == "pandas" and name in ("DataFrame", "Series"):
        frame = value.to_frame() if name == "Series" else value
        return _grid(frame.columns, frame.head(rows).itertuples(index=False, name=None), len(frame))
    if isinstance(value, list) and value:
        return _list(value, rows)
    return None


def _list(items: list[object], rows: int) -> Preview | None:
    shown = [_fields(item) for item in items[:rows]]
    records = [record for record in shown if record is not None]
    if len(records) < len(shown) or not records:
        return None
    columns = list(dict.fromkeys(name for record in records for name in record))
    return _grid(columns, ([record.get(name, "") for name in columns] for record in records), len(items))


def _fields(item: object) -> dict[Any, object] | None:
    if isinstance(item, dict):
        return item
    kind = record_kind(type(item))
    return None if kind is None else dict(field_values(item, kind))


def _grid(columns: Iterable[object], rows: Iterable[Iterable[object]], total: int) -> Preview:
    names = [str(name) for name in columns]
    cells = tuple(tuple(map(_cell, islice(row, _COLUMNS))) for row in rows)
    complete = len(cells) == total and len(names) <= _COLUMNS
    return Preview("table", tuple(names[:_COLUMNS]), cells, total=total, complete=complete)


def _value(value: object, rows: int) -> Preview:
    fields = _fields(value)
    if fields is not None:
        return _lines([f"{name}: {_cell(item)}" for name, item in islice(fields.items(), rows)], len(fields))
    if isinstance(value, (list, tuple)):
        return _lines([_cell(item) for item in value[:rows]], len(value))
    if isinstance(value, (set, frozenset)):
        return _lines(sorted(map(_cell, islice(value, rows))), len(value))
    return Preview("value", text=_cell(value, 2_000))


def _lines(shown: Sequence[str], total: int) -> Preview:
    return Preview("value", text="\n".join(shown), total=total, complete=len(shown) == total)


def _cell(value: object, limit: int = _CELL) -> str:
    text = value if isinstance(value, str) else "" if value is None else _repr(value, limit)
    text = " ".join(text[: limit * 4].split()) if "\n" in text[: limit * 4] else text
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _repr(value: object, limit: int) -> str:
    if isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > limit:
        return f"{type(value).__name__} of {len(value)} items"
    return str(value)
