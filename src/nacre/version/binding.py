"""What the top level of a module binds, and what functions rebind or change in place. Pure, over syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from nacre.version.normal import dotted, is_literal, is_type_checking

#: Methods that change what they are called on, and functions that change their argument.
MUTATORS = frozenset(
    {
        *("__delitem__", "__setitem__", "clear", "pop", "remove", "discard", "update", "write"),
        *("append", "appendleft", "extend", "extendleft", "insert", "popleft", "reverse", "rotate", "sort"),
        *("move_to_end", "popitem", "setdefault", "subtract"),
        *("add", "difference_update", "intersection_update", "symmetric_difference_update"),
        *("put", "put_nowait", "set", "setattr", "delattr"),
    }
)
#: Stands for an attribute whose name is computed.
ANY = "*"
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_ACTING = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Expr),
    *(ast.For, ast.If, ast.Match, ast.Try, ast.While, ast.With),
)


class Binding(NamedTuple):
    """One statement that binds a name at the top level of a module.

    Args:
        kind: ``def``, ``class``, ``import``, ``literal`` (assigned a literal) or ``value`` (anything else).
        line: Where it stands.
        conditional: Whether it stands inside ``if``, ``try``, a loop …
        tree: The definition, the import statement, or the assigned expression.
        original: For ``from module import original``: the name there; empty for other imports.
    """

    kind: str
    line: int
    conditional: bool
    tree: ast.AST
    original: str = ""


class Bindings:
    """The names that the top level of a module, or the body of a class, binds; and what else it does.

    Args:
        tree: The parsed module or class.

    Attributes:
        names: Name to the statements that bind it; under ``*`` those that import whatever a module has.
        statements: Statements that may change what is bound: all but definitions, imports, and what only a script does.
    """

    __slots__ = ("names", "statements")

    def __init__(self, tree: ast.Module | ast.ClassDef) -> None:
        self.names: dict[str, list[Binding]] = {}
        self.statements: list[ast.stmt] = []
        self._block(tree, conditional=False)

    def _block(self, tree: ast.AST, *, conditional: bool) -> None:
        for field in _BLOCKS:
            for statement in getattr(tree, field, ()):
                if isinstance(statement, ast.If) and is_type_checking(statement.test):
                    continue
                if isinstance(statement, _ACTING) and not conditional and not is_for_scripts(statement):
                    self.statements.append(statement)
                for name, binding in self._bound(statement, conditional):
                    self.names.setdefault(name, []).append(binding)
                if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    self._block(statement, conditional=True)

    def _bound(self, tree: ast.AST, conditional: bool) -> Iterator[tuple[str, Binding]]:
        line = getattr(tree, "lineno", 0)
        if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
            yield tree.name, Binding("def", line, conditional, tree)
        elif isinstance(tree, ast.ClassDef):
            yield tree.name, Binding("class", line, conditional, tree)
        elif isinstance(tree, ast.Import):
            for alias in tree.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, Binding("import", line, conditional, tree)
        elif isinstance(tree, ast.ImportFrom):
            for alias in tree.names:
                yield alias.asname or alias.name, Binding("import", line, conditional, tree, alias.name)
        else:
            value: ast.AST | None = getattr(tree, "value", None)
            single = isinstance(tree, ast.Assign | ast.AnnAssign)
            for target in _targets(tree):
                plain = value if single and isinstance(target, ast.Name) else None
                kind = "literal" if plain is not None and is_literal(plain) else "value"
                for name in _stored(target):
                    yield name, Binding(kind, line, conditional, tree if plain is None else plain)


def _targets(tree: ast.AST) -> list[ast.AST]:
    """List the targets of a statement that binds by assignment; an annotation without a value binds nothing."""
    if isinstance(tree, ast.Assign | ast.Delete):
        return list(tree.targets)
    if isinstance(tree, ast.AnnAssign):
        return [tree.target] if tree.value is not None else []
    if isinstance(tree, ast.AugAssign | ast.For | ast.AsyncFor):
        return [tree.target]
    if isinstance(tree, ast.With | ast.AsyncWith):
        return [item.optional_vars for item in tree.items if item.optional_vars]
    return []


def _stored(target: ast.AST) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _stored(each)
    elif isinstance(target, ast.Starred):
        yield from _stored(target.value)


def mutated(tree: ast.AST) -> set[str]:
    """List what a function changes: names it declares ``global``, and chains it assigns into or calls a mutator on.

    ``seen[key] = 1``, ``seen.update(…)``, ``del seen[key]``, ``config.limit = 3``, ``seen += …`` all count. For a chain
    ``a.b.c`` its beginnings ``a`` and ``a.b`` are changed as well; of ``f().b`` only ``.b`` can be said. Local names
    are listed too.
    """
    found: set[str] = set()
    for each in ast.walk(tree):
        if isinstance(each, ast.Global | ast.Nonlocal):
            found.update(each.names)
        elif isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(each.ctx, ast.Load):
            found |= _beginnings(each)
        elif isinstance(each, ast.AugAssign):
            found |= _beginnings(each.target)
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
            if each.func.attr in MUTATORS:
                found |= _beginnings(each.func.value)
        elif (
            isinstance(each, ast.Call) and dotted(each.func) in ("setattr", "delattr") and len(each.args) > 1
        ):
            name = each.args[1]
            is_literal_name = isinstance(name, ast.Constant) and isinstance(name.value, str)
            attribute = str(name.value) if isinstance(name, ast.Constant) and is_literal_name else ANY
            found |= _beginnings(ast.Attribute(each.args[0], attribute, ast.Store()))
    return found


def is_for_scripts(tree: ast.stmt) -> bool:
    """Recognise ``if __name__ == "__main__":``."""
    return isinstance(tree, ast.If) and any(
        isinstance(each, ast.Name) and each.id == "__name__" for each in ast.walk(tree.test)
    )


def _beginnings(tree: ast.AST) -> set[str]:
    """Spell a changed place and all it is part of."""
    while isinstance(tree, ast.Subscript):
        tree = tree.value
    chain = dotted(tree)
    if chain is None:
        inner = getattr(tree, "value", None)
        found = _beginnings(inner) if isinstance(inner, ast.AST) else set()
        return {*found, f".{tree.attr}"} if isinstance(tree, ast.Attribute) else found
    steps = chain.split(".")
    return {".".join(steps[:n]) for n in range(1, len(steps) + 1)}
