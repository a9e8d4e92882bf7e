"""Short texts of values, for people: one line, at most 60 characters; what is secret stays hidden."""

from __future__ import annotations

from typing import Any

from nacre.values.difference.stored import Fields, Stream
from nacre.values.kinds import record_kind

LIMIT = 60
HIDDEN = "•••"
_SIZED = (list, tuple, dict, set, frozenset)


def is_secret(value: object) -> bool:
    """Say whether the type of a value says that it is secret, as pydantic's ``SecretStr`` does."""
    name = value.name.rpartition(":")[2] if isinstance(value, Fields) else type(value).__name__
    return name.rpartition(".")[2].startswith("Secret")


def shown(value: object) -> str:
    """Show a part of Python data as Python writes it, large ones by type and size."""
    if is_secret(value):
        return HIDDEN
    if isinstance(value, str):
        return _cut(repr(value[: 2 * LIMIT]))
    if isinstance(value, (bytes, bytearray)):
        return _cut(value[:LIMIT].hex(" ")) or "no bytes"
    if isinstance(value, _SIZED) and (len(value) > 6 or len(_plain(value)) > LIMIT):
        return described(value)
    return _cut(_plain(value))


def _plain(value: object) -> str:
    """Write a value as Python does, unless something in it is secret or has parts of its own."""
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        inside = list(value.values()) if isinstance(value, dict) else list(value)
        if any(
            is_secret(each) or isinstance(each, _SIZED) or record_kind(type(each)) is not None
            for each in inside
        ):
            return described(value)
    if record_kind(type(value)) is not None and not isinstance(value, tuple):
        return described(value)
    return repr(value) if type(value).__module__ == "builtins" else str(value)


def described(value: object) -> str:
    """Say what a value is: ``dict of 3 items``, ``text of 812 characters``, ``table``."""
    if isinstance(value, Stream):
        return f"{value.label} of {_count(value.size, 'byte')}"
    if isinstance(value, Fields):
        return value.name.rpartition(":")[2]
    if isinstance(value, str):
        return f"text of {_count(len(value), 'character')}"
    if isinstance(value, (bytes, bytearray)):
        return f"bytes of {_count(len(value), 'byte')}"
    if isinstance(value, _SIZED):
        return f"{type(value).__name__} of {_count(len(value), 'item')}"
    shape: Any = getattr(value, "shape", None)
    if type(value).__name__ == "ndarray":
        return f"array of {'×'.join(map(str, shape)) or 'one'} {getattr(value, 'dtype', '')}"
    rows: Any = getattr(value, "num_rows", None)
    if rows is not None:
        return f"table of {_count(rows, 'row')}"
    return "None" if value is None else type(value).__name__


def cell(scalar: Any) -> str:
    """Show one cell of an Arrow table: text bare unless that would be mistaken, nothing as ``null``."""
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):  # nanoseconds and years that Python's times do not have
        value = _as_text(scalar)
    if value is None:
        return "null"
    if isinstance(value, str):
        head = value[: 2 * LIMIT]
        bare = head and head == head.strip() and head.isprintable() and head != "null"
        return _cut(head if bare else repr(head))
    if isinstance(value, bytes):
        return _cut(value[:LIMIT].hex(" "))
    return _cut(str(value))


def _as_text(scalar: Any) -> str:
    """Let Arrow write a value; a list or record with such a time in it is named by its type."""
    try:
        return str(scalar.cast("string").as_py())
    except (NotImplementedError, ValueError):
        return str(scalar.type)


def _cut(text: str) -> str:
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 1]}…"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
