"""The asset graph: immutable, and nothing but structure. No I/O, no order of execution beyond topology."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nacre.declare.task import Task

AnyTask = Task[..., object]


class Edge(NamedTuple):
    """One upstream of a step.

    Args:
        parameter: What it is passed by; empty for one of ``asset_deps``.
        asset: Its key; in a graph of slots, the slot.
        is_part: True where the slot is one of the partitions of an asset that is read whole.
    """

    parameter: str
    asset: str
    is_part: bool = False


class Graph(NamedTuple):
    """Steps and their upstream assets. A step is known by the key of its first asset.

    Args:
        tasks: Step key to the task that makes its assets, in definition order.
        producer: Asset key to step key.
        upstream: Step key to its edges, in parameter order.
        above: Step key to the steps that make its upstream assets, each once; what nobody here makes is left out.
        order: Step keys, upstream before downstream; those on a cycle are missing.
    """

    tasks: Mapping[str, AnyTask]
    producer: Mapping[str, str]
    upstream: Mapping[str, tuple[Edge, ...]]
    above: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]

    def is_source(self, step: str) -> bool:
        """Say whether a step has no upstream assets."""
        return not self.upstream[step]

    def unmade(self) -> dict[str, list[tuple[str, Edge]]]:
        """Collect the keys that steps read and nobody here makes, with who reads them. Linear in edges."""
        found: dict[str, list[tuple[str, Edge]]] = {}
        for step, edges in self.upstream.items():
            for edge in edges:
                if edge[1] not in self.producer:
                    found.setdefault(edge[1], []).append((step, edge))
        return found

    def ancestors(self, steps: Iterable[str]) -> set[str]:
        """Collect the steps and everything upstream of them. Linear in what is found."""
        found = set(steps)
        waiting = list(found)
        while waiting:
            for step in self.above[waiting.pop()]:
                if step not in found:
                    found.add(step)
                    waiting.append(step)
        return found

    def descendants(self, steps: Iterable[str]) -> set[str]:
        """Collect the steps and everything downstream of them. Linear in the graph."""
        found = set(steps)
        for step in self.order:
            if step not in found and not found.isdisjoint(self.above[step]):
                found.add(step)
        return found

    def after(self, reads: Mapping[str, Iterable[str]]) -> Graph:
        """Let steps wait for what they read besides their inputs; what would close a circle is left out.

        Args:
            reads: Step key to the assets it reads.
        """
        above = dict(self.above)
        for step, assets in reads.items():
            others = {self.producer[asset] for asset in assets if asset in self.producer} - {step}
            later = self.descendants([step])
            above[step] = tuple(dict.fromkeys([*above[step], *sorted(others - later)]))
        order = topological(self.tasks, above)
        return self._replace(above=above, order=order) if len(order) == len(self.order) else self

    def restrict(self, steps: set[str]) -> Graph:
        """Keep only some steps; edges to others stay, as edges to assets nobody here makes."""
        if len(steps) == len(self.tasks):
            return self
        return Graph(
            {step: task for step, task in self.tasks.items() if step in steps},
            {asset: step for asset, step in self.producer.items() if step in steps},
            {step: edges for step, edges in self.upstream.items() if step in steps},
            {
                step: tuple(a for a in above if a in steps)
                for step, above in self.above.items()
                if step in steps
            },
            tuple(step for step in self.order if step in steps),
        )


def steps_above(
    producer: Mapping[str, str], upstream: Mapping[str, tuple[Edge, ...]]
) -> dict[str, tuple[str, ...]]:
    """Map each step to the steps that make its upstream assets, each once."""
    return {
        step: tuple(dict.fromkeys([producer[asset] for _, asset, _ in edges if asset in producer]))
        if edges
        else ()
        for step, edges in upstream.items()
    }


def topological(tasks: Iterable[str], above: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Order steps so that upstreams come first, otherwise as defined; steps on a cycle are left out.

    Iterative, linear in steps and edges; already ordered definitions are only checked.
    """
    tasks = tuple(tasks)
    seen: set[str] = set()
    for step in tasks:
        if not seen.issuperset(above[step]):
            return _kahn(tasks, above)
        seen.add(step)
    return tasks


def _kahn(tasks: tuple[str, ...], above: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    waiting = {step: len(needed) for step, needed in above.items()}
    below: dict[str, list[str]] = {}
    for step, needed in above.items():
        for each in needed:
            below.setdefault(each, []).append(step)
    ready = [step for step in tasks if not waiting[step]]
    for step in ready:  # grows while it is walked
        for each in below.get(step, ()):
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    return tuple(ready)
