"""The one step runner: load arguments, call the function with retries, store what it returns. For builds and flows.

It is a generator of effects and returns a receipt; it commits nothing and decides nothing.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from nacre import context
from nacre.declare.options import Hook
from nacre.declare.parameters import call_arguments
from nacre.errors import NacreError, OutputMismatch, StepFailed, StepTimedOut, said
from nacre.execute.effects import Call, Effects, Pause, call_back
from nacre.execute.executing import IS_POSSIBLE, listen, rest, unforeseen
from nacre.execute.lost import InputLost
from nacre.execute.made import MISSING
from nacre.execute.prints import Sink, install, print_sink
from nacre.execute.reading import Noted, Reading, begin, current, going
from nacre.execute.state import Completed, Running, State, failed_with
from nacre.execute.workspace import Workspace
from nacre.graph.graph import AnyTask
from nacre.keys import key_of, resolved, slot
from nacre.store.records import Output
from nacre.values import identify, unordered_version
from nacre.version.fingerprint import InputVersion

log = logging.getLogger(__name__)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _no_output(made: str, data_version: str) -> Output | None:
    return None


class StepRun(msgspec.Struct):
    """One step while it runs; what user code sees as the running task.

    Args:
        task: What runs.
        id: Attempt id: unique to this execution.
        run: The run it belongs to.
        started_at: Aware UTC.
        log_prints: True where prints become log lines.
        previous: Slot to its current stored content, so that unchanged content is not written again.
        earlier: Finds content among the versions before the current one, by slot and data version.
        caller: The step whose function called this one, if any.
        fingerprint: Of the recipe it makes; empty for a plain task that is not reused.
        partition: Which slice it makes; empty for the whole.
        inputs: The versions it reads, by slot.
        readings: What notes what it reads besides: its own first, then those of the steps that called it.
        takes: Gives what it wrote to a place itself; None where it could not have.
    """

    task: AnyTask
    id: str
    run: context.RunContext
    started_at: datetime
    log_prints: bool = False
    previous: Mapping[str, Output] = msgspec.field(default_factory=dict)
    earlier: Callable[[str, str], Output | None] = _no_output
    caller: context.StepContext | None = None
    fingerprint: str = ""
    partition: str = ""
    inputs: Sequence[InputVersion] = ()
    readings: tuple[Reading, ...] = ()
    takes: Takes | None = None
    run_count: int = 0
    metadata: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The task's name, or what ``task_run_name`` makes of it."""
        named = self.task.options.run_name
        return str(named()) if callable(named) else named or self.task.name

    @property
    def assets(self) -> Sequence[str]:
        """Keys of the assets it materializes."""
        return [asset.key for asset in self.task.assets]

    @property
    def key(self) -> str:
        """The slot of the step."""
        return slot(self.task.key, self.partition)

    @property
    def tags(self) -> frozenset[str]:
        """The task's tags and the run's."""
        return self.task.options.tags | self.run.tags

    def add_metadata(self, asset: str, metadata: Mapping[str, object]) -> None:
        """Attach metadata to the version being materialized; later wins."""
        if asset not in self.assets:
            made = ", ".join(self.assets) or "no asset"
            raise ValueError(f"{self.task.name} materializes {made}, so it cannot add metadata to {asset!r}")
        try:
            msgspec.json.encode(dict(metadata))
        except (TypeError, ValueError) as error:
            raise TypeError(f"the metadata of {asset} must be JSON-able: {error}") from None
        self.metadata.setdefault(asset, {}).update(metadata)

    def log(self, level: int, text: str) -> None:
        """Record one line of the step's log."""
        self.run.log(level, text)


class Elsewhere(enum.Enum):
    """What another run has to do with a step of ours."""

    #: It is making it.
    GOING = "going"
    #: It made it while ours waited.
    MADE = "made"


Takes = Callable[[StepRun, str], "Output | None"]
"""Gives what a step wrote to the place of one of its slots itself; None where it wrote nothing."""


