"""What values consist of, part by part, where nothing but the live object can say it.

Instances of the project's classes, classes that a call made, and values of well-known libraries that never change.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable

Parts = Iterable[object]
# ``update_wrapper`` copies them; where code is and how it is described is not what it does.
_DESCRIPTIVE = frozenset({*functools.WRAPPER_ASSIGNMENTS, "__annotate__", "__type_params__"})
_BUILTINS = (str, bytes, int, float, tuple, list, dict, set, frozenset)
# Libraries whose values say in their repr, or when they are pickled, all that they are.
_BY_REPR = frozenset({"dateutil", "packaging", "pytz", "yarl"})
_PANDAS = {
    "DataFrame": ("columns", "dtypes", "index"),
    "Series": ("name", "dtype", "index"),
}


def of_instance(value: object) -> Parts:
    """List what an instance consists of: its fields, slots and, for a subclass of a builtin, the value itself."""
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value)]
        yield from ((name, getattr(value, name, None)) for name in names)
        if others := _undeclared(value, names):
            yield others
        return
    if isinstance(value, _BUILTINS):
        builtin = next(kind for kind in _BUILTINS if isinstance(value, kind))
        # Of the builtin itself, whatever the subclass says of itself.
        yield (
            "".join(value)
            if isinstance(value, str)
            else typing.cast("Callable[[object], object]", builtin)(value)
        )
    attributes = getattr(value, "__dict__", {})
    yield {name: attributes[name] for name in sorted(attributes) if name not in _DESCRIPTIVE}
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__"):
                yield (slot, getattr(value, slot, None))


def _undeclared(value: object, names: Collection[str]) -> dict[str, object]:
    """Give the attributes of an instance that are no fields; what a ``cached_property`` keeps follows from the rest."""
    attributes = getattr(value, "__dict__", {})
    return {
        name: attributes[name]
        for name in sorted(attributes)
        if name not in names
        and name not in _DESCRIPTIVE
        and not isinstance(getattr(type(value), name, None), functools.cached_property)
    }


def of_made_class(kind: type) -> Iterable[tuple[str, object]]:
    """List what a class holds that no class statement describes, as of ``Enum("X", …)`` or ``namedtuple``."""
    skipped: set[str] = set()
    if issubclass(kind, enum.Enum):
        skipped.update(kind.__members__)
        yield "members", {name: member.value for name, member in kind.__members__.items()}
    elif dataclasses.is_dataclass(kind):
        for each in dataclasses.fields(kind):
            yield f"field {each.name}", (each.init, each.repr, each.hash, each.compare, each.kw_only)
            for default in (each.default, each.default_factory):
                if default is not dataclasses.MISSING:
                    yield f"default {each.name}", default
    else:
        skipped.update(getattr(kind, "_fields", ()))
        yield "fields", (getattr(kind, "_fields", ()), getattr(kind, "_field_defaults", {}))
        yield "total", getattr(kind, "__total__", True)
    for name, annotation in vars(kind).get("__annotations__", {}).items():
        yield f"type {name}", getattr(annotation, "__forward_arg__", annotation)
    for name, value in sorted(vars(kind).items()):
        if (
            not name.startswith("_")
            and name not in skipped
            and not isinstance(value, types.MemberDescriptorType)
        ):
            yield f"member {name}", value


def of_library(value: object) -> Parts | None:
    """Take a value of a well-known library apart; None for what is not known to be nothing but a value."""
    kind = type(value)
    top = kind.__module__.partition(".")[0]
    if kind is object:
        return ()
    if kind.__name__ == "cython_function_or_method":
        return (sys.modules.get(value.__module__), value.__qualname__)  # type: ignore[attr-defined]  # a function
    reader = _LIBRARIES.get(top)
    found = reader(value) if reader is not None else None
    if found is None and isinstance(value, tuple) and hasattr(kind, "_fields"):
        return tuple(value)
    if found is None and dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # set by dataclass()
        return of_instance(value)
    return found


def _by_repr(value: object) -> Parts | None:
    text = repr(value)
    return None if " at 0x" in text else (text,)


def _arrow(value: object) -> Parts | None:
    if type(value).__name__ == "Buffer":
        return (bytes(typing.cast("bytes", value)),)
    try:
        return tuple(typing.cast("tuple[object, ...]", value.__reduce__()))
    except TypeError:
        return None


def _numpy(value: object) -> Parts | None:
    name = type(value).__name__
    if name == "ndarray":
        return (list(value.shape), value.tolist())  # type: ignore[attr-defined]  # an array of objects
    return (str(value),) if name.endswith(("dtype", "DType")) or name == "ufunc" else None


def _pandas(value: object) -> Parts | None:
    name = type(value).__name__
    if name in _PANDAS:
        array = value.to_numpy(dtype=object).tolist()  # type: ignore[attr-defined]  # a frame or a series
        return (*(_listed(getattr(value, each)) for each in _PANDAS[name]), array)
    if name.endswith("Index"):
        return (value.name, *_listed(value))  # type: ignore[attr-defined]  # an index
    return _by_repr(value)


def _listed(value: object) -> list[object]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [str(value)]
    return [each if isinstance(each, str | int) else repr(each) for each in value]


def _polars(value: typing.Any) -> Parts | None:
    name = type(value).__name__
    if name == "DataFrame":
        return (str(value.schema), value.to_dict(as_series=False))
    if name == "Series":
        return (value.name, str(value.dtype), value.to_list())
    if name == "LazyFrame":
        return (value.serialize(),)
    if hasattr(value, "meta"):
        return (value.meta.serialize(),)
    return tuple(value.items()) if name == "Schema" else _by_repr(value)


def _pydantic(value: object) -> Parts | None:
    # A secret counts by its name only.
    return () if type(value).__name__.startswith("Secret") else _by_repr(value)


def _msgspec(value: object) -> Parts | None:
    return tuple(getattr(value, name, None) for name in ("type", "strict", "dec_hook", "enc_hook"))


def _struct(value: typing.Any) -> Parts | None:
    return (value.format,) if type(value).__name__ == "Struct" else None


def _text(value: typing.Any) -> Parts | None:
    return (value.template,) if type(value).__name__ == "Template" else None


def _array(value: typing.Any) -> Parts | None:
    return (value.typecode, value.tobytes())


def _bytes(value: object) -> Parts | None:
    return (bytes(value),) if isinstance(value, bytearray | memoryview) else None


_LIBRARIES: dict[str, typing.Callable[[object], Parts | None]] = {
    **dict.fromkeys(_BY_REPR, _by_repr),
    "_struct": _struct,
    "array": _array,
    "builtins": _bytes,
    "msgspec": _msgspec,
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _arrow,
    "pydantic": _pydantic,
    "pydantic_core": _pydantic,
    "string": _text,
}
