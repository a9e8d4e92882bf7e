"""nacre: asset-based data pipelines. Versioned, reused, explained; in one process, with no server.

Everything is imported when it is first used, so that ``from nacre import flow, materialize`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nacre import context

if TYPE_CHECKING:
    from nacre.api import (
        Lineage,
        PlanResult,
        build,
        lineage,
        load,
        location,
        plan,
        serve,
    )
    from nacre.curate.accepting import AcceptResult
    from nacre.curate.promoting import PromoteResult
    from nacre.curate.rolling_back import RollbackResult
    from nacre.curate.verifying import VerifyResult
    from nacre.declare.asset import Asset
    from nacre.declare.dependencies import Env
    from nacre.declare.flow import Flow, flow
    from nacre.declare.partitions import DailyPartitions, StaticPartitions
    from nacre.declare.tags import tags
    from nacre.declare.task import Task, materialize, task
    from nacre.execute.futures import unmapped
    from nacre.execute.logger import get_run_logger
    from nacre.execute.result import RunResult
    from nacre.execute.state import State
    from nacre.reviewing import (
        accept,
        diff,
        history,
        pin,
        pins,
        promote,
        release,
        rollback,
        unpin,
        verify,
        why,
    )
    from nacre.values.keyed import data_key
    from nacre.values.without import without
    from nacre.version.code import stable
    from nacre.views.why import WhyResult

__version__ = "0.1.0"

__all__ = [
    "AcceptResult",
    "Asset",
    "DailyPartitions",
    "Env",
    "Flow",
    "Lineage",
    "PlanResult",
    "PromoteResult",
    "RollbackResult",
    "RunResult",
    "State",
    "StaticPartitions",
    "Task",
    "VerifyResult",
    "WhyResult",
    "accept",
    "build",
    "data_key",
    "diff",
    "flow",
    "get_run_logger",
    "history",
    "lineage",
    "load",
    "location",
    "materialize",
    "pin",
    "pins",
    "plan",
    "promote",
    "release",
    "rollback",
    "serve",
    "stable",
    "tags",
    "task",
    "unmapped",
    "unpin",
    "verify",
    "why",
    "without",
]

_HOMES = {
    "AcceptResult": "nacre.curate.accepting",
    "Asset": "nacre.declare.asset",
    "DailyPartitions": "nacre.declare.partitions",
    "Env": "nacre.declare.dependencies",
    "Flow": "nacre.declare.flow",
    "Lineage": "nacre.api",
    "PlanResult": "nacre.api",
    "PromoteResult": "nacre.curate.promoting",
    "RollbackResult": "nacre.curate.rolling_back",
    "RunResult": "nacre.execute.result",
    "State": "nacre.execute.state",
    "StaticPartitions": "nacre.declare.partitions",
    "Task": "nacre.declare.task",
    "VerifyResult": "nacre.curate.verifying",
    "WhyResult": "nacre.views.why",
    "accept": "nacre.reviewing",
    "build": "nacre.api",
    "data_key": "nacre.values.keyed",
    "diff": "nacre.reviewing",
    "flow": "nacre.declare.flow",
    "get_run_logger": "nacre.execute.logger",
    "history": "nacre.reviewing",
    "lineage": "nacre.api",
    "load": "nacre.api",
    "location": "nacre.api",
    "materialize": "nacre.declare.task",
    "pin": "nacre.reviewing",
    "pins": "nacre.reviewing",
    "plan": "nacre.api",
    "promote": "nacre.reviewing",
    "release": "nacre.reviewing",
    "rollback": "nacre.reviewing",
    "serve": "nacre.api",
    "stable": "nacre.version.code",
    "tags": "nacre.declare.tags",
    "task": "nacre.declare.task",
    "unmapped": "nacre.execute.futures",
    "unpin": "nacre.reviewing",
    "verify": "nacre.reviewing",
    "why": "nacre.reviewing",
    "without": "nacre.values.without",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'nacre' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _runtime() -> context.Runtime:
    runtime: context.Runtime = import_module("nacre.project").runtime()
    return runtime


context.provide(_runtime)
