"""The file a returned ``Path`` names, byte for byte. Directories are refused: a version is one object."""

from __future__ import annotations

from typing import Any, BinaryIO

from nacre.errors import UnserialisableValue
from nacre.store.formats import scratch
from nacre.store.formats.annotation import label, mismatch


class File:
    """Stores the file that a ``Path`` names."""

    name = "file"
    extension = ""

    def accepts(self, value: object) -> bool:
        """Say whether it is a path on this machine."""
        kind = type(value)
        return kind.__module__.partition(".")[0] == "pathlib" and not kind.__name__.startswith("Pure")

    def is_exact(self, value: object) -> bool:
        """A file's bytes always come back as they were."""
        return True

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Copy the file."""
        path: Any = value
        if path.is_dir():
            facts = {"place": "result", "path": path}
            hint = "return one file (an archive of the directory, for example), or one asset for each file"
            raise UnserialisableValue("A directory cannot be stored as one asset", facts, hint)
        with path.open("rb") as source:
            scratch.pour(source, sink)

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Give the file as a path to a private copy, or its content as ``bytes`` or ``str``."""
        asked = "Path" if as_type is None else label(as_type)
        if asked == "bytes":
            return source.read()
        if asked == "str":
            return source.read().decode()
        if asked != "Path":
            raise mismatch("a file", as_type)
        return scratch.copy(source, self.extension)
