"""What is said of a version whose result is gone."""

from __future__ import annotations

from nacre.errors import NotMaterialized
from nacre.keys import key_of, resolved
from nacre.planning.explain import short


def record_gone(location: str, slot: str, seq: int) -> NotMaterialized:
    """Make the error of a version whose result was collected, or lost.

    Args:
        location: The store, as a person would name it.
        slot: The asset, or the partition of it.
        seq: Which version.
    """
    name = short(key_of(slot))
    facts = {"asset": resolved(slot), "version": f"v{seq}", "store": location}
    hints = (f"another one: nacre history {name}", f"make it again: nacre build {name} --refresh")
    return NotMaterialized(f"The record of {short(slot)} v{seq} is gone", facts, hints)
