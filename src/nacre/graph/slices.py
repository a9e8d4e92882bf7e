"""From a graph of assets to one of slots: each partition a step. Pure; decides which partitions are wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from nacre.declare.partitions import Partitions, between
from nacre.errors import DefinitionError, UnknownName
from nacre.graph.graph import AnyTask, Edge, Graph, steps_above
from nacre.keys import key_of, partition_of, slot

Asked = Callable[[AnyTask], Sequence[str]]
"""Which partitions of a partitioned task are to be looked at."""


def asked(now: datetime, given: Sequence[str], missing: bool, stored: Mapping[str, Collection[str]]) -> Asked:
    """Make the answer to which partitions are wanted.

    Args:
        now: Aware; partitions that have not begun are none.
        given: Partitions, or ranges ``first..last``, both included; none for all that have begun.
        missing: True for only those without a version.
        stored: Asset key to its partitions that have a version.

    Returns:
        A function that lists a task's, in order: those given that are of its dimension, else all. It raises
        ``UnknownName`` where one given has not begun.
    """

    def partitions_of(task: AnyTask) -> Sequence[str]:
        partitions = task.options.partitions
        assert partitions is not None
        keys: Sequence[str] = partitions.keys(now)
        meant = [text for text in given if _is_of(partitions, text)]
        if meant:
            chosen = {key for text in meant for key in _range(partitions, text, now)}
            keys = [key for key in keys if key in chosen]
        if missing:
            there = stored.get(task.key, ())
            keys = [key for key in keys if key not in there]
        return keys

    return partitions_of


def require_meaning(graph: Graph, given: Sequence[str], now: datetime) -> None:
    """Refuse partitions that no partitioned step of a graph has.

    Raises:
        UnknownName: There is one; says which there are.
    """
    sliced = [task.options.partitions for task in graph.tasks.values() if task.options.partitions is not None]
    for text in given:
        if sliced and not any(_is_of(partitions, text) for partitions in sliced):
            _range(sliced[0], text, now)


def _is_of(partitions: Partitions, text: str) -> bool:
    return any(map(partitions.contains, _ends(partitions, text)))


def _range(partitions: Partitions, text: str, now: datetime) -> list[str]:
    first, last = _ends(partitions, text)
    return between(partitions, first, last, now)


def _ends(partitions: Partitions, text: str) -> tuple[str, str]:
    """Give the first and the last partition that a text means: one that is named so itself, else those of a range."""
    if partitions.contains(text):
        return text, text
    first, dots, last = text.partition("..")
    return first.strip(), (last if dots else first).strip()


def has_partitions(graph: Graph, stored: Collection[str]) -> bool:
    """Say whether any step is partitioned, or reads what is stored by partition and nobody here makes.

    Args:
        graph: Of assets.
        stored: Slots that have a version.
    """
    for task in graph.tasks.values():
        if task.options.partitions is not None:
            return True
    lacking = set()
    for edges in graph.upstream.values():
        for edge in edges:
            if edge.asset not in graph.producer and edge.asset not in stored:
                lacking.add(edge.asset)
    return bool(lacking) and not lacking.isdisjoint(map(key_of, stored))


def wanted(graph: Graph, targets: Collection[str], asked: Asked, now: datetime) -> dict[str, list[str]]:
    """Find the partitions of each partitioned step that a build looks at.

    What was asked for counts for the targets and for what is read whole (by an asset without partitions, or of another
    dimension); what a partition of the same dimension reads is the partition of the same name.

    Args:
        graph: Valid and restricted to what is needed.
        targets: The steps that were selected.
        asked: Which partitions were asked for.
        now: Aware.

    Raises:
        UnknownName: A partition reads one of the same name that its upstream does not have.
    """
    found: dict[str, set[str]] = {}
    for step in reversed(graph.order):
        task = graph.tasks[step]
        own = task.options.partitions
        if own is not None and (step in targets or step not in found):
            found.setdefault(step, set()).update(asked(task))
        for above in graph.above[step]:
            upstream = graph.tasks[above]
            theirs = upstream.options.partitions
            if theirs is None:
                continue
            if own is None or own.dimension != theirs.dimension:
                found.setdefault(above, set()).update(asked(upstream))
            else:
                _require(theirs, found[step], upstream, task)
                found.setdefault(above, set()).update(found[step])
    return {step: _ordered(graph.tasks[step], keys, now) for step, keys in found.items()}


def _require(partitions: Partitions, keys: Collection[str], upstream: AnyTask, task: AnyTask) -> None:
    lacking = sorted(key for key in keys if not partitions.contains(key))
    if lacking:
        facts = {"asset": task.key, "reads": upstream.key, "lacks": f"{lacking[0]} ({len(lacking)} in all)"}
        hint = f"let {task.name} begin where {upstream.name} does, or give other partitions"
        raise UnknownName(f"{task.name} needs a partition that {upstream.name} does not have", facts, hint)


def _ordered(task: AnyTask, keys: Collection[str], now: datetime) -> list[str]:
    partitions = task.options.partitions
    assert partitions is not None
    return [key for key in partitions.keys(now) if key in keys]


def sliced(graph: Graph, wanted: Mapping[str, Sequence[str]], stored: Mapping[str, Collection[str]]) -> Graph:
    """Make the graph of slots: a step for each wanted partition, an edge for each partition that is read.

    Args:
        graph: Of assets.
        wanted: Partitioned step to the partitions that become steps.
        stored: Asset key to its partitions that have a version: what reads an asset whole reads these too, as far as
            they are still partitions of it.

    Returns:
        A graph whose steps and assets are slots; linear in steps and edges.

    Raises:
        DefinitionError: Something reads an asset whole that has no partition, and none is wanted.
    """
    tasks: dict[str, AnyTask] = {}
    producer: dict[str, str] = {}
    upstream: dict[str, tuple[Edge, ...]] = {}
    for step in graph.order:
        task = graph.tasks[step]
        for partition in wanted[step] if task.options.partitions is not None else [""]:
            name = slot(step, partition)
            tasks[name] = task
            producer.update({slot(asset.key, partition): name for asset in task.assets})
            edges = [
                each
                for edge in graph.upstream[step]
                for each in slots_read(graph, edge, task, partition, wanted, stored)
            ]
            upstream[name] = tuple(edges)
    return Graph(tasks, producer, upstream, steps_above(producer, upstream), tuple(tasks))


def stored_partitions(slots: Iterable[str]) -> dict[str, set[str]]:
    """Collect the partitions among some slots, by asset key."""
    found: dict[str, set[str]] = {}
    for each in slots:
        partition = partition_of(each)
        if partition:
            found.setdefault(key_of(each), set()).add(partition)
    return found


def slots_read(
    graph: Graph,
    edge: Edge,
    task: AnyTask,
    partition: str,
    wanted: Mapping[str, Sequence[str]],
    stored: Mapping[str, Collection[str]],
) -> list[Edge]:
    """Give the edges of one slot for one edge of its asset."""
    maker = graph.producer.get(edge.asset, "")
    theirs = graph.tasks[maker].options.partitions if maker else None
    there = stored.get(edge.asset, ())
    if theirs is None and not there:
        return [edge]
    own = task.options.partitions
    if own is not None and (own.dimension == theirs.dimension if theirs is not None else partition in there):
        return [Edge(edge.parameter, slot(edge.asset, partition))]
    # What is stored and no longer one of the partitions (a name taken back, a later start) is not read any more.
    kept = there if theirs is None else filter(theirs.contains, there)
    keys = sorted({*wanted.get(maker, ()), *kept})
    if not keys:
        facts = {"asset": task.key, "reads": edge.asset}
        raise DefinitionError(
            "What is read whole has no partition yet", facts, "build a partition of it first"
        )
    return [Edge(edge.parameter, slot(edge.asset, each), is_part=True) for each in keys]
