"""Pins: versions that are kept whatever the settings say, and that can be asked for by a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.versions_at import require_pin_name
from nacre.errors import SAFE, UsageError
from nacre.execute.process import person
from nacre.execute.workspace import Workspace
from nacre.keys import resolved, slot
from nacre.store.commit import MAX_TRIES, contended
from nacre.store.paths import pin_path
from nacre.store.records import Pin, decode, encode


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version that is kept, and the name it can be asked for by.

    Args:
        name: Of the pin.
        asset: Key.
        version: Its number.
        at: When it was pinned.
        env: The environment whose version it is.
        partition: Which slice; empty for the whole.
        by: Who pinned it; empty where that is not known.
    """

    name: str
    asset: str
    version: int
    at: datetime
    env: str
    partition: str = ""
    by: str = ""


def pinned(pin: Pin) -> Pinned:
    """Give of a pin what a person asks for."""
    return Pinned(pin.name, pin.asset, pin.seq, pin.at, pin.env, pin.partition, pin.by)


def pins(workspace: Workspace) -> list[Pin]:
    """List the pins of the store, by name."""
    return [decode(stored.data, Pin, stored.path) for stored in workspace.records.scan("pins/")]


def pin_called(workspace: Workspace, name: str) -> Pin | None:
    """Find a pin; None where there is none of this name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        return None
    stored = workspace.records.get(pin_path(name))
    return decode(stored.data, Pin, stored.path) if stored else None


def pin_version(
    workspace: Workspace,
    name: str,
    asset: str,
    partition: str,
    row: HeadRow | HistoryRow,
    *,
    moves: bool = False,
) -> Pin:
    """Pin a version. Atomic; pinning the same one again changes nothing.

    Args:
        workspace: Where.
        name: What it is called.
        asset: Key.
        partition: Which slice.
        row: The version.
        moves: True lets a pin of this name leave another version of the same slot.

    Raises:
        UsageError: The name is taken, or means something else.
        StoreError: The store refused.
    """
    require_pin_name(name)
    pin = Pin(
        name=name,
        env=workspace.env,
        asset=asset,
        partition=partition,
        seq=row.seq,
        fingerprint=row.fingerprint,
        at=workspace.clock.now(),
        by=person(),
    )
    path = pin_path(name)
    for _ in range(MAX_TRIES):
        stored = workspace.records.get(path)
        if stored is None:
            token = workspace.records.create(path, encode(pin))
        else:
            there = decode(stored.data, Pin, path)
            is_same_slot = (there.asset, there.partition, there.env) == (asset, partition, workspace.env)
            if is_same_slot and there.seq == row.seq:
                return there
            if not (moves and is_same_slot):
                raise _taken(there)
            token = workspace.records.replace(path, encode(pin), stored.token)
        if token is not None:
            return pin
    raise contended(path)


def remove_pin(workspace: Workspace, name: str) -> Pin:
    """Remove a pin; the version stays for as long as the settings keep it.

    Raises:
        UsageError: There is none of this name; says which there are.
        StoreError: The store refused.
    """
    path = pin_path(name)
    for _ in range(MAX_TRIES):
        found = pin_called(workspace, name)
        stored = workspace.records.get(path) if found is not None else None
        if found is None or stored is None:
            there = ", ".join(each.name for each in pins(workspace))
            raise UsageError(f"There is no pin {name!r}", {"there is": there or "none"}, "nacre pin")
        if workspace.records.delete(path, stored.token):
            return found
    raise contended(path)


def _taken(there: Pin) -> UsageError:
    facts = {
        "pin": there.name,
        "keeps": f"v{there.seq} of {resolved(slot(there.asset, there.partition))}",
        "since": f"{there.at:%Y-%m-%d %H:%M} by {there.by}",
    }
    hints = (f"free it first: nacre pin --remove {there.name}", SAFE)
    return UsageError(f"Another version is pinned as {there.name!r}", facts, hints)
