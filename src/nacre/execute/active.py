"""A run while it goes on: it is begun and ended, has a record and a log, and gives its steps their context."""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from nacre import context
from nacre.errors import StoreError, said
from nacre.execute.asking import Asking
from nacre.execute.committing import Committing
from nacre.execute.futures import TaskFuture
from nacre.execute.journal import Journal
from nacre.execute.made import Shared
from nacre.execute.process import named
from nacre.execute.publishing import Publishing
from nacre.execute.reading import readings_of
from nacre.execute.settling import Settling
from nacre.execute.step import StepRun
from nacre.execute.stored import Stored
from nacre.execute.surveying import Surveying
from nacre.execute.workspace import Reporter, Workspace
from nacre.graph.graph import AnyTask
from nacre.planning.decide import Action as Planned
from nacre.planning.decide import Decision
from nacre.planning.explain import short, unfollowed
from nacre.planning.facts import Facts
from nacre.store.codec import encode
from nacre.store.ids import RUN_ID, given_run_id
from nacre.store.lives import was_removed
from nacre.store.paths import run_path
from nacre.store.port import Token
from nacre.store.records import DEFAULT_ENV, Run
from nacre.survey.gather import Versions


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
        self.root: str = parent.root if parent else self.id
        self.tags: frozenset[str] = tags | (parent.tags if parent else frozenset())
        self.log_prints: bool = parent.log_prints if parent else False
        self.reporter = reporter
        #: Keys that somebody makes, selected or not.
        self.declared: Container[str] = ()
        self.error: BaseException | None = None
        self.futures: list[TaskFuture[object]] = []
        self.started_at: datetime = workspace.clock.now()
        self._parameters = dict(parameters or {})
        #: What its flow was called with, as its body gets it.
        self.arguments: dict[str, object] = dict(arguments or {})
        self._token: Token | None = None
        self.shared: Shared = parent.shared if parent else Shared()
        self.journal: Journal = Journal(workspace, self.id, kind, reporter, self.shared.lock)
        if parent is not None:
            self.versions: Versions = parent.versions
            self.stored: Stored = parent.stored
            self.publishing: Publishing = parent.publishing
        else:
            self.versions = Versions(
                workspace.records, workspace.catalog, workspace.env, is_far=workspace.is_far
            )
            self.stored = Stored(workspace, self.versions)
            self.publishing = Publishing(workspace, self.versions, self.journal.log)
        tree, is_build = (self.shared, self.versions, self.publishing), kind == "build"
        # It gets what it needs and not the run: the facts hold it, and the run holds them.
        asks = partial(Asking, workspace, self.shared, self.stored, self.id, name, self.root, self.arguments)
        self.survey: Surveying = Surveying(workspace, *tree, asks, self.started_at)
        if parent is not None:
            self.survey.pin(parent.facts)
        self.commits: Committing = Committing(workspace, *tree, self.journal, is_build=is_build)
        self.settling: Settling = Settling(
            self.id, workspace, *tree, self.stored, self.survey, self.commits, self.journal, is_build
        )

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
            doubts = self.workspace.code.doubts
            if doubts and self.kind != "build":  # a build's result says it of a build
                doubtful = {short(each.key) for each in self.shared.producers.values() if id(each) in doubts}
                if new := sorted(doubtful - self.workspace.code.told):
                    self.log(logging.WARNING, unfollowed(new))
                    self.workspace.code.told.update(new)
        self.commits.flush()
        if self.parent is None and self.workspace.env != DEFAULT_ENV and self.commits.is_used:
            self._tell_removed()
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

    def _tell_removed(self) -> None:
        if was_removed(self.workspace.records, self.workspace.env):
            name = self.workspace.env_name
            self.log(
                logging.WARNING,
                f"{name} was removed while this ran: nothing of what was made is current in it, and all of it is "
                "stored; the next build begins the environment anew",
            )

    def _record(self, state: str, ended_at: datetime | None = None, error: str = "") -> Run:
        return Run(
            id=self.id,
            name=self.name,
            kind=self.kind,
            state=state,
            started_at=self.started_at,
            env=self.workspace.env_name,
            ended_at=ended_at,
            parent=self.parent.id if self.parent else "",
            parameters=self._parameters,
            tags=tuple(sorted(self.tags)),
            steps=tuple(self.commits.steps),
            counts=self.commits.counts,
            error=error,
            process=named(os.getpid()),
        )

    @property
    def facts(self) -> Facts:
        """The facts as of the run's start, with what it found at places since."""
        return self.survey.facts

    def log(self, level: int, text: str) -> None:
        """Record one line of the run's log."""
        self.journal.log(level, text)

    def start_step(self, task: AnyTask, decision: Decision | None) -> StepRun:
        """Make the context that a step runs in."""
        prints = task.options.log_prints
        is_checked = decision is not None and decision.action is Planned.CHECK
        step = StepRun(
            task,
            self.workspace.new_id(),
            self,
            self.workspace.clock.now(),
            self.log_prints if prints is None else prints,
            caller=context.current_step.get(),
            readings=readings_of(task, self.workspace, is_checked),
            takes=self.settling.written,
        )
        if decision is not None:
            step.previous = self.stored.whole(decision, self.facts.heads)
            if not decision.overwrites:
                step.earlier = self.stored.earlier
            step.fingerprint = decision.fingerprint
            step.partition, step.inputs = decision.recipe.partition, decision.recipe.inputs
        return step
