"""All partitions of an asset as one value: tables one below the other, anything else as a dict by partition."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, BinaryIO

from nacre.store.formats.annotation import alternatives, label, mismatch
from nacre.store.formats.parquet import made_as, read_table, streams
from nacre.store.formats.saving import load

_DICTS = frozenset({"dict", "collections.Mapping", "collections.abc.Mapping"})


def load_whole(parts: Mapping[str, tuple[str, BinaryIO]], as_type: object | None) -> object:
    """Read the partitions of an asset as a consumer's annotation wants them.

    Args:
        parts: Partition to the name of its format and its stored bytes, in the order they shall come in.
        as_type: ``dict[str, T]`` for a dict by partition, each as ``T``; a table's type for one table; None for one
            table where all are, else a dict.

    Raises:
        TypeMismatch: They cannot become that type; tables whose columns have other types cannot be one.
    """
    asked = next((each for each in alternatives(as_type) if each is not None), None)
    if asked is not None and label(asked) in _DICTS:
        inner = typing.get_args(asked)[1:]
        return {
            name: load(kind, source, inner[0] if inner else None) for name, (kind, source) in parts.items()
        }
    if all(kind == "parquet" for kind, _ in parts.values()):
        if streams(asked):
            raise mismatch("partitions", asked, "batches are read from one partition")
        return made_as(_below([read_table(source) for _, source in parts.values()]), asked)
    if asked is not None:
        raise mismatch("partitions that are no tables", asked, "they are read as dict[str, …], by partition")
    return {name: load(kind, source) for name, (kind, source) in parts.items()}


def _below(tables: list[Any]) -> Any:
    """Put tables one below the other; a column that some lack is empty there."""
    import pyarrow as pa  # heavy, so imported when a table is met

    try:
        joined = pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise mismatch("partitions with different columns", None, str(error).splitlines()[0]) from error
    return joined.replace_schema_metadata(tables[0].schema.metadata)
