"""What a run says while it goes on: events for whoever watches, and the lines of its log. Safe for threads."""

from __future__ import annotations

import logging
import threading

import msgspec

from nacre.catalog.index import Event
from nacre.execute.workspace import Reporter, Workspace

_UTC_PARTS = "milliseconds"


class Journal:
    """The events and the log of one run.

    Args:
        workspace: Where they go.
        run: The run's id.
        kind: ``flow``, ``build`` or ``call``.
        reporter: Shows progress to a person; None for nobody.
        lock: Of the tree of runs, so that what is said together stays together.
    """

    def __init__(
        self, workspace: Workspace, run: str, kind: str, reporter: Reporter | None, lock: threading.RLock
    ) -> None:
        self._workspace = workspace
        self._run = run
        self._kind = kind
        self._reporter = reporter
        self._lock = lock
        self._events: list[Event] = []
        self._n_events = 0
        self._lines: list[bytes] = []

    def log(self, level: int, text: str) -> None:
        """Record one line of the log."""
        at = self._workspace.clock.now().isoformat(timespec=_UTC_PARTS)
        body: dict[str, object] = {"level": logging.getLevelName(level), "text": text, "at": at}
        with self._lock:
            self._lines.append(msgspec.json.encode(body))
            self.emit("log", body)

    def emit(self, kind: str, body: dict[str, object]) -> None:
        """Tell the reporter and, with the next ``send``, every other process."""
        with self._lock:
            self._n_events += 1
            at = self._workspace.clock.now().isoformat()
            self._events.append(Event(self._n_events, at, kind, msgspec.json.encode(body).decode()))
        if self._reporter is not None:
            self._reporter.on_event(kind, {"run": self._run, "run_kind": self._kind, **body})

    def send(self) -> None:
        """Make what was said since the last time visible to other processes."""
        events, self._events = self._events, []
        if events:
            self._workspace.append_events(self._run, events)

    def keep(self) -> None:
        """Store the log, at the end of the run; a run that said nothing has none."""
        if self._lines:
            with self._workspace.contents.objects.put(f"logs/{self._run}") as sink:
                sink.write(b"\n".join(self._lines) + b"\n")
