"""The verbs of the Python API: build, plan, load and lineage of the current project."""

from __future__ import annotations

import logging
import os
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from types import ModuleType
from typing import Any, TypeVar, Unpack, cast, overload

from nacre import context
from nacre.builds import Module, Request, building, expected, make_plan, planned_steps
from nacre.catalog.versions_at import At
from nacre.declare.asset import Asset
from nacre.declare.deployment import SERVER_NAMES, Deployment, ServerOptions, effective
from nacre.declare.task import Task
from nacre.errors import UsageError, said
from nacre.execute.active import ActiveRun
from nacre.execute.reading import note_asset
from nacre.execute.result import RunResult, StepResult
from nacre.keys import key_name, key_of, slot
from nacre.loading import find_stored, load_stored
from nacre.planning.forecast import Total, total
from nacre.project import Project, current_project

log = logging.getLogger(__name__)

T = TypeVar("T")
Selector = str | Asset | Task[..., Any]
Partition = str | date
_NOTHING = Total()


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
        forecast: What the steps that may run are expected to take together.
    """

    steps: tuple[StepResult, ...]
    forecast: Total = _NOTHING

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the code of its assets could not be followed; each names its asset."""
        return tuple(f"{step.name}: {text}" for step in self.steps for text in step.warnings)

    def __getitem__(self, asset: str) -> StepResult:
        for step in self.steps:
            if asset in (step.asset, step.name):
                return step
        raise KeyError(asset)

    def __str__(self) -> str:
        return "\n".join(f"{step.action:<8} {step.name:<24} {step.reason}" for step in self.steps)


def build(
    select: Selector | Iterable[Selector],
    *,
    modules: Sequence[Module] | Module | None = None,
    refresh: bool = False,
    reuse_sources: bool = False,
    partition: Partition | Sequence[Partition] = (),
    missing: bool = False,
) -> RunResult:
    """Build assets and what they need, in order, running only what must run.

    Args:
        select: A key, a name, a selector (``+a``, ``a+``, ``tag:x``, a glob), an asset, or several.
        modules: Module objects, names or files that declare the assets; by default those of the settings, else the
            started script, else ``pipeline.py``.
        refresh: Run the selected assets even where their result is known.
        reuse_sources: Take sources as they are, without looking whether the world changed.
        partition: Partitions, or ranges ``first..last`` with both ends; by default all that have begun.
        missing: Only the partitions that have no version.

    Returns:
        One entry per asset, or partition of one, with action and reason. A failed step is an entry, not an exception;
        see ``RunResult.raise_for_failure``.

    Raises:
        DefinitionError: The declared assets are wrong; nothing was run.
        UsageError: What is given selects no asset.
        StoreError: The store refused.
    """
    request = _request(select, modules, refresh, reuse_sources, partition, missing)
    with building(current_project(first_file(request.modules)), request) as execution:
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
    partition: Partition | Sequence[Partition] = (),
    missing: bool = False,
) -> PlanResult:
    """Say what a build would do and why, without running anything or reading data.

    Args:
        select: As in ``build``; everything by default.
        modules: As in ``build``.
        refresh: As in ``build``.
        reuse_sources: As in ``build``.
        partition: As in ``build``.
        missing: As in ``build``.

    Returns:
        One entry per asset, or partition of one.

    Raises:
        DefinitionError: The declared assets are wrong.
    """
    request = _request(select, modules, refresh, reuse_sources, partition, missing)
    project = current_project(first_file(request.modules))
    made = make_plan(project, request)
    found = expected(project, made)
    return PlanResult(tuple(planned_steps(made, found)), total(made, found))


@overload
def load(key: str | Asset, as_type: type[T], *, partition: Partition = "", at: At | None = None) -> T: ...
@overload
def load(
    key: str | Asset, as_type: None = None, *, partition: Partition = "", at: At | None = None
) -> object: ...
def load(
    key: str | Asset,
    as_type: type[T] | None = None,
    *,
    partition: Partition = "",
    at: At | None = None,
) -> object:
    """Load the current version of an asset, or an older one.

    Args:
        key: Its key, or its name where only one asset has it.
        as_type: Type to load as, such as ``pl.DataFrame``; by default the type it was saved from. The partitions of an
            asset together are one table, or ``dict[str, …]`` by partition.
        partition: One partition of it; by default the whole.
        at: Which version: a number (``12``, ``"v12"``), at least 6 digits of its content or fingerprint, a run, the
            name of a pin, or a time: what was current then, of a date at its end. Times without an offset are local.

    Returns:
        The value; its bytes were verified.

    Raises:
        NotMaterialized: Nothing is stored under that key, or there is no such version; says what there is.
        UsageError: ``key`` names no asset; ``at`` could mean several versions, or nothing at all.
        CorruptObject: The stored bytes are damaged.
    """
    run = context.current_run.get()
    name, part = _key(key), str(partition)
    if isinstance(run, ActiveRun) and at is None:
        made = run.shared.made
        wanted = slot(name, part)
        found = [wanted] if wanted in made else [each for each in made if _means(each, name, part)]
        if len(found) == 1:
            note_asset(made[found[0]].version)
            return run.workspace.contents.read(made[found[0]].output, as_type)
    workspace = run.workspace if isinstance(run, ActiveRun) else current_project().workspace(creates=False)
    in_flow = context.current_step.get() is None
    hold = run.shared.hold_loaded if isinstance(run, ActiveRun) and in_flow else None
    return load_stored(workspace, name, as_type, part, hold, at)


