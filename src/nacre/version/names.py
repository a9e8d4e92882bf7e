"""Resolves the names that a text of the project mentions, as the code itself would, and reaches what they mean.

A global that the project's code changes is state: it enters by the statements that initialise it, never by its live
value. What a name means is decided once per namespace.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Protocol

from nacre.encoding import digest, digest_texts
from nacre.version.dynamic import (
    SUBCLASSES,
    WATCHED,
    owner_of,
    reaches_anything,
    reaches_its_module,
    subclasses,
)
from nacre.version.live import Reacher, Speller
from nacre.version.normal import Normal, dotted, expressions_text, is_literal
from nacre.version.piece import VARIABLE, Links, Piece, label_of
from nacre.version.space import Owner, Space, Spaces, absolute, has_literal_value

DOCSTRING = "__doc__"
# Calls that make the same of the same arguments, everywhere.
_PLAIN = frozenset(
    {
        *(
            "builtins.dict",
            "builtins.frozenset",
            "builtins.list",
            "builtins.range",
            "builtins.set",
            "builtins.tuple",
        ),
        *("collections.OrderedDict", "collections.defaultdict", "collections.deque", "decimal.Decimal"),
        *("datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "pathlib.Path"),
        *("_thread.allocate_lock", "_thread.lock", "logging.getLogger", "re.compile", "threading.RLock"),
    }
)
_CODE = (FunctionType, type, ModuleType, BuiltinFunctionType)


class CodeReacher(Reacher, Protocol):
    """What resolving needs beyond what spelling does."""

    def external(self, module: str, label: str, inside: list[Piece]) -> Piece:
        """Reach something that is not the project's, by the distribution it comes from."""
        ...

    def own_code(self, value: object) -> Piece | None:
        """Reach a function or class of the project; None for anything else."""
        ...

    def project(self) -> Piece:
        """Reach every source file of the project."""
        ...


