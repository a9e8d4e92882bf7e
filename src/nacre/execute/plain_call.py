"""A call of a plain task: it runs whenever it is called, unless its options ask for its result to be reused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast

from nacre.declare.options import Options
from nacre.declare.parameters import annotation
from nacre.errors import CorruptObject, TypeMismatch, UnserialisableValue, said
from nacre.execute.active import ActiveRun
from nacre.execute.effects import Effects
from nacre.execute.flight import decided
from nacre.execute.made import Made
from nacre.execute.origins import Origins, plain_key
from nacre.execute.reading import Noted, note_taken
from nacre.execute.settling import reused
from nacre.execute.state import Completed, State, failed_with
from nacre.execute.step import Receipt, calling_steps, run_step
from nacre.execute.turn import turn
from nacre.graph.graph import AnyTask
from nacre.keys import key_of, slot
from nacre.planning.decide import Action, Decision, decide
from nacre.planning.explain import sentence
from nacre.planning.reason import Cause, Reason
from nacre.planning.settings import declared
from nacre.store.records import StepRecord
from nacre.values import identify
from nacre.version.fingerprint import InputVersion, Recipe

_TASK = Reason(Cause.TASK)


def is_reused(options: Options) -> bool:
    """Say whether results of a plain task are taken again: only where the user asked for that, as in Prefect."""
    policy = options.cache_policy
    return options.cache_expiration is not None if policy is None else policy.reuses


def warned(run: ActiveRun, task: AnyTask, reason: Reason) -> str:
    """Say in the run's log, and for the state, that it cannot be told whether a result is still right; else nothing."""
    if reason.cause is not Cause.UNKNOWN:
        return ""
    run.log(logging.WARNING, f"{task.name}: {sentence(reason)}")
    return sentence(reason)


