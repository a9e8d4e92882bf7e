"""Tasks, on Prefect's import path."""

from nacre.declare.options import exponential_backoff
from nacre.declare.task import Task, task

__all__ = ["Task", "exponential_backoff", "task"]
