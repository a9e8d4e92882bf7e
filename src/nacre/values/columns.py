"""The columns of Arrow tables as streams of bytes: validity, lengths and data, whatever chunks they come in.

Validity is hashed only where there are nulls; nulls are dropped from lengths and data, and offsets never enter.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from
from typing import Any

from blake3 import blake3

from nacre.encoding import digest
from nacre.errors import UnserialisableValue

#: Rows converted at a time, few enough to stay in the processor's cache.
ROWS = 32_768
_ONES = b"\1" * ROWS
_UTC = frozenset({"UTC", "Etc/UTC", "Z", "+00:00", "Zulu", "Etc/UCT", "UCT"})


class Column:
    """The streams of one column or of what is nested in it. Subclasses say how arrays without nulls are written."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.rows = 0
        self.nulls = 0
        self.validity = blake3()
        self.lengths = blake3()
        self.data = blake3()
        self.kids: list[Column] = []

    def update(self, array: Any) -> None:
        """Add an array of the column's type."""
        for start in range(0, len(array), ROWS):
            self._slice(self.plain(array.slice(start, ROWS)))

    def plain(self, array: Any) -> Any:
        """Undo an encoding that is not part of the value."""
        return array

    def take(self, array: Any) -> None:
        """Write an array that has no nulls."""

    def _slice(self, array: Any) -> None:
        nulls = array.null_count
        if nulls or self.nulls:
            if not self.nulls:
                self._all_valid(self.rows)
            self.nulls += nulls
            self.validity.update(_fixed(array.is_valid().cast("uint8"), 1))
        self.rows += len(array)
        rest = array.drop_null() if nulls else array
        if len(rest):
            self.take(rest)

    def _all_valid(self, rows: int) -> None:
        while rows:
            self.validity.update(_ONES[: min(rows, ROWS)])
            rows -= min(rows, ROWS)

    def finish(self) -> bytes:
        """Digest the column."""
        validity = self.validity.digest() if self.nulls else b""
        kids = [kid.finish() for kid in self.kids]
        counts = f"{self.rows},{self.nulls}"
        found = digest(
            "array", self.label, counts, validity, self.lengths.digest(), self.data.digest(), *kids
        )
        return bytes.fromhex(found)


class _Fixed(Column):
    """Values of one width: integers, decimals, dates and times."""

    def __init__(self, label: str, width: int) -> None:
        super().__init__(label)
        self.width = width

    def update(self, array: Any) -> None:
        # Without nulls the bytes are the value, in one stretch: nothing to slice.
        if array.null_count or self.nulls:
            super().update(array)
        elif len(array):
            self.rows += len(array)
            self.take(array)

    def take(self, array: Any) -> None:
        self.data.update(_fixed(array, self.width))


class _Float(Column):
    """Floats, with one NaN."""

    def __init__(self, label: str, width: int) -> None:
        super().__init__(label)
        # Half floats have few kernels; as single floats they keep their value.
        self.is_half = width == 2
        self.width = 4 if self.is_half else width

    def plain(self, array: Any) -> Any:
        return array.cast("float32") if self.is_half else array

    def take(self, array: Any) -> None:
        import pyarrow.compute as pc  # heavy, so imported when a table is met

        # A sum is several times cheaper than a test of each value, and is NaN wherever a value is.
        total = pc.sum(array).as_py()
        if total is None or total != total:
            array = pc.if_else(pc.is_nan(array), float("nan"), array).cast(array.type)
        self.data.update(_fixed(array, self.width))


class _Bool(Column):
    """Truth values, one byte each, since chunks need not end at a byte of bits."""

    def take(self, array: Any) -> None:
        self.data.update(_fixed(array.cast("uint8"), 1))


class _Bytes(Column):
    """Text and binary of any offset width or view."""

    def __init__(self, label: str, large: str) -> None:
        super().__init__(label)
        self.large = large

    def plain(self, array: Any) -> Any:
        return array.cast(self.large) if str(array.type).endswith("_view") else array

    def take(self, array: Any) -> None:
        import pyarrow.compute as pc  # heavy, so imported when a table is met

        self.lengths.update(_fixed(pc.binary_length(array).cast("int64"), 8))
        _, offsets, data = array.buffers()
        width, code = (8, "<q") if str(array.type).startswith("large_") else (4, "<i")
        view = memoryview(offsets)
        (first,) = unpack_from(code, view, array.offset * width)
        (last,) = unpack_from(code, view, (array.offset + len(array)) * width)
        if last > first:
            self.data.update(memoryview(data)[first:last])


class _List(Column):
    """Lists of any offset width or fixed size, and maps, as lengths and one column of their items."""

    def __init__(self, label: str, item: Column, cast: Any) -> None:
        super().__init__(label)
        self.kids = [item]
        self.cast = cast

    def plain(self, array: Any) -> Any:
        return array if self.cast is None else array.cast(self.cast)

    def take(self, array: Any) -> None:
        import pyarrow.compute as pc  # heavy, so imported when a table is met

        self.lengths.update(_fixed(pc.list_value_length(array).cast("int64"), 8))
        self.kids[0].update(array.flatten())


class _Struct(Column):
    """Structs, field by field."""

    def __init__(self, label: str, kids: list[Column]) -> None:
        super().__init__(label)
        self.kids = kids

    def take(self, array: Any) -> None:
        for kid, child in zip(self.kids, array.flatten(), strict=True):
            kid.update(child)


