"""Decodes any record by its path: it is of the type that belongs there, and the very one that the path names."""

from __future__ import annotations

from nacre.errors import SAFE, CorruptRecord
from nacre.store.paths import (
    action_path,
    env_path,
    head_path,
    past_path,
    pin_path,
    replaced_path,
    run_path,
)
from nacre.store.records import (
    Action,
    Artifact,
    Environment,
    Head,
    Past,
    Pin,
    Record,
    Run,
    ScheduleRecord,
    Tick,
    decode,
)

_SEQ_DIGITS = 10
_KINDS: dict[str, type[Record]] = {
    "heads": Head,
    "hist": Past,
    "pins": Pin,
    "ac": Action,
    "runs": Run,
    "artifacts": Artifact,
    "envs": Environment,
    "schedules": ScheduleRecord,
    "ticks": Tick,
}


def decode_placed(data: bytes, path: str) -> Record:
    """Decode the record that lies at a path, strictly.

    Args:
        data: The stored bytes.
        path: Where they lie, in one of the areas that have records of a type of their own.

    Raises:
        CorruptRecord: The bytes are no such record, or the record of something else.
    """
    record = decode(data, _KINDS[path.partition("/")[0]], path)
    if not _lies_at(record, path):
        facts = {"record": path, "problem": "it is the record of something else"}
        raise CorruptRecord(
            "A record of the store lies in the place of another", facts, ("nacre fsck --repair", SAFE)
        )
    return record


def _lies_at(record: Record, path: str) -> bool:
    """Say whether a record is the one that its path names: another's is never taken for it."""
    match record:
        case Action():
            own = action_path(record.fingerprint), replaced_path(record.fingerprint, record.attempt)
            return path in own
        case Head():
            return path == head_path(record.env, record.asset, record.partition)
        case Past():
            return path.startswith(past_path(record.env, record.asset, record.partition, 0)[:-_SEQ_DIGITS])
        case Pin():
            return path == pin_path(record.name)
        case Environment():
            return path == env_path(record.name)
        case Run():
            return path == run_path(record.id)
    return True
