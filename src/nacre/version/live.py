"""Live values spelt canonically: what a global, a default value or a closure cell holds, down to its last element.

Never spells an address or a place on disk. What it cannot see into is reported, not skipped.
"""

from __future__ import annotations

import contextvars
import enum
import functools
import re
import types
import typing
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath

from nacre.encoding import digest, digest_bytes
from nacre.version.content import of_instance, of_library
from nacre.version.normal import constant_text
from nacre.version.origin import Origins
from nacre.version.piece import Piece

_ATOMS = frozenset({int, float, complex, bool, bytes, type(None), type(...), type(NotImplemented)})
# They hold no value that a result could depend on, or only while something runs.
_INERT = frozenset(
    {
        *("logging", "loguru", "structlog"),
        *("_asyncio", "_queue", "_thread", "asyncio", "concurrent", "multiprocessing", "queue", "threading"),
        *("_contextvars", "_weakref", "contextvars", "weakref"),
        *("opentelemetry", "prometheus_client", "rich", "tqdm", "warnings"),
    }
)
# Immutable types of the standard library whose repr is their value.
_BY_REPR = frozenset({"datetime", "decimal", "fractions", "ipaddress", "uuid", "zoneinfo"})
#: Values inside values, as many as a result may have; four Python frames each must fit into a stack of a thousand.
MAX_DEPTH = 200
_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_LRU = type(functools.lru_cache(len))
_METHODS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)


class Reacher(typing.Protocol):
    """What spelling needs to know about code it meets."""

    origins: Origins
    #: Objects by id that count as their name only.
    ignored: Mapping[int, object]

    def code(self, value: object) -> Piece | None:
        """Reach a function, class or module; None for anything else."""
        ...

    def hidden(self, value: object) -> list[Piece]:
        """Reach the project's functions inside an object that is not the project's."""
        ...

    def changes_itself(self, kind: type) -> bool:
        """Tell whether instances of a class of the project change after they were made."""
        ...


