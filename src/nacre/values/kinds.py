"""Which classes are records with named fields, and how a class is named in identities and stored values.

Never imports a module because data names it: a class is found among what is already imported.
"""

from __future__ import annotations

import dataclasses
import functools
import os.path
import sys
import types
from typing import NamedTuple, cast

_MAIN = ("__main__", "__mp_main__")
#: What typing, attrs and SQLAlchemy keep in an instance for themselves.
_KEPT_ASIDE = frozenset({"__orig_class__", "_attrs_cached_hash", "_sa_instance_state"})
_BUILTINS = (dict, list, set, frozenset, str, bytes, bytearray, int, float, complex)


class RecordKind(NamedTuple):
    """How the values of one class are taken apart.

    Args:
        family: ``dataclass``, ``pydantic``, ``attrs``, ``struct`` or ``namedtuple``.
        names: The fields, in declaration order.
        mutable: True where a field, or an attribute beside them, can be assigned.
    """

    family: str
    names: tuple[str, ...]
    mutable: bool


def record_kind(cls: type) -> RecordKind | None:
    """Say how a class keeps its fields, or None where it is no record.

    A record that is also a container or a number has content beside its fields, so it is none.
    """
    if issubclass(cls, tuple):
        names = getattr(cls, "_fields", None)
        # A subclass without __slots__ has attributes beside its fields.
        return RecordKind("namedtuple", tuple(names), bool(cls.__dictoffset__)) if names is not None else None
    if issubclass(cls, _BUILTINS):
        return None
    if dataclasses.is_dataclass(cls):
        # A plain subclass of a frozen one can be given attributes that are no fields.
        own = vars(cls).get("__dataclass_params__")
        frozen = own is not None and own.frozen
        return RecordKind("dataclass", tuple(f.name for f in dataclasses.fields(cls)), not frozen)
    if hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_fields"):
        is_frozen = bool(getattr(cls, "model_config", {}).get("frozen"))
        frozen = is_frozen and not getattr(cls, "__private_attributes__", None)
        return RecordKind("pydantic", tuple(cls.model_fields), not frozen)
    if hasattr(cls, "__attrs_attrs__"):
        return RecordKind("attrs", tuple(a.name for a in cls.__attrs_attrs__), True)
    if hasattr(cls, "__struct_fields__"):
        frozen = bool(cls.__struct_config__.frozen)  # type: ignore[attr-defined]  # every Struct has it
        return RecordKind("struct", tuple(cls.__struct_fields__), not frozen)
    return None


def field_values(value: object, kind: RecordKind) -> dict[str, object]:
    """Give all that a record holds by name: its fields in order, then what its class does not declare."""
    found, cls = declared_values(value, kind), cast("type", type(value))
    # Nearly all records hold nothing more, and there may be very many of them.
    attributes = getattr(value, "__dict__", found)
    if kind.family == "pydantic" or attributes.keys() != found.keys() or _slots(cls, kind.names):
        found.update(undeclared_values(value, kind))
    return found


def declared_values(value: object, kind: RecordKind) -> dict[str, object]:
    """Give the fields of a record by name, in order; one that was never set is left out.

    Extra fields of a pydantic model follow its own.
    """
    found: dict[str, object] = {}
    for name in kind.names:
        try:
            found[name] = getattr(value, name)
        except AttributeError:
            continue
    if kind.family == "pydantic":
        found.update(getattr(value, "__pydantic_extra__", None) or {})
    return found


def undeclared_values(value: object, kind: RecordKind) -> dict[str, object]:
    """Give what an instance holds beside its fields by name: attributes, slots of a subclass, private attributes.

    What a ``cached_property`` keeps is left out, since it follows from the rest.
    """
    cls: type = type(value)
    attributes = getattr(value, "__dict__", None) or {}
    # At once: another thread may ask for a cached property meanwhile.
    found = {name: attributes[name] for name in attributes.keys() - kind.names}
    if kind.family == "pydantic":
        found.update(getattr(value, "__pydantic_private__", None) or {})
    for name in _slots(cls, kind.names):
        if hasattr(value, name):
            found[name] = getattr(value, name)
    return {name: found[name] for name in sorted(found) if not _is_aside(cls, name)}


@functools.lru_cache(maxsize=4096)
def _slots(cls: type, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Name the slots of a class that hold more than its fields; attrs makes them of cached properties as well."""
    return tuple(
        name
        for base in cls.__mro__
        if "__attrs_attrs__" not in vars(base)
        for name, held in vars(base).items()
        if isinstance(held, types.MemberDescriptorType)
        and name not in fields
        and not name.startswith("__pydantic_")
    )


def _is_aside(cls: type, name: str) -> bool:
    """Say whether an attribute is no content: derived from the fields, or a note of a library."""
    held = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    return name in _KEPT_ASIDE or isinstance(held, functools.cached_property)


def type_name(cls: type) -> str:
    """Name a class as ``module:qualname``, the same whether its file was started or imported.

    A started script counts as a module named like its file; ``python -m`` as the module it names.
    """
    return f"{module_name(cls.__module__)}:{cls.__qualname__}"


def module_name(module: str) -> str:
    """Name a module; the started script by its file, never ``__main__``."""
    if module not in _MAIN:
        return module
    main = sys.modules.get(module)
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _MAIN:
        return cast(str, spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None) or ""
    return os.path.splitext(os.path.basename(file))[0]


def find_type(name: str, known: dict[str, type]) -> type | None:
    """Find the class a stored value names, without importing anything.

    Args:
        name: As given by ``type_name``.
        known: Classes of the consumer's annotation, by name; they are preferred.

    Returns:
        The class, or None where no imported module has it.
    """
    if name in known:
        return known[name]
    module, _, qualname = name.partition(":")
    modules = [module, *(main for main in _MAIN if main in sys.modules and module_name(main) == module)]
    for candidate in modules:
        found: object = sys.modules.get(candidate)
        for part in qualname.split("."):
            found = getattr(found, part, None)
        # Data must not name a function, or a class under another class's name.
        if isinstance(found, type) and type_name(found) == name:
            return found
    return None


def build_record(cls: type, values: dict[str, object]) -> object:
    """Make a record that has exactly these field values; initialisers and validators do not run again.

    Raises:
        TypeError: The class has other fields now and its own initialiser refuses the values.
    """
    kind = record_kind(cls)
    if kind is None:
        raise TypeError(f"{cls.__name__} is no record")
    if kind.family == "namedtuple":
        return cls(*values.values()) if tuple(values) == kind.names else cls(**values)
    if kind.family == "pydantic":
        known = {name: values[name] for name in kind.names if name in values}
        if len(known) != len(kind.names):
            return cls.model_validate(values)  # type: ignore[attr-defined]  # a pydantic model
        return cls.model_construct(**values)  # type: ignore[attr-defined]  # a pydantic model
    if kind.family == "struct" or not set(values) <= set(kind.names):
        return cls(**values)
    made: object = object.__new__(cls)
    for name, value in {**_defaults(cls, set(kind.names) - set(values)), **values}.items():
        object.__setattr__(made, name, value)
    return made


def _defaults(cls: type, missing: set[str]) -> dict[str, object]:
    """Give the defaults of fields that a class gained since the value was stored."""
    found: dict[str, object] = {}
    if missing and dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            if field.name not in missing:
                continue
            if field.default is not dataclasses.MISSING:
                found[field.name] = field.default
            elif field.default_factory is not dataclasses.MISSING:
                found[field.name] = field.default_factory()
    return found
