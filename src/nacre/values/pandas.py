"""Data versions of pandas frames and series: as Arrow tables, with index, labels and dtypes of pandas' own beside.

A frame with the default index and numpy's dtypes equals the Arrow or polars table of the same columns. The library is
never imported here; NaN in a float column counts as null, as pandas itself has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nacre.encoding import digest
from nacre.errors import UnserialisableValue
from nacre.values import arrow
from nacre.values.identity import Nested, ValueIdentity


def identify(value: Any, nested: Nested) -> ValueIdentity | None:
    """Identify a frame or series, or give None for any other type."""
    if type(value).__name__ == "DataFrame":
        # First of all, since it names the column that has no one type.
        table = to_arrow(value)
        extra = _index(value.index, nested) + _labels(value.columns, nested) + _types(value.dtypes, nested)
        if not value.shape[1] and len(value):
            # Without a column, Arrow does not know how many rows there are.
            extra += b"rows" + nested(len(value))
        return arrow.identity(table, extra=extra, mutable=True)
    if type(value).__name__ == "Series":
        table = to_arrow(value.to_frame("value"))
        extra = b"series" + nested(value.name) + _index(value.index, nested) + _types([value.dtype], nested)
        return arrow.identity(table, extra=extra, mutable=True, label="series")
    return None


def rows(value: Any, nested: Nested) -> tuple[Any, bytes, str]:
    """Give a frame or series as rows: its columns and index in one table, what else there is, and what it is called.

    The default index belongs to no row: it only counts them.
    """
    is_series = type(value).__name__ == "Series"
    frame = value.to_frame("value") if is_series else value
    extra = b"series" + nested(value.name) if is_series else _labels(frame.columns, nested)
    table = to_arrow(frame)
    levels = [] if is_default_index(value.index) else _levels(value.index)
    for array in _arrays(levels):
        table = table.append_column("", array)
    if levels:
        extra += b"index" + nested(list(value.index.names))
    extra += _types([*frame.dtypes, *(level.dtype for level in levels)], nested)
    return table, extra, "series" if is_series else "table"


def to_arrow(frame: Any) -> Any:
    """Convert the columns of a frame, without its index, to a ``pyarrow.Table``.

    Raises:
        UnserialisableValue: A column holds objects Arrow has no type for, or two columns have one name.
    """
    import pyarrow as pa  # heavy, so imported when a table is met

    try:
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        place, problem = _culprit(frame, pa) or ("result", str(error).splitlines()[0])
        facts = {"place": place, "type": "pandas.DataFrame", "problem": problem}
        hint = "give every column one name and one type, for example with .astype(str) or pandas.to_numeric"
        raise UnserialisableValue("A column of a table cannot be stored", facts, hint) from error


def _culprit(frame: Any, pa: Any) -> tuple[str, str] | None:
    """Find the first column that does not convert on its own."""
    for position in range(frame.shape[1]):
        try:
            pa.array(frame.iloc[:, position], from_pandas=True)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            return f"result[{frame.columns[position]!r}]", str(error).splitlines()[0]
    return None


def is_default_index(index: Any) -> bool:
    """Say whether an index is the one pandas gives when none is asked for: 0, 1, 2 … without a name."""
    is_range = type(index).__name__ == "RangeIndex"
    return bool(is_range and index.start == 0 and index.step == 1 and index.name is None)


def _index(index: Any, nested: Nested) -> bytes:
    import pyarrow as pa  # heavy, so imported when a table is met

    if is_default_index(index):
        return b""
    if type(index).__name__ == "RangeIndex":
        return b"range" + nested((index.start, index.stop, index.step, index.name))
    levels = _levels(index)
    table = pa.table(_arrays(levels), names=[str(i) for i in range(len(levels))])
    found = b"index" + nested(list(index.names)) + bytes.fromhex(arrow.identity(table).digest)
    return found + _types([level.dtype for level in levels], nested)


def _levels(index: Any) -> list[Any]:
    return [index.get_level_values(level) for level in range(index.nlevels)]


def _arrays(levels: list[Any]) -> list[Any]:
    """Convert the levels of an index to Arrow arrays."""
    import pyarrow as pa  # heavy, so imported when a table is met

    arrays = []
    for position, level in enumerate(levels):
        try:
            arrays.append(pa.array(level, from_pandas=True))
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            place = f"result.index, level {position}" if len(levels) > 1 else "result.index"
            facts = {"place": place, "type": "pandas.Index", "problem": str(error).splitlines()[0]}
            hint = (
                "give the index one type, for example frame.index = frame.index.map(str), or .reset_index()"
            )
            raise UnserialisableValue("The index of a table cannot be stored", facts, hint) from error
    return arrays


def _types(dtypes: Iterable[Any], nested: Nested) -> bytes:
    """Describe the dtypes that Arrow's types do not tell apart: nullable ones, and what categories there are."""
    found = {position: _type(dtype) for position, dtype in enumerate(dtypes)}
    told = {position: what for position, what in found.items() if what}
    return b"types" + nested(told) if told else b""


