"""How far the clock of this machine is from a service's: requests are signed with the time, and ids begin with it."""

from __future__ import annotations

from datetime import datetime

from nacre.store.connect import Bucket
from nacre.store.refusals import answered


def skew_s(bucket: Bucket, path: str, now: datetime) -> float:
    """Compare clocks by an object that was just written.

    Args:
        bucket: Where it lies.
        path: Its path in the bucket.
        now: Aware UTC, when it was written.

    Returns:
        By how many seconds the service is ahead; it tells whole seconds only.
    """
    import obstore

    with answered(bucket.site):
        found = obstore.head(bucket.client, path)
    return (found["last_modified"] - now).total_seconds()
