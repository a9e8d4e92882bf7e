"""What a promotion moves, in which order and under which numbers, and what keeps it from moving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from nacre.errors import AmbiguousName, UnknownName, UsageError
from nacre.graph.select import select_stored
from nacre.planning.promotion import (
    Conflict,
    Histories,
    Obstacle,
    PromotableHead,
    Promotion,
    UsedInput,
    plan_promotion,
)


@dataclass(frozen=True)
class Head:
    fingerprint: str
    seq: int = 1
    base_seq: int = 0
    data_version: str = ""
    at: str = "2026-01-01T00:00:00+00:00"
    held: str = ""
    held_since: str = ""
    is_lost: int = 0
    base: str = ""


@dataclass(frozen=True)
class Entry:
    seq: int
    fingerprint: str
    data_version: str = ""


def promotion(
    source: Mapping[str, Head],
    target: Mapping[str, Head],
    *,
    histories: Mapping[str, Sequence[Entry]] | None = None,
    in_target: Mapping[str, Sequence[Entry]] | None = None,
    inputs: Mapping[str, Sequence[UsedInput]] | None = None,
    is_base: bool = True,
    force: bool = False,
) -> Promotion:
    def own(slot: str) -> Sequence[Entry]:
        return (histories or {}).get(slot, ())

    def there(slot: str) -> Sequence[Entry]:
        head = target[slot]
        return (in_target or {}).get(slot, [Entry(head.seq, head.fingerprint, head.data_version)])

    looked_up = Histories(own, there, lambda slot: (inputs or {}).get(slot, ()))
    ours: Mapping[str, PromotableHead] = source
    theirs: Mapping[str, PromotableHead] = target
    return plan_promotion(ours, theirs, looked_up, is_base=is_base, force=force)


def test_what_is_the_same_in_both_is_left_alone() -> None:
    found = promotion({"a": Head("f1", 3, 2)}, {"a": Head("f1", 9)})
    assert found == Promotion((), ("a",), ())


def test_a_target_that_is_where_the_source_began_is_no_conflict() -> None:
    found = promotion({"a": Head("new", 3, 2)}, {"a": Head("old", 2)})
    assert [(each.slot, each.seq, each.target_seq) for each in found.moves] == [("a", 3, 2)]
    assert found.conflicts == ()


def test_a_target_that_moved_on_is_a_conflict_that_can_be_forced() -> None:
    source, target = {"a": Head("new", 3, 2)}, {"a": Head("other", 3)}
    (conflict,) = promotion(source, target).conflicts
    assert (conflict.slot, conflict.obstacle, conflict.seq) == ("a", Obstacle.MOVED, 3)
    forced = promotion(source, target, force=True)
    assert forced.conflicts == ()
    assert forced.moves[0].target_seq == 3


def test_a_target_that_took_what_the_source_had_after_it_began_is_no_conflict() -> None:
    history = {"a": [Entry(4, "new"), Entry(3, "taken"), Entry(2, "old")]}
    found = promotion({"a": Head("new", 4, 2)}, {"a": Head("taken", 3)}, histories=history)
    assert found.conflicts == ()


def test_a_target_that_went_back_to_an_older_version_is_a_conflict() -> None:
    history = {"a": [Entry(4, "new"), Entry(3, "old"), Entry(2, "oldest")]}
    found = promotion({"a": Head("new", 4, 3)}, {"a": Head("oldest", 4)}, histories=history)
    assert [each.obstacle for each in found.conflicts] == [Obstacle.MOVED]


def test_of_another_target_than_the_base_the_contents_of_the_history_count() -> None:
    history = {"a": [Entry(3, "new"), Entry(2, "old")]}
    source = {"a": Head("new", 3, 2)}
    assert promotion(source, {"a": Head("old", 7)}, histories=history, is_base=False).conflicts == ()
    # The same number says nothing there.
    found = promotion(source, {"a": Head("other", 2)}, histories=history, is_base=False)
    assert [each.obstacle for each in found.conflicts] == [Obstacle.MOVED]


def test_what_is_held_in_the_target_is_a_conflict_that_can_be_forced() -> None:
    source = {"a": Head("new", 3, 2)}
    target = {"a": Head("old", 2, held="v1", held_since="2026-01-02T00:00:00+00:00")}
    assert promotion(source, target).conflicts == (
        Conflict("a", Obstacle.HELD, 2, "v1", "2026-01-02T00:00:00+00:00"),
    )
    assert promotion(source, target, force=True).conflicts == ()


def test_a_version_that_is_held_in_the_source_is_promoted() -> None:
    found = promotion({"a": Head("back", 4, 2, held="v1")}, {"a": Head("old", 2)})
    assert (len(found.moves), found.conflicts) == (1, ())


def test_a_lost_version_cannot_be_promoted() -> None:
    found = promotion({"a": Head("new", 3, 2, is_lost=1)}, {"a": Head("old", 2)}, force=True)
    assert [each.obstacle for each in found.conflicts] == [Obstacle.LOST]


def test_inputs_get_the_numbers_of_the_target_and_come_first() -> None:
    source = {"b": Head("b2", 5, 1, "db2"), "a": Head("a2", 9, 3, "da2")}
    target = {"a": Head("a1", 3, data_version="da1"), "b": Head("b1", 1)}
    inputs = {"b": [UsedInput("x", "a", 9, "a2", "da2")]}
    found = promotion(source, target, inputs=inputs)
    assert [each.slot for each in found.moves] == ["a", "b"]
    assert found.moves[1].inputs == {"x": ("a", 4)}


def test_an_older_version_of_an_input_is_found_by_its_recipe_then_by_its_content() -> None:
    source = {"b": Head("b2", 5, 1)}
    target = {"a": Head("a3", 8, data_version="new"), "b": Head("b1", 1)}
    there = {"a": [Entry(8, "a3", "new"), Entry(7, "same content", "d"), Entry(2, "a1", "d")]}
    for fingerprint, seq in (("a1", 2), ("unknown", 7)):
        inputs = {"b": [UsedInput("x", "a", 4, fingerprint, "d")]}
        found = promotion(source, target, in_target=there, inputs=inputs)
        assert found.moves[0].inputs == {"x": ("a", seq)}


def test_a_version_made_from_what_the_target_never_had_is_a_conflict_that_stays() -> None:
    inputs = {"b": [UsedInput("x", "a#2026-01-01", 4, "a4", "d")]}
    found = promotion({"b": Head("b2", 5, 1)}, {"b": Head("b1", 1)}, inputs=inputs, force=True)
    assert found.conflicts == (Conflict("b", Obstacle.NEEDS, 4, "a#2026-01-01"),)


def test_all_conflicts_are_found_at_once() -> None:
    source = {name: Head("new", 3, 2) for name in "abc"}
    target = {"a": Head("x", 9), "b": Head("y", 9, held="v1"), "c": Head("z", 2)}
    found = promotion(source, target)
    assert [(each.slot, each.obstacle) for each in found.conflicts] == [
        ("a", Obstacle.MOVED),
        ("b", Obstacle.HELD),
    ]


def test_assets_that_once_stood_the_other_way_round_are_still_ordered() -> None:
    source = {"a": Head("a2", 2, 1, "da2"), "b": Head("b2", 2, 1, "db2")}
    target = {"a": Head("a1", 1, data_version="da1"), "b": Head("b1", 1, data_version="db1")}
    # a was made from the b that is current; that b was made from an older a.
    inputs = {"a": [UsedInput("b", "b", 2, "b2", "db2")], "b": [UsedInput("a", "a", 1, "a1", "da1")]}
    found = promotion(source, target, inputs=inputs)
    assert [each.slot for each in found.moves] == ["b", "a"]
    assert found.moves[0].inputs == {"a": ("a", 1)}


def test_versions_that_were_made_from_each_other_are_all_promoted() -> None:
    source = {"a": Head("a2", 2, 1, "da"), "b": Head("b2", 3, 1, "db")}
    inputs = {"a": [UsedInput("b", "b", 3, "b2", "db")], "b": [UsedInput("a", "a", 2, "a2", "da")]}
    found = promotion(source, {"a": Head("a1", 1), "b": Head("b1", 1)}, inputs=inputs)
    assert [(each.slot, dict(each.inputs)) for each in found.moves] == [
        ("a", {"b": ("b", 2)}),
        ("b", {"a": ("a", 2)}),
    ]


# ── what is chosen ────────────────────────────────────────────────────────────────────────────────────────────────────

KEYS = ["demo://raw", "demo://clean", "s3://lake/report.json", "demo://other", "s3://lake/other"]
EDGES = [("demo://raw", "demo://clean"), ("demo://clean", "s3://lake/report.json")]


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        (["demo://raw"], ["demo://raw"]),
        (["report"], ["s3://lake/report.json"]),
        (["+report"], ["demo://raw", "demo://clean", "s3://lake/report.json"]),
        (["raw+"], ["demo://raw", "demo://clean", "s3://lake/report.json"]),
        (["+clean"], ["demo://raw", "demo://clean"]),
        (["+clean+"], ["demo://raw", "demo://clean", "s3://lake/report.json"]),
        (["demo://*"], ["demo://raw", "demo://clean", "demo://other"]),
        (["r*", "clean"], ["demo://raw", "demo://clean", "s3://lake/report.json"]),
    ],
)
def test_stored_assets_are_selected_by_what_is_recorded(selectors: list[str], chosen: list[str]) -> None:
    assert select_stored(KEYS, EDGES, selectors) == set(chosen)


@pytest.mark.parametrize(
    ("selector", "error", "text"),
    [
        ("reprot", UnknownName, "did you mean 'report'"),
        ("x*", UnknownName, "No asset is called"),
        ("other", AmbiguousName, "s3://lake/other"),
        ("tag:x", UsageError, "Tags are in the code"),
    ],
)
def test_a_selector_that_names_nothing_stored_says_what_there_is(
    selector: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        select_stored(KEYS, EDGES, [selector])
