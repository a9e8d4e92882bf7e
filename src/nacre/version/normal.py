"""Canonical text of Python syntax trees: what is left of source when everything without meaning is dropped.

Dropped: positions, comments, docstrings and other bare constants, ``pass``, ``if TYPE_CHECKING:`` bodies, annotations
outside class bodies, the name of the definition itself. The text is the same on every Python from 3.11 on, which
``ast.dump`` is not. One pass writes the text and notes the names it reads; nothing is copied or changed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ConstantValue = str | bytes | bool | int | float | complex | None
_DROPPED = frozenset({"ctx", "type_comment", "kind", "type_params", "type_ignores"})
_DEEP = 40_000
_DISPLAYS = (ast.List, ast.Tuple, ast.Set)
_IMPORTERS = frozenset({"__import__", "import_module"})
_LOOKUPS = _IMPORTERS | {"getattr"}
# Ways to look up one variable, and ways to write some: `environ.get("X")`, `environ.update(…)`.
_READERS = frozenset({"get", "getenv", "pop", "setdefault"})
_WRITERS = frozenset({"update", "putenv"})
_ENVIRON = "environ"
_NONE: Mapping[str, int] = MappingProxyType({})


class Normal(NamedTuple):
    """Canonical text and what it mentions.

    Args:
        text: The canonical text; equal texts mean equal behaviour, given equal names.
        names: Bare names, local ones included, with the line of a mention; line 0 where nothing but calls with a
            literal mention it, as in ``import_module("tools")``.
        chains: Attribute chains that start at a name, dotted: ``util.deep``; lines as for names.
        imports: Import statements inside the definition.
        modules: Modules imported by a call with a literal, each with the attribute that is taken of it.
        variables: What looks like a use of the environment: the chain, the variable's name (empty where the name is
            computed, or all are used), and the line.
    """

    text: str
    names: Mapping[str, int] = _NONE
    chains: Mapping[str, int] = _NONE
    imports: Sequence[ast.Import | ast.ImportFrom] = ()
    modules: Sequence[tuple[str, str]] = ()
    variables: Sequence[tuple[str, str, int]] = ()


def function_text(tree: Function) -> Normal:
    """Write a function without its own name, decorators and default values.

    Default values are identified as live values, decorators by ``expressions_text``: both are evaluated where the
    function is defined, not where it runs.
    """

    def write(writer: _Writer) -> None:
        writer.put(type(tree).__name__)
        writer.parameters(tree.args)
        if isinstance(tree, ast.Lambda):
            writer.write(tree.body)
        else:
            writer.body(tree.body)

    return _written(write)


def class_text(tree: ast.ClassDef) -> Normal:
    """Write a class without its own name, decorators, bases and methods; annotations are kept."""

    def write(writer: _Writer) -> None:
        writer.in_class = True
        writer.put("ClassDef")
        for keyword in tree.keywords:
            writer.write(keyword)
        writer.body(s for s in tree.body if not isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef))

    return _written(write)


def expressions_text(trees: Iterable[ast.AST]) -> Normal:
    """Write expressions or statements one after the other."""
    listed = list(trees)

    def write(writer: _Writer) -> None:
        for tree in listed:
            writer.write(tree)

    return _written(write)


def module_text(tree: ast.Module) -> Normal:
    """Write a module whole."""
    return _written(lambda writer: writer.body(tree.body))


def annotations_text(tree: Function) -> Normal:
    """Write the parameter annotations of a function, by position."""
    writer = _Writer()
    arguments = tree.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for each in (*named, arguments.vararg, arguments.kwarg):
        if each is None or each.annotation is None:
            writer.put("-")
        else:
            writer.write(each.annotation)
    return writer.done()


def is_literal(tree: ast.AST) -> bool:
    """Tell whether an expression means the same wherever it is evaluated."""
    if isinstance(tree, ast.Constant):
        return True
    if isinstance(tree, _DISPLAYS):
        return all(map(is_literal, tree.elts))
    if isinstance(tree, ast.Dict):
        return all(key is not None and is_literal(key) for key in tree.keys) and all(
            map(is_literal, tree.values)
        )
    return isinstance(tree, ast.UnaryOp) and isinstance(tree.operand, ast.Constant)


def dotted(tree: ast.AST) -> str | None:
    """Spell a chain of attributes that starts at a name, ``a.b.c``; None for anything else."""
    attributes: list[str] = []
    while isinstance(tree, ast.Attribute):
        attributes.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        return None
    return ".".join((tree.id, *reversed(attributes)))


def constant_text(value: object) -> str:
    """Spell an atomic value with its type, so that ``1``, ``1.0`` and ``True`` differ."""
    kind = type(value)
    if kind is str:
        # repr would depend on which characters this Python's Unicode tables call printable.
        return f"s{len(value)}:{value}"  # type: ignore[arg-type]  # a str here
    if kind is int:
        return f"i{value:x};"
    if kind is float:
        return f"f{value.hex()};"  # type: ignore[attr-defined]  # a float here
    if kind is bytes:
        return f"b{value.hex()};"  # type: ignore[attr-defined]  # bytes here
    if kind is complex:
        return f"c{value.real.hex()},{value.imag.hex()};"  # type: ignore[attr-defined]  # a complex here
    return f"k{value};"


def _written(write: Callable[[_Writer], None]) -> Normal:
    writer = _Writer()
    limit = sys.getrecursionlimit()
    try:
        write(writer)
    except RecursionError:
        # A thousand elifs or added terms compile, so they must have a version; only Python frames are at stake.
        writer = _Writer()
        sys.setrecursionlimit(limit + _DEEP)
        try:
            write(writer)
        finally:
            sys.setrecursionlimit(limit)
    return writer.done()


class _Writer:
    """Writes one definition; an instance is used once."""

    __slots__ = ("chains", "imports", "in_class", "modules", "names", "out", "put", "variables", "whole")

    def __init__(self) -> None:
        self.out: list[str] = []
        self.put = self.out.append
        self.names: dict[str, int] = {}
        self.chains: dict[str, int] = {}
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.modules: list[tuple[str, str]] = []
        self.variables: list[tuple[str, str, int]] = []
        # Chains that may be the environment to the lines of their mentions that no look-up of one variable explains.
        self.whole: dict[str, list[int]] = {}
        self.in_class = False

    def done(self) -> Normal:
        whole = [(chain, "", lines[0]) for chain, lines in self.whole.items() if lines]
        variables = [*self.variables, *whole]
        return Normal("".join(self.out), self.names, self.chains, self.imports, self.modules, variables)

    def write(self, tree: ast.AST) -> None:
        _HANDLERS.get(type(tree), _Writer.shaped)(self, tree)

    def shaped(self, tree: ast.AST) -> None:
        kind = type(tree)
        tag, fields = _SHAPES.get(kind) or _shape(kind)
        self.put(tag)
        for field, label in fields:
            value = getattr(tree, field, None)
            # Absent and empty are the same, so a field a later Python adds changes nothing.
            if value is None:
                continue
            if isinstance(value, ast.AST):
                self.put(label)
                self.write(value)
            elif not isinstance(value, list):
                self.put(label + constant_text(value))
            elif value:
                self.put(label)
                self.sequence(value)
        self.put(")")

    def sequence(self, values: Sequence[object]) -> None:
        if isinstance(values[0], ast.stmt):
            self.body(v for v in values if isinstance(v, ast.stmt))
            return
        self.put("[")
        for value in values:
            if isinstance(value, ast.AST):
                self.write(value)
            else:
                self.put(constant_text(value))
        self.put("]")

    def body(self, statements: Iterable[ast.stmt]) -> None:
        self.put("{")
        self.statements(statements)
        self.put("}")

    def statements(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            kind = type(statement)
            if kind is ast.Pass:
                continue
            if kind is ast.Expr and type(statement.value) is ast.Constant:  # type: ignore[attr-defined]  # an Expr
                continue
            if isinstance(statement, ast.If) and is_type_checking(statement.test):
                self.statements(statement.orelse)
                continue
            self.write(statement)

    def name(self, tree: ast.Name) -> None:
        self.names[tree.id] = tree.lineno
        if tree.id == _ENVIRON:
            self.whole.setdefault(tree.id, []).append(tree.lineno)
        self.put(f"N{tree.id};")

    def constant(self, tree: ast.Constant) -> None:
        self.put(constant_text(tree.value))

    def attribute(self, tree: ast.Attribute) -> None:
        chain = dotted(tree)
        if chain is not None:
            self.chains[chain] = tree.lineno
            if _ENVIRON in chain and (environment := _environment(chain)):
                self.whole.setdefault(environment, []).append(tree.lineno)
            self.put(f"A{chain};")
            return
        self.put(f"Attribute({tree.attr};")
        if isinstance(tree.value, ast.Call):
            self.call(tree.value, tree.attr)
        else:
            self.write(tree.value)
        self.put(")")

    def call(self, tree: ast.Call, attribute: str = "") -> None:
        """Write a call; a look-up by a literal is a mention of what it names."""
        called = getattr(tree.func, "attr", None) or getattr(tree.func, "id", "")
        function = (dotted(tree.func) or "") if called in _LOOKUPS and tree.args else ""
        if function == "getattr" and self.looks_up(tree):
            self.arguments(f"getattr {dotted(tree.args[0])}", tree.args[1:], tree.keywords)
        elif function and called in _IMPORTERS and (module := _absolute(tree.args[0])):
            (self.chains if "." in function else self.names).setdefault(function, 0)
            self.modules.append((module, attribute))
            self.arguments(function, tree.args, tree.keywords)
        else:
            self.shaped(tree)
            chain = (dotted(tree.func) or "") if called in _READERS | _WRITERS and tree.args else ""
            if chain.endswith("getenv"):
                self.variables.append((chain, _text(tree.args[0]), tree.lineno))
            elif chain:
                self.one_variable(_environment(chain), tree.args[0], reads=called in _READERS)

    def subscript(self, tree: ast.Subscript) -> None:
        self.shaped(tree)
        self.one_variable(dotted(tree.value) or "", tree.slice, reads=isinstance(tree.ctx, ast.Load))

    def compare(self, tree: ast.Compare) -> None:
        self.shaped(tree)
        if isinstance(tree.ops[0], ast.In | ast.NotIn):
            self.one_variable(dotted(tree.comparators[0]) or "", tree.left, reads=True)

    def one_variable(self, chain: str, name: ast.expr, *, reads: bool) -> None:
        """Note a look-up of one variable, or a write, where the chain may be the environment."""
        text = _text(name)
        if self.whole.get(chain) and (text or not reads):
            self.whole[chain].pop()
            if reads:
                self.variables.append((chain, text, name.lineno))

    def looks_up(self, tree: ast.Call) -> bool:
        """Note ``getattr(a.b, "c")`` as a mention of ``a.b.c``; false where it is no such call."""
        chain, name = dotted(tree.args[0]), _text(tree.args[1] if len(tree.args) > 1 else None)
        if chain is None or not name.isidentifier():
            return False
        self.names["getattr"] = self.chains[f"{chain}.{name}"] = tree.lineno
        return True

    def arguments(self, function: str, values: Iterable[ast.expr], named: Iterable[ast.keyword]) -> None:
        self.put(f"Call {function}(")
        for each in (*values, *named):
            self.write(each)
        self.put(")")

    def assign(self, tree: ast.Assign) -> None:
        self.assignment(tree.targets, tree.value)

    def annotated(self, tree: ast.AnnAssign) -> None:
        # A field of a dataclass is semantics; a local annotation is not, so `x: int = 1` is `x = 1`.
        if not self.in_class:
            self.assignment([tree.target], tree.value)
            return
        self.put("AnnAssign(")
        self.write(tree.annotation)
        self.assignment([tree.target], tree.value)
        self.put(")")

    def assignment(self, targets: Sequence[ast.expr], value: ast.expr | None) -> None:
        self.put("Assign(")
        for target in targets:
            self.write(target)
        self.put("=")
        if value is not None:
            self.write(value)
        self.put(")")

    def joined(self, tree: ast.JoinedStr) -> None:
        # Pythons differ in how they split the constant text of an f-string.
        self.put("JoinedStr(")
        text = ""
        for value in tree.values:
            if isinstance(value, ast.Constant):
                text += str(value.value)
                continue
            if text:
                self.put(constant_text(text))
            text = ""
            self.write(value)
        if text:
            self.put(constant_text(text))
        self.put(")")

    def function(self, tree: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.put(f"{type(tree).__name__}({tree.name};")
        for decorator in tree.decorator_list:
            self.write(decorator)
        self.inner(tree, tree.body)

    def lambda_(self, tree: ast.Lambda) -> None:
        self.put("Lambda(")
        self.inner(tree, tree.body)

    def inner(self, tree: Function, body: list[ast.stmt] | ast.expr) -> None:
        outer, self.in_class = self.in_class, False
        self.parameters(tree.args)
        for default in (*tree.args.defaults, *tree.args.kw_defaults):
            if default is not None:
                self.write(default)
        if isinstance(body, list):
            self.body(body)
        else:
            self.write(body)
        self.put(")")
        self.in_class = outer

    def class_(self, tree: ast.ClassDef) -> None:
        self.put(f"ClassDef({tree.name};")
        for part in (*tree.decorator_list, *tree.bases, *tree.keywords):
            self.write(part)
        outer, self.in_class = self.in_class, True
        self.body(tree.body)
        self.put(")")
        self.in_class = outer

    def parameters(self, tree: ast.arguments) -> None:
        self.put("(")
        for each in tree.posonlyargs:
            self.put(each.arg + ",")
        self.put("/")
        for each in tree.args:
            self.put(each.arg + ",")
        self.put(f"*{tree.vararg.arg if tree.vararg else ''}|")
        for each, default in zip(tree.kwonlyargs, tree.kw_defaults, strict=True):
            self.put(each.arg + ("," if default is None else "=,"))
        self.put(f"**{tree.kwarg.arg if tree.kwarg else ''}|{len(tree.defaults)})")

    def import_(self, tree: ast.Import | ast.ImportFrom) -> None:
        self.imports.append(tree)
        self.put(f"{type(tree).__name__}(")
        if isinstance(tree, ast.ImportFrom):
            self.put(f"{'.' * tree.level}{tree.module or ''};")
        for alias in tree.names:
            self.put(f"{alias.name}:{alias.asname or ''},")
        self.put(")")


def _environment(chain: str) -> str:
    """Give the beginning of a chain that may be ``os.environ``; empty where no step of it has that name."""
    steps = chain.split(".")
    return ".".join(steps[: steps.index(_ENVIRON) + 1]) if _ENVIRON in steps else ""


def _text(tree: ast.expr | None) -> str:
    """Give the text of a string literal; empty for anything else."""
    return tree.value if isinstance(tree, ast.Constant) and isinstance(tree.value, str) else ""


def _absolute(tree: ast.expr) -> str:
    """Give the module that a string literal names; empty for a relative one, and for anything else."""
    text = _text(tree)
    return "" if text.startswith(".") else text


def is_type_checking(test: ast.expr) -> bool:
    """Recognise the test of ``if TYPE_CHECKING:``."""
    return (dotted(test) or "").rpartition(".")[2] == "TYPE_CHECKING"


def _shape(kind: type[ast.AST]) -> tuple[str, tuple[tuple[str, str], ...]]:
    fields = tuple((f, f + "=") for f in sorted(kind._fields) if f not in _DROPPED)
    shape = _SHAPES[kind] = (kind.__name__ + "(", fields)
    return shape


_SHAPES: dict[type[ast.AST], tuple[str, tuple[tuple[str, str], ...]]] = {}
_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.Name: _Writer.name,
    ast.Constant: _Writer.constant,
    ast.Attribute: _Writer.attribute,
    ast.Call: _Writer.call,
    ast.Subscript: _Writer.subscript,
    ast.Compare: _Writer.compare,
    ast.Assign: _Writer.assign,
    ast.AnnAssign: _Writer.annotated,
    ast.JoinedStr: _Writer.joined,
    ast.FunctionDef: _Writer.function,
    ast.AsyncFunctionDef: _Writer.function,
    ast.Lambda: _Writer.lambda_,
    ast.ClassDef: _Writer.class_,
    ast.Import: _Writer.import_,
    ast.ImportFrom: _Writer.import_,
}
