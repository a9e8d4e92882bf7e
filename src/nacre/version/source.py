"""Source files: read once, parsed once, and the definition in them that a loaded code object was compiled from.

All file access of the code version goes through the injected reader. A loaded code object is only ever matched with
source that compiles to the same code; anything else is ``SourceDrift``, never a guess.
"""

from __future__ import annotations

import ast
import gc
import linecache
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from types import CodeType
from typing import Protocol

from nacre.encoding import digest_bytes
from nacre.errors import SAFE, SourceDrift
from nacre.version.binding import MUTATORS, Bindings, mutated
from nacre.version.bytecode import global_names, may_change
from nacre.version.normal import Function
from nacre.version.origin import Origins

Definition = Function | ast.ClassDef
_NESTING = ("body", "orelse", "finalbody", "handlers", "cases")
# Loaders that run the source as it is written. Others (pytest, beartype) rewrite it on the way.
_PLAIN_LOADERS = frozenset(
    {"_frozen_importlib_external", "_frozen_importlib", "zipimport", "nacre.declare.discover"}
)


class SourceReader(Protocol):
    """Where source text comes from."""

    def read(self, path: str) -> bytes:
        """Read a file whole.

        Raises:
            OSError: There is no such file, or it cannot be read.
        """
        ...

    def below(self, folder: str) -> Iterable[str]:
        """List the source files below a folder that can be imported."""
        ...


class DiskReader:
    """Reads source files from the disk."""

    def below(self, folder: str) -> Iterable[str]:
        """List the source files below a folder that can be imported: not those of environments, nor hidden ones."""
        for at, folders, files in os.walk(folder):
            folders[:] = sorted(
                each
                for each in folders
                if each.isidentifier() and not os.path.exists(os.path.join(at, each, "pyvenv.cfg"))
            )
            for each in sorted(files):
                if each.endswith(".py") and each[:-3].isidentifier():
                    yield os.path.join(at, each)

    def read(self, path: str) -> bytes:
        """Read a file whole."""
        with open(path, "rb") as file:
            return file.read()


