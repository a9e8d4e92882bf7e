"""What an instance holds beside the fields that its class declares: content, and nothing that a store brings back."""

from __future__ import annotations

import collections
import functools
import io
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import msgspec
import pydantic
import pytest

import nacre
from nacre.errors import NotMaterialized, UnserialisableValue
from nacre.store import formats
from nacre.values import identify
from sandbox import Sandbox

T = TypeVar("T")


@dataclass
class Plain:
    x: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x


@dataclass
class Kept:
    x: int
    factor: InitVar[int]

    def __post_init__(self, factor: int) -> None:
        self.kept = factor


class Pair(NamedTuple):
    x: int


class Named(Pair):
    pass


@dataclass(frozen=True)
class Frozen:
    x: int


class Thawed(Frozen):
    """A frozen dataclass lets its plain subclasses have attributes of their own."""


@dataclass(slots=True)
class Slotted:
    x: int


class More(Slotted):
    __slots__ = ("more",)
    more: int


@attrs.define
class Attrs:
    x: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x


class Wider(Attrs):
    pass


class Struct(msgspec.Struct, dict=True):
    x: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x


class Model(pydantic.BaseModel):
    x: int
    _factor: int = pydantic.PrivateAttr()

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x


class FrozenModel(pydantic.BaseModel, frozen=True):
    x: int


class FrozenSecret(FrozenModel):
    _secret: int = pydantic.PrivateAttr(1)


class Derived(pydantic.BaseModel):
    x: int
    _seen: list[int] = pydantic.PrivateAttr(default_factory=list)
    _twice: int = pydantic.PrivateAttr()

    def model_post_init(self, context: object) -> None:
        self._twice = 2 * self.x


@dataclass
class Box(Generic[T]):
    x: T


def given(value: Any, name: str, what: object) -> Any:
    setattr(value, name, what)
    return value


#: How an instance gets something more, and where that lies.
MORE: dict[str, tuple[Callable[[int], object], str]] = {
    "attribute": (lambda k: given(Plain(1), "factor", k), "factor"),
    "init variable": (lambda k: Kept(1, k), "kept"),
    "private attribute": (lambda k: given(Model(x=1), "_factor", k), "_factor"),
    "named tuple": (lambda k: given(Named(1), "factor", k), "factor"),
    "slot of a subclass": (lambda k: given(More(1), "more", k), "more"),
    "attrs": (lambda k: given(Wider(1), "factor", k), "factor"),
    "struct": (lambda k: given(Struct(1), "factor", k), "factor"),
    "ordered dict": (lambda k: given(collections.OrderedDict(a=1), "factor", k), ""),
}
IDENTIFIED = [case for case, (_, name) in MORE.items() if name]


def save(value: object) -> str:
    return formats.save(value, identify(value), "asset://x", io.BytesIO())


@pytest.mark.parametrize("case", IDENTIFIED)
def test_what_a_class_does_not_declare_is_content(case: str) -> None:
    make, name = MORE[case]
    assert identify(make(1)).digest == identify(make(1)).digest != identify(make(5)).digest
    assert name in identify(make(1)).outline.paths


@pytest.mark.parametrize("case", IDENTIFIED)
def test_a_result_that_would_lose_what_is_not_declared_is_refused_by_its_name(case: str) -> None:
    make, name = MORE[case]
    with pytest.raises(UnserialisableValue, match=rf'(?s)result\["a"\]\[0\]\.{name}'):
        save({"a": [make(1)]})


def test_a_dict_with_attributes_of_its_own_has_no_identity() -> None:
    with pytest.raises(UnserialisableValue, match="attributes"):
        identify([MORE["ordered dict"][0](1)])


@pytest.mark.parametrize("make", [Plain, Attrs, Struct, lambda x: Model(x=x)])
def test_a_cached_property_is_no_content(make: Callable[[int], Any]) -> None:
    asked = make(1)
    assert asked.twice == 2
    assert identify(asked).digest == identify(make(1)).digest
    assert save(asked) == "json"


def test_what_can_get_attributes_can_change() -> None:
    assert not any(identify(value).mutable for value in (Pair(1), Frozen(1), FrozenModel(x=1)))
    assert all(identify(value).mutable for value in (Named(1), Thawed(1), FrozenSecret(x=1)))


def test_what_typing_keeps_in_an_instance_is_no_content() -> None:
    assert identify(Box[int](1)).digest == identify(Box(1)).digest


def test_private_attributes_that_come_back_are_stored() -> None:
    assert save(Derived(x=1)) == "json"
    with pytest.raises(UnserialisableValue, match=r"result\._seen"):
        save(given(Derived(x=1), "_seen", [1]))


def test_a_step_runs_again_for_another_attribute(project: Sandbox) -> None:
    module = project.module(
        """
        from dataclasses import dataclass

        @dataclass
        class Cfg:
            name: str

            def set(self, key, value):
                setattr(self, key, value)
                return self

        @materialize("asset://raw")
        def raw(): return 10

        @materialize("asset://scaled")
        def scaled(raw, cfg):
            calls.append(cfg.factor)
            return cfg.factor * raw

        @flow
        def run(k): return scaled(cfg=Cfg("a").set("factor", k))
        """
    )
    assert [module.run(1), module.run(5), module.run(1)] == [10, 50, 10]
    assert module.calls == [1, 5]


def test_a_result_with_an_attribute_that_is_not_declared_records_nothing(project: Sandbox) -> None:
    module = project.module(
        """
        from dataclasses import dataclass

        @dataclass
        class Cfg:
            name: str

        @materialize("asset://made")
        def made():
            cfg = Cfg("a")
            cfg.factor = 2
            return cfg
        """
    )
    result = project.build(module)
    assert "result.factor" in str(result.errors["asset://made"])
    with pytest.raises(NotMaterialized):
        nacre.load("asset://made")
