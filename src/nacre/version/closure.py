"""Collects what a function reaches: from live objects, so that aliases, re-exports and registries are exact.

Code is reached once, however often it is mentioned. Text and place come from the source files; what has no source is
identified by its bytecode, and said to be.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MappingProxyType, ModuleType

from nacre.encoding import digest, digest_bytes, digest_texts
from nacre.version.binding import Bindings, mutated
from nacre.version.bytecode import bytecode_digest, global_names
from nacre.version.content import of_made_class
from nacre.version.dynamic import Project
from nacre.version.live import Speller, held, inside
from nacre.version.names import Names, evaluated, looked_up
from nacre.version.normal import (
    Function,
    Normal,
    annotations_text,
    class_text,
    expressions_text,
    function_text,
    is_literal,
    module_text,
)
from nacre.version.origin import Origins
from nacre.version.piece import Piece, label_of
from nacre.version.source import SourceFile, Sources
from nacre.version.space import Space, Spaces, has_literal_value

Members = list[tuple[str, object]]
_DISPLAYS = (ast.List, ast.Dict, ast.Set)
# Decorators of these modules mean the same everywhere.
_KNOWN = frozenset({"abc", "builtins", "contextlib", "dataclasses", "enum", "functools", "typing"})
_MAKERS = frozenset(
    {"__init__", "__post_init__", "__new__", "__set_name__", "__init_subclass__", "__setstate__"}
)
_NOTHING = Normal("")


class Closure:
    """Turns live objects into pieces, each once.

    Args:
        sources: The source files.
        origins: Whose code an object is.
        spaces: The namespaces of modules.
        ignored: Objects by id that count as their name only.
    """

    def __init__(
        self,
        sources: Sources,
        origins: Origins,
        spaces: Spaces,
        ignored: Mapping[int, object] = MappingProxyType({}),
    ) -> None:
        self.origins = origins
        self.ignored = ignored
        self._sources = sources
        self._spaces = spaces
        self._pieces: dict[int, Piece] = {}
        # Ids stand for objects only as long as these live.
        self._alive: list[object] = []
        self._pending: list[tuple[Piece, FunctionType | type | ModuleType]] = []
        self._annotations: dict[tuple[int, str], Piece] = {}
        self._names = Names(self, spaces)
        self._project = Project(sources, self)
        self._distributions: dict[str, Piece] = {}

    def reach(self, value: object) -> Piece:
        """Make the piece of a value, with everything below it in place."""
        piece = None if self.origins.is_framework(value) else self.code(value)
        if piece is None:
            piece = Speller(self).piece(value)
        self._drain()
        return piece

    def _drain(self) -> None:
        while self._pending:
            todo, code = self._pending.pop()
            if isinstance(code, FunctionType):
                self._function(todo, code)
            elif isinstance(code, ModuleType):
                self._module(todo, code)
            else:
                self._class(todo, code)

    def project(self) -> Piece:
        """Reach every source file of the project."""
        return self._project.piece()

    def dependencies(self, values: Iterable[object]) -> Piece:
        """Reach functions, classes and modules that a task says it depends on, in any order."""
        piece = Piece(digest("dependencies"))
        piece.is_unordered, piece.is_static = True, False
        piece.links = [("", self.reach(getattr(value, "fn", value))) for value in values]
        return piece

    def annotations(self, function: FunctionType) -> Piece:
        """Make the piece of the annotations of a function's parameters: they choose how inputs are loaded."""
        while isinstance(wrapped := getattr(function, "__wrapped__", None), FunctionType):
            function = wrapped
        source = self._source(function)
        normal = annotations_text(source.function(function.__code__)[0]) if source else _NOTHING
        key = (id(function.__globals__), normal.text)
        if key not in self._annotations:
            self._annotations[key] = self._annotated(normal, function.__globals__)
        return self._annotations[key]

    def _annotated(self, normal: Normal, space: Space) -> Piece:
        piece = Piece(digest("annotations", normal.text))
        # An asset named in an annotation is an input: what it computes is its own affair.
        names, chains = (
            {
                name: line
                for name, line in each.items()
                if not self.origins.is_framework(looked_up(name, space))
            }
            for each in (normal.names, normal.chains)
        )
        piece.links = self._names.links(piece, Normal("", names, chains), space, None)
        piece.links.sort(key=label_of)
        self._drain()
        return piece

    # What spelling asks for.

    def code(self, value: object) -> Piece | None:
        """Reach a function, class or module; None for anything else."""
        if not isinstance(value, FunctionType | type | ModuleType | BuiltinFunctionType):
            return None
        if id(value) in self._pieces:
            return self._pieces[id(value)]
        piece = self._leaf(value)
        if piece is None:
            if isinstance(value, BuiltinFunctionType):
                if value.__self__ is not None and not isinstance(value.__self__, ModuleType):
                    return None
                piece = self.external(value.__module__ or "builtins", _qualname(value), [])
            else:
                piece = self._written(value)
        self._pieces[id(value)] = piece
        self._alive.append(value)
        if not piece.local:
            # Content comes later, so that functions may reach each other.
            self._pending.append((piece, value))  # type: ignore[arg-type]  # only the three kinds are left empty
        return piece

    def _leaf(self, value: FunctionType | type | ModuleType | BuiltinFunctionType) -> Piece | None:
        """Make the piece of code that does not count by what it contains; None for all other."""
        name = _qualname(value)
        if id(value) in self.ignored:
            return Piece(digest("ignored", name))
        pin = _pin(value)
        if pin is not None:
            return Piece(digest("stable", name, pin), f"stable {name}", self._place(value), pin)
        key = vars(value).get("__fp_key__") if isinstance(value, type) else None
        if key is None or (callable(key) and not isinstance(key, classmethod | staticmethod)):
            return None
        piece = Piece(digest("key", name), name, self._place(value))
        called = value.__fp_key__() if callable(key) else key  # type: ignore[union-attr]  # a class that has it
        piece.links, piece.is_static = [("", self._value(piece, called, "the key"))], False
        return piece

    def _written(self, value: FunctionType | type | ModuleType) -> Piece:
        """Make the piece of code that was written down: empty as yet where the project's own, else by distribution."""
        if isinstance(value, FunctionType):
            if not self.origins.owns_function(value):
                module = str(value.__globals__.get("__name__"))
                return self.external(module, value.__code__.co_name, self.hidden(value))
        elif isinstance(value, ModuleType):
            if not self.origins.owns_module(value):
                return self.external(value.__name__, "", [])
        elif not self.origins.owns_class(value):
            return self.external(value.__module__, _qualname(value), [])
        piece = Piece("")
        piece.is_whole = isinstance(value, ModuleType)
        return piece

    def _place(self, value: object) -> str:
        """Say where a function or class is defined, without asking whether it still is what runs."""
        if isinstance(value, FunctionType):
            code, source = value.__code__, self._source(value)
            tree = source.definitions.get((code.co_name, code.co_firstlineno)) if source else None
            return f"{self.origins.place(code.co_filename)}:{tree.lineno if tree else code.co_firstlineno}"
        found = self._class_source(value) if isinstance(value, type) else None
        return f"{found[0].place}:{found[1].lineno}" if found else ""

    def hidden(self, value: object) -> list[Piece]:
        """Reach the project's functions inside an object that is not the project's: wrappers, registries."""
        found = [piece for each in inside(value) if (piece := self.own_code(each)) is not None]
        if not found:
            return []
        # What it holds first depends on what was called first (singledispatch remembers).
        gathered = Piece(digest("inside"))
        gathered.is_unordered = True
        gathered.links = [("", piece) for piece in found]
        return [gathered]

    def changes_itself(self, kind: type) -> bool:
        """Tell whether a method of a class, other than those that make instances, changes the instance."""
        for each in kind.__mro__:
            found = self._class_source(each) if self.origins.owns_class(each) else None
            for method in found[1].body if found else ():
                if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) or method.name in _MAKERS:
                    continue
                first = [*method.args.posonlyargs, *method.args.args][:1]
                if first and first[0].arg in mutated(method):
                    return True
        return False

    def own_code(self, value: object) -> Piece | None:
        """Reach a function or class of the project; None for anything else."""
        if isinstance(value, FunctionType):
            own = self.origins.owns_function(value)
        else:
            own = isinstance(value, type) and self.origins.owns_class(value)
        return self.code(value) if own and not self.origins.is_framework(value) else None

    def external(self, module: str, label: str, inside: list[Piece]) -> Piece:
        """Reach something that is not the project's, by the distribution it comes from."""
        distributions = self.origins.distributions(module)
        # Names inside the standard library move between its versions; those of its modules do not.
        top = module.partition(".")[0]
        piece = Piece(digest("external", top, label if distributions or inside else label.rpartition(".")[2]))
        for name, version in distributions:
            if name not in self._distributions:
                text = digest("distribution", name, version)
                self._distributions[name] = Piece(text, f"dist {name}", "", version)
                self._distributions[name].is_static = version != "?"
            piece.links.append(("distribution", self._distributions[name]))
        piece.links += [("inside", link) for link in inside]
        return piece

    # Functions.

    def _source(self, function: FunctionType) -> SourceFile | None:
        return self._sources.file(function.__code__.co_filename, function.__globals__.get("__loader__"))

    def _function(self, piece: Piece, function: FunctionType) -> None:
        code, space, source = function.__code__, function.__globals__, self._source(function)
        # What ``wraps`` copied is the name of another function.
        piece.name = code.co_qualname if "__wrapped__" in function.__dict__ else function.__qualname__
        if source is None:
            self._sourceless(piece, function)
            return
        trees = source.function(code)
        tree = trees[0]
        piece.place = f"{source.place}:{tree.lineno}"
        decorators = [] if isinstance(tree, ast.Lambda) else self._kept(tree.decorator_list, space)
        outside = expressions_text(decorators)
        texts = [function_text(each) for each in trees]
        docstring = self._docstring(tree, [evaluated(each, space) for each in decorators])
        piece.local = digest_texts("function", [outside.text, *[t.text for t in texts], *docstring])
        scope = global_names(code)
        for normal in texts:
            piece.links += self._names.links(piece, normal, space, scope)
        if decorators:
            piece.links += self._names.links(piece, outside, space, None)
        if function.__defaults__ or function.__kwdefaults__:
            piece.links += self._defaults(piece, function, tree)
        if code.co_freevars:
            piece.links += self._cells(piece, function, source, tree)
        if function.__dict__:
            piece.links += self._attributes(piece, function)
        piece.links.sort(key=label_of)
        piece.is_static = piece.is_static and self._is_static(function, source, tree, decorators)

    def _is_static(
        self, function: FunctionType, source: SourceFile, tree: Function, decorators: list[ast.expr]
    ) -> bool:
        if isinstance(tree, ast.Lambda) or function.__closure__ or function.__dict__ or not source.lasting:
            return False
        owner, _, name = function.__qualname__.rpartition(".")
        if owner:
            classes = source.classes(owner)
            fixed = len(classes) == 1 and any(tree is each for each in classes[0].body)
        else:
            bindings = source.bindings().names.get(name, ())
            fixed = len(bindings) == 1 and bindings[0].tree is tree and not bindings[0].conditional
        literal = all(map(is_literal, [*tree.args.defaults, *filter(None, tree.args.kw_defaults)]))
        return fixed and literal and self._are_known(decorators, function.__globals__)

    def _docstring(self, tree: ast.AST, above: Iterable[object]) -> list[str]:
        """Give the docstring of what a library decorates or is the base of: it may be a prompt or a description."""
        modules = (str(getattr(each, "__module__", None) or type(each).__module__) for each in above)
        found = (version for module in modules for _, version in self.origins.distributions(module))
        if isinstance(tree, ast.Lambda) or all(version == "?" for version in found):
            return []
        return [ast.get_docstring(tree, clean=False) or ""]  # type: ignore[arg-type]  # a definition, with a body

    def _are_known(self, decorators: Iterable[ast.expr], space: Space) -> bool:
        values = (evaluated(decorator, space) for decorator in decorators)
        return all((getattr(v, "__module__", None) or "builtins").partition(".")[0] in _KNOWN for v in values)

    def _sourceless(self, piece: Piece, function: FunctionType) -> None:
        code = function.__code__
        piece.local = bytecode_digest(code)
        piece.place = f"{self.origins.place(code.co_filename)}:{code.co_firstlineno}"
        piece.warnings += (f"`{piece.name}` ({piece.place}) has no source, so its bytecode counts",)
        names = global_names(code)
        normal = Normal("", dict.fromkeys(names, code.co_firstlineno))
        piece.links += self._names.links(piece, normal, function.__globals__, names)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            piece.links.append((f"cell {name}", self._value(piece, held(cell), f"variable `{name}`")))
        for at, default in enumerate(function.__defaults__ or ()):
            piece.links.append((f"default {at}", self._value(piece, default, "a default")))
        piece.links.sort(key=label_of)
        piece.is_static = False

    def _kept(self, decorators: list[ast.expr], space: Space) -> list[ast.expr]:
        """Leave out the framework's decorators: what they say is not what the function computes."""
        return [d for d in decorators if not self.origins.is_framework(evaluated(d, space))]

    def _defaults(self, piece: Piece, function: FunctionType, tree: Function) -> Iterator[tuple[str, Piece]]:
        arguments = tree.args
        named = (
            [*arguments.posonlyargs, *arguments.args][-len(arguments.defaults) :]
            if arguments.defaults
            else []
        )
        trees = {each.arg: default for each, default in zip(named, arguments.defaults, strict=True)}
        pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        trees |= {each.arg: default for each, default in pairs if default is not None}
        values = dict(zip((each.arg for each in named), function.__defaults__ or (), strict=False))
        for name, value in (values | (function.__kwdefaults__ or {})).items():
            default = trees.get(name)
            if isinstance(default, _DISPLAYS) and is_literal(default):
                # A list made once per definition, not per call: it may have grown since.
                yield f"default {name}", Piece(digest("state", expressions_text([default]).text))
            else:
                yield f"default {name}", self._value(piece, value, f"the default of `{name}`")

    def _cells(
        self, piece: Piece, function: FunctionType, source: SourceFile, tree: Function
    ) -> Iterator[tuple[str, Piece]]:
        changed = mutated(source.outermost(tree))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            value = held(cell)
            if name == "__class__":
                continue
            if name in changed and not isinstance(value, FunctionType | type):
                yield f"cell {name}", Piece(digest("state"))
            else:
                yield f"cell {name}", self._value(piece, value, f"variable `{name}`")

    def _attributes(self, piece: Piece, function: FunctionType) -> Iterator[tuple[str, Piece]]:
        for name, value in function.__dict__.items():
            if not name.startswith("__") and name not in ("pytestmark",):
                yield f"attribute {name}", self._value(piece, value, f"attribute `{name}`")

    def _value(self, piece: Piece, value: object, what: str) -> Piece:
        speller = Speller(self)
        found = speller.piece(value)
        for kind in speller.unknown:
            piece.unknowns += (f"{what} of {piece.name} ({piece.place}) is {kind}",)
        return found

    # Classes and modules.

    def _class_source(self, kind: type) -> tuple[SourceFile, ast.ClassDef] | None:
        module = sys.modules.get(kind.__module__)
        source = self._spaces.file(vars(module)) if module else None
        methods = [v for v in vars(kind).values() if isinstance(v, FunctionType)]
        if source is None and methods:
            source = self._source(methods[0])
        found = source.classes(kind.__qualname__) if source else []
        lines = {m.__code__.co_firstlineno for m in methods}
        fitting = [t for t in found if any(t.lineno <= n <= (t.end_lineno or 0) for n in lines)]
        return (source, (fitting or found)[-1]) if source and found else None

    def _class(self, piece: Piece, kind: type) -> None:
        piece.name = kind.__qualname__
        found = self._class_source(kind)
        bases = [("base", base) for base in kind.__bases__ if base is not object]
        if type(kind) is not type:
            bases.append(("metaclass", type(kind)))
        if found is None:
            members = self._made_class(piece, kind)
        else:
            members = self._class_text(piece, kind, *found)
        for label, value in [*members, *bases]:
            piece.links.append((label, self._value(piece, value, f"`{label}`")))
        # Bases stay in their order: sorting is stable.
        piece.links.sort(key=label_of)

    def _made_class(self, piece: Piece, kind: type) -> Members:
        """Identify a class that no class statement made by what it holds."""
        module = sys.modules.get(kind.__module__)
        piece.local, piece.is_static = digest("made class"), False
        if module is not None and not piece.place:
            source = self._spaces.file(vars(module))
            piece.place = self._spaces.owner(vars(module), kind.__qualname__).place
            piece.place = piece.place or (f"{source.place}:1" if source else "")
        return list(of_made_class(kind))

    def _class_text(self, piece: Piece, kind: type, source: SourceFile, tree: ast.ClassDef) -> Members:
        module = sys.modules.get(kind.__module__)
        space = vars(module) if module else {}
        piece.place = f"{source.place}:{tree.lineno}"
        decorators = self._kept(tree.decorator_list, space)
        outside, inside = expressions_text([*decorators, *tree.bases]), class_text(tree)
        docstring = self._docstring(
            tree, [*kind.__mro__[1:], type(kind), *(evaluated(each, space) for each in decorators)]
        )
        piece.local = digest("class", outside.text, inside.text, *docstring)
        for normal in (outside, inside):
            piece.links += self._names.links(piece, normal, space, None)
        unique = len(source.classes(kind.__qualname__)) == 1 and "<locals>" not in kind.__qualname__
        piece.is_static = piece.is_static and unique and source.lasting and self._are_known(decorators, space)
        if unique and module is not None:
            self._attached(piece, kind, space)
        return self._members(piece, kind, source, tree)

    def _attached(self, piece: Piece, kind: type, space: Space) -> None:
        """Count what the project sets on a class from outside its body, by the statements that do so at import."""
        owner = self._spaces.owner(space, kind.__qualname__)
        for name in self._spaces.attached(owner, kind):
            set_by = self._spaces.settings(owner, kind, f".{name}")
            texts = [(expressions_text(trees), space) for space, trees in set_by]
            texts.sort(key=lambda each: each[0].text)
            if texts:
                attribute = Piece(digest_texts("attached", [name, *[text.text for text, _ in texts]]))
                attribute.links = self._names.expressions(attribute, texts, owner.name)
                piece.links.append((f"attached {name}", attribute))
                piece.is_static = False

    def _members(self, piece: Piece, kind: type, source: SourceFile, tree: ast.ClassDef) -> Members:
        """List a class's methods, and what its attributes hold beyond what its text says."""
        methods = {s.name for s in tree.body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)}
        members = [(name, value) for name, value in vars(kind).items() if name in methods]
        for name, bindings in Bindings(tree).names.items():
            value = vars(kind).get(name)
            if isinstance(value, dict | list | set):
                # A registry: whoever registers may do so from anywhere.
                piece.links += [(f"inside {name}", each) for each in self.hidden(value)]
            elif (
                len(bindings) == 1
                and bindings[0].kind == "literal"
                and isinstance(value, str | int | float | bytes)
                and not isinstance(value, Enum)
                and not has_literal_value(bindings[0], value)
                and not source.sets_attribute(name)
            ):
                # Neither its text nor any assignment explains it: the file changed, or somebody else set it.
                members.append((f"live {name}", value))
                piece.is_static = False
        return members

    def _module(self, piece: Piece, module: ModuleType) -> None:
        """A module used as a value may be asked for anything: its whole text counts, and all it binds is reached."""
        space, source = vars(module), self._spaces.file(vars(module))
        piece.name, piece.is_static = f"module {module.__name__.rpartition('.')[2]}", False
        file = getattr(module, "__file__", None) or ""
        piece.place = f"{self.origins.place(file)}:1" if file else ""
        if source is None:
            data = self._sources.data(file) if file else None
            piece.local = digest("binary module", digest_bytes(data or b""))
            if data is None:
                piece.warnings += (f"{piece.name} has no source: list what it depends on in deps=",)
            return
        piece.local = digest("module", module_text(source.tree).text)
        bound = source.bindings().names
        for name in sorted(space if "*" in bound else bound):
            found, _ = self._names.reach(space, name)
            # What cannot be seen live is in the text already.
            if found is not None and not found.unknowns:
                piece.links.append((name, found))


def _qualname(value: object) -> str:
    return getattr(value, "__qualname__", "") or getattr(value, "__name__", "")


def _pin(value: object) -> str | None:
    """Read the version that ``@stable`` gave; one that was inherited, or copied by ``wraps``, is not its own."""
    if isinstance(value, ModuleType | BuiltinFunctionType):
        return None
    pin = vars(value).get("__nacre_stable__")
    copied = getattr(getattr(value, "__wrapped__", None), "__nacre_stable__", None)
    return None if pin is None or pin is copied else str(pin)
