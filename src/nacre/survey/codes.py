"""Code versions of tasks, with a memo: an unchanged set of source files gives the versions of the last plan."""

from __future__ import annotations

import importlib.util
import marshal
import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nacre.declare.dependencies import PINNED, Env
from nacre.encoding import digest_bytes, digest_texts
from nacre.errors import SAFE, SourceDrift, UnknownCode
from nacre.graph.graph import AnyTask
from nacre.keys import key_path
from nacre.store.codec import encode, remembered
from nacre.store.port import RecordStore
from nacre.store.records import SOURCE_DIGITS, Sources, State
from nacre.version.code import CodeIdentity, CodePart, CodeVersions
from nacre.version.snippet import snippets

MEMO_FORMAT = "m3"

#: So many functions are named by an error; the rest is counted.
MAX_NAMED = 5

_GLOBAL = re.compile(r"global `(\w+)`")

Identify = Callable[[AnyTask], CodeIdentity]


class RememberedCode:
    """A code version from the memo; its parts are worked out only if somebody asks why.

    Args:
        remembered: The code version, and the environment variables it looks up.
        task: Whose it is.
        identify: Works out the parts.
    """

    __slots__ = ("_identify", "_task", "digest", "variables")

    def __init__(self, remembered: str, task: AnyTask, identify: Identify) -> None:
        self.digest, *variables = remembered.split(" ")
        self.variables = tuple(variables)
        self._task = task
        self._identify = identify

    @property
    def parts(self) -> tuple[CodePart, ...]:
        """The pieces of code the version is made of."""
        return self._identify(self._task).parts

    #: A version with unknowns or warnings is never remembered.
    unknowns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Codes:
    """Gives the code version of tasks; those that rest on source files alone are remembered in the store.

    Args:
        records: Where the memo lies.
        roots: Folders whose code is the user's own.
        keeps_sources: False keeps no text of code.
    """

    def __init__(self, records: RecordStore, roots: Sequence[str], *, keeps_sources: bool = True) -> None:
        #: Digests of the files whose text this process has stored.
        self.kept: set[str] = set()
        #: By the identity of a task: what of its code could not be followed. Empty for most projects.
        self.doubts: dict[int, tuple[str, ...]] = {}
        #: Names of assets of which a person was told that their code cannot be followed wholly.
        self.told: set[str] = set()
        self._keeps_sources = keeps_sources
        self._sources: dict[str, tuple[bytes, str]] = {}
        self._texts: dict[str, dict[str, str]] = {}
        self._records_of_texts: dict[str, bytes] = {}
        self._records = records
        self._roots = [os.path.realpath(root) for root in roots]
        self._versions: CodeVersions | None = None
        self._lock = threading.RLock()
        self._found: dict[AnyTask, CodeIdentity | RememberedCode] = {}
        # One for all that is remembered: a bound method is an object of its own each time it is asked for.
        self._work_out: Identify = self._identify
        self._memo: dict[str, str] = {}
        self._files = ""
        self._is_changed = False

    def of(self, task: AnyTask) -> CodeIdentity | RememberedCode:
        """Return the code version of a task, as of when it was first asked for in this process.

        Raises:
            SourceDrift: Its source file changed after it was imported.
            UnknownCode: It reaches something that has no identity.
        """
        found = self._found.get(task)
        if found is not None:
            return found
        identity: CodeIdentity | RememberedCode
        options = task.options
        # What the options add is not in the source files, so it is never remembered.
        name = "" if options.code or options.deps or options.ignore else _name(task)
        remembered = self._memo.get(name) if name else None
        if remembered is not None:
            identity = RememberedCode(remembered, task, self._work_out)
        else:
            identity = self._identify(task)
            if identity.unknowns:
                raise _unknown_code({unknown: [task] for unknown in identity.unknowns}, self._roots)
            if identity.warnings:
                self.doubts[id(task)] = identity.warnings
            if identity.static and not identity.warnings and name and self._files:
                self._memo[name] = " ".join((identity.digest, *identity.variables))
                self._is_changed = True
        self._found[task] = identity
        return identity

    def prepare(self, tasks: Iterable[AnyTask]) -> None:
        """Begin a run: look at everything afresh, and take the versions of the tasks that are known already.

        Where the source files are unchanged, versions come from the memo.

        Raises:
            SourceDrift: A source file changed after it was imported.
            UnknownCode: Tasks reach things that have no identity; names all of them.
        """
        self._versions = None
        self._found, self._sources, self._texts, self._records_of_texts = {}, {}, {}, {}
        self.doubts.clear()
        files = self._digest_files()
        if files != self._files:
            self._files = files
            self._memo = self._load()
        refused: dict[str, list[AnyTask]] = {}
        for task in tasks:
            try:
                self.of(task)
            except UnknownCode:
                for unknown in self._identify(task).unknowns:
                    refused.setdefault(unknown, []).append(task)
        if self._versions is not None:
            if self._keeps_sources:  # now, since to parse the files again costs ten times as much
                for file in self._versions.parsed():
                    if digest := self._source(file.place):
                        self._texts[digest] = snippets(file.data, file.tree)
            self._versions.forget_trees()
        if refused:
            raise _unknown_code(refused, self._roots)

    def _identify(self, task: AnyTask) -> CodeIdentity:
        # A closure is walked step by step: two threads in it at once would each see half of the other's.
        with self._lock:
            if self._versions is None:  # made only when the memo does not suffice
                self._versions = CodeVersions(self._roots)
            options = task.options
            if options.code is not None:
                return self._versions.pinned(task.fn, options.code.removeprefix(PINNED))
            deps = [each for each in options.deps if not isinstance(each, Env | Path)]
            return self._versions.identify(task.fn, deps, options.ignore)

    def sources(self, task: AnyTask) -> dict[str, str]:
        """Say which own files the code of a task is in: file, as in places, to the digest of its bytes.

        Empty where the texts of code are not kept.
        """
        if not self._keeps_sources:
            return {}
        places = {part.place.rpartition(":")[0] for part in self.of(task).parts}
        return {file: digest for file in sorted(places - {""}) if (digest := self._source(file))}

    def texts(self, file: str) -> dict[str, str]:
        """Give the definitions in a file that ``sources`` named: line to text."""
        digest = self._source(file)
        if not digest:
            return {}
        if digest not in self._texts:
            self._texts[digest] = snippets(self._sources[file][0])
        return self._texts[digest]

    def text_record(self, file: str) -> bytes:
        """Encode the definitions in a file that ``sources`` named, once: each step that is made of it brings them."""
        digest = self._source(file)
        if digest not in self._records_of_texts:
            self._records_of_texts[digest] = encode(Sources(texts=self.texts(file)))
        return self._records_of_texts[digest]

    def _source(self, file: str) -> str:
        """Digest the bytes that were read of a file; empty where none were."""
        known = self._sources.get(file)
        if known is None:
            data = (self._versions.source(file) if self._versions is not None else None) or b""
            known = self._sources[file] = (data, digest_bytes(data)[:SOURCE_DIGITS] if data else "")
        return known[1]

    def save(self) -> None:
        """Keep what was found for the next process. Losing it costs time only."""
        if not self._is_changed:
            return
        self._is_changed = False
        path = self._path()
        record = encode(State(digest=self._files, entries=self._memo))
        stored = self._records.get(path)
        if stored is None:
            self._records.create(path, record)
        else:
            self._records.replace(path, record, stored.token)

    def _load(self) -> dict[str, str]:
        return remembered(self._records.get(self._path()), self._files)

    def _path(self) -> str:
        main = getattr(sys.modules.get("__main__"), "__file__", None) or "interactive"
        return f"state/code-{key_path(os.path.basename(main))}"

    def _digest_files(self) -> str:
        """Digest everything a remembered version rests on: own source files, interpreter, installed packages."""
        texts = [MEMO_FORMAT, sys.implementation.name, f"{sys.version_info[:2]}"]
        for folder in sys.path:
            if folder.endswith(("site-packages", "dist-packages")):
                texts += (folder, str(_changed_at(folder)))
        for path in sorted(self._own_files()):
            try:
                with open(path, "rb") as file:
                    data = file.read()
                if _runs_old_code(path, data):
                    raise _drift(path, self._roots)
                texts += (path, digest_bytes(data))
            except OSError:
                return ""
        return digest_texts("files", texts)

    def _own_files(self) -> set[str]:
        files = set()
        roots = tuple(root + os.sep for root in self._roots)
        folders: dict[str, str] = {}  # many modules share a few, and following links is slow
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if file and file.endswith(".py") and "-packages" not in file:
                path = os.path.abspath(file)
                folder = os.path.dirname(path)
                if folder not in folders:
                    folders[folder] = os.path.realpath(folder) + os.sep
                if (folders[folder].startswith(roots) or path.startswith(roots)) or (
                    os.path.islink(path) and os.path.realpath(path).startswith(roots)
                ):
                    files.add(path)
        return files