def _type(dtype: Any) -> object:
    """Describe a dtype; None for numpy's, for time zones and for the text of pandas 3, which Arrow tells as well."""
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        return (kind, bool(dtype.ordered), _categories(dtype.categories))
    if kind == "StringDtype":
        # NaN as missing value is what pandas takes by default; where the text lies does not count.
        return None if isinstance(dtype.na_value, float) else kind
    if not hasattr(dtype, "construct_array_type") or kind == "DatetimeTZDtype":
        return None
    # Which Arrow type it is, the column says itself.
    return kind if kind == "ArrowDtype" else (kind, str(dtype))


def _categories(categories: Any) -> str:
    import pyarrow as pa  # heavy, so imported when a table is met

    values = pa.array(categories, from_pandas=True)
    name = str(categories.dtype)
    # What pandas 3 calls str was an object before; Arrow tells texts from other objects.
    if name == "object" and str(values.type) in ("string", "large_string"):
        name = "str"
    return arrow.identity(pa.table([values], names=[name])).digest


def is_own(dtype: Any) -> bool:
    """Say whether a dtype is pandas' own, so that Arrow's type does not tell it."""
    return _type(dtype) is not None


def own_dtypes(frame: Any) -> set[str]:
    """Name the classes of the dtypes among a frame's columns that are pandas' own."""
    return {type(dtype).__name__ for dtype in frame.dtypes if is_own(dtype)}


def _labels(columns: Any, nested: Nested) -> bytes:
    names = list(columns)
    if columns.nlevels == 1 and columns.name is None and all(type(name) is str for name in names):
        return b""
    return b"labels" + nested((names, list(columns.names)))


def has_plain_labels(frame: Any) -> bool:
    """Say whether a frame has the default index and text labels only, so Arrow columns say all there is."""
    is_plain = type(frame.columns).__name__ == "Index" and not _labels(frame.columns, _sixteen)
    return is_plain and is_default_index(frame.index)


def _sixteen(_: object) -> bytes:
    return b"\0" * 16


def scalar(kind: type) -> Callable[[Any], tuple[str, bytes]] | None:
    """Give the encoder of a pandas scalar type, ``(name, bytes)``, or None for any other type."""
    if kind.__module__.partition(".")[0] != "pandas":
        return None
    return _SCALARS.get(kind.__name__)


def _timestamp(value: Any) -> tuple[str, bytes]:
    zone = value.tzinfo
    name = "" if zone is None else str(getattr(zone, "key", zone))
    text = value.tz_localize(None).isoformat()
    return "pandas.Timestamp", bytes.fromhex(digest("timestamp", text, value.unit, name, str(value.fold)))


def _timedelta(value: Any) -> tuple[str, bytes]:
    return "pandas.Timedelta", f"{value.unit} {value.isoformat()}".encode()


_SCALARS: dict[str, Callable[[Any], tuple[str, bytes]]] = {
    "Timestamp": _timestamp,
    "Timedelta": _timedelta,
    "NaTType": lambda _: ("pandas.NaT", b""),
    "NAType": lambda _: ("pandas.NA", b""),
}
