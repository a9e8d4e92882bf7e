"""When a schedule is due: pure arithmetic over time zones, from one moment to the next.

A tick is named by its schedule and its *nominal* time, the local time that the schedule asks for. It stays the same
when the rules of a zone change under us, and no two ticks of one schedule share it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol

from nacre.errors import InvalidOption

#: A Monday at midnight, so that intervals of days and weeks fall on the beginnings of them.
ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)
MAX_INTERVAL = timedelta(days=366 * 10)
_SHORT_FORMS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_CRON_EXAMPLE = 'five fields, minute to weekday: "0 7 * * MON" is Monday at 07:00; see crontab(5)'
_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
#: No two offsets of a zone are further apart.
_FARTHEST = timedelta(hours=26)
_NOMINAL = "%Y%m%dT%H%M%S"


class Due(NamedTuple):
    """One nominal time, and the instant it falls on.

    Args:
        nominal: Local time as ``20260330T070000``; ``-again`` marks the second time that a clock shows it in autumn.
        at: The instant, aware UTC.
    """

    nominal: str
    at: datetime


class Trigger(Protocol):
    """Says when a schedule is due."""

    @property
    def timezone(self) -> str:
        """The zone its times are meant, and shown, in."""
        ...

    def after(self, moment: datetime) -> Due | None:
        """Return the first time after a moment; None where there is none for decades."""
        ...

    def words(self) -> str:
        """Say it as a person would."""
        ...


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when the clock of a zone shows what an expression says.

    A fixed time of day is due once on every date: when the clock jumps over it in spring, right after the jump; when
    the clock shows it twice in autumn, the first time. Where minute or hour is a ``*``, the time that really passes
    counts: what is jumped over is not due, and what is shown twice is due twice.

    Args:
        expression: Five fields as in crontab(5), six with seconds first, or ``@daily`` and its like.
        timezone: Name of a zone, such as ``Europe/Berlin``.

    Raises:
        InvalidOption: The expression cannot be read or never matches, or there is no such zone.
    """

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        find_zone(self.timezone)
        if next(_matches(self._fields(), ANCHOR.replace(tzinfo=None)), None) is None:
            facts = {"cron": repr(self.expression)}
            raise InvalidOption("The cron expression never matches", facts, "choose a date that exists")

    def after(self, moment: datetime) -> Due | None:
        """Return the first time after a moment; None where there is none for decades."""
        zone = find_zone(self.timezone)
        if self._is_fixed():
            return self._fixed_after(moment, zone)
        return self._rolling_after(moment.astimezone(UTC).replace(microsecond=0), zone)

    def words(self) -> str:
        """Say it as a person would: ``at 07:00 every day (Europe/Berlin)``."""
        from cronsim import CronSim

        text = CronSim(self._fields(), ANCHOR).explain()
        return f"{text[:1].lower()}{text[1:]} ({self.timezone})"

    def _fields(self) -> str:
        if not isinstance(self.expression, str):
            raise InvalidOption("A cron expression is a text", {"cron": repr(self.expression)}, _CRON_EXAMPLE)
        return _SHORT_FORMS.get(self.expression.strip().lower(), self.expression)

    def _is_fixed(self) -> bool:
        """Whether it names times of the day, as Debian's cron decides."""
        fields = self._fields().split()
        return len(fields) == 5 and not fields[0].startswith("*") and not fields[1].startswith("*")

    def _fixed_after(self, moment: datetime, zone: tzinfo) -> Due | None:
        found: Due | None = None
        for local in _matches(self._fields(), _local(moment, zone)):
            at, is_shown = _instant(local, zone)
            if found is not None and at > found.at:
                break
            if at > moment:
                # Several times that one jump skipped, and one right after it, are due once: the last stands for all.
                found = Due(local.strftime(_NOMINAL), at)
                if is_shown:
                    break
        return found

    def _rolling_after(self, moment: datetime, zone: tzinfo) -> Due | None:
        """Look from one change of the zone's offset to the next: between them local time simply passes."""
        start = _local(moment, zone)
        while (local := next(_matches(self._fields(), start), None)) is not None:
            at = (local - _offset(moment, zone)).replace(tzinfo=UTC)
            edge = _change(zone, moment, min(at, moment + _FARTHEST))
            if edge is not None:
                moment, start = edge, _local(edge, zone) - _SECOND
            elif at - moment <= _FARTHEST:
                again = "-again" if at.astimezone(zone).fold else ""
                return Due(local.strftime(_NOMINAL) + again, at)
            else:
                moment = at - _FARTHEST
                start = _local(moment, zone)
        return None


