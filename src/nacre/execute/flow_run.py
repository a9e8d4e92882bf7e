"""Calls inside a flow, or alone: each is a plan of one step, decided and recorded exactly as in a build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from nacre.declare.discover import assets_beside
from nacre.declare.parameters import annotation, bind
from nacre.errors import InputMutated, MissingArgument, TypeMismatch, UpstreamFailed
from nacre.execute.active import ActiveRun
from nacre.execute.arguments import load_arguments, partition_argument
from nacre.execute.effects import Effects
from nacre.execute.flight import decided
from nacre.execute.futures import FutureList, TaskFuture
from nacre.execute.lost import InputLost, cannot_be_read, or_lost, read_parts
from nacre.execute.made import Made
from nacre.execute.missing import MissingFailed, ensure, ensure_read, forget_lost
from nacre.execute.origins import Origins
from nacre.execute.plain_call import PlainCall, warned
from nacre.execute.reading import note_asset
from nacre.execute.settling import reused
from nacre.execute.state import Completed, State, StateType, failed_with
from nacre.execute.step import Receipt, rule_name, run_step
from nacre.execute.turn import turn
from nacre.graph.graph import AnyTask
from nacre.graph.infer import infer
from nacre.keys import key_of, partition_of
from nacre.planning.decide import Action, Decision, decide, made_again, observed
from nacre.planning.explain import sentence
from nacre.planning.facts import Facts
from nacre.planning.reason import Cause, Reason
from nacre.values import identify
from nacre.version.fingerprint import InputVersion, Recipe


class Called:
    """One call of a task: its arguments, what they are versions of, and what came of it.

    Args:
        run: The run it happens in.
        task: What is called.
        args: Positional arguments; futures and states are waited for and replaced.
        kwargs: Keyword arguments, likewise.
        wait_for: Futures and states that must have ended well first.
        order: Which call of the run it is; the next one by default.
    """

    def __init__(
        self,
        run: ActiveRun,
        task: AnyTask,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        wait_for: Iterable[object] = (),
        order: int | None = None,
    ) -> None:
        self.run = run
        self.task = task
        self.lineage: tuple[InputVersion, ...] = ()
        self.origins = Origins(run, task)
        self._order = next(run.shared.calls) if order is None else order
        self._args = args
        self._kwargs = kwargs
        self._wait_for = wait_for
        self._read_whole: set[str] = set()

    def effects(self) -> Effects[State[object]]:
        """Run or reuse the task; ends in a final state and never raises what user code raised."""
        given = self._bound()
        try:
            for each in self._wait_for:
                self._resolve(each, "")
            bound = {name: self._resolve(value, name) for name, value in given.items()}
            self.origins.partition = self._choose_partition(bound)
            versions = self._add_missing(bound)
            if self.task.assets:
                ensure_read(self.run, self.task, self.origins.partition)
        except UpstreamFailed as error:
            self._skipped(str(error.facts.get("upstream", "")))
            return State(StateType.PENDING, "NotReady", str(error), error)
        except MissingFailed as failed:
            self._skipped(failed.step)
            return failed_with(failed.error)
        if self.task.assets:
            state = yield from self._materialize(bound, versions)
        else:
            plain = PlainCall(self.run, self.task, self.origins)
            state = yield from plain.effects(bound, versions)
            self.lineage = plain.lineage
        self.run.shared.holdings.hold(state, self.lineage, is_exact=False)
        return state

    def _bound(self) -> dict[str, object]:
        """Bind what was given; the partition may be given to a function that does not take it."""
        dimension = getattr(self.task.options.partitions, "dimension", "")
        if dimension not in self._kwargs or dimension in self.origins.parameters:
            return bind(self.task.fn, self._args, self._kwargs)
        others = {name: value for name, value in self._kwargs.items() if name != dimension}
        return bind(self.task.fn, self._args, others) | {dimension: self._kwargs[dimension]}

    # ── arguments ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _resolve(self, value: object, parameter: str) -> object:
        """Replace futures and states by what they hold, at any depth of plain containers; a ``map`` gives a list."""
        if isinstance(value, TaskFuture):
            value.wait()
            self.origins.note(parameter, value.lineage)
            return self._unwrap(value.state, value.name)
        if isinstance(value, State):
            self.origins.note(parameter, self.run.shared.holdings.within(value))
            return self._unwrap(value, "an upstream")
        if isinstance(value, (list, tuple, set)) and _holds_future(value):
            kind = list if isinstance(value, FutureList) else type(value)
            make = getattr(kind, "_make", kind)  # a named tuple takes its fields one by one
            return make(self._resolve(each, parameter) for each in value)
        if isinstance(value, dict) and any(map(_holds_future, value.values())):
            return {name: self._resolve(each, parameter) for name, each in value.items()}
        return value

    def _unwrap(self, state: State[object], name: str) -> object:
        if not state.is_completed():
            raise UpstreamFailed(
                f"{self.task.name} was not run because {name} failed",
                {"task": self.task.name, "upstream": name, "problem": state.message},
            )
        return state.data

    def _skipped(self, upstream: str) -> None:
        reason = Reason(Cause.UPSTREAM_FAILED, upstream)
        record = reused(self.task, self.origins.partition, reason)
        self.run.commits.report(msgspec.structs.replace(record, action="skipped"))

    def _choose_partition(self, bound: dict[str, object]) -> str:
        """Find the slice that the call makes: the one that was passed, else that of what was passed.

        Raises:
            MissingArgument: Neither says which.
            UnknownName: There is no such partition.
        """
        partitions = self.task.options.partitions
        if partitions is None:
            return ""
        dimension = partitions.dimension
        passed = partitions.key(bound.pop(dimension)) if dimension in bound else ""
        exact = (self.origins.exact(name, value) for name, value in bound.items() if not passed)
        found = {partition_of(version.asset) for version in exact if version is not None} - {""}
        if not passed and len(found) != 1:
            facts = {"asset": self.task.key, "function": f"{self.task.name} at {self.task.place}"}
            hints = (f"pass it: {self.task.name}({dimension}=…)", "or build it: nacre build --partition …")
            raise MissingArgument(f"{self.task.name} has partitions, and this call names none", facts, hints)
        chosen = passed or partitions.key(found.pop())
        bound.update(partition_argument(self.task, chosen))
        return chosen

    def _add_missing(self, bound: dict[str, object]) -> dict[str, list[InputVersion]]:
        """Materialize or reuse the assets that missing arguments name, and bind their values."""
        wanted = [
            p for p in self.origins.parameters.values() if p.name not in bound and (p.is_required or p.asset)
        ]
        if not wanted:
            return {}
        made, contents = self.run.shared.made, self.run.workspace.contents
        edges = ensure(self.run, self.task, wanted, self.origins.partition)

        def load(slot: str, as_type: object | None) -> object:
            return or_lost(slot, made[slot].load, contents, as_type, self.task.name)

        def whole(slots: Sequence[str], as_type: object | None) -> object:
            return read_parts({each: made[each].output for each in slots}, contents, as_type)

        asked_again: set[str] = set()
        while True:
            try:
                bound.update(load_arguments(self.task, self.origins.partition, edges, load, whole))
                break
            except InputLost as lost:
                head = self.run.facts.heads.get(lost.slot)
                held = head.held if head is not None else ""
                if held or lost.slot in asked_again:  # nobody here makes it
                    raise cannot_be_read(lost, held) from None
                asked_again.add(lost.slot)
                forget_lost(self.run, lost)
                edges = ensure(self.run, self.task, wanted, self.origins.partition)
        self._read_whole = {edge.parameter for edge in edges if edge.is_part}
        versions: dict[str, list[InputVersion]] = {}
        for name, each, _ in edges:
            versions.setdefault(name, []).append(made[each].version._replace(parameter=name))
        return versions

    # ── running ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _materialize(
        self, bound: Mapping[str, object], versions: Mapping[str, list[InputVersion]]
    ) -> Effects[State[object]]:
        recipe, derived, problem = self.origins.recipe(bound, versions)
        is_source = not recipe.inputs and not derived and not self._names_assets()
        if settings := self.origins.settings(is_source=is_source):
            recipe = recipe._replace(settings={**recipe.settings, **settings})
        # What runs whatever is known is not for another call to wait for or to take.
        is_free = problem is not None
        fingerprint = recipe.fingerprint()
        known = None if is_free else (yield from turn(self.run.shared, self.task, fingerprint))
        if known is not None:
            return self._reused(known, Reason(Cause.THIS_RUN), fingerprint)
        try:
            facts = self._look_at_places(recipe.assets)
            decision = yield from decided(
                self.run, lambda: decide(self.task.options, recipe, is_source, facts, problem)
            )
            if decision.action is Action.REUSE:
                try:
                    return self._take(decision, fingerprint)
                except InputLost as lost:
                    if decision.reason.cause is Cause.HELD:
                        raise lost.error from None
                    self.run.settling.note_lost(lost, is_current=not decision.moves_head)
                    decision = made_again(decision, self.task.options, is_source)
            return (yield from self._build(bound, decision, derived, is_free=is_free))
        finally:
            if not is_free:
                self.run.shared.release([fingerprint])
            if self.run.shared.held and self.run.kind != "build":
                self.run.commits.give_back([fingerprint])

    def _take(self, decision: Decision, fingerprint: str) -> State[object]:
        """Take a known result.

        Raises:
            InputLost: What is stored of it cannot be read.
        """
        made = or_lost(decision.recipe.assets[0], self.run.settling.take, self.task, decision)
        is_reported = decision.moves_head
        if decision.reason.cause is Cause.DRIFT:
            self.run.commits.report(self.run.settling.publish_again(self.task, decision))
            is_reported = True
        state = self._reused(made, decision.reason, fingerprint, is_reported=is_reported)
        self.run.shared.results[fingerprint] = made
        return state

    def _build(
        self,
        bound: Mapping[str, object],
        decision: Decision,
        derived: list[InputVersion],
        *,
        is_free: bool,
    ) -> Effects[State[object]]:
        run = self.run
        step = run.start_step(self.task, decision)
        arguments = self.origins.or_key_error(lambda: self._as_stored(bound, decision.recipe))
        receipt = yield from run_step(step, arguments, run.workspace)
        receipt = self._refuse_mutation(bound, decision.recipe, receipt)
        if receipt.error is not None:
            run.commits.give_back([decision.fingerprint])
            run.settling.fail(self.task, receipt, decision.reason)
            return failed_with(receipt.error)
        reason = decision.reason
        if decision.action is Action.CHECK and reason.cause is Cause.SOURCE:
            versions = {asset: output.data_version for asset, output in receipt.outputs.items()}
            run.settling.note_outlines(receipt)
            reason = observed(decision.recipe, versions, run.facts)
        recorded = run.settling.recorded_as(decision, receipt)
        made = run.settling.finish(self.task, decision, receipt, reason, recorded, derived)
        adopted = self._adopted(decision, receipt, recorded[0])
        if adopted is not None:
            run.shared.results[decision.fingerprint] = adopted
            return self._reused(adopted, reason, decision.fingerprint, is_reported=True)
        if not is_free:
            run.shared.results[decision.fingerprint] = made
        self._hold(made, receipt.value, decision.fingerprint)
        return Completed(warned(run, self.task, reason), receipt.value)

    def _adopted(self, decision: Decision, receipt: Receipt, fingerprint: str) -> dict[str, Made] | None:
        """Give what another run recorded first for the same recipe, where that is other content: all get the same.

        In a build nothing is recorded yet, and the log will tell.
        """
        run = self.run
        if run.kind == "build" or decision.action is Action.CHECK:
            return None
        recorded = run.versions.action(fingerprint)
        if recorded is None or recorded.attempt == receipt.attempt:
            return None
        own = {each: output.data_version for each, output in receipt.outputs.items()}
        made = run.stored.look_up(
            decision._replace(fingerprint=fingerprint, moves_head=True), run.facts.heads
        )
        return made if any(each.version.data_version != own[name] for name, each in made.items()) else None

    def _look_at_places(self, slots: Sequence[str]) -> Facts:
        """Find out, before the step runs, whether its file can be put, and whether it is as it was published."""
        if not self.run.workspace.publisher.placed(slots):
            return self.run.facts
        self.run.publishing.check(slots)
        return self.run.survey.look_at_places(slots)

    def _as_stored(self, bound: Mapping[str, object], recipe: Recipe) -> dict[str, object]:
        """Give a step small assets as they are stored, as a build does: what it does to them changes nobody else's."""
        given = dict(bound)
        for made in self._passed(recipe):
            if not made.output.object and made.output.format != "file":
                given[made.version.parameter] = self.run.workspace.contents.read(made.output)
        return given

    def _refuse_mutation(self, bound: Mapping[str, object], recipe: Recipe, receipt: Receipt) -> Receipt:
        """Fail a step that changed a large asset it was passed: the next run, reusing it, would differ."""
        for made in self._passed(recipe):
            parameter, asset = made.version.parameter, made.version.asset
            if (
                made.output.object
                and receipt.error is None
                and not self.origins.is_still(made, bound[parameter])
            ):
                facts = {"asset": asset, "changed by": f"{self.task.name} at {self.task.place}"}
                hint = f"work on a copy of {parameter}; what is stored is as it was made"
                error = InputMutated(
                    f"{self.task.name} changed {parameter}, which it was passed", facts, hint
                )
                return receipt._replace(error=error, outputs={})
        return receipt

    def _passed(self, recipe: Recipe) -> list[Made]:
        """List the asset versions passed as arguments, each with the parameter it was passed by."""
        versions = self.run.shared.versions
        found = [
            (each, versions.get((each.asset, each.data_version)))
            for each in recipe.inputs
            if each.parameter and each.parameter not in self._read_whole
        ]
        return [msgspec.structs.replace(made, version=each) for each, made in found if made is not None]

    def _reused(
        self, made: Mapping[str, Made], reason: Reason, fingerprint: str, *, is_reported: bool = False
    ) -> State[object]:
        values = {asset: or_lost(asset, self._value, each) for asset, each in made.items()}
        first, *others = made.values()
        if all(each.output.is_written for each in made.values()):
            value: object = None  # what its function returned
        elif others:
            value = values if first.output.is_by_key else tuple(values.values())
        else:
            value = values[first.version.asset]
        self._hold(made, value, fingerprint)
        if not is_reported:
            self.run.commits.report(reused(self.task, self.origins.partition, reason, first.version.seq))
        return Completed(sentence(reason), value, name="Cached")

    def _value(self, made: Made) -> object:
        contents, wanted = self.run.workspace.contents, annotation(self.task.fn, "return")
        try:
            value = made.load(contents, wanted, self.task.name)
        except TypeMismatch:  # the annotation is wrong, and Python never minded: it comes back as it was
            value = made.load(contents, None, self.task.name)
        if not made.digest and rule_name(self.task):
            made.digest = identify(value).digest  # its data version is not that of the whole value
        return value

    def _hold(self, made: Mapping[str, Made], value: object, fingerprint: str) -> None:
        """Remember which objects are these assets, the parts of several outputs included."""
        holdings = self.run.shared.holdings
        for each in made.values():
            note_asset(each.version)
        self.run.shared.note_call(self._order, fingerprint, made)
        self.lineage = tuple(each.version for each in made.values())
        if len(made) == 1:
            holdings.hold(value, self.lineage, is_exact=True)
            return
        if value is None:
            return  # it wrote them itself
        parts = value.values() if isinstance(value, Mapping) else value
        if isinstance(value, Mapping):
            parts = [value[key_of(each)] for each in made]
        for each, part in zip(made.values(), parts, strict=True):  # type: ignore[call-overload]
            holdings.hold(part, [each.version], is_exact=True)

    def _names_assets(self) -> bool:
        """Say whether a parameter of the task means an asset, whatever was passed for it in this call."""
        if not self.origins.parameters:
            return False
        graph = infer(
            [each for each in assets_beside(self.task) if each.key != self.task.key] + [self.task]
        ).graph
        return bool(graph.upstream[self.task.key])


def _holds_future(value: object) -> bool:
    if isinstance(value, (TaskFuture, State, FutureList)):
        return True
    if isinstance(value, dict):
        return any(map(_holds_future, value.values()))
    return isinstance(value, (list, tuple, set)) and any(map(_holds_future, value))
