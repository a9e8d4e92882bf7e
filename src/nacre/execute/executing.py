"""Which code of the project a step runs that nothing in its text leads to: methods of arguments, plugins found by name.

Only on Python 3.12 and later, where hearing of it costs next to nothing (PEP 669): each function is heard once a step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType
from typing import Any

from nacre.execute.reading import current, going

_monitoring: Any = getattr(sys, "monitoring", None)
IS_POSSIBLE = _monitoring is not None
# The two of six that no kind of tool is meant to have.
_FREE_TOOLS = (3, 4)
_NAME = "nacre"
_tool: int | None = None


def listen() -> None:
    """Begin to hear of functions that start; those heard of before are heard again. Where it is possible."""
    global _tool
    if _tool is None:
        _tool = next((each for each in _FREE_TOOLS if _monitoring.get_tool(each) is None), None)
        if _tool is None:  # others have both: what they hear, we do not
            return
        _monitoring.use_tool_id(_tool, _NAME)
        _monitoring.register_callback(_tool, _monitoring.events.PY_START, _started)
    _monitoring.set_events(_tool, _monitoring.events.PY_START)
    _monitoring.restart_events()


def rest() -> None:
    """Hear nothing while no step goes on. Idempotent."""
    if _tool is not None and not going:
        _monitoring.set_events(_tool, 0)


def _started(code: CodeType, offset: int) -> object:
    """Note a function of the project that starts; asks not to be told of it again where nobody else would miss it."""
    readings = current.get()
    if readings is None:
        readings = tuple(going)
    is_own = False
    for reading in readings or going:
        is_own = is_own or id(code) in reading.executed or reading.holds(code.co_filename)
        if is_own and readings:
            reading.executed[id(code)] = code
    # While several steps go on, another of them may start the same function.
    return None if is_own and len(going) > 1 else _monitoring.DISABLE


def unforeseen(
    executed: Iterable[CodeType], root: str, parts: Callable[[], Iterable[tuple[str, str]]]
) -> Iterator[str]:
    """List the source files of code that ran and that the code version does not cover, relative to the root.

    Args:
        executed: What ran.
        root: The project's folder.
        parts: Gives name and place of everything that the code version covers; asked only where something ran.
    """
    ran = {(_relative(code.co_filename, root), _outermost(code.co_qualname)) for code in executed}
    if not ran:
        return
    covered = {(place.rpartition(":")[0], _outermost(name)) for name, place in parts() if place}
    yield from sorted({file for file, name in ran if (file, name) not in covered})


def _outermost(qualname: str) -> str:
    """Name the function that the inner ones stand in: it cannot be covered without them."""
    return qualname.partition(".<locals>")[0]


def _relative(path: str, root: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")
