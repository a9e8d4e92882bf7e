"""Graph × facts → plan. Takes nothing else, does no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nacre.graph.graph import Graph
from nacre.planning.facts import Facts
from nacre.planning.plan import Plan
from nacre.version.fingerprint import InputVersion


def build(graph: Graph, facts: Facts, given: Mapping[str, InputVersion] | None = None) -> Plan:
    """Decide every step that can be decided before anything runs.

    Args:
        graph: The selected graph, valid and acyclic.
        facts: What is known now.
        given: Versions of assets that this run made already.

    Returns:
        A plan ready to run, or to show. Linear in steps and edges.
    """
    if read := assets_read(facts, graph.tasks):
        graph = graph.after(read)
    plan = Plan(graph, facts, given)
    plan.start()
    return plan


def assets_read(facts: Facts, slots: Collection[str]) -> dict[str, tuple[str, ...]]:
    """List the assets that some slots loaded or called when they were last made, without being passed them.

    Args:
        facts: What is current.
        slots: Which are asked about.

    Returns:
        Slot to the slots read, for those that read any; linear in heads, plus a record for each that read something.
    """
    found = {}
    for made, head in facts.heads.items():
        if "/" in head.fingerprint and made in slots:  # nothing else has reads
            evidence = facts.evidence(head.fingerprint)
            names = tuple([name for kind, name, _ in evidence.reads if kind == "asset"]) if evidence else ()
            if names:
                found[made] = names
    return found
