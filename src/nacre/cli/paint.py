"""Colour, only for a terminal and never with NO_COLOR; every state has a word too, so nothing is lost without it."""

from __future__ import annotations

import os
import sys

_CODES = {
    "built": "32",
    "checked": "32",
    "fresh": "32",
    "reused": "2",
    "quiet": "2",
    "check": "36",
    "pending": "36",
    "held": "36",
    "build": "33",
    "stale": "33",
    "new": "33",
    "skipped": "33",
    "failed": "31",
    "added": "32",
    "removed": "31",
    "doubt": "33",
    "strong": "1",
}


def paint(text: str, kind: str, *, err: bool = False) -> str:
    """Colour a text for the stream it goes to.

    Args:
        text: What is shown.
        kind: A state, or ``quiet`` or ``strong``; another kind stays as it is.
        err: True where it goes to standard error.
    """
    stream = sys.stderr if err else sys.stdout
    code = _CODES.get(kind)
    if code is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"
