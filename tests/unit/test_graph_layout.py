"""The lineage graph is laid out so that it can be read, whatever its shape."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.web.graph import HEIGHT, WIDTH, Drawing, draw


def places(drawing: Drawing) -> dict[str, tuple[int, int]]:
    return {box.key: (box.x, box.y) for box in drawing.boxes}


def crossings(drawing: Drawing) -> int:
    """Straight lines between neighbouring layers that cross."""
    at = places(drawing)
    ends = [(at[line.upstream], at[line.downstream]) for line in drawing.lines]
    return sum(
        a[0][0] == b[0][0] and a[1][0] == b[1][0] and (a[0][1] - b[0][1]) * (a[1][1] - b[1][1]) < 0
        for i, a in enumerate(ends)
        for b in ends[:i]
    )


def test_what_is_made_from_something_stands_right_of_it() -> None:
    at = places(draw("abcd", [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]))
    assert at["a"][0] < at["b"][0] < at["c"][0]
    assert at["d"][0] == at["a"][0]


def test_a_chain_is_drawn_as_one_straight_line() -> None:
    drawing = draw("abc", [("a", "b"), ("b", "c")])
    assert len({y for _, y in places(drawing).values()}) == 1
    assert drawing.height == HEIGHT + 20


def test_crossings_that_need_not_be_are_taken_out() -> None:
    drawing = draw("abcdwxyz", [("a", "z"), ("b", "y"), ("c", "x"), ("d", "w")])
    assert crossings(drawing) == 0


def test_a_long_edge_passes_between_boxes_not_below_them() -> None:
    drawing = draw("abcx", [("a", "b"), ("b", "c"), ("a", "c"), ("x", "b")])
    (long,) = [line for line in drawing.lines if (line.upstream, line.downstream) == ("a", "c")]
    assert "H" in long.path
    middle = places(drawing)["b"][1]
    passes = int(long.path.split("H")[0].rsplit(" ", 1)[1])
    assert not middle <= passes <= middle + HEIGHT


def test_a_cycle_is_drawn_without_the_edge_that_closes_it() -> None:
    drawing = draw("abc", [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")])
    assert len(drawing.boxes) == 3
    assert len(drawing.lines) == 2


def test_nothing_at_all_is_an_empty_drawing() -> None:
    assert draw([], []) == Drawing(0, 0, (), ())
    assert len(draw("a", [("a", "gone"), ("gone", "a")]).lines) == 0


names = st.integers(0, 30).map(str)


@given(st.lists(names), st.lists(st.tuples(names, names), max_size=60))
def test_any_graph_fits_its_size_and_no_box_lies_on_another(
    keys: list[str], edges: list[tuple[str, str]]
) -> None:
    drawing = draw(keys, edges)
    assert {box.key for box in drawing.boxes} == set(keys)
    columns: dict[int, list[int]] = {}
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - WIDTH
        assert 0 <= box.y <= drawing.height - HEIGHT
        columns.setdefault(box.x, []).append(box.y)
    assert all(b - a >= HEIGHT for ys in columns.values() for a, b in pairwise(sorted(ys)))
    at = places(drawing)
    assert all(at[line.upstream][0] < at[line.downstream][0] for line in drawing.lines)
    assert draw(keys, edges) == drawing


@pytest.mark.parametrize("n", [1_000])
def test_a_large_graph_and_a_long_chain_are_laid_out(n: int) -> None:
    keys = [str(i) for i in range(n)]
    assert len(draw(keys, [(str(i), str(i + 1)) for i in range(n - 1)]).lines) == n - 1
    wide = draw(keys, [("0", each) for each in keys[1:]])
    assert len({box.x for box in wide.boxes}) == 2
