"""Shows a run while it goes on: one line per step, or one JSON object. What failed is written up at the end."""

from __future__ import annotations

import sys

from nacre.cli.layout import fit, print_json
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.execute.report import Lines, duration
from nacre.execute.result import StepResult
from nacre.keys import slot
from nacre.store.records import StepRecord


class StepLines(Lines):
    """Prints the rows of ``Lines``, cut to the terminal; keeps what failed for the end, where it is shown once.

    Args:
        err: True where the rows go to standard error.
    """

    def __init__(self, *, err: bool = False) -> None:
        super().__init__(sys.stderr if err else sys.stdout)
        self._err = err
        self.run = ""
        self.failed: list[str] = []
        self.counts: dict[str, int] = {}
        #: Key to the name shown; set where it is known which assets may come.
        self.names: dict[str, str] = {}

    @property
    def remedies(self) -> tuple[str, ...]:
        """One-line changes that would let more be reused next time."""
        return tuple(self._remedies)

    def on_event(self, kind: str, body: dict[str, object]) -> None:
        """Print the line that an event deserves, if any."""
        self.run = self.run or str(body.get("run", ""))
        if kind != "step":
            super().on_event(kind, body)
            return
        record = body["record"]
        assert isinstance(record, StepRecord)
        action = "checked" if record.checked else record.action
        self.counts[action] = self.counts.get(action, 0) + 1
        if action == "skipped":
            return
        if action != "failed":
            super().on_event(kind, body)
            return
        name = self.name_of(record)
        self.failed.append(name)
        line = f"✗ {name:<22} {'failed':<8} {duration(record.duration_s):>7}         see below"
        echo(paint(line, "failed", err=self._err), err=self._err)

    def name_of(self, record: StepRecord) -> str:
        """Name a step so that no other step of the run has the same name."""
        name = self.names.get(record.assets[0]) if record.assets else None
        if name and record.partition:
            return f"{name}[{record.partition}]"
        return name or super().name_of(record)

    def _coloured(self, line: str, code: str) -> str:
        stream = sys.stderr if self._err else sys.stdout
        return super()._coloured(fit(line) if stream.isatty() else line, code)


class StepObjects:
    """Prints a step as a JSON object, when it is durable. Fields: docs/reference/cli.md."""

    def __init__(self) -> None:
        self.run = ""
        self.seen: set[str] = set()

    def on_event(self, kind: str, body: dict[str, object]) -> None:
        """Print the step of an event, if it is one."""
        self.run = self.run or str(body.get("run", ""))
        if kind == "step":
            record = body["record"]
            assert isinstance(record, StepRecord)
            for asset in record.assets:
                self.seen.add(slot(asset, record.partition))
                _print_step(
                    StepResult(
                        asset,
                        record.action,
                        record.reason,
                        record.duration_s,
                        record.checked,
                        record.seq,
                        record.error,
                        record.partition,
                        superseded_by=record.superseded_by,
                    )
                )

    def print_rest(self, steps: tuple[StepResult, ...]) -> None:
        """Print the steps that no event told of, since there were too many that are reused."""
        for step in steps:
            if step.slot not in self.seen:
                _print_step(step)


def _print_step(step: StepResult) -> None:
    print_json(
        {
            "event": "step",
            "asset": step.asset,
            **({"partition": step.partition} if step.partition else {}),
            "action": "checked" if step.checked else step.action,
            "reason": step.reason,
            "duration_s": step.duration_s,
            "version": step.version,
            "error": step.error,
            "superseded_by": step.superseded_by,
        }
    )
