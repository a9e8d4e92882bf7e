"""How often a conditional write is tried that others are ahead of, and what is said when that was not enough."""

from __future__ import annotations

from nacre.errors import SAFE, StoreUnavailable

MAX_TRIES = 20


def contended(path: str) -> StoreUnavailable:
    """Make the error of a record that others keep changing."""
    facts = {"record": path, "tries": MAX_TRIES}
    return StoreUnavailable("A record is being changed by others all the time", facts, (SAFE, "run again"))
