"""What a build tells its caller: one entry per asset, with action and reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from nacre.errors import StepFailed
from nacre.keys import resolved, slot
from nacre.planning.explain import UNCHANGED, outrun, sentence, short
from nacre.planning.reason import Reason


class StepResult(NamedTuple):
    """What happened to one asset.

    Args:
        asset: Its key.
        action: ``built``, ``reused``, ``skipped`` or ``failed``.
        cause: Why, as data.
        duration_s: Seconds it took; 0 where nothing ran.
        checked: True for a source that ran and found the content it had before.
        version: The asset's version number now; 0 where there is none, and where what was made did not become one.
        error: What went wrong; empty when nothing did.
        partition: Which slice; empty for the whole.
        further: In a plan, the causes beside the one in ``cause``.
        warnings: What of its code could not be followed; one sentence each.
        forecast_s: In a plan, how long it is expected to take; None where it does not run or was never made.
        forecast_bytes: In a plan, how many bytes it is expected to store.
        superseded_by: The run that was ahead of it, so that what was made is kept and did not become current.
    """

    asset: str
    action: str
    cause: Reason
    duration_s: float = 0.0
    checked: bool = False
    version: int = 0
    error: str = ""
    partition: str = ""
    further: tuple[Reason, ...] = ()
    warnings: tuple[str, ...] = ()
    forecast_s: float | None = None
    forecast_bytes: int | None = None
    superseded_by: str = ""

    @property
    def causes(self) -> tuple[Reason, ...]:
        """Every cause, as data, the one that ``reason`` names first."""
        return (self.cause, *self.further)

    @property
    def slot(self) -> str:
        """What tells it from every other entry: the key, with the partition where it is one."""
        return slot(self.asset, self.partition)

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        if self.checked and not self.cause.new:
            return UNCHANGED
        return sentence(self.cause)

    @property
    def name(self) -> str:
        """The asset as a person would name it; one partition of it in brackets."""
        return short(self.slot)

    def __str__(self) -> str:
        version = f"v{self.version}  " if self.version else ""
        return f"{self.name}  {self.action}  {version}{self.error or outrun(self.superseded_by, self.reason)}"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a build did.

    Args:
        id: The run's id.
        name: What was built.
        steps: One entry per selected asset, upstream before downstream.
        duration_s: Seconds, from survey to the last commit.
        remedies: One-line changes that would let more be reused next time.
        errors: Slot to the exception that ended its step.
    """

    id: str
    name: str
    steps: tuple[StepResult, ...]
    duration_s: float = 0.0
    remedies: tuple[str, ...] = ()
    errors: dict[str, BaseException] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """True when nothing failed."""
        return not self.errors

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the code of its assets could not be followed; each names its asset."""
        return tuple(f"{step.name}: {text}" for step in self.steps for text in step.warnings)

    @property
    def counts(self) -> dict[str, int]:
        """How many assets were built, checked, reused, skipped and failed; absent where none."""
        found: dict[str, int] = {}
        for step in self.steps:
            kind = "checked" if step.checked else step.action
            found[kind] = found.get(kind, 0) + 1
        return found

    def __iter__(self) -> Iterator[StepResult]:
        return iter(self.steps)

    def __getitem__(self, asset: str) -> StepResult:
        for step in self.steps:
            if asset in (step.asset, step.name):
                return step
        raise KeyError(asset)

    def raise_for_failure(self) -> None:
        """Raise when something failed.

        Raises:
            StepFailed: Names the first failed asset; its own exception is chained.
        """
        for made, error in self.errors.items():
            raise StepFailed(f"{short(made)} failed", {"asset": resolved(made), "run": self.id}) from error

    def __str__(self) -> str:
        lines = [
            f"{step.action:<8} {step.name:<24} {outrun(step.superseded_by, step.reason)}"
            for step in self.steps
        ]
        return "\n".join(lines)
