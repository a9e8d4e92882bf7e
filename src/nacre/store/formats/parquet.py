"""Tables as Parquet, in row groups small enough that writing holds hardly more than the table itself.

The library a table came from is kept in the file as ``nacre.type``, and ``nacre.schema`` where Parquet lacks a type.
"""

from __future__ import annotations

import binascii
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec

from nacre.errors import UnserialisableValue
from nacre.store.formats import cells, frames
from nacre.store.formats.annotation import label, mismatch
from nacre.values import columns, dispatch, pandas, polars

_TYPE = b"nacre.type"
_SCHEMA = b"nacre.schema"
_NAME = b"nacre.name"
_CATEGORIES = b"nacre.categories."
#: pandas' own dtypes that are certainly the same after Parquet.
_MASKED = frozenset(
    {f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)} | {"BooleanDtype"}
)
#: What one row group may take in memory, and its limits in rows.
_GROUP_BYTES = 16 << 20
_GROUP_ROWS = (65_536, 1_048_576)
_BATCH_ROWS = 65_536
_TABLES = frozenset(
    {
        "pyarrow.Table",
        "pyarrow.RecordBatch",
        "polars.DataFrame",
        "polars.LazyFrame",
        "polars.Series",
        "pandas.DataFrame",
        "pandas.Series",
        "duckdb.DuckDBPyRelation",
    }
)
_ITERATORS = frozenset({"collections.Iterator", "collections.Iterable", "collections.Generator"})


class Parquet:
    """Stores tables of any library, and a list of dicts, empty or not, where the key asks for it."""

    name = "parquet"
    extension = ".parquet"

    def accepts(self, value: object) -> bool:
        """Say whether it is a table, or a list of dicts that all have text keys."""
        if type(value) is list:
            return all(type(item) is dict and set(map(type, item)) == {str} for item in value)
        return is_table(value)

    def is_exact(self, value: object) -> bool:
        """Say whether every column has a type that Parquet keeps, and nothing is beside the columns or in objects."""
        name = label(type(value))
        if name not in ("pyarrow.Table", "polars.DataFrame", "pandas.DataFrame"):
            return False
        if name == "pandas.DataFrame" and not _is_plain(value):
            return False
        schema = _schema(value, name)
        return bool(schema.names) and len(set(schema.names)) == len(schema) and all(map(_keeps, schema.types))

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Write the table group by group."""
        import pyarrow as pa  # heavy, so imported when a table is met
        import pyarrow.parquet as pq

        table, metadata = _to_arrow(value)
        schema = _writable(table, metadata)
        rows = _group_rows(table)
        try:
            with pq.ParquetWriter(
                sink, schema, compression="zstd", compression_level=1, use_dictionary=_repeating(schema)
            ) as writer:
                for start in range(0, max(table.num_rows, 1), rows):
                    part = table.slice(start, rows)
                    writer.write_table(
                        part.cast(schema) if part.schema != schema else part, row_group_size=rows
                    )
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            problem = str(error).splitlines()[0]
            facts = {"place": _culprit(table), "type": label(type(value)), "problem": problem}
            hint = "cast the column to a type Parquet has, or leave it out"
            raise UnserialisableValue("A table cannot be stored as Parquet", facts, hint) from error

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Read the table as the annotation asks, else as the library it came from, else as Arrow."""
        return _batches(source) if streams(as_type) else made_as(read_table(source), as_type)


def _is_plain(frame: Any) -> bool:
    is_bare = pandas.has_plain_labels(frame) and pandas.own_dtypes(frame) <= _MASKED
    return is_bare and not cells.holds_objects(frame)


