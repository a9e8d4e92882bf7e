"""Claims of the processes of one machine: locks on bytes of a file, which the system drops with their process.

A byte stands for a fingerprint; the file stays empty. Taking a lock costs microseconds, and nobody waits for a holder
that was killed. POSIX ties a lock to the process: closing any descriptor of the file would drop them all, so one is
opened for each process and never closed, and threads exclude each other by a set.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable

from nacre.store.claims import Claim

#: As many hexadecimal digits of a fingerprint as always fit into the position of a byte.
_DIGITS = 15


class LockClaims:
    """Claims by locks on one file.

    Args:
        path: The file; made when first needed.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)

    def claim(self, fingerprint: str) -> Claim | None:
        """Lock the byte of a fingerprint; where the file system has no locks, everybody goes on."""
        claim, at = Claim(fingerprint), _position(fingerprint)
        with _lock:
            try:
                file = _opened(self._path)
                if at in file.held:
                    return None
                fcntl.lockf(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
            except (BlockingIOError, PermissionError):  # how systems say that somebody has it
                return None
            except OSError:
                return claim
            file.held.add(at)
        return claim

    def release(self, claims: Iterable[Claim]) -> None:
        """Unlock the bytes."""
        with _lock:
            file = _files.get((os.getpid(), self._path))
            for at in map(_position, [each.fingerprint for each in claims]):
                if file is not None and at in file.held:
                    file.held.discard(at)
                    fcntl.lockf(file.descriptor, fcntl.LOCK_UN, 1, at)


class _File:
    """The file as this process has it open, and the bytes it has locked."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self.held: set[int] = set()


#: By process too: a forked one has the descriptors, and none of the locks.
_files: dict[tuple[int, str], _File] = {}
_lock = threading.Lock()


def _opened(path: str) -> _File:
    key = (os.getpid(), path)
    file = _files.get(key)
    if file is None or not os.fstat(file.descriptor).st_nlink:  # somebody deleted the store
        file = _files[key] = _File(path)
    return file


def _position(fingerprint: str) -> int:
    return int(fingerprint[:_DIGITS], 16)
