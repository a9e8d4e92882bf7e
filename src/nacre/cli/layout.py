"""Lays out what commands print: aligned tables that fit the terminal, times, sizes, NDJSON."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from nacre.cli.paint import paint
from nacre.cli.streams import echo

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
