"""One order for the rows of an Arrow table, whatever order they came in.

Each column gives arrays that Arrow sorts by value: floats by their bits, since a comparison takes -0.0 for 0.0, and
lists by the ranks of their items. Rows that tie in all of them are equal, so their order does not matter.
"""

from __future__ import annotations

from typing import Any

#: Rows looked at to see whether texts repeat.
_SAMPLE = 65_536


def order_of(columns: list[Any], rows: int) -> Any:
    """Give the positions of rows in the one order, as an Arrow array.

    Args:
        columns: An array for each column; dictionaries and run ends may be in them, views may not.
        rows: How many rows there are.
    """
    import pyarrow as pa  # heavy, so imported when a table is met

    keys = [key for column in columns for key in _keys(column, pa)]
    return _sorted(keys, rows, pa)


def _sorted(keys: list[Any], rows: int, pa: Any) -> Any:
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    if not keys:
        return pa.array(range(rows), pa.int64())
    # Wide numbers first: they tie least, and a tie costs a comparison of the next key.
    keys = [_by_rank(key) for key in sorted(keys, key=_width, reverse=True)]
    if len(keys) == 1:
        return pc.sort_indices(keys[0])
    names = [str(position) for position in range(len(keys))]
    batch = pa.table(keys, names=names)
    return pc.sort_indices(batch, sort_keys=[(name, "ascending") for name in names])


def _keys(array: Any, pa: Any) -> list[Any]:
    """Give the arrays by which a column is sorted, nulls last."""
    types, kind = pa.types, array.type
    if types.is_null(kind):
        return []
    if isinstance(kind, pa.BaseExtensionType):
        return _keys(array.storage, pa)
    if types.is_dictionary(kind):
        return _keys(array.dictionary_decode(), pa)
    if types.is_struct(kind):
        inside = [key for part in array.flatten() for key in _keys(part, pa)]
        return [array.is_valid().cast("uint8"), *inside]
    if types.is_nested(kind) or types.is_fixed_size_list(kind):
        return _keys_of_lists(array, pa)
    if types.is_boolean(kind):
        return [array.cast("uint8")]
    return [bits(array, pa)]


def bits(array: Any, pa: Any) -> Any:
    """Give an array of a type that Arrow sorts and compares, in which only equal values tie."""
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    types, kind = pa.types, array.type
    if types.is_floating(kind):
        wide = array.cast("float32") if kind.bit_width == 16 else array
        one_nan = pc.if_else(pc.is_nan(wide), float("nan"), wide).cast(wide.type)
        return one_nan.view(f"int{one_nan.type.bit_width}")
    if types.is_temporal(kind) and kind.bit_width <= 64:
        return array.view(f"int{kind.bit_width}")
    if str(kind) == "month_day_nano_interval":
        return array.view(pa.binary(16))
    return array


def _by_rank(array: Any) -> Any:
    """Give numbers in place of texts that repeat: they sort the same, and several times faster."""
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    if str(array.type) not in ("large_string", "large_binary"):
        return array
    if 2 * pc.count_distinct(array.slice(0, _SAMPLE)).as_py() > min(len(array), _SAMPLE):
        return array
    encoded = array.dictionary_encode()
    ranks = pc.sort_indices(pc.sort_indices(encoded.dictionary))
    return ranks.cast("int64").take(encoded.indices)


def _width(array: Any) -> int:
    """Say how many bytes a value takes; none where that differs."""
    try:
        return int(array.type.bit_width) // 8
    except ValueError:
        return 0


def _keys_of_lists(array: Any, pa: Any) -> list[Any]:
    """Give lists as the bytes of their items' ranks, which Arrow sorts where it does not sort lists."""
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    kind = array.type
    if pa.types.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
        array = array.cast(pa.list_(entry))
    valid = array.is_valid()
    items = (array.drop_null() if array.null_count else array).flatten()
    ranks = _ranks(_keys(items, pa), len(items), pa)
    lengths = pc.if_else(valid, pc.list_value_length(array).cast("int64"), 0)
    ends = pc.cumulative_sum(pc.multiply(lengths, 8))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    packed = pa.Array.from_buffers(
        pa.large_binary(), len(array), [None, offsets.buffers()[1], ranks.buffers()[1]]
    )
    return [valid.cast("uint8"), packed]


def _ranks(keys: list[Any], rows: int, pa: Any) -> Any:
    """Number rows by their place among the different ones."""
    import pyarrow.compute as pc  # heavy, so imported when a table is met

    if not rows:
        return pa.array([], pa.int64())
    order = _sorted(keys, rows, pa)
    differs = pa.array([False] * (rows - 1), pa.bool_())
    for key in keys:
        ordered = key.take(order)
        one, next_one = ordered.slice(0, rows - 1), ordered.slice(1)
        known = pc.not_equal(one, next_one)
        # Where either is null, they differ unless both are.
        unlike = pc.coalesce(known, pc.not_equal(one.is_null(), next_one.is_null()))
        differs = pc.or_(differs, unlike)
    steps = pa.concat_arrays([pa.array([0], pa.int64()), differs.cast("int64")])
    return pc.cumulative_sum(steps).take(pc.sort_indices(order))
