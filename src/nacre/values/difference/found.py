"""What a comparison finds, as plain data: everything counted, only the beginning shown. Values are short texts."""

from __future__ import annotations

from dataclasses import dataclass

ADDED, REMOVED, CHANGED, RETYPED, MOVED = "added", "removed", "changed", "retyped", "moved"


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that is not as it was.

    Args:
        name: Its name.
        what: added, removed, retyped or moved.
        old: The type it had; of a moved column the number of its place.
        new: The type it has; of a moved column the number of its place.
    """

    name: str
    what: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row that is shown; None where there was or is no such cell."""

    column: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that is shown.

    Args:
        what: added, removed or changed.
        key: Its values in the key columns; empty where rows were compared by position.
        old_row: Where it was, from 0; None where it was not there.
        new_row: Where it is, from 0; None where it is gone.
        cells: Of a changed row those that changed, else all.
    """

    what: str
    key: tuple[str, ...]
    old_row: int | None
    new_row: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """One column in figures; None where the type has no such figure, or it would cost too much.

    Args:
        nulls: Cells without a value; NaN is one.
        distinct: Different values.
        min: The least, as text.
        max: The greatest, as text.
        mean: The mean, as text.
    """

    nulls: int
    distinct: int | None = None
    min: str | None = None
    max: str | None = None
    mean: str | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """A column of both tables in figures, side by side; None where one has no such column."""

    name: str
    old: Figures | None
    new: Figures | None


@dataclass(frozen=True, slots=True)
class TableDifference:
    """What differs between two tables.

    Args:
        old_rows: Rows of the old one.
        new_rows: Rows of the new one.
        columns: Columns that were added, removed, retyped or moved.
        key: The columns that tell rows apart; empty where rows were compared by position.
        suggested: A column that tells all rows apart on both sides, where no key was given and one would say more.
        added: Rows that only the new one has.
        removed: Rows that only the old one has.
        changed: Rows of both with other cells.
        changed_cells: Column to how many of its cells changed, in the rows of both.
        uncompared: Columns whose types do not compare, so that only the type counts as changed.
        rows: The first of the rows that were changed, added and removed.
        statistics: Columns in figures.
        reordered: True where rows with the same key come in another order; by position that cannot be told.
    """

    old_rows: int
    new_rows: int
    columns: tuple[ColumnChange, ...]
    key: tuple[str, ...]
    suggested: str
    added: int
    removed: int
    changed: int
    changed_cells: dict[str, int]
    uncompared: tuple[str, ...]
    rows: tuple[RowChange, ...]
    statistics: tuple[Statistics, ...]
    reordered: bool = False
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part of Python data: ``$.a[3].b``. ``old`` or ``new`` is None where it was or is not there.

    ``what`` is added, removed or changed, or moved where the keys of a dict are in another order.
    """

    path: str
    what: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class PartsDifference:
    """What differs between two values of Python data.

    Args:
        old: What the old one is: ``dict of 3 items``.
        new: What the new one is.
        added: Parts that only the new one has; what lies inside them is not counted.
        removed: Parts that only the old one has.
        changed: Parts of both that differ, the innermost ones.
        parts: The first of them, in order.
    """

    old: str
    new: str
    added: int
    removed: int
    changed: int
    parts: tuple[PartChange, ...]
    kind: str = "data"


@dataclass(frozen=True, slots=True)
class TextDifference:
    """What differs between two texts.

    Args:
        old_lines: Lines of the old one.
        new_lines: Lines of the new one.
        added: Lines that were added.
        removed: Lines that were removed.
        lines: The beginning of a unified diff.
        complete: False where there is more of it.
    """

    old_lines: int
    new_lines: int
    added: int
    removed: int
    lines: tuple[str, ...]
    complete: bool
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class BytesDifference:
    """What differs between two runs of bytes, such as two files.

    Args:
        old_size: Bytes of the old one.
        new_size: Bytes of the new one.
        old_digest: BLAKE3-256 of the old one.
        new_digest: BLAKE3-256 of the new one.
        first: Where they first differ, from 0; None where they are equal.
        old: Up to 16 bytes from there on, in hexadecimal.
        new: Up to 16 bytes from there on, in hexadecimal.
    """

    old_size: int
    new_size: int
    old_digest: str
    new_digest: str
    first: int | None
    old: str = ""
    new: str = ""
    kind: str = "bytes"


@dataclass(frozen=True, slots=True)
class ArrayDifference:
    """What differs between two arrays.

    Args:
        old_shape: Shape of the old one.
        new_shape: Shape of the new one.
        old_dtype: Type of its elements.
        new_dtype: Type of its elements.
        changed: Elements that differ; None where shapes or types do, so that no two belong together.
        first: Where they first differ.
        old: What was there.
        new: What is there.
        most: The greatest distance between two numbers, as text.
    """

    old_shape: tuple[int, ...]
    new_shape: tuple[int, ...]
    old_dtype: str
    new_dtype: str
    changed: int | None = None
    first: tuple[int, ...] = ()
    old: str = ""
    new: str = ""
    most: str | None = None
    kind: str = "array"


@dataclass(frozen=True, slots=True)
class OtherKind:
    """Two values of which no parts belong together: a table became a text."""

    old: str
    new: str
    kind: str = "other kind"


Difference = (
    TableDifference | PartsDifference | TextDifference | BytesDifference | ArrayDifference | OtherKind
)
