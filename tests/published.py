"""The bytes of versions, as tests give them to a place."""

from __future__ import annotations

from nacre.encoding import digest_bytes
from nacre.store.memory import MemoryObjects
from nacre.store.port import ObjectStore
from nacre.store.publish.port import Content


def inline(data: bytes) -> Content:
    """A version whose bytes are in its record."""
    return Content(MemoryObjects(), "", data, len(data), digest_bytes(data))


def stored(objects: ObjectStore, name: str, data: bytes) -> Content:
    """A version whose bytes were these when they were stored as an object."""
    return Content(objects, name, b"", len(data), digest_bytes(data))


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _cut_off(data: bytes) -> bytes:
    return data[: len(data) * 3 // 5]


#: What may become of stored bytes.
DAMAGES = [_flipped, _cut_off]
