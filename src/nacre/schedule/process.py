"""The processes that ticks start, and the signals that end serving.

What only serving needs is imported where it is used: every command passes by here on its way in.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from nacre.schedule.definition import Schedule
from nacre.store.ids import RUN_ID
from nacre.store.records import Tick


class Subprocess:
    """A process in a group of its own: Ctrl-C reaches it through ``interrupt`` only, and its children with it.

    Args:
        arguments: The program and what it is given.
        folder: Where it works.
        environ: Its environment.
    """

    def __init__(self, arguments: list[str], folder: str, environ: dict[str, str]) -> None:
        import subprocess

        self._process = subprocess.Popen(
            arguments, cwd=folder, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def poll(self) -> int | None:
        """Return the exit code; None while it goes on."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait until it has ended, and return the exit code."""
        return self._process.wait()

    def interrupt(self) -> None:
        """Ask the group to end, as Ctrl-C would: a run records that it was cancelled."""
        import signal

        self._send(signal.SIGINT)

    def kill(self) -> None:
        """End the group at once."""
        import signal

        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def nacre_processes(folder: str) -> Callable[[Schedule, Tick], Subprocess]:
    """Start each tick as ``python -m nacre …`` in a folder: always the code as it is then, and no crash reaches us."""

    def start(schedule: Schedule, tick: Tick) -> Subprocess:
        environ = {**os.environ, RUN_ID: tick.run}
        return Subprocess([sys.executable, "-m", "nacre", *schedule.command], folder, environ)

    return start


class Stop:
    """Whether serving shall end: asked once, or again because it takes too long."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._is_hurried = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Ask to end; a handler of signals."""
        self._is_hurried = self.asked.is_set()
        self.asked.set()

    def is_hurried(self) -> bool:
        """Whether somebody asked again."""
        return self._is_hurried


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Let SIGINT, SIGTERM and a terminal that is closed ask to stop; in the main thread, elsewhere nobody can."""
    import signal

    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # under nohup it goes on
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop.ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
