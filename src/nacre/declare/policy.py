"""When a known result may be taken: Prefect's cache policies, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nacre.errors import NotYetEffective


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """What a result may depend on and still be taken again.

    Args:
        parts: Names of what enters the identity: inputs, task_source, run_id, flow_parameters.
        excluded: Parameters left out.
        reuses: False where a result is never taken again.
    """

    parts: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    reuses: bool = True

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not self.reuses or not other.reuses:
            return other if not self.reuses else self
        return CachePolicy(self.parts | other.parts, self.excluded | other.excluded)

    def __sub__(self, parameter: str) -> CachePolicy:
        return replace(self, excluded=self.excluded | {parameter})

    def check(self) -> None:
        """Refuse parts that have no effect yet.

        Raises:
            NotYetEffective: The policy names such a part.
        """
        waiting = self.parts & {"run_id", "flow_parameters"}
        if waiting or self.excluded:
            what = ", ".join(sorted(waiting | {f'- "{name}"' for name in self.excluded}))
            raise NotYetEffective(
                "This part of a cache_policy has no effect in nacre yet",
                {"part": what},
                "use INPUTS, TASK_SOURCE, DEFAULT or NO_CACHE",
            )


INPUTS = CachePolicy(frozenset({"inputs"}))
TASK_SOURCE = CachePolicy(frozenset({"task_source"}))
RUN_ID = CachePolicy(frozenset({"run_id"}))
FLOW_PARAMETERS = CachePolicy(frozenset({"flow_parameters"}))
DEFAULT = INPUTS + TASK_SOURCE
NO_CACHE = CachePolicy(reuses=False)
NONE = NO_CACHE
