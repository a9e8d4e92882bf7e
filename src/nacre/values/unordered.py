"""The data version of a value whose order does not count: ``unordered=True``.

Rows and items are put into one order first and hashed whole, so equal digests mean the same ones, as often.
"""

from __future__ import annotations

from typing import Any

from nacre.encoding import digest
from nacre.errors import UnserialisableValue
from nacre.values import arrow, numpy, pandas, polars
from nacre.values.dispatch import identify, library, nested, settle

_ITEMS = frozenset({"list", "tuple", "deque"})
_DICTS = frozenset({"dict", "OrderedDict", "Counter"})
_HINTS = {
    "str": "return a list of lines, or leave unordered= out",
    "bytes": "return a table or a list, or leave unordered= out",
    "ndarray": "return an array of one dimension or more, or leave unordered= out",
    "NoneType": "return an empty list or table where there is nothing, or leave unordered= out",
}
_ANYTHING = "return a table, an array, a list or a dict, or leave unordered= out"


def unordered_version(value: object) -> str:
    """Digest a value by its rows, items or entries, each as often as it is there, in whatever order.

    Only the outermost order is taken away: a table or list inside keeps its own. A lazy frame or relation runs here.

    Args:
        value: A table of any library, a series, an array of one dimension or more, a list, tuple, set or dict.

    Raises:
        UnserialisableValue: The value has no rows or items, or a part of it has no identity.
    """
    settled: Any = settle(value)
    kind = type(settled)
    home = library(settled)
    if kind in (set, frozenset):
        return identify(settled).digest
    if home in ("builtins", "collections"):
        return _of_items(settled, kind.__name__)
    if home == "numpy" and kind.__name__ == "ndarray" and settled.ndim:
        return numpy.unordered(settled, nested)
    table = _rows(settled, home)
    if table is None:
        raise _no_order(settled)
    return table


def _rows(value: Any, home: str) -> str | None:
    name = type(value).__name__
    if home == "pyarrow" and name in ("Table", "RecordBatch"):
        return arrow.unordered(arrow.as_table(value))
    if home == "pandas" and name in ("DataFrame", "Series"):
        table, extra, label = pandas.rows(value, nested)
        return arrow.unordered(table, extra, label)
    if home == "polars" and name == "DataFrame":
        return arrow.unordered(polars.to_arrow(value))
    if home == "polars" and name == "Series":
        return arrow.unordered(polars.to_arrow(value.to_frame()), b"series", "series")
    return None


def _of_items(value: Any, name: str) -> str:
    if name in _ITEMS:
        limit = str(getattr(value, "maxlen", ""))
        return digest("unordered items", name, limit, *sorted(map(nested, value)))
    if name in _DICTS:
        entries = sorted(nested(key) + nested(item) for key, item in value.items())
        return digest("unordered entries", name, *entries)
    raise _no_order(value)


def _no_order(value: object) -> UnserialisableValue:
    name = type(value).__name__
    return UnserialisableValue(
        "unordered=True needs rows or items, and this value has none",
        {"type": f"{type(value).__module__}.{type(value).__qualname__}"},
        _HINTS.get(name, _ANYTHING),
    )
