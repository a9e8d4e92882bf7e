"""``without`` leaves out what always differs, wherever it lies, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from nacre import without
from nacre.values import identify


@dataclass
class Meta:
    at: str
    n: int = 1


class Post(pydantic.BaseModel):
    id: int
    meta: dict[str, object]


@pytest.mark.parametrize(
    ("fields", "value", "expected"),
    [
        (["meta.at"], {"meta": {"at": 1, "n": 2}, "at": 3}, {"meta": {"n": 2}, "at": 3}),
        (
            ["posts.m.at"],
            {"posts": [{"m": {"at": 1, "n": 2}}, {"m": {}}]},
            {"posts": [{"m": {"n": 2}}, {"m": {}}]},
        ),
        (["posts.m.at"], {"posts": ({"m": [[{"at": 1}], []]},)}, {"posts": ({"m": [[{}], []]},)}),
        (["a.b"], {"a.b": 1, "a": {"b": 2}}, {"a": {"b": 2}}),
        (["a.b.c"], {"a.b": {"c": 1, "d": 2}}, {"a.b": {"d": 2}}),
        (["a.b", "a.c", "d"], {"a": {"b": 1, "c": 2, "e": 3}, "d": 4}, {"a": {"e": 3}}),
        (["m.at"], {"m": Meta("now")}, {"m": {"n": 1}}),
        (["m.at"], [{"m": [Meta("now", 2)]}], [{"m": [{"n": 2}]}]),
        (["meta.at"], Post(id=1, meta={"at": 1}), {"id": 1, "meta": {}}),
        (
            ["posts.meta.at"],
            {"posts": [Post(id=1, meta={"at": 1, "b": 2})]},
            {"posts": [{"id": 1, "meta": {"b": 2}}]},
        ),
        (["gone.at", "a.gone", "n.x"], {"a": {"b": 1}, "n": 5, 7: 8}, {"a": {"b": 1}, "n": 5, 7: 8}),
    ],
    ids=str,
)
def test_a_dotted_path_leads_inside(fields: list[str], value: object, expected: object) -> None:
    before = identify(value).digest
    assert without(*fields)(value) == expected
    assert identify(value).digest == before


def test_a_column_with_a_dot_in_its_name_is_a_column() -> None:
    columns = {"meta.at": [1], "n": [2]}
    for table in (pa.table(columns), pl.DataFrame(columns), pd.DataFrame(columns)):
        found = without("meta.at")(table)
        assert list(found.columns if not isinstance(found, pa.Table) else found.column_names) == ["n"]  # type: ignore[attr-defined]  # a table
