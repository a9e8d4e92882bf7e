"""In which rows two columns differ, whole columns at a time: nulls equal nulls, NaN equals NaN, -0.0 is not 0.0."""

from __future__ import annotations

from typing import Any

from nacre.values.columns import without_views
from nacre.values.order import bits


class NotComparable(Exception):
    """Two columns have types, or values of different types, that Arrow does not compare."""


def plain(array: Any) -> Any:
    """Undo what is not part of a value: dictionaries, runs, views, extensions, short offsets. Takes chunks too."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    types = pa.types
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in array.chunks] if isinstance(array, pa.ChunkedArray) else None
        return plain(array.storage if chunks is None else pa.chunked_array(chunks, type=kind.storage_type))
    if types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if types.is_dictionary(kind):
        return plain(array.cast(kind.value_type))
    bare = without_views(kind)
    wide = {"string": pa.large_string(), "binary": pa.large_binary(), "halffloat": pa.float32()}
    bare = wide.get(str(bare), bare)
    return array if bare == kind else array.cast(bare)


def are_comparable(old: Any, new: Any) -> bool:
    """Say whether two types compare at all; cells of them may still have no counterpart in the other."""
    import pyarrow as pa  # heavy, so imported when a table is met

    try:
        unlike(plain(pa.array([], old)), plain(pa.array([], new)))
    except NotComparable:
        return False
    return True


def unlike(old: Any, new: Any) -> Any:
    """Say for each pair of cells whether they differ; without nulls. Linear.

    Args:
        old: An array, as ``plain`` gives it.
        new: One of the same length.

    Raises:
        NotComparable: Their types do not compare, or a cell of one has no counterpart in the type of the other.
    """
    import pyarrow as pa  # heavy, so imported when a table is met

    try:
        return _unlike(old, new)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise NotComparable(str(error)) from error


def _unlike(old: Any, new: Any) -> Any:
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    types = pa.types
    old, new = plain(old), plain(new)
    if types.is_null(old.type) or types.is_null(new.type):
        return pc.not_equal(old.is_null(), new.is_null())
    if types.is_struct(old.type) and types.is_struct(new.type):
        return _unlike_structs(old, new, pc)
    if types.is_nested(old.type) or types.is_nested(new.type):
        return _unlike_lists(old, new, pc)
    if old.type == new.type:
        old, new = bits(old, pa), bits(new, pa)
    known = pc.not_equal(old, new)
    # Where either is null, they differ unless both are.
    return pc.coalesce(known, pc.not_equal(old.is_null(), new.is_null()))


def _unlike_structs(old: Any, new: Any, pc: Any) -> Any:
    import pyarrow as pa  # heavy, so imported when a table is met

    names = [[kind.field(i).name for i in range(kind.num_fields)] for kind in (old.type, new.type)]
    if names[0] != names[1]:
        raise pa.ArrowNotImplementedError("records of other fields")
    found = pc.not_equal(old.is_valid(), new.is_valid())
    # Flattening makes null what lies in a null, so nothing that nobody sees is compared.
    for one, other in zip(old.flatten(), new.flatten(), strict=True):
        found = pc.or_(found, _unlike(one, other))
    return found


def _unlike_lists(old: Any, new: Any, pc: Any) -> Any:
    """Compare lengths first, then the items of the lists that are equally long, all at once."""
    import pyarrow as pa  # heavy, so imported when a table is met

    old, new = _as_lists(old, pa), _as_lists(new, pa)
    both = pc.and_(old.is_valid(), new.is_valid())
    as_long = pc.coalesce(pc.equal(pc.list_value_length(old), pc.list_value_length(new)), False)
    found = pc.or_(pc.not_equal(old.is_valid(), new.is_valid()), pc.and_not(both, as_long))
    paired = pc.and_(both, as_long)
    one, other = old.filter(paired), new.filter(paired)
    items = _unlike(one.flatten(), other.flatten())
    parents = pc.unique(pc.list_parent_indices(one).filter(items)).cast("int64")
    rows = pc.indices_nonzero(paired).cast("int64").take(parents)
    return pc.or_(found, pc.is_in(positions(len(found)), value_set=rows)) if len(rows) else found


def positions(n: int) -> Any:
    """Give the numbers from 0 on as an Arrow array."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    return pc.indices_nonzero(pa.repeat(True, n)).cast("int64")


def _as_lists(array: Any, pa: Any) -> Any:
    kind = array.type
    if pa.types.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
        return array.cast(pa.large_list(entry))
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise pa.ArrowNotImplementedError("a list and something else")
    return array
