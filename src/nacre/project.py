"""The composition root: the only place that picks drivers and puts an engine together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

from msgspec.structs import replace

from nacre import context
from nacre.catalog.history import Catalog
from nacre.catalog.index import (
    Event,
    MemoryIndex,
    append_events,
    apply,
    apply_readable,
    is_current,
    prepare,
    rebuild,
)
from nacre.catalog.mirror import SCHEDULED, Mirror
from nacre.config import STORE_FOLDER, Settings, find_root, read_settings
from nacre.environments import Chain, begin, chain_of, places_in
from nacre.errors import CorruptRecord, StoreError, UsageError
from nacre.execute import reading
from nacre.execute.active import ActiveRun
from nacre.execute.clock import Clock, SystemClock
from nacre.execute.engine import Engine
from nacre.execute.process import lives, named
from nacre.execute.report import Lines, Silent
from nacre.execute.workspace import Reporter, Workspace
from nacre.keys import key_path
from nacre.schedule.serve import serve_deployments
from nacre.store.address import is_bucket, parse
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.claims import Claims, NoClaims
from nacre.store.connect import Bucket, connect
from nacre.store.contents import Contents
from nacre.store.directory import DirectoryObjects
from nacre.store.embedded import SqliteRecords
from nacre.store.ids import new_id
from nacre.store.lease import LeaseClaims
from nacre.store.locks import LockClaims
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.overlay import OverlayObjects, OverlayRecords
from nacre.store.paths import env_name
from nacre.store.port import ObjectStore, RecordStore
from nacre.store.publish.bucket import BucketPlace
from nacre.store.publish.files import FilePlace
from nacre.store.publish.port import Place
from nacre.store.publish.publisher import Publisher
from nacre.store.records import DEFAULT_ENV
from nacre.survey.codes import Codes
from nacre.survey.reads import Reads

AppendEvents = Callable[[str, Sequence[Event]], None]

#: For how long a look at a bucket counts: a command asks for its store several times.
FRESH_S = 2.0


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
        self._mirror: Mirror | None = None
        self._is_kept = False
        #: What the environment reads through, as it was when it was last looked at; None for the default one.
        self._chain: Chain | None = None
        self._looked_at = self._looked_in_at = 0.0
        self.is_stored = False

    @property
    def store(self) -> str:
        """Where versions are kept: an absolute folder, the URL of a bucket, or ``memory://``."""
        place = self.settings.store.removeprefix("file://")
        if _is_bucket(place):
            return parse(place).url
        if "://" in place and not place.startswith("memory://"):
            raise UsageError(
                f"No store driver for {place.split('://')[0]}://",
                {"NACRE_STORE": place},
                "give a folder, file:///folder, s3://, gs:// or az://bucket/prefix, or memory://",
            )
        return place if "://" in place else os.path.join(self.root, place)

    @property
    def has_store(self) -> bool:
        """True where something was stored before. Asks the bucket, where the store is one."""
        if _is_bucket(self.store):
            records = parse(self.store).folder("records")
            return bool(BucketRecords(connect(self.store, is_store=True), records, creates=False).identity)
        return self.store.startswith("memory://") or os.path.isfile(_records_file(self.store))

    def workspace(self, *, creates: bool = True, schedules: bool = False) -> Workspace:
        """Open the store. One that is far away is looked at again after a while, or when outrun by others.

        Args:
            creates: False leaves a project without a store as it is, and looks at an empty one.
            schedules: True looks at schedules and their ticks too.

        Raises:
            StoreError: The store cannot be opened, is damaged, or was written by a newer nacre.
        """
        if self._workspace is None or (creates and not self._is_kept):
            # What was opened before is left as it is: a command may still be looking at it.
            self._mirror = None
            self._workspace = self._open_bucket(creates) if _is_bucket(self.store) else self._open(creates)
        elif self._mirror is not None and (self._mirror.is_behind or self._is_old(self._looked_at)):
            self._look(self._mirror)
        if schedules and self._mirror is not None:
            self._mirror.refresh(SCHEDULED)
        if self.settings.env != DEFAULT_ENV:
            self._workspace = self._in_its_environment(self._workspace, creates)
        return self._workspace

    @cached_property
    def publisher(self) -> Publisher:
        """What puts versions where their keys say; those of another environment than the default where it says."""
        return self.publisher_of(self.settings.env)

    def publisher_of(self, env: str) -> Publisher:
        """What does so for an environment, whichever the settings say."""
        places, is_active, said_in = places_in(replace(self.settings, env=env))
        not_at = self.outside.location if env != DEFAULT_ENV else None
        return Publisher(
            places, _open_place, store=self.store, is_active=is_active, said_in=said_in, not_at=not_at
        )

    def in_environment(self, name: str, *, creates: bool = True) -> Workspace:
        """Open the store as it is in an environment, whichever the settings say.

        Args:
            name: The environment.
            creates: False begins neither the environment nor a store.
        """
        own = self.workspace(creates=creates)
        if name == own.env_name:
            return own
        chain = chain_of(self.settings, own.records, name)
        if creates:
            begin(own.records, chain, self._clock.now())
        return _read_through(chain, own)._replace(publisher=self.publisher_of(name))

    def from_default(self) -> Project:
        """Give the same project, looked at from the default environment."""
        is_so = self.settings.env == DEFAULT_ENV
        return self if is_so else Project(self.root, replace(self.settings, env=DEFAULT_ENV), self._clock)

    @cached_property
    def outside(self) -> Publisher:
        """What reads the files of others that keys name, whatever the environment."""
        said_in = "NACRE_PLACES" if "NACRE_PLACES" in os.environ else os.path.basename(self.settings.file)
        return Publisher(self.settings.places, _open_place, store=self.store, said_in=said_in)

    def engine(self, reporter: Callable[[], Reporter] = Lines) -> Engine:
        """Put an engine together."""
        return Engine(
            self.workspace(), reporter, partial(serve_deployments, partial(self.workspace, schedules=True))
        )

    def scratch(self) -> Workspace:
        """Give a workspace over the same store in which all that is written is forgotten, and nothing is published."""
        own = self.workspace(creates=False)
        return own._replace(
            records=OverlayRecords(own.records),
            contents=Contents(OverlayObjects(own.contents.objects), new_id, self.outside.open),
            append_events=lambda run, events: None,
            publisher=Publisher((), _open_place, is_active=False),
            claims=NoClaims(),
        )

    @property
    def indexes_at_once(self) -> bool:
        """True where the index is written together with the records; else it follows them, as far as it was asked."""
        return self._mirror is None

    def follow(self) -> None:
        """Bring an index that follows its records up to date."""
        if self._mirror is not None:
            self._look(self._mirror)

    def rebuild_catalog(self) -> None:
        """Make the index anew from the records. Atomic; live progress of runs is kept."""
        records = self.workspace(creates=False).records
        if self._mirror is not None:
            self._mirror.renew()
        elif isinstance(records, SqliteRecords):
            stored = records.scan("")
            records.write(lambda connection: rebuild(connection, stored, is_lenient=True))

    def file_problems(self) -> list[str]:
        """Let the store's own file be looked through; empty where all is well, or the store has none."""
        records = self.workspace(creates=False).records
        return records.problems() if isinstance(records, SqliteRecords) else []

    def compact(self) -> int:
        """Give space that deleted records took back to the file system, where that is much; the bytes gained."""
        records = self.workspace(creates=False).records
        return records.compact() if isinstance(records, SqliteRecords) else 0

    def close(self) -> None:
        """Close the store. Idempotent."""
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None
        if self._workspace is not None:
            self._workspace.records.close()
            self._workspace = None

    def _in_its_environment(self, opened: Workspace, creates: bool) -> Workspace:
        """Look at the environment that is used: somebody may have removed it since, and begun it anew."""
        known = self._chain if opened.env_name == self.settings.env else None
        chain = known
        if chain is None or not opened.is_far or self._is_old(self._looked_in_at):
            chain = chain_of(self.settings, opened.records, self.settings.env)
            self._looked_in_at = self._clock.monotonic()
        if creates and not chain.is_begun:
            begin(opened.records, chain, self._clock.now())
            chain = chain._replace(is_begun=True)
        self._chain = chain
        is_same = known is not None and known.folders == chain.folders
        return opened if is_same else _read_through(chain, opened)

    def _is_old(self, looked_at: float) -> bool:
        return self._clock.monotonic() - looked_at > FRESH_S

    def _open(self, creates: bool) -> Workspace:
        store = self.store
        self.is_stored = self._is_kept = creates or self.has_store
        if store.startswith("memory://"):
            return self._in_memory()
        _require_records(store)
        if not self.is_stored:
            return self._in_memory()
        records = SqliteRecords(Path(_records_file(store)), apply, prepare=prepare, reindex=apply_readable)
        if not records.read_only:
            _hide_from_git(store)

        def send(run: str, events: Sequence[Event]) -> None:
            records.write(lambda connection: append_events(connection, run, events))

        objects = DirectoryObjects(Path(store, "objects"))
        claims = LockClaims(os.path.join(store, "claims"))
        return self._put_together(records, objects, _catalog(records), send, claims)

    def _open_bucket(self, creates: bool) -> Workspace:
        """Open a store in a bucket, with an index of it in the project's folder."""
        bucket = connect(self.store, is_store=True)
        records = BucketRecords(bucket, parse(self.store).folder("records"), creates=creates)
        self.is_stored = bool(records.identity)
        if not self.is_stored:
            return self._in_memory()
        tables = self._index_file(bucket, creates) or MemoryIndex()
        self._is_kept = creates or isinstance(tables, SqliteRecords)
        mirror = self._mirror = Mirror(tables, records.identity, records)
        records.index, records.outrun = mirror.apply, mirror.fall_behind
        self._look(mirror)

        def send(run: str, events: Sequence[Event]) -> None:
            tables.write(lambda connection: append_events(connection, run, events))

        objects = BucketObjects(bucket, parse(self.store).folder("objects"))
        # Code versions rest on this machine's files, so they are remembered here.
        memo = tables if isinstance(tables, SqliteRecords) else MemoryRecords()
        claims = LeaseClaims(records, f"{new_id()} {named(os.getpid())}", self._clock, _is_dead)
        opened = self._put_together(records, objects, Catalog(mirror.read), send, claims, memo)
        return opened._replace(is_far=True)

    def _look(self, mirror: Mirror) -> None:
        mirror.refresh()
        self._looked_at = self._clock.monotonic()

    def _index_file(self, bucket: Bucket, creates: bool) -> SqliteRecords | None:
        """Open the local index of a bucket; None where there is none and none may be made, or it cannot be used."""
        folder = os.path.join(self.root, STORE_FOLDER)
        path = Path(folder, f"{key_path(f'{bucket.site.url} {bucket.site.endpoint}')}.sqlite")
        if not creates and not path.is_file():
            return None
        try:
            index = _opened_index(path)
        except (StoreError, OSError):
            return (
                None  # a read-only folder, a file in the way, the index of a newer nacre: memory does as well
            )
        if index.read_only:
            index.close()
            return None
        _hide_from_git(folder)
        return index

    def _in_memory(self) -> Workspace:
        index = MemoryIndex()

        def send(run: str, events: Sequence[Event]) -> None:
            index.write(lambda connection: append_events(connection, run, events))

        records = MemoryRecords(index.apply)
        return self._put_together(records, MemoryObjects(), Catalog(index.read), send, NoClaims())

    def _put_together(
        self,
        records: RecordStore,
        objects: ObjectStore,
        catalog: Catalog,
        send: AppendEvents,
        claims: Claims,
        memo: RecordStore | None = None,
    ) -> Workspace:
        return Workspace(
            root=self.root,
            location=self.store,
            env=DEFAULT_ENV,
            records=records,
            contents=Contents(objects, new_id, self.outside.open),
            catalog=catalog,
            code=Codes(memo or records, _roots(self.root), keeps_sources=self.settings.keep_sources),
            reads=Reads(self.root, memo or records),
            clock=self._clock,
            new_id=new_id,
            append_events=send,
            publisher=self.publisher,
            claims=claims,
            outside=self.outside,
            keep_external=self.settings.keep_external,
        )