class _Decoded(Column):
    """Values behind a dictionary or an extension type: what counts is what they stand for."""

    def __init__(self, label: str, inner: Column) -> None:
        super().__init__(label)
        self.kids = [inner]

    def update(self, array: Any) -> None:
        self.rows += len(array)
        for start in range(0, len(array), ROWS):
            part = array.slice(start, ROWS)
            self.kids[0].update(part.storage if hasattr(part, "storage") else part.dictionary_decode())


class _RunEnds(Column):
    """Values stored as runs: an encoding only, so the column is that of the values."""

    def __init__(self, inner: Column) -> None:
        super().__init__(inner.label)
        self.kids = [inner]

    def update(self, array: Any) -> None:
        import pyarrow.compute as pc  # heavy, so imported when a table is met

        for start in range(0, len(array), ROWS):
            part = array.slice(start, ROWS)
            # Rows that were put into order are no runs any more.
            self.kids[0].update(pc.run_end_decode(part) if hasattr(part, "run_ends") else part)

    def finish(self) -> bytes:
        return self.kids[0].finish()


def _fixed(array: Any, width: int) -> memoryview:
    """Show the bytes of a fixed-width array without nulls, without copying them."""
    start = array.offset * width
    return memoryview(array.buffers()[1])[start : start + len(array) * width]


def new_column(kind: Any, place: str) -> Column:
    """Give the streams for a type.

    Args:
        kind: An Arrow type.
        place: Where the column is, for the error.

    Raises:
        UnserialisableValue: The type has no canonical bytes.
    """
    import pyarrow as pa  # heavy, so imported when a table is met

    types = pa.types
    name = str(kind)
    if types.is_null(kind):
        return Column("null")
    if types.is_boolean(kind):
        return _Bool("bool")
    if types.is_floating(kind):
        return _Float(name, kind.bit_width // 8)
    if name in ("string", "large_string", "string_view"):
        return _Bytes("string", "large_string")
    if name in ("binary", "large_binary", "binary_view"):
        return _Bytes("binary", "large_binary")
    if types.is_timestamp(kind):
        zone = "UTC" if kind.tz in _UTC else kind.tz
        return _Fixed(f"timestamp[{kind.unit}, {zone}]" if zone else f"timestamp[{kind.unit}]", 8)
    if types.is_run_end_encoded(kind):
        return _RunEnds(new_column(kind.value_type, place))
    if types.is_nested(kind) or types.is_fixed_size_list(kind):
        return _new_nested(kind, place, pa)
    if types.is_dictionary(kind):
        inner = new_column(kind.value_type, place)
        return _Decoded(f"dictionary<{inner.label}{', ordered' if kind.ordered else ''}>", inner)
    if isinstance(kind, pa.BaseExtensionType):
        inner = new_column(kind.storage_type, place)
        return _Decoded(f"extension<{kind.extension_name}, {inner.label}>", inner)
    if types.is_primitive(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind):
        return _Fixed(name, kind.bit_width // 8)
    raise _unknown(kind, place)


def _new_nested(kind: Any, place: str, pa: Any) -> Column:
    types = pa.types
    if types.is_struct(kind):
        fields = list(_fields(kind))
        kids = [new_column(field.type, f"{place}[{field.name!r}]") for field in fields]
        # Lengths before the names keep one field "a: x, b" apart from two.
        inner = ", ".join(f"{len(f.name)}:{f.name}: {kid.label}" for f, kid in zip(fields, kids, strict=True))
        return _Struct(f"struct<{inner}>", kids)
    if types.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
        item = new_column(without_views(entry), place)
        return _List(f"map<{item.label}>", item, pa.list_(entry))
    if not hasattr(kind, "value_type"):
        raise _unknown(kind, place)
    item = new_column(kind.value_type, place + "[…]")
    if types.is_fixed_size_list(kind):
        return _List(f"list[{kind.list_size}]<{item.label}>", item, None)
    return _List(f"list<{item.label}>", item, None)


def _unknown(kind: Any, place: str) -> UnserialisableValue:
    facts = {"place": place, "type": f"Arrow {kind}"}
    return UnserialisableValue(
        "A column of a table cannot be identified", facts, "cast it to another type, or leave it out"
    )


def without_views(kind: Any) -> Any:
    """Give a type with the views in it, at any depth, replaced by offsets: fewer kernels and readers know views."""
    import pyarrow as pa  # heavy, so imported when a table is met

    types = pa.types
    name = str(kind)
    if name in ("string_view", "binary_view"):
        return pa.large_string() if name == "string_view" else pa.large_binary()
    if types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, without_views(kind.value_type), kind.ordered)
    if types.is_struct(kind):
        return pa.struct([field.with_type(without_views(field.type)) for field in _fields(kind)])
    if types.is_map(kind):
        return pa.map_(without_views(kind.key_type), without_views(kind.item_type))
    if types.is_run_end_encoded(kind) or not hasattr(kind, "value_field"):
        return kind
    item = kind.value_field.with_type(without_views(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(item, kind.list_size)
    return pa.large_list(item) if name.startswith("large_") else pa.list_(item)


def _fields(kind: Any) -> Iterator[Any]:
    return (kind.field(i) for i in range(kind.num_fields))
