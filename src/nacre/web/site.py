"""What every page works on: the project as it is now, and how its assets stand."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence

from nacre.store.records import Output
from nacre.values import Preview
from nacre.views.board import failures_mark
from nacre.views.preview import glimpse
from nacre.views.session import Session
from nacre.web.states import StateReader, States

#: Source files are looked at for open pages at most so often.
_LOOK_EVERY_S = 1.0
#: Previews kept.
_MAX_KEPT = 64


class Site:
    """One project, shown by one server. Nothing here writes, and no module of the user is imported.

    Args:
        modules: What ``-m`` gave.
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        #: The catalog's pulse, and its mark then: one value, since threads share it.
        self._seen = ("", "")
        self._looked_at, self._states_mark = 0.0, ""
        self._shown: dict[tuple[str, str], tuple[Preview | None, str]] = {}
        session = self.session()
        self.root = session.project.root
        self.location = session.workspace.location
        self.reader = StateReader(self.root, self._modules, self._heads)

    def session(self) -> Session:
        """Open the project for one request. A store that was made meanwhile is found."""
        with self._lock:
            session = Session(self._modules)
            if not session.project.is_stored and session.project.has_store:
                session.project.close()
            _ = session.workspace  # opened by one thread only
            return session

    @property
    def is_local(self) -> bool:
        """Whether the store is on this machine, so that looking at it often costs nothing."""
        return "://" not in self.location

    def mark(self, states: States | None = None) -> str:
        """A text that differs when a page would: other runs, versions, artifacts, or assets that stand otherwise.

        Cheap while nothing happens. It is equal in any process, so a page can say which one it shows; it takes its mark
        before it reads anything, so that what comes meanwhile makes another.

        Args:
            states: What a page is about to show of how assets stand; None to look now and then.
        """
        catalog = self.session().workspace.catalog
        pulse = f"{id(catalog)} {catalog.pulse()}"
        known, mark = self._seen
        if pulse != known:
            mark = catalog.mark()
            self._seen = pulse, mark
        now = time.monotonic()
        if states is not None or now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            states = states or self.reader.states()
            self._states_mark = f"{states.of} {states.is_current}"
        return hashlib.sha256(f"{mark} {self._states_mark}".encode()).hexdigest()[:16]

    def glimpse(self, session: Session, output: Output) -> tuple[Preview | None, str]:
        """Show the beginning of a version; one that was shown is kept, since its bytes never change."""
        known = (output.digest, output.format)
        shown = self._shown.get(known)
        if shown is None:
            shown = glimpse(session, output)
            if not shown[1]:
                self._shown[known] = shown
                while len(self._shown) > _MAX_KEPT:
                    self._shown.pop(next(iter(self._shown)), None)
        return shown

    def _heads(self) -> str:
        session = self.session()
        workspace = session.workspace
        return f"{workspace.catalog.heads_mark(workspace.env)} {failures_mark(session)}"
