"""Validation: every definition error at once, with places and a way out."""

from __future__ import annotations

import pytest

from nacre import materialize
from nacre.errors import AmbiguousName, CyclicAssets, DefinitionErrors, DuplicateAsset, MissingArgument
from nacre.graph.infer import infer
from nacre.graph.validate import closest, validate


@materialize("a://posts")
def posts() -> None: ...


@materialize("a://posts")
def posts_again() -> None: ...


@materialize("a://posts")
def posts_again_too() -> None: ...


@materialize("a://misspelt")
def misspelt(postz: object) -> None: ...


@materialize("a://one")
def one(two: object) -> None: ...


@materialize("a://two")
def two(one: object) -> None: ...


@materialize("a://below")
def below(two: object) -> None: ...


@materialize("b://posts")
def others(x: int = 1) -> None: ...


@materialize("a://unclear")
def unclear(posts: object) -> None: ...


def test_one_error_is_raised_as_itself() -> None:
    with pytest.raises(MissingArgument) as raised:
        validate(infer([posts, misspelt]), ["a://misspelt"])
    assert "did you mean 'posts'?  a://posts at " in str(raised.value)
    assert "test_validate.py:" in str(raised.value)


def test_several_errors_are_raised_together() -> None:
    with pytest.raises(DefinitionErrors) as raised:
        validate(infer([posts, posts_again, misspelt, one, two]), ["a://misspelt", "a://two"])
    assert [type(error) for error in raised.value.errors] == [DuplicateAsset, MissingArgument, CyclicAssets]


def test_every_maker_of_a_duplicate_is_placed() -> None:
    with pytest.raises(DuplicateAsset) as raised:
        validate(infer([posts, posts_again, posts_again_too]), [])
    assert str(raised.value).count("test_validate.py:") == 3


def test_a_cycle_is_told_from_wherever_it_is_needed_and_once() -> None:
    inferred = infer([one, two, below])
    for needed in (["a://below"], ["a://one"], ["a://below", "a://two"]):
        with pytest.raises(CyclicAssets, match=r"a://(two|one) → a://(one|two) → "):
            validate(inferred, needed)


def test_candidates_of_an_unclear_name_are_placed() -> None:
    with pytest.raises(AmbiguousName) as raised:
        validate(infer([posts, others, unclear]), ["a://unclear"])
    text = str(raised.value)
    assert "a://posts at " in text
    assert "b://posts at " in text
    assert "Annotated[" in text


def test_what_is_not_needed_is_not_judged() -> None:
    graph = validate(infer([posts, misspelt, one, two]), ["a://posts"])
    assert graph.order == ("a://posts",)


def test_nothing_close_suggests_nothing() -> None:
    assert closest("entirely_else", infer([posts])) == []
