"""Shows a run to a person, one line per step, as it becomes durable. Fed by run events; knows no engine."""

from __future__ import annotations

import os
import sys
from typing import TextIO, cast

from nacre.execute.parts import Parts, listed, together
from nacre.keys import key_of, slot
from nacre.plain import plain
from nacre.planning.explain import UNCHANGED, outrun, remedy, sentence, short
from nacre.planning.reason import Cause
from nacre.store.records import StepRecord

GLYPHS = {"built": "✓", "checked": "✓", "reused": "=", "skipped": "-", "failed": "✗"}
_COLOURS = {"built": "32", "checked": "32", "reused": "2", "skipped": "33", "failed": "31"}


class Silent:
    """Shows nothing."""

    def on_event(self, kind: str, body: dict[str, object]) -> None:
        """Ignore the event."""


class Lines:
    """Prints one line per step, and the lines of the log.

    Args:
        stream: Where to; standard error by default, so that a program's own output stays clean.
        indent: Put before each line.
        sums_up: True adds a line at the end of the run, and how to have more reused next time.
    """

    def __init__(self, stream: TextIO | None = None, indent: str = "", *, sums_up: bool = False) -> None:
        self._stream = stream
        self._indent = indent
        self._sums_up = sums_up
        self._open_runs = 0
        self._parts = Parts({})
        self._remedies: dict[str, None] = {}
        self._has_colour: bool | None = None

    def on_event(self, kind: str, body: dict[str, object]) -> None:
        """Print the line that an event deserves, if any."""
        if kind == "step":
            record = body["record"]
            assert isinstance(record, StepRecord)
            if record.assets or record.error:
                self._show(self._parts.add(record))
            line = remedy(record.reason, record.step) if record.reason.cause is Cause.SOURCE else ""
            if line:
                self._remedies[remedy_line(key_of(record.step), line)] = None
        elif kind == "planned":
            self._parts = Parts(cast("dict[str, int]", body["partitions"]))
        elif kind == "reused":
            self._show(self._parts.rest())
            self._print(f"= … and {body['n_steps']:,} more reused")
        elif kind == "run_started":
            self._open_runs += 1
        elif kind == "run_ended":
            self._show(self._parts.rest())
            self._open_runs -= 1
            if self._sums_up and not self._open_runs:
                self._sum_up(body["counts"])
        elif kind == "log":
            mark = "" if body["level"] == "INFO" else f"{str(body['level']).lower()}: "
            self._print(f"  {mark}{body['text']}")

    def _sum_up(self, counts: object) -> None:
        if isinstance(counts, dict) and sum(counts.values()) > 1:
            self._print(summary(counts))
        for line in self._remedies:
            self._print(f"→ {line}")

    def _show(self, groups: list[list[StepRecord]]) -> None:
        for group in groups:
            self._print(self.step_line(group[0]) if len(group) == 1 else self._group_line(group))

    def _group_line(self, group: list[StepRecord]) -> str:
        names = listed([record.partition for record in group])
        return self.step_line(together(group), f"×{len(group)}", f" · {names}")

    def step_line(self, record: StepRecord, version: str = "", more: str = "") -> str:
        """Make the line of one step: glyph, name, time or version, reason."""
        kind = "checked" if record.checked else record.action
        name = self.name_of(record)
        if len(record.assets) > 1:
            name += f" +{len(record.assets) - 1}"
        seconds = duration(record.duration_s) if record.duration_s else ""
        version = version or (f"v{record.seq}" if record.seq else "")
        line = f"{GLYPHS[kind]} {name:<22} {kind:<8} {seconds:>7} {version:>5}  {why(record)}{more}"
        return self._coloured(line.rstrip(), _COLOURS[kind])

    def name_of(self, record: StepRecord) -> str:
        """Name a step: by its first asset, else by its function."""
        return (
            short(slot(record.assets[0], record.partition))
            if record.assets
            else record.step.rsplit(".", 1)[-1]
        )

    def _print(self, line: str) -> None:
        print_line(self._indent + line, self._stream or sys.stderr)

    def _coloured(self, line: str, code: str) -> str:
        if self._has_colour is None:
            stream = self._stream or sys.stderr
            self._has_colour = stream.isatty() and "NO_COLOR" not in os.environ
        return f"\x1b[{code}m{line}\x1b[0m" if self._has_colour else line


def why(record: StepRecord) -> str:
    """Say why a step did what it did, and whether another run was ahead."""
    if record.error:
        return record.error.splitlines()[0]
    return outrun(record.superseded_by, UNCHANGED if record.checked else sentence(record.reason))


def print_line(line: str, stream: TextIO) -> None:
    """Print a line at once; signs that the stream lacks become plain ones instead of escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    is_whole = line.isascii() or encoding.lower().startswith("utf")
    print(line if is_whole else plain(line, encoding), file=stream, flush=True)


def remedy_line(asset: str, option: str) -> str:
    """Say which line to write so that a few fields of a source no longer count as a change."""
    return f'to not count that as a change: @materialize("{asset}", {option})  # from nacre import without'


def duration(seconds: float) -> str:
    """Show a duration as a person reads it: ``12 ms``, ``0.28 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    units = ((86_400, 3_600, "d", "h"), (3_600, 60, "h", "min"), (60, 1, "min", "s"))
    large, small, *names = next(each for each in units if round(seconds) >= each[0])
    n_large, rest = divmod(round(seconds), large)
    return f"{n_large:,} {names[0]} {rest // small} {names[1]}"


def summary(counts: dict[str, int]) -> str:
    """Sum up a run: ``1 checked, 2 reused``."""
    order = ("built", "checked", "reused", "skipped", "failed")
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in order if counts.get(kind)) or "nothing to do"
