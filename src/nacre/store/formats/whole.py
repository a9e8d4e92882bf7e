"""All partitions of an asset as one value: tables one below the other, anything else as a dict by partition."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO

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
        return made_as(_below([read(name, read_table) for name in formats]), asked)
    if asked is not None:
        raise mismatch("partitions that are no tables", asked, "they are read as dict[str, …], by partition")
    return _by_partition(formats, read, None)


def _by_partition(formats: Mapping[str, str], read: ReadPart, as_type: object | None) -> dict[str, object]:
    return {name: read(name, partial(load, kind, as_type=as_type)) for name, kind in formats.items()}


def _below(tables: list[Any]) -> Any:
    """Put tables one below the other; a column that some lack is empty there."""
    import pyarrow as pa  # heavy, so imported when a table is met

    try:
        joined = pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise mismatch("partitions with different columns", None, str(error).splitlines()[0]) from error
    return joined.replace_schema_metadata(tables[0].schema.metadata)
