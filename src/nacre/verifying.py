"""Verifying: reused assets are made once more from their stored inputs and compared with what is stored; none is kept.

What differs is not wholly decided by its code and inputs, or depends on something that nacre does not see.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nacre.builds import Module, Request, make_plan
from nacre.declare.parameters import call_arguments
from nacre.errors import UsageError, said
from nacre.execute.active import ActiveRun
from nacre.execute.arguments import load_arguments
from nacre.execute.effects import Call, Effects, drive
from nacre.execute.made import Made
from nacre.execute.report import Silent
from nacre.execute.run import PlanRun
from nacre.execute.step import Inside, data_version_of, rule_name, split_outputs
from nacre.graph.graph import AnyTask
from nacre.keys import key_of, partition_of, slot
from nacre.planning.decide import Action
from nacre.planning.explain import describe_change, short
from nacre.planning.plan import Plan, Step
from nacre.planning.reason import Cause
from nacre.planning.settings import runs_every_time
from nacre.project import Project
from nacre.values import identify
from nacre.version.outline import compare
from nacre.version.snippet import text_at

DEFAULT_SAMPLE = "5"
_SAMPLE = re.compile(r"(\d+(?:\.\d+)?)(%?)")
_SORT = "sort, or unordered=True"
#: What the text of code mentions where its result may differ from run to run, what that is, and what helps.
_SUSPECTS = (
    (
        r"\brandom\b|\buuid|\bshuffle\b|\bdefault_rng\b|\bsecrets\b",
        "random numbers",
        "give them a fixed seed",
    ),
    (
        r"\bnow\(|\butcnow\(|\btoday\(|\btime\(\)|\bmonotonic\(",
        "the clock",
        "pass the time, or take it from a source",
    ),
    (
        r"\brequests\b|\bhttpx\b|\burllib|\burlopen\b|\baiohttp\b|\bsocket\b",
        "the network",
        "cache_policy=NO_CACHE",
    ),
    (
        r"\bset\(|\blistdir\(|\bglob\(|\biterdir\(|\bas_completed\b",
        "an order that is not fixed",
        "sort, or unordered=True",
    ),
)
_NO_SUSPECT = "random numbers, the clock, the network, or an order that is not fixed"


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of making one asset once more.

    Args:
        asset: Its key.
        partition: Which slice; empty for the whole.
        outcome: ``same``, ``differs`` or ``failed``.
        text: What differs, or the error; empty where it is the same.
        hint: What may be the cause, and what helps; empty where it is the same.
        duration_s: How long its function took.
    """

    asset: str
    partition: str
    outcome: str
    text: str = ""
    hint: str = ""
    duration_s: float = 0.0

    @property
    def name(self) -> str:
        """The asset as a person would name it; one partition of it in brackets."""
        return short(slot(self.asset, self.partition))


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What came of making reused assets once more; nothing was stored.

    Args:
        checked: One entry for each asset that was made once more.
        n_reused: Of how many reused steps the sample was taken.
        seed: What the sample was taken with; the same seed takes the same one.
    """

    checked: tuple[Verified, ...]
    n_reused: int
    seed: int

    @property
    def ok(self) -> bool:
        """True where everything came out as it is stored."""
        return all(each.outcome == "same" for each in self.checked)

    def __str__(self) -> str:
        return "\n".join(f"{each.outcome:<8} {each.name:<24} {each.text}".rstrip() for each in self.checked)


def verify_reused(
    project: Project,
    modules: Sequence[Module],
    select: Sequence[str] = ("*",),
    *,
    sample: str = DEFAULT_SAMPLE,
    seed: int | None = None,
) -> VerifyResult:
    """Make a sample of reused assets once more and compare; runs their functions, and keeps nothing.

    Args:
        project: Where.
        modules: Where the assets are declared.
        select: As for a build.
        sample: How many: a number, a share such as ``1%``, or ``all``.
        seed: Chooses the sample; by default the day.

    Raises:
        UsageError: ``sample`` says no number.
    """
    request = Request(
        tuple(select), tuple(modules), "", reuse_sources=True, is_lenient=tuple(select) == ("*",)
    )
    plan = make_plan(project, request, looks_at_places=False)
    reused = [step for step in plan.steps.values() if _is_reused(step)]
    workspace = project.workspace(creates=False)
    seed = int(f"{workspace.clock.now():%Y%m%d}") if seed is None else seed
    drawn = random.Random(seed).sample(reused, sample_size(sample, len(reused)))
    chosen = {step.key for step in drawn}
    run = ActiveRun(project.scratch(), "verify", "build", Silent())
    run.shared.producers.update(plan.graph.tasks)
    again = Again(run, plan)
    checked = [found for step in reused if step.key in chosen for found in again.make(step)]
    return VerifyResult(tuple(checked), len(reused), seed)


def sample_size(sample: str, n_reused: int) -> int:
    """Say how many of some steps a sample has: at least one, where there are any.

    Raises:
        UsageError: It says no number.
    """
    found = _SAMPLE.fullmatch(sample.strip())
    if sample == "all":
        return n_reused
    if found is None:
        raise UsageError(
            f"A sample is a number or a share, not {sample!r}", {}, "for example --sample 20 or --sample 1%"
        )
    n = float(found[1]) * n_reused / 100 if found[2] else float(found[1])
    return min(n_reused, max(round(n), 1))


def _is_reused(step: Step) -> bool:
    """Say whether a step's result is taken as known, which what looks at the world on every run never claims."""
    is_known = step.action is Action.REUSE and step.decision is not None
    is_held = step.reason.cause is Cause.HELD  # then it need not be what its inputs would make
    return is_known and not is_held and not runs_every_time(step.task.options, step.is_source)