class SourceFile:
    """One parsed source text and the definitions in it.

    Args:
        name: The file name that code objects carry.
        data: Its bytes.
        place: How a person is told where it is, relative to the project.
        verified: Whether loaded code must be found in it; false where a loader rewrites source or it is a cell.
        lasting: Whether its bytes decide what is in it, for whoever compares them later.
    """

    __slots__ = (
        "_acts",
        "_bindings",
        "_changed",
        "_codes",
        "_found",
        "_lambdas",
        "_qualified",
        "_used",
        "data",
        "definitions",
        "lasting",
        "name",
        "place",
        "tree",
        "verified",
    )

    def __init__(self, name: str, data: bytes, place: str, *, verified: bool, lasting: bool) -> None:
        self.name = name
        self.data = data
        self.place = place
        self.verified = verified
        self.lasting = lasting
        try:
            self.tree = _parse(data, name)
        except (SyntaxError, ValueError) as broken:
            raise self.drift(getattr(broken, "lineno", None) or 1) from broken
        self.definitions: dict[tuple[str, int], Definition] = {}
        self._qualified: dict[str, list[ast.ClassDef]] = {}
        # By id; the code is kept, so that its id stays its own.
        self._found: dict[int, tuple[CodeType, list[Function]]] = {}
        self._bindings: Bindings | None = None
        self._acts: list[tuple[ast.AST, set[str], set[str]]] | None = None
        self._used: dict[str, list[tuple[str, int]]] | None = None
        self._changed: dict[tuple[str, int], set[str]] = {}
        self._codes: dict[tuple[str, int], list[CodeType]] | None = None
        self._lambdas: dict[int, list[ast.Lambda]] | None = None
        self._index(self.tree, "")

    def function(self, code: CodeType) -> list[Function]:
        """Find what a loaded code object was compiled from.

        Returns:
            The definition. Several where lambdas on one line cannot be told apart (``-X no_debug_ranges``).

        Raises:
            SourceDrift: The file no longer holds that code.
        """
        known = self._found.get(id(code))
        if known is None:
            known = self._found[id(code)] = (code, self._located(code))
        return known[1]

    def _located(self, code: CodeType) -> list[Function]:
        if self.verified and not self._holds(code):
            raise self.drift(code.co_firstlineno, code.co_qualname)
        if code.co_name == "<lambda>":
            found: list[Function] = list(_enclosing(code, self._lambdas_at(code.co_firstlineno)))
        else:
            definition = self.definitions.get((code.co_name, code.co_firstlineno))
            found = [definition] if definition and not isinstance(definition, ast.ClassDef) else []
        if not found:
            raise self.drift(code.co_firstlineno, code.co_qualname)
        return found

    def outermost(self, tree: ast.expr | ast.stmt) -> ast.AST:
        """Find the top-level statement that a definition stands in: siblings share the variables of a closure."""
        holding = (s for s in self.tree.body if s.lineno <= tree.lineno <= (s.end_lineno or 0))
        return next(holding, tree)

    def classes(self, qualname: str) -> list[ast.ClassDef]:
        """Find the class definitions of a qualified name; several where one of them is conditional."""
        return self._qualified.get(qualname, [])

    def bindings(self) -> Bindings:
        """Say what the top level of the file binds."""
        if self._bindings is None:
            self._bindings = Bindings(self.tree)
        return self._bindings

    def changes(self, chain: str) -> bool:
        """Tell whether a function in the file rebinds a global, or changes it in place.

        Args:
            chain: The global, or a global of an imported module as ``module.name``.
        """
        root = chain.partition(".")[0]
        return any(chain in self._changed_by(key) for key in self._users().get(root, ()))

    def changed(self, root: str) -> set[str]:
        """List the chains beginning with a global that a function or a top-level statement of the file changes."""
        chains = [self._changed_by(key) for key in self._users().get(root, ())]
        chains += [changed for _, changed, _ in self._acting()]
        return {chain for each in chains for chain in each if chain.startswith(f"{root}.")}

    def settings(self, chain: str, steps: Set[str]) -> list[ast.AST]:
        """List the top-level expressions that change a global while the file is imported.

        They change it themselves, or call a function of the file that does so, by however many calls.

        Args:
            chain: The global, or a part of it.
            steps: Globals that are steps: what they do when they are called is no initialisation.
        """
        users = self._users()
        found: set[str] = set()
        new = {key[0] for key in users.get(chain.partition(".")[0], ()) if chain in self._changed_by(key)}
        while new := new - found - steps:
            found |= new
            new = {key[0] for name in new for key in users.get(name, ())}
        return [
            tree for tree, changed, names in self._acting() if chain in changed or not found.isdisjoint(names)
        ]

    def _acting(self) -> list[tuple[ast.AST, set[str], set[str]]]:
        """List what the top level does besides binding, with what it changes itself and the names it mentions."""
        if self._acts is None:
            definitions = [s for s in self.tree.body if isinstance(s, ast.FunctionDef | ast.ClassDef)]
            decorators = [each for tree in definitions for each in tree.decorator_list]
            self._acts = [(each, mutated(each), _names(each)) for each in self.bindings().statements]
            self._acts += [(each, set(), _names(each)) for each in decorators]
        return self._acts

    def sets_attribute(self, name: str) -> bool:
        """Tell whether a function of the file sets an attribute of that name, on whatever object."""
        ends = f".{name}"
        changed = (
            self._changed_by(key)
            for key, tree in self.definitions.items()
            if not isinstance(tree, ast.ClassDef)
        )
        return any(chain.endswith(ends) for chains in changed for chain in chains)

    def codes(self) -> Mapping[tuple[str, int], list[CodeType]]:
        """Compile the file; every code object below the module's by name and first line."""
        if self._codes is None:
            self._codes = {}
            for code in _nested(compile(self.tree, self.name, "exec", dont_inherit=True)):
                self._codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        return self._codes

    def drift(self, line: int, what: str = "") -> SourceDrift:
        """Make the error that says this file changed after it was imported."""
        return SourceDrift(
            "A source file changed after its code was imported",
            {"file": f"{self.place}:{line}", "function": what},
            (
                "run again in a new process: what runs here is the old code",
                f"if it stays, run: touch {self.place}  (Python misses an edit in the second it compiled the file)",
                SAFE,
            ),
        )

    def _holds(self, code: CodeType) -> bool:
        compiled = self.codes().get((code.co_name, code.co_firstlineno), ())
        # Equality is one call into C; it also compares columns, which a reformatted file may change.
        return code in compiled or any(_signature(code) == _signature(each) for each in compiled)

    def _users(self) -> Mapping[str, list[tuple[str, int]]]:
        """List the functions that mention each global, so that only those are walked, and locals do not count."""
        if self._used is None:
            self._used = {}
            for key, tree in self.definitions.items():
                if isinstance(tree, ast.ClassDef):
                    continue
                for name in set().union(*map(global_names, self.codes().get(key, ()))):
                    self._used.setdefault(name, []).append(key)
        return self._used

    def _changed_by(self, key: tuple[str, int]) -> set[str]:
        if key not in self._changed:
            acts = any(may_change(code, MUTATORS) for code in self.codes().get(key, ()))
            self._changed[key] = mutated(self.definitions[key]) if acts else set()
        return self._changed[key]

    def _index(self, tree: ast.AST, prefix: str) -> None:
        for field in _NESTING:
            children = getattr(tree, field, None)
            if type(children) is not list:
                continue
            for child in children:
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    self._add(child, prefix)
                elif not isinstance(child, ast.Expr | ast.Assign | ast.Return):
                    self._index(child, prefix)

    def _add(self, tree: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, prefix: str) -> None:
        line = min((tree.lineno, *(d.lineno for d in tree.decorator_list)))
        self.definitions[tree.name, line] = tree
        qualname = prefix + tree.name
        if isinstance(tree, ast.ClassDef):
            self._qualified.setdefault(qualname, []).append(tree)
            self._index(tree, qualname + ".")
        else:
            self._index(tree, qualname + ".<locals>.")

    def _lambdas_at(self, line: int) -> list[ast.Lambda]:
        if self._lambdas is None:
            self._lambdas = {}
            for tree in ast.walk(self.tree):
                if isinstance(tree, ast.Lambda):
                    self._lambdas.setdefault(tree.lineno, []).append(tree)
        return self._lambdas.get(line, [])


