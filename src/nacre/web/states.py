"""How the assets stand, worked out in a fresh process: the user's code changes while this one goes on.

What the other process said is kept until a source file or a head changes. It is never waited for: a page shows what was
known last, and is told when there is more.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nacre.views.board import Told, read_told
from nacre.views.standing import PROBLEM

#: Files whose change may change how assets stand.
_ENDINGS = (".py", ".sql", ".toml", ".yaml", ".yml")
_MAX_FILES = 20_000
_TIMEOUT_S = 120.0
#: How long to rest before the next process, in times of the last: a build that goes on needs the machine itself.
_REST = 3.0
_MAX_PROBLEM = 600


@dataclass(frozen=True, slots=True)
class States:
    """What is known of how the assets stand.

    Args:
        told: What the other process said of each asset.
        problem: What kept it from importing the modules; empty where nothing did.
        of: Which source files and heads it looked at; empty before the first answer.
        is_current: False while a newer answer is being worked out.
    """

    told: tuple[Told, ...] = ()
    problem: str = ""
    of: str = ""
    is_current: bool = False


class StateReader:
    """Keeps what a fresh process says of the assets, and starts another when what it looked at has changed.

    Args:
        root: The project's folder, whose source files are watched.
        modules: What ``-m`` gave.
        heads: Gives a text that changes when a head does.
    """

    def __init__(self, root: str, modules: Sequence[str], heads: Callable[[], str]) -> None:
        self._root = root
        self._modules = tuple(modules)
        self._heads = heads
        self._lock = threading.Lock()
        self._known = States()
        self._asking: threading.Thread | None = None
        self._rests_until = 0.0

    def states(self) -> States:
        """Return what is known now; begins to work out more where that is outdated."""
        wanted = self._mark()
        with self._lock:
            known = self._known
            is_current = known.of == wanted
            is_asking = self._asking is not None and self._asking.is_alive()
            if not is_current and not is_asking and time.monotonic() >= self._rests_until:
                self._asking = threading.Thread(target=self._ask, args=(wanted,), daemon=True)
                self._asking.start()
        return States(known.told, known.problem, known.of, is_current)

    def wait(self) -> States:
        """Return how the assets stand now, however long that takes."""
        while not (states := self.states()).is_current:
            with self._lock:
                asking, rests = self._asking, self._rests_until - time.monotonic()
            if asking is not None and asking.is_alive():
                asking.join()
            elif rests > 0:
                time.sleep(rests)
        return states

    def _ask(self, mark: str) -> None:
        start = time.monotonic()
        told, problem = ask(self._modules)
        now = time.monotonic()
        with self._lock:
            self._known = States(told, problem, mark)
            self._rests_until = now + (now - start) * _REST

    def _mark(self) -> str:
        hasher = hashlib.sha256(self._heads().encode())
        files = [each for each in self._modules if each.endswith(".py")]
        for path, status in [*_files(self._root), *((each, _status(each)) for each in files)]:
            if status is not None:
                hasher.update(f"{path}\0{status.st_mtime_ns}\0{status.st_size}\n".encode(errors="replace"))
        return hasher.hexdigest()[:16]


def ask(modules: Sequence[str]) -> tuple[tuple[Told, ...], str]:
    """Let a fresh process import the modules and say how their assets stand.

    Args:
        modules: What ``-m`` gave.

    Returns:
        What it said, and what kept it from importing the modules.
    """
    command = [sys.executable, "-m", "nacre", "ls", "--json"]
    for module in modules:
        command += ["-m", module]
    environment = dict(os.environ, PYTHONIOENCODING="utf-8", NO_COLOR="1")
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=_TIMEOUT_S,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return (), f"importing them takes longer than {_TIMEOUT_S:.0f} s"
    errors = done.stderr.decode(errors="replace")
    problem = errors.rpartition(PROBLEM)[2].strip() if PROBLEM in errors else ""
    if done.returncode and not problem:
        problem = errors.strip() or f"nacre ls ended with {done.returncode}"
    return tuple(read_told(done.stdout.splitlines())), problem[:_MAX_PROBLEM]


def _files(root: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Walk over the source files of a project, without hidden folders and installed packages, always in one order."""
    waiting, n_files = [root], 0
    while waiting and n_files < _MAX_FILES:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue  # gone, or not for us to read: then it is no source of the user's modules either
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in ("__pycache__", "node_modules"):
                    waiting.append(entry.path)
            elif entry.name.endswith(_ENDINGS):
                n_files += 1
                yield entry.path, _status(entry.path)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
