"""Which version of an asset a person means: ``v12``, a digest, a run, a moment, the name of a pin. Pure.

Every face that takes a version takes it in these words, and on the command line as ``KEY@v12``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo

from nacre.catalog.history import HistoryRow, RunRow
from nacre.errors import NotMaterialized, UsageError
from nacre.keys import resolved
from nacre.planning.explain import short

#: What names a version.
At = str | int | date
MIN_DIGITS = 6
_NUMBER = r"[vV]?([0-9]{1,9})"
_DIGITS = r"[0-9a-f]+(/[0-9a-f]*)?"
_RUN = r"[0-7][0-9A-HJKMNP-TV-Z]{5,25}"
_RUN_LENGTH = 26
_MAX_LISTED = 6
#: Facts of errors that say that there was a version, and that it is gone.
REMOVED, KEPT = "removed by gc", "the oldest version that is kept"
WAYS = "a version (v12), the first 6 digits of its content, a run, a time (2026-11-01, 2026-11-01T10:00) or a pin"


def split_at(text: str) -> tuple[str, str]:
    """Take ``KEY@v12`` apart; the second part is empty where no version is named.

    An ``@`` before the last slash belongs to the key, as in ``postgresql://user@host/table``.

    >>> split_at("s3://lake/posts.parquet@v12")
    ('s3://lake/posts.parquet', 'v12')
    """
    name, sign, at = text.rpartition("@")
    return (name, at) if sign and name and "/" not in at else (text, "")


def _no_runs(beginning: str) -> Sequence[RunRow]:
    return ()


def version_at(
    rows: Sequence[HistoryRow],
    at: At,
    slot: str,
    *,
    pins: Mapping[str, tuple[str, int, str]] | None = None,
    runs: Callable[[str], Sequence[RunRow]] = _no_runs,
    zone: tzinfo | None = None,
) -> HistoryRow:
    """Find the version that is meant.

    Several versions with the same content are one answer: the newest of them.

    Args:
        rows: The history, newest first, as ``Catalog.history`` gives it; at least one.
        at: ``12`` or ``"v12"``; at least 6 digits of a data version, a fingerprint or the id of a run; a time, which
            means the version that was current then (a date: at its end); or the name of a pin.
        slot: The asset, or the partition of it, for what is said.
        pins: Name of each pin of this slot to the fingerprint it keeps, the number of the version and its content.
        runs: The beginning of an id to the runs whose ids begin so; asked where none of the history does.
        zone: What times without an offset are in; the machine's by default.

    Raises:
        NotMaterialized: There is no such version; says which there are.
        UsageError: It could mean several versions, or nothing at all.
    """
    text = at.strip() if isinstance(at, str) else f"v{at}" if isinstance(at, int) else str(at)
    if pins and (pin := pins.get(text)) is not None:
        if (kept := pinned_at(rows, *pin)) is not None:
            return kept
        raise _missing(rows, f"pinned as {text}", slot)
    if number := re.fullmatch(_NUMBER, text):
        for row in rows:
            if row.seq == int(number[1]):
                return row
        if text[0] in "vV" or len(text) < MIN_DIGITS:
            raise _missing(rows, f"v{int(number[1])}", slot)
    if found := _by_digest(rows, text):
        return _only(found, text, slot)
    if (of_run := _by_run(rows, text, slot, runs)) is not None:
        return of_run
    try:
        when = moment(at if isinstance(at, date) else _parsed(text), zone)
    except (ValueError, OverflowError):  # the first and last days of the calendar are in no other time zone
        raise _unknown(rows, text, slot) from None
    return _current_at(rows, when, text, slot)


def pinned_at(
    rows: Sequence[HistoryRow], fingerprint: str, seq: int, data_version: str = ""
) -> HistoryRow | None:
    """Find the version that a pin keeps; None where it is not among them.

    Args:
        rows: The history, newest first.
        fingerprint: What the pin keeps.
        seq: The number of the version; in another environment that is another's, and the newest of them is meant.
        data_version: Its content; empty for any that the recipe made, as pins of older stores say.
    """
    pinned = [
        row for row in rows if row.fingerprint == fingerprint and data_version in ("", row.data_version)
    ]
    return next((row for row in pinned if row.seq == seq), next(iter(pinned), None))


def is_moment(at: At) -> bool:
    """Whether a time is meant, or a run, which ended at one: then it means something for all partitions at once."""
    if not isinstance(at, str):
        return isinstance(at, date)
    try:
        _parsed(at)
    except ValueError:
        # What could begin a content as well is taken for that: each partition has another.
        is_run = len(at) == _RUN_LENGTH or not re.fullmatch(_DIGITS, at.lower())
        return is_run and bool(re.fullmatch(_RUN, at.upper()))
    return not re.fullmatch(_NUMBER, at)


def moment(at: date, zone: tzinfo | None = None) -> datetime:
    """Say which instant is meant: of a date its end, of a time without an offset the one in ``zone``."""
    if not isinstance(at, datetime):
        at = datetime.combine(at, time.max)
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(UTC)


#: What could be the beginning of a content or a fingerprint.
_BEGINNING = r"[0-9a-f]{6,}"


def require_pin_name(name: str) -> str:
    """Check the name of a pin: one that could be anything else would mean two things.

    Raises:
        UsageError: It breaks a rule.
    """
    rule = "lower-case letters, digits, - and _, such as before-backfill"
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UsageError(f"A pin cannot be called {name!r}", {}, rule)
    if re.fullmatch(_NUMBER, name) or is_moment(name) or re.fullmatch(_BEGINNING, name):
        raise UsageError(f"A pin cannot be called {name!r}: that names a version already", {}, rule)
    return name


def _parsed(text: str) -> date:
    """Read a date or a time in ISO 8601.

    Raises:
        ValueError: It is neither.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return date.fromisoformat(text)
    if not re.match(r"\d{4}-\d{2}-\d{2}[T ]\d{2}", text):  # fromisoformat reads bare digits as times, too
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _current_at(rows: Sequence[HistoryRow], when: datetime, said: str, slot: str) -> HistoryRow:
    for newer, row in zip([None, *rows], rows, strict=False):
        begun = datetime.fromisoformat(row.at)
        if begun <= when:
            if newer is not None and newer.seq > row.seq + 1 and begun < when:
                raise _collected(newer, row, said, slot)
            return row
    first = rows[-1]
    kept = "the first version" if first.seq == 1 else KEPT
    facts = {"asset": resolved(slot), kept: f"v{first.seq}, made {first.at}"}
    raise NotMaterialized(f"{short(slot)} had no version at {said}", facts, f"nacre history {_named(slot)}")


