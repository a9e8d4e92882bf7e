"""Objects as files below one directory. A file gets its name only when it is whole and on disk, and never changes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from nacre.store.failures import from_os, is_no_room, store_full, translated
from nacre.store.ids import check_name, new_id, time_of
from nacre.store.port import ObjectInfo

#: Unfinished objects lie here: in the same file system, hidden from ``list`` by its dot.
_UNFINISHED = ".unfinished"
_COPY_BYTES = 1024 * 1024


class DirectoryObjects:
    """Objects in a directory of a local file system, made at the first write.

    Args:
        root: The directory. It belongs to the store alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """Open a writer for a new object; invisible until the block ends without an exception, then durable.

        Raises:
            FileExistsError: There is such an object.
            StoreFull: No space is left, found while writing or at the end.
            StoreReadOnly: The directory cannot be written.
        """
        target = self._path(name)
        with translated(self.root):
            if target.exists():
                raise FileExistsError(name)
        unfinished, file = self._start()
        try:
            with file:
                yield file
                self._finish(unfinished, file, target)
        except OSError as error:
            # The user's own files are none of the store's business: their errors carry a file name.
            if is_no_room(error) and error.filename is None:
                raise store_full(self.root, error, unfinished.stat().st_size) from error
            raise
        finally:
            with suppress(OSError):
                unfinished.unlink()

    def get(self, name: str) -> BinaryIO:
        """Open an object: a real file, whose ``.name`` is its path. FileNotFoundError where there is none."""
        try:
            return open(self._path(name), "rb", opener=_open_itself)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise FileNotFoundError(name) from None
        except OSError as error:
            raise from_os(error, self.root) from error

    def head(self, name: str) -> ObjectInfo | None:
        """Say how large an object is, or None where there is none."""
        path = self._path(name)
        try:
            return ObjectInfo(name, path.stat().st_size) if path.is_file() else None
        except FileNotFoundError:
            return None

    def copy(self, source: str, target: str) -> None:
        """Copy an object, sharing its blocks where the file system can."""
        with self.get(source) as origin, self.put(target) as file:
            copy_bytes(origin, file)

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens where there is none. Its directory stays, for writers on their way."""
        with translated(self.root), suppress(FileNotFoundError, NotADirectoryError):
            self._path(name).unlink()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose name starts with the prefix, in name order."""
        folder = prefix.rpartition("/")[0]
        if folder:
            check_name(folder)
        return _walk(self.root / folder, f"{folder}/" if folder else "", prefix)

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """List what writers that were killed before a moment left unfinished; remove it where asked. Idempotent."""
        found = []
        with translated(self.root), suppress(FileNotFoundError, NotADirectoryError):
            for entry in sorted(os.scandir(self.root / _UNFINISHED), key=lambda each: each.name):
                begun = time_of(entry.name)
                if begun is None or begun >= before:
                    continue
                with suppress(FileNotFoundError):
                    found.append(ObjectInfo(f"{_UNFINISHED}/{entry.name}", entry.stat().st_size))
                    if delete:
                        os.unlink(entry.path)
        return found

    def _require_own(self, folder: Path) -> None:
        """Refuse a folder of the store that somebody replaced by a link: what is written would lie elsewhere."""
        while folder != self.root:
            if folder.is_symlink():
                raise OSError(errno.ELOOP, "a link lies where the store has a folder", str(folder))
            folder = folder.parent

    def _path(self, name: str) -> Path:
        return self.root / check_name(name)

    def _start(self) -> tuple[Path, BinaryIO]:
        folder = self.root / _UNFINISHED
        path = folder / new_id()
        with translated(self.root):
            self._require_own(folder)
            try:
                return path, open(path, "xb")
            except FileNotFoundError:
                folder.mkdir(parents=True, exist_ok=True)
                return path, open(path, "xb")

    def _finish(self, unfinished: Path, file: BinaryIO, target: Path) -> None:
        with translated(self.root):
            _flush(unfinished, file)
            self._require_own(target.parent)
            changed = make_folders(target.parent)
            _link(unfinished, target)
            for folder in changed:
                sync_folder(folder)


def _open_itself(path: str, flags: int) -> int:
    """Open a file, and never what a link that lies there points to."""
    return os.open(path, flags | os.O_NOFOLLOW)


def _flush(path: Path, file: BinaryIO) -> None:
    # A writer that the block closed is opened once more: fsync reaches the file by any descriptor.
    if not file.closed:
        file.flush()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Not writable for anyone from here on: an edit in place would falsify a version.
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o444)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> list[Path]:
    """Make a folder with its parents, for a file in it.

    Returns:
        The folders whose entries change by that, the folder itself first: they must reach the disk too. Whoever made
        one that is there already sees to it; journals of file systems keep the order in which folders were made.
    """
    changed = [folder]
    missing = folder
    while not missing.is_dir():
        missing = missing.parent
        changed.append(missing)
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _link(unfinished: Path, target: Path) -> None:
    try:
        os.link(unfinished, target)
    except FileExistsError:
        raise
    except OSError as error:
        if is_no_room(error):
            raise
        # No hard links here. Names are never reused, so nobody else can be writing this one.
        if target.exists():
            raise FileExistsError(str(target)) from None
        os.rename(unfinished, target)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_bytes(origin: BinaryIO, file: BinaryIO) -> None:
    """Copy one open file into another, sharing its blocks where both lie in a file system that can.

    Args:
        origin: At its beginning; any reader, a real file where blocks shall be shared.
        file: Empty and writable.

    Raises:
        OSError: There is no room, or a disk fails.
    """
    try:
        _clone(origin.fileno(), file.fileno())
    except OSError as error:
        if is_no_room(error):
            raise
        # Clones are not offered by every file system, and not every reader is a file; begin again by hand.
        origin.seek(0)
        file.seek(0)
        file.truncate()
        while chunk := origin.read(_COPY_BYTES):
            file.write(chunk)


def _clone(source: int, target: int) -> None:
    """Copy all bytes within the kernel; it shares blocks where it can. OSError where it offers nothing."""
    if not hasattr(os, "copy_file_range"):
        raise OSError("no copy within the kernel on this system")
    left = os.fstat(source).st_size
    while left > 0:
        done = os.copy_file_range(source, target, left)
        if done == 0:
            raise OSError("the source ended early")
        left -= done


def _walk(folder: Path, start: str, prefix: str) -> Iterator[ObjectInfo]:
    try:
        found = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return
    # A directory sorts by its name with the slash, as its objects' names do.
    named = sorted((start + e.name + ("/" if e.is_dir() else ""), e) for e in found)
    for name, entry in named:
        if name.endswith("/"):
            if name.startswith(prefix) or prefix.startswith(name):
                yield from _walk(folder / entry.name, name, prefix)
        elif name.startswith(prefix):
            with suppress(FileNotFoundError):
                yield ObjectInfo(name, entry.stat().st_size)
