"""Makes standard output and error such that printing never ends a command: closed, cut short or plain ASCII."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from nacre.plain import PLAIN

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def settle() -> None:
    """Settle the streams of this process; once, before anything is printed or opened."""
    _hold_closed()
    sys.stdout, sys.stderr = _settled(sys.stdout), _settled(sys.stderr)


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a line at once. Unlike click's, it leaves an ASCII stream to its own way of showing what it lacks."""
    print(text, file=sys.stderr if err else sys.stdout, flush=True)


class _Steady(io.FileIO):
    """Drops what nobody reads any more, as after ``| head``: what runs goes on to its end."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def _hold_closed() -> None:
    """Take the numbers of closed streams, else the next file opened, such as the store, would get what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _settled(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    raw = _Steady(stream.fileno(), "w", closefd=False)
    is_whole = stream.encoding.lower().startswith("utf")
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),  # as python -u does
        encoding=stream.encoding,
        errors=stream.errors if is_whole else PLAIN,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
