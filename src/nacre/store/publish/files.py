"""Published files in the file system: each replaced at once, sharing blocks with the store where it can."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from nacre.encoding import digest_chunks
from nacre.errors import NacreError
from nacre.store.directory import copy_bytes, make_folders, sync_folder
from nacre.store.failures import at_place
from nacre.store.ids import new_id, time_of
from nacre.store.port import ObjectStore
from nacre.store.publish.port import Content, is_as_noted

_ASIDE = ".before-nacre"
_UNFINISHED = ".unfinished"
_READ_BYTES = 1 << 20


class FilePlace:
    """The local file system."""

    marks_content = False

    def check(self, path: str) -> None:
        """Find out whether a file could be put here, by making its folder: only that tells what a mount allows."""
        target = Path("/", path)
        with _told(target.parent):
            # A file that is put here finds the folder as if others had made it.
            for changed in _make_way(target)[1:]:
                _flush(changed)
            may = os.access(
                target.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
            )
            if not may:
                why = errno.EROFS if os.statvfs(target.parent).f_flag & os.ST_RDONLY else errno.EACCES
                raise OSError(why, os.strerror(why), str(target.parent))

    def set_aside(self, path: str, ours: Iterable[Content]) -> str:
        """Give the file that lies there a second name, which it keeps when another is put over it."""
        target = Path("/", path)
        with _told(target.parent):
            if not target.is_file():
                return ""
        if any(_is_same(target, each) for each in ours):
            return ""
        with _told(target.parent):
            return f"it is kept as {_named_twice(target)}"

    def put(self, path: str, content: Content, expect: str | None = None) -> str | None:
        """Put a file beside its target and rename it over what is there; durable on return."""
        target = Path("/", path)
        if _is_same(target, content):
            with _told(target.parent), open(target, "rb") as file:
                os.fsync(file.fileno())
                _flush(target.parent)
                return _mark(os.fstat(file.fileno()))
        with content.open() as source, _told(target.parent):
            changed = _make_way(target)
            if not _is_expected(target, expect):
                return None
            unfinished = target.with_name(f".{new_id()}{_UNFINISHED}")
            try:
                with open(unfinished, "x+b") as file:
                    copy_bytes(source, file)
                    # What was written is read: of blocks that are shared with the store nothing passed through here.
                    if not _has_bytes_of(file, content):
                        raise content.damaged()
                    os.fsync(file.fileno())
                    if not _is_expected(target, expect) or not _rename(unfinished, target, expect == ""):
                        return None
                    # Of our own file: at the target may be that of another machine by now.
                    mark = _mark(os.fstat(file.fileno()))
            finally:
                with suppress(FileNotFoundError):
                    unfinished.unlink()
            for folder in changed:
                _flush(folder)
            return mark

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading; FileNotFoundError where there is none."""
        target = Path("/", path)
        try:
            return open(target, "rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise FileNotFoundError(str(target)) from None
        except OSError as error:
            raise at_place(error, target.parent, "read") from error

    def copy_to(self, path: str, objects: ObjectStore, name: str) -> None:
        """Copy a file into a store as a new object, sharing its blocks where the file system can."""
        with self.open(path) as source, objects.put(name) as file:
            copy_bytes(source, file)

    def sweep(self, folders: Iterable[str], before: datetime, *, delete: bool) -> Sequence[int]:
        """List how large what writers that were killed before a moment left in folders is; remove it where asked."""
        found: list[int] = []
        for folder in folders:
            path = Path("/", folder)
            with _told(path, "read"):
                left = _left_in(path, before)
            with _told(path):
                for each in left if delete else ():
                    each.unlink(missing_ok=True)
            found += left.values()
        return found

    def marks(self, paths: Sequence[str]) -> dict[str, str]:
        """Say which of the paths have a file, by size and the times of its last changes."""
        return {path: found for path in paths if (found := _mark_at("/" + path))}


@contextmanager
def _told(folder: Path, done: str = "written") -> Iterator[None]:
    """Run a block in which errors of the operating system become errors of the place that it is read or written at."""
    try:
        yield
    except NacreError:
        raise
    except OSError as error:
        raise at_place(error, folder, done) from error


def _make_way(target: Path) -> list[Path]:
    """Make the folder of a file, and refuse a file where a folder lies; the folders whose entries change."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "there is a folder of that name", str(target))
    folder = target.parent
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is a file where a folder is needed", str(nearest))
    return make_folders(folder)


def _flush(folder: Path) -> None:
    """Make the names in a folder durable, where this user may open it."""
    # One that may be entered and written but not listed cannot be opened, so the file system writes it in its own time.
    with suppress(PermissionError):
        sync_folder(folder)


def _named_twice(target: Path) -> Path:
    for n in itertools.count(1):
        aside = target.with_name(f"{target.name}{_ASIDE}{'' if n == 1 else f'-{n}'}")
        try:
            os.link(target, aside, follow_symlinks=False)
        except FileExistsError:
            if not os.path.samestat(os.lstat(aside), os.lstat(target)):
                continue
            # A run that ended before it put its file had begun this.
        except OSError:
            # No second names in this file system, or not of files of others.
            if os.path.lexists(aside):
                continue
            os.rename(target, aside)
        return aside
    raise AssertionError("there is always a further number")


def _left_in(folder: Path, before: datetime) -> dict[Path, int]:
    """Find what ``put`` began in a folder before a moment, and how large each is; nothing where there is no folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        left = [entry for entry in os.scandir(folder) if _is_left(entry, before)]
        return {Path(entry.path): entry.stat(follow_symlinks=False).st_size for entry in left}
    return {}


def _is_left(entry: os.DirEntry[str], before: datetime) -> bool:
    """Whether a file is one that ``put`` began before a moment, and never gave its name."""
    if not entry.name.startswith(".") or not entry.name.endswith(_UNFINISHED):
        return False
    begun = time_of(entry.name[1:].removesuffix(_UNFINISHED))
    return begun is not None and begun < before and entry.is_file(follow_symlinks=False)


def _is_same(target: Path, content: Content) -> bool:
    """Whether a regular file with the very bytes lies there; nothing that cannot be read is."""
    try:
        if target.is_symlink() or os.stat(target).st_size != content.size_bytes:
            return False
        with open(target, "rb") as file:
            return content.is_same(os.fstat(file.fileno()).st_size, file.read)
    except FileNotFoundError:
        return False  # or the version's object is gone, which putting it will say
    except OSError:
        return False


def _is_expected(target: Path, expect: str | None) -> bool:
    return expect is None or is_as_noted(_mark_at(target), expect)


def _rename(unfinished: Path, target: Path, only_if_free: bool) -> bool:
    """Give a file its name; False where there shall be none of that name and is one."""
    if only_if_free:
        try:
            os.link(unfinished, target)
        except FileExistsError:
            return False
        except OSError:
            pass  # no second names in this file system: what came to lie there since we looked is replaced
        else:
            unfinished.unlink()
            return True
    os.replace(unfinished, target)
    return True


def _has_bytes_of(file: BinaryIO, content: Content) -> bool:
    file.flush()
    file.seek(0)
    return digest_chunks(iter(lambda: file.read(_READ_BYTES), b"")) == content.digest


def _mark_at(path: str | Path) -> str:
    with suppress(OSError):
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            return _mark(status)
    return ""


def _mark(status: os.stat_result) -> str:
    # The time of the last change of any kind is what nobody can set: it tells an edit whose time was put back.
    return f"{status.st_size}-{status.st_mtime_ns}+{status.st_ctime_ns}"
