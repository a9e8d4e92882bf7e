"""Judges a graph before anything runs: every definition error of what is selected, reported at once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from nacre.errors import (
    AmbiguousName,
    CyclicAssets,
    DefinitionError,
    DefinitionErrors,
    DuplicateAsset,
    MissingArgument,
    UnknownName,
)
from nacre.graph.graph import Edge, Graph
from nacre.graph.infer import Inferred


def validate(inferred: Inferred, steps: Iterable[str]) -> Graph:
    """Return the part of the graph that the steps need, or raise everything that is wrong with it.

    Args:
        inferred: The graph and what could not be told.
        steps: The steps to build.

    Returns:
        The graph restricted to the steps and everything upstream of them.

    Raises:
        DefinitionError: One thing is wrong.
        DefinitionErrors: Several are.
    """
    graph = inferred.graph
    needed = graph.ancestors(steps)
    errors = [
        *_duplicates(inferred),
        *_ambiguous(inferred, needed),
        *_missing(inferred, needed),
        *_cycles(graph, needed),
    ]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise DefinitionErrors(errors)
    return graph.restrict(needed)


def require_known(
    inferred: Inferred, readers: Mapping[str, list[tuple[str, Edge]]], stored: Container[str]
) -> None:
    """Refuse parameters annotated with the key of an asset that nobody makes, that is no file and that is not stored.

    Args:
        inferred: All that is declared, to suggest from.
        readers: Key that nobody makes to the steps that read it.
        stored: Keys that have a version, or need none of ours.

    Raises:
        DefinitionError: There is such a parameter; the closest key is offered.
    """
    from difflib import get_close_matches

    errors: list[DefinitionError] = []
    for asset, read_by in readers.items():
        for step, (parameter, _, _) in read_by:
            if not parameter or asset in stored:
                continue
            task = inferred.graph.tasks[step]
            facts = {"asset": step, "function": f"{task.name} at {task.place}", "means": asset}
            close = get_close_matches(asset, inferred.graph.producer, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "build it with the module that makes it first"
            errors.append(
                UnknownName(f"Parameter {parameter!r} means an asset that nobody makes", facts, hint)
            )
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise DefinitionErrors(errors)


def _unknown_asset(inferred: Inferred, step: str, edge: Edge) -> UnknownName:
    from difflib import get_close_matches

    task = inferred.graph.tasks[step]
    facts = {"asset": step, "function": f"{task.name} at {task.place}", "means": edge.asset}
    close = get_close_matches(edge.asset, inferred.graph.producer, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "build it first, with the module that makes it"
    return UnknownName(f"Parameter {edge.parameter!r} means an asset that nobody makes", facts, hint)


def _duplicates(inferred: Inferred) -> list[DefinitionError]:
    return [
        DuplicateAsset(
            f"Two functions materialize {key}",
            {task.name if i == 0 else f"{task.name} ": task.place for i, task in enumerate(tasks)},
            "give one of them another key",
        )
        for key, tasks in inferred.duplicates.items()
    ]


def _ambiguous(inferred: Inferred, needed: set[str]) -> list[DefinitionError]:
    errors: list[DefinitionError] = []
    graph = inferred.graph
    for step, parameters in inferred.ambiguous.items():
        if step not in needed:
            continue
        task = graph.tasks[step]
        for name, keys in parameters.items():
            facts = {"asset": step, "function": f"{task.name} at {task.place}"}
            for number, key in enumerate(keys):
                facts[f"candidate {number + 1}"] = f"{key} at {graph.tasks[graph.producer[key]].place}"
            hint = f"say which: {name}: Annotated[..., Asset({keys[0]!r})]"
            errors.append(AmbiguousName(f"Parameter {name!r} could mean several assets", facts, hint))
    return errors


def _missing(inferred: Inferred, needed: set[str]) -> list[DefinitionError]:
    errors: list[DefinitionError] = []
    graph = inferred.graph
    for step, names in inferred.missing.items():
        if step not in needed:
            continue
        task = graph.tasks[step]
        for name in names:
            facts = {"asset": step, "function": f"{task.name} at {task.place}"}
            hints = closest(name, inferred)
            otherwise = "or give" if hints else "give"
            hints.append(f"{otherwise} {name} a default, or call {task.name}({name}=…) yourself")
            errors.append(MissingArgument(f"Argument {name!r} names no asset", facts, hints))
    return errors


def closest(name: str, inferred: Inferred) -> list[str]:
    """Suggest the asset whose name is closest, with where it is written; empty where none is close."""
    from difflib import get_close_matches

    close = get_close_matches(name, inferred.names, n=1)
    if not close:
        return []
    key = inferred.names[close[0]][0]
    task = inferred.graph.tasks[inferred.graph.producer[key]]
    return [f"did you mean {close[0]!r}?  {key} at {task.place}"]


def _cycles(graph: Graph, needed: set[str]) -> list[DefinitionError]:
    ordered = set(graph.order)
    errors: list[DefinitionError] = []
    walked: set[str] = set()
    for start in graph.tasks:
        if start not in needed or start in ordered or start in walked:
            continue
        cycle = _cycle_above(graph, start, ordered, walked)
        if cycle:
            facts = {step: graph.tasks[step].place for step in cycle}
            path = " → ".join([*cycle, cycle[0]])
            hint = "break the cycle at one parameter"
            errors.append(CyclicAssets(f"Assets need each other: {path}", facts, hint))
    return errors


def _cycle_above(graph: Graph, start: str, ordered: set[str], walked: set[str]) -> list[str]:
    """Walk upstream among the steps that could not be ordered until one comes twice; nothing where that was told."""
    path: list[str] = []
    step = start
    while step not in walked:
        walked.add(step)
        path.append(step)
        step = next(above for above in graph.above[step] if above not in ordered)
    return list(reversed(path[path.index(step) :])) if step in path else []
