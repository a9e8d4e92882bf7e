"""Which published files were left behind, because the function that made them makes another key now."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

from nacre.catalog.history import HeadRow
from nacre.keys import key_of
from nacre.survey.gather import Versions


class Function(NamedTuple):
    """A function that makes an asset, as records name it.

    Args:
        task: The task's name.
        name: The qualified name of its function.
    """

    task: str
    name: str


def left_behind(
    first: Mapping[str, Function],
    declared: Container[str],
    heads: Mapping[str, HeadRow],
    versions: Versions,
) -> dict[str, str]:
    """Find published assets that nobody makes any more and whose function is about to make another key.

    Args:
        first: Key that has no version yet to the function that makes it.
        declared: Keys that somebody makes.
        heads: What is current.
        versions: Stored versions; one record is read for each published key that nobody makes.

    Returns:
        Old key to the new one. Linear in heads.
    """
    makers = {function: key for key, function in first.items()}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for slot, head in heads.items():
        key = key_of(slot)
        if not head.published or key in declared or key in seen:
            continue
        seen.add(key)
        action = versions.action(head.fingerprint)
        own = Function(action.task, action.parts[0].name) if action is not None and action.parts else None
        if own is not None and own in makers:
            found[key] = makers[own]
    return found
