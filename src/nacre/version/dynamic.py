"""Code that reaches what its text does not name: told apart here, and made up for by counting whole files."""

from __future__ import annotations

import ast
import builtins
import importlib
from typing import Protocol

from nacre.encoding import digest, digest_bytes
from nacre.version.normal import module_text
from nacre.version.piece import Piece
from nacre.version.source import Sources

Space = dict[str, object]
SUBCLASSES = "__subclasses__"
#: Last words of the chains worth a second look.
WATCHED = frozenset({"eval", "exec", "globals", "__import__", "import_module", SUBCLASSES})
_ANYTHING = (builtins.eval, builtins.exec, builtins.__import__, importlib.import_module)


class External(Protocol):
    """What is needed to say which distributions a project imports."""

    def external(self, module: str, label: str, inside: list[Piece]) -> Piece:
        """Reach something that is not the project's, by the distribution it comes from."""
        ...


class Project:
    """All source files of a project as one piece, made when it is first needed.

    Args:
        sources: The source files.
        reacher: Knows distributions.
    """

    def __init__(self, sources: Sources, reacher: External) -> None:
        self._sources = sources
        self._reacher = reacher
        self._piece: Piece | None = None

    def piece(self) -> Piece:
        """Make the piece of every file below the roots, and of the distributions they import."""
        if self._piece is None:
            self._piece = Piece(digest("project"))
            self._piece.is_static = False
            for place, data in sorted(self._sources.project().items()):
                self._piece.links.append((place, self._file(place, data)))
        return self._piece

    def _file(self, place: str, data: bytes) -> Piece:
        try:
            normal = module_text(ast.parse(data))
        except (SyntaxError, ValueError):
            return Piece(digest("file", digest_bytes(data)), f"file {place}", f"{place}:1")
        piece = Piece(digest("file", normal.text), f"file {place}", f"{place}:1")
        for tree in normal.imports:
            names = [tree.module or ""] if isinstance(tree, ast.ImportFrom) else [a.name for a in tree.names]
            if not getattr(tree, "level", 0):
                piece.links += [(name, self._reacher.external(name, "", [])) for name in names]
        return piece


def reaches_anything(value: object) -> bool:
    """Tell whether calling it may run whatever a text says."""
    return any(value is each for each in _ANYTHING)


def reaches_its_module(value: object) -> bool:
    """Tell whether calling it gives all that the caller's module holds."""
    return value is builtins.globals


def subclasses(kind: type) -> list[type]:
    """List the classes below a class that are still bound, in order of their names."""
    found: dict[int, type] = {}
    new = type.__subclasses__(kind)
    while new:
        found |= {id(each): each for each in new}
        new = [below for each in new for below in type.__subclasses__(each) if id(below) not in found]
    return sorted(found.values(), key=lambda each: (each.__module__, each.__qualname__))


def owner_of(qualname: str, space: Space) -> object:
    """Find the class that a method was written in, by the method's qualified name."""
    value: object = None
    for at, step in enumerate(qualname.split(".")[:-1]):
        value = space.get(step) if at == 0 else getattr(value, step, None)
    return value
