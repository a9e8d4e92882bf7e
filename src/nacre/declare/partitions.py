"""Partitions: the slices of an asset that are materialized separately, one dimension of them. Pure: time is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Protocol

from nacre.errors import InvalidOption, TypeMismatch, UnknownName
from nacre.keys import validate_partition

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


class Partitions(Protocol):
    """How an asset is sliced. ``dimension`` names the slices: in the key as ``{date}``, as a parameter ``date``."""

    @property
    def dimension(self) -> str:
        """The name of what the partitions are values of."""
        ...

    def keys(self, now: datetime) -> Sequence[str]:
        """List the partitions that have begun, in order.

        Args:
            now: Aware.
        """
        ...

    def contains(self, key: str) -> bool:
        """Say whether a key is one of the partitions, begun or not."""
        ...

    def closes_at(self, key: str) -> datetime | None:
        """Say when nothing more comes into a partition; None where that is never known."""
        ...

    def value(self, key: str, as_type: object | None) -> object:
        """Give a partition as a parameter's annotation wants it; its key where there is none."""
        ...

    def key(self, value: object) -> str:
        """Give the key of a partition that was passed as a value.

        Raises:
            UnknownName: It is none of them.
        """
        ...


@dataclass(frozen=True, slots=True)
class DailyPartitions:
    """One partition a day, named ``2026-11-01``, up to the day that is going on.

    Args:
        start: The first day.
        end: The last day; without it, today.
        dimension: Name of the dimension: of the parameter that receives the day, and ``{date}`` in the key.
        timezone: Where the days begin and end.

    Raises:
        InvalidOption: A day or the zone does not exist, or the end is before the start.
    """

    start: date | str
    end: date | str | None = None
    dimension: str = "date"
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        object.__setattr__(self, "start", _day(self.start, "start"))
        if self.end is not None:
            object.__setattr__(self, "end", _day(self.end, "end"))
            if self._last < self._first:
                raise InvalidOption(
                    "Daily partitions must not end before they start", {"start": self.start, "end": self.end}
                )
        _zone(self.timezone)

    @property
    def _first(self) -> date:
        assert isinstance(self.start, date)
        return self.start

    @property
    def _last(self) -> date:
        return self.end if isinstance(self.end, date) else date.max

    def keys(self, now: datetime) -> Sequence[str]:
        """List the days that have begun; linear in their number."""
        last = min(self._last, now.astimezone(_zone(self.timezone)).date())
        n_days = (last - self._first).days + 1
        return [(self._first + _DAY * offset).isoformat() for offset in range(n_days)]

    def contains(self, key: str) -> bool:
        """Say whether a key is a day from the start on."""
        try:
            day = date.fromisoformat(key)
        except ValueError:
            return False
        return day.isoformat() == key and self._first <= day <= self._last

    def closes_at(self, key: str) -> datetime | None:
        """Give the moment at which a day ends; the day of a clock change is shorter or longer."""
        midnight = datetime.combine(date.fromisoformat(key) + _DAY, time(), _zone(self.timezone))
        return midnight.astimezone(UTC)

    def value(self, key: str, as_type: object | None) -> object:
        """Give a day as a ``date``, as the ``datetime`` it begins at, or as text."""
        if as_type is datetime:
            return datetime.combine(date.fromisoformat(key), time(), _zone(self.timezone))
        if as_type is date:
            return date.fromisoformat(key)
        return _text(key, as_type, "a day is received as date, datetime or str")

    def key(self, value: object) -> str:
        """Give the key of a day: of a ``date``, of a ``datetime`` in the zone, or text."""
        if isinstance(value, datetime):
            value = value.astimezone(_zone(self.timezone)).date() if value.tzinfo else value.date()
        return _known(self, value.isoformat() if isinstance(value, date) else str(value))


@dataclass(frozen=True, slots=True)
class StaticPartitions:
    """Partitions that are listed, such as regions. They never close: a source looks at each on every run.

    Args:
        names: The partitions, in order.
        dimension: Name of the dimension: of the parameter that receives one, and ``{region}`` in the key.

    Raises:
        InvalidOption: There are none, or one comes twice.
        InvalidKey: One has a character that means something in a path.
    """

    names: Sequence[str]
    dimension: str

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        if isinstance(self.names, str) or not self.names:
            raise InvalidOption("Static partitions must be a list of names", {"given": repr(self.names)})
        names = tuple(map(validate_partition, self.names))
        if len(set(names)) < len(names):
            raise InvalidOption("Static partitions must each be listed once", {"given": ", ".join(names)})
        object.__setattr__(self, "names", names)

    def keys(self, now: datetime) -> Sequence[str]:
        """List them all."""
        return self.names

    def contains(self, key: str) -> bool:
        """Say whether a key is listed."""
        return key in self.names

    def closes_at(self, key: str) -> datetime | None:
        """Nothing says that no more comes."""
        return None

    def value(self, key: str, as_type: object | None) -> object:
        """Give the name."""
        return _text(key, as_type, "a name is received as str")

    def key(self, value: object) -> str:
        """Give the name."""
        return _known(self, str(value))


def between(partitions: Partitions, first: str, last: str, now: datetime) -> list[str]:
    """List the partitions from one to another, both included.

    Raises:
        UnknownName: One of the two is none of the partitions that have begun, or they come in the other order.
    """
    keys = list(partitions.keys(now))
    for each in (first, last):
        if each not in keys:
            known = f"{keys[0]} to {keys[-1]}" if keys else "none has begun"
            raise UnknownName(f"There is no partition {each!r}", {partitions.dimension: known})
    start, stop = keys.index(first), keys.index(last)
    if stop < start:
        raise UnknownName(
            f"{last!r} comes before {first!r}", {partitions.dimension: f"{first}..{last}"}, "turn them round"
        )
    return keys[start : stop + 1]


def _text(key: str, as_type: object | None, rule: str) -> str:
    if isinstance(as_type, type) and as_type not in (str, object):
        raise TypeMismatch("A partition cannot be received as that type", {"type": as_type.__name__}, rule)
    return key


def _known(partitions: Partitions, key: str) -> str:
    if not partitions.contains(key):
        raise UnknownName(
            f"There is no partition {key!r}", {"dimension": partitions.dimension, **_span(partitions)}
        )
    return key


def _span(partitions: Partitions) -> dict[str, object]:
    """Say which partitions there are, in a few words."""
    names = getattr(partitions, "names", ())
    if names:
        return {"there are": ", ".join(names[:12]) + (" …" if len(names) > 12 else "")}
    return {"first": getattr(partitions, "start", ""), "last": getattr(partitions, "end", None)}


def _check_dimension(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidOption("A dimension is named like a parameter", {"dimension": repr(name)})


def _day(value: object, name: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        facts = {name: repr(value)}
        raise InvalidOption(
            f"Daily partitions need a day for {name}=", facts, 'such as "2026-11-01"'
        ) from None


@cache
def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # only pipelines with partitions pay for it

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        facts = {"timezone": repr(name)}
        raise InvalidOption("There is no such time zone", facts, 'such as "Europe/Berlin"') from None
