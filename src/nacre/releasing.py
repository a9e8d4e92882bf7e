"""Which holds a build ends: of what is refreshed, and of what is asked for by its own name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nacre.execute.active import ActiveRun
from nacre.execute.run import PlanRun
from nacre.graph.graph import Graph
from nacre.graph.infer import Inferred
from nacre.graph.select import named
from nacre.keys import key_of, partition_of
from nacre.planning.decide import Action
from nacre.planning.explain import short
from nacre.planning.plan import Plan
from nacre.store.holds import held_at, release


class Released(NamedTuple):
    """Says of a slot that is held whether this build ends that; asked only where something is held.

    Of an asset with partitions those count that are named, too: a hold on another is none of the build's business.

    Args:
        inferred: What selectors name.
        graph: What is built.
        select: The selectors.
        partitions: The partitions that were asked for.
        refreshed: Steps that run whatever is known; ``*`` means all.
        ended: The slots of which it said so.
    """

    inferred: Inferred
    graph: Graph
    select: Sequence[str]
    partitions: Sequence[str]
    refreshed: frozenset[str]
    ended: set[str]

    def __call__(self, slot: str) -> bool:
        """Say whether a slot is refreshed, or selected by its own name."""
        step = self.graph.producer.get(key_of(slot), "")
        is_ended = "*" in self.refreshed or step in self.refreshed
        if not is_ended and (not partition_of(slot) or partition_of(slot) in self.partitions):
            is_ended = step in named(self.inferred, self.select)
        if is_ended:
            self.ended.add(slot)
        return is_ended


def end_holds(run: ActiveRun, plan: Plan, execution: PlanRun, ended: Iterable[str]) -> None:
    """End the holds of what was asked for and is as it was, so that no head moved: what moved has none any more."""
    workspace = run.workspace
    for made in sorted(ended):
        head, step = plan.facts.heads[made], plan.steps[plan.graph.producer[made]]
        if step.is_done and step.key not in execution.errors and step.action is not Action.SKIP:
            place = workspace.env, key_of(made), partition_of(made)
            release(workspace.records, *place, seq=head.seq)
            if not held_at(workspace.records, *place):
                run.log(logging.INFO, f"{short(made)} was held at {head.held}; the hold has ended")
