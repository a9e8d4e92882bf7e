"""Whether the objects in a pandas frame came back as they were: a data version sees them only as Arrow does.

Arrow makes a list of a tuple and a float of a whole number beside one; a consumer would see that, cell by cell.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterator
from typing import Any

from nacre.errors import UnserialisableValue
from nacre.store.formats.annotation import label
from nacre.values import identify, pandas

_FRAMES = ("pandas.DataFrame", "pandas.Series")
#: What Arrow takes for text, or for missing beside it.
_TEXT = frozenset({"str", "float", "NoneType", "NAType", "NaTType"})
#: Equal ones are the same.
_SIMPLE = frozenset({bool, int, str, bytes, dt.date, decimal.Decimal})
_ARRAYS = (
    "make each one a numpy array, of texts with dtype=object, or return a polars.DataFrame or pyarrow.Table"
)
_TIMES = "convert the column with pandas.to_datetime, or pandas.to_timedelta"
_HINTS = {
    "int": 'convert the column with pandas.to_numeric, or .astype("Int64") where values are missing',
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "ndarray"), _ARRAYS),
    **dict.fromkeys(("datetime", "Timestamp", "timedelta", "Timedelta"), _TIMES),
    "dict": "give every dict the same keys and no lists, make them text, or return a list of dicts",
}
_HINT = "make the values of the column text, or give it a dtype of its own"


def holds_objects(frame: Any) -> bool:
    """Say whether a column holds Python objects that are not all text."""
    columns = (frame.iloc[:, at] for at, dtype in enumerate(frame.dtypes) if _is_object(dtype))
    return not all(map(_is_text, columns))


def _is_object(dtype: Any) -> bool:
    return str(dtype) == "object"


def _is_text(column: Any) -> bool:
    kinds = {kind.__name__ for kind in set(map(type, column.to_numpy()))}
    return "str" in kinds and kinds <= _TEXT


def compare(saved: Any, loaded: Any) -> None:
    """Compare the objects in a frame or series, its index and its labels with what was loaded; other values pass.

    What is missing may come back as another sign of that, as in a data version.

    Raises:
        UnserialisableValue: An object or the labels came back as others; the text names the column and row.
    """
    if label(type(saved)) not in _FRAMES or type(saved) is not type(loaded) or saved.shape != loaded.shape:
        return
    if saved.ndim == 2:
        _compare_labels(saved, loaded)
    for place, column, other in _pairs(saved, loaded):
        if not _is_object(column.dtype) or _is_text(column):
            continue
        if pandas.is_own(other.dtype):
            hint = f'give it that dtype, with .astype("{other.dtype}")'
            raise _changed(saved, place, f"objects come back as {other.dtype}", hint)
        for row, (old, new) in enumerate(zip(column, other, strict=True)):
            if type(old) in _SIMPLE and type(old) is type(new) and old == new:
                continue
            problem = _problem(old, new)
            if problem:
                raise _changed(saved, f"{place}[{row}]", problem, _HINTS.get(type(old).__name__, _HINT))


def _compare_labels(saved: Any, loaded: Any) -> None:
    """Compare the classes of the indexes that hold the labels; what the labels are is in the data version."""
    names = (_name(frame.columns) for frame in (saved, loaded))
    old, new = ("Index" if name == "RangeIndex" else name for name in names)
    if old != new:
        hint = "make the labels text, for example frame.columns = frame.columns.astype(str)"
        raise _changed(saved, "result.columns", f"{old} comes back as {new}", hint)


def _changed(saved: Any, place: str, problem: str, hint: str) -> UnserialisableValue:
    facts = {"place": place, "type": label(type(saved)), "problem": problem}
    return UnserialisableValue("A value would not come back as it was saved", facts, hint)


def _pairs(saved: Any, loaded: Any) -> Iterator[tuple[str, Any, Any]]:
    """Pair what holds cells: columns, levels of the index, and the categories of either."""
    for (place, column), (_, other) in zip(_columns(saved), _columns(loaded), strict=False):
        yield place, column, other
        old, new = (getattr(each.dtype, "categories", None) for each in (column, other))
        if old is not None and new is not None and len(old) == len(new):
            yield f"{place}, its categories", old, new


def _columns(value: Any) -> Iterator[tuple[str, Any]]:
    """Give the columns and the levels of the index, each with its place."""
    if value.ndim == 1:
        yield "result", value
    else:
        for position, name in enumerate(value.columns):
            yield f"result[{name!r}]", value.iloc[:, position]
    for level in range(value.index.nlevels):
        yield "result.index", value.index.get_level_values(level)


def _problem(old: Any, new: Any) -> str:
    """Say how a cell came back as another value, or nothing."""
    import numpy as np  # heavy, so imported when a frame is met
    import pandas as pd

    is_scalar = pd.api.types.is_scalar(old)
    if is_scalar and pd.isna(old):
        return "" if pd.api.types.is_scalar(new) and pd.isna(new) else f"missing comes back as {_name(new)}"
    old, new = (each.item() if isinstance(each, np.generic) else each for each in (old, new))
    if type(old) is not type(new):
        return f"{_name(old)} comes back as {_name(new)}"
    if is_scalar:
        is_same = _is_equal(old, new)
    else:
        is_alike = isinstance(old, np.ndarray) and _is_alike(old, new)
        is_same = is_alike or identify(old).digest == identify(new).digest
    return "" if is_same else f"{_name(old)} comes back changed"


def _is_equal(old: Any, new: Any) -> bool:
    # Times of one moment are equal whatever their zones.
    return bool(old == new) and str(getattr(old, "tzinfo", "")) == str(getattr(new, "tzinfo", ""))


def _is_alike(old: Any, new: Any) -> bool:
    """Say of two arrays whether they certainly are the same, for much less than their data versions cost."""
    if old.dtype != new.dtype or old.shape != new.shape:
        return False
    if not old.dtype.hasobject:
        return bool((old == new).all())
    cells, others = old.tolist(), new.tolist()
    kinds = list(map(type, cells))
    return set(kinds) <= _SIMPLE and kinds == list(map(type, others)) and bool(cells == others)


def _name(cell: object) -> str:
    return "missing" if cell is None else type(cell).__name__
