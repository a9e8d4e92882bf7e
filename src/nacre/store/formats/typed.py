"""Python values that JSON has no words for, as plain JSON nodes ``{"$": tag, "v": …}``, and back.

No module is imported because data names it, and nothing is pickled. The tags are stored, so none is ever renamed.
"""

from __future__ import annotations

import binascii
import datetime as dt
import enum
import math
from collections.abc import Callable
from typing import Any

from nacre.errors import TypeMismatch
from nacre.values.kinds import build_record, declared_values, find_type, record_kind, type_name

#: Containers inside containers; JSON decoders and people give up somewhere beyond.
MAX_DEPTH = 200
_INT64 = 1 << 63
Node = Any
Inner = Callable[[Any], Node]


class Unpackable(Exception):
    """A part of a value that has no node; ``hint`` says what to return instead."""

    def __init__(self, part: object, hint: str = "") -> None:
        self.part = part
        self.hint = hint


def pack(value: object, depth: int = 0) -> Node:
    """Turn a value into plain JSON data.

    Raises:
        Unpackable: A part has no node, or lies too deep.
    """
    if depth > MAX_DEPTH:
        raise Unpackable(value, f"return a value nested at most {MAX_DEPTH} levels deep")
    kind = type(value)
    if value is None or kind is bool:
        return value
    special = _PACK.get(kind)
    if special is not None:
        return special(value, lambda part: pack(part, depth + 1))
    return _pack_other(value, kind, lambda part: pack(part, depth + 1))


def _pack_other(value: Any, kind: type, inner: Inner) -> Node:
    if isinstance(value, enum.Enum):
        flag = isinstance(value, enum.Flag)
        return {"$": "enum", "t": type_name(kind), "v": value.value if flag else value.name}
    library = kind.__module__.partition(".")[0]
    named = _PACK_NAMED.get(f"{library}.{kind.__qualname__}")
    if named is not None:
        return named(value, inner)
    record = record_kind(kind)
    if record is not None:
        # What is not declared is not written: only a class that makes it again brings it back.
        fields = {name: inner(item) for name, item in declared_values(value, record).items()}
        return {"$": "record", "t": type_name(kind), "v": fields}
    if library == "numpy" and hasattr(value, "dtype"):
        return _pack_numpy(value)
    raise Unpackable(value, _hint(library))


def _hint(library: str) -> str:
    if library in ("polars", "pandas", "pyarrow", "duckdb", "_duckdb"):
        return "a table is stored on its own: return it alone, or make it an asset of its own"
    if library == "pathlib":
        return "a file is stored on its own: return the Path alone, or str(path) where only the name matters"
    return ""


def _str(value: str, inner: Inner) -> Node:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"$": "str", "v": _b64(value.encode("utf-8", "surrogatepass"))}
    return value


def _int(value: int, inner: Inner) -> Node:
    return value if -_INT64 <= value < _INT64 else {"$": "int", "v": hex(value)}


def _float(value: float, inner: Inner) -> Node:
    return value if math.isfinite(value) else {"$": "float", "v": str(value)}


def _dict(value: dict[Any, Any], inner: Inner) -> Node:
    packed = [(inner(key), inner(item)) for key, item in value.items()]
    if "$" not in value and all(type(key) is str for key, _ in packed) and all(type(k) is str for k in value):
        return dict(packed)
    return {"$": "dict", "v": packed}


def _many(tag: str) -> Callable[[Any, Inner], Node]:
    return lambda value, inner: {"$": tag, "v": [inner(item) for item in value]}


def _pairs(tag: str) -> Callable[[Any, Inner], Node]:
    return lambda value, inner: {"$": tag, "v": [(inner(key), inner(item)) for key, item in value.items()]}


def _raw(tag: str) -> Callable[[Any, Inner], Node]:
    return lambda value, inner: {"$": tag, "v": _b64(value)}


def _as_text(tag: str) -> Callable[[Any, Inner], Node]:
    return lambda value, inner: {"$": tag, "v": str(value)}


def _b64(data: bytes | bytearray) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _moment(tag: str) -> Callable[[Any, Inner], Node]:
    def packed(value: Any, inner: Inner) -> Node:
        node = {"$": tag, "v": value.replace(tzinfo=None, fold=0).isoformat()}
        if value.tzinfo is not None:
            node["z"] = _zone(value.tzinfo)
        if value.fold:
            node["f"] = 1
        return node

    return packed


