"""How values become bytes and come back as they were.

Holds imports only: submodules are named for what they store, so a builtin's name here may mean a module.
"""

from __future__ import annotations

from nacre.store.formats.beginning import read_beginning
from nacre.store.formats.parquet import reads_on, streams
from nacre.store.formats.port import Format
from nacre.store.formats.saving import by_name, choose, load, save
from nacre.store.formats.whole import load_whole

__all__ = [
    "Format",
    "by_name",
    "choose",
    "load",
    "load_whole",
    "read_beginning",
    "reads_on",
    "save",
    "streams",
]
