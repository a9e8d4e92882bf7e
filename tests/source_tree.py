"""The package as a tree of syntax: who imports what, and how large things are. No rule lives here; see test_tidy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "nacre"


@dataclass(frozen=True)
class Edge:
    """One import of an own module: from where, to what, on which line, and whether inside a function."""

    source: str
    target: str
    line: int
    late: bool


@dataclass(frozen=True)
class Module:
    """One source file; ``name`` is its dotted name below nacre, "" for the root package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@cache
def modules() -> dict[str, Module]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports(module: Module) -> Iterator[tuple[str, int, bool, bool]]:
    """Yield every imported absolute name with its line, whether late, and whether for types only."""

    def walk(node: ast.AST, late: bool, types: bool) -> Iterator[tuple[str, int, bool, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno, late, types) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                package = f"nacre.{module.name}".rstrip(".").split(".")
                up = child.level - module.is_package
                start = ".".join(package[: len(package) - up]) + "." if child.level else ""
                source = (start + (child.module or "")).rstrip(".")
                yield from ((f"{source}.{alias.name}", child.lineno, late, types) for alias in child.names)
            elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith("import_module"):
                # A name computed at run time is a registry's business; a literal one is an import in disguise.
                if child.args and isinstance(child.args[0], ast.Constant):
                    yield str(child.args[0].value), child.lineno, True, types
                yield from walk(child, late, types)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                yield from walk(child, late or inside, types or guard)

    return walk(module.tree, False, False)


def own(name: str) -> str | None:
    """The own module an absolute name lies in, or None for others' names."""
    if name != "nacre" and not name.startswith("nacre."):
        return None
    short = name.removeprefix("nacre").removeprefix(".")
    while short and short not in modules():
        short = short.rpartition(".")[0]
    return short


@cache
def edges() -> tuple[Edge, ...]:
    found = set()
    for module in modules().values():
        for name, line, late, _ in imports(module):
            target = own(name)
            if target is not None and target != module.name:
                found.add(Edge(module.name, target, line, late))
    return tuple(sorted(found, key=lambda edge: (edge.source, edge.line)))


@cache
def graph() -> dict[str, frozenset[str]]:
    """Module to the own modules it imports, late ones included."""
    found: dict[str, set[str]] = {name: set() for name in modules()}
    for edge in edges():
        found[edge.source].add(edge.target)
    return {name: frozenset(targets) for name, targets in found.items()}


def closure(name: str) -> set[str]:
    """All own modules one must read to know what a module needs, without itself."""
    reached, waiting = {name}, [name]
    while waiting:
        fresh = graph()[waiting.pop()] - reached
        reached |= fresh
        waiting += fresh
    return reached - {name}


def cycles() -> set[str]:
    """The modules that need themselves, and those that stand between two such groups."""
    left = dict(graph())
    # What imports nothing left cannot be on a cycle, nor can what nothing left imports; take both away.
    while True:
        needed = frozenset().union(*left.values())
        loose = [n for n, targets in left.items() if n not in needed or not targets & left.keys()]
        if not loose:
            return set(left)
        for name in loose:
            del left[name]


def functions(module: Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{module.name}:{node.name}", node


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring and decorators."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def nesting(node: ast.AST, depth: int = 0) -> int:
    """How deep blocks lie in each other; an ``elif`` is no deeper than its ``if``."""
    deepest = depth
    for field, value in ast.iter_fields(node):
        children = [
            child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)
        ]
        for child in children:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                continue
            is_elif = (
                field == "orelse"
                and isinstance(node, ast.If)
                and isinstance(child, ast.If)
                and len(children) == 1
            )
            deepest = max(deepest, nesting(child, depth + (isinstance(child, BLOCKS) and not is_elif)))
    return deepest
