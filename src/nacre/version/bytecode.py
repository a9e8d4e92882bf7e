"""Which global names a code object reads, from its bytecode: exact where a syntax tree would need scope rules.

Also the digest of a code object whose source is gone, which is only good within one version of Python.
"""

from __future__ import annotations

import opcode
from types import CodeType

from nacre.encoding import digest

_LOAD_GLOBAL = opcode.opmap["LOAD_GLOBAL"]
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_CHANGING = frozenset(
    number
    for name, number in opcode.opmap.items()
    if name.startswith(("STORE_ATTR", "STORE_SUBSCR", "STORE_SLICE", "STORE_GLOBAL", "DELETE_"))
)
_NAMED = frozenset(
    opcode.opmap[name]
    for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL")
    if name in opcode.opmap
)


def may_change(code: CodeType, mutators: frozenset[str]) -> bool:
    """Tell whether a code object, or one nested in it, may rebind a global or change a value in place.

    Args:
        code: The code.
        mutators: Names of methods and functions that change what they are called on.
    """
    if not mutators.isdisjoint(code.co_names) or not _CHANGING.isdisjoint(code.co_code[::2]):
        return True
    return any(may_change(each, mutators) for each in code.co_consts if isinstance(each, CodeType))


def global_names(code: CodeType) -> set[str]:
    """List the global and builtin names that a code object, or one nested in it, reads or writes."""
    found: set[str] = set()
    _collect(code, found)
    return found


def _collect(code: CodeType, found: set[str]) -> None:
    data, names, extended = code.co_code, code.co_names, 0
    for at in range(0, len(data), 2):
        operation = data[at]
        if operation == _EXTENDED:
            extended = (extended | data[at + 1]) << 8
            continue
        if operation == _LOAD_GLOBAL:
            # The lowest bit says whether a NULL is pushed for the call.
            found.add(names[(extended | data[at + 1]) >> 1])
        elif operation in _NAMED:
            found.add(names[extended | data[at + 1]])
        extended = 0
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _collect(constant, found)


def bytecode_digest(code: CodeType) -> str:
    """Digest a code object without its file name and lines."""
    return digest("bytecode", *_parts(code))


def _parts(code: CodeType) -> list[str | bytes]:
    parts: list[str | bytes] = [code.co_code, *code.co_names, "|", *code.co_varnames]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            parts += ["code", *_parts(constant)]
        elif isinstance(constant, frozenset):
            parts += ["set", *sorted(f"{type(c).__name__} {c!r}" for c in constant)]
        else:
            parts.append(f"{type(constant).__name__} {constant!r}")
    return parts
