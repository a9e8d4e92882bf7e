"""The plan: what happens to each step, as a state machine. Pure; the run loop asks ``ready`` and tells ``advance``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from nacre.declare.task import outside
from nacre.graph.graph import AnyTask, Graph
from nacre.keys import key_of, partition_of, slot
from nacre.planning.counted import counted
from nacre.planning.decide import (
    Action,
    Decision,
    decide,
    decide_external,
    external_recipe,
    held_head,
    made_again,
    observed,
)
from nacre.planning.facts import Facts
from nacre.planning.reason import Cause, Reason
from nacre.planning.settings import runs_every_time, settings
from nacre.version.fingerprint import InputVersion, Recipe
from nacre.version.outline import Outline


class Outcome(NamedTuple):
    """What came of a step that ran.

    Args:
        data_versions: Asset key to content; empty where it failed.
        outlines: Asset key to what the value looks like.
        is_new: True where they become the next version; False where they are what was current.
        failed: True where nothing was made.
    """

    data_versions: Mapping[str, str] = MappingProxyType({})
    outlines: Mapping[str, Outline] = MappingProxyType({})
    is_new: bool = True
    failed: bool = False


@dataclass(slots=True)
class Step:
    """One step of a plan; ``key`` is its slot. ``decision`` is None while an upstream is still to run."""

    key: str
    task: AnyTask
    action: Action
    reason: Reason
    decision: Decision | None = None
    is_source: bool = False
    is_done: bool = False

    @property
    def assets(self) -> list[str]:
        """The slots it makes."""
        if "#" in self.key:
            return slots_of(self.task, partition_of(self.key))
        return [asset.key for asset in self.task.assets]


def slots_of(task: AnyTask, partition: str) -> list[str]:
    """List the slots that a task makes for one partition; its keys where it has none."""
    return [slot(asset.key, partition) if partition else asset.key for asset in task.assets]


def outline_in(
    made: Mapping[tuple[str, str], Outline], stored: Callable[[str, str], Outline | None]
) -> Callable[[str, str], Outline | None]:
    """Look up outlines among those of this run first, then among the stored ones.

    It holds no plan and no run: facts that held what holds them would wait for the garbage collector.
    """
    return lambda asset, data_version: made.get((asset, data_version)) or stored(asset, data_version)


def digest_in(
    made: Mapping[str, InputVersion], stored: Callable[[str, str], str]
) -> Callable[[str, str], str]:
    """Digest what was read as a plan stands on it: assets as it knows them, variables as they were at its start.

    As with outlines: it holds no plan.
    """
    environment: dict[str, str] = {}

    def digest_now(kind: str, name: str) -> str:
        if kind == "asset" and name in made:
            return made[name].data_version
        if kind != "env":
            return stored(kind, name)
        if name not in environment:
            environment[name] = stored(kind, name)
        return environment[name]

    return digest_now


class Plan:
    """Steps with action and reason; each is decided as soon as its inputs are known.

    Args:
        graph: The selected graph, valid and acyclic.
        facts: What is known at the start.
        given: Versions of assets that this run made already; their steps are not looked at again.
    """

    def __init__(
        self,
        graph: Graph,
        facts: Facts,
        given: Mapping[str, InputVersion] | None = None,
    ) -> None:
        self.graph = graph
        self._outlines: dict[tuple[str, str], Outline] = {}
        self._given = given or {}
        made: dict[str, InputVersion] = dict(self._given)
        self._versions = made
        self.facts = facts._replace(
            outline=outline_in(self._outlines, facts.outline), digest_now=digest_in(made, facts.digest_now)
        )
        self.steps: dict[str, Step] = {}
        self._waiting: dict[str, int] = {}
        self._below: dict[str, list[str]] = {}
        self._ready: list[Step] = []
        #: Slots whose version is taken without being current, to its fingerprint.
        self._taken: dict[str, str] = {}
        #: True where a cache policy asks for more than code and inputs.
        self.asks = False
        #: Asset of a partitioned step to how many of its partitions are here.
        self.n_partitions: dict[str, int] = {}

    def ready(self) -> list[Step]:
        """Take the steps that can run now; each is handed out once."""
        ready, self._ready = self._ready, []
        return ready

    def version(self, asset: str) -> InputVersion | None:
        """Return the version of an asset this plan stands on, None while it is not known."""
        return self._versions.get(asset)

    def advance(self, key: str, outcome: Outcome) -> list[Step]:
        """Take the outcome of a step and decide what waited for it.

        Args:
            key: The step that ran.
            outcome: What came of it.

        Returns:
            The steps that this settled without running, in order: reused, or skipped below a failure.
        """
        step = self.steps[key]
        step.is_done = True
        if outcome.failed:
            return self._skip_below(step)
        for asset, outline in outcome.outlines.items():
            self._outlines[asset, outcome.data_versions[asset]] = outline
        seen = step.reason.cause is Cause.OUTSIDE and bool(step.reason.old)
        if (
            step.decision is not None
            and step.action is Action.CHECK
            and (seen or step.reason.cause is Cause.SOURCE)
        ):
            step.reason = observed(step.decision.recipe, outcome.data_versions, self.facts)
        self._settle(step, outcome.data_versions, outcome.is_new)
        return self._release(step)

    def may_make_again(self, slot: str) -> bool:
        """Whether a step here makes a slot, and may make it again where its stored bytes cannot be read."""
        step = self.steps.get(self.graph.producer.get(slot, ""))
        return step is not None and step.decision is not None and step.reason.cause is not Cause.HELD

    def make_again(self, slot: str, reader: str) -> Step | None:
        """Take that what is stored of a slot cannot be read: it is made again, and who wanted it waits for that.

        Args:
            slot: What was to be read.
            reader: The step that wanted it; decided once more when it can be read.

        Returns:
            The step that makes it, ready to run; None where it is at work already.
        """
        step = self.steps[self.graph.producer[slot]]
        assert step.decision is not None
        self._waiting[reader] = 1
        self._below.setdefault(step.key, []).append(reader)
        if not step.is_done:
            return None
        step.decision = made_again(step.decision, step.task.options, step.is_source)
        step.action, step.reason, step.is_done = step.decision.action, step.decision.reason, False
        self._ready.append(step)
        return step

    def decide_again(self, key: str) -> list[Step]:
        """Decide a step once more: another run made it meanwhile, or what it could not read has been made again.

        Args:
            key: The step; it was ready.

        Returns:
            The steps that this settled, itself first; none where it must run nevertheless, and is ready again.
        """
        step = self.steps[key]
        self._decide(step)
        return [step, *self._release(step)] if step.is_done else []

    def n_waiting(self, key: str) -> int:
        """Count the steps that wait for a step."""
        return len(self._below.get(key, ()))

    def start(self) -> None:
        """Decide everything that can be decided before anything runs. Linear in steps and edges."""
        graph, steps = self.graph, self.steps
        looked_for: list[Step] = []
        for key in graph.order:
            above = graph.above[key]
            step = Step(key, graph.tasks[key], Action.PENDING, _FIRST, is_source=not graph.upstream[key])
            steps[key] = step
            if (policy := step.task.options.cache_policy) is not None:
                self.asks = self.asks or not policy.is_plain
            if "#" in key:
                self.n_partitions[key_of(key)] = self.n_partitions.get(key_of(key), 0) + 1
            if self._is_given(step):
                step.action, step.reason, step.is_done = Action.REUSE, Reason(Cause.THIS_RUN), True
                continue
            waits_for = [each for each in above if not steps[each].is_done]
            # What is held rests on nothing that is still to run, and goes on where that fails.
            head = self.facts.heads.get(key) if waits_for else None
            if head is not None and head.held and held_head(step.assets, self.facts):
                self._decide(step)
                continue
            if not waits_for:
                if self.facts.look_ahead is None or not self._is_looked_for(step):
                    self._decide(step)
                else:
                    looked_for.append(step)
                continue
            self._waiting[key] = len(waits_for)
            for each in waits_for:
                self._below.setdefault(each, []).append(key)
            first = waits_for[0]
            step.reason = Reason(Cause.PENDING, first if "#" not in first else _seen_from(key, first))
        if looked_for:
            self._look_ahead(looked_for)
            for step in looked_for:
                self._decide(step)
                if step.is_done:
                    self._release(step)

    def _is_given(self, step: Step) -> bool:
        given = self._given
        return bool(given) and all(asset in given for asset in step.assets)

    def _is_looked_for(self, step: Step) -> bool:
        """Say whether deciding a step asks for records: its recipe is not that of the current version."""
        options, facts = step.task.options, self.facts
        if options.cache_policy is not None or options.refresh_cache or facts.refresh:
            return False
        head = facts.heads.get(step.key)
        return not runs_every_time(options, step.is_source) and (
            head is None or head.fingerprint != self._recipe(step).fingerprint()
        )

    def _look_ahead(self, steps: Sequence[Step]) -> None:
        """Let the records be read at once that deciding some steps asks a far store for."""
        facts = self.facts
        if facts.look_ahead is not None and len(steps) > 1:  # one is found just as soon by itself
            asked = [each for each in steps if self._is_looked_for(each)]
            current = [facts.heads[each.key].fingerprint if each.key in facts.heads else "" for each in asked]
            recipes = [self._recipe(each).fingerprint() for each in asked]
            facts.look_ahead(list(zip(recipes, current, strict=True)))

    def _decide(self, step: Step) -> None:
        """Decide a step whose upstreams are all settled."""
        if step.is_source and step.task.fn is outside:
            self._take(step, decide_external(external_recipe(step.key), self.facts))
            return
        options, recipe = step.task.options, self._recipe(step)
        problem = None
        policy = options.cache_policy
        if policy is not None and not policy.is_plain and held_head(step.assets, self.facts) is None:
            asked = self.facts.asked(step.key, self.graph.upstream[step.key], self._taken)
            recipe, problem = counted(policy, recipe, asked)
        self._take(step, decide(options, recipe, step.is_source, self.facts, problem))

    def _take(self, step: Step, decision: Decision) -> None:
        step.decision, step.action, step.reason = decision, decision.action, decision.reason
        if decision.action is Action.REUSE:
            step.is_done = True
            if decision.moves_head:
                self._taken.update(dict.fromkeys(decision.recipe.assets, decision.fingerprint))
            self._settle(step, decision.data_versions, decision.moves_head)
        else:
            self._ready.append(step)

    def _recipe(self, step: Step) -> Recipe:
        versions, heads = self._versions, self.facts.heads
        inputs = []
        for parameter, asset, _ in self.graph.upstream[step.key]:
            # What nobody here makes is external: only its current version, if any, is known.
            version = versions.get(asset) or heads.get(asset)
            data_version, seq = (version.data_version, version.seq) if version else ("", 0)
            inputs.append(InputVersion(parameter, asset, data_version, seq))
        assets = step.assets
        code, partition = self.facts.code(step.key), partition_of(step.key) if "#" in step.key else ""
        named = settings(step.task.options, code, self.facts, partition, is_source=step.is_source)
        return Recipe(assets, code.digest, inputs, settings=named, partition=partition)

    def _settle(self, step: Step, data_versions: Mapping[str, str], is_new: bool) -> None:
        for asset, data_version in data_versions.items():
            head = self.facts.heads.get(asset)
            seq = 1 if head is None else head.seq + is_new
            self._versions[asset] = InputVersion("", asset, data_version, seq)

    def _release(self, step: Step) -> list[Step]:
        """Decide what waited for a step; reused ones release further steps in turn, without recursion."""
        settled: list[Step] = []
        done = [step]
        while done:
            freed: list[Step] = []
            for each in done:
                for key in self._below.pop(each.key, ()):
                    self._waiting[key] -= 1
                    below = self.steps[key]
                    if not self._waiting[key] and not below.is_done:
                        freed.append(below)
            if self.facts.look_ahead is not None:
                self._look_ahead(freed)
            for below in freed:
                self._decide(below)
            done = [each for each in freed if each.is_done]
            settled += done
        return settled

    def _skip_below(self, failed: Step) -> list[Step]:
        skipped: list[Step] = []
        waiting = [failed.key]
        while waiting:
            for key in self._below.pop(waiting.pop(), ()):
                below = self.steps[key]
                if below.is_done:
                    continue
                below.is_done = True
                below.action = Action.SKIP
                below.reason = Reason(Cause.UPSTREAM_FAILED, failed.key)
                skipped.append(below)
                waiting.append(key)
        return skipped


def _seen_from(key: str, upstream: str) -> str:
    """Name what a step waits for: the partition of its own name, else the whole that it reads."""
    return upstream if partition_of(upstream) == partition_of(key) else key_of(upstream)


_FIRST = Reason(Cause.FIRST)
