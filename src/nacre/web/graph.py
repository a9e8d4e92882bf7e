"""Lays a lineage graph out from left to right: longest-path layers, crossings reduced by barycentre. Pure.

What is far apart is joined through points of its own in the layers between, so that a line passes between boxes rather
than below them. Equal graphs give equal drawings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 204, 50
_GAP_X, _GAP_Y = 50, 18
_MARGIN = 10
_THIN = 14
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """Where an asset is drawn: its left upper corner."""

    key: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """How an asset is joined with one that is made from it; ``path`` is SVG path data."""

    upstream: str
    downstream: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A laid out graph.

    Args:
        width: Of the whole, in pixels.
        height: Of the whole.
        boxes: One for each asset, upstream first.
        lines: One for each edge.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


#: An asset by its key, or a point where an edge passes a layer: the edge and the layer.
_Spot = str | tuple[str, str, int]


def draw(keys: Iterable[str], edges: Iterable[tuple[str, str]], width: int = WIDTH) -> Drawing:
    """Lay a graph out.

    Args:
        keys: The assets.
        edges: Pairs of an asset and one made from it; those that close a cycle, or name another asset, are left out.
        width: Of each box.

    Returns:
        Where everything goes. Nearly linear in assets and edges.
    """
    wanted = dict.fromkeys(keys)
    pairs = [(a, b) for a, b in dict.fromkeys(edges) if a in wanted and b in wanted and a != b]
    layer_of, kept = _layers(list(wanted), pairs)
    columns, chains = _columns(layer_of, kept)
    joined = _neighbours(chains.values())
    _reduce_crossings(columns, joined)
    heights = _heights(columns, joined)
    return _drawing(columns, chains, heights, layer_of, width)


def _layers(
    keys: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Give each asset the length of the longest way to it; what would close a cycle does not count."""
    above: dict[str, list[str]] = {key: [] for key in keys}
    for upstream, downstream in pairs:
        above[downstream].append(upstream)
    layer_of: dict[str, int] = {}
    kept: list[tuple[str, str]] = []
    for start in keys:
        open_keys: dict[str, int] = {}
        waiting = [start] if start not in layer_of else []
        while waiting:
            key = waiting[-1]
            position = open_keys.setdefault(key, 0)
            if position < len(above[key]):
                open_keys[key] = position + 1
                upstream = above[key][position]
                if upstream not in layer_of and upstream not in open_keys:
                    waiting.append(upstream)
                continue
            waiting.pop()
            del open_keys[key]
            settled = [each for each in above[key] if each in layer_of]
            layer_of[key] = 1 + max((layer_of[each] for each in settled), default=-1)
            kept += [(each, key) for each in settled]
    return layer_of, kept


