"""Private copies of stored files, for consumers that ask for a ``Path``. They live as long as the process."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20
_folders: dict[int, str] = {}


def copy(source: BinaryIO, extension: str) -> Path:
    """Copy a stream into a file of its own, which the consumer may change: stored objects never change."""
    import tempfile  # imported late, as few consumers ask for a path
    from pathlib import Path

    handle, name = tempfile.mkstemp(suffix=extension, prefix="value-", dir=_folder())
    with os.fdopen(handle, "wb") as sink:
        pour(source, sink)
    return Path(name)


def pour(source: BinaryIO, sink: BinaryIO) -> None:
    """Copy the rest of a stream, a megabyte at a time."""
    while block := source.read(_BLOCK):
        sink.write(block)


def _folder() -> str:
    # A forked child keeps its own folder, so that neither process removes the other's files.
    pid = os.getpid()
    if pid not in _folders:
        import tempfile  # imported late, as few consumers ask for a path

        _folders[pid] = tempfile.mkdtemp(prefix="nacre-")
        atexit.register(_remove, pid)
    return _folders[pid]


def _remove(pid: int) -> None:
    if pid == os.getpid():
        import shutil  # imported late, as few consumers ask for a path

        shutil.rmtree(_folders.pop(pid), ignore_errors=True)
