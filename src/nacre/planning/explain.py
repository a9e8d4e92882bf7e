"""Turns a reason into the one sentence that Python, command line and web all show. The only place with such words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nacre.keys import key_name, key_of, partition_of
from nacre.planning.reason import RUN_ID, Cause, Reason
from nacre.version.fingerprint import HIDDEN
from nacre.version.outline import Change

MAX_NAMED = 3
_INDEX = re.compile(r"\[\d+\]")
#: What ``without`` can be told: names, and paths of names.
_PLAIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
#: What a step that runs on every run found, when nothing changed.
UNCHANGED = "checked: content unchanged"


def sentence(reason: Reason) -> str:
    """Say why, in one short sentence without a full stop.

    Args:
        reason: The reason, as data.

    Returns:
        For example ``only `fetched_at` of raw_data differs``.
    """
    text = _SENTENCES[reason.cause](reason)
    if reason.also:
        text += f" (and {reason.also} more {'change' if reason.also == 1 else 'changes'})"
    return text


def outrun(by: str, text: str) -> str:
    """Say before why a step ran that its result did not become current, since another run was ahead.

    Args:
        by: That run; empty where none was.
        text: Why the step ran.
    """
    return f"superseded by run {by[:12]}; {text}" if by else text


def remedy(reason: Reason, asset: str) -> str:
    """Offer the one line that stops a few fields of a source from counting as a change; empty where it does not help.

    Args:
        reason: Why a step ran; what lies below a source is helped by the source's own line.
        asset: The source's key.
    """
    change = reason.change
    if reason.cause is not Cause.SOURCE or change is None:
        return ""
    if change.added or change.removed or change.retyped or change.size or not change.complete:
        return ""
    fields = _fields(change)
    if not fields or len(fields) > MAX_NAMED or not all(map(_PLAIN.fullmatch, fields)):
        return ""
    quoted = ", ".join(f'"{name}"' for name in fields)
    return f"data_version=without({quoted})"


def describe_change(change: Change | None, name: str) -> str:
    """Say what differs between two versions of an asset."""
    if change is None:
        return f"{name} changed"
    if change.type:
        return f"{name} is {_a(change.type[1])} now, was {_a(change.type[0])}"
    parts = []
    if change.size and change.kind != "dict":
        by = change.size[1] - change.size[0]
        parts.append(f"{by:+,} {_UNITS.get(change.kind, 'item')}{'' if abs(by) == 1 else 's'}")
    if not change.size or change.kind in ("table", "dict"):
        noun = "column " if change.kind == "table" else ""
        parts += [
            f"{_counted(noun, names)}{_named(names)} {verb}" for names, verb in _renamed(change) if names
        ]
    parts += [f"`{column}` {old} → {new}" for column, old, new in change.retyped[:MAX_NAMED]]
    others = tuple(each for each in change.changed if each not in {name for name, _, _ in change.retyped})
    if change.retyped and others and not change.size:
        parts.append(f"{_named(others)} changed")
    if len(change.retyped) > MAX_NAMED:
        parts.append(f"{len(change.retyped) - MAX_NAMED} more of another type")
    if parts:
        return f"{name} changed: {', '.join(parts)}"
    if change.changed and change.complete:
        fields = _fields(change)
        verb = "differs" if len(fields) == 1 else "differ"
        return f"only {_named(fields)} of {name} {verb}"
    if change.changed:
        return f"{name} changed: {_named(change.changed)} and perhaps more"
    if change.complete and change.kind in ("table", "dict", "list", "tuple"):
        return f"{name} changed in order or type only"
    return f"{name} changed"


def _counted(noun: str, names: tuple[str, ...]) -> str:
    return noun.replace("column", "columns") if len(names) > 1 else noun


_UNITS = {"table": "row", "str": "character", "bytes": "byte", "file": "byte"}


def _renamed(change: Change) -> list[tuple[tuple[str, ...], str]]:
    return [(change.added, "added"), (change.removed, "removed")]


def short(slot: str) -> str:
    """Name an asset as a person would: its key's own name, else the key; one partition of it in brackets.

    >>> short("s3://lake/posts/date={date}/posts.parquet#2026-11-01")
    'posts[2026-11-01]'
    """
    key, partition = key_of(slot), partition_of(slot)
    name = key_name(key) or key
    return f"{name}[{partition}]" if partition else name


def _fields(change: Change) -> tuple[str, ...]:
    """Name the changed fields; elements of a list count as one (``items[3].at`` → ``items.at``)."""
    names = dict.fromkeys(_INDEX.sub("", path).lstrip(".") or path for path in change.changed)
    return tuple(names)


def _named(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MAX_NAMED])
    more = len(names) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _source(reason: Reason) -> str:
    if not reason.new:
        return "checked on every run"
    return describe_change(reason.change, short(reason.subject))


def _code(reason: Reason) -> str:
    if not reason.subject:
        return "code changed"
    text = describe_piece(reason)
    return text if reason.subject.startswith(_PACKAGE) else f"code changed: {text}"


_PACKAGE = "dist "


def describe_piece(reason: Reason, old: str = "", new: str = "") -> str:
    """Say how one piece of code differs.

    Args:
        reason: With the cause CODE.
        old: What a constant was, where both are known.
        new: What it is now.
    """
    at = f" ({reason.place})" if reason.place else ""
    if reason.subject.startswith(_PACKAGE):
        name = reason.subject.removeprefix(_PACKAGE)
        return f"{name} changed: {reason.old or 'none'} → {reason.new or 'none'}"
    if old and new and old != new:
        return f"`{reason.subject}`{at}: {old} → {new}"
    if not reason.new:
        return f"`{reason.subject}`{at} is no longer used"
    return f"`{reason.subject}`{at} {'changed' if reason.old else 'is new'}"


def _input_set(reason: Reason) -> str:
    if not reason.new:
        return f"{short(reason.old)} is no longer an input"
    return f"{short(reason.new)} is a new input"


def _parameter(reason: Reason) -> str:
    name, old, new = f"parameter `{reason.subject}`", reason.old, reason.new
    if not new:
        return f"{name} is gone"
    verb, before = ("changed", old) if old else ("is new", "")
    if HIDDEN in (old, new):
        return f"{name} {verb}"
    return f"{name} {verb}: {before} → {new}" if before else f"{name} {verb}: {new}"


def _recipe(reason: Reason) -> str:
    if reason.subject == RUN_ID:
        return "made in another run, and its cache_policy has RUN_ID"
    was = f": {reason.old or 'none'} → {reason.new or 'none'}" if reason.subject == "version" else ""
    return f"option `{reason.subject}` changed{was}"


def _read(reason: Reason) -> str:
    """Say that something changed that the step read by itself, and how, where it is an asset."""
    kind, _, name = reason.subject.partition(" ")
    told = describe_change(reason.change, short(name)) if kind == "asset" else ""
    if told and told != describe_change(None, short(name)):
        return f"{told}, read by it"
    return f"{kind} {short(name) if kind == 'asset' else name}, read by it, changed"


def lineage_unknown(parameter: str) -> str:
    """Say that an input was passed, in a flow, as a value that came from no asset of it."""
    return f"lineage unknown: `{parameter}` was passed a value that came from no asset of its run"


def unfollowed(names: Sequence[str]) -> str:
    """Say of which assets the code cannot be followed wholly, and where to read more; empty where there are none."""
    if not names:
        return ""
    shown = ", ".join(names[:MAX_NAMED]) + (
        f" and {len(names) - MAX_NAMED:,} more" if names[MAX_NAMED:] else ""
    )
    return f"the code of {shown} cannot be followed wholly: nacre why {names[0]}"


def _unchanged(reason: Reason) -> str:
    return "cache key unchanged" if reason.new else f"{_what_counts(reason)} unchanged"


def _known(reason: Reason) -> str:
    if reason.new:
        return f"made before under the cache key {reason.new}"
    return f"made before from the same {_what_counts(reason)}"


def _what_counts(reason: Reason) -> str:
    """Name what was compared; a cache policy leaves out a few inputs (``subject``), or all of them (``*``)."""
    if reason.subject == "*":
        return "code (its cache_policy has no INPUTS)"
    return f"inputs (but {reason.subject}) and code" if reason.subject else "inputs and code"


def _key(reason: Reason) -> str:
    if reason.subject:
        return f"cache_key_fn failed: {reason.subject}"
    if not reason.old and not reason.new:
        return "cache_key_fn gave no key, so it runs"
    return f"cache key changed: {reason.old or 'none'} → {reason.new or 'none'}"


def _expired(reason: Reason) -> str:
    if not reason.old:
        return "cache_expiration has passed"
    return f"made {_span(reason.old)} ago; cache_expiration is {_span(reason.new)}"


def _outside(reason: Reason) -> str:
    seen = f"last seen {_moment(reason.old)}" if reason.old else "not seen before"
    return f"observed, not made here: {seen}{f', {reason.new}' if reason.new else ''}"


def _moment(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


def _span(seconds: str) -> str:
    count = float(seconds)
    unit, name = next(((unit, name) for least, unit, name in _UNITS_OF_TIME if count >= least), (1, "s"))
    return f"{f'{count / unit:.1f}'.removesuffix('.0')} {name}"


#: By their seconds; hours go on up to two days.
_UNITS_OF_TIME = ((172_800, 86_400, "d"), (3_600, 3_600, "h"), (60, 60, "min"))

_SENTENCES: dict[Cause, Callable[[Reason], str]] = {
    Cause.UNCHANGED: _unchanged,
    Cause.KNOWN: _known,
    Cause.THIS_RUN: lambda r: "already made in this run",
    Cause.FIRST: lambda r: "not made yet",
    Cause.SOURCE: _source,
    Cause.CODE: _code,
    Cause.INPUT: lambda r: describe_change(r.change, short(r.subject)),
    Cause.INPUT_SET: _input_set,
    Cause.PARAMETER: _parameter,
    Cause.RECIPE: _recipe,
    Cause.KEY: _key,
    Cause.READ: _read,
    Cause.EXPIRED: _expired,
    Cause.ASKED: lambda r: "you asked for a fresh result",
    Cause.LOST: lambda r: "its stored result is missing or damaged",
    Cause.UNKNOWN: lambda r: f"{r.subject or 'something it uses'} cannot be followed, so it runs",
    Cause.CLOSED: lambda r: "its time is over, and it was built since",
    Cause.DRIFT: lambda r: "unchanged; its published file was not, so it is published again",
    Cause.HELD: lambda r: f"held at {r.new} since {_moment(r.old)}",
    Cause.OUTSIDE: _outside,
    Cause.PENDING: lambda r: f"depends on what {short(r.subject)} brings",
    Cause.UPSTREAM_FAILED: lambda r: f"{short(r.subject)} failed",
    Cause.TASK: lambda r: "a task runs whenever it is called",
}