def _name(task: AnyTask) -> str:
    """Name a task across processes; empty where it has no place in a source file."""
    code = getattr(task.fn, "__code__", None)
    return f"{task.fn.__module__}:{code.co_firstlineno}:{code.co_qualname}:{task.key}" if code else ""


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _runs_old_code(path: str, data: bytes) -> bool:
    """Say whether Python took the bytecode of an earlier content of a file for that of the present one.

    It compares the time in whole seconds and the size, so an edit within the second, or a file put back with its old
    time, goes unnoticed. Only bytecode that is older than the file's last change is worth compiling the file for.
    """
    try:
        bytecode = importlib.util.cache_from_source(path)
        status = os.stat(path)
        if os.stat(bytecode).st_mtime_ns > status.st_ctime_ns:
            return False
        with open(bytecode, "rb") as file:
            stored = file.read()
    except (OSError, NotImplementedError):
        return False
    flags, seconds, size = struct.unpack("<4xIII", stored[:16])
    if flags or seconds != int(status.st_mtime) & 0xFFFFFFFF or size != status.st_size & 0xFFFFFFFF:
        return False
    try:
        return bool(marshal.loads(stored[16:]) != compile(data, path, "exec", dont_inherit=True))  # noqa: S302  # the very bytes Python ran
    except (ValueError, SyntaxError, EOFError):
        return True


