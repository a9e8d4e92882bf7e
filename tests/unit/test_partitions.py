"""Partitions: which there are, when they close, what a parameter receives, and what a bad one says."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from nacre.declare.partitions import DailyPartitions, StaticPartitions, between
from nacre.errors import InvalidKey, InvalidOption, UnknownName
from nacre.frames import split

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def test_days_go_up_to_the_one_that_is_going_on() -> None:
    assert DailyPartitions("2026-11-01").keys(NOON) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert DailyPartitions(date(2026, 11, 1), "2026-11-02").keys(NOON) == ["2026-11-01", "2026-11-02"]
    assert DailyPartitions("2026-11-04").keys(NOON) == []


def test_days_begin_and_end_where_the_zone_says() -> None:
    late = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)
    assert DailyPartitions("2026-11-03", timezone="Europe/Berlin").keys(late)[-1] == "2026-11-04"
    assert DailyPartitions("2026-11-03", timezone="America/New_York").keys(late)[-1] == "2026-11-03"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-01", 24)])
def test_a_day_closes_at_midnight_whatever_the_clocks_do(day: str, hours: int) -> None:
    berlin = DailyPartitions("2026-01-01", timezone="Europe/Berlin")
    opens = berlin.value(day, datetime)
    closes = berlin.closes_at(day)
    assert isinstance(opens, datetime)
    assert closes is not None
    assert (closes - opens.astimezone(UTC)).total_seconds() == hours * 3600
    assert closes.utcoffset() is not None


def test_a_parameter_receives_the_day_as_it_is_annotated() -> None:
    days = DailyPartitions("2026-11-01")
    assert days.value("2026-11-02", date) == date(2026, 11, 2)
    assert days.value("2026-11-02", datetime) == datetime(2026, 11, 2, tzinfo=UTC)
    assert days.value("2026-11-02", str) == days.value("2026-11-02", None) == "2026-11-02"


def test_only_days_written_as_they_are_listed_are_partitions() -> None:
    days = DailyPartitions("2026-11-01", "2026-11-30")
    assert days.contains("2026-11-30")
    for other in ("2026-10-31", "2026-12-01", "20261102", "yesterday", "", "2026-11-31"):
        assert not days.contains(other)


def test_listed_partitions_come_in_their_order_and_never_close() -> None:
    regions = StaticPartitions(["south", "north"], "region")
    assert list(regions.keys(NOON)) == ["south", "north"]
    assert regions.contains("north")
    assert not regions.contains("west")
    assert regions.closes_at("north") is None
    assert regions.value("north", str) == "north"


def test_a_range_includes_both_ends() -> None:
    days = DailyPartitions("2026-11-01")
    assert between(days, "2026-11-02", "2026-11-03", NOON) == ["2026-11-02", "2026-11-03"]
    assert between(days, "2026-11-02", "2026-11-02", NOON) == ["2026-11-02"]
    with pytest.raises(UnknownName, match="2026-11-01 to 2026-11-03"):
        between(days, "2026-11-01", "2026-11-04", NOON)
    with pytest.raises(UnknownName, match="turn them round"):
        between(days, "2026-11-03", "2026-11-02", NOON)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: DailyPartitions("soon"), "need a day for start="),
        (lambda: DailyPartitions(7), "need a day for start="),  # type: ignore[arg-type]  # a mistake on purpose
        (lambda: DailyPartitions("2026-11-02", "2026-11-01"), "not end before they start"),
        (lambda: DailyPartitions("2026-11-01", timezone="Mars/Base"), "no such time zone"),
        (lambda: DailyPartitions("2026-11-01", dimension="the day"), "named like a parameter"),
        (lambda: StaticPartitions([], "region"), "must be a list of names"),
        (lambda: StaticPartitions("north", "region"), "must be a list of names"),
        (lambda: StaticPartitions(["a", "a"], "region"), "listed once"),
    ],
)
def test_partitions_that_cannot_be_are_refused_where_they_are_written(make, problem: str) -> None:  # type: ignore[no-untyped-def]  # any of the two
    with pytest.raises(InvalidOption, match=problem):
        make()


def test_a_mistake_is_told_where_it_is_written_and_not_in_code_that_python_wrote() -> None:
    with pytest.raises(InvalidOption) as raised:
        DailyPartitions("soon")
    assert [frame.file for frame in split(raised.value).user] == [__file__]


def test_a_partition_that_would_leave_its_folder_is_refused() -> None:
    with pytest.raises(InvalidKey, match="partition cannot be named"):
        StaticPartitions(["../etc"], "region")
