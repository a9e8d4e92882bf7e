"""Graph × facts → plan. Takes nothing else, does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath

from nacre.declare.dependencies import Env
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
    if read := assets_read(facts, graph.tasks):
        graph = graph.after(read)
    look = facts.digest_now
    settings = {key: found for key, task in graph.tasks.items() if (found := recipe_settings(task, look))}
    plan = Plan(graph, facts, settings, given)
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


def recipe_settings(task: Task[..., object], digest_now: Callable[[str, str], str]) -> dict[str, str]:
    """List what is part of a task's recipe besides code and inputs, by name: its version, declared files and variables.

    The data version rule is not: it says what counts as a change of the output, not what the output is made from.

    Args:
        task: Whose recipe.
        digest_now: Digests a file or variable as it is now.
    """
    version, deps = task.options.version, task.options.deps
    settings = {} if version is None else {"version": version}
    for each in deps:
        if isinstance(each, Env):
            settings[f"env {each.name}"] = digest_now("env", each.name)
        elif isinstance(each, PurePath):
            settings[f"file {each.as_posix()}"] = digest_now("file", each.as_posix())
    return settings
