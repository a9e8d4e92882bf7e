"""What a step reads that is no parameter of it, heard while its function runs.

Files it opens, folders it lists, assets it loads or calls; and what it does of which nobody can tell what it brought.
Python tells of every file it opens (PEP 578). Libraries that open files in C++ or Rust do not; for those a path that
stands in the code as a text counts as read where it names a file.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from msgspec import Struct, field

from nacre.execute.mentioned import Mentioned, mentioned
from nacre.execute.workspace import Workspace
from nacre.graph.graph import AnyTask
from nacre.planning.facts import UNSEEN
from nacre.survey.reads import PRIVATE
from nacre.version.code import STATED
from nacre.version.fingerprint import InputVersion

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CONNECTS = frozenset({"socket.connect", "socket.getaddrinfo"})
_LISTS = frozenset({"os.listdir", "os.scandir"})
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.startfile"})
_HEARD = frozenset({"open", "os.rename", "os.remove", "sqlite3.connect", *_CONNECTS, *_LISTS, *_PROGRAMS})
# What Python itself opens to import code, and to show it.
_PYTHONS = ("<frozen importlib", "<frozen zipimport", "linecache.py", "tokenize.py", "inspect.py")
_CODE = (".py", ".pyc", ".pyi", ".pyd", ".so")
_MAX_FRAMES = 12
MAX_UNSEEN = 5


class Noted(NamedTuple):
    """One thing that was read: kind, name and digest as in ``planning.facts.ReadFact``; of an asset, which version."""

    kind: str
    name: str
    digest: str
    seq: int = 0


class Reading(Struct, eq=False):
    """What one step has read so far.

    Args:
        root: Folder of the project, links resolved: only files below it are noted.
        private: Folders below it that are nacre's own.
        is_declared: Whether the step says in ``deps=`` which files it reads.
        is_checked: Whether it runs on every run, so that nothing is reused by what it read.
    """

    root: str
    private: tuple[str, ...] = ()
    opened: dict[str, tuple[int, int, int] | None] = field(default_factory=dict)
    databases: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    assets: dict[str, Noted] = field(default_factory=dict)
    #: By kind and name: what results rest on that were taken from plain tasks.
    taken: dict[str, Noted] = field(default_factory=dict)
    #: By id: hashing code costs more than running it.
    executed: dict[int, CodeType] = field(default_factory=dict)
    blind: dict[str, None] = field(default_factory=dict)
    started_ns: int = 0
    is_declared: bool = False
    is_checked: bool = False

    def open(self, path: str, *, writes: bool) -> None:
        """Take that a file is about to be opened."""
        if writes:
            self.written.add(path)
        elif path not in self.opened:
            self.opened[path] = _status(path)

    def see_not(self, phrase: str) -> None:
        """Note something of which nobody can tell what it brings; of many such things a few are named."""
        self.blind[phrase if len(self.blind) < MAX_UNSEEN else "does more of that kind"] = None

    def holds(self, path: str) -> bool:
        """Say whether a path lies where reads are noted."""
        if not path.startswith(self.root + os.sep) or path.startswith(self.private):
            return False
        *folders, name = path[len(self.root) + 1 :].split(os.sep)
        # In hidden folders tools keep what is theirs, such as downloads; a hidden file may be a person's.
        return PRIVATE.isdisjoint((*folders, name)) and not any(each.startswith(".") for each in folders)

    def noted(
        self, function: Callable[..., object], digest: Callable[[str, str], str], sources: Iterable[str] = ()
    ) -> Iterator[Noted]:
        """List what was read and not written, by kind and name.

        Args:
            function: The step's, in which paths may be mentioned.
            digest: Digests a file or folder as it is now. What changed meanwhile gets what no file will ever have.
            sources: Source files of code that ran and that the code version does not cover.
        """
        if not self.is_checked:
            self._add_mentioned(mentioned(function, self.holds))
        for path in sorted(self.opened.keys() - self.written):
            name = self._name(path)
            if self.opened[path] == _status(path):
                yield Noted("file", name, digest("file", name))
            elif path not in self.databases:  # one that changed is what the step writes into
                yield Noted("file", name, f"changed while it was read, at {self.started_ns}")
        for path in sorted(self.listed):
            name = self._name(path)
            yield Noted("folder", name, digest("folder", name))
        for name in sources:
            yield Noted("source", name, digest("source", name))
        for slot in sorted(self.assets):
            yield self.assets[slot]
        for phrase in self.blind:
            yield Noted(UNSEEN, phrase, "")
        for name in sorted(self.taken):
            if not self._has(self.taken[name]):
                yield self.taken[name]

    def _name(self, path: str) -> str:
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def _has(self, noted: Noted) -> bool:
        """Say whether the step itself read or wrote what a result that it took rests on."""
        path = os.path.realpath(os.path.join(self.root, noted.name))
        return {
            "file": path in self.opened or path in self.written,
            "folder": path in self.listed,
            "asset": noted.name in self.assets,
        }.get(noted.kind, False)

    def _add_mentioned(self, found: Mentioned) -> None:
        """Take files that the code mentions and that were not heard: a library may have read them."""
        is_found = False
        for path in found.files(self.root):
            is_found = True
            status = _status(path)
            is_old = status is None or status[2] < self.started_ns  # else the step wrote it itself
            if path not in self.opened and is_old and self.holds(path):
                self.opened[path] = status
        self.listed.update(filter(self.holds, found.folders(self.root)))
        if found.silent and not is_found and not self.is_declared:
            self.see_not(f"reads with {next(iter(found.silent))}, and nobody hears which file")


#: Those that note what is read here: the step that runs, and the steps that called it as a plain task.
current: ContextVar[tuple[Reading, ...] | None] = ContextVar("nacre_reading", default=None)
#: All that go on in this process: a thread that a step started by itself cannot say which it belongs to.
going: set[Reading] = set()
_is_listening = False


def begin(reading: Reading) -> None:
    """Let a step's own threads be heard too, until it is taken out of ``going``; the first time, begin to listen."""
    global _is_listening
    if not _is_listening:
        _is_listening = True
        sys.addaudithook(_hear)
    reading.started_ns = time.time_ns()
    going.add(reading)


