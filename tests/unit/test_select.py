"""Selection: keys, names, neighbours, tags and globs."""

from __future__ import annotations

from typing import Annotated

import pytest

from nacre import materialize
from nacre.errors import AmbiguousName, UnknownName
from nacre.graph.infer import infer
from nacre.graph.select import named, resolve, select


@materialize("a://raw", tags=["daily"])
def raw() -> None: ...


@materialize("a://clean")
def clean(rows: Annotated[object, raw]) -> None: ...


@materialize("a://train", "a://test", tags=["daily", "model"])
def split(clean: object) -> None: ...


@materialize("b://raw")
def other(n: int = 1) -> None: ...


@materialize("a://c++")
def odd() -> None: ...


INFERRED = infer([split, raw, clean, other, odd])


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("clean", ["a://clean"]),
        ("a://clean", ["a://clean"]),
        (" clean ", ["a://clean"]),
        ("test", ["a://train"]),
        ("+clean", ["a://raw", "a://clean"]),
        ("clean+", ["a://clean", "a://train"]),
        ("+clean+", ["a://raw", "a://clean", "a://train"]),
        ("tag:daily", ["a://raw", "a://train"]),
        ("a://t*", ["a://train"]),
        ("*ra?n", ["a://train"]),
        ("tag:model", ["a://train"]),
        ("+tag:model", ["a://raw", "a://clean", "a://train"]),
        ("a://c++", ["a://c++"]),
        (["clean", "a://raw", "clean"], ["a://raw", "a://clean"]),
        ([], []),
    ],
)
def test_a_selector_finds_steps_in_order(selector: str | list[str], found: list[str]) -> None:
    assert select(INFERRED, selector) == found


def test_a_star_is_everything() -> None:
    assert set(select(INFERRED, "*")) == set(INFERRED.graph.tasks)


@pytest.mark.parametrize("selector", ["claen", "+claen", "a://claen", "cle?x*"])
def test_an_unknown_name_offers_what_there_is(selector: str) -> None:
    with pytest.raises(UnknownName, match="No asset is called") as raised:
        select(INFERRED, selector)
    assert "clean" in str(raised.value)


def test_an_unknown_tag_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match="daily, model"):
        select(INFERRED, "tag:weekly")


def test_a_name_of_two_assets_needs_the_key() -> None:
    with pytest.raises(AmbiguousName, match="'raw' could mean several assets") as raised:
        resolve(INFERRED, "raw")
    assert "a://raw" in str(raised.value)
    assert "b://raw" in str(raised.value)
    assert resolve(INFERRED, "b://raw") == "b://raw"


@pytest.mark.parametrize(
    ("selectors", "found"),
    [
        (["clean"], {"a://clean"}),
        (["a://clean", "test"], {"a://clean", "a://train"}),
        (["a://c++"], {"a://c++"}),
        (["*", "+clean", "clean+", "tag:daily", "cl?an"], set()),
    ],
)
def test_only_a_key_or_a_name_names_one_step(selectors: list[str], found: set[str]) -> None:
    assert named(INFERRED, selectors) == found
