"""Lays out what commands print: aligned tables that fit the terminal, times, sizes, NDJSON."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.planning.explain import short

#: As many characters of an id or digest as a person is shown.
SHORT = 12
_MIN_LAST = 12


def width() -> int | None:
    """Columns there are: COLUMNS, else the terminal's; None in a pipe, where nothing is cut."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        # A terminal made by a program may not know its size, and says 0.
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def table(rows: Sequence[Sequence[str]], headings: Sequence[str], states: Sequence[str] = ()) -> list[str]:
    """Align cells; the widest columns are cut where the lines would not fit.

    Args:
        rows: Cells as text, one sequence a row.
        headings: One for each column.
        states: For each row, the state whose colour it has.
    """
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(headings))]
    limit = width()
    while limit is not None and sum(widths) + 2 * len(widths) > limit and max(widths) > _MIN_LAST:
        widths[widths.index(max(widths))] -= 1
    lines = [
        "  ".join(_fit(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
    painted = (
        [paint(line, state) for line, state in zip(lines[1:], states, strict=True)] if states else lines[1:]
    )
    return [paint(lines[0], "quiet"), *painted]


def fit(line: str) -> str:
    """Cut a line to the terminal; in a pipe it stays whole."""
    limit = width()
    return line if limit is None or _width(line) <= limit else _fit(line, limit).rstrip()


def ago(at: str | datetime, now: datetime) -> str:
    """Say how long ago something was: ``2 min ago``."""
    then = datetime.fromisoformat(at) if isinstance(at, str) else at
    seconds = (now - then.astimezone(UTC)).total_seconds()
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size):,} {name} ago"
    return "just now" if seconds < 5 else f"{int(seconds)} s ago"


def size(n_bytes: int) -> str:
    """Show a number of bytes: ``812 B``, ``1.4 MB``."""
    if n_bytes < 1000:
        return f"{n_bytes} B"
    amount = float(n_bytes)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:,.1f} TB"


def count(n: int, noun: str) -> str:
    """Count something: ``1 asset``, ``3 assets``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def names_of(keys: Iterable[str]) -> dict[str, str]:
    """Name each asset of one listing: by its short name, or by its key where another has the same."""
    named: dict[str, list[str]] = {}
    for key in dict.fromkeys(keys):
        named.setdefault(short(key), []).append(key)
    return {key: name if len(same) == 1 else key for name, same in named.items() for key in same}


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output."""
    echo("\n".join(lines))


def print_json(row: Mapping[str, object]) -> None:
    """Print one line of NDJSON."""
    echo(json.dumps(row, ensure_ascii=False, default=str))


def print_next(commands: Sequence[tuple[str, str]]) -> None:
    """Print what to type next, with what it does."""
    longest = max(len(command) for command, _ in commands)
    mark = "Next"
    for command, what in commands:
        echo(f"{mark:<4}  {command:<{longest}}  {paint(what, 'quiet')}".rstrip())
        mark = ""


def _width(text: str) -> int:
    """Count the columns a text takes; wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)


def _fit(text: str, columns: int) -> str:
    """Pad or cut a text to a number of columns."""
    missing = columns - _width(text)
    if missing >= 0:
        return text + " " * missing
    while text and _width(text) >= columns:
        text = text[:-1]
    return text + "…"