class Receipt(NamedTuple):
    """What came of a step.

    Args:
        key: The step.
        attempt: Its attempt id.
        started_at: Aware UTC.
        duration_s: Seconds, retries and storing included.
        attempts: How often the function was called.
        value: What the function returned.
        values: Slot to value.
        digests: Slot to the content of its whole value.
        outputs: Slot to what was stored.
        metadata: Asset key to what the function attached.
        reads: What it read besides its inputs, as it was.
        error: Why nothing was made.
        elsewhere: Where another run has it; then nothing was called.
    """

    key: str
    attempt: str
    started_at: datetime
    duration_s: float
    attempts: int
    value: object = None
    values: Mapping[str, object] = _NOTHING
    digests: Mapping[str, str] = _NOTHING
    outputs: Mapping[str, Output] = _NOTHING
    metadata: Mapping[str, Mapping[str, object]] = _NOTHING
    reads: tuple[Noted, ...] = ()
    error: BaseException | None = None
    elsewhere: Elsewhere | None = None


def run_step(
    step: StepRun, arguments: Callable[[], Mapping[str, object]], workspace: Workspace
) -> Effects[Receipt]:
    """Run one step to its receipt; never raises what the user's function raised, except to stop the process.

    Args:
        step: What runs.
        arguments: Loads the bound arguments, in the thread that runs the step.
        workspace: Where values go.

    Returns:
        The receipt, after the effects were done.
    """
    start = workspace.clock.monotonic()
    value: object = None
    values: dict[str, object] = {}
    outputs: dict[str, Output] = {}
    digests: dict[str, str] = {}
    error: BaseException | None = None
    reads: tuple[Noted, ...] = ()
    try:
        bound = arguments()
        _run_hooks(step, step.task.options.on_running, Running)
        value = yield from _attempts(step, bound)
        if step.readings:
            own = step.readings[0]
            sources = _unforeseen(step, workspace) if own.executed else ()
            reads = tuple(own.noted(step.task.fn, workspace.reads.digest, sources))
        for key, each in split_outputs(step.task, value, takes_none=step.takes is not None).items():
            made = slot(key, step.partition)
            written = step.takes(step, made) if each is None and step.takes is not None else None
            if written is not None:
                values[made], digests[made], outputs[made] = MISSING, "", _ruled(step, written, workspace)
                continue
            if value is None and len(step.task.assets) > 1:
                split_outputs(step.task, value)  # which says that this is no value for each
            values[made] = each
            output, digests[made] = _store(step, made, each, workspace)
            if output.is_by_key != isinstance(value, Mapping) and len(step.task.assets) > 1:
                output = replace(output, is_by_key=not output.is_by_key)
            outputs[made] = output
        _run_hooks(step, step.task.options.on_completion, lambda: Completed(data=value))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except InputLost as lost:  # nothing of the step ran: it begins once more when its input is whole
        error = lost
    except BaseException as raised:  # the boundary to user code: the receipt carries it
        error = _left(step, raised) if isinstance(raised, SystemExit) else raised
        outputs = {}
        failure = failed_with(error)
        _run_hooks(step, step.task.options.on_failure, lambda: failure)
    return Receipt(
        key=step.key,
        attempt=step.id,
        started_at=step.started_at,
        duration_s=workspace.clock.monotonic() - start,
        attempts=step.run_count,
        value=value,
        values=values,
        digests=digests,
        outputs=outputs,
        metadata=step.metadata,
        reads=reads,
        error=error,
    )


def _unforeseen(step: StepRun, workspace: Workspace) -> Iterator[str]:
    """List the source files of what the step ran and its code version does not cover."""
    executed = step.readings[0].executed.values()
    return unforeseen(executed, workspace.root, lambda: workspace.code.of(step.task).parts)


