"""When schedules are due, against a slow and obvious reading of the clocks: in every zone, around every change."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.schedule.trigger import Cron, Due, Interval, Trigger, missed

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"localtime"})
YEARS = range(2018, 2029)


def changes(zone: str, year: int) -> list[datetime]:
    """The days of a year within which a zone's offset changes."""
    info = ZoneInfo(zone)
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(367)]
    offsets = [day.astimezone(info).utcoffset() for day in days]
    return [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after]


def dues(trigger: Trigger, start: datetime, end: datetime) -> list[Due]:
    found = []
    due = trigger.after(start)
    while due is not None and due.at <= end:
        found.append(due)
        due = trigger.after(due.at)
    return found


@pytest.mark.parametrize("offset", range(len(YEARS)))
def test_a_fixed_time_is_due_once_on_every_date_of_every_zone(offset: int) -> None:
    """Each zone in one year of the decade that moves with it, so that all years meet all kinds of zones."""
    for number, name in enumerate(ZONES[offset :: len(YEARS)]):
        zone = ZoneInfo(name)
        for day in changes(name, YEARS[(number + offset) % len(YEARS)]):
            hour, minute = number % 4, (number * 7) % 60
            found = dues(Cron(f"{minute} {hour} * * *", name), day - 2 * DAY, day + 3 * DAY)
            dates = Counter(due.nominal[:8] for due in found)
            passed = [(day - DAY + n * DAY).astimezone(zone).date() for n in range(3)]
            assert {dates[f"{date:%Y%m%d}"] for date in passed} == {1}, (name, day)
            assert all(a.at < b.at for a, b in pairwise(found))


ZONE_DAYS = st.sampled_from(ZONES).flatmap(
    lambda zone: st.sampled_from(YEARS).map(
        lambda year: (zone, (changes(zone, year) or [datetime(year, 3, 1, tzinfo=UTC)])[0])
    )
)


@given(ZONE_DAYS, st.sets(st.integers(0, 23), min_size=1, max_size=5), st.sampled_from([5, 15, 20, 30]))
@settings(max_examples=60)
def test_rolling_times_are_due_whenever_the_clock_shows_them(
    place: tuple[str, datetime], hours: set[int], step: int
) -> None:
    name, day = place
    zone = ZoneInfo(name)
    start, end = day - DAY, day + 2 * DAY
    found = dues(Cron(f"*/{step} {','.join(map(str, hours))} * * *", name), start, end)
    shown = []
    moment = start + MINUTE
    while moment <= end:
        local = moment.astimezone(zone)
        if local.minute % step == 0 and local.hour in hours and local.second == 0:
            shown.append(moment)
        moment += MINUTE
    assert [due.at for due in found] == shown


@given(ZONE_DAYS, st.sets(st.integers(0, 4), min_size=1), st.sets(st.integers(0, 59), min_size=1, max_size=4))
@settings(max_examples=60)
def test_where_one_starts_to_look_changes_nothing(
    place: tuple[str, datetime], hours: set[int], minutes: set[int]
) -> None:
    """A restart inside the repeated hour finds what a process that never stopped would."""
    name, day = place
    for expression in (
        f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *",
        f"*/20 {','.join(map(str, hours))} * * *",
    ):
        trigger = Cron(expression, name)
        whole = dues(trigger, day - DAY, day + 2 * DAY)
        assert len({due.nominal for due in whole}) == len(whole)
        assert len({due.at for due in whole}) == len(whole)
        for n in range(0, 72 * 60, 47):
            moment = day - DAY + n * MINUTE
            following = next((due for due in whole if due.at > moment), None)
            assert following is None or trigger.after(moment) == following


@given(st.integers(1, 10**6), st.integers(0, 10**9))
def test_intervals_are_by_the_time_that_passes(seconds: int, passed: int) -> None:
    trigger = Interval(seconds)
    moment = datetime(2000, 1, 1, tzinfo=UTC) + passed * timedelta(seconds=1)
    first, second, third = _three(trigger, moment)
    assert second.at - first.at == third.at - second.at == timedelta(seconds=seconds)
    assert timedelta(0) < first.at - moment <= timedelta(seconds=seconds)
    assert (first.at - trigger.anchor_date) % timedelta(seconds=seconds) == timedelta(0)


def _three(trigger: Trigger, moment: datetime) -> list[Due]:
    found = []
    for _ in range(3):
        due = trigger.after(moment)
        assert due is not None
        found.append(due)
        moment = due.at
    return found


@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 1 * *", "0 0 29 2 *"]),
    st.integers(1, 9),
    st.integers(0, 10**5),
)
def test_of_what_was_missed_the_newest_are_listed(expression: str, limit: int, minutes: int) -> None:
    trigger = Cron(expression, "Europe/Berlin")
    since = datetime(2026, 3, 1, tzinfo=UTC)
    until = since + minutes * MINUTE
    expected = dues(trigger, since, until)[-limit:]
    assert missed(trigger, since, until, limit) == expected
