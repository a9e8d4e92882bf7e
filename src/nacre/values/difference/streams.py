"""What differs between two texts, and between two runs of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff

from blake3 import blake3

from nacre.values.difference.found import BytesDifference, TextDifference
from nacre.values.difference.stored import Stream

#: Between what is equal at both ends, so many lines of each are aligned; more are compared one by one.
_ALIGNED = 20_000
_CONTEXT = 3
_THERE = 16
_LINE = 200


def text_difference(old: str, new: str, limit: int) -> TextDifference:
    """Compare two texts line by line.

    Args:
        old: The old one.
        new: The new one.
        limit: Lines of the diff shown at most.
    """
    before, after = old.splitlines(), new.splitlines()
    added = removed = n = 0
    shown: list[str] = []
    for line in _unified(before, after):
        added += line[0] == "+"
        removed += line[0] == "-"
        n += 1
        if n <= limit:
            shown.append(line if len(line) <= _LINE else f"{line[: _LINE - 1]}…")
    if not n:
        # Only what ends the lines differs.
        shown = [f"-{_ending(old)}", f"+{_ending(new)}"]
    return TextDifference(len(before), len(after), added, removed, tuple(shown), n <= limit)


def _unified(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Give a unified diff without its heading; what is equal at both ends is left out before lines are aligned."""
    least = min(len(old), len(new))
    head = next((i for i in range(least) if old[i] != new[i]), least)
    tail = next((i for i in range(least - head) if old[-1 - i] != new[-1 - i]), least - head)
    head, tail = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    before, after = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(before), len(after)) > _ALIGNED:
        yield from _one_by_one(before, after, head)
        return
    lines = unified_diff(before, after, n=_CONTEXT, lineterm="")
    for number, line in enumerate(lines):
        if number > 1:
            yield _moved(line, head) if line.startswith("@@") else line


def _moved(heading: str, by: int) -> str:
    """Count the lines that were left out before a hunk into its heading."""
    ranges = []
    for each in heading.split()[1:3]:
        start, comma, n = each[1:].partition(",")
        ranges.append(f"{each[0]}{int(start) + by}{comma}{n}")
    return f"@@ {' '.join(ranges)} @@"


def _one_by_one(old: Sequence[str], new: Sequence[str], start: int) -> Iterator[str]:
    for i in range(max(len(old), len(new))):
        one, other = (lines[i] if i < len(lines) else None for lines in (old, new))
        if one != other:
            yield f"@@ -{start + i + 1} +{start + i + 1} @@"
            yield from (f"-{one}",) if one is not None else ()
            yield from (f"+{other}",) if other is not None else ()


def _ending(text: str) -> str:
    windows, lines = text.count("\r\n"), len(text.splitlines())
    ends = "a line end" if text.endswith(("\n", "\r")) else "no line end"
    return f"{lines:,} lines, {windows:,} of them ended by CR LF; {ends} at the end"


def bytes_difference(old: Stream, new: Stream) -> BytesDifference:
    """Compare two runs of bytes, in one pass over each."""
    hashers = blake3(), blake3()
    first: int | None = None
    there = b"", b""
    start = 0
    ones, others = old.blocks(), new.blocks()
    while True:
        one, other = next(ones, b""), next(others, b"")
        if not one and not other:
            break
        hashers[0].update(one)
        hashers[1].update(other)
        if first is None and one != other:
            at = _first(one, other)
            first, there = start + at, (one[at : at + _THERE], other[at : at + _THERE])
        start += max(len(one), len(other))
    digests = hashers[0].hexdigest(), hashers[1].hexdigest()
    return BytesDifference(old.size, new.size, *digests, first, there[0].hex(" "), there[1].hex(" "))


def _first(one: bytes, other: bytes) -> int:
    """Find where two different blocks first differ, by halves."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