def _culprit(table: Any) -> str:
    """Name the first column that Parquet does not take, empty though it be."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.parquet as pq

    for field in table.schema:
        try:
            pq.write_table(pa.schema([field]).empty_table(), pa.BufferOutputStream())
        except pa.ArrowException:
            return f"result[{field.name!r}]: {field.type}"
    return ""


def read_table(source: BinaryIO) -> Any:
    """Read a stored table, with what its schema says of where it came from."""
    import pyarrow.parquet as pq  # heavy, so imported when a table is met

    return _restored(pq.ParquetFile(source).read())


def made_as(table: Any, as_type: object | None) -> object:
    """Turn a table that was read into what was asked for, else what it was saved from, else Arrow.

    Raises:
        TypeMismatch: A table cannot become that type.
    """
    metadata = table.schema.metadata or {}
    stored = metadata.get(_TYPE, b"pyarrow.Table").decode()
    asked = stored if as_type is None else label(as_type)
    make = _MAKE.get(asked)
    if make is None:
        raise mismatch(f"a table ({stored})", as_type)
    try:
        return make(table)
    except ImportError:
        if as_type is not None:
            raise
        return _arrow(table)


def is_table(value: object) -> bool:
    """Say whether a value is a table, lazy or not, of a library nacre knows."""
    return label(type(value)) in _TABLES


def streams(as_type: object | None) -> bool:
    """Say whether a type asks for record batches one by one, read while they are consumed.

    The source must then stay open; it is closed when the iterator is at its end, closed or collected.
    """
    if as_type is None or label(as_type) not in _ITERATORS:
        return False
    return any(label(arg) == "pyarrow.RecordBatch" for arg in typing.get_args(as_type))


def reads_on(value: object) -> bool:
    """Say whether a loaded value still reads its source and will close it: an iterator of record batches."""
    return isinstance(value, types.GeneratorType)


def _batches(source: BinaryIO) -> Iterator[Any]:
    import weakref  # imported late: few consumers ask for batches

    found = _read_batches(source)
    # A generator that was never started runs no finally, so its end is watched from outside.
    weakref.finalize(found, source.close)
    return found


def _read_batches(source: BinaryIO) -> Iterator[Any]:
    import pyarrow.parquet as pq  # heavy, so imported when a table is met

    with source:
        file = pq.ParquetFile(source)
        # Group by group: asked for all of them at once, Arrow keeps what it has read until its end.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group]):
                yield _restored(batch)


def _schema(value: Any, name: str) -> Any:
    if name == "polars.DataFrame":
        return polars.to_arrow(value.head(0)).schema
    return pandas.to_arrow(value).schema if name == "pandas.DataFrame" else value.schema


def _to_arrow(value: Any) -> tuple[Any, dict[bytes, bytes]]:
    """Give a value as an Arrow table and what to note beside it."""
    import pyarrow as pa  # heavy, so imported when a table is met

    value = dispatch.settle(value)
    name = label(type(value))
    noted = {_TYPE: name.encode()}
    if name == "list":
        return _from_dicts(value, pa), noted
    if name == "pyarrow.RecordBatch":
        value = pa.Table.from_batches([value])
    elif name == "polars.DataFrame":
        value = polars.to_arrow(value)
    elif name == "polars.Series":
        value = polars.to_arrow(value.to_frame())
    elif name == "pandas.DataFrame":
        value = frames.to_arrow(value, noted)
    elif name == "pandas.Series":
        noted[_NAME] = msgspec.json.encode(value.name if isinstance(value.name, str) else None)
        value = frames.to_arrow(value.to_frame("value"), noted)
    return value, noted


def _from_dicts(items: list[dict[str, object]], pa: Any) -> Any:
    try:
        return pa.Table.from_pylist(items)
    except (pa.ArrowException, ValueError, TypeError) as error:
        facts = {"type": "list", "problem": str(error).splitlines()[0]}
        hint = "give every dict the same keys and types, or end the key in .json"
        raise UnserialisableValue("A list of dicts cannot be stored as Parquet", facts, hint) from error


def _writable(table: Any, noted: dict[bytes, bytes]) -> Any:
    """Give the schema to write: views as offsets, which every Parquet reader knows, and what is noted beside."""
    import pyarrow as pa  # heavy, so imported when a table is met

    schema = table.schema
    fields = [field.with_type(columns.without_views(field.type)) for field in schema]
    is_pandas = b"pandas" in (schema.metadata or {})
    categories = {
        _CATEGORIES + str(position).encode(): _categories(column)
        for position, column in enumerate(table.columns)
        if _has_categories(column.type, is_pandas)
    }
    if categories or not all(map(_keeps, schema.types)):
        bare = pa.schema(fields)
        noted = {**noted, **categories, _SCHEMA: binascii.b2a_base64(bare.serialize().to_pybytes())}
    return pa.schema(fields, metadata={**(schema.metadata or {}), **noted})


def _keeps(kind: Any) -> bool:
    """Say whether Parquet certainly gives a type back with the same values."""
    import pyarrow as pa  # heavy, so imported when a table is met

    types = pa.types
    if types.is_struct(kind):
        return bool(kind.num_fields) and all(_keeps(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _keeps(kind.value_type)
    if types.is_dictionary(kind):
        # Categories that are no text come back as their values, ordered ones may lose those that are not used.
        return not kind.ordered and str(kind.value_type).endswith(("string", "string_view"))
    if types.is_timestamp(kind) or types.is_time(kind):
        return str(kind.unit) != "s"
    if str(kind) in ("halffloat", "date64[ms]") or isinstance(kind, pa.BaseExtensionType):
        return False
    plain = types.is_primitive(kind) and not types.is_interval(kind)
    return bool(plain) or types.is_decimal128(kind) or str(kind).removeprefix("large_") in _VARIABLE


_VARIABLE = frozenset({"string", "binary", "string_view", "binary_view"})


def _group_rows(table: Any) -> int:
    fewest, most = _GROUP_ROWS
    try:
        size = table.nbytes
    except TypeError:  # older versions of Arrow cannot tell the bytes of views
        size = table.get_total_buffer_size()
    per_row = max(1, size // max(1, table.num_rows))
    return int(min(most, max(fewest, _GROUP_BYTES // per_row)))


def _restored(table: Any) -> Any:
    """Give back the types that Parquet lacks, from the schema noted in the file."""
    made = restored_schema(table.schema)
    if made is table.schema:
        return table
    columns = [restored_column(made, position, column) for position, column in enumerate(table.columns)]
    return type(table).from_arrays(columns, schema=made)


def restored_schema(schema: Any) -> Any:
    """Give the schema of a file the types that Parquet lacks; the same one where it lacks none."""
    noted = (schema.metadata or {}).get(_SCHEMA)
    if noted is None:
        return schema
    import pyarrow as pa  # heavy, so imported when a table is met

    kinds = pa.ipc.read_schema(pa.py_buffer(binascii.a2b_base64(noted))).types
    fields = [field.with_type(kind) for field, kind in zip(schema, kinds, strict=True)]
    return pa.schema(fields, metadata=schema.metadata)


def restored_column(schema: Any, position: int, column: Any) -> Any:
    """Give a column that was read the type it has in a restored schema."""
    categories = (schema.metadata or {}).get(_CATEGORIES + str(position).encode())
    return _cast(column, schema.field(position).type, categories)


def _repeating(schema: Any) -> list[str] | bool:
    """Name the columns worth a dictionary: floats hardly repeat, and trying costs most of a writer's memory."""
    import pyarrow as pa  # heavy, so imported when a table is met

    if any(map(pa.types.is_nested, schema.types)):
        return True
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


