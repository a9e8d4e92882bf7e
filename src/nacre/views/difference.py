"""What differs between two versions of an asset: which they are, and what a comparison of their values found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.versions_at import At
from nacre.errors import NotMaterialized, UsageError
from nacre.keys import resolved, slot
from nacre.loading import find_version, naming, require_output
from nacre.planning.explain import short
from nacre.store.formats.comparable import read_comparable
from nacre.values.difference import Difference, difference
from nacre.views.difference_words import told
from nacre.views.session import Session
from nacre.views.versions import describe, history
from nacre.views.words import ago, size

DEFAULT_ROWS = 20
Row = HeadRow | HistoryRow
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions.

    Args:
        version: Its number.
        at: When it became current.
        data_version: The digest of its content.
        run: The run that made it.
        format: How it is stored; empty where its record is gone.
        size_bytes: How large it is.
    """

    version: int
    at: datetime
    data_version: str
    run: str
    format: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DiffResult:
    """What differs between two versions; ``str`` is what ``nacre diff`` prints.

    Args:
        asset: The asset's key.
        partition: Which slice; empty for the whole.
        old: The version that was compared with.
        new: The version that was compared.
        found: What differs, by kind of value; None where the content is the same.
        now: When it was asked.
    """

    asset: str
    partition: str
    old: Side
    new: Side
    found: Difference | None
    now: datetime = field(default=_NEVER, repr=False)

    @property
    def same(self) -> bool:
        """Whether the content is the same."""
        return self.old.data_version == self.new.data_version

    def __str__(self) -> str:
        return "\n".join(text for _, text in self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """Lay the answer out: how to show each line, and its text."""
        made = slot(self.asset, self.partition)
        heading = f"{short(made)} v{self.old.version} → v{self.new.version}  {resolved(made)}"
        lines = [("strong", heading)]
        lines += [("quiet", f"  v{each.version}  {self._about(each)}") for each in (self.old, self.new)]
        return [*lines, *self.told()]

    def told(self) -> list[tuple[str, str]]:
        """Say what differs, without which versions they are."""
        if self.found is None:
            return [("", f"The same content: {self.new.data_version[:12]}")]
        return told(self.found)

    def fields(self) -> dict[str, object]:
        """Give the answer as plain data, for JSON."""
        return {
            "asset": self.asset,
            **({"partition": self.partition} if self.partition else {}),
            **{
                name: {**dataclasses.asdict(side), "at": side.at.isoformat()}
                for name, side in (("old", self.old), ("new", self.new))
            },
            "same": self.same,
            "difference": dataclasses.asdict(self.found) if self.found is not None else None,
        }

    def _about(self, side: Side) -> str:
        stored = f", {side.format}, {size(side.size_bytes)}" if side.format else ""
        return f"made {ago(side.at, self.now)}{stored}"


def compare(
    session: Session,
    asset: str,
    old: At = "",
    new: At = "",
    *,
    partition: str = "",
    key: Sequence[str] = (),
    rows: int = DEFAULT_ROWS,
    most_bytes: int | None = None,
) -> DiffResult:
    """Compare two versions of an asset, or of one partition of it. Imports and runs no code of the user's.

    Args:
        session: The project.
        asset: A key, or a name; ``KEY@v12`` names the new one.
        old: Which version to compare with, in any of the words of ``version_at``; by default the one before the new.
        new: Which version to compare; by default the current one.
        partition: One partition of it.
        key: Columns that tell rows apart, or fields that tell the items of a list apart.
        rows: Rows, parts or lines shown at most.
        most_bytes: Larger values are refused, for whoever must answer soon.

    Returns:
        What differs; where the data versions are equal nothing is read.

    Raises:
        NotMaterialized: Nothing is stored, there is no such version, or its record is gone.
        UsageError: A version could mean several, the key does not fit, or the values are too large.
        CorruptObject: Stored bytes are damaged.
    """
    key_found, at = session.find_at(asset)
    if at and new:
        facts = {"asset": asset, "compared": f"{old} and {new}"}
        raise UsageError("Three versions were named, and two can be compared", facts, "leave one out")
    current = session.current(key_found, partition)
    made, workspace = current.slot, session.workspace
    after = find_version(workspace, current, new or at or None)
    before = find_version(workspace, current, old) if old else _before(session, current, after)
    sides = _side(session, current, before), _side(session, current, after)
    result = DiffResult(current.asset, partition, *sides, None, session.now)
    if result.same:
        return result
    if most_bytes is not None and max(each.size_bytes for each in sides) > most_bytes:
        of = f" --partition {current.partition}" if current.partition else ""
        command = f"nacre diff {short(current.asset)} v{before.seq} v{after.seq}{of}"
        raise UsageError(
            "These versions are too large to be compared here", {"asset": resolved(made)}, command
        )
    outputs = [require_output(workspace, session.versions, made, each) for each in (before, after)]
    with ExitStack() as opened:
        files = []
        for row, output in zip((before, after), outputs, strict=True):
            with naming(current, row):
                files.append(opened.enter_context(workspace.contents.open(output)))
        earlier, later = (
            read_comparable(output.format, file, output.size_bytes)
            for output, file in zip(outputs, files, strict=True)
        )
        found = difference(earlier, later, tuple(dict.fromkeys(key)), rows)
    return dataclasses.replace(result, found=found)


def _before(session: Session, current: HeadRow, after: Row) -> HistoryRow:
    rows = history(session, current.asset, current.partition)
    found = next((row for row in rows if row.seq < after.seq), None)
    if found is None:
        name = short(current.slot)
        hint = f"name both: nacre diff {name} v1 v2" if len(rows) > 1 else "build it again first"
        facts = {"asset": resolved(current.slot), "there is": f"v{rows[0].seq}"}
        raise NotMaterialized(f"There is no version of {name} before v{after.seq}", facts, hint)
    return found


def _side(session: Session, current: HeadRow, row: Row) -> Side:
    output = describe(session, current.asset, row, current.partition).output
    stored = (output.format, output.size_bytes) if output else ("", 0)
    return Side(row.seq, datetime.fromisoformat(row.at), row.data_version, row.run, *stored)
