"""The function of a flow, run with the flow's retries, time-out and prints; its tasks are calls inside the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from nacre.declare.flow import Flow
from nacre.declare.options import Hook
from nacre.declare.parameters import annotation
from nacre.errors import InvalidOption
from nacre.execute.active import ActiveRun
from nacre.execute.effects import Call, Effects, Pause, call_back
from nacre.execute.futures import TaskFuture
from nacre.execute.state import Completed, Running, State, failed_with
from nacre.execute.step import Inside

log = logging.getLogger(__name__)


class FlowBody:
    """One run of a flow's function.

    Args:
        run: The run, not yet begun.
        flow: The flow.
        arguments: Positional and keyword arguments of its function.
    """

    def __init__(
        self,
        run: ActiveRun,
        flow: Flow[..., object],
        arguments: tuple[tuple[object, ...], dict[str, object]],
    ) -> None:
        self.run = run
        self._flow = flow
        args, kwargs = arguments
        self._args = args
        self._kwargs = self._coerced(kwargs) if flow.options.validate_parameters else kwargs
        run.arguments.update(self._kwargs)

    def effects(self) -> Effects[State[object]]:
        """Run the function; ends in the flow's final state and never raises what user code raised."""
        options = self._flow.options
        self._run_hooks(options.on_running, Running())
        inside = partial(Inside, self.run, None, log_prints=self.run.log_prints)
        call = Call(self._flow.fn, inside, self._args, self._kwargs, options.timeout_seconds)
        n_calls = 0
        while True:
            n_calls += 1
            try:
                state = _final((yield call))
            except Exception as error:  # the boundary to user code: the state carries it
                state = failed_with(error)
            if state.is_completed() or n_calls > options.retries:
                break
            delay = options.retry_delay_seconds
            seconds = float(delay) if isinstance(delay, (int, float)) else 0.0
            self.run.log(logging.WARNING, f"{self._flow.name} failed; try {n_calls + 1} in {seconds:g} s")
            yield Pause(seconds)
        if not state.is_completed():
            self.run.error = (
                state.data if isinstance(state.data, BaseException) else RuntimeError(state.message)
            )
        self._run_hooks(options.on_completion if self.run.error is None else options.on_failure, state)
        return state

    def _coerced(self, kwargs: dict[str, object]) -> dict[str, object]:
        """Convert arguments to what their annotations ask for, as Prefect does; what fits is left alone."""
        return {name: _coerce(self._flow, name, value) for name, value in kwargs.items()}

    def _run_hooks(self, hooks: Sequence[Hook], state: State[object]) -> None:
        for hook in hooks:
            try:
                call_back(hook, self._flow, self.run, state)
            except Exception:  # as in Prefect: a failing hook never fails the run
                log.warning("hook %s of %s failed", hook, self._flow.name, exc_info=True)


def _coerce(flow: Flow[..., object], name: str, value: object) -> object:
    wanted = annotation(flow.fn, name)
    if (
        wanted is None
        or isinstance(value, TaskFuture)
        or not isinstance(value, (str, int, float, bool, list, dict))
    ):
        return value
    if isinstance(wanted, type) and isinstance(value, wanted):
        return value
    import msgspec

    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        facts = {"flow": f"{flow.name} at {flow.place}", "parameter": f"{name}: {wanted}", "problem": error}
        raise InvalidOption(
            f"Flow {flow.name} was called with an argument of the wrong type", facts
        ) from None
    except TypeError:
        return value  # an annotation that msgspec does not know: Python would not check it either


def _final(value: object) -> State[object]:
    """Turn what a flow's function returned into its final state."""
    if isinstance(value, TaskFuture):
        value.wait()
        return value.state
    if isinstance(value, State):
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, (State, TaskFuture)) for v in value):
        states = [_final(each) for each in value]
        failed = [state for state in states if not state.is_completed()]
        return failed[0] if failed else Completed("All states completed.", [state.data for state in states])
    return Completed(data=value)
