"""What a function reaches, as a graph of pieces, and the digests of that graph.

The digest of a piece covers its own content and everything it links to; cycles (functions that call each other) are
settled together. It depends on no address, file, line or order of discovery.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from nacre.encoding import digest_texts

#: How the name of a piece begins that stands for an environment variable.
VARIABLE = "env"


class Piece:
    """A function, class, constant or distribution that was reached, or a container of some.

    Args:
        local: Digest of the piece without what it links to.
        name: Qualified name for people; empty where the piece is only glue.
        place: ``file:line``.
        version: For what is identified by a version alone: that version.
    """

    __slots__ = (
        "final",
        "is_static",
        "is_unordered",
        "is_whole",
        "links",
        "local",
        "name",
        "place",
        "reach",
        "unknowns",
        "version",
        "warnings",
    )

    def __init__(self, local: str, name: str = "", place: str = "", version: str = "") -> None:
        self.local = local
        self.name = name
        self.place = place
        self.version = version
        self.links: list[tuple[str, Piece]] = []
        self.is_static = True
        self.is_unordered = False
        # A module of which everything counts, since it is not told what of it is used.
        self.is_whole = False
        self.unknowns: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        # Set by settle: the digest, and the named pieces reached (by id, this one first).
        self.final = ""
        self.reach: dict[int, Piece] = {}


Links = list[tuple[str, Piece]]


def label_of(link: tuple[str, Piece]) -> str:
    """Sort links by what their text calls them; those of one label keep their order."""
    return link[0]


def own_digest(piece: Piece) -> str:
    """Digest what a named piece holds itself: its text and values, down to the next named piece."""
    if piece.version:
        return piece.version
    if all(below.name for _, below in piece.links):
        return piece.local
    below = [(label, "" if p.name else own_digest(p)) for label, p in piece.links]
    if piece.is_unordered:
        below.sort()
    return digest_texts("own", [piece.local, *[text for pair in below for text in pair]])


def settle(root: Piece) -> None:
    """Compute ``final``, ``reach``, ``unknowns``, ``warnings`` and ``is_static`` of a piece and all below it.

    Tarjan's strongly connected components, without recursion: chains of calls may be deeper than Python's stack.
    Linear in the pieces not yet settled, but for cycles, which take one round per member.
    """
    if root.final:
        return
    if all(below.final for _, below in root.links):
        _close([root], root)
        return
    order: dict[int, int] = {id(root): 0}
    low: dict[int, int] = {id(root): 0}
    open_pieces = [root]
    frames: list[tuple[Piece, Iterator[tuple[str, Piece]]]] = [(root, iter(root.links))]
    while frames:
        piece, links = frames[-1]
        key = id(piece)
        child = next((p for _, p in links if not p.final), None)
        if child is None:
            frames.pop()
            if frames:
                above = id(frames[-1][0])
                low[above] = min(low[above], low[key])
            if low[key] == order[key]:
                _close(open_pieces, piece)
        elif id(child) in order:
            low[key] = min(low[key], order[id(child)])
        else:
            order[id(child)] = low[id(child)] = len(order)
            open_pieces.append(child)
            frames.append((child, iter(child.links)))


def _close(open_pieces: list[Piece], first: Piece) -> None:
    members: list[Piece] = []
    while not members or members[-1] is not first:
        members.append(open_pieces.pop())
    colours = {id(p): p.local for p in members}
    for _ in members:
        colours = {id(p): _mix(p, colours) for p in members}
    reach = {id(p): p for p in reversed(members) if p.name}
    # Texts as keys: each once, in order.
    unknowns = {text: None for p in members for text in p.unknowns}
    warnings = {text: None for p in members for text in p.warnings}
    is_static = all(p.is_static for p in members)
    for piece in members:
        for _, below in piece.links:
            reach.update(below.reach)
            is_static = is_static and below.is_static
            if below.unknowns or below.warnings:
                unknowns.update(dict.fromkeys(below.unknowns))
                warnings.update(dict.fromkeys(below.warnings))
    for piece in members:
        piece.final, piece.reach, piece.is_static = colours[id(piece)], reach, is_static
        piece.unknowns, piece.warnings = tuple(unknowns), tuple(warnings)


def _mix(piece: Piece, colours: dict[int, str]) -> str:
    below = [(label, p.final or colours[id(p)]) for label, p in piece.links]
    if piece.is_unordered:
        below.sort()
    return digest_texts("piece", [piece.local, *chain.from_iterable(below)])
