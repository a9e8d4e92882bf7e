"""Which row of a new table belongs to which of an old one: by key columns, or by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nacre.errors import UsageError
from nacre.values.difference.cells import NotComparable, plain, positions, unlike
from nacre.values.difference.stored import Columns

#: Pairs of rows looked at together.
BLOCK = 1 << 20
#: Rows looked at to see whether a column may tell all rows apart, before all of them are.
_SAMPLE = 1 << 16

Pair = tuple[Any, Any]
"""The cells of an old and of a new column, row by row."""


class ByPosition:
    """Rows that belong together because of where they are.

    Args:
        old_rows: Rows of the old table.
        new_rows: Rows of the new one.
        head: So many rows belong together from the start on; the others from the end.
    """

    is_reordered = False

    def __init__(self, old_rows: int, new_rows: int, head: int) -> None:
        self.matched = min(old_rows, new_rows)
        self.head = head
        self._shift = new_rows - old_rows
        self.added = range(head, head + max(self._shift, 0))
        self.removed = range(head, head + max(-self._shift, 0))

    def rows(self, pair: int) -> tuple[int, int]:
        """Say which rows belong together: that of the old table, that of the new one."""
        if pair < self.head:
            return pair, pair
        return pair + max(-self._shift, 0), pair + max(self._shift, 0)

    def blocks(self, old: Any, new: Any) -> Iterator[Pair]:
        """Give two columns block by block, pair by pair."""
        for start, end in ((0, self.head), (self.head, self.matched)):
            for at in range(start, end, BLOCK):
                n = min(BLOCK, end - at)
                one, other = self.rows(at)
                yield _joined(old.slice(one, n)), _joined(new.slice(other, n))


class ByKey:
    """Rows that belong together because they have the same values in key columns.

    Args:
        old: Positions of the rows of the old table that have a counterpart, as an Arrow array.
        new: Those of their counterparts, rising.
        removed: Positions of the other rows of the old table.
        added: Positions of the other rows of the new one.
        is_reordered: True where those of ``old`` do not rise.
    """

    def __init__(self, old: Any, new: Any, removed: Any, added: Any, *, is_reordered: bool) -> None:
        self.matched = len(old)
        self.is_reordered = is_reordered
        self.added = added
        self.removed = removed
        self._old = old
        self._new = new

    def rows(self, pair: int) -> tuple[int, int]:
        """Say which rows belong together: that of the old table, that of the new one."""
        return self._old[pair].as_py(), self._new[pair].as_py()

    def blocks(self, old: Any, new: Any) -> Iterator[Pair]:
        """Give two columns block by block, pair by pair."""
        old, new = _joined(old), _joined(new)
        for at in range(0, self.matched, BLOCK):
            yield _taken(old, self._old.slice(at, BLOCK)), _taken(new, self._new.slice(at, BLOCK))


def _taken(column: Any, rows: Any) -> Any:
    """Take rows of a column; those that follow each other, as nearly all do, without a copy."""
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    first, n = rows[0].as_py(), len(rows)
    if rows[-1].as_py() - first == n - 1 and pc.all(pc.equal(rows, pc.add(positions(n), first))).as_py():
        return column.slice(first, n)
    return column.take(rows)


def by_position(old: Columns, new: Columns, shared: Sequence[tuple[int, int]]) -> ByPosition:
    """Pair rows by where they are; rows that were put in or taken out in one place are seen as such.

    Args:
        old: The old table.
        new: The new one.
        shared: Positions of the columns that can be compared, in each.
    """
    least = min(old.num_rows, new.num_rows)
    if old.num_rows == new.num_rows:
        return ByPosition(least, least, least)
    head = tail = least
    for i, j in shared:
        one, other = old.column(i), new.column(j)
        try:
            head, tail = (
                _equal_rows(one, other, n, from_end=end) for n, end in ((head, False), (tail, True))
            )
        except NotComparable:
            continue
        if head + tail < least:
            # Rows differ on both sides of the place, so no place is better than the end.
            return ByPosition(old.num_rows, new.num_rows, least)
    return ByPosition(old.num_rows, new.num_rows, head)


def _equal_rows(old: Any, new: Any, limit: int, *, from_end: bool) -> int:
    """Count the rows from the start, or the end, that are equal up to the first that is not."""
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    for at in range(0, limit, BLOCK):
        n = min(BLOCK, limit - at)
        starts = (len(old) - at - n, len(new) - at - n) if from_end else (at, at)
        differs = unlike(_joined(old.slice(starts[0], n)), _joined(new.slice(starts[1], n)))
        found = pc.indices_nonzero(differs)
        if len(found):
            return at + (n - 1 - int(found[-1].as_py()) if from_end else int(found[0].as_py()))
    return limit


def by_key(old: Columns, new: Columns, key: Sequence[tuple[int, int]], names: Sequence[str]) -> ByKey:
    """Pair rows by the values of their key columns; a null is a value too.

    Args:
        old: The old table.
        new: The new one.
        key: Positions of the key columns, in each.
        names: What they are called.

    Raises:
        UsageError: They do not tell the rows of each table apart, or their types do not compare.
    """
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    pairs = [(old.column(i), new.column(j)) for i, j in key]
    codes, n = _codes(pairs, names, pa, pc)
    n_old = len(pairs[0][0])
    before, after = codes.slice(0, n_old), codes.slice(n_old)
    # Numbers come in the order of first occurrence, so where all are different they are the positions themselves.
    n_before = (pc.max(before).as_py() + 1) if n_old else 0
    _require_unique(n_old - n_before, names, "old")
    known = pc.less(after, n_old)
    matched = after.filter(known)
    is_reordered = not _rises(matched, pc)
    ordered = matched.take(pc.array_sort_indices(matched)) if is_reordered else matched
    repeated = pc.sum(pc.equal(ordered.slice(1), ordered.slice(0, max(len(ordered) - 1, 0)))).as_py() or 0
    _require_unique(len(after) - len(matched) - (n - n_before) + repeated, names, "new")
    return ByKey(
        matched,
        pc.indices_nonzero(known).cast("int64"),
        _gaps(ordered, n_old, pa, pc),
        pc.indices_nonzero(pc.invert(known)),
        is_reordered=is_reordered,
    )


def _require_unique(n: int, names: Sequence[str], which: str) -> None:
    if n:
        facts = {"in": f"the {which} version", "rows with the key of another row": f"{n:,}"}
        hint = "give more columns: --key A --key B; or no key, to compare by position"
        raise UsageError(f"{', '.join(names)} does not tell all rows apart", facts, hint)


def _rises(numbers: Any, pc: Any) -> bool:
    """Say whether each number is greater than the one before."""
    n = max(len(numbers) - 1, 0)
    return bool(pc.all(pc.greater(numbers.slice(1), numbers.slice(0, n))).as_py() is not False)


def _gaps(numbers: Any, end: int, pa: Any, pc: Any) -> Any:
    """Give the numbers below ``end`` that are missing among rising ones."""
    bounds = pa.concat_arrays([pa.array([-1], pa.int64()), numbers, pa.array([end], pa.int64())])
    starts = pc.add(bounds.slice(0, len(bounds) - 1), 1)
    widths = pc.subtract(bounds.slice(1), starts)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(widths)])
    missing = positions(offsets[-1].as_py())
    gap = pc.list_parent_indices(pa.LargeListArray.from_arrays(offsets, missing))
    return pc.add(starts.take(gap), pc.subtract(missing, offsets.take(gap)))


def _codes(pairs: Sequence[Pair], names: Sequence[str], pa: Any, pc: Any) -> tuple[Any, int]:
    """Number the keys of both tables, the old one's first, by their first occurrence; and say how many there are."""
    codes: Any = None
    size = 1
    for name, (old, new) in zip(names, pairs, strict=True):
        one, other = _of_one_type(old, new, name, pa)
        if pa.types.is_nested(one.type):
            facts = {"column": name, "type": one.type}
            raise UsageError("A key column must have plain values", facts, "give another column: --key NAME")
        found, n = _numbered(pa.chunked_array([*_chunks(one), *_chunks(other)], type=one.type), pa, pc)
        if codes is not None:
            # Below 2^31 each, so their product is a number of 64 bits; numbered again, it is as small.
            found, n = _numbered(pa.chunked_array([pc.add(pc.multiply(codes, n), found)]), pa, pc)
        codes, size = found, n
    return codes, size


