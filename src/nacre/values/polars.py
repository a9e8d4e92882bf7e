"""Data versions of polars frames and series, as Arrow tables. The library is never imported here.

A lazy frame is identified by collecting it once, which costs what the query costs; ``settle`` it first to pay once.
"""

from __future__ import annotations

import sys
from typing import Any

from nacre.errors import UnserialisableValue
from nacre.values import arrow
from nacre.values.identity import Nested, ValueIdentity


def identify(value: Any, nested: Nested) -> ValueIdentity | None:
    """Identify a frame, lazy frame or series, or give None for any other type."""
    name = type(value).__name__
    if name == "LazyFrame":
        value, name = value.collect(), "DataFrame"
    if name == "DataFrame":
        return arrow.identity(to_arrow(value), mutable=True)
    if name == "Series":
        table = to_arrow(value.to_frame())
        return arrow.identity(table, extra=b"series", mutable=True, label="series")
    return None


def settle(value: Any) -> object:
    """Collect a lazy frame; anything else comes back as it is."""
    collected: object = value.collect() if type(value).__name__ == "LazyFrame" else value
    return collected


def to_arrow(frame: Any) -> Any:
    """Convert a frame to a ``pyarrow.Table`` that shares its memory.

    Raises:
        UnserialisableValue: A column holds Python objects.
    """
    polars = sys.modules["polars"]
    for name, kind in frame.schema.items():
        if kind == polars.Object:
            facts = {"place": f"result[{name!r}]", "type": "polars.Object"}
            hint = "give the column a type, for example with .cast or map_elements"
            raise UnserialisableValue("A column of a table cannot be stored", facts, hint)
    # Before polars 1 there is no choice of levels, nor are there types that need one.
    level = {"compat_level": polars.CompatLevel.newest()} if hasattr(polars, "CompatLevel") else {}
    try:
        table = frame.to_arrow(**level)
    except ValueError as error:  # what Arrow's errors are; the adapter does not import it for that
        raise _no_type(frame, str(error)) from error
    for position, kind in enumerate(frame.dtypes):
        if kind == polars.Enum and not table.schema.field(position).type.ordered:
            field = table.schema.field(position)
            table = table.set_column(position, *_ordered(field, table.column(position)))
    return table


def _no_type(frame: Any, problem: str) -> UnserialisableValue:
    """Name the first column whose type Arrow does not have."""
    for column in frame.get_columns():
        try:
            column.head(0).to_arrow()
        except ValueError as error:
            facts = {"place": f"result[{column.name!r}]", "type": f"polars {column.dtype}", "problem": error}
            return UnserialisableValue(
                "A column of a table cannot be stored", facts, "cast it to another type, or leave it out"
            )
    return UnserialisableValue("A table cannot be stored", {"type": "polars.DataFrame", "problem": problem})


def _ordered(field: Any, column: Any) -> tuple[Any, Any]:
    """Say that the categories of an Enum have an order, as newer versions of polars say themselves."""
    import pyarrow as pa  # heavy, so imported when a table is met

    kind = pa.dictionary(field.type.index_type, field.type.value_type, ordered=True)
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary, ordered=True)
        for chunk in column.chunks
    ]
    return field.with_type(kind), pa.chunked_array(chunks, kind)
