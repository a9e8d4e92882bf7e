"""From a request to its plan and its run: load, infer, validate, survey, slice, plan. For every face."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from nacre.declare.discover import assets_beside, assets_in, load_module
from nacre.declare.task import Task, outside
from nacre.errors import UnknownName, UsageError
from nacre.execute.active import ActiveRun
from nacre.execute.held import require_held
from nacre.execute.result import RunResult, StepResult
from nacre.execute.run import PlanRun
from nacre.execute.taking import external_keys
from nacre.execute.workspace import Reporter
from nacre.graph.external import with_external, with_external_names
from nacre.graph.graph import Graph
from nacre.graph.infer import Inferred, infer
from nacre.graph.select import select as select_steps
from nacre.graph.slices import asked, has_partitions, require_meaning, sliced, stored_partitions, wanted
from nacre.graph.validate import require_known, validate
from nacre.keys import key_of, partition_of
from nacre.planning.build import assets_read
from nacre.planning.build import build as build_plan
from nacre.planning.decide import all_causes
from nacre.planning.doubt import doubts
from nacre.planning.facts import Facts, nothing_released
from nacre.planning.forecast import Forecast, forecasts, may_run
from nacre.planning.plan import Plan
from nacre.project import Project
from nacre.releasing import Released, end_holds
from nacre.survey.durations import durations
from nacre.survey.rekeyed import Function, left_behind

Module = ModuleType | str | os.PathLike[str]

DEFAULT_FILE = "pipeline.py"


class Request(NamedTuple):
    """What to build, and how.

    Args:
        select: Selectors: keys, names, ``+a``, ``a+``, ``tag:x``, globs.
        modules: Where the assets are declared.
        refresh: Run what is selected even where its result is known; ``+`` includes everything upstream.
        reuse_sources: Take sources as they are, without looking whether the world changed.
        partitions: Partitions or ranges ``first..last`` that are looked at; none for all that have begun.
        missing: Only partitions without a version.
        is_lenient: Leave out what only a flow can make, instead of refusing it.
        releases: Build what is selected by its name, or refreshed, even where it is held; the hold ends. Never so in a
            run that a schedule starts.
    """

    select: tuple[str, ...]
    modules: tuple[Module, ...] = ()
    refresh: str = ""
    reuse_sources: bool = False
    partitions: tuple[str, ...] = ()
    missing: bool = False
    is_lenient: bool = False
    releases: bool = False


@contextmanager
def building(project: Project, request: Request, reporter: Reporter | None = None) -> Iterator[PlanRun]:
    """Plan a build and begin its run; the block executes it, so that few frames stand above the user's."""
    run = ActiveRun(project.workspace(), _run_name(request), "build", reporter)
    with long_lived():
        plan = _planned(project, request, run)
        if run.survey.held_outside:
            require_held(run, plan)
        if placed := project.publisher.placed(_may_run(plan)):
            run.publishing.check(placed)
            _tell_left_behind(project, plan, run, placed)
        gc.freeze()
    try:
        with run.going():
            execution = PlanRun(run, plan)
            yield execution
            released = plan.facts.released
            if isinstance(released, Released) and released.ended:
                end_holds(run, plan, execution, released.ended)
    finally:
        gc.unfreeze()


def _untold(run: ActiveRun, inferred: Inferred) -> list[str]:
    """Name the steps of which nobody can say what is current, since a head cannot be read."""
    catalog, env = run.workspace.catalog, run.workspace.env
    if not catalog.aside(env):
        return []
    return [step for key, step in inferred.graph.producer.items() if catalog.aside_of(env, key)]


def _tell_left_behind(project: Project, plan: Plan, run: ActiveRun, placed: Sequence[str]) -> None:
    """Say in the log where a function makes another key than before: the file at the old one stays."""
    heads = plan.facts.heads
    first = {}
    for made in placed:
        task = plan.steps[plan.graph.producer[made]].task
        if made not in heads and not task.options.code:
            parts = plan.facts.code(plan.graph.producer[made]).parts
            first[key_of(made)] = Function(task.name, parts[0].name if parts else "")
    found = left_behind(first, run.declared, heads, run.versions) if first else {}  # type: ignore[arg-type]  # rows of the catalog
    for old, new in found.items():
        where = project.outside.location(old) or old
        run.log(logging.WARNING, f"{new} was {old} before: the file there stays, {where}")


