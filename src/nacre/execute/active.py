"""A run while it goes on: its record, its log, its commits, and what it made so far."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import msgspec

from nacre import context
from nacre.errors import StoreError, said
from nacre.execute.asking import Asking
from nacre.execute.committing import Committing
from nacre.execute.futures import TaskFuture
from nacre.execute.journal import Journal
from nacre.execute.lost import InputLost
from nacre.execute.made import Made, Shared
from nacre.execute.process import named
from nacre.execute.publishing import Publishing
from nacre.execute.reading import readings_of
from nacre.execute.recording import Recording, failing, reused
from nacre.execute.step import Receipt, StepRun
from nacre.execute.stored import Stored
from nacre.execute.taking import Taking, changed_outside
from nacre.execute.workspace import Reporter, Workspace
from nacre.graph.graph import AnyTask
from nacre.keys import key_of, partition_of, slot
from nacre.planning.decide import Action as Planned
from nacre.planning.decide import Decision, held_head
from nacre.planning.explain import short, unfollowed
from nacre.planning.facts import Facts, nothing_released
from nacre.planning.plan import outline_in
from nacre.planning.reason import Reason
from nacre.store.ids import RUN_ID, given_run_id
from nacre.store.losses import note_lost
from nacre.store.paths import run_path
from nacre.store.port import Token
from nacre.store.records import Output, Run, StepRecord, encode
from nacre.survey.gather import Versions, gather
from nacre.version.fingerprint import InputVersion, fingerprint_with_reads, observed_fingerprint


class ActiveRun:
    """One execution of a plan or a flow.

    Args:
        workspace: The project's store and time.
        name: The flow's name, or what is built.
        kind: ``flow``, ``build`` or ``call``.
        reporter: Shows progress to a person; None for nobody.
        parent: The run that called this one.
        tags: Tags that apply to everything in it.
        parameters: What a flow was called with, short enough to show.
        arguments: The same, as it is.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        kind: str,
        reporter: Reporter | None,
        *,
        parent: ActiveRun | None = None,
        tags: frozenset[str] = frozenset(),
        parameters: Mapping[str, str] | None = None,
        arguments: Mapping[str, object] | None = None,
    ) -> None:
        self.workspace = workspace
        # What was started by a schedule's tick has its id from there, so that the tick knows it from the beginning.
        given = given_run_id(os.environ) if parent is None and RUN_ID in os.environ else ""
        self.id = given or workspace.new_id()
        self.is_scheduled: bool = parent.is_scheduled if parent else bool(given)
        self.name = name
        self.kind = kind
        self.parent = parent
        self.tags: frozenset[str] = tags | (parent.tags if parent else frozenset())
        self.log_prints: bool = parent.log_prints if parent else False
        self.reporter = reporter
        self.shared: Shared = parent.shared if parent else Shared()
        self.versions: Versions = (
            parent.versions
            if parent
            else Versions(workspace.records, workspace.catalog, workspace.env, is_far=workspace.is_far)
        )
        self.stored: Stored = parent.stored if parent else Stored(workspace, self.versions)
        self.publishing: Publishing = (
            parent.publishing if parent else Publishing(workspace, self.versions, self.log)
        )
        #: Keys that somebody makes, selected or not.
        self.declared: Container[str] = ()
        #: External assets that are held: their files are not looked at.
        self.held_outside: set[str] = set()
        self.error: BaseException | None = None
        self.futures: list[TaskFuture[object]] = []
        self.started_at: datetime = workspace.clock.now()
        self._parameters = dict(parameters or {})
        self.root: str = parent.root if parent else self.id
        #: What its flow was called with, as its body gets it.
        self.arguments: dict[str, object] = dict(arguments or {})
        self._facts: Facts | None = None
        if parent is not None:
            asking = parent.asking._replace(run=self.id, name=name, arguments=self.arguments)
            self._facts = parent.facts._replace(asked=asking)  # type: ignore[arg-type]  # as below
        self._token: Token | None = None
        self.journal: Journal = Journal(workspace, self.id, kind, reporter, self.shared.lock)
        self.commits: Committing = Committing(
            workspace, self.shared, self.versions, self.publishing, self.journal, is_build=kind == "build"
        )

    # ── the run's own record ──────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Write the run's record, which also finds a store that cannot be written before anything runs."""
        self._token = self.workspace.records.create(run_path(self.id), encode(self._record("running")))
        self.journal.emit("run_started", {"name": self.name, "kind": self.kind})

    @contextmanager
    def going(self) -> Iterator[ActiveRun]:
        """Begin the run, make it the current one, and end it however the block ends."""
        if self.kind != "build" and self.parent is None:
            self.workspace.code.prepare(())
        self.begin()
        token = context.current_run.set(self)
        error: BaseException | None = None
        try:
            yield self
        except BaseException as raised:
            error = raised
            raise
        finally:
            context.current_run.reset(token)
            interrupted = isinstance(error, KeyboardInterrupt)
            try:
                for future in () if interrupted else self.futures:
                    future.wait()
                self.end(error or self.error, "cancelled" if interrupted else "")
            finally:
                if self.parent is None and self.shared.held:
                    self.commits.give_back(list(self.shared.held))
        if self.parent is None and self.kind != "build":
            for unpublished in self.publishing.errors.values():
                raise unpublished

    def end(self, error: BaseException | None = None, state: str = "") -> None:
        """Move the heads that waited for the end, and replace the run's record with its final one."""
        if self.parent is None:
            self.commits.move_deferred()
            doubts = self.workspace.code.doubts if self.kind != "build" else {}
            doubtful = {short(each.key) for each in self.shared.producers.values() if id(each) in doubts}
            if new := sorted(doubtful - self.workspace.code.told):  # a build's result says it of a build
                self.log(logging.WARNING, unfollowed(new))
                self.workspace.code.told.update(new)
        self.commits.flush()
        has_failed = error is not None or self.commits.counts.get("failed") or self.publishing.errors
        state = state or ("failed" if has_failed else "completed")
        told = said(error) if error is not None else ""
        self.journal.emit("run_ended", {"state": state, "counts": self.commits.counts, "error": told})
        self.journal.send()
        try:
            self.journal.keep()
        except StoreError as unkept:
            # Nothing rests on a log: the run is what its steps are, and says what it lacks.
            told = told or f"its log could not be stored: {said(unkept)}"
        record = self._record(state, self.workspace.clock.now(), told)
        if self._token is not None:
            self.workspace.records.replace(run_path(self.id), encode(record), self._token)
        self.workspace.code.save()
        if self.workspace.reads.is_changed:
            self.workspace.reads.save()

    def _record(self, state: str, ended_at: datetime | None = None, error: str = "") -> Run:
        return Run(
            id=self.id,
            name=self.name,
            kind=self.kind,
            state=state,
            started_at=self.started_at,
            env=self.workspace.env,
            ended_at=ended_at,
            parent=self.parent.id if self.parent else "",
            parameters=self._parameters,
            tags=tuple(sorted(self.tags)),
            steps=tuple(self.commits.steps),
            counts=self.commits.counts,
            error=error,
            process=named(os.getpid()),
        )

    # ── facts and log ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def facts(self) -> Facts:
        """The facts as of the run's start; surveyed when first asked for, then pinned."""
        if self._facts is None:
            with self.shared.lock:
                return self._facts or self.survey()
        return self._facts

    def survey(
        self,
        refresh: frozenset[str] = frozenset(),
        reuse_sources: bool = False,
        released: Callable[[str], bool] = nothing_released,
    ) -> Facts:
        """Gather the facts once; what comes later in the run does not change them."""
        workspace, shared = self.workspace, self.shared
        facts = gather(
            workspace.catalog,
            self.versions,
            lambda key: workspace.code.of(shared.producers[key]),
            workspace.reads.digest,
            self.started_at,
            workspace.env,
            refresh=refresh,
            reuse_sources=reuse_sources,
        )
        asking = Asking(
            workspace, shared, self.stored, facts.heads, self.id, self.name, self.root, self.arguments
        )
        self._facts = facts._replace(
            outline=outline_in(shared.outlines, facts.outline),
            doubts=workspace.code.doubts,
            released=released,
            digest_now=lambda kind, name: self._digest_now(kind, name, facts),
            asked=asking,  # type: ignore[arg-type]  # mypy does not see the __call__ of a named tuple
        )
        return self._facts

    @property
    def asking(self) -> Asking:
        """Answers what cache policies ask for."""
        return cast(Asking, self.facts.asked)

    def _digest_now(self, kind: str, name: str, facts: Facts) -> str:
        """Digest something that was read, as it is now: an asset as this run made it, if it did."""
        made = self.shared.made.get(name) if kind == "asset" else None
        return made.version.data_version if made is not None else facts.digest_now(kind, name)

    def look_at_places(self, slots: Sequence[str]) -> Facts:
        """Add to the facts which of some slots are no longer published as they were.

        Raises:
            StoreError: A place cannot be reached.
        """
        found = self.publishing.drifted(slots, self.facts.heads)
        with self.shared.lock:  # calls of a flow look at the same time, each at its own
            self._facts = self.facts._replace(drifted=self.facts.drifted | found)
            return self._facts

    @property
    def taking(self) -> Taking:
        """What takes files at places as versions; few steps do."""
        return Taking(self.workspace, self.publishing, self.facts.heads)

    def look_outside(self, keys: Sequence[str]) -> Facts:
        """Add to the facts which external assets are no longer as they were seen; at those held, nobody looks.

        Raises:
            StoreError: A place cannot be reached.
        """
        held = [each for each in keys if held_head([each], self.facts) is not None]
        found = changed_outside(self.workspace, [each for each in keys if each not in held], self.facts.heads)
        with self.shared.lock:
            self.held_outside.update(held)
            self._facts = self.facts._replace(drifted=self.facts.drifted | found.keys())
            return self._facts

    def log(self, level: int, text: str) -> None:
        """Record one line of the run's log."""
        self.journal.log(level, text)

    # ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def start_step(self, task: AnyTask, decision: Decision | None) -> StepRun:
        """Make the context that a step runs in."""
        prints, is_checked = (
            task.options.log_prints,
            decision is not None and decision.action is Planned.CHECK,
        )
        step = StepRun(
            task,
            self.workspace.new_id(),
            self,
            self.workspace.clock.now(),
            self.log_prints if prints is None else prints,
            caller=context.current_step.get(),
            readings=readings_of(task, self.workspace, is_checked),
            takes=self._written,
        )
        if decision is not None:
            step.previous = self.stored.whole(decision, self.facts.heads)
            if not decision.overwrites:
                step.earlier = self.stored.earlier
            step.fingerprint = decision.fingerprint
            step.partition, step.inputs = decision.recipe.partition, decision.recipe.inputs
        return step

    def _written(self, step: StepRun, made: str) -> Output | None:
        return self.taking.written(step, made)

    def finish(
        self,
        task: AnyTask,
        decision: Decision,
        receipt: Receipt,
        reason: Reason,
        derived: Sequence[InputVersion] = (),
    ) -> Mapping[str, Made]:
        """Take the receipt of a step that made its assets: commit it, unless its content is what is current.

        Returns:
            Slot to the version made. The step is reported when its group is durable.
        """
        fingerprint, is_new = self.recorded_as(decision, receipt)
        made = self.make(receipt, is_new)
        heads = [self.facts.heads.get(each) for each in decision.recipe.assets]
        checked = decision.action is Planned.CHECK and all(
            head is not None and head.data_version == each.version.data_version
            for head, each in zip(heads, made.values(), strict=True)
        )
        record = StepRecord(
            step=receipt.key,
            action="built",
            reason=reason,
            assets=tuple(asset.key for asset in task.assets),
            partition=decision.recipe.partition,
            started_at=receipt.started_at,
            duration_s=receipt.duration_s,
            attempts=receipt.attempts,
            checked=checked,
        )
        if not is_new:
            record = msgspec.structs.replace(record, seq=heads[0].seq if heads[0] else 0)
            taken = self.publishing.taken.keys() & made.keys()
            drifted = self.facts.drifted.intersection(made) - taken
            for each in sorted(drifted):
                self.log(logging.INFO, f"{short(each)}: its published file was not as it was; put again")
            if drifted or taken:
                self.publishing.again([*drifted, *taken])
                record = self.commits.published(record)
            self.commits.report(record)
        else:
            commit = self._recording().made(task, decision, receipt, fingerprint, derived)
            is_mended = all(head is not None and head.fingerprint == fingerprint for head in heads)
            if is_mended or fingerprint in self.versions.damaged:
                commit = commit._replace(overwrites=True)
            self.commits.add(commit, record)
        return made

    def keep(
        self,
        task: AnyTask,
        decision: Decision,
        receipt: Receipt,
        record: StepRecord,
        derived: Sequence[InputVersion],
    ) -> None:
        """Record the result of a plain task for later calls: no head, no version, no file of anything."""
        fingerprint, _ = self.recorded_as(decision, receipt)
        commit = self._recording().made(task, decision, receipt, fingerprint, derived)
        overwrites = commit.overwrites or fingerprint in self.versions.damaged
        self.commits.add(commit._replace(moves=(), overwrites=overwrites), record)

    def note_outlines(self, receipt: Receipt) -> None:
        """Remember what a step's values look like, for telling what changed."""
        for asset, output in receipt.outputs.items():
            self.shared.outlines[asset, output.data_version] = output.outline

    def recorded_as(self, decision: Decision, receipt: Receipt) -> tuple[str, bool]:
        """Say what a receipt is recorded under, and whether that makes a new version of its assets."""
        if decision.action is not Planned.CHECK:
            reads = [each[:3] for each in receipt.reads]
            own = decision.fingerprint
            return fingerprint_with_reads(own, reads) if reads else own, True
        made = decision.recipe.assets
        versions = [receipt.outputs[each].data_version for each in made]
        fingerprint = observed_fingerprint(decision.fingerprint, versions)
        heads = [self.facts.heads.get(each) for each in made]
        is_new = any(head is None or head.fingerprint != fingerprint for head in heads)
        if not is_new:  # what is stored of the same content may be damaged: then this takes its place
            is_new = len(self.stored.whole(decision, self.facts.heads)) < len(made)
        return fingerprint, is_new

    def take(self, task: AnyTask, decision: Decision) -> Mapping[str, Made]:
        """Take a known result; moves the head when another version is current."""
        made = self.stored.look_up(decision, self.facts.heads)
        if decision.moves_head:
            record = reused(task, decision.recipe.partition, decision.reason)
            self.commits.add(
                self._recording().taken(task, decision, self.versions.action(decision.fingerprint)), record
            )
        return made

    def note_lost(self, lost: InputLost, *, is_current: bool) -> None:
        """Say that what is stored of an input cannot be read, here and in its head, should it not be made again now."""
        head = self.facts.heads.get(lost.slot)
        if head is not None and is_current:
            asset, partition = key_of(lost.slot), partition_of(lost.slot)
            note_lost(self.workspace.records, self.workspace.env, asset, partition, [head.seq])
        problem = lost.error.facts.get("problem") or lost.error.what
        self.log(logging.WARNING, f"{short(lost.slot)}: {problem}; it is made again")

    def fail(self, task: AnyTask, receipt: Receipt, reason: Reason) -> None:
        """Report a step that made nothing; a file of its own that it spoilt is put back as it was."""
        keys = tuple(asset.key for asset in task.assets)
        if self.publishing.spoilt:
            self._put_back([slot(key, partition_of(receipt.key)) for key in keys])
        self.commits.report(
            StepRecord(
                step=receipt.key,
                action="failed",
                reason=reason,
                assets=keys,
                partition=partition_of(receipt.key),
                started_at=receipt.started_at,
                duration_s=receipt.duration_s,
                attempts=receipt.attempts,
                error=said(receipt.error) if receipt.error else "",
                failing=failing(receipt.error) if receipt.error else None,
            )
        )

    def _put_back(self, slots: Sequence[str]) -> None:
        """Put what is current back where a step that failed left something else."""
        publishing = self.publishing
        if publishing.spoilt.isdisjoint(slots):
            return
        publishing.spoilt.difference_update(slots)
        publishing.again(each for each in slots if each in self.facts.heads)
        for each in slots:
            if (
                error := publishing.errors.pop(each, None)
            ) is not None:  # the step's own error is what counts
                self.log(logging.WARNING, said(error))

    def make(self, receipt: Receipt, is_new: bool) -> dict[str, Made]:
        """Give the versions that a receipt stands for; nothing is recorded."""
        made = {}
        for each, output in receipt.outputs.items():
            head = self.facts.heads.get(each)
            seq = head.seq + is_new if head else 1
            version = InputVersion("", each, output.data_version, seq)
            if self.kind != "build":  # a build's plan keeps its own
                self.shared.outlines[each, output.data_version] = output.outline
            made[each] = Made(version, output, receipt.values[each], receipt.digests[each])
        return made

    def _recording(self) -> Recording:
        facts = self.facts
        return Recording(self.workspace, self.id, facts.heads, self.versions.sources, facts.released)

    def publish_again(self, task: AnyTask, decision: Decision) -> StepRecord:
        """Publish what is current of a step once more; returns the step's record."""
        heads = self.facts.heads
        self.publishing.again(decision.recipe.assets)
        first = heads.get(decision.recipe.assets[0])
        seq = first.seq if first else 0
        return self.commits.published(reused(task, decision.recipe.partition, decision.reason, seq))
