"""How each Python type is written as canonical bytes: tag, length, content. Knows no tree and no digest of one.

A byte changed here changes the data version of every value stored; golden digests in the tests pin them.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable
from itertools import chain
from struct import Struct
from typing import Any, NamedTuple

from blake3 import blake3

from nacre.values import numpy, pandas
from nacre.values.kinds import field_values, record_kind, type_name

INT = Struct("<cq").pack
FLOAT = Struct("<cd").pack
SIZED = Struct("<cQ").pack
NAN = b"f" + bytes.fromhex("000000000000f87f")
_INT64 = 1 << 63
#: From this size on, bytes and text enter a tree by their own digest, so nothing large is held.
_LARGE = 64 * 1024
_REMEMBERED = 4096


class UnknownPart(Exception):
    """Some part of a value has no known type; ``places`` turns it into the error that names the path."""

    def __init__(self, part: object, hint: str = "") -> None:
        self.part = part
        self.hint = hint


class Leaf(NamedTuple):
    """How a type without parts is written: the whole node at once."""

    encode: Callable[[Any], bytes]
    mutable: bool = False


class Branch(NamedTuple):
    """How a type with parts is written: what comes first, then the parts."""

    open: Callable[[Any], tuple[bytes, Iterable[object]]]
    mutable: bool = False


class Unordered(NamedTuple):
    """How a set is written: the sorted digests of its elements."""

    tag: bytes
    mutable: bool = False


def int_bytes(value: int) -> bytes:
    """Encode an integer of any size as one node."""
    if -_INT64 <= value < _INT64:
        return INT(b"i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return SIZED(b"I", len(data)) + data


def _float(value: float) -> bytes:
    return FLOAT(b"f", value) if value == value else NAN


def text(value: str) -> bytes:
    """Encode a string as one node. Lone surrogates are kept."""
    data = value.encode("utf-8", "surrogatepass")
    return _sized(b"s", data)


def _sized(tag: bytes, data: bytes | bytearray) -> bytes:
    if len(data) < _LARGE:
        return SIZED(tag, len(data)) + data
    return b"#" + SIZED(tag, len(data)) + blake3(data).digest()


def _complex(value: complex) -> bytes:
    return b"c" + _float(value.real) + _float(value.imag)


def _range(value: range) -> bytes:
    return b"r" + int_bytes(value.start) + int_bytes(value.stop) + int_bytes(value.step)


def _zone(value: Any) -> bytes:
    zone = value.tzinfo
    if zone is None:
        return b"N"
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        return b"z" + _timedelta(offset) + text(zone.tzname(None))
    key = getattr(zone, "key", None)
    if type(zone).__module__ == "zoneinfo" and isinstance(key, str):
        return b"Z" + text(key)
    hint = f"use a zoneinfo.ZoneInfo or datetime.timezone in place of {type(zone).__name__}"
    raise UnknownPart(value, hint)


def _datetime(value: dt.datetime) -> bytes:
    plain = value.replace(tzinfo=None, fold=0)
    return b"D" + text(plain.isoformat()) + _zone(value) + (b"1" if value.fold else b"0")


def _time(value: dt.time) -> bytes:
    plain = value.replace(tzinfo=None, fold=0)
    return b"h" + text(plain.isoformat()) + _zone(value) + (b"1" if value.fold else b"0")


def _timedelta(value: dt.timedelta) -> bytes:
    return b"e" + int_bytes(value.days) + int_bytes(value.seconds) + int_bytes(value.microseconds)


def _enum(value: enum.Enum) -> bytes:
    what = int_bytes(value.value) if isinstance(value, enum.Flag) else text(value.name)
    return b"E" + text(type_name(type(value))) + what


def _named(tag: bytes) -> Callable[[object], bytes]:
    return lambda value: tag + text(type(value).__name__) + text(str(value))


def _items(tag: bytes) -> Callable[[Any], tuple[bytes, Iterable[object]]]:
    return lambda value: (SIZED(tag, len(value)), value)


def _pairs(name: str) -> Callable[[Any], tuple[bytes, Iterable[object]]]:
    head = b"M" + text(name)

    def opened(value: Any) -> tuple[bytes, Iterable[object]]:
        if vars(value):
            raise UnknownPart(value, f"return a {name} without attributes of its own")
        return SIZED(b"d", len(value)) + head, chain.from_iterable(value.items())

    return opened


def _deque(value: Any) -> tuple[bytes, Iterable[object]]:
    return SIZED(b"q", len(value)), chain((value.maxlen,), value)


FORMS: dict[type, Leaf | Branch | Unordered] = {
    type(None): Leaf(lambda _: b"N"),
    bool: Leaf(lambda value: b"T" if value else b"F"),
    int: Leaf(int_bytes),
    float: Leaf(_float),
    str: Leaf(text),
    bytes: Leaf(lambda value: _sized(b"b", value)),
    bytearray: Leaf(lambda value: _sized(b"B", value), mutable=True),
    complex: Leaf(_complex),
    range: Leaf(_range),
    dt.date: Leaf(lambda value: b"y" + text(value.isoformat())),
    dt.datetime: Leaf(_datetime),
    dt.time: Leaf(_time),
    dt.timedelta: Leaf(_timedelta),
    list: Branch(_items(b"l"), mutable=True),
    tuple: Branch(_items(b"t")),
    dict: Branch(lambda value: (SIZED(b"d", len(value)), chain.from_iterable(value.items())), mutable=True),
    set: Unordered(b"S", mutable=True),
    frozenset: Unordered(b"Z"),
}
# Found by name: importing these modules would cost every program that never uses them.
_BY_NAME: dict[str, Leaf | Branch] = {
    "decimal.Decimal": Leaf(_named(b"m")),
    "uuid.UUID": Leaf(_named(b"u")),
    "fractions.Fraction": Leaf(_named(b"m")),
    "pathlib.PurePosixPath": Leaf(_named(b"p")),
    "pathlib.PureWindowsPath": Leaf(_named(b"p")),
    "collections.OrderedDict": Branch(_pairs("OrderedDict"), mutable=True),
    "collections.Counter": Branch(_pairs("Counter"), mutable=True),
    "collections.deque": Branch(_deque, mutable=True),
}
#: What gives the key of a class that has no ``__data_key__`` of its own.
_registered: dict[type, Callable[[Any], object]] = {}
_found: dict[type, Leaf | Branch | Unordered | None] = {}


def register(kind: type, function: Callable[[Any], object]) -> None:
    """Let a function give the key by which the values of a class are identified."""
    _registered[kind] = function
    _found.pop(kind, None)


def is_registered(kind: type) -> bool:
    """Say whether a class has such a function."""
    return kind in _registered


def is_keyed(kind: type) -> bool:
    """Say whether a key identifies the values of a class, and not what they consist of."""
    return kind in _registered or hasattr(kind, "__data_key__")


def form_of(kind: type) -> Leaf | Branch | Unordered | None:
    """Say how a type is written, or None where only an adapter can know; remembered by type."""
    if kind in FORMS:
        return FORMS[kind]
    if kind not in _found:
        if len(_found) > _REMEMBERED:
            _found.clear()
        _found[kind] = _find_form(kind)
    return _found[kind]


def _find_form(kind: type) -> Leaf | Branch | None:
    if is_keyed(kind):
        key = _registered.get(kind) or kind.__data_key__  # type: ignore[attr-defined]  # one of both is there
        return Branch(lambda value: (b"k" + text(type_name(kind)), (key(value),)), mutable=True)
    if issubclass(kind, enum.Enum):
        return Leaf(_enum)
    # pathlib is a package with a private submodule on some versions.
    known = _BY_NAME.get(f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}")
    if known is not None:
        return known
    for library in (numpy, pandas):
        encode = library.scalar(kind)
        if encode is not None:
            return Leaf(_scalar(encode))
    record = record_kind(kind)
    if record is None:
        return None
    name = text(type_name(kind))

    def opened(value: object) -> tuple[bytes, Iterable[object]]:
        fields = field_values(value, record)
        return SIZED(b"o", len(fields)) + name, chain.from_iterable(fields.items())

    return Branch(opened, record.mutable)


def _scalar(encode: Callable[[object], tuple[str, bytes]]) -> Callable[[object], bytes]:
    def encoded(value: object) -> bytes:
        name, data = encode(value)
        return b"n" + text(name) + SIZED(b"b", len(data)) + data

    return encoded