class Speller:
    """Spells one value; an instance is used once.

    Args:
        reacher: Turns functions, classes and modules found in the value into pieces.
        depth: How deep in another value this one lies.
    """

    def __init__(self, reacher: Reacher, depth: int = 0) -> None:
        self._reacher = reacher
        self._depth = depth
        self._out: list[str] = []
        self._active: set[int] = set()
        self.links: list[Piece] = []
        self.unknown: list[str] = []
        self.is_state = False

    def piece(self, value: object) -> Piece:
        """Spell a value as a piece; code alone is its own piece."""
        self.write(value)
        if self._out == ["@"] and len(self.links) == 1:
            return self.links[0]
        made = Piece(digest("value", *self._out))
        made.links = [("", link) for link in self.links]
        return made

    def write(self, value: object) -> None:
        """Spell a value, or a part of it."""
        kind = type(value)
        if kind is str or kind in _ATOMS:
            self._out.append(self._atom(value))
        elif id(value) in self._active:
            self._out.append("cycle;")
        elif id(value) in self._reacher.ignored:
            self._out.append("ignored;")
        elif self._depth + len(self._active) >= MAX_DEPTH:
            self._out.append("deep;")
            if _DEEP not in self.unknown:
                self.unknown.append(_DEEP)
        else:
            self._active.add(id(value))
            self._compound(value)
            self._active.discard(id(value))

    def _atom(self, value: object) -> str:
        return constant_text(self._reacher.origins.portable(value) if isinstance(value, str) else value)

    def _compound(self, value: object) -> None:
        if self._framework(value) or self._code(value) or self._container(value) or self._wrapper(value):
            return
        if self._plain(value) or self._declared(value):
            return
        kind = type(value)
        is_iterator = kind.__module__ in ("builtins", "itertools") and hasattr(kind, "__next__")
        if is_iterator or kind is contextvars.ContextVar:
            # What it gives now depends on who has asked, or set it; what made it says what it gives at first.
            self.is_state = True
            self._out.append(f"{'iterator ' if is_iterator else ''}{_named(kind)};")
            return
        if kind.__module__.partition(".")[0] in _INERT:
            self._out.append("inert;")
            return
        parts = of_library(value)
        if parts is not None:
            self._sequence(_named(kind), parts)
            self._external(kind)
            return
        hidden = self._reacher.hidden(value)
        if hidden:
            self._out.append(f"around {_named(kind)};")
            self._link(*hidden)
            self._external(kind)
            return
        # Its class is all that can be said; the caller says so to the user.
        self._out.append(f"unknown {_named(kind)};")
        self.unknown.append(_named(kind))

    def _framework(self, value: object) -> bool:
        if not self._reacher.origins.is_framework(value):
            return False
        function, key = getattr(value, "fn", None), getattr(value, "key", None)
        if isinstance(function, types.FunctionType):
            self.write(function)
        else:
            self._out.append(f"framework {key};" if isinstance(key, str) else "framework;")
        return True

    def _code(self, value: object) -> bool:
        piece = self._reacher.code(value)
        if piece is not None:
            self._link(piece)
        return piece is not None

    def _link(self, *pieces: Piece) -> None:
        self.links += pieces
        self._out += ["@"] * len(pieces)

    def _external(self, kind: type) -> None:
        piece = self._reacher.code(kind)
        if piece is not None:
            self._link(piece)

    def _container(self, value: object) -> bool:
        kind = type(value)
        if kind in (list, tuple, deque):
            self._sequence(kind.__name__, typing.cast("Iterable[object]", value))
            if isinstance(value, deque):
                self.write(value.maxlen)
        elif kind.__module__ == "collections" and kind.__name__ == "ChainMap":
            self._sequence("ChainMap", value.maps)  # type: ignore[attr-defined]  # a ChainMap
        elif kind in (set, frozenset):
            self._set(kind.__name__, typing.cast("Iterable[object]", value))
        elif isinstance(value, dict | types.MappingProxyType) and kind.__module__ in (
            "builtins",
            "collections",
        ):
            name = "dict" if not isinstance(value, OrderedDict) else "OrderedDict"
            self._sequence(name, (each for pair in value.items() for each in pair))
            self.write(getattr(value, "default_factory", None))
        else:
            return False
        return True

    def _sequence(self, name: str, values: Iterable[object]) -> None:
        self._out.append(name + "[")
        for value in values:
            self.write(value)
        self._out.append("]")

    def _set(self, name: str, values: Iterable[object]) -> None:
        # Sets have no order of their own; that of the process's hash seed must not show.
        values = list(values)
        if all(type(value) in _ATOMS or type(value) is str for value in values):
            self._out += [name, "{", *sorted(map(self._atom, values)), "}"]
            return
        gathered = Piece(digest(name))
        gathered.is_unordered = True
        for value in values:
            # A set in a set takes more frames than other values, so it counts twice.
            inner = Speller(self._reacher, self._depth + len(self._active) + 1)
            gathered.links.append(("", inner.piece(value)))
            self.unknown += inner.unknown
            self.is_state |= inner.is_state
        self._link(gathered)

    def _wrapper(self, value: object) -> bool:
        inside: tuple[object, ...]
        if isinstance(value, functools.partial | functools.partialmethod):
            inside = (value.func, value.args, value.keywords)
        elif isinstance(value, types.MethodType):
            inside = (value.__func__, value.__self__)
        elif isinstance(value, staticmethod | classmethod):
            inside = (value.__func__,)
        elif isinstance(value, property):
            inside = (value.fget, value.fset, value.fdel)
        elif isinstance(value, functools.cached_property):
            inside = (value.func,)
        elif isinstance(value, _LRU):
            inside = (value.__wrapped__,)
        elif isinstance(value, types.BuiltinMethodType | types.MethodWrapperType):
            inside = (value.__name__, value.__self__)
        elif isinstance(value, _METHODS):
            inside = (value.__objclass__, value.__name__)
        else:
            return False
        self._sequence(str(type(value).__name__), inside)
        return True

    def _plain(self, value: object) -> bool:
        """Spell values of well-known types that are not containers."""
        kind, module = type(value), type(value).__module__.partition(".")[0]
        if isinstance(value, enum.Enum):
            self._sequence("enum", (kind, value.name))
        elif isinstance(value, re.Pattern):
            self._sequence("pattern", (value.pattern, value.flags))
        elif isinstance(value, PurePath):
            self._sequence("path", (str(value),))
        elif isinstance(value, range | slice):
            self._sequence(kind.__name__, (value.start, value.stop, value.step))
        elif module in _BY_REPR:
            self._out.append(f"{_named(kind)} {value!r};")
        elif (
            module == "numpy"
            and hasattr(value, "tobytes")
            and str(getattr(value, "dtype", "object")) != "object"
        ):
            data = digest_bytes(value.tobytes())
            self._out.append(f"numpy {value.dtype!s} {value.shape!s} {data};")  # type: ignore[attr-defined]  # an array
        elif module in ("operator", "_operator"):
            self._sequence(kind.__name__, value.__reduce__()[1:])
        elif module in ("typing", "types", "collections") and hasattr(value, "__origin__"):
            self._sequence("generic", (value.__origin__, getattr(value, "__args__", ())))
        elif isinstance(value, types.UnionType):
            self._sequence("union", value.__args__)
        elif module == "typing":
            self._out.append(f"typing {getattr(value, '__name__', None) or kind.__name__};")
        elif isinstance(value, types.SimpleNamespace):
            self._sequence("namespace", (vars(value),))
        else:
            return False
        return True

    def _declared(self, value: object) -> bool:
        """Spell instances of the project's classes, and of classes that say what identifies them."""
        kind = type(value)
        key = getattr(value, "__dict__", {}).get("__fp_key__")
        if key is None and hasattr(kind, "__fp_key__"):
            key = value.__fp_key__  # type: ignore[attr-defined]  # its class has it
        if key is not None:
            self._sequence("key", (kind, key() if callable(key) else key))
        elif not self._reacher.origins.owns_class(kind):
            return False
        elif self._reacher.changes_itself(kind):
            self.is_state = True
            self._sequence("state", (kind,))
        else:
            self._sequence("instance", (kind, *of_instance(value)))
        return True


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def inside(value: object) -> Iterator[object]:
    """Walk what an object holds, a few steps deep: cells, attributes, items, wrapped functions."""
    seen = {id(value)}
    level: list[object] = [value]
    for _ in range(5):
        following: list[object] = []
        for each in level:
            for found in _holds(each):
                if id(found) in seen or len(seen) > 5_000:
                    continue
                seen.add(id(found))
                if isinstance(found, types.FunctionType | type):
                    yield found
                if not isinstance(found, type | types.ModuleType | str | bytes | int | float):
                    following.append(found)
        level = following


def _holds(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    found: list[object] = []
    if isinstance(value, types.FunctionType):
        found += map(held, value.__closure__ or ())
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        found += [attribute for name, attribute in sorted(attributes.items()) if name != "__globals__"]
    for name in ("__func__", "func", "args", "keywords"):
        if type(value).__module__ in ("builtins", "functools"):
            found.append(getattr(value, name, None))
    return found


def held(cell: object) -> object:
    """Read a closure cell; None where it is still empty."""
    try:
        return cell.cell_contents  # type: ignore[attr-defined]  # a cell; its type has no public name
    except ValueError:
        return None
