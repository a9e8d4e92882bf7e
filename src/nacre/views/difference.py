"""What differs between two versions of an asset: which they are, and what a comparison of their values found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nacre.catalog.history import HistoryRow
from nacre.catalog.versions_at import At, version_at
from nacre.errors import NotMaterialized
from nacre.keys import resolved, slot
from nacre.planning.explain import short
from nacre.store.records import Output
from nacre.values.difference import Difference
from nacre.views.difference_words import told
from nacre.views.session import Session
from nacre.views.versions import describe, history
from nacre.views.words import ago, size

DEFAULT_ROWS = 20
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
        if self.found is None:
            return [*lines, ("", f"The same content: {self.new.data_version[:12]}")]
        return [*lines, *told(self.found)]

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
) -> DiffResult:
    """Compare two versions of an asset, or of one partition of it. Imports and runs no code of the user's.

    Args:
        session: The project.
        asset: A key, or a name.
        old: Which version to compare with, in any of the words of ``version_at``; by default the one before the new.
        new: Which version to compare; by default the current one.
        partition: One partition of it.
        key: Columns that tell rows apart, or fields that tell the items of a list apart.
        rows: Rows, parts or lines shown at most.

    Returns:
        What differs; where the data versions are equal nothing is read.

    Raises:
        NotMaterialized: Nothing is stored, there is no such version, or its record is gone.
        UsageError: A version could mean several, or the key does not fit.
        CorruptObject: Stored bytes are damaged.
    """
    current = session.current(asset, partition)
    made, found = current.slot, history(session, current.asset, partition)
    after = _chosen(found, new, made)
    before = _chosen(found, old, made) if old else _before(found, after, made)
    (one, old_output), (other, new_output) = (
        _side(session, current.asset, row, partition) for row in (before, after)
    )
    result = DiffResult(current.asset, partition, one, other, None, session.now)
    if result.same:
        return result
    if old_output is None or new_output is None:
        gone = after if new_output is None else before
        raise _forgotten(session, made, gone)
    difference = session.workspace.contents.difference(old_output, new_output, key, rows)
    return dataclasses.replace(result, found=difference)


def _forgotten(session: Session, made: str, row: HistoryRow) -> NotMaterialized:
    facts = {"asset": resolved(made), "store": session.workspace.location}
    hint = f"nacre history {short(made)} lists the others"
    return NotMaterialized(f"The record of {short(made)} v{row.seq} is gone", facts, hint)


def _chosen(rows: Sequence[HistoryRow], at: At, made: str) -> HistoryRow:
    return version_at(rows, at, made) if at else rows[0]


def _before(rows: Sequence[HistoryRow], after: HistoryRow, made: str) -> HistoryRow:
    found = next((row for row in rows if row.seq < after.seq), None)
    if found is None:
        facts = {"asset": resolved(made), "there is": f"v{rows[0].seq}"}
        hint = f"name both: nacre diff {short(made)} v1 v2" if len(rows) > 1 else "build it again first"
        raise NotMaterialized(f"There is no version of {short(made)} before v{after.seq}", facts, hint)
    return found


def _side(session: Session, asset: str, row: HistoryRow, partition: str) -> tuple[Side, Output | None]:
    output = describe(session, asset, row, partition).output
    stored = (output.format, output.size_bytes) if output else ("", 0)
    return Side(row.seq, datetime.fromisoformat(row.at), row.data_version, row.run, *stored), output
