"""Single flight inside a run: while one call makes a recipe, others of the same recipe wait and take what it made."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from nacre.errors import CyclicAssets
from nacre.execute.effects import Effects, Until
from nacre.execute.made import Made, Shared
from nacre.execute.step import calling_steps
from nacre.graph.graph import AnyTask


def turn(shared: Shared, task: AnyTask, fingerprint: str) -> Effects[Mapping[str, Made] | None]:
    """Wait until nobody else of the run makes a recipe.

    Args:
        shared: What the run's calls have in common.
        task: What wants to make it.
        fingerprint: Of the recipe.

    Returns:
        What the run made from it; None where it is this call's turn, which ends with ``shared.release``.

    Raises:
        CyclicAssets: Whoever makes it waits for this call.
    """
    while True:
        with shared.lock:
            known = shared.results.get(fingerprint)
            other = shared.in_flight.get(fingerprint)
            if known is not None:
                return known
            if other is None:
                shared.in_flight[fingerprint] = threading.Event()
                return None
        _refuse_waiting_for_itself(task, fingerprint)
        yield Until(other)


def _refuse_waiting_for_itself(task: AnyTask, fingerprint: str) -> None:
    callers = list(calling_steps())
    if any(step.fingerprint == fingerprint for step in callers):
        path = " → ".join([task.name, *[step.task.name for step in callers]][::-1])
        raise CyclicAssets(f"{task.name} is needed to make itself: {path}", {task.name: task.place})