def _collected(newer: HistoryRow, row: HistoryRow, said: str, slot: str) -> NotMaterialized:
    """The error of a time at which one of those that are gone, between two versions, may have been current."""
    gone = f"v{row.seq + 1}" + (f" to v{newer.seq - 1}" if newer.seq > row.seq + 2 else "")
    facts = {
        "asset": resolved(slot),
        REMOVED: gone,
        "there is": f"v{row.seq}, from {row.at}, and v{newer.seq}, from {newer.at}",
    }
    what = f"What was current of {short(slot)} at {said} may have been removed"
    return NotMaterialized(what, facts, f"name a version: nacre history {_named(slot)}")


def _at_end(rows: Sequence[HistoryRow], run: RunRow, slot: str) -> HistoryRow:
    """Choose what was current when a run ended that made no version of this asset."""
    if run.ended_at is None:
        facts = {"run": f"{run.id} ({run.name})", "state": run.state}
        hint = "name a time instead: a run without an end has none"
        raise NotMaterialized(f"Run {run.id} made no version of {short(slot)}, and has no end", facts, hint)
    return _current_at(rows, datetime.fromisoformat(run.ended_at), f"the end of run {run.id}", slot)


def _by_digest(rows: Sequence[HistoryRow], text: str) -> list[HistoryRow]:
    prefix = text.lower()
    if len(prefix) < MIN_DIGITS or not re.fullmatch(_DIGITS, prefix):
        return []
    return [row for row in rows if row.data_version.startswith(prefix) or row.fingerprint.startswith(prefix)]


def _by_run(
    rows: Sequence[HistoryRow], text: str, slot: str, runs: Callable[[str], Sequence[RunRow]]
) -> HistoryRow | None:
    """Choose what a run made last, else what was current when it ended; None where no run's id begins so.

    In a bucket each run is a record to read, so the runs are asked for only where none of the history begins so.
    """
    prefix = text.upper()
    if not re.fullmatch(_RUN, prefix):
        return None
    made = {row.run: row for row in reversed(rows) if row.run.startswith(prefix)}
    if len({row.data_version for row in made.values()}) == 1:  # several runs may have made the same
        return max(made.values(), key=lambda row: row.seq)
    if made:
        told = {run: f"made v{row.seq}, content {row.data_version[:16]}" for run, row in made.items()}
        raise _of_several_runs(told, text, slot)
    ended = runs(prefix)
    if len(ended) > 1:
        told = {run.id: "made no version of it that is kept" for run in ended}
        raise _of_several_runs(told, text, slot)
    return _at_end(rows, ended[0], slot) if ended else None


def _of_several_runs(told: Mapping[str, str], text: str, slot: str) -> UsageError:
    listed = {f"run {run}": what for run, what in sorted(told.items())[:_MAX_LISTED]}
    return UsageError(
        f"{text!r} could mean several versions of {short(slot)}", listed, "give more of the run's id"
    )


def _only(found: Sequence[HistoryRow], text: str, slot: str) -> HistoryRow:
    if len({row.data_version for row in found}) == 1:
        return found[0]
    facts = {f"v{row.seq}": f"content {row.data_version[:16]}, run {row.run}" for row in found[:_MAX_LISTED]}
    raise UsageError(
        f"{text!r} could mean several versions of {short(slot)}", facts, "give more digits, or vN"
    )


def _missing(rows: Sequence[HistoryRow], what: str, slot: str) -> NotMaterialized:
    facts = {"asset": resolved(slot), "there is": _there(rows)}
    return NotMaterialized(f"{short(slot)} has no version {what}", facts, f"nacre history {_named(slot)}")


def _unknown(rows: Sequence[HistoryRow], text: str, slot: str) -> UsageError:
    facts = {"asset": resolved(slot), "there is": _there(rows), "may be": WAYS}
    what = f"{short(slot)} has no version {text!r}"
    return UsageError(what, facts, (f"nacre history {_named(slot)}", "nacre pin"))


def _there(rows: Sequence[HistoryRow]) -> str:
    """List the versions there are, newest last; what was removed in between is left out."""
    spans: list[tuple[int, int]] = []
    for row in reversed(rows):
        if spans and row.seq == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], row.seq
        else:
            spans.append((row.seq, row.seq))
    listed = [f"v{first}" + (f" to v{last}" if last > first else "") for first, last in spans[-_MAX_LISTED:]]
    return ("… " if len(spans) > _MAX_LISTED else "") + ", ".join(listed)


def _named(slot: str) -> str:
    """Name a slot as the command line takes it."""
    name, sign, partition = short(slot).partition("[")
    return f"{name} --partition {partition.removesuffix(']')}" if sign else name
