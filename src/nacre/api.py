"""The verbs of the Python API: build, plan, load and lineage of the current project."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple, TypeVar, Unpack, cast, overload

from nacre import context
from nacre.declare.asset import Asset
from nacre.declare.deployment import SERVER_NAMES, Deployment, ServerOptions, effective
from nacre.declare.discover import assets_beside, assets_in, load_module
from nacre.declare.task import Task
from nacre.errors import NotMaterialized, UsageError, said
from nacre.execute.active import ActiveRun
from nacre.execute.result import RunResult, StepResult
from nacre.execute.run import PlanRun
from nacre.execute.workspace import Reporter, Workspace
from nacre.graph.infer import Inferred, infer
from nacre.graph.select import select as select_steps
from nacre.graph.select import unknown
from nacre.graph.validate import require_known, validate
from nacre.keys import key_name
from nacre.planning.build import build as build_plan
from nacre.planning.plan import Plan
from nacre.project import Project, current_project
from nacre.survey.gather import Versions

log = logging.getLogger(__name__)

T = TypeVar("T")
Module = ModuleType | str | os.PathLike[str]
Selector = str | Asset | Task[..., Any]

DEFAULT_FILE = "pipeline.py"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The direct neighbours of an asset, by what its versions were made from.

    Args:
        upstream: Keys its current version was made from.
        downstream: Keys whose current version was made from it.
    """

    upstream: set[str]
    downstream: set[str]


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What a build would do now.

    Args:
        steps: One entry per selected asset, upstream first; ``action`` is build, check, reuse or pending.
    """

    steps: tuple[StepResult, ...]

    def __getitem__(self, asset: str) -> StepResult:
        for step in self.steps:
            if asset in (step.asset, step.name):
                return step
        raise KeyError(asset)

    def __str__(self) -> str:
        return "\n".join(f"{step.action:<8} {step.name:<24} {step.reason}" for step in self.steps)


class Request(NamedTuple):
    """What to build, and how.

    Args:
        select: Selectors: keys, names, ``+a``, ``a+``, ``tag:x``, globs.
        modules: Where the assets are declared.
        refresh: Run what is selected even where its result is known; ``+`` includes everything upstream.
        reuse_sources: Take sources as they are, without looking whether the world changed.
    """

    select: tuple[str, ...]
    modules: tuple[Module, ...] = ()
    refresh: str = ""
    reuse_sources: bool = False


def build(
    select: Selector | Iterable[Selector],
    *,
    modules: Sequence[Module] | Module | None = None,
    refresh: bool = False,
    reuse_sources: bool = False,
) -> RunResult:
    """Build assets and what they need, in order, running only what must run.

    Args:
        select: A key, a name, a selector (``+a``, ``a+``, ``tag:x``, a glob), an asset, or several.
        modules: Module objects, names or files that declare the assets; by default those of the settings, else the
            started script, else ``pipeline.py``.
        refresh: Run the selected assets even where their result is known.
        reuse_sources: Take sources as they are, without looking whether the world changed.

    Returns:
        One entry per asset with action and reason. A failed step is an entry, not an exception; see
        ``RunResult.raise_for_failure``.

    Raises:
        DefinitionError: The declared assets are wrong; nothing was run.
        StoreError: The store refused.
    """
    request = Request(_texts(select), _modules(modules), "selected" if refresh else "", reuse_sources)
    with building(current_project(_first_file(request.modules)), request) as execution:
        execution.execute()
    result = execution.result()
    for asset, error in result.errors.items():
        log.error("%s failed: %s", asset, said(error), exc_info=error)
    return result


def plan(
    select: Selector | Iterable[Selector] = "*",
    *,
    modules: Sequence[Module] | Module | None = None,
    refresh: bool = False,
    reuse_sources: bool = False,
) -> PlanResult:
    """Say what a build would do and why, without running anything or reading data.

    Args:
        select: As in ``build``; everything by default.
        modules: As in ``build``.
        refresh: As in ``build``.
        reuse_sources: As in ``build``.

    Returns:
        One entry per asset.

    Raises:
        DefinitionError: The declared assets are wrong.
    """
    request = Request(_texts(select), _modules(modules), "selected" if refresh else "", reuse_sources)
    made = make_plan(current_project(_first_file(request.modules)), request)
    return PlanResult(tuple(planned_steps(made)))


@overload
def load(key: str | Asset, as_type: type[T]) -> T: ...
@overload
def load(key: str | Asset, as_type: None = None) -> object: ...
def load(key: str | Asset, as_type: type[T] | None = None) -> object:
    """Load the current version of an asset.

    Args:
        key: Its key, or its name where only one asset has it.
        as_type: Type to load as, such as ``pl.DataFrame``; by default the type it was saved from.

    Returns:
        The value; its bytes were verified.

    Raises:
        NotMaterialized: Nothing is stored under that key; says where it looked.
        CorruptObject: The stored bytes are damaged.
    """
    run = context.current_run.get()
    name = key.key if isinstance(key, Asset) else key
    if isinstance(run, ActiveRun):
        made = run.shared.made
        found = [name] if name in made else [asset for asset in made if key_name(asset) == name]
        if len(found) == 1:
            return run.workspace.contents.read(made[found[0]].output, as_type)
    workspace = run.workspace if isinstance(run, ActiveRun) else current_project().workspace(creates=False)
    return load_current(workspace, name, as_type)


def lineage(key: str | Asset) -> Lineage:
    """Return the direct neighbours of an asset, as recorded.

    Args:
        key: Its key, or its name where only one asset has it.

    Raises:
        NotMaterialized: Nothing is stored under that key.
    """
    workspace = current_project().workspace(creates=False)
    asset = find_stored(workspace, key.key if isinstance(key, Asset) else key)
    catalog = workspace.catalog
    return Lineage(catalog.upstream(workspace.env, asset), catalog.downstream(workspace.env, asset))


def serve(*deployments: Deployment, **options: Unpack[ServerOptions]) -> None:
    """Run several flows when they are due, each time in a process of its own, until SIGINT or SIGTERM.

    Args:
        deployments: Of ``flow.to_deployment``; each has its own name.
        options: Prefect's; none of them changes anything yet.

    Raises:
        InvalidOption: One is no deployment, or does not say when it is due; or an option is unknown.
        NotYetEffective: An option has no effect yet.
        StoreError: The store refuses.
    """
    effective(cast("dict[str, object]", options), SERVER_NAMES, f"{len(deployments)} deployments")
    context.runtime().serve(deployments)


# ── the same, for the faces ───────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def building(project: Project, request: Request, reporter: Reporter | None = None) -> Iterator[PlanRun]:
    """Plan a build and begin its run; the block executes it, so that few frames stand above the user's."""
    run = ActiveRun(project.workspace(), _run_name(request), "build", reporter)
    with long_lived():
        plan = _planned(project, request, run)
        gc.freeze()
    try:
        with run.going():
            yield PlanRun(run, plan)
    finally:
        gc.unfreeze()


