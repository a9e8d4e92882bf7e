"""The selection language: keys, names, ``+a`` (and upstream), ``a+`` (and downstream), ``tag:x``, globs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from nacre.errors import AmbiguousName, UnknownName
from nacre.graph.graph import Graph
from nacre.graph.infer import Inferred

#: What a selector has that may mean several assets.
_MANY = re.compile(r"^\+|\+$|^tag:|[*?]")


def select(inferred: Inferred, selectors: str | Iterable[str]) -> list[str]:
    """Find the steps that selectors name.

    Args:
        inferred: The graph and the names its assets answer to.
        selectors: One selector or several; the union is taken.

    Returns:
        Step keys in topological order, each once.

    Raises:
        UnknownName: A selector names nothing; the closest name is offered.
        AmbiguousName: A name means several assets.
    """
    chosen: set[str] = set()
    for selector in [selectors] if isinstance(selectors, str) else selectors:
        chosen |= _one(inferred, selector)
    order = inferred.graph.order
    ordered = [step for step in order if step in chosen]
    return ordered + sorted(chosen.difference(order))


def named(inferred: Inferred, selectors: Iterable[str]) -> set[str]:
    """Find the steps that selectors name one by one: by a key or a name, not by a glob, a tag or a neighbour.

    Raises:
        UnknownName: A name means nothing.
        AmbiguousName: A name means several assets.
    """
    producer = inferred.graph.producer
    found = set()
    for selector in map(str.strip, selectors):
        if selector in producer or not _MANY.search(selector):
            found.add(producer[resolve(inferred, selector)])
    return found


def resolve(inferred: Inferred, name: str) -> str:
    """Find the one asset key that a key or name means.

    Raises:
        UnknownName: Nothing answers to it; the closest name is offered.
        AmbiguousName: Several assets do.
    """
    if name in inferred.graph.producer:
        return name
    keys = inferred.names.get(name, [])
    if len(keys) == 1:
        return keys[0]
    graph = inferred.graph
    if keys:
        facts = {key: graph.tasks[graph.producer[key]].place for key in keys}
        raise AmbiguousName(f"{name!r} could mean several assets", facts, "give the key instead")
    raise unknown(name, [*inferred.names, *graph.producer])


def unknown(name: str, known: list[str]) -> UnknownName:
    """Build the error for a name nothing answers to."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    shown = sorted(each for each in known if "://" not in each) or sorted(known)
    listed = ", ".join(shown[:12]) + (" …" if len(shown) > 12 else "")
    hint = f"did you mean {close[0]!r}?" if close else ""
    return UnknownName(f"No asset is called {name!r}", {"known": listed or "none"}, hint)


def _one(inferred: Inferred, selector: str) -> set[str]:
    graph = inferred.graph
    name = selector.strip()
    if name in graph.producer:  # a key may hold what otherwise selects
        return {graph.producer[name]}
    upstream, downstream = name.startswith("+"), name.endswith("+")
    name = name.removeprefix("+").removesuffix("+")
    steps = _named(inferred, name)
    found = set(steps)
    if upstream:
        found |= graph.ancestors(steps)
    if downstream:
        found |= graph.descendants(steps)
    return found


def _named(inferred: Inferred, name: str) -> set[str]:
    graph: Graph = inferred.graph
    if name.startswith("tag:"):
        tag = name.removeprefix("tag:")
        found = {step for step, task in graph.tasks.items() if tag in task.options.tags}
        if not found:
            tags = sorted({tag for task in graph.tasks.values() for tag in task.options.tags})
            raise UnknownName(f"No asset has the tag {tag!r}", {"known tags": ", ".join(tags) or "none"})
        return found
    if "*" in name or "?" in name:
        keys = {key for key in graph.producer if fnmatchcase(key, name)}
        keys |= {key for each, keys in inferred.names.items() if fnmatchcase(each, name) for key in keys}
        if not keys:
            raise unknown(name, [*inferred.names, *graph.producer])
        return {graph.producer[key] for key in keys}
    return {graph.producer[resolve(inferred, name)]}
