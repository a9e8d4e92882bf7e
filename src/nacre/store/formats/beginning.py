"""The beginning of a stored value as plain data, for people to look at.

Whoever shows a store may not trust it: nothing here imports or makes a class that data names, and no more is read than
is shown, except for JSON, which has no beginning.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from nacre.errors import TypeMismatch
from nacre.store.formats.npy import Npy
from nacre.store.formats.parquet import first_rows

#: JSON beyond this is not shown.
MAX_JSON_BYTES = 16 << 20
_CHARACTERS = 400
_decode = msgspec.json.Decoder().decode


def read_beginning(name: str, source: BinaryIO, rows: int) -> object:
    """Read the beginning of a stored value.

    Args:
        name: The format, as the record names it.
        source: The stored bytes.
        rows: How many rows, lines or items are wanted.

    Returns:
        A table of so many rows, text, bytes, an array or plain data; records as dicts, whatever class they were.

    Raises:
        TypeMismatch: It is too large, or no such format is known.
    """
    if name == "parquet":
        return first_rows(source, rows)
    if name == "npy":
        return Npy().load(source, None)
    if name == "json":
        data = source.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise TypeMismatch("The value is too large to be shown here")
        return _plain(_decode(data))
    if name in ("text", "bytes", "file"):
        data = source.read(rows * _CHARACTERS)
        text = _text(data)
        return data if text is None or name == "bytes" else text
    raise TypeMismatch(
        "A value is stored in a format this nacre does not know", {"format": name}, "update nacre"
    )


def _plain(value: Any) -> object:
    """Take the types out of a decoded value: what ``typed`` packed becomes what it held."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$nacre" in value and "value" in value:
        return _plain(value["value"])
    if "$" not in value:
        return {name: _plain(item) for name, item in value.items()}
    held = value.get("v")
    if value["$"] == "dict" and isinstance(held, list):
        return {
            str(_plain(pair[0])): _plain(pair[1])
            for pair in held
            if isinstance(pair, list) and len(pair) == 2
        }
    return _plain(held)


def _text(data: bytes) -> str | None:
    """Read the beginning of a file as text, or give None where it is none."""
    import codecs  # imported late: only texts need it

    try:
        # A character may be cut at the end, which only a last part forbids.
        found = codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return None
    return None if "\0" in found else found
