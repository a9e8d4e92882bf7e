"""Module namespaces: which statement a global name comes from, and whether the project's code changes it later."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from types import FunctionType, ModuleType
from typing import NamedTuple

from nacre.version.binding import Binding, mutated
from nacre.version.bytecode import global_names
from nacre.version.normal import constant_text
from nacre.version.origin import Origins
from nacre.version.source import SourceFile, Sources

Space = dict[str, object]
_ATOMS = (str, int, float, complex, bytes, type(None))


class Owner(NamedTuple):
    """Where a global name is bound, after following ``from … import …`` through the project.

    Args:
        space: The namespace that binds it.
        name: Its name there.
        bindings: The statements that bind it; empty where there is no source or none is found.
        file: The source file of the namespace.
        is_fixed: Whether it is bound once on every step of the way, unconditionally.
        external: For a name imported from outside the project: what the import statement calls it.
    """

    space: Space
    name: str
    bindings: tuple[Binding, ...]
    file: SourceFile | None
    is_fixed: bool
    external: str = ""

    @property
    def kind(self) -> str:
        """Say what kind of statement binds it; empty where several do, or none is known."""
        return self.bindings[0].kind if len(self.bindings) == 1 else ""

    @property
    def place(self) -> str:
        """Say where the name is bound."""
        if self.file is None or not self.bindings:
            return ""
        return f"{self.file.place}:{self.bindings[0].line}"


class Spaces:
    """Resolves names in the namespaces of the project's modules.

    Args:
        sources: The source files.
        origins: Whose code a module is.
    """

    def __init__(self, sources: Sources, origins: Origins) -> None:
        self._sources = sources
        self._origins = origins
        self._files: dict[int, SourceFile | None] = {}
        self._held: dict[int, list[tuple[ModuleType, str]]] | None = None

    def file(self, space: Mapping[str, object]) -> SourceFile | None:
        """Find the source file of a namespace; None for a console, a notebook, or compiled code."""
        if id(space) not in self._files:
            name = space.get("__file__")
            own = isinstance(name, str) and name.endswith((".py", ".pyw")) and self._origins.owns_file(name)
            self._files[id(space)] = self._sources.file(str(name), space.get("__loader__")) if own else None
        return self._files[id(space)]

    def forget_trees(self) -> None:
        """Let go of the parsed files."""
        self._files.clear()

    def owner(self, space: Space, name: str) -> Owner:
        """Follow a global name to the statement that binds it."""
        is_fixed = True
        # Modules may import a name from each other in a circle; the circle has at most as many steps as modules.
        for _ in range(len(sys.modules)):
            file = self.file(space)
            bindings = self._bindings(file, space, name)
            is_fixed = is_fixed and len(bindings) == 1 and not bindings[0].conditional
            is_fixed = is_fixed and file is not None and file.lasting
            if len(bindings) != 1 or bindings[0].kind != "import":
                break
            module, original = _imported(bindings[0], space, name)
            is_fixed = is_fixed and bindings[0].original != "*"
            target = sys.modules.get(module)
            if target is None or not self._origins.owns_module(target):
                return Owner(space, name, bindings, file, is_fixed, f"{module}:{original}")
            if not original or original not in vars(target) or isinstance(vars(target)[original], ModuleType):
                break
            space, name = vars(target), original
        return Owner(space, name, bindings, file, is_fixed)

    def _bindings(self, file: SourceFile | None, space: Space, name: str) -> tuple[Binding, ...]:
        names = file.bindings().names if file else {}
        found = names.get(name, ())
        for each in reversed(names.get("*", ()) if not found and name in space else ()):
            target = (
                sys.modules.get(absolute(each.tree, space)) if isinstance(each.tree, ast.ImportFrom) else None
            )
            if target is not None and vars(target).get(name, file) is space[name]:
                return (each,)
        return tuple(found)

    def settings(self, owner: Owner, value: object, part: str = "") -> list[tuple[Space, list[ast.AST]]]:
        """Find what changes a global, or a part of it, while the project's modules are imported.

        Returns:
            Namespaces with the expressions of each, beside those that bind the name.
        """
        found = []
        for space, file, alias in self._aliases(owner, value):
            steps = {name for name, held in list(space.items()) if self._origins.is_framework(held)}
            found.append((space, file.settings(alias + part, steps)))
        return [(space, trees) for space, trees in found if trees]

    def attached(self, owner: Owner, kind: type) -> list[str]:
        """List the attributes that the project's code sets on a class from outside its body."""
        return sorted(
            {
                chain[len(alias) :].split(".")[1]
                for _, file, alias in self._aliases(owner, kind)
                for chain in file.changed(alias.partition(".")[0])
                if chain.startswith(f"{alias}.")
            }
        )

    def _aliases(self, owner: Owner, value: object) -> list[tuple[Space, SourceFile, str]]:
        """List what a global is called wherever it is mentioned, its own module first."""
        found = [(owner.space, owner.file, owner.name)] if owner.file is not None else []
        by_module = [(each, f"{alias}.{owner.name}") for each, alias in self._holders(owner.space)]
        by_value = [] if isinstance(value, _ATOMS) else self._holders(value)
        needle = owner.name.encode()
        for module, alias in (*by_module, *by_value):
            # Only a module whose text has the name is worth parsing.
            if vars(module) is not owner.space and needle in (self._text(module) or b""):
                file = self.file(vars(module))
                if file is not None and file is not owner.file:
                    found.append((vars(module), file, alias))
        return found

    def _holders(self, value: object) -> Sequence[tuple[ModuleType, str]]:
        """List the project's modules that hold an object, or the module of a namespace, and what they call it."""
        if self._held is None:
            self._held = {}
            for module in list(sys.modules.values()):
                for alias, held in list(vars(module).items()) if self._text(module) is not None else ():
                    if not isinstance(held, _ATOMS):
                        key = id(vars(held)) if isinstance(held, ModuleType) else id(held)
                        self._held.setdefault(key, []).append((module, alias))
        return self._held.get(id(value), ())

    def is_changed(self, owner: Owner, value: object) -> bool:
        """Tell whether a function of the project rebinds a global, or changes its value in place."""
        file, name = owner.file, owner.name
        if file is not None:
            if file.changes(name):
                return True
        elif self._changed_by_functions(owner.space, name):
            return True
        others = self._aliases(owner, value)[owner.file is not None :]
        return any(other.changes(alias) for _, other, alias in others)

    def _changed_by_functions(self, space: Space, name: str) -> bool:
        for function in list(space.values()):
            if not isinstance(function, FunctionType) or function.__globals__ is not space:
                continue
            if name not in global_names(function.__code__):
                continue
            source = self._sources.file(function.__code__.co_filename)
            if source and any(name in mutated(tree) for tree in source.function(function.__code__)):
                return True
        return False

    def _text(self, module: object) -> bytes | None:
        # sys.modules may hold anything.
        if not isinstance(module, ModuleType):
            return None
        name = getattr(module, "__file__", None)
        if not isinstance(name, str) or not name.endswith(".py") or not self._origins.owns_module(module):
            return None
        return self._sources.data(name)


def has_literal_value(binding: Binding, value: object) -> bool:
    """Tell whether a global still holds the literal it was assigned."""
    try:
        literal = ast.literal_eval(binding.tree)
    except ValueError:
        return False
    if type(literal) is not type(value):
        return False
    return constant_text(literal) == constant_text(value) if isinstance(value, float) else literal == value


def _imported(binding: Binding, space: Mapping[str, object], name: str) -> tuple[str, str]:
    """Say which module an import statement reads, and which name of it; no name for ``import module``."""
    tree = binding.tree
    if isinstance(tree, ast.Import):
        return next((a.name for a in tree.names if a.asname == name), name), ""
    assert isinstance(tree, ast.ImportFrom)
    return absolute(tree, space), name if binding.original == "*" else binding.original


def absolute(tree: ast.ImportFrom, space: Mapping[str, object]) -> str:
    """Spell the module of a ``from`` import without leading dots."""
    if not tree.level:
        return tree.module or ""
    package = str(space.get("__package__") or "").split(".")
    steps = package[: len(package) - tree.level + 1]
    return ".".join([*steps, tree.module] if tree.module else steps)