def _may_run(plan: Plan) -> Iterator[str]:
    steps = plan.steps.values()
    return (
        made for step in steps if not step.is_done and step.task.fn is not outside for made in step.assets
    )


def run_build(project: Project, request: Request, reporter: Reporter | None = None) -> RunResult:
    """Build what is requested, in one run."""
    with building(project, request, reporter) as execution:
        execution.execute()
    return execution.result()


def make_plan(project: Project, request: Request, *, looks_at_places: bool = True) -> Plan:
    """Plan what is requested, without running anything.

    Args:
        project: Where.
        request: What.
        looks_at_places: False leaves out whether published files are as they were, for a plan that must be quick.
    """
    run = ActiveRun(project.workspace(creates=False), "plan", "build", None)
    return _planned(project, request, run, looks_at_places=looks_at_places)


def _planned(project: Project, request: Request, run: ActiveRun, *, looks_at_places: bool = True) -> Plan:
    """Load, infer, validate, survey and plan; everything that is wrong is found here, before the run begins."""
    inferred, names_outside = declared(project, request.modules), False
    try:
        steps = select_steps(inferred, request.select)
    except UnknownName:
        inferred, names_outside = with_outside(project, inferred), True
        steps = select_steps(inferred, request.select)
    if request.is_lenient and (left_out := [*inferred.missing, *_untold(run, inferred)]):
        steps = [step for step in steps if step not in inferred.graph.descendants(left_out)]
    graph = validate(inferred, steps)
    run.declared = inferred.graph.producer
    run.shared.producers.update(graph.tasks)
    run.workspace.code.prepare(graph.tasks.values())
    refreshed = _refreshed(request, steps)
    released: Callable[[str], bool] = nothing_released
    if request.releases and not run.is_scheduled:
        # mypy does not see the __call__ of a named tuple.
        released = Released(inferred, graph, request.select, request.partitions, refreshed, set())  # type: ignore[assignment]
    facts = run.survey.gather(refreshed, request.reuse_sources, released)
    if read := assets_read(facts, inferred.graph.tasks):
        graph = _with_read(inferred, graph, read)
        run.shared.producers.update(graph.tasks)
    readers = graph.unmade()
    if run.workspace.catalog.aside(run.workspace.env):
        for key in {*graph.producer, *readers}:
            run.workspace.catalog.require_readable(run.workspace.env, key)
    external = external_keys(project.outside, readers, facts.heads) if readers else []
    looked_at = external
    if names_outside:
        looked_at = [key for key, task in graph.tasks.items() if task.fn is outside] + external
    if readers:
        require_known(inferred, readers, {*facts.heads, *external})
    if has_partitions(graph, facts.heads):
        graph = _sliced(graph, steps, request, facts)
        run.shared.producers.update(graph.tasks)
    elif request.partitions or request.missing:
        asked_for = {"partitions": ", ".join(request.partitions), "selected": ", ".join(request.select)}
        raise UsageError("Nothing that is selected has partitions", asked_for)
    made = [each for each in graph.producer if each not in looked_at] if looked_at else graph.producer
    if looks_at_places and (placed := project.publisher.placed(made)):
        project.publisher.require_distinct(placed)
        facts = run.survey.look_at_places(placed)
    if external:
        graph = with_external(graph, external)
        run.shared.producers.update(graph.tasks)
    if looked_at and looks_at_places:
        facts = run.survey.look_outside(looked_at)
    return build_plan(graph, facts)


def with_outside(project: Project, inferred: Inferred) -> Inferred:
    """Let the external assets that are read be named as those that are made."""
    workspace = project.workspace(creates=False)
    unmade = inferred.graph.unmade()
    heads = {row.slot: row for key in unmade for row in workspace.catalog.heads_of(workspace.env, key)}
    external = external_keys(project.outside, unmade, heads)
    return with_external_names(inferred, external)


def _with_read(inferred: Inferred, graph: Graph, read: Mapping[str, Sequence[str]]) -> Graph:
    """Add the steps whose assets were loaded or called inside others: nobody passes them, and they may have changed.

    Partitioned ones are left out: which of their partitions are meant is not known before slicing.
    """
    producer, tasks = inferred.graph.producer, inferred.graph.tasks
    while True:
        assets = [asset for step, each in read.items() if step in graph.tasks for asset in each]
        steps = {producer[asset] for asset in assets if asset in producer}
        more = {each for each in steps - graph.tasks.keys() if tasks[each].options.partitions is None}
        if not more:
            return graph
        graph = validate(inferred, [*graph.tasks, *more])


