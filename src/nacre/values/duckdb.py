"""Data versions of DuckDB relations, as Arrow tables. The library is never imported here.

A relation is a query: identifying it runs the query once; ``settle`` it first to run it once in all.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from nacre.values import arrow
from nacre.values.identity import Nested, ValueIdentity

#: How long to leave a busy connection alone.
_PAUSE_S = 0.005
#: Before DuckDB 2, a query ends whatever another thread runs on the same connection, and relations do not say which
#: connection is theirs. One query uses all cores, so taking turns costs little.
_turn = threading.Lock()


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
    """Run the query into a ``pyarrow.Table``, once its connection is free."""
    fetch = getattr(relation, "to_arrow_table", None) or relation.fetch_arrow_table
    while True:
        try:
            with _turn:
                return fetch()
        except Exception as error:
            # The connection refuses while another step's call is running on it, instead of waiting.
            if type(error).__name__ != "ResourceInUseException":
                raise
        time.sleep(_PAUSE_S)
