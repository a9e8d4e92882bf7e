"""Where something lies inside a value: its path as a person writes it, and the errors that name it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from nacre.errors import UnserialisableValue
from nacre.values.forms import is_keyed
from nacre.values.identity import text_for_outline, told_apart
from nacre.values.kinds import field_values, record_kind, undeclared_values

#: Longer paths are shortened in the middle.
MAX_PATH = 200
_DICTS = (dict,)
_SEQUENCES = (list, tuple, deque)
_HINTS = {
    "generator": "return list(…) of it",
    "defaultdict": "return dict(…) of it",
    "dict_keys": "return list(…) of it",
    "dict_values": "return list(…) of it",
    "dict_items": "return dict(…) or list(…) of it",
    "map": "return list(…) of it",
    "filter": "return list(…) of it",
    "zip": "return list(…) of it",
    "RecordBatchReader": "return its .read_all(), a pyarrow.Table",
    "MaskedArray": "return .filled(…) of it, or a table with nulls",
    "matrix": "return numpy.asarray(…) of it",
    "memmap": "return numpy.asarray(…) of it",
    "recarray": "return .view(type=numpy.ndarray) of it, or a table",
    "Index": "return its .to_series(), or list(…) of it",
    "memoryview": "return bytes(…) of it",
    "ChunkedArray": "return a pyarrow.Table with it as a column",
    "function": "return what it computes",
    "coroutine": "await it and return the result",
    "GeoDataFrame": "return pandas.DataFrame(frame.to_wkt()), or write a file and return its Path",
    "Figure": "save it to a file and return the file's Path",
    "Connection": "return what was read through it",
    "Response": "return its .json(), .text or .content",
}
ANYTHING = "return plain data, a dataclass of it, a table, bytes or a Path"


def steps(value: object) -> Iterator[tuple[str, object]] | None:
    """Give the parts of a container with the path step to each, or None for a leaf. Sets are leaves."""
    kind = type(value)
    if isinstance(value, _DICTS):
        return ((key_step(key), item) for key, item in value.items())
    if kind in _SEQUENCES:
        items: Iterable[object] = value  # type: ignore[assignment]  # one of the sequence types
        return ((f"[{i}]", item) for i, item in enumerate(items))
    if is_keyed(kind):
        return None
    record = record_kind(kind)
    if record is None:
        return None
    return ((f".{name}", item) for name, item in field_values(value, record).items())


def key_step(key: object) -> str:
    """Write the step to the entry of a dict: ``.a`` where its key is a name, else ``["a b"]`` or ``[3]``."""
    if type(key) is str:
        key = told_apart(key)
        if key.isidentifier() and key.isascii():
            return f".{key}"
        shown = text_for_outline(key).replace("\\", "\\\\").replace('"', '\\"')
        return f'["{shown}"]'
    return f"[{text_for_outline(told_apart(repr(key)))}]"


def leaves(value: object) -> Iterator[tuple[str, object]]:
    """Walk the leaves of a value in order, each with its path; an empty container is a leaf. Needs no recursion."""
    first = steps(value)
    if first is None:
        return
    stack = [("", first)]
    while stack:
        prefix, parts = stack[-1]
        for step, item in parts:
            inner = steps(item) if type(item) not in _PLAIN else None
            path = prefix + step
            if inner is not None and (head := next(inner, None)) is not None:
                stack.append((told_apart(path), _again(head, inner)))
                break
            yield path.removeprefix("."), item
        else:
            stack.pop()


_PLAIN = frozenset({str, int, float, bool, type(None), bytes})


def _again(head: tuple[str, object], rest: Iterator[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    yield head
    yield from rest


def shorten(path: str) -> str:
    """Leave out the middle of a path that is too long to show."""
    return path if len(path) <= MAX_PATH else f"{path[: MAX_PATH // 2]}…{path[-MAX_PATH // 2 + 1 :]}"


def find(value: object, target: object) -> str:
    """Say where ``target`` lies inside ``value``, by object identity: ``result["a"][3]``."""
    if value is target:
        return "result"
    stack = [("result", value)]
    seen: set[int] = set()
    while stack:
        path, container = stack.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        place = _direct(path, container, target)
        if place:
            return place
        parts = [(shorten(path + _shown(container, step)), item) for step, item in steps(container) or ()]
        for step_path, item in parts:
            if item is target:
                return step_path
        stack.extend(reversed(parts))
    return "result"


def undeclared(value: object) -> str:
    """Say where a value holds what no class declares: ``result.factor``; nothing where there is none."""
    stack = [("result", value)]
    while stack:
        path, container = stack.pop()
        kind = None if is_keyed(type(container)) else record_kind(type(container))
        names = undeclared_values(container, kind) if kind is not None else ()
        for name in names:
            return f"{path}.{name}"
        parts = [(shorten(path + _shown(container, step)), item) for step, item in steps(container) or ()]
        stack.extend(reversed(parts))
    return ""


def _direct(path: str, container: object, target: object) -> str:
    """Name a key of a dict or an element of a set."""
    if isinstance(container, dict) and any(key is target for key in container):
        return f"a key of {path}"
    if isinstance(container, (set, frozenset)) and any(item is target for item in container):
        return f"an element of {path}"
    return ""


def _shown(container: object, step: str) -> str:
    """Write a dict's step as Python does: ``["a"]``, where outlines write ``.a``."""
    return f'["{step[1:]}"]' if isinstance(container, dict) and step.startswith(".") else step


def unknown_type(value: object, target: object, hint: str = "") -> UnserialisableValue:
    """Build the error for a part of a value whose type cannot be identified."""
    kind = type(target)
    return UnserialisableValue(
        "A value cannot be identified or stored",
        {"place": find(value, target), "type": f"{kind.__module__}.{kind.__qualname__}"},
        hint or _HINTS.get(kind.__name__, ANYTHING),
    )


def cyclic(value: object, target: object) -> UnserialisableValue:
    """Build the error for a container that contains itself."""
    return UnserialisableValue(
        "A value contains itself, so it has no end",
        {"place": find(value, target), "type": type(target).__name__},
        "return a value without the cycle, for example with ids in place of objects",
    )
