"""What differs between two values in words: the one place, for command line, Python and web."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nacre.values.difference import (
    ArrayDifference,
    BytesDifference,
    ColumnChange,
    Difference,
    PartsDifference,
    RowChange,
    Statistics,
    TableDifference,
    TextDifference,
)
from nacre.views.words import count

PLAIN, QUIET, ADDED, REMOVED = "", "quiet", "added", "removed"
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": "~", "retyped": "~"}
_MAX_CELLS = 8
Rows = list[tuple[str, str]]
"""How to show each line, and its text."""


def told(found: Difference) -> Rows:
    """Say what differs, line by line; what would move the cursor or colour a terminal is written out."""
    return [(kind, _written_out(line)) for kind, line in _told(found)]


def _written_out(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line)


def _told(found: Difference) -> Rows:
    if isinstance(found, TableDifference):
        return _table(found)
    if isinstance(found, PartsDifference):
        return _parts(found)
    if isinstance(found, TextDifference):
        return _text(found)
    if isinstance(found, BytesDifference):
        return _bytes(found)
    if isinstance(found, ArrayDifference):
        return _array(found)
    return [(PLAIN, f"Another kind of value: {found.old} became {found.new}")]


def _table(found: TableDifference) -> Rows:
    sums = [(found.added, "added"), (found.removed, "removed"), (found.changed, "changed")]
    differs = ", ".join(f"{n:,} {what}" for n, what in sums if n)
    said = f"{differs or 'the same cells'}{', rows in another order' if found.reordered else ''}"
    by = f"by {', '.join(found.key)}" if found.key else "by position"
    lines: Rows = [(PLAIN, f"Rows     {found.old_rows:,} → {found.new_rows:,}, compared {by}: {said}")]
    if found.suggested:
        lines.append((QUIET, f"         {found.suggested} tells all rows apart: --key {found.suggested}"))
    lines += _labelled("Columns", map(_column, found.columns))
    if found.changed_cells:
        cells = ", ".join(f"{name} ({n:,})" for name, n in found.changed_cells.items())
        lines.append((PLAIN, f"Cells    {cells}"))
    lines += [
        (QUIET, f"         {name} is of another kind now, so its cells are not compared")
        for name in found.uncompared
    ]
    lines += _rows(found)
    lines += _figures(found.statistics)
    if not (differs or found.columns or found.reordered):
        lines.append((PLAIN, "What differs is none of that: an index, categories or types of its library"))
    return lines


def _column(change: ColumnChange) -> tuple[str, str]:
    sign = _SIGNS[change.what]
    if change.what == "moved":
        return PLAIN, f"{sign} {change.name}  place {change.old} → {change.new}"
    types = " → ".join(filter(None, (change.old, change.new)))
    return _kind(change.what), f"{sign} {change.name}  {types}"


def _rows(found: TableDifference) -> Rows:
    lines: Rows = []
    sums = {"changed": found.changed, "added": found.added, "removed": found.removed}
    for what, n in sums.items():
        shown = [row for row in found.rows if row.what == what]
        lines += [(_kind(what), _row(row, found.key)) for row in shown]
        if n > len(shown):
            lines.append((QUIET, f"  … {count(n - len(shown), 'more row')} {what}"))
    return lines


def _row(row: RowChange, key: Sequence[str]) -> str:
    at = row.old_row if row.new_row is None else row.new_row
    where = ", ".join(f"{name}={what}" for name, what in zip(key, row.key, strict=True)) or f"row {at}"
    cells = [cell for cell in row.cells if cell.column not in key]
    texts = [
        f"{cell.column} {cell.old} → {cell.new}"
        if row.what == "changed"
        else f"{cell.column} {cell.old if cell.new is None else cell.new}"
        for cell in cells[:_MAX_CELLS]
    ]
    more = [f"and {count(len(cells) - _MAX_CELLS, 'more cell')}"] if len(cells) > _MAX_CELLS else []
    return f"{_SIGNS[row.what]} {where}  {', '.join([*texts, *more])}".rstrip()


def _figures(statistics: Iterable[Statistics]) -> Rows:
    """Show the columns whose figures differ, side by side."""
    lines: Rows = []
    for each in statistics:
        if each.old is None or each.new is None or each.old == each.new:
            continue
        texts = []
        for name in ("nulls", "distinct", "min", "max", "mean"):
            old, new = getattr(each.old, name), getattr(each.new, name)
            if old != new:
                texts.append(f"{name} {_figure(old)} → {_figure(new)}")
        lines.append((QUIET, f"{'' if lines else 'Figures':<8} {each.name}: {', '.join(texts)}"))
    return lines


def _figure(figure: object) -> str:
    return "none" if figure is None else f"{figure:,}" if isinstance(figure, int) else str(figure)


def _parts(found: PartsDifference) -> Rows:
    sums = [(found.added, "added"), (found.removed, "removed"), (found.changed, "changed")]
    said = ", ".join(f"{n:,} {what}" for n, what in sums if n)
    became = found.new if found.old == found.new else f"{found.old} → {found.new}"
    lines: Rows = [(PLAIN, f"Parts    {became}: {said or 'the same parts; what differs is a type'}")]
    for part in found.parts:
        texts = " → ".join(text for text in (part.old, part.new) if text is not None)
        lines.append((_kind(part.what), f"{_SIGNS[part.what]} {part.path}  {texts}"))
    more = found.added + found.removed + found.changed - len(found.parts)
    return [*lines, *([(QUIET, f"  … {count(more, 'more part')}")] if more else [])]


def _text(found: TextDifference) -> Rows:
    lines: Rows = [
        (
            PLAIN,
            f"Lines    {found.old_lines:,} → {found.new_lines:,}: {found.added:,} added, {found.removed:,} removed",
        )
    ]
    kinds = {"+": ADDED, "-": REMOVED}
    lines += [(kinds.get(line[:1], QUIET), line) for line in found.lines]
    return lines if found.complete else [*lines, (QUIET, "  … and more: -n N shows more lines")]


def _bytes(found: BytesDifference) -> Rows:
    lines: Rows = [
        (PLAIN, f"Bytes    {found.old_size:,} → {found.new_size:,}"),
        (QUIET, f"Digest   {found.old_digest[:16]} → {found.new_digest[:16]}"),
    ]
    if found.first is not None:
        lines.append(
            (PLAIN, f"First    at byte {found.first:,}: {found.old or 'the end'} → {found.new or 'the end'}")
        )
    return lines


def _array(found: ArrayDifference) -> Rows:
    shapes = ["×".join(map(str, shape)) or "one" for shape in (found.old_shape, found.new_shape)]
    lines: Rows = []
    for label, old, new in (("Shape", *shapes), ("Type", found.old_dtype, found.new_dtype)):
        lines.append((PLAIN, f"{label:<8} {old if old == new else f'{old} → {new}'}"))
    if found.changed is None:
        return lines
    most = f", by {found.most} at most" if found.most and found.changed else ""
    lines.append((PLAIN, f"Changed  {count(found.changed, 'element')}{most}"))
    if found.changed:
        at = ", ".join(map(str, found.first))
        lines.append((PLAIN, f"First    at [{at}]: {found.old} → {found.new}"))
    return lines


def _labelled(label: str, lines: Iterable[tuple[str, str]]) -> Rows:
    return [(kind, f"{'' if n else label:<8} {text}") for n, (kind, text) in enumerate(lines)]


def _kind(what: str) -> str:
    return {"added": ADDED, "removed": REMOVED}.get(what, PLAIN)
