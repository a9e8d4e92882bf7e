"""All partitions of an asset as one value: tables one below the other, anything else as a dict by partition."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO

from nacre.errors import TypeMismatch
from nacre.store.formats.annotation import alternatives, label, mismatch
from nacre.store.formats.parquet import made_as, read_table, streams
from nacre.store.formats.saving import load

_DICTS = frozenset({"dict", "collections.Mapping", "collections.abc.Mapping"})


#: Makes of the stored bytes of a partition what a function makes of them; opened only for that.
ReadPart = Callable[[str, Callable[[BinaryIO], object]], object]


def load_whole(formats: Mapping[str, str], read: ReadPart, as_type: object | None) -> object:
    """Read the partitions of an asset as a consumer's annotation wants them, one after the other.

    Args:
        formats: Partition to the name of its format, in the order they shall come in.
        read: Gives the stored bytes of a partition to a function.
        as_type: ``dict[str, T]`` for a dict by partition, each as ``T``; a table's type for one table; None for one
            table where all are, else a dict.

    Raises:
        TypeMismatch: They cannot become that type; tables whose columns have other types cannot be one.
    """
    asked = next((each for each in alternatives(as_type) if each is not None), None)
    if asked is not None and label(asked) in _DICTS:
        inner = typing.get_args(asked)[1:]
        return _by_partition(formats, read, inner[0] if inner else None)
    if all(kind == "parquet" for kind in formats.values()):
        if streams(asked):
            raise mismatch("partitions", asked, "batches are read from one partition")
        return made_as(_below({name: read(name, read_table) for name in formats}, asked), asked)
    if asked is not None:
        raise mismatch("partitions that are no tables", asked, "they are read as dict[str, …], by partition")
    return _by_partition(formats, read, None)


def _by_partition(formats: Mapping[str, str], read: ReadPart, as_type: object | None) -> dict[str, object]:
    return {name: read(name, partial(load, kind, as_type=as_type)) for name, kind in formats.items()}


def _below(tables: Mapping[str, Any], asked: object | None) -> Any:
    """Put the tables of partitions one below the other; a column that some lack is empty there."""
    import pyarrow as pa  # heavy, so imported when a table is met

    parts = list(tables.values())
    try:
        return _joined(parts, pa)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        fitted = _fitted(parts, pa)
    try:
        return _joined(fitted, pa)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        facts = {
            "stored": "partitions with different columns",
            "asked for": label(asked) if asked is not None else "one table",
            "problem": _differing(tables, pa) or str(error).splitlines()[0],
        }
        hint = "give the column one type in all partitions, or take them as dict[str, …], by partition"
        raise TypeMismatch("A stored value is not of the type that was asked for", facts, hint) from error


def _joined(tables: list[Any], pa: Any) -> Any:
    joined = pa.concat_tables(tables, promote_options="default")
    return joined.replace_schema_metadata(tables[0].schema.metadata)


def _fitted(tables: list[Any], pa: Any) -> list[Any]:
    """Give tables without rows the types that columns of these names have in the others, which come first.

    An empty column seldom has the type that its values would have had: pandas takes floats.
    """
    filled = [table for table in tables if table.num_rows]
    kinds: dict[str, Any] = {}
    for table in filled or tables:
        for field in table.schema:
            if not pa.types.is_null(field.type):
                kinds.setdefault(field.name, field.type)
    fitted = []
    for schema in (table.schema for table in tables if not table.num_rows):
        fields = [each.with_type(kinds.get(each.name, each.type)) for each in schema]
        fitted.append(pa.schema(fields, metadata=schema.metadata).empty_table())
    return [*filled, *fitted]


def _differing(tables: Mapping[str, Any], pa: Any) -> str:
    """Name the first column that has several types in partitions with rows, and a partition of each."""
    found: dict[str, dict[str, str]] = {}
    for partition, table in tables.items():
        for field in table.schema if table.num_rows else ():
            if not pa.types.is_null(field.type):
                found.setdefault(field.name, {}).setdefault(str(field.type), partition)
    for name, kinds in found.items():
        if len(kinds) > 1:
            return f"column {name!r} is " + ", ".join(f"{kind} in {where}" for kind, where in kinds.items())
    return ""
