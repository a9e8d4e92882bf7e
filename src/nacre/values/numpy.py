"""Data versions of numpy arrays and scalars: dtype, shape and the elements in C order, little-endian, with one NaN.

Memory layout, strides and byte order do not count. The library is never imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from blake3 import blake3

from nacre.encoding import digest
from nacre.values.identity import Nested, ValueIdentity, type_for_outline
from nacre.version.outline import Outline

#: Kinds whose bytes are their value: booleans, integers, floats, complex, times, fixed-width text and bytes, raw bytes.
_PLAIN = frozenset("biufcmMSUV")
#: Bytes of an extended float that are its value, by the bits of its mantissa; the others are whatever was there.
_SIGNIFICANT = {52: 8, 63: 10, 112: 16}
_BLOCK_BYTES = 1 << 20


def identify(value: Any, nested: Nested) -> ValueIdentity | None:
    """Identify an array, or give None for a type that is none of numpy's own arrays."""
    if type(value).__name__ != "ndarray":
        return None
    hasher = blake3()
    dtype = value.dtype
    for part in _parts(value, nested):
        hasher.update(part)
    shape = ",".join(map(str, value.shape))
    found = digest("ndarray", repr(describe(dtype)), shape, hasher.digest())
    return ValueIdentity(
        found, Outline(type_for_outline(f"ndarray[{dtype}]"), value.shape[0] if value.ndim else None), True
    )


def unordered(array: Any, nested: Nested) -> str:
    """Digest an array by what lies along its first axis, in whatever order."""
    shape = ",".join(map(str, array.shape))
    return digest("unordered ndarray", repr(describe(array.dtype)), shape, *_in_order(array, nested))


def _in_order(array: Any, nested: Nested) -> Iterator[bytes]:
    if array.dtype.hasobject or array.dtype.kind == "T":
        yield from sorted(nested(row) for row in array.tolist())
        return
    np = sys.modules["numpy"]
    blocks = [_bytes_of_rows(part, nested) for part in _fields(array)]
    whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    width = whole.shape[1]
    if width:
        kind = f"<u{width}" if width in (1, 2, 4, 8) else f"V{width}"
        yield blake3(memoryview(np.sort(whole.view(kind), axis=0).view("u1"))).digest()


def _fields(array: Any) -> Iterator[Any]:
    if array.dtype.fields is None:
        yield array
        return
    for name in array.dtype.names:
        yield from _fields(array[name])


def _bytes_of_rows(array: Any, nested: Nested) -> Any:
    """Show the canonical bytes of an array of plain elements, a line for each row."""
    np = sys.modules["numpy"]
    whole = np.frombuffer(b"".join(_parts(array, nested)), "u1")
    return whole.reshape(len(array), -1) if whole.size else whole.reshape(len(array), 0)


def describe(dtype: Any) -> object:
    """Describe a dtype by plain text and tuples, fields included, always little-endian."""
    if dtype.char in "gG":
        # What an extended float is differs between processors, so how precise it is belongs to its name.
        return f"{dtype.newbyteorder('<').str}:{_mantissa(dtype)}"
    if dtype.fields is None:
        if dtype.subdtype is not None:
            inner, shape = dtype.subdtype
            return (describe(inner), tuple(shape))
        if dtype.kind == "T":
            return repr(dtype)
        return str(dtype.newbyteorder("<").str)
    return tuple((name, describe(dtype.fields[name][0])) for name in dtype.names)


def _parts(array: Any, nested: Nested) -> Iterator[bytes | memoryview]:
    """Yield the canonical bytes of an array, a block at a time; fields of a structure one after another."""
    dtype = array.dtype
    if dtype.fields is not None:
        # Bytes between the fields are undefined, so each field is written on its own.
        for name in dtype.names:
            yield from _parts(array[name], nested)
        return
    if dtype.kind in "OT":
        for item in array.reshape(-1).tolist():
            yield nested(item)
        return
    if dtype.kind not in _PLAIN or (dtype.char in "gG" and _mantissa(dtype) not in _SIGNIFICANT):
        # nested refuses the dtype by name.
        yield nested(dtype)
        return
    for block in _blocks(array):
        yield _canonical(block)


def _blocks(array: Any) -> Iterator[Any]:
    if not array.size:
        return
    if array.ndim == 0:
        yield array.reshape(1)
        return
    step = max(1, _BLOCK_BYTES // max(1, array.nbytes // len(array)))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _canonical(block: Any) -> bytes | memoryview:
    little = block.astype(block.dtype.newbyteorder("<"), order="C", copy=False)
    if little.dtype.kind in "fc":
        wrong = little != little
        if wrong.any():
            little = little.copy(order="C")
            _one_nan(little, wrong)
    raw = little.reshape(-1).view("u1")
    if little.dtype.char in "gG":
        size = little.dtype.itemsize // (2 if little.dtype.char == "G" else 1)
        raw = raw.reshape(-1, size)[:, : _SIGNIFICANT[_mantissa(little.dtype)]].reshape(-1)
    return memoryview(raw)


def _mantissa(dtype: Any) -> int:
    return int(sys.modules["numpy"].finfo(dtype).nmant)


def _one_nan(block: Any, wrong: Any) -> None:
    if block.dtype.kind == "f":
        block[wrong] = float("nan")
        return
    for part in (block.real, block.imag):
        part[part != part] = float("nan")


def scalar(kind: type) -> Callable[[Any], tuple[str, bytes]] | None:
    """Give the encoder of a numpy scalar type, ``(name, bytes)``, or None for any other type."""
    if kind.__module__ != "numpy" or not issubclass(kind, sys.modules["numpy"].generic):
        return None
    if kind.__name__ in ("longdouble", "clongdouble", "void"):
        return None

    def encode(value: Any) -> tuple[str, bytes]:
        block = value.reshape(1)
        return str(describe(value.dtype)), bytes(_canonical(block))

    return encode