def _numbered(column: Any, pa: Any, pc: Any) -> tuple[Any, int]:
    """Number the different values of a column."""
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    n = max((len(chunk.dictionary) for chunk in encoded.chunks), default=0)
    indices = [chunk.indices.cast("int64") for chunk in encoded.chunks]
    return (pa.concat_arrays(indices) if indices else pa.array([], pa.int64())), n


def _of_one_type(old: Any, new: Any, name: str, pa: Any) -> Pair:
    old, new = _one_nan(plain(old)), _one_nan(plain(new))
    if pa.types.is_null(old.type) and pa.types.is_null(new.type):
        return old.cast("int8"), new.cast("int8")
    if old.type == new.type:
        return old, new
    for kind in (old.type, new.type):
        try:
            return old.cast(kind), new.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            continue
    facts = {"column": name, "was": old.type, "is": new.type}
    raise UsageError(
        "A key column has another type now, so its values do not compare", facts, "give another column"
    )


def _one_nan(column: Any) -> Any:
    """Take NaN for null, as it is in figures: a key has no use for both."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column


def telling(old: Columns, new: Columns, shared: Sequence[tuple[int, int]]) -> str:
    """Find a column that tells all rows of both tables apart; empty where there is none."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    types = pa.types
    unfit = (types.is_nested, types.is_floating, types.is_boolean, types.is_null)
    for i, j in shared:
        kinds = old.schema.field(i).type, new.schema.field(j).type
        if any(is_unfit(kind) for kind in kinds for is_unfit in unfit):
            continue
        if all(_is_unique(plain(column), pc) for column in (old.column(i), new.column(j))):
            return str(old.schema.field(i).name)
    return ""


def _is_unique(column: Any, pc: Any) -> bool:
    """Say whether all values differ; one look at the beginning spares most columns the whole."""
    beginning = column.slice(0, _SAMPLE)
    return all(pc.count_distinct(each, mode="all").as_py() == len(each) for each in (beginning, column))


def _joined(column: Any) -> Any:
    """Give a column, or a part of it, as one array whose cells can be compared."""
    import pyarrow as pa  # heavy, so imported when a table is met

    return _chunk(plain(column), pa)


def _chunk(column: Any, pa: Any) -> Any:
    chunks = _chunks(column)
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def _chunks(column: Any) -> list[Any]:
    return list(column.chunks) if hasattr(column, "chunks") else [column]
