"""Code versions: the digest of a function and of everything it reaches.

Equal across processes, checkouts, hash seeds and Python 3.11 to 3.13; it changes when anything changes that the
function could run or read, and for nothing else. What cannot be seen is named, never skipped. Files are read through
the injected reader only.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import NamedTuple, Protocol, TypeVar, overload

from nacre.encoding import digest, digest_texts
from nacre.errors import UnknownCode
from nacre.version.closure import Closure
from nacre.version.origin import Origins, roots_of
from nacre.version.piece import VARIABLE, Piece, own_digest, settle
from nacre.version.source import DiskReader, SourceFile, SourceReader, Sources
from nacre.version.space import Spaces

FORMAT = "2"
# What tells parts of one name in one module apart.
_NUMBER = re.compile(r" \(\d+\)$")
WHOLE = digest("whole")
_PYTHON = f"{sys.implementation.name} {sys.version_info[0]}"
FRAMEWORK = ("nacre", "prefect")
#: Attribute of what runs code that is not Python, such as a dbt model: the parts of that code, its own first.
STATED = "__nacre_code__"
_Code = TypeVar("_Code", bound=Callable[..., object])


class CodePart(NamedTuple):
    """One thing a function reaches.

    Args:
        name: Qualified name; ``dist pandas`` for a third-party distribution.
        place: Where it is, ``pipeline.py:12``, relative to its root; empty for distributions.
        digest: Of its normalised source or its value; for a distribution the version that counts.
    """

    name: str
    place: str
    digest: str


class Placed(Protocol):
    """Anything that has a name and a place."""

    @property
    def name(self) -> str:
        """Qualified name."""
        ...

    @property
    def place(self) -> str:
        """``file.py:12``."""
        ...


class CodeIdentity(NamedTuple):
    """What a function's code is.

    Args:
        digest: The code version.
        parts: Everything reached, the function itself first; comparing two lists explains a change.
        unknowns: What has no identity, a phrase each: a global client, an open file. Such code cannot be used.
        warnings: Sentences naming where more counts than may be used, because it could not be told.
        static: Whether source files and installed distributions alone decide it, so that it holds while they do.
    """

    digest: str
    parts: tuple[CodePart, ...]
    unknowns: tuple[str, ...]
    static: bool
    warnings: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that the code looks up by literal names."""
        begin = f"{VARIABLE} "
        return tuple([part.name.removeprefix(begin) for part in self.parts if part.name.startswith(begin)])


class CodeVersions:
    """Identifies functions; everything reached is looked at once, however many functions share it.

    An instance sees the code as it was when first asked: make one per run.

    Args:
        roots: Directories of the project's own code.
        reader: Reads source files.
        framework: Top-level modules that say nothing about what a function computes.
    """

    def __init__(
        self,
        roots: Sequence[str],
        reader: SourceReader | None = None,
        framework: Sequence[str] = FRAMEWORK,
    ) -> None:
        self._origins = Origins(roots, framework)
        self._sources = Sources(reader or DiskReader(), self._origins)
        self._spaces = Spaces(self._sources, self._origins)
        # One for each set of ignored objects, by their ids; the empty set first.
        self._closures: dict[tuple[int, ...], Closure] = {}
        self._parts: dict[int, CodePart] = {}
        self._identities: dict[tuple[object, ...], tuple[object, CodeIdentity]] = {}

    def identify(
        self, fn: object, deps: Sequence[object] = (), ignored: Sequence[object] = ()
    ) -> CodeIdentity:
        """Identify a function, or anything with a function as its ``fn``. For one thread at a time.

        Args:
            fn: The function.
            deps: Functions, classes and modules that count as if it reached them; modules count whole.
            ignored: Objects that count as their name only.

        Raises:
            SourceDrift: A source file changed after it was imported.
            UnknownCode: It is no function and holds none.
        """
        function = _function(fn)
        key = (id(function), *map(id, deps), None, *map(id, ignored))
        known = self._identities.get(key)
        if known is None:
            known = ((function, deps, ignored), self._identify(function, deps, ignored))
            self._identities[key] = known
        return known[1]

    def pinned(self, fn: object, version: str) -> CodeIdentity:
        """Identify a function by a version that its author keeps, whatever it contains."""
        code: CodeType | None = getattr(_function(fn), "__code__", None)
        place = f"{self._origins.place(code.co_filename)}:{code.co_firstlineno}" if code else ""
        part = CodePart("pinned", place, version)
        return CodeIdentity(
            digest_texts("code version", [FORMAT, "pinned", version]), (part,), (), static=False
        )

    def forget_trees(self) -> None:
        """Let go of the parsed files; what is asked later is parsed again from the bytes that were read first."""
        self._sources.forget_trees()
        self._spaces.forget_trees()

    def source(self, place: str) -> bytes | None:
        """Give the bytes that were read of a file, by where parts say they are; None where none were.

        Args:
            place: The file, relative to its root.
        """
        return self._sources.placed(place)

    def parsed(self) -> Iterator[SourceFile]:
        """Walk over the files that are parsed now."""
        return self._sources.parsed()

    def files(self) -> dict[str, str]:
        """Say which source files were read so far, with the digest of their bytes."""
        return self._sources.digests()

    def _identify(self, function: object, deps: Sequence[object], ignored: Sequence[object]) -> CodeIdentity:
        stated: Sequence[CodePart] | None = getattr(function, STATED, None)
        if stated is not None:
            return _stated(stated)
        closure = self._closure(ignored)
        root = closure.reach(function)
        whole = Piece(WHOLE)
        whole.links = [("function", root)]
        if deps:
            whole.links.append(("dependencies", closure.dependencies(deps)))
        settle(root)
        own = own_digest(root)
        if isinstance(function, FunctionType):
            # How a root's inputs are loaded is its own affair; whoever calls it as a function passes values.
            inputs = closure.annotations(function)
            whole.links.append(("inputs", inputs))
            own = digest_texts("root", [own, inputs.local])
            settle(inputs)
        settle(whole)
        others = [self._part(piece) for piece in whole.reach.values() if piece is not root]
        return CodeIdentity(
            digest=digest_texts("code version", [FORMAT, _PYTHON, whole.final]),
            parts=_told_apart([CodePart(*_named(root, function), own), *others]),
            unknowns=whole.unknowns,
            static=whole.is_static and not (whole.unknowns or whole.warnings or ignored),
            warnings=whole.warnings,
        )

    def _closure(self, ignored: Sequence[object]) -> Closure:
        # A task stands for its function too.
        objects = {id(each): each for one in ignored for each in (one, getattr(one, "fn", one))}
        key = tuple(sorted(objects))
        if key not in self._closures:
            self._closures[key] = Closure(self._sources, self._origins, self._spaces, objects)
        return self._closures[key]

    def _part(self, piece: Piece) -> CodePart:
        part = self._parts.get(id(piece))
        if part is None:
            part = self._parts[id(piece)] = CodePart(piece.name, piece.place, own_digest(piece))
        return part


