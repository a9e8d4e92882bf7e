"""What a value's identity is, and how large its outline may be. Holds no data and knows no library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from blake3 import blake3

from nacre.version.outline import MAX_PATHS, Outline

T = TypeVar("T", str, tuple[str, str])

#: Bytes the entries of an outline may take when encoded; the rest of the 16 KiB is for its other fields.
OUTLINE_BYTES = 15 * 1024
#: Characters of a name and of a type that an outline keeps.
MAX_NAME = 200
MAX_TYPE = 80
#: Hexadecimal digits kept of the digest of a column or a leaf.
SHORT = 16

Nested = Callable[[object], bytes]
"""Gives the 32-byte digest of a Python value; adapters use it for names, labels and objects inside a table."""


@dataclass(slots=True)
class ValueIdentity:
    """The data version of one value. Its outline is worked out when first asked for.

    Args:
        digest: BLAKE3-256 of the logical content, 64 hexadecimal digits.
        made_outline: Types, counts, names and short digests, at most 16 KiB when encoded; or what works it out from the
            value, which must be asked before the value is given away.
        mutable: True where a consumer could change the value in place (or it lies outside the process), so it must
            be identified again before a second consumer gets it.
    """

    digest: str
    made_outline: Outline | Callable[[], Outline]
    mutable: bool

    @property
    def outline(self) -> Outline:
        """What the value looks like."""
        if not isinstance(self.made_outline, Outline):
            self.made_outline = self.made_outline()
        return self.made_outline


def fit(entries: Iterable[tuple[str, T]]) -> tuple[dict[str, T], bool]:
    """Keep as many outline entries as fit.

    Args:
        entries: Name to what is kept of it, a digest or a type and a digest, in order; read only as far as needed.

    Returns:
        The entries kept, and whether some were left out. A name that occurs again gets a number.
    """
    kept: dict[str, T] = {}
    room = OUTLINE_BYTES
    for name, what in entries:
        name = told_apart(name)
        if name in kept:
            name = f"{name} ({len(kept) + 1})"
        texts = (what,) if isinstance(what, str) else what
        room -= _encoded(name) + sum(map(_encoded, texts))
        if room < 0 or len(kept) == MAX_PATHS:
            return kept, True
        kept[name] = what
    return kept, False


def _encoded(text: str) -> int:
    """Say how many bytes a text takes in JSON at most, with its quotes and what separates it from the next."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return len(text) + 5
    escaped = sum(not letter.isprintable() or letter in '"\\' for letter in text)
    return len(text.encode("utf-8", "surrogatepass")) + 5 * escaped + 5


def told_apart(name: str) -> str:
    """Shorten a name that is too long for an outline, so that two different ones stay different."""
    if len(name) <= MAX_NAME:
        return name
    known = blake3(name.encode("utf-8", "surrogatepass")).hexdigest(8)
    return f"{name[: MAX_NAME // 2]}…{known}…{name[-MAX_NAME // 4 :]}"


def type_for_outline(label: str) -> str:
    """Shorten the name of a type; what it leaves out is in the digest."""
    return label if len(label) <= MAX_TYPE else f"{label[: MAX_TYPE - 1]}…"


def text_for_outline(name: str) -> str:
    """Make a name that any JSON encoder takes: lone surrogates are written as escapes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