class PlainCall:
    """One call of a plain task.

    Args:
        run: The run it happens in.
        task: What is called.
        origins: What its arguments are.
    """

    def __init__(self, run: ActiveRun, task: AnyTask, origins: Origins) -> None:
        self._run = run
        self._task = task
        self._origins = origins
        self._key = plain_key(task)
        self.lineage: tuple[InputVersion, ...] = ()

    def effects(
        self, bound: Mapping[str, object], versions: Mapping[str, list[InputVersion]]
    ) -> Effects[State[object]]:
        """Run the task, or take its known result where that was asked for."""
        upstream = {
            v.asset: v for name, value in bound.items() for v in self._origins.lineage_of(value, name)
        }
        for dep in self._task.asset_deps:
            upstream.update({each.asset: each for each in self._origins.dependencies(dep.key)})
        self.lineage = tuple(upstream.values())
        if self._task.options.deps:
            self._note_declared()
        if is_reused(self._task.options):
            return (yield from self._known_or_run(bound, versions))
        return (yield from self._go(bound, None, []))

    def _note_declared(self) -> None:
        """Let the step that calls it rest on the files and variables it declares: its own code does not name them."""
        found = declared(self._task.options, self._run.facts)
        named = [(*name.split(" ", 1), digest) for name, digest in found.items()]
        note_taken([Noted(kind, name, digest) for kind, name, digest in named])

    def _known_or_run(
        self, bound: Mapping[str, object], versions: Mapping[str, list[InputVersion]]
    ) -> Effects[State[object]]:
        recipe, derived, problem = self._origins.recipe(bound, versions)
        recipe = recipe._replace(settings={**recipe.settings, **self._origins.settings()})
        shared, fingerprint = self._run.shared, recipe.fingerprint()
        if problem is not None:
            decision = Decision(Action.BUILD, problem, fingerprint, recipe)
            return (yield from self._go(bound, decision, derived))
        known = yield from turn(shared, self._task, fingerprint)
        if known is not None:
            return self._take(known[self._key], Reason(Cause.THIS_RUN), fingerprint)
        try:
            decision = yield from decided(self._run, lambda: self._decide(recipe, fingerprint))
            if decision.action is Action.REUSE:
                state = self._take_stored(decision)
                if state is not None:
                    return state
                decision = Decision(Action.BUILD, Reason(Cause.LOST), fingerprint, recipe, overwrites=True)
            return (yield from self._go(bound, decision, derived))
        finally:
            shared.release([fingerprint])
            if shared.held and self._run.kind != "build":
                self._run.commits.give_back([fingerprint])

    def _decide(self, recipe: Recipe, fingerprint: str) -> Decision:
        if self._is_asked_above():
            return Decision(Action.BUILD, Reason(Cause.ASKED), fingerprint, recipe, overwrites=True)
        return decide(self._task.options, recipe, False, self._run.facts)

    def _is_asked_above(self) -> bool:
        """Say whether the step that calls it was asked to be made afresh: then nothing in it is taken from before."""
        refresh = self._run.facts.refresh
        return bool(refresh) and any(key_of(step.key) in refresh for step in calling_steps())

    def _go(
        self, bound: Mapping[str, object], decision: Decision | None, derived: list[InputVersion]
    ) -> Effects[State[object]]:
        reason = decision.reason if decision is not None else _TASK
        step = self._run.start_step(self._task, decision)
        receipt = yield from run_step(step, self._origins.or_key_error(lambda: bound), self._run.workspace)
        if receipt.error is not None:
            self._run.commits.give_back([decision.fingerprint] if decision is not None else ())
            self._run.settling.fail(self._task, receipt, reason)
            return failed_with(receipt.error)
        is_kept = decision is not None and reason.cause not in (Cause.UNKNOWN, Cause.KEY)
        if not is_kept or not self._keep(receipt, cast(Decision, decision), derived):
            self._run.commits.give_back([decision.fingerprint] if decision is not None else ())
            self._run.commits.report(_record(self._task, receipt, reason))
        self._hold(receipt.value)
        return Completed(warned(self._run, self._task, reason), receipt.value)

    def _keep(self, receipt: Receipt, decision: Decision, derived: list[InputVersion]) -> bool:
        """Store the result for later calls; one that cannot be stored is given to this call alone, and that is said."""
        task, value = self._task, receipt.value
        try:
            identity = identify(value)
            output = self._run.workspace.contents.write(self._key, value, identity, identity.digest)
        except UnserialisableValue as error:
            self._run.log(
                logging.WARNING, f"{task.name}: its result is not kept for later calls: {said(error)}"
            )
            return False
        receipt = receipt._replace(outputs={self._key: output})
        self._run.settling.keep(task, decision, receipt, _record(task, receipt, decision.reason), derived)
        # Not the object itself: who got it may change it.
        made = Made(InputVersion("", self._key, output.data_version), output)
        # What else it read may change within the run too: then the next call looks again.
        if not receipt.reads:
            self._run.shared.results[decision.fingerprint] = {self._key: made}
        return True

    def _take(self, made: Made, reason: Reason, fingerprint: str) -> State[object]:
        contents, wanted = self._run.workspace.contents, annotation(self._task.fn, "return")
        try:
            value = made.load(contents, wanted, self._task.name)
        except TypeMismatch:  # the annotation is wrong, and Python never minded: it comes back as it was
            value = made.load(contents, None, self._task.name)
        self._note_recorded(fingerprint)
        self._hold(value)
        self._run.commits.report(reused(self._task, "", reason))
        return Completed(sentence(reason), value, name="Cached")

    def _take_stored(self, decision: Decision) -> State[object] | None:
        """Take a result of an earlier run; None where its bytes are damaged, so that it is made again."""
        made = self._run.stored.at(self._key, decision.fingerprint)
        try:
            state = self._take(made, decision.reason, decision.fingerprint)
        except CorruptObject:
            return None
        action = self._run.versions.action(decision.fingerprint)
        if action is not None and action.reads:
            heads = self._run.facts.heads
            note_taken(
                [
                    Noted(
                        each.kind, each.name, each.digest, heads[each.name].seq if each.name in heads else 0
                    )
                    for each in action.reads
                ]
            )
        else:
            self._run.shared.results[decision.fingerprint] = {self._key: made}
        return state

    def _note_recorded(self, fingerprint: str) -> None:
        """Add what the result was made from to what was passed now: where not all inputs count, they may differ."""
        policy = self._task.options.cache_policy
        if policy is None or policy.is_plain:
            return
        action = self._run.versions.action(fingerprint)
        recorded = action.inputs if action is not None else ()
        known = {version.asset for version in self.lineage}
        self.lineage += tuple(
            InputVersion("", slot(each.asset, each.partition), each.data_version, each.seq)
            for each in recorded
            if slot(each.asset, each.partition) not in known
        )

    def _hold(self, value: object) -> None:
        if self._run.shared.holdings.exact(value) is None:
            self._run.shared.holdings.hold(value, self.lineage, is_exact=False)


def _record(task: AnyTask, receipt: Receipt, reason: Reason) -> StepRecord:
    return StepRecord(
        step=task.key,
        action="built",
        reason=reason,
        started_at=receipt.started_at,
        duration_s=receipt.duration_s,
        attempts=receipt.attempts,
    )
