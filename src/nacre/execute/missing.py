"""Makes or takes, inside a run, the assets that missing arguments of a call name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from msgspec.structs import replace

from nacre.catalog.history import HeadRow
from nacre.declare.discover import assets_beside
from nacre.declare.parameters import Parameter
from nacre.declare.task import outside
from nacre.errors import MissingArgument
from nacre.execute.active import ActiveRun
from nacre.execute.held import require_held
from nacre.execute.lost import InputLost
from nacre.execute.made import Made
from nacre.execute.run import PlanRun
from nacre.execute.step import calling_steps
from nacre.execute.taking import external_keys
from nacre.graph.external import with_external
from nacre.graph.graph import AnyTask, Edge, Graph
from nacre.graph.infer import infer
from nacre.graph.slices import has_partitions, sliced, slots_read, stored_partitions
from nacre.graph.slices import wanted as wanted_partitions
from nacre.graph.validate import closest, validate
from nacre.keys import partition_of, slot
from nacre.planning.build import assets_read, build
from nacre.planning.facts import HeadFact


def ensure(run: ActiveRun, task: AnyTask, wanted: list[Parameter], partition: str = "") -> list[Edge]:
    """Materialize or reuse, inside a run, the assets that missing arguments of a call name.

    Args:
        run: The run of the call.
        task: What is called.
        wanted: Its parameters that were not given.
        partition: Which slice the call makes; empty for the whole.

    Returns:
        The slots that the parameters read, for those that name an asset.

    Raises:
        MissingArgument: One names no asset; the closest name is offered.
    """
    own = {asset.key for asset in task.assets}
    beside = [each for each in assets_beside(task) if own.isdisjoint(asset.key for asset in each.assets)]
    inferred = infer([*beside, task] if task.assets else beside)
    found: dict[str, str] = {}
    if task.assets and task.key in inferred.graph.upstream:
        found = {edge.parameter: edge.asset for edge in inferred.graph.upstream[task.key] if edge.parameter}
    else:
        found = {p.name: key for p in wanted for key in [p.asset or _only(inferred.names.get(p.name))] if key}
    for parameter in wanted:
        if parameter.name not in found and parameter.is_required:
            facts = {"function": f"{task.name} at {task.place}", "asset": task.key if task.assets else ""}
            hints = closest(parameter.name, inferred)
            hints.append(f"{'or ' if hints else ''}pass it: {task.name}({parameter.name}=…)")
            raise MissingArgument(
                f"Argument {parameter.name!r} was not given and names no asset", facts, hints
            )
    named = {p.name: found[p.name] for p in wanted if p.name in found}
    steps = {inferred.graph.producer[a] for a in named.values() if a in inferred.graph.producer}
    graph = validate(inferred, steps)
    edges = [Edge(name, asset) for name, asset in named.items()]
    if has_partitions(graph, run.facts.heads):
        graph, edges = _sliced(run, graph, steps, edges, task, partition)
        steps = {graph.producer[edge.asset] for edge in edges if edge.asset in graph.producer}
    graph = _with_external(run, graph, edges)
    steps = {*steps, *(edge.asset for edge in edges if edge.asset in graph.tasks)}
    _make(run, graph, steps, [edge.asset for edge in edges])
    return edges


def _with_external(run: ActiveRun, graph: Graph, edges: Sequence[Edge]) -> Graph:
    """Add the external assets that a call needs, and look whether they changed."""
    wanted = {*graph.unmade(), *(edge.asset for edge in edges if edge.asset not in graph.producer)}
    external = external_keys(run.workspace.outside, wanted, run.facts.heads) if wanted else []
    if new := [each for each in external if each not in run.shared.made]:
        run.survey.look_outside(new)
    return with_external(graph, external)


def forget_lost(run: ActiveRun, lost: InputLost) -> None:
    """Let the rest of a run know that what is stored of a slot cannot be read: who asks for it next makes it again."""
    run.settling.note_lost(lost, is_current=True)
    heads = cast(dict[str, HeadFact], run.facts.heads)
    with run.shared.lock:
        run.shared.made.pop(lost.slot, None)
        if isinstance(head := heads.get(lost.slot), HeadRow):
            heads[lost.slot] = replace(head, is_lost=1)


def ensure_read(run: ActiveRun, task: AnyTask, partition: str) -> None:
    """Materialize or reuse, before a step is decided, the assets that it loaded or called when it last ran.

    Nobody passes them, so nobody else looks whether they changed. Partitions count as they are.
    """
    made = slot(task.key, partition)
    read = assets_read(run.facts, [made]).get(made, ())
    wanted = {each for each in read if not partition_of(each) and each not in run.shared.made}
    if not wanted:
        return
    inferred = infer([*assets_beside(task), task])
    callers = {task.key, *(step.key for step in calling_steps())}
    steps = {inferred.graph.producer[each] for each in wanted if each in inferred.graph.producer} - callers
    graph = validate(inferred, steps)
    if steps and callers.isdisjoint(graph.tasks) and not has_partitions(graph, run.facts.heads):
        _make(run, graph, steps, [each for each in wanted if each in graph.producer])


def _sliced(
    run: ActiveRun, graph: Graph, steps: set[str], edges: list[Edge], task: AnyTask, partition: str
) -> tuple[Graph, list[Edge]]:
    """Slice what a call needs: the partition of its own name, or all that have begun."""
    stored, now = stored_partitions(run.facts.heads), run.facts.now
    own = task.options.partitions

    def asked(upstream: AnyTask) -> Sequence[str]:
        theirs = upstream.options.partitions
        assert theirs is not None
        same = own is not None and own.dimension == theirs.dimension
        return [partition] if same else theirs.keys(now)

    chosen = wanted_partitions(graph, steps, asked, now)
    reads = [each for edge in edges for each in slots_read(graph, edge, task, partition, chosen, stored)]
    return sliced(graph, chosen, stored), reads


def _make(run: ActiveRun, graph: Graph, steps: Iterable[str], assets: Collection[str]) -> None:
    """Make what a call needs; what another call of the run is making right now is waited for, not made twice."""
    shared = run.shared
    callers = {step.key for step in calling_steps()}
    claimed = shared.claim(lambda: _open(graph, steps, shared.made), callers)
    try:
        open_graph = graph.restrict(claimed)
        made = [
            each for each, step in open_graph.producer.items() if open_graph.tasks[step].fn is not outside
        ]
        if placed := run.workspace.publisher.placed(made):
            run.publishing.check(placed)
            run.survey.look_at_places(placed)
        shared.producers.update(open_graph.tasks)
        given = {asset: made.version for asset, made in shared.made.items()}
        planned = build(open_graph, run.facts, given)
        if run.survey.held_outside:
            require_held(run, planned)
        plan = PlanRun(run, planned)
        plan.execute()
        for step, error in plan.errors.items():
            raise MissingFailed(step, error)
        for asset in assets:
            plan.made(asset)
    finally:
        shared.release(claimed)


def _open(graph: Graph, steps: Iterable[str], made: Mapping[str, Made]) -> set[str]:
    """Collect what must be looked at for some steps: everything upstream, up to what this run made already."""
    found: set[str] = set()
    waiting = [step for step in steps if step not in made]
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting += [above for above in graph.above[step] if above not in made]
    return found


class MissingFailed(Exception):
    """An asset that a missing argument names could not be made.

    Args:
        step: The step that failed.
        error: Why.
    """

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(step)
        self.step = step
        self.error = error


def _only(keys: list[str] | None) -> str:
    return keys[0] if keys and len(keys) == 1 else ""
