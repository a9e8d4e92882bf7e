"""What comes of a step: the version it made or the result it took is recorded, its file put, its outcome reported."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec

from nacre.errors import said
from nacre.execute.committing import Committing
from nacre.execute.journal import Journal
from nacre.execute.lost import InputLost
from nacre.execute.made import Made, Shared
from nacre.execute.publishing import Publishing
from nacre.execute.recording import Recording
from nacre.execute.step import Receipt, StepRun
from nacre.execute.stored import Stored
from nacre.execute.surveying import Surveying
from nacre.execute.taking import Taking
from nacre.execute.workspace import Workspace
from nacre.frames import shapes, source_lines, split
from nacre.graph.graph import AnyTask
from nacre.keys import key_of, partition_of, slot
from nacre.planning.decide import Action as Planned
from nacre.planning.decide import Decision
from nacre.planning.explain import short
from nacre.planning.reason import Reason
from nacre.store.losses import note_lost
from nacre.store.records import Failing, Output, StepRecord
from nacre.survey.gather import Versions
from nacre.version.fingerprint import InputVersion, fingerprint_with_reads, observed_fingerprint


class Settling(msgspec.Struct, frozen=True, eq=False):
    """Settles the steps of one run.

    Args:
        run: The run's id.
        workspace: The store.
        shared: What all runs of the tree have in common.
        versions: Stored versions.
        publishing: Puts files again, and knows which were taken or spoilt.
        stored: Finds what is stored of the run's slots.
        survey: What the run knows of the world.
        commits: Makes durable what is settled.
        journal: The run's log.
        is_build: True where a plan keeps the outlines of what was made; in a flow they are noted here.
    """

    run: str
    workspace: Workspace
    shared: Shared
    versions: Versions
    publishing: Publishing
    stored: Stored
    survey: Surveying
    commits: Committing
    journal: Journal
    is_build: bool

    # ── what it made ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def taking(self) -> Taking:
        """What takes files at places as versions; few steps do."""
        return Taking(self.workspace, self.publishing, self.survey.facts.heads)

    def written(self, step: StepRun, made: str) -> Output | None:
        """Give what a step wrote to its place itself, as ``Taking.written`` does; few are asked."""
        return self.taking.written(step, made)

    def finish(
        self,
        task: AnyTask,
        decision: Decision,
        receipt: Receipt,
        reason: Reason,
        recorded: tuple[str, bool],
        derived: Sequence[InputVersion] = (),
    ) -> Mapping[str, Made]:
        """Take the receipt of a step that made its assets: commit it, unless its content is what is current.

        Args:
            task: The step's.
            decision: What it was to do.
            receipt: What came of it.
            reason: Why it ran.
            recorded: What ``recorded_as`` says of the receipt.
            derived: Versions its arguments came from without being them.

        Returns:
            Slot to the version made. The step is reported when its group is durable.
        """
        fingerprint, is_new = recorded
        made = self.made(receipt, is_new)
        heads = list(map(self.survey.facts.heads.get, decision.recipe.assets))
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
            drifted = self.survey.facts.drifted.intersection(made) - taken
            for each in sorted(drifted):
                self.journal.log(
                    logging.INFO, f"{short(each)}: its published file was not as it was; put again"
                )
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

    def recorded_as(self, decision: Decision, receipt: Receipt) -> tuple[str, bool]:
        """Say what a receipt is recorded under, and whether that makes a new version of its assets."""
        if decision.action is not Planned.CHECK:
            reads = [each[:3] for each in receipt.reads]
            own = decision.fingerprint
            return fingerprint_with_reads(own, reads) if reads else own, True
        made, current = decision.recipe.assets, self.survey.facts.heads
        versions = [receipt.outputs[each].data_version for each in made]
        fingerprint = observed_fingerprint(decision.fingerprint, versions)
        heads = [current.get(each) for each in made]
        is_new = any(head is None or head.fingerprint != fingerprint for head in heads)
        if not is_new:  # what is stored of the same content may be damaged: then this takes its place
            is_new = len(self.stored.whole(decision, current, receipt.outputs)) < len(made)
        return fingerprint, is_new

    def made(self, receipt: Receipt, is_new: bool) -> dict[str, Made]:
        """Give the versions that a receipt stands for; nothing is recorded."""
        made = {}
        heads = self.survey.facts.heads
        for each, output in receipt.outputs.items():
            head = heads.get(each)
            seq = head.seq + is_new if head else 1
            version = InputVersion("", each, output.data_version, seq)
            if not self.is_build:
                self.shared.outlines[each, output.data_version] = output.outline
            made[each] = Made(version, output, receipt.values[each], receipt.digests[each])
        return made

    def note_outlines(self, receipt: Receipt) -> None:
        """Remember what a step's values look like, for telling what changed."""
        for asset, output in receipt.outputs.items():
            self.shared.outlines[asset, output.data_version] = output.outline

    def _recording(self) -> Recording:
        facts = self.survey.facts
        return Recording(self.workspace, self.run, facts.heads, self.versions.sources, facts.released)

    # ── what it took ──────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, task: AnyTask, decision: Decision) -> Mapping[str, Made]:
        """Take a known result; moves the head when another version is current."""
        made = self.stored.look_up(decision, self.survey.facts.heads)
        if decision.moves_head:
            record = reused(task, decision.recipe.partition, decision.reason)
            commit = self._recording().taken(task, decision, self.versions.action(decision.fingerprint))
            self.commits.add(commit, record)
        return made

    def publish_again(self, task: AnyTask, decision: Decision) -> StepRecord:
        """Publish what is current of a step once more; returns the step's record."""
        self.publishing.again(decision.recipe.assets)
        first = self.survey.facts.heads.get(decision.recipe.assets[0])
        seq = first.seq if first else 0
        return self.commits.published(reused(task, decision.recipe.partition, decision.reason, seq))

    # ── where it made nothing ─────────────────────────────────────────────────────────────────────────────────────

    def note_lost(self, lost: InputLost, *, is_current: bool) -> None:
        """Say that what is stored of an input cannot be read, here and in its head, should it not be made again now."""
        head = self.survey.facts.heads.get(lost.slot)
        if head is not None and is_current:
            asset, partition = key_of(lost.slot), partition_of(lost.slot)
            note_lost(self.workspace.records, self.workspace.env, asset, partition, [head.seq])
        problem = lost.error.facts.get("problem") or lost.error.what
        self.journal.log(logging.WARNING, f"{short(lost.slot)}: {problem}; it is made again")

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
                failing=_failing(receipt.error) if receipt.error else None,
            )
        )

    def _put_back(self, slots: Sequence[str]) -> None:
        """Put what is current back where a step that failed left something else."""
        publishing, heads = self.publishing, self.survey.facts.heads
        if publishing.spoilt.isdisjoint(slots):
            return
        publishing.spoilt.difference_update(slots)
        publishing.again(each for each in slots if each in heads)
        for each in slots:
            error = publishing.errors.pop(each, None)
            if error is not None:  # the step's own error is what counts
                self.journal.log(logging.WARNING, said(error))


def _failing(error: BaseException) -> Failing | None:
    """Keep the line of the user's code that failed, so that it can still be shown when the process is gone."""
    user = split(error).user
    if not user:
        return None
    at = user[-1]
    return Failing(place=at.place, function=at.function, lines=tuple(source_lines(at)), held=shapes(at))


def reused(task: AnyTask, partition: str, reason: Reason, seq: int = 0) -> StepRecord:
    """Make the record of a step whose result is taken."""
    keys = tuple(asset.key for asset in task.assets)
    step = slot(task.key, partition)
    return StepRecord(step=step, action="reused", reason=reason, assets=keys, partition=partition, seq=seq)
