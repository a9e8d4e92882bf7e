"""dbt models as assets: one task per model, in the same lineage as everything else. Needs the extra ``dbt``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nacre.declare.asset import MAX_DESCRIPTION, Asset, AssetProperties
from nacre.declare.options import Options
from nacre.declare.policy import INPUTS
from nacre.declare.task import Task
from nacre.integrations.dbt.manifest import Model
from nacre.integrations.dbt.project import DbtProject
from nacre.integrations.dbt.sources import BY, as_pattern
from nacre.integrations.dbt.step import ModelStep, Shared
from nacre.integrations.dbt.warehouse import in_any_order
from nacre.project import current_project
from nacre.store.publish.places import location

__all__ = ["dbt_assets", "published_at"]


def dbt_assets(
    project_dir: str | os.PathLike[str],
    *,
    profiles_dir: str | os.PathLike[str] | None = None,
    target: str | None = None,
    select: str | None = None,
    prefix: str | None = None,
) -> list[Task[..., Any]]:
    """Declare one asset for each model and seed of a dbt project that runs in DuckDB.

    Assign the list to a name of a module, and its assets are found like those of functions. A model runs when its SQL,
    settings, macros, variables or tests changed, or the content of what it reads; its tests run with it.

    Args:
        project_dir: The folder of ``dbt_project.yml``; a relative one starts from the folder of the calling module.
        profiles_dir: The folder of ``profiles.yml``; by default the project's own, else where dbt looks.
        target: Which output of the profile; the profile's own by default.
        select: A selection in dbt's words, such as ``+orders``; everything by default.
        prefix: What keys begin with instead of ``dbt://`` and the project's name. With a scheme that names a place,
            such as ``s3://lake/marts``, each model is published as a Parquet file.

    Returns:
        A task per model, in the order of dbt's manifest.

    Raises:
        DefinitionError: There is no such project, or it has a mistake; nothing was run.
        UsageError: dbt or its adapter for DuckDB is not installed.
    """
    beside = _folder_of(sys._getframe(1).f_globals)  # noqa: SLF001  # whose names the list is bound to
    profiles = None if profiles_dir is None else (beside / profiles_dir).resolve()
    project = DbtProject((beside / project_dir).resolve(), profiles, target, select, prefix)
    shared = Shared(project)
    return [_task(model, shared) for model in project.models]


def published_at(asset: Task[..., Any] | Asset | str) -> str:
    """Say where the published files of an asset lie, as dbt is told: to choose a ``target`` that reaches them.

    Args:
        asset: A task, an asset or its key.

    Returns:
        A path or URL with ``*`` for partitions, by the key and the ``[places]`` of the calling module's project; empty
        where the key names no place, and dbt reads a copy of the stored version.
    """
    key = asset if isinstance(asset, str) else asset.key
    beside = _folder_of(sys._getframe(1).f_globals)  # noqa: SLF001  # whose project is meant
    return as_pattern(location(key, current_project(str(beside)).settings.places))


def _folder_of(module: Mapping[str, object]) -> Path:
    """Say which folder a module lies in; the working directory for a console."""
    file = module.get("__file__")
    return Path(str(file)).resolve().parent if file else Path.cwd()


def _task(model: Model, shared: Shared) -> Task[..., Any]:
    about = AssetProperties(name=model.name, description=model.description[:MAX_DESCRIPTION] or None)
    # What reads nothing is not looked at again on every run: all it computes from is in its code.
    policy = None if model.refs or model.sources else INPUTS
    given = tuple(Asset(source.asset) for source in model.sources if source.asset)
    return Task(
        ModelStep(model, shared),
        Options(name=model.name, tags=model.tags, cache_policy=policy, data_version=in_any_order),
        (Asset(model.key, about),),
        (*(Asset(key) for key in model.refs), *given),
        by=BY,
        named_deps=tuple(dict.fromkeys(source.name for source in model.sources if not source.asset)),
    )
