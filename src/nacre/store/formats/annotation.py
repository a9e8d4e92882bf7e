"""What a consumer's annotation asks for, and the fitting of a loaded Python value to it.

A value that already is what was asked for is never converted: loading must give what passing it on would have given.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator

import msgspec

from nacre.errors import TypeMismatch
from nacre.values.kinds import record_kind, type_name

_UNION = (typing.Union, types.UnionType)


def alternatives(as_type: object) -> list[object | None]:
    """Give the types an annotation allows, in order; None stands for any type.

    ``Annotated`` and ``NewType`` are looked through; an annotation that is still text asks for nothing.
    """
    if type(as_type) is type and as_type.__module__ == "builtins" and as_type is not object:
        return [as_type]
    as_type = getattr(as_type, "__supertype__", as_type)
    origin = typing.get_origin(as_type)
    if origin is typing.Annotated:
        return alternatives(typing.get_args(as_type)[0])
    if origin in _UNION:
        return [inner for arg in typing.get_args(as_type) for inner in alternatives(arg)]
    if as_type in (None, typing.Any, object) or isinstance(as_type, (str, typing.TypeVar)):
        return [None]
    if isinstance(as_type, type) and as_type.__name__ == "_empty":
        return [None]
    return [as_type]


def label(as_type: object) -> str:
    """Name a type by its library's top-level module and its own name: ``polars.DataFrame``."""
    kind = typing.get_origin(as_type) or as_type
    if not isinstance(kind, type):
        return str(as_type)
    library = kind.__module__.partition(".")[0].lstrip("_")
    return kind.__qualname__ if library in ("builtins", "pathlib") else f"{library}.{kind.__qualname__}"


def is_path(as_type: object) -> bool:
    """Say whether a private copy of the file is asked for."""
    return getattr(as_type, "__name__", "") == "Path" and label(as_type) == "Path"


def classes(as_type: object) -> dict[str, type]:
    """Give the classes an annotation names, at any depth, by the name stored values use."""
    return {type_name(kind): kind for kind in _classes(as_type)}


def _classes(as_type: object) -> Iterator[type]:
    if isinstance(as_type, type) and typing.get_origin(as_type) is None:
        yield as_type
    for arg in typing.get_args(as_type):
        yield from _classes(arg)


def mismatch(stored: str, as_type: object, problem: object = "") -> TypeMismatch:
    """Build the error for a stored value that cannot become what was asked for."""
    return TypeMismatch(
        "A stored value is not of the type that was asked for",
        {"stored": stored, "asked for": label(as_type), "problem": problem},
        "annotate the parameter with the type it was stored as, or return the asked type where it is made",
    )


def fit(value: object, as_type: object | None) -> object:
    """Give a Python value as the annotation wants it: unchanged where it fits, a record made of a dict.

    Raises:
        TypeMismatch: It is of another type.
    """
    if as_type is None or type(value) is as_type:
        return value
    kind = typing.get_origin(as_type) or as_type
    if not isinstance(kind, type):
        return value
    if typing.is_typeddict(kind):
        kind = dict
    try:
        if isinstance(value, kind) or (kind is float and type(value) is int):
            return value
    except TypeError:
        # A protocol that cannot be tested at run time says nothing against the value.
        return value
    if isinstance(value, dict) and record_kind(kind) is not None:
        return _record(value, kind)
    raise mismatch(type(value).__name__, as_type)


def _record(value: dict[object, object], kind: type) -> object:
    validate = getattr(kind, "model_validate", None)
    try:
        if validate is not None:
            made: object = validate(value)
            return made
        return msgspec.convert(value, kind)
    except ValueError as error:
        # Both libraries' validation errors are ValueErrors.
        raise mismatch("dict", kind, str(error).splitlines()[0]) from error
