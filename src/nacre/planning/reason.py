"""Why a step does what it does, as data. ``explain`` turns it into the one sentence that every face shows."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from nacre.version.outline import Change

#: Settings of a recipe that a cache policy adds: itself, the key, the run, and each parameter of the flow by name.
POLICY, CACHE_KEY, RUN_ID, FLOW = "cache_policy", "cache_key", "run_id", "flow."


class Cause(enum.StrEnum):
    """What a decision rests on; the values are stored, so they are never renamed or reused."""

    #: Fingerprint equals the head's: nothing it depends on changed. ``new`` is its cache key, if it has one;
    #: ``subject`` names the parameters that do not count.
    UNCHANGED = "unchanged"
    #: The fingerprint was built before and is not the head's: that version becomes current again.
    KNOWN = "known"
    #: Already built or reused in this run.
    THIS_RUN = "this-run"
    #: No version is stored.
    FIRST = "first"
    #: It runs on every run (a source, or NO_CACHE), since nothing upstream can tell whether the world changed.
    SOURCE = "source"
    #: Code differs; ``subject`` names the function or constant, ``place`` its file and line.
    CODE = "code"
    #: An input has other content; ``subject`` is its asset key, ``change`` says what differs.
    INPUT = "input"
    #: An input was added or removed; ``subject`` is its asset key.
    INPUT_SET = "input-set"
    #: A parameter that is no asset has another value; ``subject`` names it.
    PARAMETER = "parameter"
    #: Format, environment policy, salt or ``version=`` differs; ``subject`` names it.
    RECIPE = "recipe"
    #: Something that the step reads by itself changed; ``subject`` is ``file q.sql``, ``env REGION`` or ``asset raw``.
    READ = "read"
    #: ``cache_expiration`` passed; ``old`` is its age and ``new`` what it may be, in seconds.
    EXPIRED = "expired"
    #: The user asked: ``refresh_cache``, ``--refresh`` or NO_CACHE.
    ASKED = "asked"
    #: The record's object is gone or damaged, so it counts as never built.
    LOST = "lost"
    #: The text of ``cache_key_fn`` differs (``old``, ``new``), or there is none, or ``subject`` is what it raised.
    KEY = "key"
    #: Its lineage or identity cannot be known, so it runs.
    UNKNOWN = "unknown"
    #: Nothing more comes into this partition of a source, and it was built after it had closed.
    CLOSED = "closed"
    #: Its published file is gone or was changed, so it is published again; ``subject`` is where.
    DRIFT = "drift"
    #: Somebody rolled it back: it stays until it is released, whatever changes. ``new`` is the version that is held,
    #: ``old`` since when.
    HELD = "held"
    #: Made by others, and only looked at. ``old`` is since when its current version is known, ``new`` whether its place
    #: says that it is another file now: ``changed``, ``unchanged``, or nothing where nobody looked.
    OUTSIDE = "outside"
    #: An upstream must run first; whether this one runs depends on what comes out.
    PENDING = "pending"
    #: An upstream failed; ``subject`` is its asset key.
    UPSTREAM_FAILED = "upstream-failed"
    #: A plain task: it runs whenever it is called.
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause with what it is about.

    Args:
        cause: The kind of reason.
        subject: The asset key, function, constant or parameter it is about.
        place: ``file.py:12`` where that helps.
        old: Before, short enough to show.
        new: After, short enough to show.
        change: What differs between two versions of an input.
        also: How many further causes there are.
    """

    cause: Cause
    subject: str = ""
    place: str = ""
    old: str = ""
    new: str = ""
    change: Change | None = None
    also: int = 0
