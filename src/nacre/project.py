"""The composition root: the only place that picks drivers and puts an engine together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from nacre import context
from nacre.catalog.history import Catalog
from nacre.catalog.index import Event, MemoryIndex, append_events, apply, is_current, prepare
from nacre.config import Settings, find_root, read_settings
from nacre.errors import UsageError
from nacre.execute.active import ActiveRun
from nacre.execute.clock import Clock, SystemClock
from nacre.execute.engine import Engine
from nacre.execute.report import Lines, Silent
from nacre.execute.workspace import Reporter, Workspace
from nacre.schedule.serve import serve_deployments
from nacre.store.contents import Contents
from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.ids import new_id
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.port import ObjectStore, RecordStore
from nacre.survey.codes import Codes

AppendEvents = Callable[[str, Sequence[Event]], None]


class Project:
    """A folder with settings and a store.

    Args:
        root: The folder.
        settings: What it sets; read from the folder by default.
        clock: Time; the machine's by default.
    """

    def __init__(self, root: str, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.root = os.path.realpath(root)
        self.settings = settings or read_settings(self.root)
        self._clock = clock or SystemClock()
        self._workspace: Workspace | None = None
        self.is_stored = False

    @property
    def store(self) -> str:
        """Where versions are kept: an absolute folder, or ``memory://``."""
        place = self.settings.store.removeprefix("file://")
        if "://" in place and not place.startswith("memory://"):
            raise UsageError(
                f"No store driver for {place.split('://')[0]}://",
                {"NACRE_STORE": place},
                "give a folder, file:///folder or memory://",
            )
        return place if "://" in place else os.path.join(self.root, place)

    @property
    def has_store(self) -> bool:
        """True where something was stored before."""
        return self.store.startswith("memory://") or os.path.isfile(_records_file(self.store))

    def workspace(self, *, creates: bool = True) -> Workspace:
        """Open the store.

        Args:
            creates: False leaves a project without a store as it is, and looks at an empty one.

        Raises:
            StoreError: The store cannot be opened, is damaged, or was written by a newer nacre.
        """
        if self._workspace is None or (creates and not self.is_stored):
            self.is_stored = creates or self.has_store
            self._workspace = self._open() if self.is_stored else self._in_memory("memory://")
        return self._workspace

    def engine(self, reporter: Callable[[], Reporter] = Lines) -> Engine:
        """Put an engine together."""
        return Engine(self.workspace(), reporter, partial(serve_deployments, self.workspace))

    def close(self) -> None:
        """Close the store. Idempotent."""
        if self._workspace is not None:
            self._workspace.records.close()
            self._workspace = None

    def _open(self) -> Workspace:
        store = self.store
        if store.startswith("memory://"):
            return self._in_memory(store)
        records = SqliteRecords(Path(_records_file(store)), apply, prepare=prepare)
        if not records.read_only:
            _hide_from_git(store)

        def send(run: str, events: Sequence[Event]) -> None:
            records.write(lambda connection: append_events(connection, run, events))

        return self._put_together(records, DirectoryObjects(Path(store, "objects")), _catalog(records), send)

    def _in_memory(self, location: str) -> Workspace:
        index = MemoryIndex()

        def send(run: str, events: Sequence[Event]) -> None:
            index.write(lambda connection: append_events(connection, run, events))

        return self._put_together(MemoryRecords(index.apply), MemoryObjects(), Catalog(index.read), send)

    def _put_together(
        self, records: RecordStore, objects: ObjectStore, catalog: Catalog, send: AppendEvents
    ) -> Workspace:
        return Workspace(
            root=self.root,
            location=self.store,
            env=self.settings.env,
            records=records,
            contents=Contents(objects, new_id),
            catalog=catalog,
            code=Codes(records, _roots(self.root)),
            clock=self._clock,
            new_id=new_id,
            append_events=send,
        )


_open_projects: dict[tuple[str, str], Project] = {}


def current_project(start: str | None = None) -> Project:
    """Return the project that a folder, or the started script, belongs to; opened once per process.

    Args:
        start: A folder or file; by default that of the started script, else the working directory.
    """
    root = find_root(_folder(start) if start else _started_in())
    settings = read_settings(root)
    key = (root, repr(settings))
    project = _open_projects.get(key)
    if project is None or _was_removed(project):
        project = _open_projects[key] = Project(root, settings)
    return project


def runtime() -> Engine:
    """Return the engine of the run that is going on, else of the current project.

    What declared objects reach when they are called: inside a run, wherever its files lie, they stay in its store.
    """
    run = context.current_run.get()
    workspace = run.workspace if isinstance(run, ActiveRun) else current_project().workspace()
    engine = _engines.get(id(workspace))
    if engine is None:
        engine = _engines[id(workspace)] = Engine(workspace, _default_reporter, _serve)
    return engine


def _serve(deployments: Sequence[object]) -> None:
    serve_deployments(current_project().workspace, deployments)


#: By the identity of their workspace, which they keep alive.
_engines: dict[int, Engine] = {}


def _default_reporter() -> Reporter:
    return Silent() if os.environ.get("NACRE_QUIET") else Lines(sums_up=True)


def _was_removed(project: Project) -> bool:
    """True where the store's folder was deleted behind our back, so that it is opened afresh."""
    return project.is_stored and not project.has_store


def _started_in() -> str:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if file and os.path.isfile(file) and not _is_tool(file):
        return os.path.dirname(os.path.abspath(str(file)))
    return os.getcwd()


def _is_tool(file: str) -> bool:
    """True for a started program that is installed (pytest, nacre itself), not the user's own script."""
    path = os.path.abspath(file)
    own = os.path.dirname(os.path.abspath(__file__))
    return (
        path.startswith((own + os.sep, sys.prefix + os.sep, sys.base_prefix + os.sep)) or "-packages" in path
    )


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))


def _roots(root: str) -> list[str]:
    roots = [root, _started_in()]
    return list(dict.fromkeys(os.path.realpath(each) for each in roots))


def _records_file(store: str) -> str:
    return os.path.join(store, "records.sqlite")


def _catalog(records: SqliteRecords) -> Catalog:
    """Make the catalog over a store's records; one that cannot be updated in place is indexed in memory."""
    if records.read_only and not is_current(records.read):
        index = MemoryIndex()
        index.rebuild(records.scan(""))
        return Catalog(index.read)
    return Catalog(records.read)


def _hide_from_git(store: str) -> None:
    path = os.path.join(store, ".gitignore")
    if not os.path.exists(path):
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write("*\n")
        except OSError:
            return  # a nicety: the store works without it
