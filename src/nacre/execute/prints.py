"""``log_prints``: what a step prints becomes a line of its log. Everything else prints as ever."""

from __future__ import annotations

import builtins
import io
import threading
from collections.abc import Callable
from contextvars import ContextVar

Sink = Callable[[str], None]

print_sink: ContextVar[Sink | None] = ContextVar("nacre_print_sink", default=None)

_lock = threading.Lock()
_original: Callable[..., None] = builtins.print
_is_installed = False


def install() -> None:
    """Teach ``print`` to ask the context where to go; once per process, and only when a run logs prints."""
    global _is_installed, _original
    with _lock:
        if not _is_installed:
            _original = builtins.print
            builtins.print = _print
            _is_installed = True


def _print(*values: object, **options: object) -> None:
    sink = print_sink.get()
    if sink is None or options.get("file") is not None:
        _original(*values, **options)
        return
    text = io.StringIO()
    _original(*values, **{**options, "file": text, "flush": False})
    for line in text.getvalue().splitlines():
        sink(line)


# It stands in for the builtin, so it answers to its name.
_print.__name__ = _print.__qualname__ = "print"
