"""What a value's identity is, and how large its outline may be. Holds no data and knows no library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from nacre.version.outline import MAX_PATHS, Outline

T = TypeVar("T")

#: Bytes the entries of an outline may take when encoded; the rest of the 16 KiB is for its other fields.
OUTLINE_BYTES = 15 * 1024
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


def fit(entries: Iterable[tuple[str, T]], extra: int = 0) -> tuple[dict[str, T], bool]:
    """Keep as many outline entries as fit.

    Args:
        entries: Name to what is kept of it, in order; read only as far as needed.
        extra: Bytes each entry takes beside its name and one short digest.

    Returns:
        The entries kept, and whether some were left out.
    """
    kept: dict[str, T] = {}
    room = OUTLINE_BYTES
    for name, what in entries:
        # A control character or quote takes up to six bytes in JSON, a letter of any script at most four.
        size = len(name) if name.isascii() and name.isprintable() and '"' not in name else 6 * len(name)
        room -= size + SHORT + 8 + extra
        if room < 0 or len(kept) == MAX_PATHS:
            return kept, True
        kept[name] = what
    return kept, False


def text_for_outline(name: str) -> str:
    """Make a name that any JSON encoder takes: lone surrogates are written as escapes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
