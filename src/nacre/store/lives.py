"""Environments as they are recorded: which there are, and which folders of heads nobody reads any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from nacre.store.codec import decode, readable
from nacre.store.paths import env_name, env_path
from nacre.store.port import RecordStore, Stored
from nacre.store.records import Environment


class Told(NamedTuple):
    """What a damaged record of an environment still says.

    Args:
        life: The last life that it may tell of.
        goes_on: True where everything but a letter or two is there, and nothing of an end.
        has_ended: True where it says when it ended.
    """

    life: int = 1
    goes_on: bool = False
    has_ended: bool = False


def left_of(data: bytes) -> Told:
    """Read what is left of a damaged record of an environment; nothing where that is no JSON."""
    try:
        found = msgspec.json.decode(data, type=dict[str, object])
    except ValueError:
        return Told()
    life = found.get("life", 1)
    if not isinstance(life, int) or life < 1:
        return Told()
    # A damaged name of a member is one that no record has: it may have been that of the end.
    is_whole = found.keys() <= {*Environment.__struct_fields__, "crc"}
    return Told(life, is_whole and "ended_at" not in found, "ended_at" in found)


def recorded(records: RecordStore) -> dict[str, Environment]:
    """Read what is recorded of all environments by name, also of those that were removed; of no unreadable one."""
    found = (readable(each, Environment) for each in records.scan("envs/"))
    return {each.name: each for each in found if each is not None}


def read(records: RecordStore, name: str) -> tuple[Stored | None, Environment | None]:
    """Read what is recorded of one environment; neither where nobody ever began it.

    Raises:
        CorruptRecord: Its record cannot be read.
    """
    path = env_path(name)
    stored = records.get(path)
    return stored, decode(stored.data, Environment, path) if stored is not None else None


def was_removed(records: RecordStore, folder: str) -> bool:
    """Find out whether the environment was removed whose heads lie in a folder; once true, it is so for ever."""
    stored = records.get(env_path(env_name(folder)))
    known = readable(stored, Environment) if stored is not None else None
    return known is not None and is_left(folder, {known.name: known})


def is_left(folder: str, known: Mapping[str, Environment]) -> bool:
    """Say the same by what is recorded of all environments."""
    found = known.get(env_name(folder))
    return found is not None and found.has_left(folder)
