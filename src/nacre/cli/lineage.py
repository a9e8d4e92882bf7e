"""``nacre lineage``: what an asset was made from and what was made from it, as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import click

from nacre.catalog.history import HeadRow
from nacre.cli.layout import print_json, print_lines
from nacre.cli.options import json_option, modules_option
from nacre.cli.paint import paint
from nacre.keys import partition_of, slot
from nacre.planning.explain import short
from nacre.store.paths import env_name
from nacre.views.session import Session

Neighbours = Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Node:
    """An asset in the tree.

    Args:
        asset: Its key.
        text: How it is shown.
        partition: Which slice, where it is one.
        seq: Which version; 0 for what is current, of all its partitions.
        env: The environment that the version is of, where it is not the one that is looked at.
    """

    asset: str
    text: str = field(default="", compare=False)
    partition: str = ""
    seq: int = 0
    env: str = ""

    @property
    def slot(self) -> str:
        """The asset or slice, whichever its version."""
        return slot(self.asset, self.partition)


@click.command("lineage")
@click.argument("asset")
@modules_option
@json_option
def command(asset: str, modules: tuple[str, ...], as_json: bool) -> None:
    """Draw what an asset was made from and what was made from it, as recorded."""
    session = Session(modules)
    key = session.find(asset)
    if as_json:
        catalog, env = session.workspace.catalog, session.workspace.env
        for source, target in _edges(key, lambda each: catalog.upstream(env, each)):
            print_json({"direction": "upstream", "from": target, "to": source})
        for source, target in _edges(key, lambda each: catalog.downstream(env, each)):
            print_json({"direction": "downstream", "from": source, "to": target})
        return
    root = Node(key, _label(session, key))
    lines = [f"{paint(root.text, 'strong')}  {key}"]
    above = _tree(root, lambda node: _made_from(session, node))
    below = _tree(root, lambda node: _used_by(session, node))
    lines += ["made from", *(above or ["  nothing: it is a source"])]
    lines += ["used by", *(below or ["  nothing"])]
    print_lines(lines)


def _label(session: Session, key: str) -> str:
    rows = session.slots.get(key, [])
    if rows and rows[0].partition:
        return f"{short(key)} ×{len(rows)}"
    return f"{short(key)} v{rows[0].seq}" if rows else f"{short(key)} (not stored)"


def _made_from(session: Session, node: Node) -> list[Node]:
    """Give what a version was made from; of an asset as a whole, what its current versions were."""
    catalog, env = session.workspace.catalog, node.env or session.workspace.env
    versions = [(node.partition, node.seq)]
    if not node.seq:
        versions = [(row.partition, row.seq) for row in session.slots.get(node.asset, [])]
    found: dict[str, set[tuple[str, int, str]]] = {}
    for partition, seq in versions:
        for row in catalog.inputs(env, node.asset, seq, partition):
            one = partition_of(row.parameter), row.upstream_seq, row.env or node.env
            found.setdefault(row.upstream, set()).add(one)
    return [_read(session, asset, found[asset]) for asset in sorted(found)]


def _read(session: Session, asset: str, versions: set[tuple[str, int, str]]) -> Node:
    """Show what was read of an asset: its version, and the current one where that is another."""
    partitions = {partition for partition, _, _ in versions}
    if len(partitions) > 1:
        return Node(asset, f"{short(asset)} ×{len(partitions)}")
    ((partition, seq, env), *others) = sorted(versions)
    name, last = short(slot(asset, partition)), others[-1][1] if others else seq
    number = f"v{seq} to v{last}" if last != seq else f"v{seq}" if seq else "(no version)"
    of = f" of {env_name(env)}" if env and seq else ""
    now = next((row for row in session.slots.get(asset, []) if row.partition == partition), None)
    told = f" (now v{now.seq})" if now is not None and (others or not _is(now, seq, env)) else ""
    return Node(asset, f"{name} {number}{of}{told}", partition, 0 if others else seq, env)


def _is(now: HeadRow, seq: int, env: str) -> bool:
    """Say whether a version is the current one; what is read through another environment has that one's number."""
    return now.seq == seq and env in ("", now.base)


def _used_by(session: Session, node: Node) -> list[Node]:
    """Give what is made from any version of an asset, and from which, where that is not the current one."""
    catalog, env = session.workspace.catalog, session.workspace.env
    current = session.slots.get(node.asset, [])
    found = []
    for key in sorted(catalog.downstream(env, node.asset)):
        rows = [row for row in session.slots.get(key, []) if not row.partition]
        read = {
            (each.upstream_seq, each.env)
            for row in rows
            for each in catalog.inputs(env, key, row.seq)
            if each.upstream == node.asset and not partition_of(each.parameter)
        }
        old = sorted(seq for seq, of in read if current and not _is(current[0], seq, of))
        told = f" (from v{old[0]})" if len(read) == 1 and old and old[0] else ""
        found.append(Node(key, f"{_label(session, key)}{told}"))
    return found


def _tree(root: Node, neighbours: Callable[[Node], list[Node]]) -> list[str]:
    """Draw all that is reached; what was drawn above is only named, so that cycles and diamonds end.

    So is another version of what led to it, with three dots: what reads its own past would be drawn once for each.
    """
    lines: list[str] = []
    drawn = {root}
    waiting = _children(root, "  ", frozenset(), neighbours)
    while waiting:
        node, prefix, is_last, path = waiting.pop()
        again, is_past = node in drawn, node.slot in path
        more = " (above)" if again else " …" if is_past else ""
        if more and not neighbours(node):
            more = ""
        lines.append(f"{prefix}{'└─' if is_last else '├─'} {node.text}{more}")
        if not again and not is_past:
            drawn.add(node)
            waiting += _children(node, prefix + ("   " if is_last else "│  "), path, neighbours)
    return lines


def _children(
    node: Node, prefix: str, path: frozenset[str], neighbours: Callable[[Node], list[Node]]
) -> list[tuple[Node, str, bool, frozenset[str]]]:
    """Return the neighbours with their prefix and what leads to them, the first one last, as a stack wants them."""
    path |= {node.slot}
    return [(each, prefix, position == 0, path) for position, each in enumerate(reversed(neighbours(node)))]


def _edges(root: str, neighbours: Neighbours) -> list[tuple[str, str]]:
    found, seen, waiting = [], {root}, [root]
    while waiting:
        key = waiting.pop(0)
        for each in sorted(neighbours(key)):
            found.append((key, each))
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return found