def _means(made: str, name: str, partition: str) -> bool:
    return key_name(key_of(made)) == name and made == slot(key_of(made), partition)


def location(key: str | Asset, *, partition: Partition = "") -> str:
    """Say where the file of an asset lies that others read without nacre.

    Args:
        key: Its key; ``{date}`` in it stays where no partition is given.
        partition: One partition of it.

    Returns:
        An absolute path or a URL, by the ``places`` of the project, which within a run is that of the run; of a file of
        others in any environment. Empty where the key names no place.
    """
    name = _key(key)
    run, made = context.current_run.get(), slot(name, str(partition))
    here = run.workspace if isinstance(run, ActiveRun) else current_project()
    own = here.publisher.location(made)
    if own == here.outside.location(made):
        return own
    # In an environment that publishes elsewhere it depends on who makes it.
    workspace = here.workspace(creates=False) if isinstance(here, Project) else here
    rows = workspace.catalog.heads_of(workspace.env, name)
    return workspace.place_of(made, next((row for row in rows if row.slot == made), None))


def lineage(key: str | Asset) -> Lineage:
    """Return the direct neighbours of an asset, as recorded.

    Args:
        key: Its key, or its name where only one asset has it.

    Raises:
        NotMaterialized: Nothing is stored under that key.
    """
    workspace = current_project().workspace(creates=False)
    asset = find_stored(workspace, _key(key))
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


def _request(
    select: Selector | Iterable[Selector],
    modules: Sequence[Module] | Module | None,
    refresh: bool,
    reuse_sources: bool,
    partition: Partition | Sequence[Partition],
    missing: bool,
) -> Request:
    mode = "selected" if refresh else ""
    chosen = as_partitions(partition) if partition else ()
    names, given = as_selectors(select), as_modules(modules)
    return Request(names, given, mode, reuse_sources, chosen, missing, releases=True)


def _key(given: object) -> str:
    """Give the key or name that names one asset.

    Raises:
        UsageError: It is neither text nor an asset.
    """
    if isinstance(given, (str, Asset)):
        return given.key if isinstance(given, Asset) else given
    facts = {"given": reprlib.repr(given), "type": type(given).__name__}
    raise UsageError("This names no asset", facts, "give a key, the name of an asset, or an Asset")


def as_selectors(select: Selector | Iterable[Selector]) -> tuple[str, ...]:
    """Turn what was selected into selectors; a task stands for the keys of its assets.

    Raises:
        UsageError: Something in it selects nothing.
    """
    if isinstance(select, (str, Asset, Task)) or not isinstance(select, Iterable):
        select = [select]
    texts: list[str] = []
    for each in select:
        if isinstance(each, Task):
            texts.extend(asset.key for asset in each.assets)
        elif isinstance(each, (str, Asset)):
            texts.append(each if isinstance(each, str) else each.key)
        else:
            facts = {"given": reprlib.repr(each), "type": type(each).__name__}
            hint = 'give a key, a name, a selector, an asset or a task, or several of them; "*" selects all'
            raise UsageError("This selects no asset", facts, hint)
    return tuple(texts)


def as_partitions(partition: Partition | Sequence[Partition]) -> tuple[str, ...]:
    """Turn one partition or several into several; the empty one stands for none."""
    if isinstance(partition, str) or not isinstance(partition, Iterable):
        partition = (partition,)
    return tuple(filter(None, map(str, partition)))


def as_modules(modules: Sequence[Module] | Module | None) -> tuple[Module, ...]:
    """Turn one module or several into several."""
    if modules is None:
        return ()
    if isinstance(modules, (str, os.PathLike, ModuleType)):
        return (modules,)
    return tuple(modules)


def first_file(modules: Sequence[Module]) -> str | None:
    """Return the first file given, which decides the project; None where there is none."""
    for module in modules:
        if not isinstance(module, ModuleType) and os.fspath(module).endswith(".py"):
            return os.path.abspath(os.fspath(module))
    return None
