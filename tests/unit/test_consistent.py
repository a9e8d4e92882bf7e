"""What goes back with an asset: the newest versions below that were made from exactly what is current then."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from nacre.catalog.consistent import Followed, MadeFrom, below, follow
from nacre.catalog.history import HistoryRow

History = Mapping[str, list[tuple[int, str, Mapping[str, str] | None]]]


def followed(
    wanted: Mapping[str, str], histories: History, lost: frozenset[tuple[str, int]] = frozenset()
) -> Followed:
    """Follow a rollback through histories: slot to (seq, content, inputs), newest first."""
    versions = {
        slot: [
            MadeFrom(
                HistoryRow(seq, "f", content, "r", "2026-01-01T00:00:00Z"),
                None if inputs is None else frozenset(inputs.items()),
            )
            for seq, content, inputs in entries
        ]
        for slot, entries in histories.items()
    }
    made_from = {slot: list(entries[0][2] or ()) for slot, entries in histories.items()}
    return follow(
        wanted,
        below(wanted, made_from),
        versions.__getitem__,
        lambda slot: histories[slot][0][1] if slot in histories else "",
        lambda slot, row: (slot, row.seq) not in lost,
    )


def moves(found: Followed) -> dict[str, int]:
    return {slot: row.seq for slot, row in found.moves.items()}


CHAIN: History = {
    "a": [(3, "a3", {}), (2, "a2", {}), (1, "a1", {})],
    "b": [(3, "b3", {"a": "a3"}), (2, "b2", {"a": "a2"}), (1, "b1", {"a": "a1"})],
    "c": [(2, "c2", {"b": "b3"}), (1, "c1", {"b": "b1"})],
}


def test_each_follows_what_it_was_made_from() -> None:
    assert moves(followed({"a": "a1"}, CHAIN)) == {"b": 1, "c": 1}


def test_what_has_no_version_from_it_and_all_below_are_made_anew() -> None:
    found = followed({"a": "a2"}, CHAIN)
    assert moves(found) == {"b": 2}
    assert found.rebuilt == ["c"]
    assert followed({"a": "a9"}, CHAIN).rebuilt == ["b", "c"]


def test_what_fits_already_does_not_move() -> None:
    assert followed({"a": "a3"}, CHAIN) == Followed({}, [])


def test_of_several_versions_that_fit_the_newest_is_chosen() -> None:
    histories = {**CHAIN, "b": [(5, "b5", {"a": "a3"}), (4, "b4", {"a": "a1"}), (1, "b1", {"a": "a1"})]}
    assert moves(followed({"a": "a1"}, histories))["b"] == 4


def test_every_other_input_must_be_what_is_current() -> None:
    other = [(2, "o2", {}), (1, "o1", {})]
    joined = [(2, "j2", {"a": "a3", "o": "o2"}), (1, "j1", {"a": "a1", "o": "o1"})]
    found = followed({"a": "a1"}, {**CHAIN, "o": other, "j": joined})
    assert found.rebuilt == ["j"]
    assert moves(followed({"a": "a1", "o": "o1"}, {**CHAIN, "o": other, "j": joined}))["j"] == 1


def test_a_version_whose_bytes_are_gone_is_no_candidate() -> None:
    found = followed({"a": "a1"}, CHAIN, frozenset({("b", 1)}))
    assert (moves(found), found.rebuilt) == ({}, ["b", "c"])


def test_a_version_whose_record_is_gone_is_no_candidate() -> None:
    histories = {**CHAIN, "b": [(3, "b3", {"a": "a3"}), (2, "b2", None), (1, "b1", {"a": "a1"})]}
    assert moves(followed({"a": "a1"}, histories)) == {"b": 1, "c": 1}


def test_what_is_below_comes_after_what_is_above_it() -> None:
    made_from = {"d": ["b", "c"], "b": ["a"], "c": ["b"], "x": ["y"], "a": []}
    assert below(["a"], made_from) == ["b", "c", "d"]
    assert below(["d"], made_from) == []


def test_a_circle_ends() -> None:
    assert below(["a"], {"b": ["a", "c"], "c": ["b"], "s": ["s", "a"]}) == ["b", "c", "s"]


@st.composite
def _histories(draw: st.DrawFn) -> History:
    """Assets in a row of layers, each with versions made from contents that the ones above it had."""
    histories: dict[str, list[tuple[int, str, Mapping[str, str] | None]]] = {}
    for n in range(draw(st.integers(2, 5))):
        above = draw(st.lists(st.sampled_from(sorted(histories)), unique=True)) if histories else []
        n_versions = draw(st.integers(1, 4))
        histories[f"n{n}"] = [
            (seq, f"{draw(st.integers(0, 2))}", {up: draw(st.sampled_from("012")) for up in above})
            for seq in range(n_versions, 0, -1)
        ]
    return histories


@given(_histories(), st.sampled_from("012"))
def test_whatever_moves_was_made_from_what_is_current_then_and_the_rest_is_named(
    histories: History, content: str
) -> None:
    found = followed({"n0": content}, histories)
    now = {slot: entries[0][1] for slot, entries in histories.items()}
    now |= {"n0": content, **{slot: row.data_version for slot, row in found.moves.items()}}
    chosen = {slot: entries[0] for slot, entries in histories.items()}
    chosen |= {
        slot: next(each for each in histories[slot] if each[0] == row.seq)
        for slot, row in found.moves.items()
    }
    rested = set(below(["n0"], {slot: list(entries[0][2] or ()) for slot, entries in histories.items()}))
    assert found.moves.keys() | set(found.rebuilt) <= rested
    for slot in rested - set(found.rebuilt):
        inputs = chosen[slot][2] or {}
        assert all(now[up] == made for up, made in inputs.items()), slot
        assert not found.rebuilt or not set(inputs) & set(found.rebuilt)


def test_a_version_that_lacks_a_partition_that_came_since_does_not_fit() -> None:
    """Else a whole would lose what is current and stored, until the next build."""
    parts: History = {
        "s#a": [(2, "a2", {}), (1, "a1", {})],
        "s#b": [(1, "b1", {})],
        "s#c": [(1, "c1", {})],
        "whole": [
            (3, "w3", {"s#a": "a2", "s#b": "b1", "s#c": "c1"}),
            (2, "w2", {"s#a": "a1", "s#b": "b1", "s#c": "c1"}),
            (1, "w1", {"s#a": "a1", "s#b": "b1"}),
        ],
    }
    assert moves(followed({"s#a": "a1"}, parts)) == {"whole": 2}
    shorter = {**parts, "whole": [parts["whole"][0], parts["whole"][2]]}
    assert followed({"s#a": "a1"}, shorter).rebuilt == ["whole"]
    fewer = {**parts, "whole": [(3, "w3", {"s#a": "a2"}), *parts["whole"][1:]]}
    assert followed({"s#a": "a1"}, fewer).rebuilt == ["whole"], "so does one of more than are read now"
