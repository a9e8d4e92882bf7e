"""Which part of the lineage a page draws, and what stands in each box. Above 150 assets it draws the folders of keys.

What failed or is stale is never hidden: a folder shows the worst of what is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from nacre.execute.report import GLYPHS as ACTION_GLYPHS
from nacre.views.board import PRESSING, Tile
from nacre.views.standing import GLYPHS
from nacre.views.words import count
from nacre.web.graph import HEIGHT, draw

MAX_BOXES = 150
#: Folders are opened while there are no more boxes than this.
_FEW_BOXES = 30
_TRIED = 5
GLYPH = {**GLYPHS, "failed": ACTION_GLYPHS["failed"]}
#: The worst first.
_RANK = (*PRESSING, "pending", "check", "fresh", "stored")
_NAME = 24
#: Boxes are as wide as what is written in them needs: pixels of a letter of a name, and of the line below it.
_NAME_PX, _WORDS_PX, _PADDING = 9, 7.2, 24
_NARROWEST, _WIDEST = 160, 240


@dataclass(frozen=True, slots=True)
class Card:
    """One box of a figure: where it stands, where it leads, and what is written in it.

    Args:
        x: Its left.
        y: Its top.
        href: The page it leads to.
        title: The whole of what it stands for.
        name: What is written in it, cut to its width.
        state: The state whose colour it has.
        words: The second line: glyph and word.
        more: What is said after it in quiet: how many partitions.
        at: When it was made; empty where that is not said.
        is_here: True for the asset whose page it is.
    """

    x: int
    y: int
    href: str
    title: str
    name: str
    state: str
    words: str
    more: str = ""
    at: str = ""
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn part of the lineage; see the module.

    Args:
        width: In pixels.
        height: In pixels.
        cards: The boxes.
        lines: SVG path data.
        card_width: Of each box.
        label: What is drawn, for those who do not see it.
        note: What is not drawn; empty where all is.
    """

    width: int
    height: int
    cards: tuple[Card, ...]
    lines: tuple[str, ...]
    card_width: int
    label: str
    note: str = ""
    card_height: int = HEIGHT


def asset_href(key: str) -> str:
    """Where an asset's page lies: the key is encoded once, whatever is in it."""
    return f"/a/{quote(key, safe='')}"


def whole(tiles: Mapping[str, Tile], folder: str = "") -> Figure:
    """Draw all assets, or those whose key begins with a folder."""
    inside = {key: tile for key, tile in tiles.items() if key.startswith(folder)}
    units = {key: key for key in inside}
    note = ""
    if len(inside) > MAX_BOXES:
        units = _grouped(list(inside), folder)
        note = f"{count(len(inside), 'asset')} by folder; open one, or search."
    if len(set(units.values())) > MAX_BOXES:
        chosen = _chosen(inside)
        units = {key: key for key in chosen}
        note = f"{len(chosen):,} of {count(len(inside), 'asset')}: what needs you first; search finds any."
    what = f"Lineage of {folder}" if folder else "Lineage"
    return _figure(inside, units, f"{what}, from left to right", note)


