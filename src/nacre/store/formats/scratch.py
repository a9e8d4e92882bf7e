"""Private copies of stored files, for consumers that ask for a ``Path``. They live as long as the process."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from nacre.store.failures import is_no_room, scratch_full

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20
_folders: dict[int, str] = {}


def copy(source: BinaryIO, extension: str) -> Path:
    """Copy a stream into a file of its own, which the consumer may change: stored objects never change.

    Raises:
        StoreFull: There is no room for temporary files.
    """
    import tempfile  # imported late, as few consumers ask for a path
    from pathlib import Path

    with roomy():
        handle, name = tempfile.mkstemp(suffix=extension, prefix="value-", dir=_folder())
        try:
            with os.fdopen(handle, "wb") as sink:
                pour(source, sink)
        except BaseException:
            os.unlink(name)
            raise
    return Path(name)


@contextmanager
def roomy() -> Iterator[None]:
    """Run a block that writes temporary files; where they find no room, the error names their folder.

    Raises:
        StoreFull: There is no room.
    """
    try:
        yield
    except OSError as error:
        if not is_no_room(error):
            raise
        import tempfile  # imported late, as few consumers ask for a path

        raise scratch_full(tempfile.gettempdir(), error) from error


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
    folder = _folders.pop(pid, None)
    if folder is not None and pid == os.getpid():
        import shutil  # imported late, as few consumers ask for a path

        shutil.rmtree(folder, ignore_errors=True)
