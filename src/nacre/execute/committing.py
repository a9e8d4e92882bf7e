"""The commits of one run: in groups, reported only when durable, and in a flow with the heads moved at its end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from nacre.errors import SAFE, NacreError, StoreError, StoreUnavailable, said
from nacre.execute.deferred import Deferred, chosen, contents_of
from nacre.execute.journal import Journal
from nacre.execute.made import Shared
from nacre.execute.publishing import Publishing
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, slot
from nacre.planning.explain import short
from nacre.store.commit import Commit, Committed, Committer
from nacre.store.records import StepRecord
from nacre.survey.gather import Versions


class Committing:
    """Makes the results of a run durable, and reports each step once its own are.

    Args:
        workspace: The store.
        shared: What all runs of the tree have in common; its lock guards this too.
        versions: Takes the records that were committed.
        publishing: Publishes them.
        journal: Shows the steps.
        is_build: True where heads move with each commit; in a flow they move once, at its end.
    """

    def __init__(
        self,
        workspace: Workspace,
        shared: Shared,
        versions: Versions,
        publishing: Publishing,
        journal: Journal,
        *,
        is_build: bool,
    ) -> None:
        self._workspace = workspace
        self._shared = shared
        self._versions = versions
        self._publishing = publishing
        self._journal = journal
        self._is_build = is_build
        self._committer: Committer | None = None
        self._unreported: dict[str, StepRecord] = {}
        #: The steps whose outcome is settled, as far as they are kept one by one.
        self.steps: list[StepRecord] = []
        #: How many steps came to which outcome.
        self.counts: dict[str, int] = {}
        #: Step to why its known result could not be taken after all.
        self.errors: dict[str, NacreError] = {}

    @property
    def is_used(self) -> bool:
        """True when anything was committed."""
        return self._committer is not None

    @property
    def is_due(self) -> bool:
        """True when a group of commits has waited long enough."""
        return self._committer is not None and self._committer.is_due

    def add(self, commit: Commit, record: StepRecord) -> None:
        """Take what a step leaves; the step is reported when that is durable."""
        shared = self._shared
        with shared.lock:
            self._unreported[commit.attempt] = record
            if self._is_build:
                self._grouped(commit)
                return
            # In a flow the head moves once, at the end, to the last version in call order; the record is kept now.
            read = contents_of(commit.action or commit.taken)
            for move in commit.moves:
                waiting = shared.moves.setdefault(slot(move.asset, move.partition), [])
                waiting.append(Deferred(commit._replace(action=None, moves=(move,)), read))
            self._grouped(commit._replace(moves=()))
            self.flush()

    def move_deferred(self) -> None:
        """Let the heads move that waited for the end of a flow: each to the last version in call order."""
        shared = self._shared
        deferred, shared.moves = shared.moves, {}
        for asset, fingerprints in shared.recipes.items():
            if len(fingerprints) > 1:
                self._journal.log(
                    logging.WARNING,
                    f"{asset} was materialized {len(fingerprints)} times with different arguments in this run; the "
                    "last one is current. Use partitions or with_options(assets=…) to keep them apart",
                )
        if deferred:
            for commit in chosen(
                deferred, {made: content for made, (_, content) in shared.last_calls.items()}
            ):
                self._grouped(commit)

    def flush(self) -> None:
        """Make waiting commits durable and report their steps.

        Raises:
            StoreError: The store refused; names the asset.
        """
        with self._shared.lock:
            waiting = next(iter(self._unreported.values()), None)
            try:
                committed = self._committer.flush() if self._committer is not None else []
                if committed:
                    if self._shared.held:
                        self.give_back([each.commit.fingerprint.partition("/")[0] for each in committed])
                    self._publishing.committed(committed)
                    kept = [each.commit.action.sources.values() for each in committed if each.commit.action]
                    self._workspace.code.kept.update(*kept)
                self._show_durable({each.commit.attempt: each for each in committed})
                self._journal.send()
            except StoreError as error:
                raise error.about("asset", waiting.step) if waiting else error from error.__cause__

    def give_back(self, fingerprints: Iterable[str]) -> None:
        """Let other runs take what this one has made, or make what it failed to; what it does not hold is left out."""
        held = self._shared.held
        claims = [claim for each in fingerprints if (claim := held.pop(each, None)) is not None]
        if claims:
            self._workspace.claims.release(claims)

    def report(self, record: StepRecord) -> None:
        """Take a step whose outcome is settled: count, keep and show it, after the steps that wait to be durable."""
        with self._shared.lock:
            if self._unreported:
                self._unreported[f"settled {len(self._unreported)}"] = record
            else:
                self._show(record)

    def withdraw(self, step: str) -> None:
        """Forget that a step was reused: what is stored of it cannot be read, so it is made again."""
        with self._shared.lock:
            self.steps = [each for each in self.steps if each.step != step]
            self.counts["reused"] = self.counts.get("reused", 1) - 1

    def count_reused(self, n_steps: int) -> None:
        """Count reused steps that are too many to keep or show one by one."""
        self.counts["reused"] = self.counts.get("reused", 0) + n_steps
        self._journal.emit("reused", {"n_steps": n_steps})

    def published(self, record: StepRecord) -> StepRecord:
        """Return the record of a step that is durable: failed where its file could not be put."""
        errors = self._publishing.errors
        if not errors:
            return record
        slots = [slot(asset, record.partition) for asset in record.assets]
        error = next((errors[each] for each in slots if each in errors), None)
        return (
            record if error is None else msgspec.structs.replace(record, action="failed", error=said(error))
        )

    def _grouped(self, commit: Commit) -> None:
        """Let a commit join the next group; a run that changes nothing makes none."""
        if self._committer is None:
            self._committer = Committer(self._workspace.records, self._workspace.clock.monotonic)
        self._committer.add(commit)

    def _show_durable(self, committed: Mapping[str, Committed]) -> None:
        """Report the steps of a group that is durable now, and those that were settled behind them, in order."""
        waiting, self._unreported = self._unreported, {}
        for attempt, done in committed.items():
            if done.superseded_by and attempt not in waiting:  # a head that waited for the end of a flow
                self._tell_of_other(slot(done.commit.moves[0].asset, done.commit.moves[0].partition), done)
        for attempt, record in waiting.items():
            each = committed.get(attempt)
            if each is None:
                self._show(record)
                continue
            if each.action is not None and not self._is_build:
                self._versions.remember(each.action)
            if each.superseded_by:
                self._tell_of_other(record.step, each)
            if each.is_gone:
                error = self.errors[record.step] = _gone(record.step)
                self._show(msgspec.structs.replace(record, action="failed", error=said(error)))
                continue
            # The number of a hold, or of another run's version, is not that of what was made.
            seq = 0 if each.held or each.superseded_by else next(iter(each.seqs.values()), 0)
            ahead = "" if each.held else each.superseded_by
            record = msgspec.structs.replace(record, seq=seq, superseded_by=ahead)
            self._show(self.published(record))

    def _tell_of_other(self, step: str, each: Committed) -> None:
        """Say who was ahead: another run, or a person who rolled it back."""
        ahead = each.behind or step
        text = f"{ahead} was superseded by run {each.superseded_by}"
        if each.held:
            text = f"{ahead} was rolled back meanwhile and is held at {each.held}"
        if each.behind:
            text = f"{step} is left as it was, since {text}"
        if each.held:
            text = f"{text}; what was made is kept: nacre rollback {short(key_of(ahead))} --release"
        self._journal.log(logging.WARNING, text)

    def _show(self, record: StepRecord) -> None:
        kind = "checked" if record.checked else record.action
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.steps.append(record)
        self._journal.emit("step", {"record": record})


def _gone(step: str) -> NacreError:
    what = "A known result was collected at the moment when it was taken"
    return StoreUnavailable(what, {"asset": step}, ("build again: it is made anew", SAFE))
