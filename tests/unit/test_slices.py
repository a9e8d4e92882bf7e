"""From assets to slots: which partitions are wanted, and which edges they have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nacre.declare.partitions import DailyPartitions, StaticPartitions
from nacre.declare.task import Task, materialize
from nacre.errors import DefinitionError, UnknownName
from nacre.graph.graph import Edge, Graph
from nacre.graph.infer import infer
from nacre.graph.slices import asked, has_partitions, require_meaning, sliced, wanted

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"]


def pipeline(start: str = "2026-11-01") -> Graph:
    @materialize("a://feed")
    def feed() -> int:
        return 1

    @materialize("a://posts/{date}", partitions=DailyPartitions("2026-11-01"))
    def posts(feed: int, date: str) -> int:
        return feed

    @materialize("a://daily/{date}", partitions=DailyPartitions(start))
    def daily(posts: int) -> int:
        return posts

    @materialize("a://week")
    def week(daily: dict[str, int]) -> int:
        return sum(daily.values())

    tasks: list[Task[..., Any]] = [feed, posts, daily, week]
    return infer(tasks).graph


def slots(
    graph: Graph, *targets: str, given: tuple[str, ...] = (), missing: bool = False, **stored: set[str]
) -> Graph:
    there = {f"a://{name}/{{date}}": keys for name, keys in stored.items()}
    graph = graph.restrict(graph.ancestors(targets))
    chosen = wanted(graph, targets, asked(NOW, given, missing, there), NOW)
    return sliced(graph, chosen, there)


def test_each_partition_that_has_begun_is_a_step_and_reads_the_one_of_its_name() -> None:
    found = slots(pipeline(), "a://week")
    assert list(found.order) == [
        "a://feed",
        *(f"a://posts/{{date}}#{day}" for day in DAYS),
        *(f"a://daily/{{date}}#{day}" for day in DAYS),
        "a://week",
    ]
    assert found.upstream["a://posts/{date}#2026-11-02"] == (Edge("feed", "a://feed"),)
    assert found.upstream["a://daily/{date}#2026-11-02"] == (Edge("posts", "a://posts/{date}#2026-11-02"),)
    assert found.upstream["a://week"] == tuple(
        Edge("daily", f"a://daily/{{date}}#{day}", True) for day in DAYS
    )
    assert found.above["a://week"] == tuple(f"a://daily/{{date}}#{day}" for day in DAYS)


def test_a_range_limits_what_runs_and_stored_partitions_are_read_all_the_same() -> None:
    found = slots(
        pipeline(), "a://week", given=("2026-11-02..2026-11-03",), daily={"2026-10-31", "2026-11-01"}
    )
    assert [step for step in found.order if "daily" in step] == [
        "a://daily/{date}#2026-11-02",
        "a://daily/{date}#2026-11-03",
    ]
    assert [edge.asset.partition("#")[2] for edge in found.upstream["a://week"]] == [
        "2026-11-01",
        "2026-11-02",
        "2026-11-03",
    ]


def test_missing_leaves_out_what_has_a_version() -> None:
    found = slots(pipeline(), "a://daily/{date}", missing=True, daily={"2026-11-01", "2026-11-03"})
    assert [step for step in found.order if "#" in step] == [
        "a://posts/{date}#2026-11-02",
        "a://daily/{date}#2026-11-02",
    ]


def test_only_what_is_selected_is_sliced_as_asked() -> None:
    found = slots(pipeline(), "a://daily/{date}", given=("2026-11-03",))
    assert list(found.order) == ["a://feed", "a://posts/{date}#2026-11-03", "a://daily/{date}#2026-11-03"]


def test_a_partition_with_two_dots_in_its_name_is_no_range() -> None:
    @materialize("a://part/{name}", partitions=StaticPartitions(["a", "b", "a..b", "c"], dimension="name"))
    def part(name: str) -> str:
        return name

    graph = infer([part]).graph
    for given, names in {"a..b": ["a..b"], "b..c": ["b", "a..b", "c"], "a": ["a"]}.items():
        found = slots(graph, "a://part/{name}", given=(given,))
        assert [step.partition("#")[2] for step in found.order] == names
        require_meaning(graph, [given], NOW)


def test_a_partition_that_does_not_exist_is_named() -> None:
    for given in ("2026-12-24", "2026-10-01..2026-11-02"):
        with pytest.raises(UnknownName, match="2026-11-01 to 2026-11-03"):
            slots(pipeline(), "a://daily/{date}", given=(given,))


def test_a_downstream_that_begins_before_its_upstream_is_named_with_both() -> None:
    with pytest.raises(UnknownName, match="daily needs a partition that posts does not have") as raised:
        slots(pipeline("2026-10-30"), "a://daily/{date}")
    assert "2026-10-30 (2 in all)" in str(raised.value)


def test_reading_whole_what_has_no_partition_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no partition yet"):
        slots(pipeline("2026-12-01"), "a://week")


def test_another_dimension_is_read_whole() -> None:
    @materialize("a://posts/{date}", partitions=DailyPartitions("2026-11-02"))
    def posts(date: str) -> int:
        return 1

    @materialize("a://region/{region}", partitions=StaticPartitions(["north", "south"], "region"))
    def region(posts: dict[str, int], region: str) -> int:
        return 1

    found = slots(infer([posts, region]).graph, "a://region/{region}")
    assert found.upstream["a://region/{region}#south"] == tuple(
        Edge("posts", f"a://posts/{{date}}#{day}", True) for day in DAYS[1:]
    )


def test_a_graph_without_partitions_says_so() -> None:
    assert has_partitions(pipeline(), [])
    assert not has_partitions(pipeline().restrict({"a://feed"}), ["a://other#2026-11-01"])


def test_what_is_stored_by_partition_counts_where_nobody_here_makes_it() -> None:
    alone = pipeline().restrict({"a://week"})
    stored = {f"a://daily/{{date}}#{day}" for day in DAYS[:2]}
    assert has_partitions(alone, stored)
    found = sliced(alone, {}, {"a://daily/{date}": set(DAYS[:2])})
    assert found.upstream["a://week"] == tuple(Edge("daily", each, True) for each in sorted(stored))
