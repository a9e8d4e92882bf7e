"""Which files the code of a step mentions, for libraries that open files where Python cannot hear it.

Polars, Arrow and DuckDB read files in C++ and Rust. What can be told is what the code mentions: texts and paths that
are literals, globals, defaults or captured, in the step's function and in the project's functions that it names.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

from msgspec import Struct, field

from nacre.declare.task import Task

#: Libraries whose readers nobody hears.
SILENT = ("polars", "pyarrow", "duckdb")
_READS = re.compile(
    r"\Asubprocess\Z|(read|scan|load|open|from)_|\A(sql|query|execute|dataset|imread|fromfile|memmap|ParquetFile)\Z"
)
_ASKS = frozenset(
    {"exists", "is_file", "isfile", "is_dir", "isdir", "stat", "getsize", "getmtime", "lexists"}
)
# A text that may be a path: short, on one line, and no URL.
_PATH = re.compile(r"(?!.*://)[^\n\0]{1,260}")
# What may be asked for although it is not there: no text of several words.
_NAME = re.compile(r"[^\s*?]+\.\w{1,10}")
# A pattern of file names: a star in SQL or in Markdown is none.
_PATTERN = re.compile(r"\S*[*?]\S*\.\w{1,10}|\S+/[*?]+")
_QUOTED = re.compile(r"'([^'\n]{1,260})'|\"([^\"\n]{1,260})\"")
_READS_FILES = re.compile(r"(read|scan)_|(dataset|ParquetFile|memory_map|OSFile|open_csv)\Z")
_MAX_FUNCTIONS = 200
_MAX_JOINS = 2_000


class Mentioned(Struct):
    """What code mentions.

    Args:
        texts: Texts that may be paths, or parts of one.
        silent: Readers of files that nobody hears, as they are called: ``polars.read_csv``.
        reads: Whether it calls anything that sounds like reading a file.
        asks: Whether it asks if a file is there, or what it is like.
    """

    texts: dict[str, None] = field(default_factory=dict)
    silent: dict[str, None] = field(default_factory=dict)
    reads: bool = False
    asks: bool = False

    def mention(self, text: str) -> None:
        """Take a text that may be a path, or have paths in quotes, as SQL does."""
        if _PATH.fullmatch(text) and not text.endswith(".py"):  # code counts as code
            self.texts[text] = None
        if "'" in text or '"' in text:
            self.texts.update({found[1] or found[2]: None for found in _QUOTED.finditer(text)})

    def files(self, root: str) -> Iterator[str]:
        """Find the files that are mentioned, and those that are asked for and not there; absolute, links resolved.

        Args:
            root: Where relative paths start.
        """
        if not (self.reads or self.asks):
            return
        folders = dict.fromkeys([root, *(each for each in self._joined([root]) if os.path.isdir(each))])
        for path in dict.fromkeys(self._joined(folders)):
            if os.path.isfile(path):
                yield os.path.realpath(path)
            elif self.reads and _PATTERN.fullmatch(path):
                yield from map(os.path.realpath, glob.iglob(path, recursive=True))
            elif self.asks and _NAME.fullmatch(path):
                yield os.path.realpath(path)

    def folders(self, root: str) -> Iterator[str]:
        """Find the folders in which a mentioned pattern looks for files."""
        for path in self._joined([root]) if self.reads else ():
            folder = os.path.dirname(path)
            if _PATTERN.fullmatch(path) and os.path.isdir(folder) and next(glob.iglob(path), None):
                yield os.path.realpath(folder)

    def _joined(self, folders: Iterable[str]) -> Iterator[str]:
        for number, (folder, text) in enumerate(product(folders, self.texts)):
            if number > _MAX_JOINS:
                return
            yield os.path.join(folder, text)


def mentioned(function: Callable[..., object], is_own: Callable[[str], bool]) -> Mentioned:
    """Collect what a function and the project's functions that it names mention.

    Args:
        function: A step's.
        is_own: Says of the file of some code whether it is the project's.

    Returns:
        What was found; linear in the code that is walked, at most 200 functions.
    """
    found = Mentioned()
    seen: set[int] = set()
    waiting: list[object] = [function]
    while waiting and len(seen) < _MAX_FUNCTIONS:
        each = waiting.pop()
        each = each.fn if isinstance(each, Task) else each
        if isinstance(each, FunctionType) and id(each) not in seen and is_own(each.__code__.co_filename):
            seen.add(id(each))
            waiting += _walk(each, found, is_own)
    return found


def _walk(function: FunctionType, found: Mentioned, is_own: Callable[[str], bool]) -> list[object]:
    """Note what one function mentions; returns the functions and classes that it names."""
    words = _words(function.__code__)
    found.reads, found.asks = found.reads or words.reads, found.asks or words.asks
    for text in words.texts:
        found.mention(text)
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty one
            values.append(cell.cell_contents)
    space = function.__globals__
    for name in words.names:
        value = space.get(name, sys.modules.get(name) if name in SILENT else None)
        if value is not None:
            values += [value, *_parts(value, name, words.names, found, is_own)]
    for value in values:
        if isinstance(value, (str, PurePath)):
            found.mention(str(value))
    return [value for value in values if isinstance(value, (FunctionType, Task))]


def _parts(
    value: object, name: str, names: Mapping[str, None], found: Mentioned, is_own: Callable[[str], bool]
) -> list[object]:
    """List what code may take of a module or class of the project; note readers of libraries that nobody hears."""
    if isinstance(value, ModuleType) and is_own(getattr(value, "__file__", None) or ""):
        return [vars(value)[other] for other in names if other in vars(value)]
    if isinstance(value, type) and is_own(getattr(sys.modules.get(value.__module__), "__file__", None) or ""):
        return [each for each in vars(value).values() if isinstance(each, FunctionType)]
    library = _library(value)
    if library in SILENT:
        called = names if isinstance(value, ModuleType) else {name: None}
        found.silent.update({f"{library}.{other}": None for other in called if _READS_FILES.match(other)})
    return []


class _Words(NamedTuple):
    """What the code of one function says, whatever its globals hold."""

    code: CodeType
    names: dict[str, None]
    texts: dict[str, None]
    reads: bool
    asks: bool


#: By the id of the code, which each keeps alive: many steps share their helpers.
_known: dict[int, _Words] = {}


def _words(code: CodeType) -> _Words:
    words = _known.get(id(code))
    if words is None:
        names: dict[str, None] = {}
        texts: dict[str, None] = {}
        _constants(code, texts, names)
        reads = any(map(_READS.search, names))
        words = _known[id(code)] = _Words(code, names, texts, reads, not _ASKS.isdisjoint(names))
    return words


def _library(value: object) -> str:
    name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
    return name.partition(".")[0]


def _constants(code: CodeType, texts: dict[str, None], names: dict[str, None]) -> None:
    names.update(dict.fromkeys(code.co_names))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _constants(constant, texts, names)
        elif isinstance(constant, str):
            texts[constant] = None
