"""Python data as JSON: plain where JSON says all there is, else in an envelope that keeps the types.

The envelope is ``{"$nacre": "typed/1", "value": …}``; a user's dict that has that key is wrapped, so it survives.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any, BinaryIO, TypeVar

import msgspec

from nacre.errors import TypeMismatch
from nacre.store.formats import annotation
from nacre.store.formats.typed import Unpackable, pack
from nacre.store.formats.untyped import unpack
from nacre.values import places

T = TypeVar("T")
_MARK = "$nacre"
_VERSION = "typed/1"
_PLAIN = {type(None), bool, int, float, str, list, dict}
_SCALARS = {type(None), bool, int, float, str}
_STR = {str}
_FEW = 64
_INT64 = 1 << 63
#: Deeper values take the envelope, whose packing counts levels.
_MAX_DEPTH = 100
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_ELSEWHERE = ("polars", "pyarrow", "duckdb", "_duckdb")


class Json:
    """Stores Python data of any of the types that have an identity, except tables and files."""

    name = "json"
    extension = ".json"

    def accepts(self, value: object) -> bool:
        """Say whether it is neither a table nor a file."""
        kind = type(value)
        library = kind.__module__.partition(".")[0]
        if library == "pandas":
            return kind.__name__ not in ("DataFrame", "Series")
        return library not in _ELSEWHERE and not (
            library == "pathlib" and not kind.__name__.startswith("Pure")
        )

    def is_exact(self, value: object) -> bool:
        """Plain data certainly comes back as it was."""
        return is_plain(value)

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Write the value as compact JSON."""
        sink.write(dumps(value))

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Read a value; a dict becomes the record the annotation names."""
        value, is_typed = read(source)
        return annotation.fit(unpack(value, annotation.classes(as_type)) if is_typed else value, as_type)


def read(source: BinaryIO) -> tuple[Any, bool]:
    """Decode stored JSON: the data, and whether it has nodes that keep types.

    Raises:
        TypeMismatch: It is nested too deeply, or a newer nacre wrote it.
    """
    try:
        value = _decode(source.read())
    except RecursionError as error:
        raise TypeMismatch("A stored value is nested too deeply to be read") from error
    if not isinstance(value, dict) or _MARK not in value:
        return value, False
    if value[_MARK] != _VERSION:
        facts = {"written as": value[_MARK], "known": _VERSION}
        raise TypeMismatch("A stored value was written by a newer nacre", facts, "update nacre")
    return value["value"], True


def dumps(value: object) -> bytes:
    """Encode a value as JSON, plain where that is exact.

    Raises:
        UnserialisableValue: A part has no JSON form.
    """
    if is_plain(value):
        try:
            return _encode(value)
        except UnicodeEncodeError:
            # Lone surrogates, which the envelope keeps.
            pass
    try:
        return _encode({_MARK: _VERSION, "value": pack(value)})
    except Unpackable as refused:
        raise places.unknown_type(value, refused.part, refused.hint) from None


def is_plain(value: object) -> bool:
    """Say whether JSON holds a value exactly: text keys, finite floats, 64-bit integers, no other types.

    Goes level by level, so that nearly all of the work is done by the interpreter in C. Linear.
    """
    if type(value) is dict and len(value) < _FEW and _is_flat(value):
        return _MARK not in value
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        if float in kinds and not all(map(math.isfinite, _of(level, float, kinds))):
            return False
        if int in kinds:
            ints = _of(level, int, kinds)
            if max(ints) >= _INT64 or min(ints) < -_INT64:
                return False
        below: list[object] = []
        if dict in kinds:
            dicts = _of(level, dict, kinds)
            if set(map(type, chain.from_iterable(dicts))) - _STR:
                return False
            below.extend(chain.from_iterable(map(dict.values, dicts)))
        if list in kinds:
            below.extend(chain.from_iterable(_of(level, list, kinds)))
        if not below:
            return not (type(value) is dict and _MARK in value)
        level = below
    return False


def _is_flat(value: dict[object, object]) -> bool:
    """Test the commonest small value, a dict of names to scalars, without the levels."""
    for key, item in value.items():
        kind = type(item)
        if type(key) is not str or kind not in _SCALARS:
            return False
        if kind is float and not math.isfinite(item):  # type: ignore[arg-type]  # a float here
            return False
        if kind is int and not -_INT64 <= item < _INT64:  # type: ignore[operator]  # an int here
            return False
    return True


def _of(level: list[object], kind: type[T], kinds: set[type]) -> list[T]:
    if len(kinds) == 1:
        return level  # type: ignore[return-value]  # all of them are of that type
    return [item for item in level if type(item) is kind]
