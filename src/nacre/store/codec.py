"""Records and their bytes: JSON with a checksum, and always the record that its path names."""

from __future__ import annotations

from typing import TypeVar
from zlib import crc32

import msgspec

from nacre.errors import SAFE, CorruptRecord, StoreTooNew
from nacre.store.paths import (
    action_path,
    artifact_path,
    env_path,
    head_path,
    past_path,
    pin_path,
    replaced_path,
    run_path,
    schedule_path,
    tick_path,
)
from nacre.store.port import Stored
from nacre.store.records import (
    FORMAT_VERSION,
    Action,
    Artifact,
    Environment,
    Head,
    Past,
    Pin,
    Record,
    Run,
    ScheduleRecord,
    State,
    StoreFormat,
    Tick,
)

R = TypeVar("R", bound=Record)

#: What to do about a damaged record; what it does not concern is whole.
MEND = (
    "nacre fsck says what is damaged, and nacre fsck --repair mends what can be mended",
    "what the record does not concern is whole",
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


#: Where the checksum begins in a record, and where its digits do. One that has none was written before there were any.
_CRC, _DIGITS = -18, -10
_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type, msgspec.json.Decoder[object]] = {}


def encode(record: Record) -> bytes:
    """Encode a record as JSON, whose last member is a checksum of what it is without that."""
    data = _ENCODER.encode(record)
    return b'%b,"crc":"%08x"}' % (data[:-1], crc32(data))


def decode(data: bytes, kind: type[R], path: str = "") -> R:
    """Decode a record strictly.

    Args:
        data: The stored bytes.
        kind: The record type that belongs at the path.
        path: Where they lie; empty leaves out whether it is the record that belongs there.

    Raises:
        CorruptRecord: The bytes are no such record, have changed since they were written, or are those of another.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        if data[_CRC:_DIGITS] == b',"crc":"' and crc32(b"}", crc32(data[:_CRC])) != int(data[_DIGITS:-2], 16):
            raise ValueError("it is not as it was written: its checksum is that of something else")
        record: R = decoder.decode(data)  # type: ignore[assignment]  # the decoder was made for `kind`
    except ValueError as error:  # those of msgspec, and of text that is no UTF-8, are such
        facts = {"record": path, "expected": kind.__name__, "problem": error}
        raise CorruptRecord("A record of the store cannot be read", facts, MEND) from error
    if path and not _lies_at(record, path):
        facts = {"record": path, "problem": "it is the record of something else"}
        raise CorruptRecord("A record of the store lies in the place of another", facts, MEND)
    return record


def readable(stored: Stored, kind: type[R]) -> R | None:
    """Decode a record that can be done without; None where it cannot be read."""
    try:
        return decode(stored.data, kind, stored.path)
    except CorruptRecord:
        return None


def remembered(stored: Stored | None, digest: str) -> dict[str, str]:
    """Read what a memo remembers; nothing where it is not there, rests on something else, or is damaged."""
    state = readable(stored, State) if stored is not None else None
    return dict(state.entries) if state is not None and state.digest == digest else {}


def require_format(data: bytes, place: str) -> None:
    """Refuse a store of a newer nacre, or one of which nobody can say which nacre wrote it.

    Args:
        data: The bytes of its record ``format``.
        place: Of the store, for the error.

    Raises:
        CorruptRecord: It cannot be read.
        StoreTooNew: It says a format that is not known here.
    """
    try:
        found = decode(data, StoreFormat, "format")
    except CorruptRecord as error:
        facts = {"store": place, "record": "format", "problem": error.facts["problem"]}
        hint = ("put this record back from a backup: it says nothing else than the format", SAFE)
        raise CorruptRecord(
            "The record that says the format of the store cannot be read", facts, hint
        ) from error
    if found.version > FORMAT_VERSION:
        facts = {"store": place, "its format": found.version, "known here": f"up to {FORMAT_VERSION}"}
        raise StoreTooNew("The store was written by a newer nacre: upgrade nacre; nothing was changed", facts)


def decode_any(data: bytes, path: str) -> Record:
    """Decode the record that lies at a path, in an area that has records of a type of their own.

    Raises:
        CorruptRecord: The bytes are no such record, or the record of something else.
    """
    return decode(data, _KINDS[path.partition("/")[0]], path)


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
        case Artifact():
            return path == artifact_path(record.key, record.id)
        case ScheduleRecord():
            return path == schedule_path(record.name)
        case Tick():
            return path == tick_path(record.schedule, record.nominal)
    return True
