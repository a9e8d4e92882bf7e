"""What a function's parameters say: names, which are required, and what their annotations mean.

Names come from the code object, so that declaring thousands of assets never builds a signature.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, NamedTuple, get_args, get_origin

from nacre.declare.asset import Asset
from nacre.declare.task import Task
from nacre.errors import MissingArgument


class Parameter(NamedTuple):
    """One parameter of a function; ``asset`` is the key its ``Annotated`` names, else empty."""

    name: str
    is_required: bool
    asset: str = ""


def names(fn: Callable[..., object]) -> tuple[str, ...]:
    """Name the parameters that can be given by keyword, in order."""
    code = getattr(fn, "__code__", None)
    if code is None or hasattr(fn, "__self__"):
        return tuple(_signature(fn))
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def plain_names(fn: Callable[..., object]) -> tuple[str, ...] | None:
    """Name the parameters of a function whose parameters are all required and none annotated with more than a class.

    Returns:
        The names, or None where ``parameters`` must be asked.
    """
    code = getattr(fn, "__code__", None)
    if code is None or code.co_kwonlyargcount or fn.__defaults__ or hasattr(fn, "__self__"):
        return None
    for raw in fn.__annotations__.values():
        if raw.__class__ is not type:
            return None
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names


def parameters(fn: Callable[..., object]) -> tuple[Parameter, ...]:
    """Describe the parameters that can be given by keyword, in order."""
    code = getattr(fn, "__code__", None)
    if code is None or hasattr(fn, "__self__"):
        return tuple(Parameter(name, required) for name, required in _signature(fn).items())
    n_positional = code.co_argcount
    listed = code.co_varnames[: n_positional + code.co_kwonlyargcount]
    n_required = n_positional - len(fn.__defaults__ or ())
    keyword_defaults = getattr(fn, "__kwdefaults__", None) or {}
    annotated = _annotated(fn)
    return tuple(
        Parameter(
            name,
            position < n_required if position < n_positional else name not in keyword_defaults,
            annotated.get(name, ""),
        )
        for position, name in enumerate(listed)
    )


def annotation(fn: Callable[..., object], name: str) -> object | None:
    """Resolve one annotation to a live type, without ``Annotated``; None where there is none or it cannot be."""
    raw = getattr(fn, "__annotations__", {}).get(name)
    if isinstance(raw, str):
        raw = _evaluate(fn, raw)
    return get_args(raw)[0] if get_origin(raw) is Annotated else raw


def bind(
    fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """Bind what was given, leaving out what was not; variadic values keep their parameter's name.

    Raises:
        MissingArgument: Too many arguments or an unknown name; names the function and its parameters.
    """
    if not args and not kwargs:
        return {}
    from inspect import signature

    described = signature(fn)
    try:
        return dict(described.bind_partial(*args, **kwargs).arguments)
    except TypeError as error:
        where = getattr(fn, "__code__", None)
        facts = {
            "function": f"{getattr(fn, '__name__', fn)}{described}",
            "at": f"{where.co_filename}:{where.co_firstlineno}" if where else "",
        }
        raise MissingArgument(str(error).capitalize(), facts) from None


def defaults(fn: Callable[..., object]) -> dict[str, object]:
    """Map each parameter that has a default to it."""
    code = getattr(fn, "__code__", None)
    if code is None or hasattr(fn, "__self__"):
        from inspect import signature

        found = signature(fn).parameters.values()
        return {p.name: p.default for p in found if p.default is not p.empty}
    values = fn.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    given = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    return {**given, **(getattr(fn, "__kwdefaults__", None) or {})}


def call_arguments(
    fn: Callable[..., object], bound: Mapping[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """Turn bound arguments back into positional and keyword ones.

    Positional-only and variadic parameters need this; plain ones are given by keyword.
    """
    code = getattr(fn, "__code__", None)
    variadic = code is None or code.co_flags & 0x0C or code.co_posonlyargcount or hasattr(fn, "__self__")
    if not variadic:
        return (), dict(bound)
    from collections import OrderedDict
    from inspect import BoundArguments, signature

    arranged = BoundArguments(signature(fn), OrderedDict(bound))
    return arranged.args, arranged.kwargs


def _annotated(fn: Callable[..., object]) -> dict[str, str]:
    """Map parameters annotated ``Annotated[T, asset]`` to the asset's key; linear, usually empty at once."""
    found: dict[str, str] = {}
    for name, raw in fn.__annotations__.items():
        if raw.__class__ is type:  # the common case, told apart cheaply
            continue
        if isinstance(raw, str):
            if "Annotated" not in raw:
                continue
            raw = _evaluate(fn, raw)
        origin: object = get_origin(raw)
        if name == "return" or origin is not Annotated:
            continue
        key = _asset_key(get_args(raw)[1:])
        if key:
            found[name] = key
    return found


def _asset_key(marks: Iterable[object]) -> str:
    for mark in marks:
        if isinstance(mark, Asset):
            return mark.key
        if isinstance(mark, Task) and mark.assets:
            return mark.assets[0].key
        if isinstance(mark, str) and "://" in mark:
            return mark
    return ""


def _evaluate(fn: Callable[..., object], text: str) -> object | None:
    """Evaluate a string annotation where the function was written; None where a name is missing there."""
    module = sys.modules.get(fn.__module__)
    scope = getattr(fn, "__globals__", None) or (vars(module) if module else {})
    try:
        value: object = eval(text, scope)  # noqa: S307  # the user's own annotation, as typing.get_type_hints does
    except Exception:  # the annotation may name what only a type checker imports
        return None
    return value


def _signature(fn: Callable[..., object]) -> dict[str, bool]:
    from inspect import signature

    found = signature(fn).parameters.values()
    return {p.name: p.default is p.empty for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
