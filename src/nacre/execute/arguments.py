"""The arguments of a step: its inputs as its annotations want them, and the partition it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from nacre.declare.parameters import annotation, names
from nacre.graph.graph import AnyTask, Edge


def load_arguments(
    task: AnyTask,
    partition: str,
    edges: Iterable[Edge],
    load: Callable[[str, object | None], object],
    whole: Callable[[Sequence[str], object | None], object],
) -> dict[str, object]:
    """Load what a step is called with.

    Args:
        task: What is called.
        partition: Which slice it makes; empty for the whole.
        edges: The slots it reads; several of one parameter are the partitions of an asset that is read whole.
        load: Gives the value of one slot, as an annotation wants it.
        whole: Gives several slots as one value, as an annotation wants it.

    Returns:
        Parameter name to value.
    """
    given: dict[str, object] = {}
    parts: dict[str, list[str]] = {}
    for parameter, slot, is_part in edges:
        if parameter and is_part:
            parts.setdefault(parameter, []).append(slot)
        elif parameter:
            given[parameter] = load(slot, annotation(task.fn, parameter))
    for parameter, slots in parts.items():
        given[parameter] = whole(slots, annotation(task.fn, parameter))
    return given | partition_argument(task, partition) if partition else given


def partition_argument(task: AnyTask, partition: str) -> dict[str, object]:
    """Give the partition to the parameter that is named for its dimension; nothing where there is none."""
    partitions = task.options.partitions
    if partitions is None or not partition or partitions.dimension not in names(task.fn):
        return {}
    wanted = annotation(task.fn, partitions.dimension)
    return {partitions.dimension: partitions.value(partition, wanted)}
