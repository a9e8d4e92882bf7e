"""What a service must keep to be shared, tried out before a store is begun on it.

The records of a store are safe among machines because of a few promises. A service that speaks the protocol may still
break any of them silently, and what is lost then is found much later: so each is tried, on an object of its own.
"""

from __future__ import annotations

from functools import partial

from nacre.errors import StoreError, StoreReadOnly
from nacre.store.connect import MAX_TRIES, NO_ETAG, Bucket, at_once
from nacre.store.ids import new_id

IF_MATCH = "it writes over an object although the condition If-Match does not hold"
IF_NONE_MATCH = "it writes over an object although the condition If-None-Match does not hold"
REPLACES = "it refuses to write over an object although the condition If-Match holds"
ONE_CREATES = "of several that create an object at the same time, more than one is told that it did"
ONE_REPLACES = "of several that replace an object at the same time, more than one is told that it did"
READS = "it does not give back at once what was written"
LISTS = "it does not list at once, and with the same ETag, what was written"
#: As MinIO, which lists only the one, and as what keeps objects in folders, which refuses the other.
BELOW = "it does not keep an object and, below the name of it, another one, or does not list both"

#: Writers that meet in one race: two suffice where the service looks and writes in two steps, more find it sooner.
RACERS = 8


def broken_promise(bucket: Bucket, folder: str) -> str:
    """Try out whether a service keeps what the records of a store rest on; about 30 requests, most at the same time.

    Args:
        bucket: Where.
        folder: Below which two hidden objects are written, and removed again where that is permitted.

    Returns:
        The promise that it breaks, in words; empty where it keeps them all.

    Raises:
        StoreError: It cannot be reached, or not written to.
    """
    path = f"{folder}/.probe-{new_id()}".lstrip("/")
    try:
        return _broken(bucket, path)
    finally:
        _remove(bucket, _below(path))
        _remove(bucket, path)


def _broken(bucket: Bucket, path: str) -> str:
    if _first_answer(bucket, path) is not None:
        return IF_MATCH
    n_created = _n_accepted(bucket, path, b"create", None)
    if not n_created:
        # Where writers meet, all may be told an error: one of them may have written all the same.
        bucket.write(path, b"created", None)
    if _is_accepted(bucket, path, None):
        return IF_NONE_MATCH
    if n_created > 1:
        return ONE_CREATES
    first = _etag(bucket, path)
    if not first:
        return READS
    if _listed(bucket, path) != first:
        return LISTS
    n_replaced = _n_accepted(bucket, path, b"replace", first)
    if not n_replaced and _etag(bucket, path) == first:
        # Busy, or unable: one that meets nobody tells.
        outcome = bucket.try_write(path, b"replaced", first)
        if isinstance(outcome, StoreError):
            raise outcome
        if outcome is None and _etag(bucket, path) == first:
            return REPLACES
    if _is_accepted(bucket, path, first):
        return IF_MATCH
    if n_replaced > 1:
        return ONE_REPLACES
    second = _etag(bucket, path)
    if second in ("", first):
        return READS
    if _listed(bucket, path) != second:
        return LISTS
    try:
        below = bucket.write(_below(path), b"below", None)
    except StoreError:
        if _etag(bucket, path) != second:
            raise
        return BELOW  # all else goes on
    return "" if below and _listed(bucket, path, _below(path)) == below else BELOW


def _below(path: str) -> str:
    return f"{path}/below"


def _first_answer(bucket: Bucket, path: str) -> str | None:
    """Ask to replace an object that is not there: as often as a write is tried, for an answer of whatever kind."""
    outcome = bucket.try_write(path, b"none", NO_ETAG)
    for _ in range(MAX_TRIES - 1):
        if not isinstance(outcome, StoreError) or isinstance(outcome, StoreReadOnly):
            break
        outcome = bucket.try_write(path, b"none", NO_ETAG)
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome


def _etag(bucket: Bucket, path: str) -> str:
    found = bucket.read(path)
    return found[1] if found else ""


def _n_accepted(bucket: Bucket, path: str, data: bytes, expect: str | None) -> int:
    """Let several write at the same time, each something else; how many were told yes."""
    write = partial(bucket.try_write, path, expect=expect)
    outcomes = at_once(write, [b"%b %d" % (data, n) for n in range(RACERS)])
    return sum(isinstance(outcome, str) for outcome in outcomes)


def _is_accepted(bucket: Bucket, path: str, expect: str | None) -> bool:
    """Whether a write is accepted whose condition does not hold."""
    return isinstance(bucket.try_write(path, b"no", expect), str)


def _listed(bucket: Bucket, path: str, wanted: str = "") -> str:
    """List from an object on; the ETag of it, or of another one."""
    page = next(bucket.pages(path.rpartition("/")[0], path[:-1]), [])
    return next((each.etag for each in page if each.path == (wanted or path)), "")


def _remove(bucket: Bucket, path: str) -> None:
    """Remove the object of the trial; where deleting is not permitted it stays, hidden and of a few bytes."""
    try:
        bucket.delete(path)
    except StoreError:
        return
