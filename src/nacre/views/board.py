"""Every asset of a project on one board: how it stands, its age, what it is made from, what needs a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from nacre.catalog.history import HeadRow
from nacre.store.records import StepRecord
from nacre.views.changed import Because
from nacre.views.session import Session
from nacre.views.standing import Standing
from nacre.views.words import count, held_at, names_of

#: How many of the last runs are looked through for failures.
_LAST_RUNS = 20
#: States that a person should look at, the most pressing first.
PRESSING = ("failed", "stale", "new", "held")


@dataclass(frozen=True, slots=True)
class Told:
    """What another process that imported the modules says of one asset.

    Args:
        asset: Its key.
        state: As in ``Standing``.
        reason: Why.
        upstream: What it is declared to be made from.
        version: The version it looked at; None for none.
        size_bytes: Of that version.
        rows: Of that version, where it is a table.
        partitions: How many partitions stand how; empty where it has none.
        because: Every cause why it is stale, with what differs.
        warnings: What of its code could not be followed.
    """

    asset: str
    state: str
    reason: str
    upstream: tuple[str, ...] = ()
    version: int | None = None
    size_bytes: int | None = None
    rows: int | None = None
    partitions: Mapping[str, int] = field(default_factory=dict)
    because: tuple[Because, ...] = ()
    warnings: tuple[str, ...] = ()


_decode_told = msgspec.json.Decoder(Told).decode


def read_told(lines: Iterable[bytes]) -> Iterator[Told]:
    """Read what ``nacre ls --json`` printed; the user's modules may print lines of their own among it."""
    for line in lines:
        try:
            yield _decode_told(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


@dataclass(frozen=True, slots=True)
class Failure:
    """The last attempt to make an asset, which failed: the run and what the step said."""

    run: str
    step: StepRecord

    @property
    def reason(self) -> str:
        """The error's first line, after the partition where it is of one."""
        error = self.step.error.splitlines()[0] if self.step.error else "failed"
        return f"{self.step.partition}: {error}" if self.step.partition else error


@dataclass(frozen=True, slots=True)
class Tile:
    """One asset on the board.

    Args:
        asset: Its key.
        name: What to call it where the whole board is shown.
        state: As in ``Standing``, or ``failed`` where the last attempt to make it did.
        reason: Why, in one sentence; empty while nobody has told.
        head: What is current; None where nothing is. Of several partitions, the newest.
        upstream: What it is made from: as declared, else as recorded.
        told: What another process said of it; None while none has.
        failure: The last attempt, where it failed.
        n_partitions: How many partitions it has; 0 where it has none.
    """

    asset: str
    name: str
    state: str
    reason: str
    head: HeadRow | None
    upstream: tuple[str, ...]
    told: Told | None = None
    failure: Failure | None = None
    n_partitions: int = 0

    def slices(self) -> str:
        """Say how many partitions it has, and how many of them stand as it does where others do not; empty for none."""
        stands = self.told.partitions if self.told else {}
        total = max(sum(stands.values()), self.n_partitions)
        alike = stands.get(self.state, total)
        return f"{alike:,} of {total:,}" if alike < total else count(total, "partition") if total else ""


def board(session: Session, told: Sequence[Told]) -> dict[str, Tile]:
    """Put all assets on the board, upstream before downstream where that is known.

    Args:
        session: The project.
        told: What a process that imported the modules found; empty while it has not.

    Returns:
        Key to tile. What was made since the other process looked is shown as stored.
    """
    heads: dict[str, list[HeadRow]] = {}
    for row in session.workspace.catalog.heads(session.workspace.env):
        heads.setdefault(row.asset, []).append(row)
    recorded: dict[str, list[str]] = {}
    for upstream, downstream in session.workspace.catalog.edges(session.workspace.env):
        recorded.setdefault(downstream, []).append(upstream)
    said = {each.asset: each for each in told}
    keys = [*said, *(key for key in heads if key not in said)]
    names, failed = names_of(keys), failures(session)
    return {
        key: _tile(key, names[key], said.get(key), heads.get(key, []), recorded.get(key, []), failed)
        for key in keys
    }


def _tile(
    key: str,
    name: str,
    told: Told | None,
    rows: Sequence[HeadRow],
    recorded: Sequence[str],
    failed: Mapping[str, Failure],
) -> Tile:
    head = max(rows, key=lambda row: row.at, default=None)
    upstream = (told.upstream if told else ()) or tuple(recorded)
    failure = failed.get(key)
    state, reason = _standing(told, head)
    if failure is not None:
        state, reason = "failed", failure.reason
    n_partitions = sum(bool(row.partition) for row in rows)
    return Tile(key, name, state, reason, head, upstream, told, failure, n_partitions)


def _standing(told: Told | None, head: HeadRow | None) -> tuple[str, str]:
    if head is not None and head.held:  # known here, whatever the other process saw
        return "held", held_at(head)
    if told is None:
        return "stored", ""
    if not (head and head.partition) and told.version != (head.seq if head else None):
        return "stored", "made since it was last looked at"
    return told.state, told.reason


def pressing(tiles: Mapping[str, Tile]) -> list[Tile]:
    """List what a person should look at, the most pressing first."""
    return [tile for state in PRESSING for tile in tiles.values() if tile.state == state]


def failures(session: Session) -> dict[str, Failure]:
    """Find the assets whose last attempt failed, by key; looks through the last runs only."""
    runs = session.workspace.catalog.runs(_LAST_RUNS)
    if not any(run.counts.get("failed") for run in runs):
        return {}
    found: dict[str, Failure] = {}
    settled: set[tuple[str, str]] = set()
    for run in runs:  # newest first
        for step in session.workspace.catalog.steps(run.id):
            if step.action == "skipped":
                continue
            for asset in step.assets:
                if step.action == "failed" and (asset, step.partition) not in settled:
                    found.setdefault(asset, Failure(run.id, step))
                settled.add((asset, step.partition))
    return found


def with_failures(session: Session, listed: Iterable[Standing]) -> list[Standing]:
    """Say ``failed``, and why, of the assets whose last attempt failed; the others stand as they do."""
    failed = failures(session)
    return [
        replace(each, state="failed", reason=failed[each.asset].reason) if each.asset in failed else each
        for each in listed
    ]


def failures_mark(session: Session) -> str:
    """A text that differs when other assets may have failed; the same while nothing does."""
    runs = session.workspace.catalog.runs(_LAST_RUNS)
    has_failed = any(run.counts.get("failed") for run in runs)
    return f"{runs[0].id} {runs[0].ended_at}" if has_failed else ""
