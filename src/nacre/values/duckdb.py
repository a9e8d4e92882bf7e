"""Data versions of DuckDB relations, as Arrow tables. The library is never imported here.

A relation is a query: identifying it runs the query once; ``settle`` it first to run it once in all.
"""

from __future__ import annotations

from typing import Any

from nacre.values import arrow
from nacre.values.identity import Nested, ValueIdentity


def identify(value: Any, nested: Nested) -> ValueIdentity | None:
    """Identify a relation, or give None for any other type."""
    if type(value).__name__ != "DuckDBPyRelation":
        return None
    # The query may give other rows next time, so the relation itself counts as mutable.
    return arrow.identity(to_arrow(value), mutable=True)


def settle(value: Any) -> object:
    """Run a relation into an Arrow table; anything else comes back as it is."""
    return to_arrow(value) if type(value).__name__ == "DuckDBPyRelation" else value


def to_arrow(relation: Any) -> Any:
    """Run the query into a ``pyarrow.Table``."""
    fetch = getattr(relation, "to_arrow_table", None) or relation.fetch_arrow_table
    return fetch()