def note_asset(version: InputVersion) -> None:
    """Note that the step that runs here, if any, loaded this version of an asset or called for it."""
    for reading in current.get() or ():
        reading.assets[version.asset] = Noted("asset", version.asset, version.data_version, version.seq)


def note_taken(reads: Sequence[Noted]) -> None:
    """Note what the result of a plain task rests on that the step here, if any, took instead of running it."""
    for reading in current.get() or ():
        reading.taken.update({f"{each.kind} {each.name}": each for each in reads})


def readings_of(task: AnyTask, workspace: Workspace, is_checked: bool) -> tuple[Reading, ...]:
    """Make what notes the reads of a step; those of a plain task are also reads of the step that called it."""
    if hasattr(task.fn, STATED):  # it says itself what it is made of
        return ()
    own = Reading(workspace.root, (os.path.join(workspace.location, ""),), is_checked=is_checked)
    own.is_declared = any(isinstance(each, Path) for each in task.options.deps)
    return (own,) if task.assets else (own, *(current.get() or ()))


def _hear(event: str, args: tuple[object, ...]) -> None:
    """Hear one event of Python's; whatever goes wrong here must not reach what caused it."""
    if event not in _HEARD:
        return
    readings = current.get()
    if readings is None and going:
        readings = _of_thread()
    if not readings:
        return
    with suppress(Exception):  # an audit hook that raises would stop the user's own open()
        _TAKES.get(event, _take_program)(event, args, readings)


def _of_thread() -> tuple[Reading, ...]:
    """Ask who may have started this thread: any step that goes on, unless it is the main one or ours."""
    thread = threading.current_thread()
    if thread is threading.main_thread() or thread.name.startswith("nacre"):
        return ()
    return tuple(going)


def _take_open(event: str, args: tuple[object, ...], readings: tuple[Reading, ...]) -> None:
    path, mode, flags = args
    if isinstance(path, int):
        return
    name = _resolved(path)
    if name.endswith(_CODE) and _is_pythons():
        return
    writes = bool(int(flags) & _WRITES) if isinstance(flags, int) else False
    for reading in readings:
        if reading.holds(name):
            reading.open(name, writes=writes or (isinstance(mode, str) and not set("wax+").isdisjoint(mode)))


def _take_rename(event: str, args: tuple[object, ...], readings: tuple[Reading, ...]) -> None:
    for path in args[:2]:
        if isinstance(path, (str, bytes, os.PathLike)):
            for reading in readings:
                reading.written.add(_resolved(path))


def _take_sqlite(event: str, args: tuple[object, ...], readings: tuple[Reading, ...]) -> None:
    if isinstance(args[0], (str, bytes, os.PathLike)):
        name = _resolved(args[0])
        for reading in readings:
            if reading.holds(name):
                reading.databases.add(name)
                reading.open(name, writes=False)


def _take_list(event: str, args: tuple[object, ...], readings: tuple[Reading, ...]) -> None:
    if isinstance(args[0], int) or _is_pythons():
        return
    name = _resolved(args[0] or ".")
    for reading in readings:
        if name == reading.root or reading.holds(name):
            reading.listed.add(name)


def _take_connection(event: str, args: tuple[object, ...], readings: tuple[Reading, ...]) -> None:
    """Note where a step connects to: by the name it looked up, else by the address."""
    address = args[1]
    for reading in readings:
        if event == "socket.getaddrinfo":
            reading.see_not(f"connects to {args[0]}")
        elif isinstance(address, tuple) and not any(each.startswith("connects") for each in reading.blind):
            reading.see_not(f"connects to {address[0]}")  # a local socket has a path instead


def _take_program(event: str, args: tuple[object, ...], readings: tuple[Reading, ...]) -> None:
    name = args[0].decode(errors="replace") if isinstance(args[0], bytes) else str(args[0])
    program = name.split()[0] if name.split() else name
    for reading in readings:
        reading.see_not(f"starts a program ({os.path.basename(program)})")


_TAKES: Mapping[str, Callable[[str, tuple[object, ...], tuple[Reading, ...]], None]] = {
    "open": _take_open,
    "os.rename": _take_rename,
    "os.remove": _take_rename,
    "sqlite3.connect": _take_sqlite,
    **dict.fromkeys(_CONNECTS, _take_connection),
    **dict.fromkeys(_LISTS, _take_list),
}


def _resolved(path: object) -> str:
    return os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]  # what open() takes


def _is_pythons() -> bool:
    """Say whether it is Python that opens a file, to import or show code."""
    frame: FrameType | None = sys._getframe(4)  # noqa: SLF001  # who opens it is nowhere else
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        name = frame.f_code.co_filename
        if name.startswith(_PYTHONS[:2]) or name.endswith(_PYTHONS[2:]):
            return True
        frame = frame.f_back
    return False


def _status(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
