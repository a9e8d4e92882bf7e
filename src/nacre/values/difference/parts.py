"""What differs between two values of Python data, part by part, by the path to each: ``$.a[3].b``.

Nothing recurses, so depth costs memory only. Lists are aligned: by key fields where they are given, else by what is
equal in both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from nacre.errors import UnserialisableValue, UsageError
from nacre.values.difference.found import ADDED, CHANGED, MOVED, REMOVED, PartChange, PartsDifference
from nacre.values.difference.shown import described, is_secret, shown
from nacre.values.difference.stored import Fields
from nacre.values.dispatch import nested
from nacre.values.kinds import field_values, record_kind
from nacre.values.places import key_step, shorten

#: Lists that differ in more items than this, between what is equal at both ends, are aligned by position.
_ALIGNED = 2_000
_SIMPLE = frozenset({str, int, bool, type(None), bytes})
_SEQUENCES = (list, tuple, deque)

_Pair = tuple[str, object, object]


class _Nothing:
    """Stands where there is no part."""


_NOTHING = _Nothing()


class _Order:
    """Stands for the order of the keys of a dict."""

    def __init__(self, keys: Sequence[object]) -> None:
        self.text = ", ".join(map(str, keys))


def parts_difference(old: object, new: object, key: Sequence[str], limit: int) -> PartsDifference:
    """Compare two values part by part.

    Args:
        old: The old one.
        new: The new one.
        key: Fields by which the items of lists belong together, where items have them.
        limit: Parts shown at most.

    Raises:
        UsageError: No list in both values has items with the key.
    """
    counts = dict.fromkeys((ADDED, REMOVED, CHANGED, MOVED), 0)
    parts: list[PartChange] = []
    walk = _Walk(tuple(key))
    for path, one, other in walk.differing(old, new):
        what = ADDED if one is _NOTHING else REMOVED if other is _NOTHING else CHANGED
        what = MOVED if isinstance(one, _Order) else what
        counts[what] += 1
        if len(parts) < limit:
            parts.append(PartChange(shorten(path), what, _text(one), _text(other)))
    if key and not walk.used_key:
        facts = {"it is": described(new)}
        raise UsageError(
            f"Nothing can be compared by {', '.join(key)}",
            facts,
            "a key is a column of a table, or a field that all items of a list have, each with another value",
        )
    return PartsDifference(
        described(old),
        described(new),
        counts[ADDED],
        counts[REMOVED],
        counts[CHANGED] + counts[MOVED],
        tuple(parts),
    )


def _text(part: object) -> str | None:
    if part is _NOTHING:
        return None
    return f"keys in the order {part.text}" if isinstance(part, _Order) else shown(part)


class _Walk:
    """Goes through two values at once."""

    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = key
        self.used_key = False

    def differing(self, old: object, new: object) -> Iterator[_Pair]:
        """Give the innermost parts that differ, in order."""
        stack: list[Iterator[_Pair]] = [iter([("$", old, new)])]
        while stack:
            pair = next(stack[-1], None)
            if pair is None:
                stack.pop()
                continue
            path, one, other = pair
            if one is _NOTHING or other is _NOTHING or isinstance(one, _Order):
                yield pair
                continue
            inside = self._inside(shorten(path), one, other)
            if inside is not None:
                stack.append(inside)
            elif not _equal(one, other):
                yield pair

    def _inside(self, path: str, old: object, new: object) -> Iterator[_Pair] | None:
        """Pair the parts of two containers of one type; None for anything else."""
        if _type_of(old) != _type_of(new) or is_secret(old):
            return None
        fields = _fields(old), _fields(new)
        if fields[0] is not None and fields[1] is not None:
            return _by_name(path, fields[0], fields[1], is_record=not isinstance(old, dict))
        if isinstance(old, _SEQUENCES) and isinstance(new, _SEQUENCES):
            return self._items(path, list(old), list(new))
        if isinstance(old, (set, frozenset)) and isinstance(new, (set, frozenset)):
            return _elements(path, old, new)
        return None

    def _items(self, path: str, old: list[Any], new: list[Any]) -> Iterator[_Pair]:
        keyed = [_keyed(items, self._key) for items in (old, new)] if self._key else [None]
        if len(keyed) == 2 and keyed[0] is not None and keyed[1] is not None:
            self.used_key = True
            return _by_key(path, keyed[0], keyed[1])
        return _aligned(path, old, new)


def _type_of(value: object) -> object:
    return value.name if isinstance(value, Fields) else type(value)


def _fields(value: object) -> dict[Any, object] | None:
    if isinstance(value, dict):
        return value
    kind = record_kind(type(value))
    return None if kind is None else dict(field_values(value, kind))


def _by_name(
    path: str, old: dict[Any, object], new: dict[Any, object], *, is_record: bool
) -> Iterator[_Pair]:
    for name, part in old.items():
        yield path + key_step(name), part, new.get(name, _NOTHING)
    for name, part in new.items():
        if name not in old:
            yield path + key_step(name), _NOTHING, part
    orders = [name for name in old if name in new], [name for name in new if name in old]
    # The order of a dict is part of it.
    if orders[0] != orders[1] and not is_record:
        yield path, _Order(orders[0]), _Order(orders[1])


def _elements(path: str, old: Any, new: Any) -> Iterator[_Pair]:
    before, after = ({_token(each): each for each in some} for some in (old, new))
    for token, each in before.items():
        if token not in after:
            yield f"{path}{{}}", each, _NOTHING
    for token, each in after.items():
        if token not in before:
            yield f"{path}{{}}", _NOTHING, each


def _keyed(items: list[Any], key: tuple[str, ...]) -> dict[object, tuple[str, Any]] | None:
    """Give items by their key fields, each with its path step; None where not all have a key of their own."""
    found: dict[object, tuple[str, Any]] = {}
    for item in items:
        fields = _fields(item)
        if fields is None or not all(name in fields for name in key):
            return None
        step = f"[{', '.join(f'{name}={shown(fields[name])}' for name in key)}]"
        found[tuple(_token(fields[name]) for name in key)] = (step, item)
    return found if len(found) == len(items) else None


def _by_key(
    path: str, old: dict[object, tuple[str, Any]], new: dict[object, tuple[str, Any]]
) -> Iterator[_Pair]:
    for token, (step, item) in old.items():
        yield path + step, item, new[token][1] if token in new else _NOTHING
    for token, (step, item) in new.items():
        if token not in old:
            yield path + step, _NOTHING, item


def _aligned(path: str, old: list[Any], new: list[Any]) -> Iterator[_Pair]:
    """Pair the items of two lists: what is equal stays together, what lies between is paired in turn."""
    before, after = list(map(_token, old)), list(map(_token, new))
    least = min(len(old), len(new))
    head = next((i for i in range(least) if before[i] != after[i]), least)
    tail = next((i for i in range(least - head) if before[-1 - i] != after[-1 - i]), least - head)
    ends = len(old) - tail, len(new) - tail
    if max(ends) - head > _ALIGNED:
        runs = [(head, ends[0], head, ends[1])]
    else:
        matcher = SequenceMatcher(None, before[head : ends[0]], after[head : ends[1]], autojunk=False)
        runs = [
            (head + a, head + b, head + c, head + d)
            for what, a, b, c, d in matcher.get_opcodes()
            if what != "equal"
        ]
    for a, b, c, d in runs:
        paired = min(b - a, d - c)
        for i in range(paired):
            yield f"{path}[{c + i}]", old[a + i], new[c + i]
        for i in range(a + paired, b):
            yield f"{path}[{i}]", old[i], _NOTHING
        for j in range(c + paired, d):
            yield f"{path}[{j}]", _NOTHING, new[j]


def _equal(old: object, new: object) -> bool:
    return _token(old) == _token(new)


def _token(value: object) -> object:
    """Give what is equal for equal parts only: types count, NaN equals NaN."""
    if type(value) in _SIMPLE:
        return type(value), value
    try:
        return nested(value)
    except UnserialisableValue:  # a part that was stored by a rule of the user's
        return type(value), repr(value)
