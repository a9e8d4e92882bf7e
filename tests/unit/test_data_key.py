"""``__data_key__`` and ``data_key``: what identifies the values of a class that consists of nothing nacre knows."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import pytest

from nacre import data_key
from nacre.errors import InvalidOption, UnserialisableValue
from nacre.store import formats
from nacre.values import identify


class Foreign:
    def __init__(self, size: int) -> None:
        self.size = size


class Sub(Foreign):
    pass


@dataclass
class Remembering:
    n: int
    seen: list[int] = field(default_factory=list)

    def __data_key__(self) -> object:
        return self.n


def digest(value: object) -> str:
    return identify(value).digest


def test_a_key_decides_and_nothing_else_does() -> None:
    assert digest(Remembering(1)) == digest(Remembering(1, [5]))
    assert digest(Remembering(1)) != digest(Remembering(2))
    assert digest(Remembering(1)) != digest(1)


def test_a_class_of_another_library_gets_its_key_from_outside() -> None:
    class Grid(Foreign):
        pass

    with pytest.raises(UnserialisableValue, match=r'result\["g"\]\[0\]'):
        identify({"g": [Grid(1)]})

    @data_key(Grid)
    def key(grid: Grid) -> object:
        return ("size", grid.size)

    assert key(Grid(3)) == ("size", 3)
    assert digest({"g": [Grid(1)]}) == digest({"g": [Grid(1)]}) != digest({"g": [Grid(2)]})
    assert digest(Grid(1)) == digest(Grid(1)) != digest(("size", 1))
    assert list(identify({"g": [Grid(1)]}).outline.paths) == ["g[0]"]


def test_another_function_for_a_class_takes_the_place_of_the_first() -> None:
    class Grid(Foreign):
        pass

    data_key(Grid, lambda grid: grid.size)
    before = digest(Grid(1))
    data_key(Grid, lambda grid: -grid.size)
    assert digest(Grid(1)) != before


def test_a_subclass_needs_a_key_of_its_own() -> None:
    class Grid(Sub):
        pass

    data_key(Sub, lambda value: value.size)
    assert digest(Sub(1)) == digest(Sub(1))
    with pytest.raises(UnserialisableValue, match="Grid"):
        identify(Grid(1))


@pytest.mark.parametrize(("kind", "function"), [(int, len), (dict, len), ("Grid", len), (Sub, "size")])
def test_what_cannot_have_a_key_is_refused(kind: type, function: object) -> None:
    with pytest.raises(InvalidOption):
        data_key(kind, function)  # type: ignore[call-overload]  # wrong on purpose


def test_a_value_that_is_known_only_by_its_key_cannot_be_stored() -> None:
    class Grid(Foreign):
        __data_key__ = lambda self: self.size  # noqa: E731

    value = {"a": [1, Grid(1)]}
    with pytest.raises(UnserialisableValue, match=r'(?s)result\["a"\]\[1\].*Grid.*return plain data'):
        formats.save(value, identify(value), "asset://a", io.BytesIO())
    record = Remembering(1, [5])
    sink = io.BytesIO()
    formats.save(record, identify(record), "asset://a", sink)
    assert formats.load("json", io.BytesIO(sink.getvalue())) == record