def _named(root: Piece, function: object) -> tuple[str, str]:
    """Name the root; an instance that can be called goes by its class, and is where that or what it wraps is."""
    if root.name:
        return root.name, root.place
    name = f"{type(function).__qualname__} instance"
    return name, next((piece.place for piece in root.reach.values() if piece.place), "")


def covered(parts: Iterable[Placed]) -> set[tuple[str, str]]:
    """List file and qualified name of all that an identity covers, as code objects say them when they run.

    A file that counts whole stands there with no name.
    """
    found = set()
    for part in parts:
        file = part.place.rpartition(":")[0]
        own = _NUMBER.sub("", part.name.removeprefix(f"{_module(part.place)}.")).removeprefix("stable ")
        found.add((file, "" if own.startswith(("module ", "file ")) else own))
    return found


def _told_apart(parts: list[CodePart]) -> tuple[CodePart, ...]:
    """Give parts of one name different ones: by their modules, and where those are one too, by their order there."""
    if len({part.name for part in parts}) == len(parts):
        return tuple(parts)
    counts = Counter(part.name for part in parts)
    qualified = [
        part._replace(name=f"{_module(part.place)}.{part.name}") if counts[part.name] > 1 else part
        for part in parts
    ]
    alike: dict[str, list[CodePart]] = {}
    for part in qualified:
        alike.setdefault(part.name, []).append(part)
    order = {
        id(part): at
        for same in alike.values()
        for at, part in enumerate(sorted(same, key=lambda part: (len(part.place), part.place)), 1)
    }
    return tuple(
        part._replace(name=f"{part.name} ({order[id(part)]})") if order[id(part)] > 1 else part
        for part in qualified
    )


def _module(place: str) -> str:
    """Name the module at a place, ``lake/text.py:12``, as it is imported: ``lake.text``."""
    return place.rpartition(":")[0].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _stated(parts: Sequence[CodePart]) -> CodeIdentity:
    """Identify code in another language by the parts it says it consists of."""
    texts = [FORMAT, "stated", *(text for part in parts for text in (part.name, part.digest))]
    return CodeIdentity(digest_texts("code version", texts), tuple(parts), (), static=False)


def code_version(fn: object) -> str:
    """Compute the code version of a function or asset.

    Its own code is what lies below the directory of the function's file, and below the working directory where the
    file is there too.

    Args:
        fn: A function, or anything with a function as its ``fn``, such as an asset.

    Returns:
        64 hexadecimal digits.

    Raises:
        SourceDrift: A source file changed after it was imported.
        UnknownCode: It is no function and holds none.
    """
    function = _function(fn)
    code = getattr(function, "__code__", None)
    return CodeVersions(roots_of(code.co_filename if code else "")).identify(function).digest


@overload
def stable(version: _Code, /) -> _Code: ...
@overload
def stable(version: int | str = 1) -> Callable[[_Code], _Code]: ...
def stable(version: object = 1) -> object:
    """Pin a function or class by a version of your own: what it contains no longer counts.

    Args:
        version: Raise it when results must be computed again. ``@stable`` without parentheses means version 1.

    Returns:
        A decorator that returns what it decorates.
    """

    def pin(code: _Code, pinned: object = version) -> _Code:
        code.__nacre_stable__ = pinned  # type: ignore[attr-defined]  # functions and classes take attributes
        return code

    return pin(version, 1) if callable(version) else pin


def _function(fn: object) -> object:
    inner = getattr(fn, "fn", None)
    function = inner if isinstance(inner, FunctionType) else fn
    if not callable(function):
        raise UnknownCode(
            "A code version needs a function",
            {"given": repr(fn)[:80], "type": type(fn).__name__},
            "pass a function, an asset or a task",
        )
    return function
