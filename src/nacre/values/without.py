"""``without("fetched_at")``: the ready ``data_version=`` function that leaves out fields which always differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nacre.errors import InvalidOption
from nacre.values.dispatch import library, settle
from nacre.values.kinds import field_values, record_kind


@dataclass(frozen=True, slots=True, repr=False)
class Without:
    """A function that gives a value without some of its fields; equal to any other for the same fields.

    Args:
        fields: Keys or columns left out, or paths to them with dots.
    """

    fields: tuple[str, ...]

    def __repr__(self) -> str:
        return f"without({', '.join(map(_quoted, self.fields))})"

    def __call__(self, value: object) -> object:
        """Give what counts of a value: a dict, record or table without the fields, a list with each item so.

        A field that is not there is no error, and a value that has no fields comes back as it is. The value itself is
        never changed.
        """
        return _narrowed(settle(value), self.fields)


def _narrowed(value: object, fields: Sequence[str]) -> object:
    if isinstance(value, dict):
        return _kept(value, fields)
    if type(value) in (list, tuple):
        items: Any = value
        return type(value)(_narrowed(item, fields) for item in items)  # type: ignore[call-arg]  # list or tuple
    kind = record_kind(type(value))
    return _of_table(value, fields) if kind is None else _kept(field_values(value, kind), fields)


def _kept(items: Mapping[Any, object], fields: Sequence[str]) -> dict[object, object]:
    """Give the entries that are not left out; what a path leads through is narrowed in turn."""
    kept: dict[object, object] = {}
    for key, item in items.items():
        if key in fields:
            continue
        # A key that is written like a path is that key, and no path.
        below = [
            field[len(key) + 1 :]
            for field in fields
            if isinstance(key, str) and field.startswith(f"{key}.") and field not in items
        ]
        kept[key] = _narrowed(item, below) if below else item
    return kept


def _of_table(table: Any, fields: Sequence[str]) -> object:
    name = type(table).__name__
    if library(table) == "pyarrow" and name in ("Table", "RecordBatch"):
        return table.select([column for column in table.schema.names if column not in fields])
    if name == "DataFrame" and library(table) == "pandas":
        return table.drop(columns=list(fields), errors="ignore")
    if name == "DataFrame" and library(table) == "polars":
        return table.drop(list(fields), strict=False)
    found: object = table
    return found


def without(*fields: str) -> Without:
    """Leave fields out of a data version, so that a change of them alone rebuilds nothing downstream.

    The value is stored whole; only what counts as a change is narrowed.

    Args:
        fields: Keys of a dict, fields of a dataclass or columns of a table; of a list, those of each item. A dot leads
            inside: ``"posts.meta.at"``, through lists too. A key that has the dot in its name comes first.

    Returns:
        A function for ``data_version=``.

    Raises:
        InvalidOption: No field is given, or one is no text.

    >>> without("fetched_at")({"n": 3, "fetched_at": "10:02"})
    {'n': 3}
    >>> without("posts.at")({"posts": [{"id": 1, "at": "10:02"}]})
    {'posts': [{'id': 1}]}
    """
    given: tuple[object, ...] = fields
    if not fields or not all(isinstance(field, str) for field in given):
        facts = {"given": ", ".join(map(repr, fields)) or "nothing"}
        raise InvalidOption("without() takes names of fields", facts, 'write without("fetched_at")')
    return Without(fields)


def _quoted(field: str) -> str:
    return '"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"'
