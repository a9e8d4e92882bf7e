"""Published files in the file system: each replaced at once, sharing blocks with the store where it can."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nacre.errors import NacreError
from nacre.store.directory import copy_bytes, sync_folder
from nacre.store.failures import at_place
from nacre.store.ids import new_id
from nacre.store.publish.port import Content

_ASIDE = ".before-nacre"


class FilePlace:
    """The local file system."""

    def check(self, path: str) -> None:
        """Find out whether a file could be put here, by making its folder: only that tells what a mount allows."""
        target = Path("/", path)
        with _told(target.parent):
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "there is a folder of that name", str(target))
            _make(target.parent)
            may = os.access(
                target.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
            )
            if not may:
                why = errno.EROFS if os.statvfs(target.parent).f_flag & os.ST_RDONLY else errno.EACCES
                raise OSError(why, os.strerror(why), str(target.parent))

    def set_aside(self, path: str, content: Content) -> str:
        """Give the file that lies there a second name, which it keeps when another is put over it."""
        target = Path("/", path)
        with _told(target.parent):
            if not target.is_file():
                return ""
            found = open(target, "rb")  # noqa: SIM115  # closed below; what fails there is not the place's
        with found as file:
            if content.is_same(os.fstat(file.fileno()).st_size, file.read):
                return ""
        with _told(target.parent):
            return f"it is kept as {_named_twice(target)}"

    def put(self, path: str, content: Content) -> str:
        """Put a file beside its target and rename it over what is there; durable on return."""
        target = Path("/", path)
        with content.open() as source, _told(target.parent):
            _make(target.parent)
            unfinished = target.with_name(f".{new_id()}.unfinished")
            try:
                with open(unfinished, "xb") as file:
                    copy_bytes(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, target)
            finally:
                with suppress(FileNotFoundError):
                    unfinished.unlink()
            sync_folder(target.parent)
            return _mark(target.stat())

    def marks(self, paths: Sequence[str]) -> dict[str, str]:
        """Say which of the paths have a file, by size and time of its last change."""
        found = {}
        for path in paths:
            with suppress(OSError):
                status = os.stat("/" + path)
                if stat.S_ISREG(status.st_mode):
                    found[path] = _mark(status)
        return found


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Run a block in which errors of the operating system become errors of the place."""
    try:
        yield
    except NacreError:
        raise
    except OSError as error:
        raise at_place(error, folder) from error


def _make(folder: Path) -> None:
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is a file where a folder is needed", str(nearest))
    folder.mkdir(parents=True, exist_ok=True)


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


def _mark(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"
