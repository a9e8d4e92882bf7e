"""The text of the definitions in a source file, kept with what they made, and the difference of two of them. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib.util import decode_source
from textwrap import dedent

from nacre.version.fingerprint import HIDDEN, SECRET
from nacre.version.normal import Function

MAX_TEXT = 2_000
_NESTING = ("body", "orelse", "finalbody", "handlers", "cases")
_HUNK = "@@"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def snippets(data: bytes, tree: ast.Module | None = None) -> dict[str, str]:
    """Cut a source file into its definitions: functions, methods, classes, and what the top level assigns to names.

    Args:
        data: The bytes of the file.
        tree: What they were parsed into, where they were.

    Returns:
        Line of a definition, as code parts give it, to its text. A class has its methods without what is in them. What
        looks like a secret or is very long has its name only. Empty where the file is no Python.
    """
    try:
        text = decode_source(data)
        tree = tree or ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    lines = text.split("\n")
    return {str(each.lineno): _text(each, lines) for each in _definitions(tree)}


def text_at(texts: Mapping[str, str], line: str) -> str:
    """Find the definition at a line, or the one around it; empty where none is kept."""
    if line in texts or not line.isdigit():
        return texts.get(line, "")
    above = [first for first in map(int, texts) if first < int(line)]
    found = texts[str(max(above))] if above else ""
    return found if above and int(line) <= max(above) + found.count("\n") else ""


def difference(old: str, new: str) -> str:
    """Compare two texts line by line, as ``diff`` does, without headers; empty where they do not differ."""
    from difflib import unified_diff  # late: only who asks why pays for it

    lines = list(unified_diff(dedent(old).splitlines(), dedent(new).splitlines(), n=2, lineterm=""))[3:]
    return "\n".join(" …" if line.startswith(_HUNK) else line for line in lines)


def value_of(text: str) -> str:
    """Give what a statement of one line assigns to a name; empty where the text is something else."""
    if "\n" in text or text.startswith(("def ", "class ", "async ", "@")):
        return ""
    return text.partition(" = ")[2].strip()


def _definitions(tree: ast.AST) -> Iterator[Function | ast.ClassDef | ast.stmt]:
    """Walk over what is defined, in any order; what a function holds inside is part of its text."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, True)]
    while waiting:
        above, is_top = waiting.pop()
        for field in _NESTING:
            for child in getattr(above, field, None) or ():
                if isinstance(child, (*_FUNCTIONS, ast.ClassDef)) or (is_top and _target(child)):
                    yield child
                if not isinstance(child, _FUNCTIONS):
                    waiting.append((child, is_top and not isinstance(child, ast.ClassDef)))


def _target(statement: ast.AST) -> str:
    """Name what a statement assigns to; empty where that is no name."""
    targets = (
        statement.targets
        if isinstance(statement, ast.Assign)
        else [statement.target]
        if isinstance(statement, ast.AnnAssign) and statement.value is not None
        else []
    )
    return next((each.id for each in targets if isinstance(each, ast.Name)), "")


def _text(tree: Function | ast.ClassDef | ast.stmt, lines: list[str]) -> str:
    decorators = getattr(tree, "decorator_list", [])
    first = min([tree.lineno, *(each.lineno for each in decorators)])
    kept = lines[first - 1 : tree.end_lineno]
    if isinstance(tree, ast.ClassDef):
        kept = _without_methods(tree, first, kept)
    text = "\n".join(kept)
    name = _target(tree)
    return f"{name} = {HIDDEN}" if name and (SECRET.search(text) or len(text) > MAX_TEXT) else text


def _without_methods(tree: ast.ClassDef, first: int, lines: list[str]) -> list[str]:
    """Leave out what is in the methods of a class: each of them is a definition of its own."""
    kept: list[str | None] = list(lines)
    for each in tree.body:
        if isinstance(each, _FUNCTIONS) and each.body[0].lineno > each.lineno:
            start, end = each.body[0].lineno - first, (each.end_lineno or each.lineno) - first + 1
            kept[start:end] = [" " * each.body[0].col_offset + "...", *[None] * (end - start - 1)]
    return [line for line in kept if line is not None]
