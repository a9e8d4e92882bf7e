"""From declared tasks to the graph: which parameter means which asset. Pure; finds, but does not judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from nacre.declare.parameters import Parameter, parameters, plain_names
from nacre.graph.graph import AnyTask, Edge, Graph, steps_above, topological
from nacre.keys import key_name

Names = dict[str, list[str]]


class Inferred(NamedTuple):
    """The graph, and what could not be told.

    Args:
        graph: Steps and edges, as far as they could be told.
        names: Every name an asset answers to, with the keys that answer.
        duplicates: Key to the tasks that all make it.
        ambiguous: Step to its parameters that several assets answer to, with those keys.
        missing: Step to its required parameters that no asset answers to.
    """

    graph: Graph
    names: Names
    duplicates: Mapping[str, list[AnyTask]] = MappingProxyType({})
    ambiguous: Mapping[str, dict[str, list[str]]] = MappingProxyType({})
    missing: Mapping[str, list[str]] = MappingProxyType({})


def asset_names(task: AnyTask) -> list[tuple[str, str]]:
    """Pair the names of a task's assets with their keys: the function's name (one asset) and the key's own."""
    pairs = []
    for asset in task.assets:
        name = key_name(asset.key)
        if name:
            pairs.append((name, asset.key))
    if len(task.assets) == 1:
        own: str = getattr(task.fn, "__name__", "") or task.name
        if not pairs or pairs[0][0] != own:
            pairs.append((own, task.assets[0].key))
    return pairs


def infer(tasks: Iterable[AnyTask]) -> Inferred:
    """Build the graph of materializing tasks.

    A parameter means the asset of its ``Annotated``, else the one asset of that name in the same module, else in all
    the tasks given. A parameter with a default means an asset only when annotated.

    Args:
        tasks: Materializing tasks, in definition order.

    Returns:
        The graph with what could not be told. Linear in tasks and parameters.
    """
    index = _Index(tasks)
    upstream: dict[str, tuple[Edge, ...]] = {}
    ambiguous: dict[str, dict[str, list[str]]] = {}
    missing: dict[str, list[str]] = {}
    for step, task in index.tasks.items():
        plain = index.plain_edges(step, task)
        if plain is not None:
            upstream[step] = plain
            continue
        edges = []
        sliced = task.options.partitions
        for parameter in (*parameters(task.fn), *(Parameter(name, True) for name in task.named_deps)):
            if sliced is not None and parameter.name == sliced.dimension:
                continue  # it receives the partition
            found = index.resolve(parameter, task)
            if len(found) == 1:
                edges.append(Edge("" if parameter.name in task.named_deps else parameter.name, found[0]))
            elif found:
                ambiguous.setdefault(step, {})[parameter.name] = found
            elif parameter.is_required:
                missing.setdefault(step, []).append(parameter.name)
        if task.asset_deps:
            named = {edge.asset for edge in edges}
            edges.extend(Edge("", dep.key) for dep in task.asset_deps if dep.key not in named)
        upstream[step] = tuple(edges)
    above = steps_above(index.producer, upstream)
    order = topological(index.tasks, above)
    graph = Graph(index.tasks, index.producer, upstream, above, order)
    return Inferred(graph, index.names, index.duplicates, ambiguous, missing)


class _Index:
    """Who makes and answers to what; the first maker of a key wins, later ones are duplicates."""

    def __init__(self, tasks: Iterable[AnyTask]) -> None:
        self.tasks: dict[str, AnyTask] = {}
        self.producer: dict[str, str] = {}
        self.names: Names = {}
        self.duplicates: dict[str, list[AnyTask]] = {}
        self._by_module: dict[int, Names] = {}
        for task in tasks:
            self._add(task)

    def _add(self, task: AnyTask) -> None:
        step = task.key
        for asset in task.assets:
            other = self.producer.setdefault(asset.key, step)
            if other != step or (step in self.tasks and self.tasks[step] is not task):
                self.duplicates.setdefault(asset.key, [self.tasks[other]]).append(task)
        if step in self.tasks:
            return
        self.tasks[step] = task
        scope = self._by_module.setdefault(_scope(task), {})
        for name, key in asset_names(task):
            self.names.setdefault(name, []).append(key)
            scope.setdefault(name, []).append(key)

    def plain_edges(self, step: str, task: AnyTask) -> tuple[Edge, ...] | None:
        """Tell the edges of a task whose parameters each name one asset of its module; None where it takes more."""
        named = plain_names(task.fn)
        if named is None or task.asset_deps or task.named_deps or task.options.partitions is not None:
            return None
        scope = self._by_module[_scope(task)]
        edges = []
        for name in named:
            keys = scope.get(name)
            if keys is None or len(keys) != 1 or keys[0] == step:
                return None
            edges.append(Edge(name, keys[0]))
        return tuple(edges)

    def resolve(self, parameter: Parameter, task: AnyTask) -> list[str]:
        if parameter.asset:
            return [parameter.asset]
        if not parameter.is_required:
            return []
        name = parameter.name
        if task.asset_deps:
            matching = [
                dep.key for dep in task.asset_deps if name in (key_name(dep.key), self._maker(dep.key))
            ]
            if len(matching) == 1:
                return matching
        own = {asset.key for asset in task.assets}
        for known in (self._by_module[_scope(task)], self.names):
            # silver/posts made from bronze/posts by a parameter named posts: nothing is made from itself.
            others = [key for key in known.get(name, ()) if key not in own]
            if others:
                return others
        return self.names.get(name, [])[:1]

    def _maker(self, key: str) -> str:
        step = self.producer.get(key)
        return getattr(self.tasks[step].fn, "__name__", "") if step else ""


def _scope(task: AnyTask) -> int:
    """Identify the module a task was written in by its globals, which also tells REPL and notebook apart."""
    return id(getattr(task.fn, "__globals__", None))
