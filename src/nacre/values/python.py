"""Data versions of Python values: one canonical byte tree, type-tagged and length-prefixed, hashed as it is made.

Equal digests mean equal values, types included; when unsure, two values differ. Dicts keep their order, sets have
none. Nothing here recurses, so depth costs memory only. Every byte is pinned by golden digests in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from blake3 import blake3

from nacre.encoding import FORMAT
from nacre.errors import UnserialisableValue
from nacre.values import places
from nacre.values.forms import FLOAT, FORMS, NAN, SIZED, Branch, Leaf, UnknownPart, form_of, int_bytes, text
from nacre.values.identity import Nested, ValueIdentity, fit, type_for_outline
from nacre.version.outline import Outline

BUILTIN_TYPES = frozenset(FORMS)
_PREFIX = FORMAT.encode() + b"value\0"

#: Text up to this length is remembered while one value is encoded: keys repeat.
_SHORT_TEXT = 32
_REMEMBERED = 4096
_FLUSH = 1 << 20
_CYCLE_CHECK = 64
_MAX_DEPTH = 200_000

Foreign = Callable[[object], "ValueIdentity | None"]
"""Identifies a value of another library, or None where no adapter knows its type."""


Embedded = dict[int, tuple[object, bytes]]
"""The tables, arrays and files met inside a value, by object id, with their digests."""


class CyclicPart(Exception):
    """A container contains itself."""

    def __init__(self, part: object) -> None:
        self.part = part


class _Tree:
    """The canonical bytes of one value, hashed as they are made."""

    __slots__ = ("embedded", "foreign", "hasher", "mutable", "out", "texts")

    def __init__(self, foreign: Foreign, embedded: Embedded) -> None:
        self.foreign = foreign
        self.embedded = embedded
        self.out = bytearray(_PREFIX)
        self.hasher: Any = None
        self.mutable = False
        self.texts: dict[str, bytes] = {}

    def digest(self) -> bytes:
        if self.hasher is None:
            return blake3(self.out).digest()
        self.hasher.update(self.out)
        return self.hasher.digest()  # type: ignore[no-any-return]  # blake3's digest is bytes

    def hexdigest(self) -> str:
        return blake3(self.out).hexdigest() if self.hasher is None else self.digest().hex()

    def flush(self) -> None:
        if self.hasher is None:
            self.hasher = blake3()
        self.hasher.update(self.out)
        self.out = bytearray()

    def add(self, value: object) -> None:
        """Write a value depth first. The commonest types are written in the loop, where a call would cost most."""
        out, texts = self.out, self.texts
        stack: list[Iterator[object]] = []
        owners: list[object] = []
        parts: Iterator[object] = iter((value,))
        while True:
            for item in parts:
                kind = type(item)
                if kind is str:
                    code = texts.get(item)  # type: ignore[call-overload]  # item is a str here
                    out += code if code is not None else self._text(item)
                elif kind is int:
                    out += int_bytes(item)  # type: ignore[arg-type]  # as tested above
                elif kind is float:
                    out += FLOAT(b"f", item) if item == item else NAN
                elif item is None:
                    out += b"N"
                elif kind is bool:
                    out += b"T" if item else b"F"
                else:
                    inner = self._open(item, kind)
                    if inner is None:
                        continue
                    if len(out) > _FLUSH:
                        self.flush()
                        out = self.out
                    stack.append(parts)
                    owners.append(item)
                    if not len(owners) % _CYCLE_CHECK:
                        _refuse_cycle(owners)
                    parts = iter(inner)
                    break
            else:
                if not stack:
                    return
                parts = stack.pop()
                owners.pop()

    def _text(self, value: Any) -> bytes:
        code = text(value)
        if len(value) <= _SHORT_TEXT and len(self.texts) < _REMEMBERED:
            self.texts[value] = code
        return code

    def _open(self, item: object, kind: type) -> Iterable[object] | None:
        """Write a leaf and give None, or write the start of a container and give its parts."""
        form = form_of(kind)
        if form is None:
            self._add_foreign(item)
            return None
        if form.mutable:
            self.mutable = True
        if type(form) is Branch:
            head, inner = form.open(item)
            self.out += head
            return inner
        if type(form) is Leaf:
            self.out += form.encode(item)
            return None
        self._add_set(item, form.tag)  # type: ignore[union-attr, arg-type]  # the only form left is Unordered
        return None

    def _add_set(self, items: Iterable[object], tag: bytes) -> None:
        digests = sorted(self.nested(item) for item in items)
        self.out += SIZED(tag, len(digests)) + b"".join(digests)

    def _add_foreign(self, item: object) -> None:
        known = self.foreign(item)
        if known is None:
            raise UnknownPart(item)
        self.mutable |= known.mutable
        raw = bytes.fromhex(known.digest)
        # The item is kept with its digest, so its id cannot be given to another object meanwhile.
        self.embedded[id(item)] = (item, raw)
        self.out += b"@" + raw

    def nested(self, item: object) -> bytes:
        """Digest a part on its own."""
        tree = _Tree(self.foreign, self.embedded)
        tree.add(item)
        self.mutable |= tree.mutable
        return tree.digest()


def _refuse_cycle(owners: list[object]) -> None:
    """Find a container that lies inside itself; called every few levels, so its cost is spread."""
    if len({id(owner) for owner in owners}) == len(owners):
        if len(owners) > _MAX_DEPTH:
            raise CyclicPart(owners[0])
        return
    seen: set[int] = set()
    for owner in owners:
        if id(owner) in seen:
            raise CyclicPart(owner)
        seen.add(id(owner))


def nested_digest(foreign: Foreign) -> Nested:
    """Give the function that adapters digest names, labels and objects with."""

    def nested(value: object) -> bytes:
        return _checked(value, foreign, {}).digest()

    return nested


def identify(value: object, foreign: Foreign) -> ValueIdentity:
    """Identify a Python value. Linear in its size.

    Args:
        value: The value.
        foreign: Identifies tables, arrays and files inside it.

    Raises:
        UnserialisableValue: A part has a type without identity, or the value contains itself; the text names where.
    """
    if type(value) is dict and len(value) < _FEW:
        flat = _identify_flat(value)
        if flat is not None:
            return flat
    embedded: Embedded = {}
    tree = _checked(value, foreign, embedded)
    return ValueIdentity(tree.hexdigest(), lambda: _outline(value, foreign, embedded), tree.mutable)


def _checked(value: object, foreign: Foreign, embedded: Embedded) -> _Tree:
    tree = _Tree(foreign, embedded)
    try:
        tree.add(value)
    except UnknownPart as unknown:
        raise places.unknown_type(value, unknown.part, unknown.hint) from None
    except CyclicPart as cycle:
        raise places.cyclic(value, cycle.part) from None
    except RecursionError:
        # Only sets inside sets and keys inside keys recurse.
        facts = {"type": type(value).__name__}
        raise UnserialisableValue("A value is nested too deeply", facts, "return a flatter value") from None
    return tree


def _outline(value: object, foreign: Foreign, embedded: Embedded) -> Outline:
    kind = type(value)
    size = len(value) if isinstance(value, _SIZES) else None
    if kind in _ATOMS:
        return Outline(kind.__name__, size)
    paths, truncated = fit(_leaf_digests(value, foreign, embedded))
    return Outline(type_for_outline(kind.__name__), size, {}, paths, truncated)


_SIZES = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_ATOMS = frozenset({str, int, float, bool, type(None), bytes, bytearray, set, frozenset})


#: A dict of fewer entries than this, with short names, fits into any outline.
_FEW = 64


def _identify_flat(value: Any) -> ValueIdentity | None:
    """Identify the commonest small value, a dict of names to scalars, in one pass; None for any other.

    Writes the same bytes as the walk, which a property test holds it to.
    """
    out = bytearray(_PREFIX)
    out += SIZED(b"d", len(value))
    paths: dict[str, str] = {}
    for name, leaf in value.items():
        encode = _SIMPLE.get(type(leaf))
        if encode is None or type(name) is not str or not (name.isascii() and name.isidentifier()):
            return None
        if len(name) > _SHORT_TEXT:
            return None
        code = encode(leaf)
        out += SIZED(b"s", len(name)) + name.encode()
        out += code
        paths[name] = blake3(code).hexdigest(8)
    return ValueIdentity(blake3(out).hexdigest(), Outline("dict", len(value), {}, paths), True)


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    kind: FORMS[kind].encode  # type: ignore[union-attr]  # all of these are leaves
    for kind in (type(None), bool, int, float, str)
}


def _leaf_digests(value: object, foreign: Foreign, embedded: Embedded) -> Iterator[tuple[str, str]]:
    for path, leaf in places.leaves(value):
        known = embedded.get(id(leaf))
        if known is not None:
            yield path, known[1].hex()[:16]
            continue
        form = form_of(type(leaf))
        if type(form) is Leaf:
            yield path, blake3(form.encode(leaf)).hexdigest(8)
            continue
        tree = _Tree(foreign, embedded)
        tree.add(leaf)
        yield path, tree.digest().hex()[:16]