_open_projects: dict[tuple[str, str], Project] = {}


def current_project(start: str | None = None) -> Project:
    """Return the project that a folder, or the started script, belongs to; opened once per process.

    Args:
        start: A folder or file; by default that of the started script, else the working directory.
    """
    root = find_root(_folder(start) if start else _started_in())
    # A step may ask too: what nacre reads for it is no input of it.
    heard = reading.current.set(())
    try:
        settings = read_settings(root)
    finally:
        reading.current.reset(heard)
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
    return project.is_stored and not _is_bucket(project.store) and not project.has_store


def _started_in() -> str:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if file and os.path.isfile(file) and not _is_tool(file):
        return os.path.dirname(os.path.abspath(str(file)))
    return os.getcwd()


def _is_tool(file: str) -> bool:
    """True for a started program that is installed (pytest, nacre itself), not the user's own script.

    It may be started through a link: pipx and uv make one in a folder of the search path.
    """
    path = os.path.realpath(file)
    own, prefix, base = map(os.path.realpath, (os.path.dirname(__file__), sys.prefix, sys.base_prefix))
    return path.startswith((own + os.sep, prefix + os.sep, base + os.sep)) or "-packages" in path


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))


def _roots(root: str) -> list[str]:
    roots = [root, _started_in()]
    return list(dict.fromkeys(os.path.realpath(each) for each in roots))