def _columns(
    layer_of: Mapping[str, int], kept: Iterable[tuple[str, str]]
) -> tuple[list[list[_Spot]], dict[tuple[str, str], list[_Spot]]]:
    """Put assets into their layers, and points where long edges pass; each edge becomes a chain from layer to layer."""
    columns: list[list[_Spot]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for key, layer in layer_of.items():
        columns[layer].append(key)
    chains: dict[tuple[str, str], list[_Spot]] = {}
    for upstream, downstream in kept:
        between: list[_Spot] = [
            (upstream, downstream, layer) for layer in range(layer_of[upstream] + 1, layer_of[downstream])
        ]
        for spot, layer in zip(between, range(layer_of[upstream] + 1, layer_of[downstream]), strict=True):
            columns[layer].append(spot)
        chains[upstream, downstream] = [upstream, *between, downstream]
    return columns, chains


_Joined = tuple[Mapping[_Spot, list[_Spot]], Mapping[_Spot, list[_Spot]]]


def _neighbours(chains: Iterable[Sequence[_Spot]]) -> _Joined:
    """Map each spot to what it is joined with in the layer before, and in the layer after."""
    before: dict[_Spot, list[_Spot]] = {}
    after: dict[_Spot, list[_Spot]] = {}
    for chain in chains:
        for left, right in pairwise(chain):
            before.setdefault(right, []).append(left)
            after.setdefault(left, []).append(right)
    return before, after


def _reduce_crossings(columns: list[list[_Spot]], joined: _Joined) -> None:
    """Order each layer by the mean position of its neighbours, forwards and backwards in turn."""
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        neighbours = joined[0] if forwards else joined[1]
        for column in columns if forwards else reversed(columns):
            _order(column, columns, neighbours)


def _order(
    column: list[_Spot], columns: Sequence[Sequence[_Spot]], neighbours: Mapping[_Spot, list[_Spot]]
) -> None:
    place = _places(column, columns)
    mean = {
        spot: sum(place[each] for each in neighbours[spot]) / len(neighbours[spot])
        if neighbours.get(spot)
        else place[spot]
        for spot in column
    }
    column.sort(key=lambda spot: mean[spot])


def _places(column: Sequence[_Spot], columns: Sequence[Sequence[_Spot]]) -> dict[_Spot, float]:
    at = next(number for number, each in enumerate(columns) if each is column)
    near = columns[max(at - 1, 0) : at + 2]
    return {spot: position / max(len(each) - 1, 1) for each in near for position, spot in enumerate(each)}


def _heights(columns: Sequence[Sequence[_Spot]], joined: _Joined) -> dict[_Spot, float]:
    """Give each spot the height of its middle: near the mean of its neighbours, and never over another."""
    heights: dict[_Spot, float] = {}
    for column in columns:
        y = 0.0
        for spot in column:
            heights[spot] = y + _tall(spot) / 2
            y += _tall(spot) + _GAP_Y
    for sweep in range(4):
        neighbours = joined[0] if sweep % 2 == 0 else joined[1]
        for column in columns if sweep % 2 == 0 else reversed(columns):
            _settle(column, heights, neighbours)
    lowest = min((heights[spot] - _tall(spot) / 2 for spot in heights), default=0.0)
    return {spot: height - lowest + _MARGIN for spot, height in heights.items()}


def _settle(
    column: Sequence[_Spot], heights: dict[_Spot, float], neighbours: Mapping[_Spot, list[_Spot]]
) -> None:
    """Move a layer towards its neighbours: pushed down where it is too close, then up as a whole by half of that."""
    wanted = [
        sum(heights[each] for each in neighbours[spot]) / len(neighbours[spot])
        if neighbours.get(spot)
        else heights[spot]
        for spot in column
    ]
    placed: list[float] = []
    for spot, want in zip(column, wanted, strict=True):
        if placed:
            last = column[len(placed) - 1]
            want = max(want, placed[-1] + (_tall(last) + _tall(spot)) / 2 + _GAP_Y)
        placed.append(want)
    drift = sum(at - want for at, want in zip(placed, wanted, strict=True)) / max(len(column), 1)
    heights.update(zip(column, (at - drift for at in placed), strict=True))


def _tall(spot: _Spot) -> int:
    return HEIGHT if isinstance(spot, str) else _THIN


def _drawing(
    columns: Sequence[Sequence[_Spot]],
    chains: Mapping[tuple[str, str], Sequence[_Spot]],
    heights: Mapping[_Spot, float],
    layer_of: Mapping[str, int],
    box_width: int,
) -> Drawing:
    def left(layer: int) -> int:
        return _MARGIN + layer * (box_width + _GAP_X)

    boxes = tuple(
        Box(spot, left(layer), round(heights[spot] - HEIGHT / 2))
        for layer, column in enumerate(columns)
        for spot in column
        if isinstance(spot, str)
    )
    lines = []
    for (upstream, downstream), chain in chains.items():
        points = [(left(layer_of[upstream] + step), round(heights[spot])) for step, spot in enumerate(chain)]
        lines.append(Line(upstream, downstream, _path(points, box_width)))
    bottom = max((heights[spot] + _tall(spot) / 2 for spot in heights), default=0.0)
    width = left(len(columns) - 1) + box_width + _MARGIN if columns else 0
    return Drawing(width, round(bottom) + _MARGIN if columns else 0, boxes, tuple(lines))


def _path(points: Sequence[tuple[int, int]], box_width: int) -> str:
    """Draw a smooth line from the right of the first box through the points to the left of the last."""
    x, y = points[0][0] + box_width, points[0][1]
    drawn = [f"M{x} {y}"]
    for number, (left, at) in enumerate(points[1:], 1):
        middle = (x + left) // 2
        drawn.append(f"C{middle} {y} {middle} {at} {left} {at}")
        x, y = left, at
        if number < len(points) - 1:
            x = left + box_width
            drawn.append(f"H{x}")
    return "".join(drawn)
