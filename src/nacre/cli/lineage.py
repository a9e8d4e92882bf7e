"""``nacre lineage``: what an asset was made from and what was made from it, as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from nacre.cli.layout import print_json, print_lines
from nacre.cli.options import json_option, modules_option
from nacre.cli.paint import paint
from nacre.planning.explain import short
from nacre.views.session import Session

Neighbours = Callable[[str], Iterable[str]]


@click.command("lineage")
@click.argument("asset")
@modules_option
@json_option
def command(asset: str, modules: tuple[str, ...], as_json: bool) -> None:
    """Draw what an asset was made from and what was made from it, as recorded."""
    session = Session(modules)
    key = session.find(asset)
    catalog, env = session.workspace.catalog, session.workspace.env

    def upstream(key: str) -> Iterable[str]:
        return catalog.upstream(env, key)

    def downstream(key: str) -> Iterable[str]:
        return catalog.downstream(env, key)

    if as_json:
        for direction, neighbours in (("upstream", upstream), ("downstream", downstream)):
            for source, target in _edges(key, neighbours):
                pair = (target, source) if direction == "upstream" else (source, target)
                print_json({"direction": direction, "from": pair[0], "to": pair[1]})
        return
    lines = [f"{paint(_label(session, key), 'strong')}  {key}"]
    above, below = _tree(session, key, upstream), _tree(session, key, downstream)
    lines += ["made from", *(above or ["  nothing: it is a source"])]
    lines += ["used by", *(below or ["  nothing"])]
    print_lines(lines)


def _label(session: Session, key: str) -> str:
    rows = session.slots.get(key, [])
    if rows and rows[0].partition:
        return f"{short(key)} ×{len(rows)}"
    return f"{short(key)} v{rows[0].seq}" if rows else f"{short(key)} (not stored)"


def _tree(session: Session, root: str, neighbours: Neighbours) -> list[str]:
    """Draw all that is reached; what was drawn above is only named, so that cycles and diamonds end."""
    lines: list[str] = []
    drawn = {root}
    waiting = _children(root, "  ", neighbours)
    while waiting:
        key, prefix, is_last = waiting.pop()
        again = key in drawn
        has_more = again and any(neighbours(key))
        lines.append(
            f"{prefix}{'└─' if is_last else '├─'} {_label(session, key)}{' (above)' if has_more else ''}"
        )
        if not again:
            drawn.add(key)
            waiting += _children(key, prefix + ("   " if is_last else "│  "), neighbours)
    return lines


def _children(key: str, prefix: str, neighbours: Neighbours) -> list[tuple[str, str, bool]]:
    """Return the neighbours with their prefix, the first one last, as a stack wants them."""
    names = sorted(neighbours(key), reverse=True)
    return [(name, prefix, position == 0) for position, name in enumerate(names)]


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
