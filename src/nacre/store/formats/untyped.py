"""Reads the nodes that ``typed`` writes back into Python values."""

from __future__ import annotations

import binascii
import datetime as dt
import sys
from collections.abc import Callable
from typing import Any

from nacre.errors import TypeMismatch
from nacre.store.formats.typed import Node, find_class, rebuild

Read = Callable[[Node], Any]


def unpack(node: Node, known: dict[str, type]) -> object:
    """Turn JSON data with nodes into the value it was.

    Args:
        node: Decoded JSON.
        known: Classes the consumer's annotation names.

    Raises:
        TypeMismatch: A class is not imported or has changed, or a newer nacre wrote the value.
    """
    if isinstance(node, list):
        return [unpack(item, known) for item in node]
    if not isinstance(node, dict):
        return node
    tag = node.get("$")
    if tag is None:
        return {key: unpack(item, known) for key, item in node.items()}

    def inner(part: Node) -> object:
        return unpack(part, known)

    if tag == "record":
        return rebuild(node["t"], {name: inner(item) for name, item in node["v"].items()}, known)
    if tag == "enum":
        kind: Any = find_class(node["t"], known)
        return kind[node["v"]] if isinstance(node["v"], str) else kind(node["v"])
    return reader(tag)(node, inner)


def reader(tag: str) -> Callable[[Node, Read], object]:
    """Find what reads the nodes of a tag.

    Raises:
        TypeMismatch: A newer nacre wrote the value.
    """
    read = _READ.get(tag)
    if read is None:
        facts = {"tag": tag}
        raise TypeMismatch("A stored value has a part this nacre does not know", facts, "update nacre")
    return read


def _zone(stored: Node) -> dt.tzinfo | None:
    if stored is None or stored == "utc":
        return dt.UTC if stored else None
    if isinstance(stored, str):
        from zoneinfo import ZoneInfo  # reads the system's zones, so only when one is met

        return ZoneInfo(stored.removeprefix("zone:"))
    *offset, name = stored
    zone = dt.timezone(dt.timedelta(*offset))
    return zone if zone.tzname(None) == name else dt.timezone(dt.timedelta(*offset), name)


def _moment(kind: type[dt.datetime] | type[dt.time]) -> Callable[[Node, Read], object]:
    def read(node: Node, inner: Read) -> object:
        made = kind.fromisoformat(node["v"])
        return made.replace(tzinfo=_zone(node.get("z")), fold=node.get("f", 0))

    return read


def _class(name: str, attribute: str) -> Callable[[Node, Read], object]:
    """Read a node by a class of the standard library that is imported when first met."""

    def read(node: Node, inner: Read) -> object:
        __import__(name)
        made: object = getattr(sys.modules[name], attribute)(inner(node["v"]))
        return made

    return read


def _pairs(name: str) -> Callable[[Node, Read], object]:
    def read(node: Node, inner: Read) -> object:
        import collections  # imported late: few values need it

        return getattr(collections, name)({inner(key): inner(item) for key, item in node["v"]})

    return read


def _deque(node: Node, inner: Read) -> object:
    from collections import deque  # imported late: few values need it

    return deque(map(inner, node["v"]), node["m"])


def _numpy(node: Node, inner: Read) -> object:
    import numpy as np  # heavy, so imported when an array is met

    array = np.frombuffer(binascii.a2b_base64(node["v"]), dtype=node["t"])
    found: object = array.reshape(node["s"]).copy() if node["$"] == "ndarray" else array[0]
    return found


def _timestamp(node: Node, inner: Read) -> object:
    import pandas as pd  # heavy, so imported when such a value is met

    made: Any = pd.Timestamp(node["v"])
    if node["z"] is not None:
        made = made.tz_localize(node["z"], ambiguous=not node["f"])
    found: object = made.as_unit(node["u"])
    return found


def _timedelta(node: Node, inner: Read) -> object:
    import pandas as pd  # heavy, so imported when such a value is met

    found: object = pd.Timedelta(node["v"]).as_unit(node["u"])
    return found


def _pandas(name: str) -> Callable[[Node, Read], object]:
    def read(node: Node, inner: Read) -> object:
        import pandas as pd  # heavy, so imported when such a value is met

        return getattr(pd, name)

    return read


_READ: dict[str, Callable[[Node, Read], object]] = {
    "dict": lambda node, inner: {inner(key): inner(item) for key, item in node["v"]},
    "tuple": lambda node, inner: tuple(map(inner, node["v"])),
    "set": lambda node, inner: set(map(inner, node["v"])),
    "frozenset": lambda node, inner: frozenset(map(inner, node["v"])),
    "bytes": lambda node, inner: binascii.a2b_base64(node["v"]),
    "bytearray": lambda node, inner: bytearray(binascii.a2b_base64(node["v"])),
    "str": lambda node, inner: binascii.a2b_base64(node["v"]).decode("utf-8", "surrogatepass"),
    "int": lambda node, inner: int(node["v"], 16),
    "float": lambda node, inner: float(node["v"]),
    "complex": lambda node, inner: complex(*map(inner, node["v"])),
    "range": lambda node, inner: range(*map(inner, node["v"])),
    "date": lambda node, inner: dt.date.fromisoformat(node["v"]),
    "datetime": _moment(dt.datetime),
    "time": _moment(dt.time),
    "timedelta": lambda node, inner: dt.timedelta(*node["v"]),
    "decimal": _class("decimal", "Decimal"),
    "fraction": _class("fractions", "Fraction"),
    "uuid": _class("uuid", "UUID"),
    "posixpath": _class("pathlib", "PurePosixPath"),
    "windowspath": _class("pathlib", "PureWindowsPath"),
    "ordereddict": _pairs("OrderedDict"),
    "counter": _pairs("Counter"),
    "deque": _deque,
    "numpy": _numpy,
    "ndarray": _numpy,
    "pandas.Timestamp": _timestamp,
    "pandas.Timedelta": _timedelta,
    "pandas.NaT": _pandas("NaT"),
    "pandas.NA": _pandas("NA"),
}
