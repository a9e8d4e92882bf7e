"""When a result was last used: collection leaves alone what was, and who takes an old one says so first. Pure.

A collection replaces the record of a result that nobody needs by a tombstone; who takes an old result replaces its
record too. Both do so on the condition that it is as they read it, so one of the two sees what the other did.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from nacre.store.records import Action

#: Nothing is collected that was made or used within this time. A run may take half of it from its survey to its commit.
GRACE_S = 7 * 24 * 3600


def last_use(action: Action) -> datetime:
    """Say when a result was made or last taken, whichever is later."""
    return max(action.started_at, action.used_at) if action.used_at is not None else action.started_at


def touched(action: Action, now: datetime) -> Action | None:
    """Give the record as it must be before its result is taken; None where it was used lately and may stay as it is."""
    if now - last_use(action) <= timedelta(seconds=GRACE_S / 2):
        return None
    return replace(action, used_at=now)
