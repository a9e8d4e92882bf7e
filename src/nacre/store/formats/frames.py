"""pandas frames as Arrow tables and back, with the dtypes that pyarrow alone would not give back as they were."""

from __future__ import annotations

from typing import Any

import msgspec

from nacre.errors import TypeMismatch, UnserialisableValue
from nacre.values import pandas

#: Metadata: position in the table to the name of a dtype.
_DTYPES = b"nacre.dtypes"
_ARROW = "arrow"
#: Up to here a float holds every integer.
_EXACT = 2**53
_NAMED = ("IntegerDtype", "FloatingDtype", "BooleanDtype", "StringDtype")


def to_arrow(frame: Any, noted: dict[bytes, bytes]) -> Any:
    """Convert a frame with its index.

    Args:
        frame: The frame.
        noted: Gets what is to be kept in the metadata of the table.

    Raises:
        UnserialisableValue: A column or the index has no one type.
    """
    import pyarrow as pa  # heavy, so imported when a table is met

    _check_labels(frame.columns)
    try:
        table = pa.Table.from_pandas(frame)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        # The adapter's conversion names the column, where it is one.
        pandas.to_arrow(frame)
        facts = {"type": "pandas.DataFrame", "problem": str(error).splitlines()[0]}
        hint = "call .reset_index() first, or give the index one type"
        raise UnserialisableValue("A table cannot be stored as Parquet", facts, hint) from error
    dtypes = _dtypes(frame, table.num_columns)
    if not dtypes:
        return table
    noted[_DTYPES] = msgspec.json.encode(dtypes)
    metadata = dict(table.schema.metadata)
    described = msgspec.json.decode(metadata[b"pandas"])
    for position in dtypes:
        # pyarrow reads the names of some of these dtypes as others, or fails.
        described["columns"][position]["numpy_type"] = "object"
    return table.replace_schema_metadata({**metadata, b"pandas": msgspec.json.encode(described)})


def _check_labels(labels: Any) -> None:
    """Refuse labels that Parquet would not give back."""
    levels = [labels.get_level_values(level) for level in range(labels.nlevels)]
    if labels.nlevels == 1 and len(set(map(type, labels))) > 1:
        problem = "they are of several types"
        hint = "give the columns labels of one type, for example frame.columns = frame.columns.map(str)"
    elif any(type(level).__name__ == "CategoricalIndex" for level in levels):
        problem = "they are categories"
        text = "astype(str)" if labels.nlevels == 1 else "to_flat_index().map(str)"
        hint = f"make the labels text, for example frame.columns = frame.columns.{text}"
    else:
        return
    facts = {"type": "pandas.DataFrame", "labels": ", ".join(map(repr, labels)), "problem": problem}
    raise UnserialisableValue("A table cannot be stored as Parquet", facts, hint)


def _dtypes(frame: Any, width: int) -> dict[int, str]:
    """Name the dtypes to make anew: those Arrow holds itself, and in the index, all that can have missing values."""
    columns = list(frame.dtypes)
    found = {at: _ARROW for at, dtype in enumerate(columns) if _name(dtype) == _ARROW}
    if width == len(columns):
        return found
    for level in range(frame.index.nlevels):
        name = _name(frame.index.get_level_values(level).dtype)
        if name:
            found[len(columns) + level] = name
    return found


def _name(dtype: Any) -> str:
    if type(dtype).__name__ == "ArrowDtype":
        return _ARROW
    is_named = any(kind.__name__ in _NAMED for kind in type(dtype).__mro__)
    return str(dtype) if is_named and pandas.is_own(dtype) else ""


def from_arrow(table: Any, metadata: dict[bytes, bytes]) -> Any:
    """Make the frame of a table again.

    Args:
        table: As ``to_arrow`` gave it, or of another library.
        metadata: What was noted.

    Raises:
        TypeMismatch: Integers would be rounded that pandas has no dtype for.
    """
    import pandas as pd  # heavy; to_pandas would say less clearly that it is not there

    frame = table.to_pandas()
    dtypes: dict[int, str] = msgspec.json.decode(metadata.get(_DTYPES, b"{}"), type=dict[int, str])
    width = frame.shape[1]
    levels = [frame.index.get_level_values(level) for level in range(frame.index.nlevels)]
    for position, name in dtypes.items():
        column = table.column(position)
        is_arrow = name == _ARROW
        made = (
            pd.arrays.ArrowExtensionArray(column)
            if is_arrow
            else pd.api.types.pandas_dtype(name).__from_arrow__(column)
        )
        if position < width:
            frame.isetitem(position, made)
        else:
            levels[position - width] = made
    if any(position >= width for position in dtypes):
        names = list(frame.index.names)
        if len(levels) == 1:
            frame.index = pd.Index(levels[0], name=names[0])
        else:
            frame.index = pd.MultiIndex.from_arrays(levels, names=names)
    _keep_integers(table, frame)
    return frame


def _keep_integers(table: Any, frame: Any) -> None:
    """Give columns a nullable dtype where pandas' usual floats beside nulls would round integers."""
    import pandas as pd  # heavy, so imported when a frame is asked for

    index = _index_columns(table)
    columns = [at for at, name in enumerate(table.column_names) if name not in index]
    for position, at in enumerate(columns):
        name, column = table.column_names[at], table.column(at)
        held = str(frame.dtypes.iloc[position])
        if held not in ("float64", "object") or not _is_rounded(column):
            continue
        if held == "object":
            raise _rounded(name)
        dtype = pd.api.types.pandas_dtype("UInt64" if str(column.type) == "uint64" else "Int64")
        frame.isetitem(position, dtype.__from_arrow__(column))
    for level, name in enumerate(index):
        held = str(frame.index.get_level_values(level).dtype)
        if held == "float64" and _is_rounded(table.column(table.column_names.index(name))):
            raise _rounded(name)


def _index_columns(table: Any) -> list[str]:
    """Name the columns that are levels of the index, by what pandas noted."""
    described = msgspec.json.decode((table.schema.metadata or {}).get(b"pandas", b"{}"))
    return [name for name in described.get("index_columns", []) if name in table.column_names]


def _is_rounded(column: Any) -> bool:
    """Say whether a column holds, at any depth, integers beside nulls that a float cannot hold exactly."""
    import pyarrow as pa  # heavy, so imported when a table is met
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_integer(kind):
        if not column.null_count:
            return False
        found = pc.min_max(column).as_py()
        return found["min"] is not None and max(-found["min"], found["max"]) > _EXACT
    if pa.types.is_struct(kind):
        return any(map(_is_rounded, column.flatten()))
    if pa.types.is_map(kind):
        return _is_rounded(pa.chunked_array([chunk.items for chunk in column.chunks], kind.item_type))
    if hasattr(kind, "value_field"):
        return _is_rounded(pa.chunked_array([chunk.flatten() for chunk in column.chunks], kind.value_type))
    return False


def _rounded(name: str) -> TypeMismatch:
    facts = {
        "column": "the index" if name.startswith("__index_level_") else repr(name),
        "asked for": "pandas.DataFrame",
        "problem": "it holds integers beyond 2**53 beside missing ones, which pandas would round",
    }
    hint = (
        "ask for pl.DataFrame or pa.Table (annotation or as_type), or fill what is missing where it is made"
    )
    return TypeMismatch("A stored table cannot become a pandas frame as it is", facts, hint)