def _zone(zone: dt.tzinfo) -> Node:
    if zone is dt.UTC:
        return "utc"
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        return [offset.days, offset.seconds, offset.microseconds, zone.tzname(None)]
    key = getattr(zone, "key", None)
    if key is None:
        raise Unpackable(zone, "use a zoneinfo.ZoneInfo or datetime.timezone as time zone")
    return f"zone:{key}"


def _delta(value: dt.timedelta, inner: Inner) -> Node:
    return {"$": "timedelta", "v": [value.days, value.seconds, value.microseconds]}


def _timestamp(value: Any, inner: Inner) -> Node:
    zone = None if value.tzinfo is None else str(getattr(value.tzinfo, "key", value.tzinfo))
    text = value.tz_localize(None).isoformat()
    return {"$": "pandas.Timestamp", "v": text, "u": value.unit, "z": zone, "f": value.fold}


def _pack_numpy(value: Any) -> Node:
    if value.dtype.kind not in "biufcmMSU":
        raise Unpackable(value, "convert it with .tolist()")
    tag = "ndarray" if type(value).__name__ == "ndarray" else "numpy"
    little = value.astype(value.dtype.newbyteorder("<"))
    node = {"$": tag, "t": little.dtype.str, "v": _b64(little.tobytes())}
    return {**node, "s": list(value.shape)} if tag == "ndarray" else node


_PACK: dict[type, Callable[[Any, Inner], Node]] = {
    str: _str,
    int: _int,
    float: _float,
    dict: _dict,
    list: lambda value, inner: [inner(item) for item in value],
    tuple: _many("tuple"),
    set: _many("set"),
    frozenset: _many("frozenset"),
    bytes: _raw("bytes"),
    bytearray: _raw("bytearray"),
    complex: lambda value, inner: {"$": "complex", "v": [inner(value.real), inner(value.imag)]},
    range: lambda value, inner: {
        "$": "range",
        "v": [inner(value.start), inner(value.stop), inner(value.step)],
    },
    dt.date: lambda value, inner: {"$": "date", "v": value.isoformat()},
    dt.datetime: _moment("datetime"),
    dt.time: _moment("time"),
    dt.timedelta: _delta,
}
_PACK_NAMED: dict[str, Callable[[Any, Inner], Node]] = {
    "decimal.Decimal": _as_text("decimal"),
    "fractions.Fraction": _as_text("fraction"),
    "uuid.UUID": _as_text("uuid"),
    "pathlib.PurePosixPath": _as_text("posixpath"),
    "pathlib.PureWindowsPath": _as_text("windowspath"),
    "collections.OrderedDict": _pairs("ordereddict"),
    "collections.Counter": _pairs("counter"),
    "collections.deque": lambda value, inner: {"$": "deque", "v": [*map(inner, value)], "m": value.maxlen},
    "pandas.Timestamp": _timestamp,
    "pandas.Timedelta": lambda value, inner: {
        "$": "pandas.Timedelta",
        "v": value.isoformat(),
        "u": value.unit,
    },
    "pandas.NaTType": lambda value, inner: {"$": "pandas.NaT"},
    "pandas.api.typing.NaTType": lambda value, inner: {"$": "pandas.NaT"},
    "pandas.NAType": lambda value, inner: {"$": "pandas.NA"},
}


def missing_class(name: str) -> TypeMismatch:
    """Build the error for a stored value whose class is not there."""
    module, _, qualname = name.partition(":")
    local = "<locals>" in qualname
    return TypeMismatch(
        "The class of a stored value is not there",
        {"class": qualname, "module": module},
        "define the class at the top of its module" if local else f"import {module} before loading the value",
    )


def find_class(name: str, known: dict[str, type]) -> type:
    """Find a class by its stored name.

    Raises:
        TypeMismatch: No imported module has it, nor the consumer's annotation.
    """
    found = find_type(name, known)
    if found is None:
        raise missing_class(name)
    return found


def rebuild(name: str, fields: dict[str, object], known: dict[str, type]) -> object:
    """Make a record of its stored fields.

    Raises:
        TypeMismatch: The class is not there, or no longer has these fields.
    """
    cls = find_class(name, known)
    try:
        return build_record(cls, fields)
    except (TypeError, ValueError) as error:
        facts = {"class": name, "stored fields": ", ".join(fields), "problem": str(error).splitlines()[0]}
        hint = "build the asset again, or give the new fields defaults"
        raise TypeMismatch("A stored value no longer fits its class", facts, hint) from error