def _unknown_code(refused: Mapping[str, Sequence[AnyTask]], roots: Sequence[str]) -> UnknownCode:
    """Make the one error that names everything without an identity, and who reaches it."""
    tasks = list(dict.fromkeys(task for each in refused.values() for task in each))
    shown = [f"{task.name} ({_place(task, roots)})" for task in tasks[:MAX_NAMED]]
    if len(tasks) > MAX_NAMED:
        shown.append(f"and {len(tasks) - MAX_NAMED} more")
    names = ", ".join(name for each in sorted(refused) if (name := _global(each))) or "the object"
    return UnknownCode(
        "Code reaches what has no identity: nacre could not tell when it changes",
        {"found": "\n".join(sorted(refused)), "reached by": "\n".join(shown)},
        (
            "build it inside the function that uses it",
            "or say what identifies it: @stable on the function that uses it, or __fp_key__ on its class",
            f"or leave it out: ignore=[{names}]",
            'or keep the version of the whole function yourself: code="pinned:1"',
        ),
    )


def _global(unknown: str) -> str:
    found = _GLOBAL.match(unknown)
    return found[1] if found else ""


def _place(task: AnyTask, roots: Sequence[str]) -> str:
    path, _, line = task.place.rpartition(":")
    real = os.path.realpath(path)
    root = next((root for root in roots if real.startswith(root + os.sep)), "")
    return f"{os.path.relpath(real, root)}:{line}" if root else task.place


def _drift(path: str, roots: Sequence[str]) -> SourceDrift:
    with suppress(OSError, NotImplementedError):
        os.unlink(importlib.util.cache_from_source(path))
    place = next((os.path.relpath(path, root) for root in roots if path.startswith(root + os.sep)), path)
    hint = (
        "run again: the old bytecode is gone now  (Python missed an edit in the second it compiled the file)"
    )
    return SourceDrift("Python runs an earlier content of a source file", {"file": place}, (hint, SAFE))
