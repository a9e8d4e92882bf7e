"""Partitions: each slice is made, reused, explained and loaded alone; what has none reads them all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

import nacre
from nacre.errors import (
    DefinitionError,
    InvalidKey,
    InvalidOption,
    MissingArgument,
    NotMaterialized,
    UnknownName,
    UsageError,
)
from nacre.testing import ManualClock
from nacre.views.session import Session
from nacre.views.standing import standings
from sandbox import Sandbox

DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"]
PIPELINE = """
from datetime import date
from nacre import DailyPartitions
import polars as pl
days = DailyPartitions("2026-11-01", "2026-11-03")
world["rows"] = [("2026-11-01", 1), ("2026-11-02", 2), ("2026-11-02", 3)]

@materialize("shop://orders")
def orders() -> list:
    calls.append("orders")
    return world["rows"]

@materialize("shop://sold/date={date}/sold.parquet", partitions=days)
def sold(orders: list, date: date) -> pl.DataFrame:
    calls.append(f"sold {date}")
    return pl.DataFrame({"n": [n for day, n in orders if day == date.isoformat()]}, schema={"n": pl.Int64})

@materialize("shop://total/date={date}/total.json", partitions=days)
def total(sold: pl.DataFrame) -> int:
    calls.append("total")
    return int(sold["n"].sum())

@materialize("shop://best")
def best(total: dict[str, int]) -> str:
    calls.append("best")
    return max(total, key=total.get)

@materialize("shop://all")
def everything(sold: pl.DataFrame) -> int:
    calls.append("everything")
    return sold.height
"""


@pytest.fixture
def project(project: Sandbox) -> Sandbox:
    """A project in which November 2026 has begun."""
    project.move_to(datetime(2026, 11, 20, 12, tzinfo=UTC))
    return project


def actions(result: nacre.RunResult) -> dict[str, str]:
    return {step.name: "checked" if step.checked else step.action for step in result}


def test_each_partition_is_built_once_and_then_reused(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    first = project.build(module)
    assert first.counts == {"built": 9}
    assert nacre.load("best") == "2026-11-02"
    assert nacre.load("all") == 3
    module.calls.clear()
    second = project.build(module)
    assert second.counts == {"checked": 1, "reused": 8}
    assert module.calls == ["orders"]
    assert second["sold[2026-11-02]"].reason == "inputs and code unchanged"


def test_only_the_partition_whose_content_changed_goes_on_below(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    module.turn(rows=[("2026-11-01", 1), ("2026-11-02", 2), ("2026-11-02", 3), ("2026-11-03", 9)])
    result = project.build(module, "best")
    assert {name for name, action in actions(result).items() if action == "built"} == {
        "orders",
        *(f"sold[{day}]" for day in DAYS),
        "total[2026-11-03]",
        "best",
    }
    assert result["sold[2026-11-01]"].reason == "orders changed: +1 item"
    assert result["total[2026-11-01]"].reason == "inputs and code unchanged"
    assert nacre.load("best") == "2026-11-03"
    assert nacre.load("total", partition="2026-11-03") == 9


def test_the_same_content_upstream_is_recorded_as_a_new_version_of_the_recipe_only(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    before = nacre.load("sold", partition="2026-11-01")
    module.turn(rows=[("2026-11-01", 1), ("2026-11-02", 2), ("2026-11-02", 3), ("2026-12-24", 9)])
    result = project.build(module, "best")
    assert result.counts == {"built": 4, "reused": 4}
    assert nacre.load("sold", partition="2026-11-01").equals(before)  # type: ignore[attr-defined]  # a frame


def test_a_range_and_missing_say_what_is_looked_at(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    ranged = nacre.build("total", modules=[module], partition="2026-11-01..2026-11-02")
    assert [step.partition for step in ranged if "total" in step.asset] == DAYS[:2]
    missing = nacre.build("best", modules=[module], missing=True)
    assert actions(missing) == {
        "orders": "checked",
        "sold[2026-11-03]": "built",
        "total[2026-11-03]": "built",
        "best": "built",
    }
    several = nacre.plan("total", modules=[module], partition=["2026-11-03", "2026-11-01"])
    assert [step.partition for step in several.steps if "total" in step.asset] == ["2026-11-01", "2026-11-03"]


def test_what_reads_an_asset_whole_gets_the_stored_partitions_too(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    module.turn(rows=[("2026-11-02", 100)])
    nacre.build("best", modules=[module], partition="2026-11-02")
    assert nacre.load("total") == {"2026-11-01": 1, "2026-11-02": 100, "2026-11-03": 0}
    assert nacre.load("best") == "2026-11-02"


def test_editing_one_function_reruns_its_partitions_and_says_why(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    module = project.edit(module, 'int(sold["n"].sum())', 'int(sold["n"].sum()) + 1')
    plan = nacre.plan("best", modules=[module], reuse_sources=True)
    assert "code changed: `total`" in plan["total[2026-11-02]"].reason
    assert project.build(module, "best").counts == {"checked": 1, "reused": 3, "built": 4}


def test_a_partition_of_a_source_is_made_once_more_after_it_closed_and_never_again(project: Sandbox) -> None:
    module = project.module("""
    from nacre import DailyPartitions

    @materialize("shop://visits/{date}", partitions=DailyPartitions("2026-11-01"))
    def visits(date: str) -> int:
        calls.append(date)
        return 7
    """)
    project.clock = ManualClock(datetime(2026, 11, 2, 12, tzinfo=UTC))
    project.reopen()
    assert project.build(module).counts == {"built": 2}
    module.calls.clear()
    second = project.build(module)
    assert module.calls == ["2026-11-02"]
    assert second["visits[2026-11-01]"].reason == "its time is over, and it was built since"
    module.calls.clear()
    project.move_to(datetime(2026, 11, 3, 12, tzinfo=UTC))
    project.build(module)
    assert module.calls == ["2026-11-02", "2026-11-03"]
    module.calls.clear()
    project.build(module)
    assert module.calls == ["2026-11-03"]
    nacre.build("visits", modules=[module], refresh=True, partition="2026-11-01")
    assert module.calls == ["2026-11-03", "2026-11-01"]


def test_a_flow_names_the_partition_or_takes_it_from_what_it_passes(project: Sandbox) -> None:
    module = project.module(
        PIPELINE
        + """
