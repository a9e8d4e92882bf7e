"""Futures, on Prefect's import path."""

from nacre.execute.futures import FutureList, TaskFuture, as_completed, unmapped, wait

PrefectFuture = TaskFuture
PrefectFutureList = FutureList

__all__ = [
    "FutureList",
    "PrefectFuture",
    "PrefectFutureList",
    "TaskFuture",
    "as_completed",
    "unmapped",
    "wait",
]
