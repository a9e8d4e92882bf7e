"""What differs between two values: rows and columns, paths, lines, bytes. Plain data; the faces make the words.

Imports no data library; one is imported when a value of its kind is compared.
"""

from __future__ import annotations

from nacre.values.difference.compared import difference
from nacre.values.difference.found import (
    ArrayDifference,
    BytesDifference,
    Cell,
    ColumnChange,
    Difference,
    OtherKind,
    PartChange,
    PartsDifference,
    RowChange,
    Statistics,
    TableDifference,
    TextDifference,
)
from nacre.values.difference.stored import Columns, Fields, Member, Stream

__all__ = [
    "ArrayDifference",
    "BytesDifference",
    "Cell",
    "ColumnChange",
    "Columns",
    "Difference",
    "Fields",
    "Member",
    "OtherKind",
    "PartChange",
    "PartsDifference",
    "RowChange",
    "Statistics",
    "Stream",
    "TableDifference",
    "TextDifference",
    "difference",
]