@flow
def one_day(day):
    return total(sold(orders(), date=day))

@flow
def missing(day):
    return total(date=day)

@flow
def whole():
    return best()
"""
    )
    assert module.one_day("2026-11-02") == 5
    assert module.one_day(date(2026, 11, 2)) == 5
    assert module.calls == ["orders", "sold 2026-11-02", "total", "orders"]
    assert module.missing("2026-11-01") == 1
    assert module.whole() == "2026-11-02"
    history = project.workspace.catalog.heads_of("default", "shop://total/date={date}/total.json")
    assert [(row.partition, row.seq) for row in history] == [(day, 1) for day in DAYS]
    assert nacre.lineage("best").upstream == {"shop://total/date={date}/total.json"}
    assert project.build(module, "best").counts == {"checked": 1, "reused": 7}


def test_a_call_without_a_partition_says_how_to_name_one(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    with pytest.raises(MissingArgument, match=r"sold has partitions.*\n.*\n.*\n.*sold\(date=…\)"):
        module.sold()
    with pytest.raises(UnknownName, match="no partition '2026-12-24'"):
        module.sold(date="2026-12-24")
    assert module.calls == []


def test_loading_takes_one_partition_or_all(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    frame = nacre.load("sold")
    assert frame["n"].to_list() == [1, 2, 3]  # type: ignore[index]  # a frame
    assert nacre.load("sold", partition="2026-11-02")["n"].to_list() == [2, 3]  # type: ignore[index]  # a frame
    parts = nacre.load("sold", dict)
    assert {day: part.height for day, part in parts.items()} == dict(zip(DAYS, [1, 2, 0], strict=True))
    with pytest.raises(NotMaterialized, match="2026-11-01 to 2026-11-03, 3 in all"):
        nacre.load("sold", partition="2026-11-09")
    with pytest.raises(NotMaterialized, match="leave the partition out"):
        nacre.load("orders", partition="2026-11-01")


def test_lineage_of_a_version_names_the_partitions_it_was_made_from(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    catalog = project.workspace.catalog
    rows = catalog.inputs("default", "shop://best", 1)
    assert [row.parameter for row in rows] == [f"total#{day}" for day in DAYS]
    assert {row.upstream for row in rows} == {"shop://total/date={date}/total.json"}
    assert catalog.upstream("default", "shop://best") == {"shop://total/date={date}/total.json"}


def test_bad_partitions_are_refused_before_anything_runs(project: Sandbox) -> None:
    with pytest.raises(InvalidKey, match="partitions declare it"):
        nacre.materialize("s3://lake/{day}.json", partitions=nacre.DailyPartitions("2026-11-01"))
    with pytest.raises(InvalidOption, match="must be partitions"):
        nacre.materialize("s3://lake/x.json", partitions="daily")(lambda: 1)  # type: ignore[arg-type]  # a mistake on purpose
    with pytest.raises(InvalidOption, match="Only assets have partitions"):
        nacre.task(partitions=nacre.DailyPartitions("2026-11-01"))(lambda: 1)
    module = project.module(PIPELINE)
    with pytest.raises(UnknownName, match="2026-11-01 to 2026-11-03"):
        nacre.build("best", modules=[module], partition="2026-11-07")
    with pytest.raises(UsageError, match="Nothing that is selected has partitions"):
        nacre.build("orders", modules=[module], partition="2026-11-01")
    assert module.calls == []


def test_nothing_to_read_whole_is_an_error_that_says_what_to_do(project: Sandbox) -> None:
    module = project.module("""
    from nacre import DailyPartitions

    @materialize("shop://visits/{date}", partitions=DailyPartitions("2030-01-01"))
    def visits(date: str) -> int: return 1

    @materialize("shop://sum")
    def total(visits: dict) -> int: return 1
    """)
    with pytest.raises(DefinitionError, match="no partition yet"):
        project.build(module)


def test_a_failed_partition_skips_what_needs_it_and_keeps_the_others(project: Sandbox) -> None:
    module = project.module(PIPELINE.replace('calls.append(f"sold {date}")', "assert date.day != 2, 'rain'"))
    result = project.build(module, "best")
    assert actions(result) == {
        "orders": "built",
        "sold[2026-11-01]": "built",
        "sold[2026-11-02]": "failed",
        "sold[2026-11-03]": "built",
        "total[2026-11-01]": "built",
        "total[2026-11-02]": "skipped",
        "total[2026-11-03]": "built",
        "best": "skipped",
    }
    assert list(result.errors) == ["shop://sold/date={date}/sold.parquet#2026-11-02"]
    assert result["total[2026-11-02]"].reason == "sold[2026-11-02] failed"


def test_three_thousand_partitions_are_planned_in_one_go(project: Sandbox) -> None:
    start = date(2026, 11, 3) - timedelta(days=2_999)
    module = project.module(f"""
    from nacre import DailyPartitions
    days = DailyPartitions("{start}", "2026-11-03")

    @materialize("shop://visits/{{date}}", partitions=days)
    def visits(date: str) -> int: return 1

    @materialize("shop://sum")
    def total(visits: dict[str, int]) -> int: return sum(visits.values())
    """)
    assert project.build(module).counts == {"built": 3_001}
    assert nacre.load("shop://sum") == 3_000
    again = project.build(module)
    assert again.counts == {"reused": 3_001}


TWO_DIMENSIONS = """
from datetime import date
from nacre import DailyPartitions
import polars as pl

