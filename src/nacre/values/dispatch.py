"""Which adapter a value belongs to, by the name of its library's top-level module. Imports no library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nacre.values import arrow, duckdb, files, numpy, pandas, polars, python
from nacre.values.forms import is_registered
from nacre.values.identity import Nested, ValueIdentity

_ADAPTERS: dict[str, Callable[[Any, Nested], ValueIdentity | None]] = {
    "pyarrow": arrow.identify,
    "pandas": pandas.identify,
    "polars": polars.identify,
    "numpy": numpy.identify,
    "duckdb": duckdb.identify,
    "_duckdb": duckdb.identify,
    "pathlib": files.identify,
}


def library(value: object) -> str:
    """Name the library a value's type comes from."""
    return type(value).__module__.partition(".")[0]


def identify(value: object) -> ValueIdentity:
    """Give a value its data version. Linear in its size; tables and files are read in a stream.

    Values are equal by logical content: chunks, memory layout and the table library do not count, Python types do.
    A lazy frame or a relation runs its query here, once; ``settle`` it first where it is to be saved as well.

    Args:
        value: Python data, a table, an array, or a ``Path`` to a file or directory.

    Raises:
        UnserialisableValue: A part has a type without identity; the text names where and what to return instead.
    """
    if type(value) in python.BUILTIN_TYPES or is_registered(type(value)):
        return python.identify(value, _foreign)
    return _foreign(value) or python.identify(value, _foreign)


def settle(value: object) -> object:
    """Run what is still a query: a lazy frame becomes a frame, a relation a table; all else comes back as it is."""
    name = library(value)
    if name == "polars":
        return polars.settle(value)
    return duckdb.settle(value) if name in ("duckdb", "_duckdb") else value


def _foreign(value: object) -> ValueIdentity | None:
    adapter = _ADAPTERS.get(library(value))
    return None if adapter is None else adapter(value, nested)


nested = python.nested_digest(_foreign)
