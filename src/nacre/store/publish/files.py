"""Published files in the file system: each replaced at once, sharing blocks with the store where it can."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nacre.store.directory import copy_bytes, sync_folder
from nacre.store.failures import translated
from nacre.store.ids import new_id
from nacre.store.publish.port import Content


class FilePlace:
    """The local file system."""

    def check(self, path: str) -> None:
        """Find out whether a file could be put here: its folder, or the nearest that exists, lets us write."""
        target = Path("/", path)
        with translated(target.parent):
            if target.is_dir():
                raise IsADirectoryError(21, "there is a folder of that name", str(target))
            folder = next(each for each in target.parents if each.exists())
            if not folder.is_dir():
                raise NotADirectoryError(20, "there is a file where a folder is needed", str(folder))
            if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                raise PermissionError(13, "it lets nobody of ours write", str(folder))

    def put(self, path: str, content: Content) -> str:
        """Put a file beside its target and rename it over what is there; durable on return."""
        target = Path("/", path)
        with content.open() as source, translated(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
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


def _mark(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"
