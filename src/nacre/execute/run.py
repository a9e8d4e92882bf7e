"""The loop of a build: plan ↔ executor ↔ store. It decides nothing: the plan does; it only keeps things moving."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from nacre.declare.task import outside
from nacre.execute.active import ActiveRun
from nacre.execute.arguments import load_arguments
from nacre.execute.effects import drive
from nacre.execute.executor import Growing, Inline
from nacre.execute.flight import LONG_AGO, claimed, patience, say_waiting
from nacre.execute.lost import InputLost, cannot_be_read, or_lost, read_parts
from nacre.execute.made import Made
from nacre.execute.report import remedy_line
from nacre.execute.result import RunResult, StepResult
from nacre.execute.settling import reused
from nacre.execute.step import Elsewhere, Receipt, run_step
from nacre.keys import key_of, partition_of
from nacre.planning.claimed import is_claimed
from nacre.planning.decide import Action
from nacre.planning.explain import remedy
from nacre.planning.plan import Outcome, Plan, Step
from nacre.planning.reason import Cause
from nacre.store.records import StepRecord

MAX_WORKERS = min(32, (os.cpu_count() or 1) + 4)
#: Of steps that are taken as they are, so many are kept and shown one by one; the others are counted.
MAX_SHOWN_REUSED = 200
#: A step that took this long is made durable at once: it is worth more than what joining a group saves.
WORTH_S = 0.5


class _Elsewhere(Struct):
    """A step that another run is making: when it is looked at again, and how long to wait after that."""

    step: Step
    at: float
    waits: Iterator[float]


class PlanRun:
    """Runs a plan inside a run, to the end or to what fails.

    Args:
        run: The run; already begun.
        plan: The plan; already decided as far as it can be.
        max_workers: How many steps may run at the same time.
    """

    def __init__(self, run: ActiveRun, plan: Plan, max_workers: int = MAX_WORKERS) -> None:
        self._run = run
        self._plan = plan
        self._inline: Inline[Receipt] = Inline()
        self._threads: Growing[Receipt] | None = None
        self._max_workers = max_workers
        self._n_running = 0
        self._started = run.workspace.clock.monotonic()
        self._readers: dict[str, int] = {}
        self._elsewhere: dict[str, _Elsewhere] = {}
        #: Slots that were made again because what was stored of them could not be read.
        self._made_again: set[str] = set()
        self.errors: dict[str, BaseException] = {}

    def execute(self) -> None:
        """Run what must run. Steps that failed are in ``errors``; everything else is committed and reported.

        Raises:
            StoreError: The store refused; what was durable before stays.
        """
        if self._plan.n_partitions:
            self._run.journal.emit("planned", {"partitions": self._plan.n_partitions})
        try:
            self._take_reused(list(self._plan.steps.values()))
            while (ready := self._plan.ready()) or self._n_running or self._elsewhere:
                if self._elsewhere:
                    ready += self._due(may_wait=not ready and not self._n_running)
                # A step that nothing could run beside runs right here: a thread costs more than a small step,
                # and few frames of ours stand above the user's.
                alone = len(ready) == 1 and not self._n_running and len(self._elsewhere) < 2
                executor = self._inline if alone else self._parallel()
                for step in ready:
                    self._n_running += 1
                    executor.submit(self._work(step))
                for receipt in self._finished():
                    self._n_running -= 1
                    if receipt.elsewhere is None:
                        self._take(receipt)
                    else:
                        self._leave(receipt)
                if self._run.commits.is_due:
                    self._run.commits.flush()
        finally:
            if self._threads is not None:
                self._threads.cancel()
                self._threads.close()
            self._run.commits.flush()
            self.errors.update(self._run.commits.errors)
            self.errors.update(self._run.publishing.errors if self._run.kind == "build" else {})

    def _work(self, step: Step) -> Callable[[], Receipt]:
        """Make what an executor runs for a step."""
        run = self._run
        context = run.start_step(step.task, step.decision)
        arguments = self._arguments(step)
        if (error := run.shared.key_errors.get(step.key)) is not None:
            arguments = partial(_fail, error)  # with what its cache key function raised when it was planned
        if step.task.fn is outside:
            effects = run.settling.taking.seen(context)
        else:
            effects = run_step(context, arguments, run.workspace)
        if step.action is Action.BUILD and step.decision and is_claimed(step.decision, run.facts):
            since = LONG_AGO if step.key in self._elsewhere else run.workspace.clock.monotonic()
            effects = claimed(run, context, effects, since)
        return partial(drive, effects, run.workspace.clock)

    def _due(self, *, may_wait: bool) -> list[Step]:
        """Take the steps that others were making and that are to be looked at again; waits where nothing else runs."""
        clock = self._run.workspace.clock
        next_at = min(each.at for each in self._elsewhere.values())
        if may_wait and next_at > clock.monotonic():
            # Whoever makes them may wait for something of ours that is not durable yet.
            self._run.commits.flush()
            clock.sleep(max(0.0, next_at - clock.monotonic()))
        now = clock.monotonic()
        due = [each for each in self._elsewhere.values() if each.at <= now]
        for each in due:
            each.at = float("inf")  # until it is answered
        return [each.step for each in due]

    def _parallel(self) -> Growing[Receipt]:
        if self._threads is None:
            self._threads = Growing(self._max_workers)
        return self._threads

    def _finished(self) -> list[Receipt]:
        done = self._inline.wait_any()
        if done or self._threads is None:
            return done
        done = self._threads.wait_any(timeout_s=0.05)
        if not done:
            self._run.commits.flush()  # idle: nothing will join the group soon
        return done

    def _arguments(self, step: Step) -> Callable[[], Mapping[str, object]]:
        edges = self._plan.graph.upstream[step.key]
        task = step.task

        contents, partition = self._run.workspace.contents, partition_of(step.key)

        def lend(slot: str, as_type: object | None) -> object:
            return or_lost(slot, lambda: self.made(slot).lend(contents, as_type, task.name))

        def whole(slots: Sequence[str], as_type: object | None) -> object:
            outputs = {each: or_lost(each, self.made, each).output for each in slots}
            return read_parts(outputs, contents, as_type)

        def load() -> Mapping[str, object]:
            try:
                return load_arguments(task, partition, edges, lend, whole)
            except InputLost as lost:
                if self._may_make_again(lost.slot):
                    raise
                head = self._run.facts.heads.get(lost.slot)
                raise cannot_be_read(lost, head.held if head is not None else "") from None

        return load

    def made(self, asset: str) -> Made:
        """Return an asset of this run; one that is reused is looked up when a step first wants it."""
        shared = self._run.shared
        found = shared.made.get(asset)
        if found is not None:
            return found
        step = self._plan.steps.get(self._plan.graph.producer.get(asset, ""))
        with shared.lock:
            if step is not None and step.decision is not None:
                shared.made.update(self._run.stored.look_up(step.decision, self._run.facts.heads))
            else:
                shared.made[asset] = self._run.stored.current(asset, self._run.facts.heads)
        return shared.made[asset]

    def _leave(self, receipt: Receipt) -> None:
        """Wait for what another run is making, or take what it made."""
        step = self._plan.steps[receipt.key]
        if receipt.elsewhere is Elsewhere.MADE:
            self._elsewhere.pop(step.key, None)
            self._settled(step, self._plan.decide_again(step.key))
            return
        each = self._elsewhere.get(step.key)
        if each is None:
            say_waiting(self._run, step.key)
            each = self._elsewhere[step.key] = _Elsewhere(step, 0.0, patience())
        each.at = self._run.workspace.clock.monotonic() + next(each.waits)

    def _may_make_again(self, slot: str) -> bool:
        return slot not in self._made_again and self._plan.may_make_again(slot)

    def _make_again(self, reader: Step, lost: InputLost) -> None:
        """Make an input again that cannot be read, and let the step that wanted it wait; everything else goes on."""
        for edge in self._plan.graph.upstream[reader.key]:
            if edge.asset in self._run.shared.made:
                self._run.shared.made[edge.asset].give_back(reader.task.name)
        if lost.slot in self._made_again:
            self._take_reused(self._plan.decide_again(reader.key))
            return
        taken = self._plan.steps[self._plan.graph.producer[lost.slot]].decision
        step = self._plan.make_again(lost.slot, reader.key)
        if step is not None:
            self._run.settling.note_lost(lost, is_current=taken is not None and not taken.moves_head)
            self._run.commits.withdraw(step.key)

    def _take(self, receipt: Receipt) -> None:
        step = self._plan.steps[receipt.key]
        assert step.decision is not None
        if self._elsewhere:
            self._elsewhere.pop(step.key, None)
        if isinstance(receipt.error, InputLost):
            self._make_again(step, receipt.error)
            return
        n_readers = self._plan.n_waiting(step.key)
        if receipt.error is not None:
            self.errors[step.key] = receipt.error
            settled = self._plan.advance(step.key, Outcome(failed=True))
            self._run.settling.fail(step.task, receipt, step.reason)
            self._run.commits.give_back([step.decision.fingerprint])
        else:
            outlines = {asset: output.outline for asset, output in receipt.outputs.items()}
            versions = {asset: output.data_version for asset, output in receipt.outputs.items()}
            recorded = self._run.settling.recorded_as(step.decision, receipt)
            _, is_new = recorded
            if self._plan.asks:  # a cache key function below may look at the value
                self._run.shared.made.update(self._run.settling.made(receipt, is_new))
            settled = self._plan.advance(step.key, Outcome(versions, outlines, is_new))
            made = self._run.settling.finish(step.task, step.decision, receipt, step.reason, recorded)
            self._run.shared.made.update(made)
            if step.reason.cause is Cause.LOST:
                self._made_again.update(made)
            self._readers.update(dict.fromkeys(made, n_readers))
            if self._run.kind != "build":
                self._run.shared.results[step.decision.fingerprint] = made
            if receipt.duration_s > WORTH_S:
                self._run.commits.flush()
        self._settled(step, settled)

    def _settled(self, step: Step, settled: list[Step]) -> None:
        """Take what became of a step, and what that settled below it."""
        self._release_readers(step)
        if self._run.shared.in_flight:
            self._run.shared.release([step.key, *(each.key for each in settled)])
        self._take_reused(settled)

    def _release_readers(self, step: Step) -> None:
        """Let go of values that no step still wants; what was made of them stays known, for steps that call for it."""
        made = self._run.shared.made
        for edge in self._plan.graph.upstream[step.key]:
            if edge.asset in self._readers:
                self._readers[edge.asset] -= 1
            if edge.asset in made:
                made[edge.asset].give_back(step.task.name)
        for asset in [*(edge.asset for edge in self._plan.graph.upstream[step.key]), *step.assets]:
            if self._readers.get(asset) == 0 and self._run.kind == "build" and asset in made:
                made[asset].forget()

    def _take_reused(self, steps: list[Step]) -> None:
        """Report the steps that were settled without running, and move heads to known results."""
        n_quiet = 0
        for step in steps:
            if step.action is Action.SKIP:
                record = reused(step.task, partition_of(step.key), step.reason)
                self._run.commits.report(replace(record, action="skipped"))
            elif step.action is Action.REUSE and step.decision is not None:
                if step.decision.moves_head:
                    self._run.shared.made.update(self._run.settling.take(step.task, step.decision))
                elif step.reason.cause is Cause.DRIFT:
                    self._run.commits.report(self._run.settling.publish_again(step.task, step.decision))
                else:
                    n_quiet += 1
                    if n_quiet <= MAX_SHOWN_REUSED:
                        self._report_reused(step)
        if n_quiet > MAX_SHOWN_REUSED:
            self._run.commits.count_reused(n_quiet - MAX_SHOWN_REUSED)

    def _report_reused(self, step: Step) -> None:
        head = self._run.facts.heads.get(step.key)
        seq = head.seq if head else 0
        self._run.commits.report(reused(step.task, partition_of(step.key), step.reason, seq))

    def result(self) -> RunResult:
        """Say what happened to each asset, upstream first."""
        duration_s = self._run.workspace.clock.monotonic() - self._started
        records = {record.step: record for record in self._run.commits.steps}
        steps: list[StepResult] = []
        remedies: dict[str, None] = {}
        doubts = self._run.workspace.code.doubts
        for step in self._plan.steps.values():
            record = records.get(step.key)
            steps += [_result(each, step, record) for each in step.assets]
            if doubts and id(step.task) in doubts:
                n = len(step.assets)
                steps[-n:] = [each._replace(warnings=doubts[id(step.task)]) for each in steps[-n:]]
            line = remedy(step.reason, key_of(step.key)) if step.reason.change is not None else ""
            if line:
                remedies[remedy_line(key_of(step.key), line)] = None
        return RunResult(self._run.id, self._run.name, tuple(steps), duration_s, tuple(remedies), self.errors)


def _fail(error: BaseException) -> Mapping[str, object]:
    raise error


def _result(made: str, step: Step, record: StepRecord | None) -> StepResult:
    asset, partition = (key_of(made), partition_of(made)) if "#" in made else (made, "")
    if record is None:
        action = "skipped" if step.action is Action.SKIP else "reused"
        return StepResult(asset, action, step.reason, partition=partition)
    return StepResult(
        asset,
        record.action,
        step.reason,
        record.duration_s,
        record.checked,
        record.seq,
        record.error,
        partition,
        superseded_by=record.superseded_by,
    )
