"""A stored value as what can be compared: whole, but read piece by piece, and without any class that data names."""

from __future__ import annotations

from typing import Any, BinaryIO

from nacre.errors import CorruptObject, NacreError, TypeMismatch
from nacre.store.formats import json
from nacre.store.formats.npy import Npy
from nacre.store.formats.parquet import read_table, restored_column, restored_schema
from nacre.store.formats.typed import Node
from nacre.store.formats.untyped import reader
from nacre.values.difference import Fields, Member, Stream


def read_comparable(name: str, source: BinaryIO, size: int) -> object:
    """Read a stored value so that ``difference`` takes it.

    Args:
        name: The format, as the record names it.
        source: The stored bytes, seekable; must stay open while the value is compared.
        size: How many there are.

    Returns:
        A table whose columns are read when asked for, a stream of text or bytes, an array, or plain data.

    Raises:
        TypeMismatch: No such format is known, or a newer nacre wrote the value.
        CorruptObject: The bytes are none of that format.
    """
    try:
        if name == "parquet":
            return StoredColumns(source)
        if name == "npy":
            return Npy().load(source, None)
        if name == "json":
            value, is_typed = json.read(source)
            return _plain(value) if is_typed else value
    except NacreError:
        raise
    except RecursionError as error:
        raise TypeMismatch("A stored value is nested too deeply to be read") from error
    except Exception as error:  # the bytes may be anything, and so may the errors of who reads them
        facts = {"format": name, "problem": f"{type(error).__name__}: {error}".splitlines()[0]}
        raise CorruptObject("A stored value cannot be read", facts, "no other version is affected") from error
    if name in ("text", "bytes", "file"):
        return Stream(source, size, name)
    raise TypeMismatch(
        "A value is stored in a format this nacre does not know", {"format": name}, "update nacre"
    )


def _plain(node: Node) -> object:
    """Turn JSON data with nodes into data, without any class that it names: records as ``Fields``.

    Raises:
        TypeMismatch: A newer nacre wrote the value.
    """
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    tag = node.get("$")
    if tag is None:
        return {key: _plain(item) for key, item in node.items()}
    if tag == "record":
        return Fields(node["t"], {name: _plain(item) for name, item in node["v"].items()})
    if tag == "enum":
        return Member(node["t"], node["v"])
    return reader(tag)(node, _plain)


class StoredColumns:
    """A stored table of which one column is read at a time.

    Args:
        source: The Parquet file; must stay open.
    """

    def __init__(self, source: BinaryIO) -> None:
        import pyarrow.parquet as pq  # heavy, so imported when a table is met

        self._source = source
        self._file = pq.ParquetFile(source)
        self.schema: Any = restored_schema(self._file.schema_arrow)
        self.num_rows: int = self._file.metadata.num_rows
        names = self.schema.names
        # Parquet finds columns by name, and takes a dot for the way into a record.
        self._is_named = len(set(names)) == len(names) and not any("." in name for name in names)
        self._whole: Any = None

    def column(self, i: int) -> Any:
        """Read one column, by its position."""
        if self._is_named:
            column = self._file.read(columns=[self.schema.field(i).name]).column(0)
            return restored_column(self.schema, i, column)
        if self._whole is None:
            self._source.seek(0)
            self._whole = read_table(self._source)
        return self._whole.column(i)