def _has_categories(kind: Any, is_pandas: bool) -> bool:
    """Say whether a type is a dictionary that Parquet may not give back: it keeps only text, and only what is used."""
    import pyarrow as pa  # heavy, so imported when a table is met

    if not pa.types.is_dictionary(kind):
        return False
    return is_pandas or kind.ordered or not str(kind.value_type).endswith(("string", "string_view"))


def _categories(column: Any) -> bytes:
    import pyarrow as pa  # heavy, so imported when a table is met

    unified = column.unify_dictionaries()
    values = unified.chunk(0).dictionary if unified.num_chunks else pa.nulls(0, column.type.value_type)
    values = values.cast(columns.without_views(values.type))
    batch = pa.record_batch([values], names=["categories"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return binascii.b2a_base64(sink.getvalue())


def _cast(column: Any, kind: Any, categories: bytes | None) -> Any:
    """Give a column the type it had, a dictionary with the categories it had."""
    if categories is None:
        return column if column.type == kind else column.cast(kind)
    import pyarrow as pa  # heavy, so imported when a table is met

    values = pa.ipc.open_stream(binascii.a2b_base64(categories)).read_all().column(0).combine_chunks()
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    made = [
        pa.DictionaryArray.from_arrays(
            _indices(each, values).cast(kind.index_type), values, ordered=kind.ordered
        )
        for each in chunks
    ]
    return pa.chunked_array(made, type=kind) if isinstance(column, pa.ChunkedArray) else made[0]


def _indices(array: Any, categories: Any) -> Any:
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(array.type):
        return pc.index_in(array, value_set=categories)
    known = pc.index_in(array.dictionary.cast(categories.type), value_set=categories)
    return known.take(array.indices)


def _arrow(table: Any) -> Any:
    kept = {key: what for key, what in (table.schema.metadata or {}).items() if not key.startswith(b"nacre.")}
    return table.replace_schema_metadata(kept or None)


def _batch(table: Any) -> object:
    batches = _arrow(table).combine_chunks().to_batches()
    import pyarrow as pa  # heavy, so imported when a table is met

    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=_arrow(table).schema)


def _frame(table: Any) -> Any:
    import polars as pl  # heavy, so imported when asked for

    frame: Any = pl.from_arrow(_arrow(table))
    # polars calls a column "column_0" where Arrow says that it has no name.
    if frame.columns != table.column_names and len(set(table.column_names)) == frame.width:
        frame.columns = table.column_names
    return frame.with_columns(_enums(table, frame))


def _enums(table: Any, frame: Any) -> list[Any]:
    """Give the Enum columns of a polars frame that an older polars reads as categories without order."""
    import polars as pl  # heavy, so imported when asked for

    if not (table.schema.metadata or {}).get(_TYPE, b"").startswith(b"polars."):
        return []
    lost = [
        (column, table.column(position))
        for position, column in enumerate(frame.get_columns())
        if column.dtype == pl.Categorical and table.schema.field(position).type.ordered
    ]
    return [column.cast(pl.Enum(_values(found))) for column, found in lost]


def _values(column: Any) -> list[str]:
    """Give the categories of a column, which are the same in all chunks."""
    found: list[str] = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    return found


def _relation(table: Any) -> object:
    import duckdb as engine  # heavy, so imported when asked for

    # A connection refuses a second call while it is busy, and steps run in parallel. A cursor is a connection of its
    # own to the database of the default one, so from DuckDB 2 on duckdb.sql() still finds the relation by its name.
    found: object = engine.cursor().from_arrow(_arrow(table))
    return found


def _pandas(table: Any) -> Any:
    return frames.from_arrow(_arrow(table), table.schema.metadata or {})


def _series(table: Any) -> Any:
    name = msgspec.json.decode((table.schema.metadata or {}).get(_NAME, b"null"))
    return _pandas(table).iloc[:, 0].rename(name)


_MAKE: dict[str, Callable[[Any], object]] = {
    "pyarrow.Table": _arrow,
    "pyarrow.RecordBatch": _batch,
    "polars.DataFrame": _frame,
    "polars.LazyFrame": lambda table: _frame(table).lazy(),
    "polars.Series": lambda table: _frame(table).to_series(),
    "pandas.DataFrame": _pandas,
    "pandas.Series": _series,
    "duckdb.DuckDBPyRelation": _relation,
    "list": lambda table: table.to_pylist(),
}


def first_rows(source: BinaryIO, rows: int) -> object:
    """Read the first rows of a stored table, and no more than that takes, as Arrow."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.parquet as pq

    file = pq.ParquetFile(source)
    batch = next(file.iter_batches(batch_size=max(rows, 1)), None)
    table = file.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
    return table.slice(0, rows)
