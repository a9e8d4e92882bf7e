"""How every face names assets, times, sizes and counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from nacre.catalog.history import HeadRow
from nacre.planning.explain import sentence, short
from nacre.planning.reason import Cause, Reason
from nacre.store.records import Accepted

#: As many characters of an id or digest as a person is shown.
SHORT = 12


def ago(at: str | datetime, now: datetime) -> str:
    """Say how long ago something was: ``2 min ago``."""
    then = datetime.fromisoformat(at) if isinstance(at, str) else at
    seconds = (now - then.astimezone(UTC)).total_seconds()
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size):,} {name} ago"
    return "just now" if seconds < 5 else f"{int(seconds)} s ago"


def rough(seconds: float) -> str:
    """Say about how long something takes: ``under 1 s``, ``12 s``, ``3 min``, ``2 h``."""
    for unit, name in ((3_600, "h"), (60, "min"), (1, "s")):
        if seconds >= unit:
            return f"{round(seconds / unit):,} {name}"
    return "under 1 s"


def size(n_bytes: int) -> str:
    """Show a number of bytes: ``812 B``, ``1.4 MB``."""
    if n_bytes < 1000:
        return f"{n_bytes} B"
    amount = float(n_bytes)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:,.1f} TB"


def accepted_by(accepted: Accepted) -> str:
    """Say who bound an earlier result to newer code, and why: ``accepted by ada@laptop: only a log line``."""
    return f"accepted by {accepted.who}" + (f": {accepted.reason}" if accepted.reason else "")


def held_at(row: HeadRow) -> str:
    """Say at which version what is current is held, and since when."""
    return sentence(Reason(Cause.HELD, old=row.held_since, new=row.held))


def count(n: int, noun: str) -> str:
    """Count something: ``1 asset``, ``3 assets``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def names_of(keys: Iterable[str]) -> dict[str, str]:
    """Name each asset of one listing: by its short name, or by its key where another has the same."""
    named: dict[str, list[str]] = {}
    for key in dict.fromkeys(keys):
        named.setdefault(short(key), []).append(key)
    return {key: name if len(same) == 1 else key for name, same in named.items() for key in same}
