"""Graph × facts → plan. Takes nothing else, does no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from nacre.declare.task import Task
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
    settings = {key: found for key, task in graph.tasks.items() if (found := recipe_settings(task))}
    plan = Plan(graph, facts, settings, given)
    plan.start()
    return plan


def recipe_settings(task: Task[..., object]) -> dict[str, str]:
    """List the options that are part of a task's recipe, by name.

    The data version rule is not: it says what counts as a change of the output, not what the output is made from.
    """
    version = task.options.version
    return {} if version is None else {"version": version}