def _read_through(chain: Chain, opened: Workspace) -> Workspace:
    """The same store, as it is in an environment."""
    env = chain.folders[0]
    catalog = opened.catalog.over({env: chain.folders} if chain.base else {})
    return opened._replace(env=env, catalog=catalog, env_name=env_name(env))


def _open_place(root: str) -> Place:
    return BucketPlace(connect(root)) if root else FilePlace()


def _is_dead(holder: str) -> bool:
    """Whether the holder of a claim was a process of this machine that is gone."""
    return lives(holder.partition(" ")[2]) is False


def _require_records(store: str) -> None:
    """Refuse a store whose objects are there and whose records are not: begun anew, it would know of none of them.

    Raises:
        CorruptRecord: The file of records is gone or empty.
    """
    file = _records_file(store)
    is_there = os.path.exists(file) and os.path.getsize(file) > 0
    if not is_there and os.path.isdir(os.path.join(store, "objects", "data")):
        facts = {
            "store": store,
            "file": file,
            "problem": "it is gone or empty, and there are objects beside it",
        }
        hints = (
            "restore it from a backup, with the files that begin with its name",
            f"or begin anew, without the versions there were: move {store} away",
        )
        raise CorruptRecord("The records of the store are gone", facts, hints)


def _records_file(store: str) -> str:
    return os.path.join(store, "records.sqlite")


def _is_bucket(store: str) -> bool:
    return "://" in store and is_bucket(store)


def _opened_index(path: Path) -> SqliteRecords:
    """Open the file of an index; a damaged one is made anew, since it holds nothing of its own."""
    try:
        return SqliteRecords(path, prepare=prepare)
    except CorruptRecord:
        for name in ("", "-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)
        return SqliteRecords(path, prepare=prepare)


def _catalog(records: SqliteRecords) -> Catalog:
    """Make the catalog over a store's records; one that cannot be updated in place is indexed in memory."""
    if records.read_only and not is_current(records.read):
        index = MemoryIndex()
        index.write(lambda connection: rebuild(connection, records.scan(""), is_lenient=True))
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
