"""Tasks, on Prefect's import path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacre.declare.options import exponential_backoff
from nacre.declare.task import Task, task

if TYPE_CHECKING:
    from nacre.execute.asking import task_input_hash

__all__ = ["Task", "exponential_backoff", "task", "task_input_hash"]


def __getattr__(name: str) -> object:
    if name != "task_input_hash":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # It needs the identities of values, which who only declares tasks need not load.
    from nacre.execute.asking import task_input_hash

    return task_input_hash
