"""Ids that sort by the time they were made, and the guard on names of objects."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime

from nacre.errors import InvalidKey

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Two letters for each ten bits: half as many look-ups as letter by letter.
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_RANDOM_BYTES = 10
_BLOCK_BYTES = _RANDOM_BYTES * 100
#: The top random bit starts at 0, so counting up within one millisecond cannot overflow into the time.
_START_MASK = (1 << 79) - 1

#: Environment variable by which the process that starts another one chooses the id of its first run.
RUN_ID = "NACRE_RUN_ID"

Clock = Callable[[], float]


class _Source:
    """The state behind ``new_id``: random bytes drawn ahead, and the last id's time and random part."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clock: Clock = time.time
        self.milliseconds = -1
        self.random = 0
        self.head = ""
        self.block = b""
        self.used = 0

    def draw(self) -> int:
        """Take fresh random bits, refilling the block when it is used up."""
        if self.used >= len(self.block):
            self.block = os.urandom(_BLOCK_BYTES)
            self.used = 0
        self.used += _RANDOM_BYTES
        return int.from_bytes(self.block[self.used - _RANDOM_BYTES : self.used], "big") & _START_MASK


_source = _Source()


def _renew() -> None:
    # A forked child would hand out its parent's random bytes again, and may inherit a held lock.
    global _source
    _source = _Source()


os.register_at_fork(after_in_child=_renew)


def new_id(clock: Clock = time.time) -> str:
    """Make an id: a ULID, 26 Crockford base-32 characters that sort by time.

    Within a process the ids of one clock strictly increase, also when that clock stands still or steps back.

    Args:
        clock: Seconds since the epoch.

    Returns:
        Ten characters of milliseconds and sixteen random ones, from the operating system's source.
    """
    milliseconds = int(clock() * 1000)
    source = _source
    with source.lock:
        if milliseconds <= source.milliseconds and clock == source.clock:
            source.random += 1
        else:
            source.clock = clock
            source.milliseconds = milliseconds
            source.head = "".join([_PAIRS[milliseconds >> shift & 1023] for shift in (40, 30, 20, 10, 0)])
            source.random = source.draw()
        head, random = source.head, source.random
    pairs = _PAIRS
    return (
        f"{head}{pairs[random >> 70]}{pairs[random >> 60 & 1023]}{pairs[random >> 50 & 1023]}"
        f"{pairs[random >> 40 & 1023]}{pairs[random >> 30 & 1023]}{pairs[random >> 20 & 1023]}"
        f"{pairs[random >> 10 & 1023]}{pairs[random & 1023]}"
    )


def given_run_id(environ: MutableMapping[str, str]) -> str:
    """Take the run id that this process was started with out of its environment, so that one run has it.

    Returns:
        The id; empty where there is none, or it is no id.
    """
    given = environ.pop(RUN_ID, "")
    return given if len(given) == 26 and set(given) <= set(_ALPHABET) else ""


def time_of(id: str) -> datetime | None:
    """Say when an id was made, aware UTC; None where the text is no id."""
    if len(id) != 26 or not set(id) <= set(_ALPHABET) or id[0] > "7":
        return None
    milliseconds = 0
    for letter in id[:10]:
        milliseconds = milliseconds << 5 | _ALPHABET.index(letter)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def check_name(name: str) -> str:
    """Check the name of an object: relative, slash-separated, no way out of the store.

    Args:
        name: As given to an object store.

    Returns:
        The name, unchanged.

    Raises:
        InvalidKey: A segment is empty or starts with a dot, or the name has a backslash or a NUL.
    """
    if "\\" in name or "\0" in name or any(not part or part[0] == "." for part in name.split("/")):
        raise InvalidKey(
            "An object name must be relative, without empty or hidden segments", {"name": repr(name)}
        )
    return name
