"""What is drawn of a lineage of any size: all of it, its folders, or what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import pytest

from nacre.views.board import Tile, Told
from nacre.web.figure import MAX_BOXES, around, asset_href, whole


def tiles(
    states: Mapping[str, str], upstream: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, Tile]:
    above = upstream or {}
    return {
        key: Tile(key, key.rpartition("/")[2], state, "", None, above.get(key, ()))
        for key, state in states.items()
    }


def test_a_small_lineage_is_drawn_whole_with_glyph_and_word() -> None:
    drawn = whole(tiles({"x://a": "fresh", "x://b": "failed"}, {"x://b": ("x://a",)}))
    assert [(card.name, card.words, card.href) for card in drawn.cards] == [
        ("a", "= fresh", "/a/x%3A%2F%2Fa"),
        ("b", "✗ failed", "/a/x%3A%2F%2Fb"),
    ]
    assert len(drawn.lines) == 1
    assert drawn.note == ""


def test_a_box_says_how_many_partitions_stand_as_the_worst_of_them() -> None:
    told = Told("x://a", "stale", "", partitions={"stale": 2, "fresh": 58})
    mixed = Tile("x://a", "a", "stale", "", None, (), told, None, 60)
    whole_lot = Tile("x://b", "b", "stored", "", None, (), None, None, 60)
    drawn = whole({"x://a": mixed, "x://b": whole_lot})
    assert [(card.words, card.more) for card in drawn.cards] == [
        ("+ stale", "2 of 60"),
        ("· stored", "60 partitions"),
    ]


def test_boxes_are_as_wide_as_the_longest_name_needs_within_limits() -> None:
    assert whole(tiles({"x://a": "fresh"})).card_width == 160
    assert whole(tiles({"x://daily_engagement_x": "fresh"})).card_width == 186
    assert whole(tiles({f"x://{'a' * 90}": "fresh"})).card_width == 240


def test_a_folder_shows_the_worst_that_is_in_it() -> None:
    states = {f"s3://lake/raw/t{i}": "fresh" for i in range(200)} | {"s3://lake/raw/bad": "failed"}
    states |= {f"s3://lake/mart/t{i}": "fresh" for i in range(10)} | {"s3://lake/mart/old": "stale"}
    upstream = {"s3://lake/mart/t1": ("s3://lake/raw/t1",), "s3://lake/mart/t2": ("s3://lake/raw/t2",)}
    drawn = whole(tiles(states, upstream))
    (raw,) = [card for card in drawn.cards if card.state == "failed"]
    assert (raw.name, raw.state, raw.words) == ("raw/ · 201 assets", "failed", "✗ 1 failed, = 200 fresh")
    assert raw.href == "/?folder=s3%3A%2F%2Flake%2Fraw%2F"
    assert {card.name for card in drawn.cards} >= {"old", "t1", "t2"}, "a small folder is opened"
    assert len(drawn.lines) == 2
    assert "212 assets by folder" in drawn.note


def test_of_too_many_in_one_folder_those_that_press_are_drawn() -> None:
    states = {f"x://{i}": "stale" if i == 990 else "fresh" for i in range(1_000)}
    upstream = {"x://991": ("x://990",), "x://990": ("x://989",)}
    drawn = whole(tiles(states, upstream))
    assert len(drawn.cards) == MAX_BOXES
    assert {"989", "990", "991"} <= {card.name for card in drawn.cards}
    assert len(drawn.lines) == 2
    assert "search finds any" in drawn.note


def test_an_asset_is_drawn_between_its_direct_neighbours() -> None:
    states = {f"x://{name}": "fresh" for name in "abcde"}
    upstream = {"x://b": ("x://a",), "x://c": ("x://b", "x://a"), "x://d": ("x://c",)}
    drawn = around(tiles(states, upstream), "x://c")
    assert sorted((card.name, card.is_here) for card in drawn.cards) == [
        ("a", False),
        ("b", False),
        ("c", True),
        ("d", False),
    ]
    assert len(drawn.lines) == 3, "edges among neighbours are theirs"


@pytest.mark.parametrize("key", ["x://a b", "x://a%2Fb", "x://é/ü", "x://a?b#c", "x://a/../b"])
def test_a_key_is_encoded_once_in_an_address(key: str) -> None:
    href = asset_href(key)
    assert unquote(href) == f"/a/{key}"
    assert set("/?# ").isdisjoint(href.removeprefix("/a/"))
