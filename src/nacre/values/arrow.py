"""Data versions of Arrow tables: the logical columns, whatever the chunks, offsets, encodings or bytes under nulls.

Per column three streams are hashed as they pass: validity (only where there are nulls), lengths, data. Nulls are
dropped from lengths and data, offsets never enter, NaN has one form, schema metadata does not count. Nothing is
copied whole: what must be converted is, in slices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nacre.encoding import digest
from nacre.values.columns import ROWS, Column, new_column, without_views
from nacre.values.identity import SHORT, Nested, ValueIdentity, fit, text_for_outline, type_for_outline
from nacre.values.order import order_of
from nacre.version.outline import Outline

#: Rows put into order at a time.
_TAKEN = 1 << 20
#: Chunks up to this size are joined, since each costs a dozen calls.
_SMALL_BYTES = 256 * 1024


def identify(value: Any, nested: Nested) -> ValueIdentity | None:
    """Identify a table or record batch, or give None for any other type."""
    return identity(as_table(value)) if type(value).__name__ in ("Table", "RecordBatch") else None


def as_table(value: Any) -> Any:
    """Give a table or record batch as a table."""
    if type(value).__name__ == "Table":
        return value
    import pyarrow as pa  # heavy, so imported when a table is met

    return pa.Table.from_batches([value])


def identity(table: Any, *, extra: bytes = b"", mutable: bool = False, label: str = "table") -> ValueIdentity:
    """Identify a ``pyarrow.Table``.

    Args:
        table: The table.
        extra: What else belongs to the value, such as a pandas index.
        mutable: True for a library whose tables can be changed in place.
        label: What a person calls the value.

    Raises:
        UnserialisableValue: A column has a type without canonical bytes.
    """
    columns = []
    for field, chunked in zip(table.schema, table.columns, strict=True):
        bare = without_views(field.type)
        column = new_column(bare, f"result[{field.name!r}]")
        for chunk in _joined(chunked.chunks if bare == field.type else _cast(chunked, bare), bare):
            column.update(chunk)
        columns.append((field.name, column, _categories(chunked)))
    return _combined(table.num_rows, columns, extra, label, mutable)


def unordered(table: Any, extra: bytes = b"", label: str = "table") -> str:
    """Digest a table by its rows, each as often as it is there, in whatever order.

    Args:
        table: The table.
        extra: What else belongs to the value.
        label: What a person calls the value.

    Raises:
        UnserialisableValue: A column has a type without canonical bytes.
    """
    columns = [new_column(without_views(field.type), f"result[{field.name!r}]") for field in table.schema]
    arrays = [_whole(chunked) for chunked in table.columns]
    order = order_of(arrays, table.num_rows)
    parts: list[bytes | str] = [str(table.num_rows)]
    for name, column, array, chunked in zip(table.column_names, columns, arrays, table.columns, strict=True):
        for start in range(0, len(array), _TAKEN):
            column.update(array.take(order.slice(start, _TAKEN)))
        parts += (name, digest("column", column.finish(), _categories(chunked)))
    return digest(f"unordered {label}", *parts, extra)


def _whole(chunked: Any) -> Any:
    """Give a column as one array whose rows can be taken in any order."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    kind = without_views(chunked.type)
    if pa.types.is_run_end_encoded(kind):
        chunked, kind = pc.run_end_decode(chunked), kind.value_type
    if pa.types.is_dictionary(kind):
        chunked = chunked.unify_dictionaries()
    # Offsets of 64 bits, so that no column is too large for one array.
    kind = {"string": pa.large_string(), "binary": pa.large_binary()}.get(str(kind), kind)
    chunks = [chunk if chunk.type == kind else chunk.cast(kind) for chunk in chunked.chunks]
    return pa.concat_arrays(chunks) if chunks else pa.nulls(0, kind)


def _joined(chunks: Iterable[Any], kind: Any) -> Iterator[Any]:
    """Join small chunks that follow each other, where that is a plain copy."""
    import pyarrow as pa  # heavy, so imported when a table is met

    if kind.num_fields or pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType):
        yield from chunks
        return
    # To ask a chunk for its bytes takes longer than to join it.
    width = kind.bit_width // 8 + 1 if pa.types.is_primitive(kind) else 0
    waiting: list[Any] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        own = len(chunk) * width if width else chunk.nbytes
        size += own
        if size > _SMALL_BYTES:
            yield from waiting if own > _SMALL_BYTES else [pa.concat_arrays(waiting)]
            waiting, size = [], 0
    yield from waiting if len(waiting) < 2 else [pa.concat_arrays(waiting)]


def _cast(chunked: Any, kind: Any) -> Iterator[Any]:
    """Cast a column slice by slice; a dictionary by chunk, since each slice would cast all its values."""
    import pyarrow as pa  # heavy, so imported when a table is met

    for chunk in chunked.chunks:
        rows = max(1, len(chunk)) if pa.types.is_dictionary(kind) else ROWS
        for start in range(0, len(chunk), rows):
            yield chunk.slice(start, rows).cast(kind)


def _combined(
    rows: int, columns: list[tuple[str, Column, bytes]], extra: bytes, label: str, mutable: bool
) -> ValueIdentity:
    parts: list[bytes | str] = [str(rows)]
    shown = []
    for name, column, categories in columns:
        found = digest("column", column.finish(), categories)
        parts += (name, found)
        shown.append((text_for_outline(name), (type_for_outline(column.label), found[:SHORT])))
    kept, truncated = fit(shown)
    return ValueIdentity(digest(label, *parts, extra), Outline(label, rows, kept, {}, truncated), mutable)


def _categories(chunked: Any) -> bytes:
    """Digest the categories of an ordered dictionary: their order is part of the value, used or not."""
    import pyarrow as pa  # heavy, so imported when a table is met

    if not pa.types.is_dictionary(chunked.type) or not chunked.type.ordered or not chunked.num_chunks:
        return b""
    values = chunked.unify_dictionaries().chunk(0).dictionary
    column = new_column(values.type, "categories")
    column.update(values)
    return column.finish()
