"""What SQLite and the operating system report, told as errors of the store. The only place that translates them."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from types import TracebackType

from nacre.errors import (
    SAFE,
    CorruptRecord,
    NacreError,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from nacre.store.refusals import map_to_folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: None: raised by the Python module itself, such as for a connection that is closed.
_MISTAKES = frozenset(
    {None, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_CONSTRAINT}
)
#: How SQLite says, with the code of a mistaken statement, that a store lacks what every store has.
_LACKING = ("no such table", "no such column", "no such row")
#: What records themselves are in; whatever else a store holds is made from them.
_RECORDS = ("records", "counter", "the counter of versions is gone", "path", "data", "version", "last")
_MAKE_ROOM = "free some space and run again"
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
#: Less than this is no room for a transaction: an I/O error beside it is the disk being full.
_NO_ROOM_BYTES = 64 * 1024


def free_bytes(path: Path) -> int | None:
    """Say how many bytes an unprivileged writer has left at a path, or None where that is unknown."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        return found.f_bavail * found.f_frsize
    return None


def _mount_of(path: Path) -> Path:
    """Where the file system of a path is mounted."""
    return next((place for place in (path, *path.parents) if os.path.ismount(place)), path)


def store_full(path: Path, problem: object, wanted_bytes: int = 0) -> StoreFull:
    """The error of a store whose file system has no room; ``wanted_bytes`` is how many there were to be, at least."""
    free = free_bytes(path)
    facts = {
        "store": path,
        "file system": _mount_of(path),
        "needed": f"more than {wanted_bytes:,} bytes" if wanted_bytes else "",
        "free": "" if free is None else f"{free:,} bytes",
        "problem": problem,
    }
    return StoreFull("No space is left for the store", facts, (_MAKE_ROOM, SAFE))


def scratch_full(folder: str, problem: object) -> StoreFull:
    """The error of temporary files that find no room."""
    free = free_bytes(Path(folder))
    facts = {"folder": folder, "free": "" if free is None else f"{free:,} bytes", "problem": problem}
    hint = ("free some space there, or name another folder: TMPDIR=/folder", SAFE)
    return StoreFull("No space is left for temporary files", facts, hint)


def store_read_only(path: Path, problem: object) -> StoreReadOnly:
    """The error of a store that may be read but not written."""
    facts = {"store": path, "problem": problem}
    hint = ("make it writable, or choose another place with NACRE_STORE", SAFE)
    return StoreReadOnly("The store cannot be written", facts, hint)


def _unavailable(path: Path, problem: object, hint: str) -> StoreUnavailable:
    return StoreUnavailable("The store cannot be opened", {"store": path, "problem": problem}, (hint, SAFE))


def is_no_room(error: OSError) -> bool:
    """Whether an error of the operating system says that the disk, quota or file size limit is reached."""
    return error.errno in _FULL


def from_os(error: OSError, path: Path) -> StoreError:
    """Translate an error of the operating system about a path of the store."""
    if is_no_room(error):
        return store_full(path, error)
    if error.errno in _READ_ONLY:
        return store_read_only(path, error)
    return _unavailable(path, error, "check that the place exists and can be reached")


def at_place(error: OSError, folder: Path, done: str = "written") -> StoreError:
    """Translate an error of the operating system about a folder of published files that was to be written, or read."""
    facts: dict[str, object] = {"place": folder, "problem": error}
    elsewhere = map_to_folder(f"file://{folder}")
    if is_no_room(error):
        free = free_bytes(folder)
        facts["free"] = "" if free is None else f"{free:,} bytes"
        return StoreFull("No space is left at the place of published files", facts, (_MAKE_ROOM, SAFE))
    what = f"The place of published files cannot be {done}"
    if error.errno in _READ_ONLY and done == "read":
        return StoreUnavailable(what, facts, ("let this user read it", SAFE))
    if error.errno in _READ_ONLY:
        return StoreReadOnly(what, facts, ("make it writable", elsewhere, SAFE))
    in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
    hint = "move away what is there" if in_the_way else "check that the place exists and can be reached"
    return StoreUnavailable(what, facts, (hint, elsewhere, SAFE))


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """Translate an error of SQLite about a file of the store."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return store_full(path, error)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return store_read_only(path, error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or _is_lacking(error):
        hint = f"restore {path} from a backup, or move it away: nacre then builds everything anew"
        if _is_lacking(error) and not str(error).endswith(_RECORDS):
            hint = "nacre fsck --repair makes the index over the records anew"
        return CorruptRecord(
            "The file of the store is damaged", {"file": path, "problem": error}, (hint, SAFE)
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _unavailable(path, error, "another process is writing; run again when it has finished")
    if code == sqlite3.SQLITE_IOERR and (free := free_bytes(path)) is not None and free < _NO_ROOM_BYTES:
        return store_full(path, error)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR) and _is_closed_to_us(path):
        return store_read_only(path, error)
    return _unavailable(path, error, "check that the place exists and is on a local disk")


def _is_lacking(error: sqlite3.Error) -> bool:
    return str(error).startswith(_LACKING)


def _is_closed_to_us(path: Path) -> bool:
    # SQLite says only "unable to open" when it may not create its files beside the database.
    parent = next((place for place in path.parents if place.exists()), path)
    return not os.access(parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


class translated:
    """Run a block in which errors of SQLite and the operating system become errors of the store.

    What means nothing for the store passes unchanged.

    Args:
        path: What the block works on; named in the error.
    """

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            raise_told(error, self.path)


def raise_told(error: BaseException, path: Path) -> None:
    """Raise what an error of SQLite or the operating system means for the store; return where it means nothing.

    Errors of nacre, FileExistsError and mistakes in using SQLite (a statement, a constraint) mean nothing.

    Args:
        error: What was raised while working on the path.
        path: Named in the error.
    """
    if isinstance(error, NacreError):
        return
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", None) not in _MISTAKES or _is_lacking(error):
            raise from_sqlite(error, path) from error
    elif isinstance(error, OSError) and not isinstance(error, FileExistsError):
        raise from_os(error, path) from error
