"""Data versions of files and directories: their bytes, and for a directory the relative names of its files.

Names outside the directory, times, owners and permissions do not count.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from blake3 import blake3

from nacre.encoding import digest
from nacre.errors import UnserialisableValue
from nacre.values.identity import SHORT, Nested, ValueIdentity, fit, text_for_outline
from nacre.version.outline import Outline

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20


def identify(value: object, nested: Nested) -> ValueIdentity | None:
    """Identify what a path names, or give None for a value that is no path on this machine.

    Raises:
        UnserialisableValue: Nothing is there, or it cannot be read.
    """
    # A program that has no paths need not pay for importing them.
    pathlib = sys.modules.get("pathlib")
    if pathlib is None or not isinstance(value, pathlib.Path):
        return None
    return _of_path(value)


def _of_path(value: Path) -> ValueIdentity:
    try:
        if value.is_dir():
            return _directory(value)
        return ValueIdentity(digest("file", _file(value)), Outline("file", value.stat().st_size), True)
    except OSError as error:
        facts = {"path": value, "problem": error.strerror or error}
        hint = "write the file before returning its path; where only the name matters, use str(path)"
        raise UnserialisableValue("A path names nothing that can be read", facts, hint) from error


def _directory(root: Path) -> ValueIdentity:
    entries = [(name, _file(root / name)) for name in sorted(_names(root))]
    parts = [part for entry in entries for part in entry]
    shown = ((text_for_outline(name), found.hex()[:SHORT]) for name, found in entries)
    paths, truncated = fit(shown)
    return ValueIdentity(
        digest("directory", *parts), Outline("directory", len(entries), {}, paths, truncated), True
    )


def _names(root: Path) -> Iterator[str]:
    """Give the files below a directory by relative name with slashes; links to files count as files."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(root, onerror=refuse):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def _file(path: Path) -> bytes:
    hasher = blake3()
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            hasher.update(block)
    return hasher.digest()