class Names:
    """Resolves names, each once per namespace.

    Args:
        reacher: Turns functions, classes and modules into pieces.
        spaces: The namespaces of modules.
    """

    def __init__(self, reacher: CodeReacher, spaces: Spaces) -> None:
        self._reacher = reacher
        self._origins = reacher.origins
        self._spaces = spaces
        self._globals: dict[tuple[int, str], tuple[Piece | None, bool]] = {}
        # Ids stand for namespaces only as long as these live.
        self._alive: list[Space] = []

    def links(self, piece: Piece, normal: Normal, space: Space, scope: set[str] | None) -> Links:
        """Resolve the names a text mentions; ``scope`` limits them to those read as globals."""
        links: dict[str, Piece] = {}
        local = self._imported(piece, normal, space) if normal.imports else {}
        for module, attribute in normal.modules:
            piece.is_static = False
            found, label = self._imported_chain((module, ""), module, attribute)
            self._add(links, piece, found, f"import {label}", 0)
        for chain, line in (*normal.names.items(), *normal.chains.items()):
            root, _, rest = chain.partition(".")
            if chain.endswith(DOCSTRING):
                found, label = self._docstring(piece, chain, space, line), chain
            elif root in local:
                found, label = self._imported_chain(local[root], root, rest)
                if local[root][1] == "import_module" or rest == "import_module":
                    self._watched(links, piece, chain, {root: import_module, "importlib": importlib}, line)
            elif scope is not None and root not in scope and not chain.endswith(SUBCLASSES):
                continue
            else:
                found, label, fixed = self._chain(space, chain)
                piece.is_static = piece.is_static and fixed
                if chain.rpartition(".")[2] in WATCHED or space.get(root) is import_module:
                    self._watched(links, piece, chain, space, line)
            self._add(links, piece, found, label, line)
        for chain, name, line in normal.variables:
            if _is_environment(chain, space, local):
                links[f"{VARIABLE} {name}"] = Piece(
                    digest(VARIABLE, name), f"{VARIABLE} {name}" if name else ""
                )
                if not name:
                    meaning = 'deps=[Env("X")] must say which counts'
                    self._warn(piece, "uses variables whose names it computes", line, meaning)
        return list(links.items())

    def _docstring(self, piece: Piece, chain: str, space: Space, line: int) -> Piece | None:
        """Reach a docstring that code reads: of a global, of its module, or of the class it is written in."""
        root = chain.removesuffix(DOCSTRING).removesuffix(".")
        named = looked_up(root, space) if root else sys.modules.get(str(space.get("__name__")))
        if root.partition(".")[0] in ("self", "cls"):
            named = owner_of(piece.name, space)
        if named is None:
            self._warn(piece, "reads a docstring of what it is given", line, "docstrings do not count there")
            return None
        return Piece(digest("docstring", str(getattr(named, "__doc__", ""))))

    def _add(self, links: dict[str, Piece], piece: Piece, found: Piece | None, label: str, line: int) -> None:
        if found is not None:
            links[label] = found
            if found.is_whole:
                self._warn(piece, f"uses module `{label}` as a value", line, f"all of {label} counts")

    def _warn(self, piece: Piece, what: str, line: int, meaning: str) -> None:
        place = f"{piece.place.rpartition(':')[0]}:{line}" if line else piece.place
        piece.warnings += (f"`{piece.name}` {what} ({place}), so {meaning}",)

    def _watched(self, links: dict[str, Piece], piece: Piece, chain: str, space: Space, line: int) -> None:
        """Reach what a look-up by a computed name may find."""
        value = looked_up(chain, space)
        if reaches_anything(value):
            piece.is_static = False
            if line:  # with a literal, what it imports is known
                links["project"] = self._reacher.project()
                self._warn(piece, f"calls {chain}", line, "every source file of the project counts")
        elif reaches_its_module(value):
            module = sys.modules.get(str(space.get("__name__")))
            found = (
                self._reacher.code(module) if module and vars(module) is space else self._reacher.project()
            )
            if found is not None:
                links["globals()"] = found
                self._warn(piece, f"calls {chain}", line, "all of its module counts")
        elif chain.endswith(f".{SUBCLASSES}"):
            piece.is_static = False
            named = looked_up(chain.removesuffix(f".{SUBCLASSES}"), space)
            kind = named if isinstance(named, type) else owner_of(piece.name, space)
            below = subclasses(kind) if isinstance(kind, type) else []
            reached = [self._reacher.own_code(each) for each in below]
            links |= {f"below {at}": each for at, each in enumerate(reached) if each is not None}
            if not isinstance(kind, type):
                links["project"] = self._reacher.project()
                self._warn(piece, f"calls {chain}", line, "every source file of the project counts")

    def _chain(self, space: Space, chain: str) -> tuple[Piece | None, str, bool]:
        """Resolve ``util.deep``: through the project's modules to the first thing that is not one."""
        steps, at, is_fixed = chain.split("."), 0, True
        while at + 1 < len(steps):
            value = space.get(steps[at])
            if not isinstance(value, ModuleType) or not self._origins.owns_module(value):
                break
            if steps[at + 1] not in vars(value):
                if "__getattr__" in vars(value):
                    return self._lazy(value, steps[at + 1]), ".".join(steps[: at + 2]), False
                break
            is_fixed = is_fixed and (at > 0 or self._spaces.owner(space, steps[at]).is_fixed)
            space, at = vars(value), at + 1
        found, fixed = self.reach(space, steps[at])
        return found, ".".join(steps[: at + 1]), fixed and is_fixed

    def _lazy(self, module: ModuleType, name: str) -> Piece:
        """Reach what a module gives when it is asked for a name it does not have (PEP 562), and how it does so."""
        piece = Piece(digest("lazy", name))
        piece.is_static = False
        found = (vars(module)["__getattr__"], getattr(module, name, None))
        piece.links = [("", Speller(self._reacher).piece(each)) for each in found]
        return piece

    def _imported(self, piece: Piece, normal: Normal, space: Space) -> dict[str, tuple[str, str]]:
        """Map the names bound by imports inside a function to module and name there."""
        local: dict[str, tuple[str, str]] = {}
        for tree in normal.imports:
            for alias in tree.names:
                if isinstance(tree, ast.ImportFrom):
                    local[alias.asname or alias.name] = (absolute(tree, space), alias.name)
                else:
                    top = alias.name.partition(".")[0]
                    local[alias.asname or top] = (alias.name if alias.asname else top, "")
                    self._load(alias.name)
        piece.is_static = False
        return local

    def _load(self, module: str) -> ModuleType | None:
        """Import a module of the project that a function imports when it runs; others are known by version."""
        if module in sys.modules:
            return sys.modules[module]
        top = module.partition(".")[0]
        try:
            known = sys.modules.get(top) or importlib.util.find_spec(top)
            path = getattr(known, "__file__", None) or getattr(known, "origin", None) or ""
            return import_module(module) if path and self._origins.owns_file(path) else None
        except (ImportError, ValueError):
            return None

    def _imported_chain(self, origin: tuple[str, str], root: str, rest: str) -> tuple[Piece | None, str]:
        module, name = origin
        loaded = self._load(module)
        if loaded is None or not self._origins.owns_module(loaded):
            if self._origins.is_framework(loaded) or not module.partition(".")[0]:
                return None, root
            return self._reacher.external(module, f"{module}:{name}", []), root
        if name and name not in vars(loaded):
            # A submodule is no attribute of its package until it is imported.
            loaded = self._load(f"{module}.{name}") or loaded
            name = "" if loaded.__name__ == f"{module}.{name}" else name
        chain = ".".join(filter(None, (name, rest)))
        if not chain:
            return self._reacher.code(loaded), root
        found, label, _ = self._chain(vars(loaded), chain)
        return found, f"{root} {label}"

    def reach(self, space: Space, name: str) -> tuple[Piece | None, bool]:
        """Reach what a global name means; None where the name alone says it."""
        key = (id(space), name)
        known = self._globals.get(key)
        if known is None:
            self._alive.append(space)
            known = self._globals[key] = self._resolved(space, name)
        return known

    def _resolved(self, space: Space, name: str) -> tuple[Piece | None, bool]:
        if name not in space:
            return None, hasattr(builtins, name)
        if name.startswith("__") and name.endswith("__"):
            # A module's own name and file differ between checkouts, and between a script and an import.
            return None, True
        value, owner = space[name], self._spaces.owner(space, name)
        if id(value) in self._reacher.ignored:
            return Piece(digest("ignored", name)), False
        if owner.external and isinstance(value, _CODE):
            return self._imported_value(value, owner), owner.is_fixed
        coded = isinstance(value, FunctionType | type | ModuleType)
        assigned = not owner.bindings or any(b.kind in ("literal", "value") for b in owner.bindings)
        if isinstance(value, ModuleType) or (
            coded and not (assigned and self._spaces.is_changed(owner, value))
        ):
            spelt = Speller(self._reacher).piece(value)
            # What a class statement or a function says of itself comes later, and is better.
            spelt.place = spelt.place or owner.place
            return spelt, owner.is_fixed and owner.kind in ("def", "class", "import")
        if owner.space is not space and owner.space.get(owner.name) is value:
            found, fixed = self.reach(owner.space, owner.name)
            return found, fixed and owner.is_fixed
        return self._constant(owner, value)

    def _imported_value(self, value: object, owner: Owner) -> Piece | None:
        if self._origins.is_framework(value):
            return None
        if getattr(value, "__nacre_stable__", None) is not None or self._reacher.own_code(value) is not None:
            return self._reacher.code(value)
        module = owner.external.partition(":")[0]
        inside = [] if isinstance(value, type | ModuleType) else self._reacher.hidden(value)
        return self._reacher.external(module, owner.external, inside)

    def _constant(self, owner: Owner, value: object) -> tuple[Piece | None, bool]:
        # What a decorator made of a definition goes by the definition's name already.
        piece = Piece(digest("global"), "" if owner.kind in ("def", "class") else owner.name, owner.place)
        speller = Speller(self._reacher)
        is_state = self._spaces.is_changed(owner, value)
        spelt = None if is_state else speller.piece(value)
        is_state = is_state or speller.is_state
        if speller.unknown and owner.external and not is_state:
            # Made and kept by whom it is imported from: the version of that says what it is.
            return self._reacher.external(
                owner.external.partition(":")[0], owner.external, []
            ), owner.is_fixed
        if is_state or speller.unknown:
            self._initial(piece, owner, value)
        inside = self._registered(value) if is_state else []
        piece.links += [("inside", found) for found in inside]
        if spelt is not None and not is_state:
            piece.links.append(("value", spelt))
            where = f"global `{owner.name}`" + (f" ({owner.place})" if owner.place else "")
            piece.unknowns = tuple(f"{where} is {kind}" for kind in speller.unknown)
        fixed = owner.is_fixed and not speller.unknown and not inside
        return piece, fixed and (is_state or self._is_fixed_value(owner, value))

    def _is_fixed_value(self, owner: Owner, value: object) -> bool:
        if owner.kind == "literal":
            return has_literal_value(owner.bindings[0], value)
        if owner.kind == "value":
            return self._is_plain_call(owner.bindings[0].tree, owner.space)
        # A definition whose decorator made something of it: whether that is fixed, the definition says.
        return owner.kind in ("def", "class")

    def _is_plain_call(self, tree: ast.AST, space: Space) -> bool:
        """Recognise ``logging.getLogger(__name__)``, ``re.compile("…")``, ``Asset("…")``: calls with one meaning."""
        if not isinstance(tree, ast.Call):
            return is_literal(tree) or (isinstance(tree, ast.Name) and tree.id == "__name__")
        made = evaluated(tree, space)
        name = (
            f"{getattr(made, '__module__', '')}".partition(".")[0] + f".{getattr(made, '__qualname__', '')}"
        )
        if name not in _PLAIN and not (isinstance(made, type) and self._origins.is_framework(made)):
            return False
        root = (dotted(tree.func) or "").partition(".")[0]
        if root in space and not self._spaces.owner(space, root).is_fixed:
            return False
        return all(
            self._is_plain_call(each, space) for each in (*tree.args, *(k.value for k in tree.keywords))
        )

    def _registered(self, value: object) -> list[Piece]:
        """Reach the code in a registry: what is registered while importing counts, what is remembered does not."""
        is_registry = isinstance(value, dict | list | tuple | set | frozenset) or self._origins.owns_class(
            type(value)
        )
        return self._reacher.hidden(value) if is_registry else []

    def _initial(self, piece: Piece, owner: Owner, value: object) -> None:
        """Identify a global by the statements that initialise it, and by those that fill it at import."""
        bound = [binding.tree for binding in owner.bindings]
        texts = [(expressions_text(bound), owner.space)]
        for space, trees in self._spaces.settings(owner, value):
            texts.append((expressions_text(t for t in trees if not any(t is each for each in bound)), space))
        texts[1:] = sorted(texts[1:], key=lambda each: each[0].text)
        piece.local = digest_texts("initial", [normal.text for normal, _ in texts])
        # One statement may fill two globals: each is then part of what initialises the other.
        self._globals[id(owner.space), owner.name] = (piece, False)
        piece.links += self.expressions(piece, texts, owner.name)

    def expressions(self, piece: Piece, texts: Sequence[tuple[Normal, Space]], name: str) -> Links:
        """Resolve what expressions mention, each in its namespace, apart from the name they are about."""
        links: Links = []
        for at, (normal, space) in enumerate(texts):
            names = {each: line for each, line in normal.names.items() if each != name}
            found = self.links(piece, normal._replace(names=names), space, None)
            links += [(f"{at} {label}" if at else label, each) for label, each in found]
        return sorted(links, key=label_of)


def _is_environment(chain: str, space: Space, local: Mapping[str, tuple[str, str]]) -> bool:
    """Tell whether a chain means ``os.environ`` or ``os.getenv``, here or by an import inside the function."""
    root, _, rest = chain.partition(".")
    if root in local:
        return ".".join(filter(None, (*local[root], rest))) in ("os.environ", "os.getenv")
    value = looked_up(chain, space)
    named = value if isinstance(value, FunctionType) else type(value)
    return f"{named.__module__}.{named.__qualname__}" in ("os.getenv", "os._Environ")


def evaluated(decorator: ast.expr, space: Space) -> object:
    """Look up what a decorator expression names, without calling it."""
    return looked_up(dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) or "", space)


def looked_up(chain: str, space: Space) -> object:
    """Look up a dotted chain without running anything of the project's."""
    root, *steps = chain.split(".")
    value = space.get(root, getattr(builtins, root, None))
    for step in steps:
        if not isinstance(value, ModuleType | type):
            # `@raw.with_options(…)`: whose it is, the object says.
            return value
        value = getattr(value, step, None)
    return value