def _sliced(graph: Graph, steps: Sequence[str], request: Request, facts: Facts) -> Graph:
    stored = stored_partitions(facts.heads)
    require_meaning(graph, request.partitions, facts.now)
    chosen = asked(facts.now, request.partitions, request.missing, stored)
    return sliced(graph, wanted(graph, steps, chosen, facts.now), stored)


def _run_name(request: Request) -> str:
    """Name a run after what was asked for, cut where that is long."""
    more = len(request.select) - 3
    return ", ".join(request.select[:3]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def long_lived() -> Iterator[None]:
    """Hold the garbage collector back while a plan is made: all of it lives as long as the run does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def expected(project: Project, plan: Plan) -> dict[str, Forecast]:
    """Say what each step of a plan that may run is expected to take; nothing is read for the others."""
    with long_lived():
        return forecasts(plan, durations(project.workspace(creates=False).catalog, may_run(plan)))


def planned_steps(plan: Plan, found: Mapping[str, Forecast] = MappingProxyType({})) -> list[StepResult]:
    """Turn a plan into one entry per asset, or partition of one.

    Args:
        plan: The plan.
        found: Step to what it is expected to take.
    """
    facts, steps = plan.facts, []
    for step in plan.steps.values():
        forecast = found.get(step.key, _NO_FORECAST)
        has_more = step.reason.also and step.decision is not None
        causes = all_causes(step.decision, facts) if has_more and step.decision else ()
        for made in step.assets:
            head = facts.heads.get(made)
            steps.append(
                StepResult(
                    key_of(made),
                    step.action.value,
                    step.reason,
                    version=head.seq if head else 0,
                    partition=partition_of(made),
                    further=causes[1:],
                    warnings=doubts(step.task, step.key, facts),
                    forecast_s=forecast.seconds,
                    forecast_bytes=forecast.n_bytes,
                )
            )
    return steps


_NO_FORECAST = Forecast()


def declared(project: Project, modules: Sequence[Module]) -> Inferred:
    """Load modules and infer the graph of what they declare.

    Raises:
        UsageError: There is no module to look in; says what to type.
    """
    given = list(modules) or list(project.settings.modules)
    folder = os.getcwd() if modules else project.root
    if not given:
        main = sys.modules.get("__main__")
        if main is not None and assets_in([main]):
            given = [main]
        elif os.path.isfile(os.path.join(project.root, DEFAULT_FILE)):
            given, folder = [DEFAULT_FILE], project.root
    if not given:
        facts = {"looked for": f"[tool.nacre] modules, then {os.path.join(project.root, DEFAULT_FILE)}"}
        hints = ("say where: nacre build NAME -m my_assets.py", "or start one: nacre init")
        raise UsageError("No assets to build: no module was given", facts, hints)
    loaded = [load_module(each, folder) for each in given]
    tasks = assets_in(loaded)
    if not tasks:
        names = ", ".join(getattr(module, "__file__", None) or module.__name__ for module in loaded)
        raise UsageError(
            "No assets are declared", {"in": names}, 'write @materialize("asset://name") above a function'
        )
    return _with_needed(tasks, loaded)


def _with_needed(tasks: list[Task[..., Any]], loaded: Sequence[ModuleType]) -> Inferred:
    """Infer the graph of what modules declare, and of what their assets need from the modules they were written in.

    An asset imported from another module brings its upstreams with it, and nothing else of that module.
    """
    known = {id(vars(module)) for module in loaded}
    needed: list[Task[..., Any]] = []
    for task in tasks:  # grows while it is walked: what is needed may have been imported too
        scope = id(getattr(task.fn, "__globals__", None))
        if scope not in known:
            known.add(scope)
            needed += [each for each in assets_beside(task) if each not in tasks and each not in needed]
    if not needed:
        return infer(tasks)
    graph = infer([*tasks, *needed]).graph
    wanted = graph.ancestors(task.key for task in tasks)
    return infer([*tasks, *(task for task in needed if task.key in wanted)])


def _refreshed(request: Request, steps: Sequence[str]) -> frozenset[str]:
    if not request.refresh:
        return frozenset()
    return frozenset(["*"] if request.refresh == "all" else steps)
