"""The runtime behind declared objects: starts runs, and runs calls inside them, here or on the caller's loop."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from threading import current_thread
from typing import cast

from nacre import context
from nacre.declare.flow import Flow
from nacre.declare.parameters import bind, call_arguments, defaults
from nacre.errors import InvalidOption, StepFailed, UpstreamFailed
from nacre.execute.active import ActiveRun
from nacre.execute.artifacts import Draft, create, update_progress
from nacre.execute.effects import drive, drive_async, is_async
from nacre.execute.executor import Threads
from nacre.execute.flow_body import FlowBody
from nacre.execute.flow_run import Called
from nacre.execute.futures import FutureList, TaskFuture, elements
from nacre.execute.run import MAX_WORKERS
from nacre.execute.state import State, failed_with
from nacre.execute.workspace import Reporter, Workspace
from nacre.graph.graph import AnyTask

log = logging.getLogger(__name__)


class Engine:
    """One project's engine: what a task or flow reaches when it is called.

    Args:
        workspace: The project's store and time.
        reporter: Makes what shows progress to a person.
        serve: Runs deployed flows when they are due, until a signal ends it.
    """

    def __init__(
        self,
        workspace: Workspace,
        reporter: Callable[[], Reporter],
        serve: Callable[[Sequence[object]], None],
    ) -> None:
        self.workspace = workspace
        self._reporter = reporter
        self._serve = serve
        self._threads: Threads[None] = Threads(MAX_WORKERS)

    # ── tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def call(self, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Run or reuse one task and return its value, or its state where ``return_state`` is given."""
        task = cast(AnyTask, task)
        given, wants_state, wait_for = _own_options(kwargs)
        if is_async(task.fn) and _on_a_loop():
            return self._call_async(task, args, given, wants_state, wait_for)
        with self._run_for(task) as run:
            state = drive(Called(run, task, args, given, wait_for).effects(), self.workspace.clock)
        return state if wants_state else _value(state)

    async def _call_async(
        self,
        task: AnyTask,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        wants_state: bool,
        wait_for: Iterable[object],
    ) -> object:
        with self._run_for(task) as run:
            state = await drive_async(Called(run, task, args, kwargs, wait_for).effects())
        return state if wants_state else _value(state)

    def submit(self, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Start one task in a thread and return its future."""
        task = cast(AnyTask, task)
        given, wants_state, wait_for = _own_options(kwargs)
        future: TaskFuture[object] = TaskFuture(self.workspace.new_id(), task.name)
        run = cast("ActiveRun | None", context.current_run.get())
        order = None
        if run is not None:
            run.futures.append(future)
            order = next(run.shared.calls)
        inherited = copy_context()

        def work() -> None:
            try:
                with self._run_for(task) as active:
                    called = Called(active, task, args, given, wait_for, order)
                    state = drive(called.effects(), self.workspace.clock)
                future.settle(state, called.lineage)
            except BaseException as error:  # nobody waits in this thread: the future carries it
                future.settle(failed_with(error))

        # What a thread of ours submits it may also wait for, so that must not queue behind it.
        threads = Threads[None](1) if current_thread().name.startswith("nacre-") else self._threads
        threads.wait_any(timeout_s=0)  # nobody else asks for what ended: the futures carry it
        threads.submit(lambda: inherited.run(work))
        if threads is not self._threads:
            threads.close()
        if wants_state:
            future.wait()
            return future.state
        return future

    def map(self, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Submit a task once for each element of its iterable arguments; returns the futures."""
        given, wants_state, wait_for = _own_options(kwargs)
        calls = elements(args, given)
        futures = FutureList(
            cast("TaskFuture[object]", self.submit(task, each, {**named, "wait_for": wait_for}))
            for each, named in calls
        )
        if wants_state:
            futures.wait()
            return [future.state for future in futures]
        return futures

    @contextmanager
    def _run_for(self, task: AnyTask) -> Iterator[ActiveRun]:
        """Use the run that is going on, else one just for this call."""
        run = cast("ActiveRun | None", context.current_run.get())
        if run is not None:
            yield run
            return
        own = ActiveRun(self.workspace, task.name, "call", self._reporter())
        with own.going():
            yield own

    # ── flows ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_flow(self, flow: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Run a flow and return its value, or its state where ``return_state`` is given.

        An asynchronous flow gives a coroutine, so that ``asyncio.run(flow())`` works as everywhere.
        """
        flow = cast("Flow[..., object]", flow)
        given, wants_state, wait_for = _own_options(kwargs)
        _require_ended_well(wait_for, flow.name)
        if is_async(flow.fn):
            return self._flow_async(flow, args, given, wants_state)
        body = self._flow_body(flow, args, given)
        with body.run.going():
            state = drive(body.effects(), self.workspace.clock)
        return state if wants_state else _value(state)

    async def _flow_async(
        self, flow: Flow[..., object], args: tuple[object, ...], kwargs: dict[str, object], wants_state: bool
    ) -> object:
        body = self._flow_body(flow, args, kwargs)
        with body.run.going():
            state = await drive_async(body.effects())
        return state if wants_state else _value(state)

    def _flow_body(
        self, flow: Flow[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> FlowBody:
        bound = bind(flow.fn, args, kwargs)
        parent = cast("ActiveRun | None", context.current_run.get())
        reporter = parent.reporter if parent else self._reporter()
        run = ActiveRun(
            self.workspace,
            _run_name(flow, bound),
            "flow",
            reporter,
            parent=parent,
            tags=flow.options.tags | context.current_tags.get(),
            parameters={name: _shown(name, value) for name, value in bound.items()},
            arguments={**defaults(flow.fn), **bound},
        )
        if flow.options.log_prints is not None:
            run.log_prints = flow.options.log_prints
        return FlowBody(run, flow, call_arguments(flow.fn, bound))

    def serve(self, deployments: Sequence[object]) -> None:
        """Run deployed flows when they are due, until a signal ends it."""
        self._serve(deployments)

    # ── artifacts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def create_artifact(self, draft: object) -> str:
        """Store an artifact and return its id."""
        if context.current_run.get() is None:
            log.warning("an artifact was created outside a run; it is kept, but belongs to no run")
        return create(self.workspace, cast(Draft, draft))

    def update_progress(self, artifact_id: str, progress: float, description: str | None) -> None:
        """Move a progress artifact on."""
        update_progress(self.workspace, artifact_id, progress, description)


def _own_options(
    kwargs: Mapping[str, object],
) -> tuple[dict[str, object], bool, Iterable[object]]:
    """Take the engine's own keywords out of a call."""
    given = dict(kwargs)
    wants_state = bool(given.pop("return_state", False))
    wait_for = given.pop("wait_for", None)
    if wait_for is None:
        return given, wants_state, ()
    waited = wait_for if isinstance(wait_for, (list, tuple, set)) else (wait_for,)
    return given, wants_state, cast("Iterable[object]", waited)


def _require_ended_well(wait_for: Iterable[object], name: str) -> None:
    for each in wait_for:
        if isinstance(each, TaskFuture):
            each.wait()
        state = each.state if isinstance(each, TaskFuture) else each
        if isinstance(state, State) and not state.is_completed():
            raise UpstreamFailed(f"{name} was not run because an upstream failed", {"problem": state.message})


def _on_a_loop() -> bool:
    import sys

    if "asyncio" not in sys.modules:
        return False
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _value(state: State[object]) -> object:
    """Return a state's value or raise its error, with the user's own frames first."""
    if state.is_completed():
        return state.data
    if isinstance(state.data, BaseException):
        raise state.data
    raise StepFailed(f"It ended in the state {state.name}", {"message": state.message})


def _run_name(flow: Flow[..., object], bound: Mapping[str, object]) -> str:
    named = flow.options.run_name
    if named is None:
        return flow.name
    if callable(named):
        return named()
    try:
        return named.format(**{**defaults(flow.fn), **bound})
    except KeyError:
        return flow.name  # an argument is missing, and calling the function will say so
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        facts = {"flow": f"{flow.name} at {flow.place}", "flow_run_name": named, "problem": error}
        raise InvalidOption("The flow's run name cannot be made from its arguments", facts) from None


_SECRET = re.compile(r"passw|secret|token|credential|api_?key", re.IGNORECASE)


def _shown(name: str, value: object) -> str:
    """Show an argument in the run's record; what its name says is secret is not written anywhere."""
    if _SECRET.search(name):
        return "•••"
    text = repr(value)
    return text if len(text) <= 80 else f"{type(value).__name__}, {len(text):,} characters"
