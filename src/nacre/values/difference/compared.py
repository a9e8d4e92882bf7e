"""From two values to what differs between them: which comparison fits their kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nacre.errors import UsageError
from nacre.values import arrow, pandas, polars
from nacre.values.difference.arrays import array_difference
from nacre.values.difference.found import Difference, OtherKind
from nacre.values.difference.parts import parts_difference
from nacre.values.difference.shown import described
from nacre.values.difference.stored import Columns, Stream
from nacre.values.difference.streams import bytes_difference, text_difference
from nacre.values.difference.tables import table_difference
from nacre.values.dispatch import library, settle


def difference(old: object, new: object, key: Sequence[str] = (), limit: int = 20) -> Difference:
    """Say what differs between two values that are not equal. Linear in their sizes, but for the alignment of lists.

    Args:
        old: The old one: a table of any library or ``Columns``, an array, text, bytes, a ``Stream``, Python data.
        new: The new one.
        key: Columns that tell the rows of tables apart, or fields that tell the items of lists apart.
        limit: Rows, parts or lines shown at most.

    Returns:
        What differs, with everything counted and the beginning shown.

    Raises:
        UsageError: The key is not there or does not tell rows apart.
    """
    old, new = _as_texts(_readable(old), _readable(new))
    tables = _columns(old), _columns(new)
    if tables[0] is not None and tables[1] is not None:
        return table_difference(tables[0], tables[1], key, limit)
    kinds = [_kind(each) for each in (old, new)]
    if kinds[0] != kinds[1] or tables != (None, None):
        return OtherKind(described(old), described(new))
    if key and kinds[0] != "data":
        raise UsageError(
            f"{described(new)} has no key to compare by", {"key": ", ".join(key)}, "leave --key out"
        )
    if kinds[0] == "text":
        return text_difference(str(old), str(new), limit)
    if isinstance(old, Stream) and isinstance(new, Stream):
        return bytes_difference(old, new)
    return array_difference(old, new) if kinds[0] == "array" else parts_difference(old, new, key, limit)


def _readable(value: object) -> object:
    """Settle what is still a query, and give bytes as a stream."""
    value = settle(value)
    if isinstance(value, (bytes, bytearray)):
        import io  # imported late: most values are no bytes

        return Stream(io.BytesIO(value), len(value))
    return value


def _as_texts(old: object, new: object) -> tuple[object, object]:
    """Take two streams for text where both are text, and one that stands beside a text."""
    texts = [each.text() if isinstance(each, Stream) else each for each in (old, new)]
    return (texts[0], texts[1]) if all(isinstance(each, str) for each in texts) else (old, new)


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, Stream):
        return "bytes"
    return "array" if type(value).__name__ == "ndarray" else "data"


def _columns(value: Any) -> Columns | None:
    """Give a table of any library as Arrow columns, an index of pandas' among them; None for anything else."""
    origin, name = library(value), type(value).__name__
    found: Columns | None = value if hasattr(value, "num_rows") and hasattr(value, "schema") else None
    if origin == "pyarrow" and found is not None:
        found = arrow.as_table(value)
    elif origin == "polars" and name in ("DataFrame", "Series"):
        found = polars.to_arrow(value.to_frame() if name == "Series" else value)
    elif origin == "pandas" and name in ("DataFrame", "Series"):
        frame = value.to_frame("value") if name == "Series" else value
        found = pandas.to_arrow(frame if pandas.is_default_index(frame.index) else frame.reset_index())
    return found
