"""Pins: versions that are kept whatever the settings say, and that can be asked for by a name."""

from __future__ import annotations

import re

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.versions_at import require_pin_name
from nacre.errors import SAFE, UsageError
from nacre.execute.process import person
from nacre.execute.workspace import Workspace
from nacre.keys import resolved, slot
from nacre.store.codec import decode, encode, readable
from nacre.store.keeping import keep
from nacre.store.listing import list_again
from nacre.store.paths import pin_path
from nacre.store.records import Pin
from nacre.store.tries import MAX_TRIES, contended
from nacre.survey.gone import record_gone


def pins(workspace: Workspace) -> list[Pin]:
    """List the pins of the store, by name; one that cannot be read is left out."""
    found = (readable(stored, Pin) for stored in workspace.records.scan("pins/"))
    return [pin for pin in found if pin is not None]


def is_pin_name(name: str) -> bool:
    """Whether a pin can be called that."""
    return re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) is not None


def pin_called(workspace: Workspace, name: str) -> Pin | None:
    """Find a pin; None where there is none of this name."""
    if not is_pin_name(name):
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

    Safe beside a collection: it either sees the pin, or has collected the version before, and then nothing is pinned.

    Args:
        workspace: Where.
        name: What it is called.
        asset: Key.
        partition: Which slice.
        row: The version.
        moves: True lets a pin of this name leave another version of the same slot.

    Raises:
        UsageError: The name is taken, or means something else.
        NotMaterialized: The version was collected.
        StoreError: The store refused.
    """
    require_pin_name(name)
    pin = Pin(
        name=name,
        env=_env_of(workspace, asset, partition),
        asset=asset,
        partition=partition,
        seq=row.seq,
        fingerprint=row.fingerprint,
        at=workspace.clock.now(),
        by=person(),
        data_version=row.data_version,
    )
    made = slot(asset, partition)
    if not keep(workspace.records, row.fingerprint, asset, row.data_version, pin.at):
        raise record_gone(workspace.location, made, row.seq)
    before = _put(workspace, pin, moves=moves)
    # A collection that did not see the pin trims histories as it read them, and this one is another by then.
    if not list_again(workspace.records, pin.env, asset, partition, row.seq):
        if before is None:
            _take_back(workspace, pin)
        raise record_gone(workspace.location, made, row.seq)
    return before or pin


def _take_back(workspace: Workspace, pin: Pin) -> None:
    path = pin_path(pin.name)
    stored = workspace.records.get(path)
    if stored is not None and decode(stored.data, Pin, path) == pin:
        workspace.records.delete(path, stored.token)


def _put(workspace: Workspace, pin: Pin, *, moves: bool) -> Pin | None:
    """Write a pin; the one of this name that keeps the version already, if there is one.

    Raises:
        UsageError: The name is taken.
    """
    path = pin_path(pin.name)
    for _ in range(MAX_TRIES):
        stored = workspace.records.get(path)
        if stored is None:
            token = workspace.records.create(path, encode(pin))
        else:
            there = decode(stored.data, Pin, path)
            is_same_slot = (there.asset, there.partition, there.env) == (pin.asset, pin.partition, pin.env)
            is_same = is_same_slot and there.seq == pin.seq
            if is_same and there.data_version:  # one of an older store is written again, with its content
                return there
            if not is_same and not (moves and is_same_slot):
                raise _taken(there)
            token = workspace.records.replace(path, encode(pin), stored.token)
        if token is not None:
            return None
    raise contended(path)


def remove_pin(workspace: Workspace, name: str) -> Pin:
    """Remove a pin; the version stays for as long as the settings keep it.

    Returns:
        The pin; of one that could not be read only its name.

    Raises:
        UsageError: There is none of this name; says which there are.
        StoreError: The store refused.
    """
    path = pin_path(name)
    for _ in range(MAX_TRIES):
        stored = workspace.records.get(path) if is_pin_name(name) else None
        if stored is None:
            there = ", ".join(each.name for each in pins(workspace))
            raise UsageError(f"There is no pin {name!r}", {"there is": there or "none"}, "nacre pin")
        if workspace.records.delete(path, stored.token):
            nothing = Pin(name=name, env="", asset="", seq=0, fingerprint="", at=workspace.clock.now())
            return readable(stored, Pin) or nothing
    raise contended(path)


def _env_of(workspace: Workspace, asset: str, partition: str) -> str:
    """Name the environment whose history is read: its base, where it has no version of its own."""
    rows = workspace.catalog.heads_of(workspace.env, asset)
    return next((row.base for row in rows if row.partition == partition), "") or workspace.env


def _taken(there: Pin) -> UsageError:
    facts = {
        "pin": there.name,
        "keeps": f"v{there.seq} of {resolved(slot(there.asset, there.partition))}",
        "since": f"{there.at:%Y-%m-%d %H:%M} by {there.by}",
    }
    hints = (f"free it first: nacre pin --remove {there.name}", SAFE)
    return UsageError(f"Another version is pinned as {there.name!r}", facts, hints)
