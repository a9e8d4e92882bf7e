"""How long steps took the last times they ran, from the last runs; no record of a version is read for it."""

from __future__ import annotations

from collections.abc import Collection

from nacre.catalog.history import Catalog

#: How many of the last runs are looked through, and how many times of a step count.
LAST_RUNS, LAST_TIMES = 20, 5


def durations(catalog: Catalog, steps: Collection[str]) -> dict[str, list[float]]:
    """Collect the last durations of some steps, newest first; a step that the last runs did not run has none.

    Args:
        catalog: Where runs are listed.
        steps: Their slots; nothing is read where there are none.
    """
    found: dict[str, list[float]] = {}
    wanted = set(steps)
    for run in catalog.runs(LAST_RUNS) if wanted else ():
        if not run.counts.get("built") and not run.counts.get("checked"):
            continue
        for each in catalog.times(run.id):
            if each.action == "built" and each.step in wanted:
                times = found.setdefault(each.step, [])
                times.append(each.duration_s)
                if len(times) >= LAST_TIMES:
                    wanted.discard(each.step)
    return found
