"""What differs between two tables: columns, rows, figures. One column of each is in memory at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from nacre.errors import UsageError
from nacre.values.difference.cells import NotComparable, are_comparable, plain, unlike
from nacre.values.difference.found import (
    ADDED,
    CHANGED,
    MOVED,
    REMOVED,
    RETYPED,
    Cell,
    ColumnChange,
    Figures,
    RowChange,
    Statistics,
    TableDifference,
)
from nacre.values.difference.pairing import ByKey, ByPosition, by_key, by_position, telling
from nacre.values.difference.shown import cell
from nacre.values.difference.stored import Columns

#: Up to so many rows, different values are counted.
_COUNTED_ROWS = 1 << 20


def table_difference(old: Columns, new: Columns, key: Sequence[str], rows: int) -> TableDifference:
    """Compare two tables, column by column.

    Args:
        old: The old one.
        new: The new one.
        key: The columns that tell rows apart; none to compare by position.
        rows: Rows shown at most, of each sort.

    Raises:
        UsageError: A key column is not there, or the key does not tell all rows apart.
    """
    names = [_names(each) for each in (old, new)]
    shared = {name: (i, names[1][name]) for name, i in names[0].items() if name in names[1]}
    kinds = {name: (old.schema.field(i).type, new.schema.field(j).type) for name, (i, j) in shared.items()}
    uncompared = {name for name, both in kinds.items() if both[0] != both[1] and not are_comparable(*both)}
    compared = {name: at for name, at in shared.items() if name not in uncompared}
    pairing: ByKey | ByPosition
    if key:
        missing = [name for name in key if name not in shared]
        if missing:
            facts = {"both versions have": ", ".join(shared) or "no column"}
            raise UsageError(
                f"There is no column {missing[0]!r} to compare by", facts, "nacre diff KEY --key NAME"
            )
        pairing = by_key(old, new, [shared[name] for name in key], key)
    else:
        pairing = by_position(old, new, list(compared.values()))
    seen = _Rows(pairing, key, rows)
    figures = []
    for name in [*names[0], *(name for name in names[1] if name not in names[0])]:
        one = plain(old.column(names[0][name])) if name in names[0] else None
        other = plain(new.column(names[1][name])) if name in names[1] else None
        figures.append(Statistics(name, _figures(one), _figures(other)))
        try:
            seen.look(name, one, other, is_compared=name in compared)
        except NotComparable:
            # Only its cells told: 2^60 against a column of floats, a day that nanoseconds do not reach.
            uncompared.add(name)
            del compared[name]
            seen.look(name, one, other, is_compared=False)
    return TableDifference(
        old.num_rows,
        new.num_rows,
        _columns(old, new, names[0], names[1]),
        tuple(key),
        _suggested(old, new, compared, seen) if not key else "",
        len(pairing.added),
        len(pairing.removed),
        seen.changed,
        seen.changed_cells,
        tuple(name for name in shared if name in uncompared),
        seen.rows(),
        tuple(figures),
        pairing.is_reordered,
    )


class _Rows:
    """Collects which rows differ while columns pass, and keeps the cells of the first of them.

    Of each column the first changed cells are kept, as many as rows are shown: what lies in the first rows that changed
    in any column is among them.
    """

    def __init__(self, pairing: ByKey | ByPosition, key: Sequence[str], limit: int) -> None:
        self._pairing = pairing
        self._limit = limit
        self._key: dict[str, tuple[Any, Any]] = dict.fromkeys(key, (None, None))
        self._mask: Any = None
        self._cells: dict[int, list[Cell]] = {}
        self._whole: dict[str, list[tuple[int, list[Cell]]]] = {
            what: [(int(i) if isinstance(i, int) else i.as_py(), []) for i in places[:limit]]
            for what, places in ((ADDED, pairing.added), (REMOVED, pairing.removed))
        }
        self.changed_cells: dict[str, int] = {}

    def look(self, name: str, old: Any, new: Any, *, is_compared: bool) -> None:
        """Look at one column: ``old`` or ``new`` is None where it is not there."""
        if name in self._key:
            self._key[name] = (old, new)
        elif is_compared:
            self._compare(name, old, new)
        for what, column in ((ADDED, new), (REMOVED, old)):
            for row, cells in self._whole[what] if column is not None else ():
                text = cell(column[row])
                cells.append(Cell(name, text if what == REMOVED else None, text if what == ADDED else None))

    def _compare(self, name: str, old: Any, new: Any) -> None:
        import pyarrow as pa  # heavy, so imported when a table is met
        import pyarrow.compute as pc

        masks, n, start, room = [], 0, 0, self._limit
        cells: dict[int, Cell] = {}
        for one, other in self._pairing.blocks(old, new):
            differs = unlike(one, other)
            masks.append(differs)
            in_block = differs.true_count
            n += in_block
            if in_block and room:
                first = pc.indices_nonzero(differs)[:room].to_pylist()
                room -= len(first)
                cells |= {start + i: Cell(name, cell(one[i]), cell(other[i])) for i in first}
            start += len(differs)
        for pair, each in cells.items():
            self._cells.setdefault(pair, []).append(each)
        if n:
            self.changed_cells[name] = n
            mask = pa.chunked_array(masks)
            self._mask = mask if self._mask is None else pc.or_(self._mask, mask)

    @property
    def changed(self) -> int:
        """How many rows changed."""
        if self._mask is None:
            return 0
        return sum(chunk.true_count for chunk in self._mask.chunks)

    def rows(self) -> tuple[RowChange, ...]:
        """Give the rows that are shown: those that changed, then those that were added and removed."""
        found = []
        for pair in sorted(self._cells)[: self._limit]:
            old_row, new_row = self._pairing.rows(pair)
            label = self._label(old_row, 0)
            found.append(RowChange(CHANGED, label, old_row, new_row, tuple(self._cells[pair])))
        for row, cells in self._whole[ADDED]:
            found.append(RowChange(ADDED, self._label(row, 1), None, row, tuple(cells)))
        for row, cells in self._whole[REMOVED]:
            found.append(RowChange(REMOVED, self._label(row, 0), row, None, tuple(cells)))
        return tuple(found)

    def _label(self, row: int, side: int) -> tuple[str, ...]:
        return tuple(cell(both[side][row]) for both in self._key.values())


def _names(table: Columns) -> dict[str, int]:
    """Give the columns by name, in order; one whose name occurs again gets a number."""
    found: dict[str, int] = {}
    for i, field in enumerate(table.schema):
        found[field.name if field.name not in found else f"{field.name} ({i + 1})"] = i
    return found


def _columns(
    old: Columns, new: Columns, before: dict[str, int], after: dict[str, int]
) -> tuple[ColumnChange, ...]:
    """Say which columns came, went, have another type or another place among those that stayed."""
    kinds = [
        {name: str(table.schema.field(i).type) for name, i in names.items()}
        for table, names in ((old, before), (new, after))
    ]
    found = [ColumnChange(name, REMOVED, old=kinds[0][name]) for name in before if name not in after]
    found += [ColumnChange(name, ADDED, new=kinds[1][name]) for name in after if name not in before]
    kept = [name for name in after if name in before]
    found += [
        ColumnChange(name, RETYPED, kinds[0][name], kinds[1][name])
        for name in kept
        if kinds[0][name] != kinds[1][name]
    ]
    stayed = _longest([before[name] for name in kept])
    found += [
        ColumnChange(name, MOVED, str(before[name] + 1), str(after[name] + 1))
        for i, name in enumerate(kept)
        if i not in stayed
    ]
    return tuple(found)


def _longest(numbers: Sequence[int]) -> set[int]:
    """Find a longest rising subsequence of different numbers; gives its positions."""
    ends: list[int] = []
    last: list[int] = []
    came: list[int] = []
    for i, number in enumerate(numbers):
        at = bisect_left(ends, number)
        came.append(last[at - 1] if at else -1)
        ends[at : at + 1] = [number]
        last[at : at + 1] = [i]
    found, i = set(), last[-1] if last else -1
    while i >= 0:
        found.add(i)
        i = came[i]
    return found


def _suggested(old: Columns, new: Columns, shared: dict[str, tuple[int, int]], seen: _Rows) -> str:
    """Find a key that may say more than positions did: only where rows changed at all."""
    return telling(old, new, list(shared.values())) if seen.changed else ""


def _figures(column: Any) -> Figures | None:
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    if column is None:
        return None
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    counted = len(column) <= _COUNTED_ROWS
    distinct = _figure(pc.count_distinct, column, pa) if counted else None
    ends = _figure(pc.min_max, column, pa)
    mean = _figure(pc.mean, column, pa)
    has_ends = ends is not None and ends["min"].is_valid
    return Figures(
        column.null_count,
        None if distinct is None else distinct.as_py(),
        cell(ends["min"]) if has_ends else None,
        cell(ends["max"]) if has_ends else None,
        None if mean is None or not mean.is_valid else _rounded(mean.as_py()),
    )


def _figure(function: Any, column: Any, pa: Any) -> Any:
    """Work out a figure; None where Arrow has none for the type."""
    try:
        return function(column)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None


def _rounded(mean: Any) -> str:
    return f"{mean:.6g}" if isinstance(mean, float) else str(mean)
