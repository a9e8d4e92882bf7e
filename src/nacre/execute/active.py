"""A run while it goes on: its record, its log, its commits, and what it made so far."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from nacre import context
from nacre.catalog.index import Event
from nacre.errors import CorruptRecord, NotMaterialized, StoreError, said
from nacre.execute.futures import TaskFuture
from nacre.execute.made import Made, Shared
from nacre.execute.recording import Recording
from nacre.execute.step import Receipt, StepRun
from nacre.execute.workspace import Reporter, Workspace
from nacre.frames import shapes, source_lines, split
from nacre.graph.graph import AnyTask
from nacre.planning.decide import Action as Planned
from nacre.planning.decide import Decision
from nacre.planning.facts import Facts
from nacre.planning.plan import outline_in
from nacre.planning.reason import Reason
from nacre.store.commit import Commit, Committed, Committer
from nacre.store.port import Token
from nacre.store.records import (
    Failing,
    Output,
    Run,
    StepRecord,
    encode,
    run_path,
)
from nacre.survey.gather import Versions, gather
from nacre.version.fingerprint import InputVersion, observed_fingerprint

log = logging.getLogger(__name__)

MAX_SHOWN_REUSED = 200
_UTC_PARTS = "milliseconds"


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
    """

    max_shown_reused = MAX_SHOWN_REUSED

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
    ) -> None:
        self.workspace = workspace
        self.id = workspace.new_id()
        self.name = name
        self.kind = kind
        self.parent = parent
        self.tags: frozenset[str] = tags | (parent.tags if parent else frozenset())
        self.log_prints: bool = parent.log_prints if parent else False
        self.reporter = reporter
        self.shared: Shared = parent.shared if parent else Shared()
        self.versions: Versions = (
            parent.versions if parent else Versions(workspace.records, workspace.catalog, workspace.env)
        )
        self.error: BaseException | None = None
        self.futures: list[TaskFuture[object]] = []
        self.steps: list[StepRecord] = []
        self.counts: dict[str, int] = {}
        self.started_at: datetime = workspace.clock.now()
        self._parameters = dict(parameters or {})
        self._facts: Facts | None = parent.facts if parent else None
        self._commits: Committer | None = None
        self._unreported: dict[str, StepRecord] = {}
        self._events: list[Event] = []
        self._n_events = 0
        self._token: Token | None = None
        self._lines: list[bytes] = []

    # ── the run's own record ──────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Write the run's record, which also finds a store that cannot be written before anything runs."""
        self._token = self.workspace.records.create(run_path(self.id), encode(self._record("running")))
        self.emit("run_started", {"name": self.name, "kind": self.kind})

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
            for future in () if interrupted else self.futures:
                future.wait()
            self.end(error or self.error, "cancelled" if interrupted else "")

    def end(self, error: BaseException | None = None, state: str = "") -> None:
        """Move the heads that waited for the end, and replace the run's record with its final one."""
        if self.parent is None:
            self._move_deferred()
        self.flush()
        state = state or ("failed" if error is not None or self.counts.get("failed") else "completed")
        told = said(error) if error is not None else ""
        self.emit("run_ended", {"state": state, "counts": self.counts, "error": told})
        self._send_events()
        self._keep_log()
        record = self._record(state, self.workspace.clock.now(), told)
        if self._token is not None:
            self.workspace.records.replace(run_path(self.id), encode(record), self._token)
        self.workspace.code.save()

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
            steps=tuple(self.steps),
            counts=self.counts,
            error=error,
        )

    # ── facts and log ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def facts(self) -> Facts:
        """The facts as of the run's start; surveyed when first asked for, then pinned."""
        if self._facts is None:
            with self.shared.lock:
                return self._facts or self.survey()
        return self._facts

    def survey(self, refresh: frozenset[str] = frozenset(), reuse_sources: bool = False) -> Facts:
        """Gather the facts once; what comes later in the run does not change them."""
        workspace, shared = self.workspace, self.shared
        facts = gather(
            workspace.catalog,
            self.versions,
            lambda key: workspace.code.of(shared.producers[key]),
            self.started_at,
            workspace.env,
            refresh=refresh,
            reuse_sources=reuse_sources,
        )
        self._facts = facts._replace(outline=outline_in(shared.outlines, facts.outline))
        return self._facts

    def log(self, level: int, text: str) -> None:
        """Record one line of the run's log."""
        at = self.workspace.clock.now().isoformat(timespec=_UTC_PARTS)
        body: dict[str, object] = {"level": logging.getLevelName(level), "text": text, "at": at}
        with self.shared.lock:
            self._lines.append(msgspec.json.encode(body))
            self.emit("log", body)

    def emit(self, kind: str, body: dict[str, object]) -> None:
        """Tell the reporter and, with the next group, every other process."""
        with self.shared.lock:
            self._n_events += 1
            at = self.workspace.clock.now().isoformat()
            self._events.append(Event(self._n_events, at, kind, msgspec.json.encode(body).decode()))
        if self.reporter is not None:
            self.reporter.on_event(kind, {"run": self.id, "run_kind": self.kind, **body})

    def _send_events(self) -> None:
        events, self._events = self._events, []
        if events:
            self.workspace.append_events(self.id, events)

    def _keep_log(self) -> None:
        if self._lines:
            with self.workspace.contents.objects.put(f"logs/{self.id}") as sink:
                sink.write(b"\n".join(self._lines) + b"\n")

    # ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def start_step(self, task: AnyTask, decision: Decision | None) -> StepRun:
        """Make the context that a step runs in."""
        prints = task.options.log_prints
        return StepRun(
            task,
            self.workspace.new_id(),
            self,
            self.workspace.clock.now(),
            self.log_prints if prints is None else prints,
            self._current_outputs(task, decision) if decision is not None else {},
            caller=context.current_step.get(),
            fingerprint=decision.fingerprint if decision is not None else "",
        )

    def _current_outputs(self, task: AnyTask, decision: Decision) -> dict[str, Output]:
        """Collect what is current and whole; only a fresh result that was asked for is worth looking at the bytes."""
        heads, contents = self.facts.heads, self.workspace.contents
        found = {}
        for asset in task.assets:
            head = heads.get(asset.key)
            output = self.versions.output(head.fingerprint, asset.key) if head else None
            if output is not None and not (decision.overwrites and contents.is_damaged(output)):
                found[asset.key] = output
        return found

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
            Asset key to the version made. The step is reported when its group is durable.
        """
        fingerprint, is_new = self.recorded_as(task, decision, receipt)
        made = self._make(task, receipt, is_new)
        heads = [self.facts.heads.get(asset.key) for asset in task.assets]
        checked = decision.action is Planned.CHECK and all(
            head is not None and head.data_version == each.version.data_version
            for head, each in zip(heads, made.values(), strict=True)
        )
        record = StepRecord(
            step=receipt.key,
            action="built",
            reason=reason,
            assets=tuple(asset.key for asset in task.assets),
            started_at=receipt.started_at,
            duration_s=receipt.duration_s,
            attempts=receipt.attempts,
            checked=checked,
        )
        if not is_new:
            self.report(replace_seq(record, heads[0].seq if heads[0] else 0))
        else:
            commit = self._recording().made(task, decision, receipt, fingerprint, derived)
            self._commit(commit, record)
        return made

    def note_outlines(self, receipt: Receipt) -> None:
        """Remember what a step's values look like, for telling what changed."""
        for asset, output in receipt.outputs.items():
            self.shared.outlines[asset, output.data_version] = output.outline

    def recorded_as(self, task: AnyTask, decision: Decision, receipt: Receipt) -> tuple[str, bool]:
        """Say what a receipt is recorded under, and whether that makes a new version of its assets."""
        if decision.action is not Planned.CHECK:
            return decision.fingerprint, True
        versions = [receipt.outputs[asset.key].data_version for asset in task.assets]
        fingerprint = observed_fingerprint(decision.fingerprint, versions)
        heads = [self.facts.heads.get(asset.key) for asset in task.assets]
        is_new = any(head is None or head.fingerprint != fingerprint for head in heads)
        if not is_new and decision.overwrites:
            is_new = len(self._current_outputs(task, decision)) < len(task.assets)
        return fingerprint, is_new

    def take(self, task: AnyTask, decision: Decision) -> Mapping[str, Made]:
        """Take a known result; moves the head when another version is current."""
        made = self.look_up(task, decision)
        if decision.moves_head:
            keys = tuple(asset.key for asset in task.assets)
            record = StepRecord(step=task.key, action="reused", reason=decision.reason, assets=keys)
            self._commit(
                self._recording().taken(task, decision, self.versions.action(decision.fingerprint)), record
            )
        return made

    def look_up(self, task: AnyTask, decision: Decision) -> dict[str, Made]:
        """Find what is stored of a known result."""
        made: dict[str, Made] = {}
        for asset in task.assets:
            head = self.facts.heads.get(asset.key)
            if decision.moves_head or head is None:
                made[asset.key] = self._stored(asset.key, decision.fingerprint, head.seq + 1 if head else 1)
            else:
                made[asset.key] = self._stored(asset.key, head.fingerprint, head.seq)
        return made

    def current(self, asset: str) -> Made:
        """Find the current version of an asset that this run does not make.

        Raises:
            NotMaterialized: There is none.
        """
        head = self.facts.heads.get(asset)
        if head is None:
            facts = {"asset": asset, "store": self.workspace.location}
            raise NotMaterialized(
                f"{asset} has no version yet", facts, "nobody here makes it: materialize it first"
            )
        return self._stored(asset, head.fingerprint, head.seq)

    def _stored(self, asset: str, fingerprint: str, seq: int) -> Made:
        output = self.versions.output(fingerprint, asset)
        if output is None:
            facts = {"asset": asset, "record": f"ac/{fingerprint[:16]}…", "store": self.workspace.location}
            raise CorruptRecord(
                "A version has no record", facts, f"make it again: nacre build {asset} --refresh"
            )
        return Made(InputVersion("", asset, output.data_version, seq), output)

    def fail(self, task: AnyTask, receipt: Receipt, reason: Reason) -> None:
        """Report a step that made nothing."""
        keys = tuple(asset.key for asset in task.assets)
        self.report(
            StepRecord(
                step=receipt.key,
                action="failed",
                reason=reason,
                assets=keys,
                started_at=receipt.started_at,
                duration_s=receipt.duration_s,
                attempts=receipt.attempts,
                error=said(receipt.error) if receipt.error else "",
                failing=_failing(receipt.error) if receipt.error else None,
            )
        )

    def report(self, record: StepRecord) -> None:
        """Take a step whose outcome is settled: count, keep and show it, after the steps that wait to be durable."""
        with self.shared.lock:
            if self._unreported:
                self._unreported[f"settled {len(self._unreported)}"] = record
            else:
                self._show(record)

    def _show(self, record: StepRecord) -> None:
        kind = "checked" if record.checked else record.action
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.steps.append(record)
        self.emit("step", {"record": record})

    def count_reused(self, n_steps: int) -> None:
        """Count reused steps that are too many to keep or show one by one."""
        self.counts["reused"] = self.counts.get("reused", 0) + n_steps
        self.emit("reused", {"n_steps": n_steps})

    def _make(self, task: AnyTask, receipt: Receipt, is_new: bool) -> dict[str, Made]:
        made = {}
        for asset in task.assets:
            output = receipt.outputs[asset.key]
            head = self.facts.heads.get(asset.key)
            seq = head.seq + is_new if head else 1
            version = InputVersion("", asset.key, output.data_version, seq)
            if self.kind != "build":  # a build's plan keeps its own
                self.shared.outlines[asset.key, output.data_version] = output.outline
            made[asset.key] = Made(version, output, receipt.values[asset.key], receipt.digests[asset.key])
        return made

    def _recording(self) -> Recording:
        return Recording(self.workspace, self.id, self.facts.heads)

    # ── commits ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _committer(self) -> Committer:
        """Return what groups the commits; a run that changes nothing has none."""
        if self._commits is None:
            self._commits = Committer(self.workspace.records, self.workspace.clock.monotonic)
        return self._commits

    @property
    def is_due(self) -> bool:
        """True when a group of commits has waited long enough."""
        return self._commits is not None and self._commits.is_due

    def flush(self) -> None:
        """Make waiting commits durable and report their steps.

        Raises:
            StoreError: The store refused; names the asset.
        """
        with self.shared.lock:
            waiting = next(iter(self._unreported.values()), None)
            try:
                committed = self._commits.flush() if self._commits is not None else []
                self._show_durable({each.commit.attempt: each for each in committed})
                self._send_events()
            except StoreError as error:
                raise error.about("asset", waiting.step) if waiting else error from error.__cause__

    def _show_durable(self, committed: Mapping[str, Committed]) -> None:
        """Report the steps of a group that is durable now, and those that were settled behind them, in order."""
        waiting, self._unreported = self._unreported, {}
        for attempt, record in waiting.items():
            each = committed.get(attempt)
            if each is None:
                self._show(record)
                continue
            if each.action is not None and self.kind != "build":
                self.versions.remember(each.action)
            if each.superseded_by:
                self.log(logging.WARNING, f"{record.step} was superseded by run {each.superseded_by}")
            self._show(replace_seq(record, next(iter(each.seqs.values()), 0)))

    def _commit(self, commit: Commit, record: StepRecord) -> None:
        with self.shared.lock:
            self._unreported[commit.attempt] = record
            if self.kind == "build":
                self._committer().add(commit)
                return
            # In a flow the head moves once, at the end, to the last version in call order; the record is kept now.
            for move in commit.moves:
                waiting = self.shared.moves.setdefault(move.asset, [])
                waiting.append(commit._replace(action=None, moves=(move,)))
            self._committer().add(commit._replace(moves=()))
            self.flush()

    def _move_deferred(self) -> None:
        shared = self.shared
        deferred, shared.moves = shared.moves, {}
        for asset, fingerprints in shared.recipes.items():
            if len(fingerprints) > 1:
                self.log(
                    logging.WARNING,
                    f"{asset} was materialized {len(fingerprints)} times with different arguments in this run; the "
                    "last one is current. Use partitions or with_options(assets=…) to keep them apart",
                )
        for asset, commits in deferred.items():
            _, current = shared.last_calls.get(asset, (0, commits[-1].moves[0].data_version))
            # None where the last call took the version that is current already.
            last = [commit for commit in commits if commit.moves[0].data_version == current]
            if last:
                self._committer().add(last[-1])


def replace_seq(record: StepRecord, seq: int) -> StepRecord:
    """Return the step record with the version number it got."""
    return msgspec.structs.replace(record, seq=seq)


def _failing(error: BaseException) -> Failing | None:
    """Keep the line of the user's code that failed, so that it can still be shown when the process is gone."""
    user = split(error).user
    if not user:
        return None
    at = user[-1]
    return Failing(place=at.place, function=at.function, lines=tuple(source_lines(at)), held=shapes(at))
