"""Bars without a drawing library: lines for a terminal, and a small PNG for everywhere else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

_EIGHTHS = " ▏▎▍▌▋▊▉"
_MIN_BAR = 8

_Colour = tuple[int, int, int]
_PAPER: _Colour = (255, 255, 255)
_INK: _Colour = (51, 65, 85)
# Readable on white, and told apart from the ink by every kind of colour vision.
_BAR: _Colour = (0, 114, 178)

#: Glyphs of 3 × 5 dots, a digit per row, the leftmost dot worth 4.
_DIGITS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717")
_GLYPHS = {
    **dict(zip("0123456789", _DIGITS, strict=True)),
    ".": "00002",
    "-": "00700",
    "M": "57755",
    "T": "72222",
    "W": "55775",
    "F": "74644",
    "S": "74717",
}
_DOT = 2
_SLOT = 56
_HEIGHT = 200
_MARGIN = 24


class Bar(NamedTuple):
    """One bar.

    Args:
        label: What it is of.
        value: Its length, zero or more.
        shown: The value as text.
        note: What else is worth saying; only the terminal shows it.
    """

    label: str
    value: float
    shown: str
    note: str = ""


def draw_text(bars: Sequence[Bar], width: int, *, blocks: bool = True) -> str:
    """Draw horizontal bars from a common zero.

    Args:
        bars: From top to bottom.
        width: Columns to stay within.
        blocks: Draw in eighths of a character; else with ``#``, for terminals without Unicode.

    Returns:
        A line per bar, without colour.
    """
    label_width = max((len(bar.label) for bar in bars), default=0)
    shown_width = max((len(bar.shown) for bar in bars), default=0)
    note_width = max((len(bar.note) for bar in bars), default=0)
    room = max(_MIN_BAR, width - label_width - shown_width - note_width - 6)
    longest = max((bar.value for bar in bars), default=0) or 1
    lines = []
    for bar in bars:
        drawn = _line(bar.value / longest * room, blocks=blocks)
        line = f"{bar.label:<{label_width}}  {drawn:<{room}}  {bar.shown:>{shown_width}}  {bar.note}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _line(length: float, *, blocks: bool) -> str:
    if not blocks:
        return "#" * round(length)
    eighths = round(length * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def draw_png(bars: Sequence[Bar]) -> bytes:
    """Draw vertical bars from a common zero, each with its value above and the first letter of its label below.

    Args:
        bars: From left to right. Values and labels are drawn with digits, ``.``, ``-`` and M T W F S.

    Returns:
        A PNG file, the same bytes for the same bars.
    """
    width = max(1, len(bars)) * _SLOT
    rows = [bytearray(_PAPER * width) for _ in range(_HEIGHT)]
    longest = max((bar.value for bar in bars), default=0) or 1
    ground = _HEIGHT - _MARGIN
    for position, bar in enumerate(bars):
        left = position * _SLOT
        top = ground - round(bar.value / longest * (ground - _MARGIN))
        _fill(rows, (left + 8, top, left + _SLOT - 8, ground), _BAR)
        _write(rows, left + _SLOT // 2, top - 7 * _DOT, bar.shown)
        _write(rows, left + _SLOT // 2, ground + 4 * _DOT, bar.label[:1])
    _fill(rows, (0, ground, width, ground + 1), _INK)
    return _encode(rows, width)


def _fill(rows: list[bytearray], box: tuple[int, int, int, int], colour: _Colour) -> None:
    left, top, right, bottom = box
    for row in rows[top:bottom]:
        row[left * 3 : right * 3] = bytes(colour) * (right - left)


def _write(rows: list[bytearray], centre: int, top: int, text: str) -> None:
    left = centre - len(text) * 2 * _DOT
    for position, character in enumerate(text):
        for y, digit in enumerate(_GLYPHS.get(character, "00000")):
            for x in range(3):
                if int(digit) & 4 >> x:
                    dot_left, dot_top = left + (position * 4 + x) * _DOT, top + y * _DOT
                    _fill(rows, (dot_left, dot_top, dot_left + _DOT, dot_top + _DOT), _INK)


def _encode(rows: list[bytearray], width: int) -> bytes:
    # Source: the PNG specification, sections 5 and 11. Each row starts with its filter, here none.
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows), 9)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
