"""``without("fetched_at")``: the ready ``data_version=`` function that leaves out fields which always differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nacre.errors import InvalidOption
from nacre.values.dispatch import library, settle
from nacre.values.kinds import field_values, record_kind


@dataclass(frozen=True, slots=True, repr=False)
class Without:
    """A function that gives a value without some of its fields; equal to any other for the same fields.

    Args:
        fields: Keys or columns left out.
    """

    fields: tuple[str, ...]

    def __repr__(self) -> str:
        return f"without({', '.join(map(_quoted, self.fields))})"

    def __call__(self, value: object) -> object:
        """Give what counts of a value: a dict, record or table without the fields, a list with each item so.

        A field that is not there is no error, and a value that has no fields comes back as it is. The value itself is
        never changed.
        """
        value = settle(value)
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if key not in self.fields}
        if type(value) in (list, tuple):
            items: Any = value
            return type(value)(self(item) for item in items)  # type: ignore[call-arg]  # list or tuple
        kind = record_kind(type(value))
        if kind is not None:
            return {name: item for name, item in field_values(value, kind).items() if name not in self.fields}
        return self._of_table(value)

    def _of_table(self, table: Any) -> object:
        name = type(table).__name__
        if library(table) == "pyarrow" and name in ("Table", "RecordBatch"):
            return table.select([column for column in table.schema.names if column not in self.fields])
        if name == "DataFrame" and library(table) == "pandas":
            return table.drop(columns=list(self.fields), errors="ignore")
        if name == "DataFrame" and library(table) == "polars":
            return table.drop(list(self.fields), strict=False)
        found: object = table
        return found


def without(*fields: str) -> Without:
    """Leave fields out of a data version, so that a change of them alone rebuilds nothing downstream.

    The value is stored whole; only what counts as a change is narrowed.

    Args:
        fields: Keys of a dict, fields of a dataclass or columns of a table; of a list, those of each item.

    Returns:
        A function for ``data_version=``.

    Raises:
        InvalidOption: No field is given, or one is no text.

    >>> without("fetched_at")({"n": 3, "fetched_at": "10:02"})
    {'n': 3}
    """
    given: tuple[object, ...] = fields
    if not fields or not all(isinstance(field, str) for field in given):
        facts = {"given": ", ".join(map(repr, fields)) or "nothing"}
        raise InvalidOption("without() takes names of fields", facts, 'write without("fetched_at")')
    return Without(fields)


def _quoted(field: str) -> str:
    return '"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"'