class Again:
    """Makes steps of a plan once more, from what is stored.

    Args:
        run: A run whose workspace forgets what is written.
        plan: The plan that reuses them.
    """

    def __init__(self, run: ActiveRun, plan: Plan) -> None:
        self._run = run
        self._plan = plan
        self._inputs = PlanRun(run, plan)

    def make(self, step: Step) -> list[Verified]:
        """Make one step once more; one entry for each of its assets."""
        workspace, decision = self._run.workspace, step.decision
        assert decision is not None
        stored = self._run.stored.look_up(decision, self._plan.facts.heads)
        start = workspace.clock.monotonic()
        try:
            value = drive(self._called(step), workspace.clock)
            took = workspace.clock.monotonic() - start
            partition = partition_of(step.key) if "#" in step.key else ""
            made = {slot(key, partition): each for key, each in split_outputs(step.task, value).items()}
            return [self._compared(step.task, stored[each], value, took) for each, value in made.items()]
        except Exception as error:  # the boundary to user code
            took = workspace.clock.monotonic() - start
            text = said(error).splitlines()[0]
            return [_verified(each, "failed", text, "it failed now", took) for each in step.assets]

    def _called(self, step: Step) -> Effects[object]:
        """Call the function of a step, once, as a build would; no retries, since a failure is worth seeing."""
        run, task = self._run, step.task
        context = run.start_step(task, step.decision)
        contents, inputs = run.workspace.contents, self._inputs

        def load(made: str, as_type: object | None) -> object:
            # Read afresh for each step: what one does to a value changes nobody else's.
            return contents.read(inputs.made(made).output, as_type)

        def whole(slots: Sequence[str], as_type: object | None) -> object:
            return contents.read_whole(
                {partition_of(each): inputs.made(each).output for each in slots}, as_type
            )

        edges = self._plan.graph.upstream[step.key]
        given = load_arguments(task, context.partition, edges, load, whole)
        args, kwargs = call_arguments(task.fn, given)
        inside = partial(Inside, run, context, log_prints=context.log_prints)
        return (yield Call(task.fn, inside, args, kwargs, task.options.timeout_seconds))

    def _compared(self, task: AnyTask, stored: Made, value: object, took: float) -> Verified:
        output, made = stored.output, stored.version.asset
        data_version = output.data_version
        if output.rule != rule_name(task):
            data_version = data_version_of(task, self._run.workspace.contents.read(output))
        if data_version_of(task, value) == data_version:
            return _verified(made, "same", took=took)
        old, new = output.outline, identify(value).outline
        is_order = bool(old.paths) and sorted(old.paths.values()) == sorted(new.paths.values())
        hint = f"only the order differs: {_SORT}" if is_order else self._suspect(task)
        return _verified(made, "differs", describe_change(compare(old, new), short(made)), hint, took)

    def _suspect(self, task: AnyTask) -> str:
        """Look for what may make the result differ in the text of the code."""
        code = self._run.workspace.code
        for part in code.of(task).parts:
            file, _, line = part.place.rpartition(":")
            text = text_at(code.texts(file), line) if file else ""
            for pattern, what, remedy in _SUSPECTS:
                if re.search(pattern, text):
                    return f"`{part.name}` ({part.place}) uses {what}: {remedy}"
        return f"not decided by code and inputs: {_NO_SUSPECT}"


def _verified(made: str, outcome: str, text: str = "", hint: str = "", took: float = 0.0) -> Verified:
    return Verified(key_of(made), partition_of(made), outcome, text, hint, took)