@materialize("shop://sales/{date}", partitions=DailyPartitions("2026-11-01", "2026-11-03"))
def sales(date: date) -> pl.DataFrame:
    return pl.DataFrame({"day": [date]})

@materialize("shop://report/{report_day}",
             partitions=DailyPartitions("2026-11-02", "2026-11-05", dimension="report_day"))
def report(sales: pl.DataFrame, report_day: date) -> int:
    return sales.height
"""


def test_another_dimension_reads_all_partitions_whatever_they_are_called(project: Sandbox) -> None:
    module = project.module(TWO_DIMENSIONS)
    project.build(module)
    assert set(nacre.load("report").values()) == {3}  # type: ignore[attr-defined]  # a dict
    assert project.build(module).counts == {"reused": 7}


def test_a_partition_that_is_given_limits_the_assets_that_have_it(project: Sandbox) -> None:
    module = project.module(TWO_DIMENSIONS)
    result = nacre.build("report", modules=[module], partition="2026-11-05")
    assert [step.partition for step in result] == [*DAYS, "2026-11-05"]
    with pytest.raises(UnknownName, match="no partition 'north'"):
        nacre.build("report", modules=[module], partition="north")


def test_what_is_no_partition_any_more_is_not_read_any_more(project: Sandbox) -> None:
    module = project.module("""
    from nacre import StaticPartitions
    regions = StaticPartitions(["north", "south", "typo"], "region")

    @materialize("shop://sold/{region}", partitions=regions)
    def sold(region: str) -> str:
        return region

    @materialize("shop://all")
    def everything(sold: dict[str, str]) -> list:
        return list(sold)
    """)
    project.build(module)
    module = project.edit(module, ', "typo"', "")
    result = project.build(module)
    assert nacre.load("shop://all") == ["north", "south"]
    assert result["shop://all"].reason == "sold[typo] is no longer an input"


def test_days_are_taken_as_dates_too(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    day = date(2026, 11, 2)
    assert nacre.build("total", modules=[module], partition=day).ok
    assert nacre.build("total", modules=[module], partition=[day, "2026-11-03"]).ok
    assert nacre.load("total", partition=day) == 5
    assert nacre.location("s3://lake/{date}.json", partition=day) == "s3://lake/2026-11-02.json"


def test_a_day_that_is_wanted_as_a_number_fails_its_step(project: Sandbox) -> None:
    module = project.module(
        PIPELINE.replace("def sold(orders: list, date: date)", "def sold(orders: list, date: int)")
    )
    result = nacre.build("sold", modules=[module], partition="2026-11-02")
    assert "a day is received as date, datetime or str" in result["sold[2026-11-02]"].error


def test_closed_partitions_of_a_source_are_fresh_in_every_face(project: Sandbox) -> None:
    module = project.module("""
    from nacre import DailyPartitions

    @materialize("shop://visits/{date}", partitions=DailyPartitions("2026-11-01", "2026-11-02"))
    def visits(date: str) -> int:
        return 7
    """)
    project.build(module)
    session = Session([str(module.__file__)])
    (standing,), _ = standings(session)
    assert (standing.state, standing.reason) == ("fresh", "its time is over, and it was built since")