@dataclass(frozen=True, slots=True)
class Interval:
    """Due again and again after the same time has passed, whatever clocks show.

    Args:
        interval: A ``timedelta``, or seconds: whole ones, at least one.
        anchor_date: An instant that is due, and so all that are whole intervals away from it.
        timezone: Zone that its times are shown in.

    Raises:
        InvalidOption: The interval is no whole number of seconds above 0, or there is no such zone.
    """

    interval: timedelta | float
    anchor_date: datetime = ANCHOR
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        find_zone(self.timezone)
        anchor = self.anchor_date
        if not isinstance(anchor, datetime) or anchor.tzinfo is None:
            hint = "give it a zone: datetime(2026, 1, 1, tzinfo=UTC)"
            raise InvalidOption("An anchor is a time with its zone", {"anchor_date": repr(anchor)}, hint)
        object.__setattr__(self, "anchor_date", anchor.astimezone(UTC).replace(microsecond=0))
        object.__setattr__(self, "interval", _whole_seconds(self.interval))

    @property
    def seconds(self) -> int:
        """The interval in seconds."""
        assert isinstance(self.interval, timedelta)
        return int(self.interval.total_seconds())

    def after(self, moment: datetime) -> Due | None:
        """Return the first time after a moment."""
        assert isinstance(self.interval, timedelta)
        n_passed = (moment - self.anchor_date) // self.interval
        at = self.anchor_date + (n_passed + 1) * self.interval
        return Due(at.strftime(_NOMINAL), at)

    def words(self) -> str:
        """Say it as a person would: ``every 15 min``."""
        units = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))
        size, unit = next(each for each in units if self.seconds % each[0] == 0)
        n = self.seconds // size
        return f"every {n:,} {unit}{'s' if unit == 'day' and n > 1 else ''}"


def missed(trigger: Trigger, since: datetime, until: datetime, limit: int) -> list[Due]:
    """List what was due after one moment and up to another, oldest first; of many only the newest.

    Looks back from the end in growing steps, so that years of seconds cost no more than one of them.

    Args:
        trigger: When it is due.
        since: The moment that everything up to it is settled.
        until: The last moment that counts, usually now.
        limit: How many to list at most.
    """
    width = _MINUTE
    while True:
        start = max(since, until - width)
        found = list(_between(trigger, start, until))
        if start == since or len(found) >= limit:
            return found[-limit:]
        width *= 2


def find_zone(name: str) -> tzinfo:
    """Find a time zone by its name.

    Raises:
        InvalidOption: There is none; offers the closest name.
    """
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        from difflib import get_close_matches

        known = {zone.lower(): zone for zone in available_timezones()}
        cities = {zone.rpartition("/")[2]: zone for zone in known}
        wanted = str(name).lower().replace(" ", "_")
        close = [known[zone] for zone in get_close_matches(wanted, known, n=1)] or [
            known[cities[city]] for city in get_close_matches(wanted, cities, n=1, cutoff=0.75)
        ]
        hint = f"did you mean {close[0]!r}?" if close else 'name a place, such as "Europe/Berlin", or "UTC"'
        raise InvalidOption(f"There is no time zone {name!r}", {}, hint) from None


def shown(at: datetime, timezone: str) -> str:
    """Show an instant in a zone: ``2026-03-30 07:00 CEST``, with seconds where there are some."""
    local = at.astimezone(find_zone(timezone))
    return f"{local:%Y-%m-%d %H:%M:%S %Z}" if local.second else f"{local:%Y-%m-%d %H:%M %Z}"


def _between(trigger: Trigger, since: datetime, until: datetime) -> Iterator[Due]:
    due = trigger.after(since)
    while due is not None and due.at <= until:
        yield due
        due = trigger.after(due.at)


def _matches(fields: str, start: datetime) -> Iterator[datetime]:
    """Yield the local times after another that an expression matches, as if no clock ever jumped."""
    from cronsim import CronSim, CronSimError

    try:
        yield from CronSim(fields, start)
    except CronSimError as error:
        facts = {"cron": repr(fields), "problem": error}
        raise InvalidOption("The cron expression cannot be read", facts, _CRON_EXAMPLE) from None


def _whole_seconds(interval: object) -> timedelta:
    given = interval
    if isinstance(interval, (int, float)) and not isinstance(interval, bool) and abs(interval) < 1e10:
        interval = timedelta(seconds=interval)
    if not isinstance(interval, timedelta) or not _SECOND <= interval <= MAX_INTERVAL or interval % _SECOND:
        rule = "An interval is a whole number of seconds, from 1 second to 10 years"
        raise InvalidOption(rule, {"interval": repr(given)}, "interval=900, or timedelta(minutes=15)")
    return interval


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """What the clocks of a zone show, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None, microsecond=0, fold=0)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _instant(local: datetime, zone: tzinfo) -> tuple[datetime, bool]:
    """Return when a zone's clocks show a local time first, else when they jump over it; and whether they show it."""
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if _local(at, zone) == local:
        return at, True
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change(zone, before, at) or at, False


def _change(zone: tzinfo, low: datetime, high: datetime) -> datetime | None:
    """Find the first instant after ``low`` and up to ``high`` at which a zone has another offset than at ``low``."""
    offset = _offset(low, zone)
    while low < high:
        reached = min(low + _HOUR, high)
        if _offset(reached, zone) != offset:
            while reached - low > _SECOND:
                middle = low + (reached - low) // _SECOND // 2 * _SECOND
                low, reached = (middle, reached) if _offset(middle, zone) == offset else (low, middle)
            return reached
        low = reached
    return None
