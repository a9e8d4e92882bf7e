"""Code versions: the digest of a function and of everything it reaches.

Equal across processes, checkouts, hash seeds and Python 3.11 to 3.13; it changes when anything changes that the
function could run or read, and for nothing else. What cannot be seen is named, never skipped. Files are read through
the injected reader only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import NamedTuple, TypeVar, overload

from nacre.encoding import digest_texts
from nacre.errors import UnknownCode
from nacre.version.closure import Closure
from nacre.version.origin import Origins, roots_of
from nacre.version.piece import Piece, own_digest, settle
from nacre.version.source import DiskReader, SourceFile, SourceReader, Sources

FORMAT = "1"
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


class CodeIdentity(NamedTuple):
    """What a function's code is.

    Args:
        digest: The code version.
        parts: Everything reached, the function itself first; comparing two lists explains a change.
        unknowns: Sentences naming what could not be seen, each with its remedy.
        warnings: Sentences naming where whole modules count, because it could not be told what of them is used.
        static: Whether source files and installed distributions alone decide it, so that it holds while they do.
    """

    digest: str
    parts: tuple[CodePart, ...]
    unknowns: tuple[str, ...]
    static: bool
    warnings: tuple[str, ...] = ()


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
        origins = Origins(roots, framework)
        self._sources = Sources(reader or DiskReader(), origins)
        self._closure = Closure(self._sources, origins)
        self._parts: dict[int, CodePart] = {}
        self._identities: dict[int, tuple[object, CodeIdentity]] = {}

    def identify(self, fn: object) -> CodeIdentity:
        """Identify a function, or anything with a function as its ``fn``. For one thread at a time.

        Raises:
            SourceDrift: A source file changed after it was imported.
            UnknownCode: It is no function and holds none.
        """
        function = _function(fn)
        known = self._identities.get(id(function))
        if known is None:
            known = self._identities[id(function)] = (function, self._identify(function))
        return known[1]

    def forget_trees(self) -> None:
        """Let go of the parsed files; what is asked later is parsed again from the bytes that were read first."""
        self._closure.forget_trees()

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

    def _identify(self, function: object) -> CodeIdentity:
        stated: Sequence[CodePart] | None = getattr(function, STATED, None)
        if stated is not None:
            return _stated(stated)
        root = self._closure.reach(function)
        settle(root)
        texts, unknowns, is_static, reach = (
            [FORMAT, _PYTHON, root.final],
            root.unknowns,
            root.is_static,
            root.reach,
        )
        own = own_digest(root)
        if isinstance(function, FunctionType):
            # How a root's inputs are loaded is its own affair; whoever calls it as a function passes values.
            inputs = self._closure.annotations(function)
            settle(inputs)
            texts.append(inputs.final)
            own = digest_texts("root", [own, inputs.local])
            unknowns, is_static, reach = (
                unknowns + inputs.unknowns,
                is_static and inputs.is_static,
                reach | inputs.reach,
            )
        others = [self._part(piece) for key, piece in reach.items() if key != id(root)]
        return CodeIdentity(
            digest=digest_texts("code version", texts),
            parts=(CodePart(root.name, root.place, own), *others),
            unknowns=tuple(dict.fromkeys(unknowns)),
            static=is_static and not unknowns,
        )

    def _part(self, piece: Piece) -> CodePart:
        part = self._parts.get(id(piece))
        if part is None:
            part = self._parts[id(piece)] = CodePart(piece.name, piece.place, own_digest(piece))
        return part


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