def around(tiles: Mapping[str, Tile], key: str) -> Figure:
    """Draw one asset between its direct neighbours."""
    above = [each for each in tiles[key].upstream if each in tiles]
    below = [each for each, tile in tiles.items() if key in tile.upstream]
    near = dict.fromkeys([*above[: MAX_BOXES // 3], key, *below[: MAX_BOXES // 3]])
    n_left_out = len({*above, *below}) + 1 - len(near)
    edges = {(each, key) for each in above} | {(key, each) for each in below}
    note = f"{n_left_out:,} more are in the lists below." if n_left_out > 0 else ""
    inside = {each: tiles[each] for each in near}
    return _figure(
        inside, {each: each for each in near}, f"{tiles[key].name} and its neighbours", note, edges, key
    )


def _grouped(keys: Sequence[str], folder: str) -> dict[str, str]:
    """Map each asset to the folder it is drawn in: the largest folders are opened while there are few boxes."""
    found = {key: _unit(key, folder) for key in keys}
    while True:
        sizes = Counter(unit for unit in found.values() if unit.endswith("/"))
        for largest, _ in sizes.most_common(_TRIED):
            opened = {key: _unit(key, largest) for key, unit in found.items() if unit == largest}
            parts = set(opened.values())
            if parts != {largest} and len({*found.values()} - {largest} | parts) <= _FEW_BOXES:
                found.update(opened)
                break
        else:
            return found


def _unit(key: str, folder: str) -> str:
    start = len(folder) if folder else key.find("://") + 3 if "://" in key else 0
    slash = key.find("/", start)
    return key if slash < 0 else key[: slash + 1]


def _chosen(tiles: Mapping[str, Tile]) -> list[str]:
    """Choose what is worth drawing of too many: what presses, then what it touches, then the first of the others."""
    pressing = [tile.asset for state in PRESSING for tile in tiles.values() if tile.state == state]
    first = pressing[:MAX_BOXES]
    touched = [each for key in first for each in tiles[key].upstream if each in tiles]
    marked = set(first)
    touched += [key for key, tile in tiles.items() if marked.intersection(tile.upstream)]
    return list(dict.fromkeys([*first, *touched, *tiles]))[:MAX_BOXES]


def _figure(
    tiles: Mapping[str, Tile],
    units: Mapping[str, str],
    label: str,
    note: str,
    edges: Iterable[tuple[str, str]] | None = None,
    here: str = "",
) -> Figure:
    if edges is None:
        edges = [(above, key) for key, tile in tiles.items() for above in tile.upstream]
    joined = sorted((units[a], units[b]) for a, b in edges if a in units and b in units)
    members: dict[str, list[Tile]] = {}
    for key, unit in units.items():
        members.setdefault(unit, []).append(tiles[key])
    cards = {
        unit: _asset_card(tiles[unit], here) if units.get(unit) == unit else _folder_card(unit, inside)
        for unit, inside in members.items()
    }
    width = max(map(_width, cards.values()), default=_NARROWEST)
    drawing = draw(units.values(), joined, width)
    placed = tuple(replace(cards[box.key], x=box.x, y=box.y) for box in drawing.boxes)
    lines = tuple(line.path for line in drawing.lines)
    return Figure(drawing.width, drawing.height, placed, lines, width, label, note)


def _width(card: Card) -> int:
    words = len(f"{card.words} {card.more or '59 min ago'}")
    wanted = max(len(card.name) * _NAME_PX, words * _WORDS_PX) + _PADDING
    return round(min(max(wanted, _NARROWEST), _WIDEST))


def _asset_card(tile: Tile, here: str) -> Card:
    words = f"{GLYPH[tile.state]} {tile.state}"
    at = tile.head.at if tile.head and not tile.n_partitions else ""
    name, is_here = _cut(tile.name), tile.asset == here
    return Card(0, 0, asset_href(tile.asset), tile.asset, name, tile.state, words, tile.slices(), at, is_here)


def _folder_card(folder: str, tiles: Sequence[Tile]) -> Card:
    n = Counter(tile.state for tile in tiles)
    worst = next(state for state in _RANK if n[state])
    told = [f"{GLYPH[state]} {n[state]:,} {state}" for state in _RANK if n[state]][:2]
    href = "/?" + urlencode({"folder": folder})
    short = folder.removesuffix("/").rpartition("/")[2] or folder
    name = _cut(f"{short}/ · {count(len(tiles), 'asset')}")
    return Card(0, 0, href, f"{folder}: {count(len(tiles), 'asset')}", name, worst, ", ".join(told))


def _cut(text: str) -> str:
    return text if len(text) <= _NAME else text[: _NAME - 1] + "…"