def run_build(project: Project, request: Request, reporter: Reporter | None = None) -> RunResult:
    """Build what is requested, in one run."""
    with building(project, request, reporter) as execution:
        execution.execute()
    return execution.result()


def make_plan(project: Project, request: Request) -> Plan:
    """Plan what is requested, without running anything."""
    return _planned(project, request, ActiveRun(project.workspace(creates=False), "plan", "build", None))


def _planned(project: Project, request: Request, run: ActiveRun) -> Plan:
    """Load, infer, validate, survey and plan; everything that is wrong is found here, before the run begins."""
    inferred = declared(project, request.modules)
    steps = select_steps(inferred, request.select)
    graph = validate(inferred, steps)
    run.shared.producers.update(graph.tasks)
    run.workspace.code.prepare(graph.tasks.values())
    facts = run.survey(_refreshed(request, steps), request.reuse_sources)
    require_known(inferred, graph, facts.heads)
    return build_plan(graph, facts)


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


def planned_steps(plan: Plan) -> list[StepResult]:
    """Turn a plan into one entry per asset."""
    found = []
    for step in plan.steps.values():
        for asset in step.task.assets:
            head = plan.facts.heads.get(asset.key)
            found.append(
                StepResult(asset.key, step.action.value, step.reason, version=head.seq if head else 0)
            )
    return found


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


def find_stored(workspace: Workspace, name: str) -> str:
    """Find the key of a stored asset by key or name.

    Raises:
        NotMaterialized: There is none; offers the closest name and says where it looked.
    """
    keys = [row.asset for row in workspace.catalog.heads(workspace.env)]
    if name in keys:
        return name
    named = [key for key in keys if key_name(key) == name]
    if len(named) == 1:
        return named[0]
    if named:
        facts = {str(number + 1): key for number, key in enumerate(named)}
        raise NotMaterialized(f"{name!r} could mean several stored assets", facts, "give the key instead")
    facts = {"looked in": workspace.location, "environment": workspace.env}
    if not keys:
        raise NotMaterialized(
            f"Nothing is stored yet, so there is no {name!r}", facts, "build it: nacre build"
        )
    raise NotMaterialized(
        f"{name!r} is not stored", facts, unknown(name, [*filter(None, map(key_name, keys)), *keys]).hint
    )


def load_current(workspace: Workspace, name: str, as_type: object | None = None) -> object:
    """Load the current version of a stored asset."""
    rows = workspace.catalog.history(workspace.env, name) if "://" in name else []
    asset = name if rows else find_stored(workspace, name)
    rows = rows or workspace.catalog.history(workspace.env, asset)
    output = Versions(workspace.records, workspace.catalog, workspace.env).output(rows[0].fingerprint, asset)
    if output is None:
        raise NotMaterialized(
            f"The record of {asset} is gone", {"store": workspace.location}, f"nacre build {asset}"
        )
    return workspace.contents.read(output, as_type)


def _refreshed(request: Request, steps: Sequence[str]) -> frozenset[str]:
    if not request.refresh:
        return frozenset()
    return frozenset(["*"] if request.refresh == "all" else steps)


def _texts(select: Selector | Iterable[Selector]) -> tuple[str, ...]:
    if isinstance(select, (str, Asset, Task)):
        select = [select]
    texts: list[str] = []
    for each in select:
        if isinstance(each, Task):
            texts.extend(asset.key for asset in each.assets)
        else:
            texts.append(each.key if isinstance(each, Asset) else each)
    return tuple(texts)


def _modules(modules: Sequence[Module] | Module | None) -> tuple[Module, ...]:
    if modules is None:
        return ()
    if isinstance(modules, (str, os.PathLike, ModuleType)):
        return (modules,)
    return tuple(modules)


def _first_file(modules: Sequence[Module]) -> str | None:
    """Return the folder that decides the project: that of the first file given."""
    for module in modules:
        if not isinstance(module, ModuleType) and os.fspath(module).endswith(".py"):
            return os.path.abspath(os.fspath(module))
    return None
