"""Parameters: read from the code object, with the meaning of their annotations."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import pytest

from nacre import Asset, materialize
from nacre.declare.parameters import Parameter, annotation, bind, call_arguments, defaults, names, parameters
from nacre.errors import MissingArgument

posts = Asset("asset://posts")


@materialize("asset://made", "asset://second")
def made() -> tuple[int, int]:
    return 1, 2


def mixed(a, /, b, c=1, *args, d, e=2, **more):  # type: ignore[no-untyped-def]
    return a, b, c, args, d, e, more


def annotated(
    x: Annotated[int, posts],
    y: Annotated[int, made] = 1,
    z: Annotated[int, "asset://z"] = 2,
    plain: Annotated[int, "a note"] = 3,
    hidden: Unknown = 4,  # type: ignore[name-defined]  # noqa: F821  # only a type checker would import it
) -> Annotated[int, posts]:
    return x + y + z + plain + hidden


def test_names_are_those_that_can_be_given_by_keyword_or_place() -> None:
    assert names(mixed) == ("a", "b", "c", "d", "e")


def test_a_parameter_without_default_is_required() -> None:
    assert [(p.name, p.is_required) for p in parameters(mixed)] == [
        ("a", True),
        ("b", True),
        ("c", False),
        ("d", True),
        ("e", False),
    ]


def test_annotated_names_an_asset_also_as_text() -> None:
    assert parameters(annotated) == (
        Parameter("x", True, "asset://posts"),
        Parameter("y", False, "asset://made"),
        Parameter("z", False, "asset://z"),
        Parameter("plain", False),
        Parameter("hidden", False),
    )
    assert annotation(annotated, "x") is int
    assert annotation(annotated, "hidden") is None
    assert annotation(annotated, "nothing") is None
    assert annotation(annotated, "return") is int


def test_callables_without_code_have_parameters_too() -> None:
    assert [p.name for p in parameters(partial(mixed, 1, d=3))] == ["b", "c", "d", "e"]
    assert names(str.upper) == ("self",)


def test_only_what_was_given_is_bound() -> None:
    assert bind(mixed, (), {}) == {}
    assert bind(mixed, (1, 2, 3, 4), {"d": 5, "f": 6}) == {
        "a": 1,
        "b": 2,
        "c": 3,
        "args": (4,),
        "d": 5,
        "more": {"f": 6},
    }


def test_a_wrong_call_names_the_function_and_its_place() -> None:
    with pytest.raises(MissingArgument) as raised:
        bind(annotated, (1,), {"w": 3})
    assert "annotated(" in str(raised.value)
    assert "test_parameters.py:" in str(raised.value)
    assert isinstance(raised.value, TypeError)


def test_bound_arguments_become_a_call_again() -> None:
    bound = bind(mixed, (1, 2, 3, 4), {"d": 5, "f": 6})
    args, kwargs = call_arguments(mixed, bound)
    assert mixed(*args, **kwargs) == (1, 2, 3, (4,), 5, 2, {"f": 6})
    assert call_arguments(annotated, {"x": 1}) == ((), {"x": 1})


def test_defaults_are_found_without_a_signature() -> None:
    assert defaults(mixed) == {"c": 1, "e": 2}
    assert defaults(partial(mixed, 1)) == {"c": 1, "e": 2}
    assert defaults(len) == {}
