"""One run as a person looks at it, while it goes on and afterwards: its steps, its log, its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from nacre.catalog.history import RunRow
from nacre.errors import StoreError
from nacre.execute.process import lives
from nacre.store.codec import decode
from nacre.store.paths import run_path
from nacre.store.records import Run, StepRecord
from nacre.views.session import Session

T = TypeVar("T")

#: A run without an end that said nothing for so long was most likely killed.
SILENT = timedelta(hours=1)
_MAX_LOG_BYTES = 4 << 20


class LogLine(msgspec.Struct, frozen=True):
    """One line of a run's log; ``at`` is ISO 8601 text in UTC."""

    text: str
    level: str = "INFO"
    at: str = ""


class _StepEvent(msgspec.Struct, frozen=True):
    record: StepRecord


@dataclass(frozen=True, slots=True)
class RunView:
    """One run.

    Args:
        row: What the catalog says of it.
        state: Its state; ``running``, ``killed``, or ``no end recorded`` where it most likely was.
        steps: Its steps in the order they were settled; while it goes on, those so far.
        log: Its log, oldest line first.
        parameters: What a flow was called with.
        tags: What it was tagged with.
    """

    row: RunRow
    state: str
    steps: tuple[StepRecord, ...]
    log: tuple[LogLine, ...]
    parameters: dict[str, str]
    tags: tuple[str, ...]


_decode_line = msgspec.json.Decoder(LogLine).decode
_decode_step = msgspec.json.Decoder(_StepEvent).decode


def view_run(session: Session, id: str) -> RunView | None:
    """Put one run together; None where there is none of that id."""
    row = session.workspace.catalog.run(id)
    if row is None:
        return None
    events = session.workspace.catalog.events(row.id) if row.ended_at is None else []
    steps = session.workspace.catalog.steps(row.id) if row.ended_at is not None else []
    steps += [
        event.record
        for event in _decoded(_decode_step, (each.body for each in events if each.kind == "step"))
    ]
    lines: Iterable[str | bytes] = (
        _stored_log(session, row.id)
        if row.ended_at is not None
        else (each.body for each in events if each.kind == "log")
    )
    path = run_path(row.id)
    stored = session.workspace.records.get(path)
    record = decode(stored.data, Run, path) if stored else None
    return RunView(
        row,
        state_of(session, row),
        tuple(steps),
        tuple(_decoded(_decode_line, lines)),
        record.parameters if record else {},
        record.tags if record else (),
    )


def state_of(session: Session, row: RunRow) -> str:
    """Say how a run stands.

    Of one without an end its process is looked up; where that is not of this machine, when it last said something.
    """
    if row.ended_at is not None:
        return row.state
    path = run_path(row.id)
    stored = session.workspace.records.get(path)
    is_going = lives(decode(stored.data, Run, path).process) if stored else None
    if is_going is not None:
        return "running" if is_going else "killed"
    events = session.workspace.catalog.events(row.id)
    last = datetime.fromisoformat(events[-1].at if events else row.started_at)
    return "running" if session.now - last < SILENT else "no end recorded"


def _stored_log(session: Session, run: str) -> list[bytes]:
    try:
        with session.workspace.contents.objects.get(f"logs/{run}") as source:
            return source.read(_MAX_LOG_BYTES).splitlines()
    except (FileNotFoundError, StoreError, ValueError):
        return []  # nothing was logged, or it is gone: the run can be shown without


def _decoded(decode: Callable[[str | bytes], T], lines: Iterable[str | bytes]) -> list[T]:
    found = []
    for line in lines:
        try:
            found.append(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # a line cut short; the others are whole
    return found