class Sources:
    """The source files read so far, each once.

    Args:
        reader: Reads the files.
        origins: Where files are.
    """

    def __init__(self, reader: SourceReader, origins: Origins) -> None:
        self._reader = reader
        self._origins = origins
        self._bytes: dict[str, bytes | None] = {}
        self._names: dict[str, str] = {}
        self._files: dict[str, SourceFile | None] = {}

    def data(self, name: str) -> bytes | None:
        """Read a file's bytes once; None where there is no such file."""
        if name not in self._bytes:
            try:
                self._bytes[name] = None if name.startswith("<") else self._reader.read(name)
            except OSError:
                self._bytes[name] = None
        return self._bytes[name]

    def placed(self, place: str) -> bytes | None:
        """Give the bytes that were read of a file, by how a person is told where it is."""
        return self._bytes.get(self._names.get(place, ""))

    def file(self, name: str, loader: object = None) -> SourceFile | None:
        """Parse a file once.

        Args:
            name: The file name that code objects carry.
            loader: What loaded the module; decides whether its code must match the source.

        Returns:
            The file; None where no source can be found.
        """
        if name not in self._files:
            data, plain = self.data(name), is_plain(loader)
            if data is None:
                # Cells of notebooks and consoles have their source in linecache only.
                data, plain = "".join(linecache.getlines(name)).encode(), False
            self._files[name] = self._parsed(name, data, plain) if data else None
        return self._files[name]

    def _parsed(self, name: str, data: bytes, plain: bool) -> SourceFile | None:
        try:
            lasting, place = plain and self._origins.is_listed(name), self._origins.place(name)
            self._names[place] = name
            return SourceFile(name, data, place, verified=plain, lasting=lasting)
        except SourceDrift:
            # A cell may hold more than Python (magics, top-level await); a file that was imported may not.
            if plain:
                raise
            return None

    def parsed(self) -> Iterator[SourceFile]:
        """Walk over the files that are parsed now."""
        return (file for file in self._files.values() if file is not None)

    def project(self) -> dict[str, bytes]:
        """Read all files of the project that could be imported, by where they are below its roots."""
        names = (name for root in self._origins.roots for name in self._reader.below(root))
        own = {self._origins.place(name): self.data(name) for name in names if self._origins.owns_file(name)}
        return {place: data for place, data in own.items() if data is not None}

    def forget_trees(self) -> None:
        """Let go of the parsed files; they are parsed again, from the same bytes, if anybody asks."""
        self._files.clear()

    def digests(self) -> dict[str, str]:
        """Say which files were read, with the digest of their bytes."""
        return {name: digest_bytes(data) for name, data in self._bytes.items() if data is not None}


def is_plain(loader: object) -> bool:
    """Tell whether a loader runs source as it is written."""
    return loader is None or type(loader).__module__ in _PLAIN_LOADERS


def _parse(data: bytes, name: str) -> ast.Module:
    # Tens of thousands of objects that all stay: collections meanwhile would find nothing, and cost a third.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(data, name)
    finally:
        if collecting:
            gc.enable()


def _names(tree: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _signature(code: CodeType) -> tuple[object, ...]:
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code, code.co_flags, names, tuple(map(_comparable, code.co_consts))


def _comparable(constant: object) -> object:
    if isinstance(constant, CodeType):
        return _signature(constant)
    if isinstance(constant, tuple | frozenset):
        return type(constant), type(constant)(map(_comparable, constant))
    # 0.0 equals -0.0, and 1 equals True, but they are not the same code.
    return type(constant), repr(constant)


def _enclosing(code: CodeType, lambdas: list[ast.Lambda]) -> list[ast.Lambda]:
    """Pick the lambda a code object was compiled from: the smallest whose body holds all its instructions."""
    if len(lambdas) < 2:
        return lambdas
    starts, ends = [], []
    for line, end_line, column, end_column in code.co_positions():
        # Instructions the compiler adds have no columns, or none that span anything.
        if line and end_line and column is not None and end_column:
            starts.append((line, column))
            ends.append((end_line, end_column))
    if not starts:
        return lambdas
    held = [t for t in lambdas if _span(t.body)[0] <= min(starts) and max(ends) <= _span(t.body)[1]]
    return sorted(held, key=lambda t: _span(t.body), reverse=True)[:1]


def _span(tree: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (tree.lineno, tree.col_offset), (tree.end_lineno or 0, tree.end_col_offset or 0)