def _left(step: StepRun, raised: SystemExit) -> StepFailed:
    """Make the error of a function that tried to end the process: one step does not end the others."""
    error = StepFailed(
        f"{step.task.name} tried to end the process: sys.exit({raised.code!r})",
        {"function": f"{step.task.name} at {step.task.place}"},
        "raise an exception instead; a program that exits by itself is run with subprocess",
    )
    error.__cause__ = raised
    return error


def _attempts(step: StepRun, bound: Mapping[str, object]) -> Effects[object]:
    """Call the function until it returns, its retries are used up, or its condition says no."""
    options = step.task.options
    args, kwargs = call_arguments(step.task.fn, bound)
    inside = partial(Inside, step.run, step, log_prints=step.log_prints)
    call = Call(step.task.fn, inside, args, kwargs, options.timeout_seconds)
    while True:
        step.run_count += 1
        try:
            return (yield call)
        except Exception as error:
            if step.run_count > options.retries or not _wants_retry(step, error):
                raise
            from random import random

            delay = retry_delay(step, random)
            what = "timed out" if isinstance(error, StepTimedOut) else f"raised {said(error)}"
            step.log(
                logging.WARNING,
                f"{step.task.name} {what}; try {step.run_count + 1} of {options.retries + 1} in {delay:g} s",
            )
        yield Pause(delay)


def _wants_retry(step: StepRun, error: Exception) -> bool:
    condition = step.task.options.retry_condition_fn
    if condition is None:
        return True
    try:
        return bool(call_back(condition, step.task, step, failed_with(error)))
    except Exception:  # as in Prefect: a condition that fails means no
        log.warning("retry_condition_fn of %s failed; not retried", step.task.name, exc_info=True)
        return False


def retry_delay(step: StepRun, draw: Callable[[], float]) -> float:
    """Seconds to wait before the next attempt: the configured delay, lengthened by up to the jitter factor."""
    options = step.task.options
    delays = options.retry_delay_seconds
    if callable(delays):
        delays = tuple(delays(options.retries))
    if delays is None:
        return 0.0
    if isinstance(delays, (int, float)):
        delay = float(delays)
    else:
        delay = float(delays[min(step.run_count, len(delays)) - 1]) if delays else 0.0
    return delay * (1 + (options.retry_jitter_factor or 0.0) * draw())


def calling_steps() -> Iterator[StepRun]:
    """Walk from the step that is executing here to the one that called it, and on."""
    step = context.current_step.get()
    while isinstance(step, StepRun):
        yield step
        step = step.caller


def split_outputs(task: AnyTask, value: object, *, takes_none: bool = False) -> dict[str, object]:
    """Give each asset of a task its part of what the function returned.

    Args:
        task: The task.
        value: What its function returned.
        takes_none: True where ``None`` may say that it wrote all of them itself.

    Raises:
        OutputMismatch: There is not one value for each asset.
    """
    keys = [asset.key for asset in task.assets]
    if len(keys) <= 1 or (value is None and takes_none):
        return dict.fromkeys(keys, value)
    if isinstance(value, Mapping) and set(value) == set(keys):
        return {key: value[key] for key in keys}
    if isinstance(value, (tuple, list)) and len(value) == len(keys):
        return dict(zip(keys, value, strict=True))
    got = (
        f"{type(value).__name__} of {len(value)}"
        if isinstance(value, (tuple, list))
        else type(value).__name__
    )
    facts = {"function": f"{task.name} at {task.place}", "assets": "\n".join(keys), "returned": got}
    hint = f"return a tuple of {len(keys)} values in this order, or a mapping with these keys"
    raise OutputMismatch(f"{task.name} must return one value for each of its {len(keys)} assets", facts, hint)


def data_version_of(task: AnyTask, value: object) -> str:
    """Digest what counts as a value's content, by the task's own rule where it has one."""
    rule = task.options.data_version
    counts = value if rule is None else rule(value)
    return unordered_version(counts) if task.options.unordered else identify(counts).digest


