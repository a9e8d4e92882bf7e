"""``data_key(Grid, …)``: what identifies the values of a class, said from outside the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from nacre.errors import InvalidOption
from nacre.values.forms import FORMS, register

T = TypeVar("T")
Key = Callable[[T], object]


@overload
def data_key(kind: type[T], function: Key[T]) -> Key[T]: ...
@overload
def data_key(kind: type[T]) -> Callable[[Key[T]], Key[T]]: ...
def data_key(kind: type[T], function: Key[T] | None = None) -> Any:
    """Say what identifies the values of a class that nacre does not know, such as one of another library.

    The same as a ``__data_key__()`` method, for a class that is not yours. Values of one class with equal keys count
    as equal, so the key must hold everything that a step may look at. Subclasses need their own.

    Args:
        kind: The class.
        function: Gives the key of a value: anything that has an identity itself. Left out, this is a decorator.

    Returns:
        The function.

    Raises:
        InvalidOption: The class is one of Python's own that has an identity, or the function is none.

    >>> class Grid:
    ...     def __init__(self, size): self.size = size
    >>> @data_key(Grid)
    ... def key_of_grid(grid):
    ...     return grid.size
    """
    if function is None:
        return lambda given: data_key(kind, given)
    given: tuple[object, object] = (kind, function)
    if not isinstance(given[0], type) or not callable(given[1]):
        facts = {"class": repr(kind), "function": repr(function)}
        raise InvalidOption(
            "data_key() takes a class and a function", facts, "write data_key(Grid, lambda grid: …)"
        )
    if kind in FORMS:
        facts = {"class": kind.__qualname__}
        hint = "write a class of your own, or use data_version= on the asset"
        raise InvalidOption("This class has an identity that all assets rely on", facts, hint)
    register(kind, function)
    return function
