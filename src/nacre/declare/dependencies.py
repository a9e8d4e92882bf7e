"""What a function depends on that its code and parameters do not show, and what of its code does not count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType, ModuleType

from nacre.errors import InvalidOption

PINNED = "pinned:"


@dataclass(frozen=True, slots=True)
class Env:
    """An environment variable that a result depends on, for ``deps=``. Only a digest of its value is kept.

    Args:
        name: The variable's name.

    Raises:
        InvalidOption: The name cannot be one.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or "=" in self.name or "\0" in self.name:
            raise InvalidOption(
                "Env needs the name of a variable", {"given": repr(self.name)}, 'write Env("X")'
            )


def as_deps(value: object, name: str, owner: str) -> tuple[object, ...]:
    """Check what ``deps=`` lists: functions, classes and modules, ``Env("X")``, and paths of files or folders.

    Raises:
        InvalidOption: It is no list of such things.
    """
    from pathlib import Path  # late: only who lists something pays for it

    found = _listed(value, name, owner)
    for each in found:
        function = getattr(each, "fn", each)  # a task stands for its function
        if not isinstance(function, (FunctionType, type, ModuleType, Env, Path)):
            hint = "an asset goes into asset_deps=" if isinstance(each, str) and "://" in each else ""
            hint = hint or (
                f'write Path("{each}") for a file, Env("{each}") for a variable'
                if isinstance(each, str)
                else ""
            )
            facts = {"function": owner, "value": repr(each)[:80]}
            raise InvalidOption(
                f"Option {name}= takes functions, classes, modules, Path and Env", facts, hint
            )
    return found


def as_ignored(value: object, name: str, owner: str) -> tuple[object, ...]:
    """Check what ``ignore=`` lists: objects that the function reaches and that shall not count."""
    return _listed(value, name, owner)


def as_pinned(value: object, name: str, owner: str) -> str | None:
    """Check ``code="pinned:…"``, which takes the place of the automatic code version.

    Raises:
        InvalidOption: It is no text that begins so.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(PINNED) or not value.removeprefix(PINNED).strip():
        facts = {"function": owner, "value": repr(value)[:80]}
        raise InvalidOption(f"Option {name}= must be a pinned version", facts, 'write code="pinned:1"')
    return value


def _listed(value: object, name: str, owner: str) -> tuple[object, ...]:
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or isinstance(value, type):
        facts = {"function": owner, "value": repr(value)[:80]}
        raise InvalidOption(f"Option {name}= must be a list", facts, f"write {name}=[…]")
    return tuple(value)