def rule_name(task: AnyTask) -> str:
    """Name a task's data version rule; empty where it has none."""
    rule = task.options.data_version
    name = "" if rule is None else getattr(rule, "__qualname__", None) or repr(rule)
    return f"{name} unordered".lstrip() if task.options.unordered else name


def _store(step: StepRun, made: str, value: object, workspace: Workspace) -> tuple[Output, str]:
    """Store one value; returns what the record keeps of it, and the digest of the whole value."""
    task = step.task
    try:
        identity = identify(value)
        rule = rule_name(task)
        data_version = data_version_of(task, value) if rule else identity.digest
        before = step.previous.get(made)
        # Equal content is not written again: the new record points at the bytes that are there.
        if before is not None and _is_unchanged(task, before, data_version, workspace):
            if workspace.contents.is_there(before):
                return before, identity.digest
        else:
            same = step.earlier(made, data_version) if before is not None else None
            if same is not None and same.rule == rule:
                return same, identity.digest
        return workspace.contents.write(key_of(made), value, identity, data_version, rule), identity.digest
    except NacreError as error:
        error.about("asset", resolved(made))
        raise


def _ruled(step: StepRun, written: Output, workspace: Workspace) -> Output:
    """Let the task's own rule say what counts of a file that it wrote itself; it is given the path of a copy."""
    if step.task.options.data_version is None or written.rule == rule_name(step.task):
        return written
    from pathlib import Path  # late: only who writes files pays for it

    counts = data_version_of(step.task, workspace.contents.read(written, Path))
    return replace(written, data_version=counts, rule=rule_name(step.task))


def _is_unchanged(task: AnyTask, before: Output, data_version: str, workspace: Workspace) -> bool:
    """Say whether the current version has the same content, by the rule that holds now.

    Where the rule is another one than when it was stored, the stored value is looked at again, so that writing
    ``data_version=`` does not by itself count as a change.
    """
    if before.rule == rule_name(task) or before.data_version == data_version:
        return before.data_version == data_version
    try:
        return data_version_of(task, workspace.contents.read(before)) == data_version
    except Exception:  # damaged, or of a shape the rule does not know: then it is simply not the same
        return False


def _run_hooks(step: StepRun, hooks: Sequence[Hook], state: Callable[[], State[object]]) -> None:
    for hook in hooks:
        try:
            call_back(hook, step.task, step, state())
        except Exception:  # as in Prefect: a failing hook never fails the run
            log.warning(
                "hook %s of %s failed", getattr(hook, "__name__", hook), step.task.name, exc_info=True
            )


class Inside:
    """The context of user code: the run, the step if there is one, and where prints go.

    Args:
        run: The run it belongs to.
        step: The step whose function it is; None for a flow's own.
        log_prints: True where prints become log lines.
    """

    __slots__ = ("_log_prints", "_run", "_step", "_tokens")

    def __init__(self, run: context.RunContext, step: StepRun | None, *, log_prints: bool) -> None:
        self._run = run
        self._step = step
        self._log_prints = log_prints

    def __enter__(self) -> None:
        sink: Sink | None = None
        if self._log_prints:
            install()
            sink = self._log_print
        readings = self._step.readings if self._step is not None else ()
        if readings:
            begin(readings[0])
            if IS_POSSIBLE:
                listen()
        self._tokens = (
            context.current_run.set(self._run),
            context.current_step.set(self._step),
            print_sink.set(sink),
            current.set(readings),
        )

    def __exit__(self, *error: object) -> None:
        run, step, sink, readings = self._tokens
        current.reset(readings)
        context.current_run.reset(run)
        context.current_step.reset(step)
        print_sink.reset(sink)
        if self._step is not None and self._step.readings:
            going.discard(self._step.readings[0])
            if IS_POSSIBLE:
                rest()

    def _log_print(self, line: str) -> None:
        (self._step or self._run).log(logging.INFO, line)
