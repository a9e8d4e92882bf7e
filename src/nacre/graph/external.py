"""External assets: upstream keys that nobody makes and that name a place. Each is a step that runs nothing."""

from __future__ import annotations

from collections.abc import Iterable

from nacre.declare.asset import Asset
from nacre.declare.options import TaskOptions, decode
from nacre.declare.task import Task, outside
from nacre.graph.graph import AnyTask, Graph
from nacre.graph.infer import Inferred
from nacre.keys import key_name

#: Of the task in records.
_NAME = "external"


def with_external(graph: Graph, keys: Iterable[str]) -> Graph:
    """Add a step for each of some keys that nobody makes, before all others.

    Args:
        graph: The graph; of assets or of slots.
        keys: Keys that ``Graph.unmade`` found.
    """
    added = {key: external_task(key) for key in keys}
    if not added:
        return graph
    above = dict.fromkeys(added, ()) | dict(graph.above)
    for step, edges in graph.upstream.items():
        read = [edge.asset for edge in edges if edge.asset in added]
        if read:
            above[step] = tuple(dict.fromkeys([*read, *above[step]]))
    return Graph(
        {**added, **graph.tasks},
        {**{key: key for key in added}, **graph.producer},
        {**dict.fromkeys(added, ()), **graph.upstream},
        above,
        (*added, *graph.order),
    )


def with_external_names(inferred: Inferred, keys: Iterable[str]) -> Inferred:
    """Let selectors name external assets too, by key and by the key's own name.

    Args:
        inferred: What is declared.
        keys: Keys that ``Graph.unmade`` found.
    """
    names = {name: list(found) for name, found in inferred.names.items()}
    graph = with_external(inferred.graph, keys)
    for key in graph.tasks.keys() - inferred.graph.tasks.keys():
        names.setdefault(key_name(key) or key, []).append(key)
    return inferred._replace(graph=graph, names=names)


def external_task(key: str) -> AnyTask:
    """Make the task that stands for an external asset. Its function is never called."""
    options: TaskOptions = {"code": "pinned:1", "name": _NAME}
    return Task(outside, decode(dict(options), _NAME), (Asset(key),), by=_NAME)
