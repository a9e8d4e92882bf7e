"""What is stored of one asset: its versions, what each was made of, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import structs

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.lineage import InputRow
from nacre.errors import NotMaterialized, UsageError
from nacre.planning.explain import lineage_unknown, short
from nacre.store.paths import head_path
from nacre.store.records import Action, Head, Output, decode
from nacre.views.session import Session


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an asset-partition, with what its records say.

    Args:
        row: Its entry in the history.
        inputs: The versions it was made from; none for a source.
        action: The record of its recipe; None where it is gone.
        output: What that recipe made for this asset; None where the record is gone.
    """

    row: HistoryRow
    inputs: tuple[InputRow, ...]
    action: Action | None
    output: Output | None

    @property
    def n_rows(self) -> int | None:
        """Rows of a table; None for anything else."""
        return self.output.outline.size if self.output is not None and self.output.outline.columns else None


def history(session: Session, key: str, partition: str = "") -> list[HistoryRow]:
    """List the versions of an asset-partition, newest first."""
    return session.workspace.catalog.history(session.workspace.env, key, partition)


def partitions(session: Session, key: str) -> list[HeadRow]:
    """List what is current of each partition of an asset; one entry where it has none."""
    return [row for row in session.workspace.catalog.heads(session.workspace.env) if row.asset == key]


def describe(session: Session, key: str, row: HistoryRow, partition: str = "") -> Version:
    """Put together what is known of one version."""
    inputs = session.workspace.catalog.inputs(session.workspace.env, key, row.seq, partition)
    return Version(row, tuple(inputs), session.action(row.fingerprint), session.output(row.fingerprint, key))


def choose(rows: Sequence[HistoryRow], key: str, wanted: str | None) -> HistoryRow:
    """Choose a version by what a person calls it: ``v3`` or ``3``; None for the current one.

    Raises:
        UsageError: There is no such version.
    """
    if wanted is None:
        return rows[0]
    number = wanted.lower().removeprefix("v")
    found = next((row for row in rows if str(row.seq) == number), None)
    if found is None:
        there = f"v{rows[-1].seq} to v{rows[0].seq}" if len(rows) > 1 else f"v{rows[0].seq}"
        raise UsageError(
            f"{short(key)} has no version {wanted!r}", {"there is": there}, f"nacre history {short(key)}"
        )
    return found


def require_output(session: Session, key: str, version: Version) -> Output:
    """Return what a version's record says of its value.

    Raises:
        NotMaterialized: The record is gone.
    """
    if version.output is None:
        facts = {"store": session.workspace.location}
        raise NotMaterialized(
            f"The record of {key} v{version.row.seq} is gone", facts, f"nacre build {key} --refresh"
        )
    return version.output


def current_head(session: Session, key: str, partition: str = "") -> Head | None:
    """Return the head of an asset-partition: what is current, where it was published, what steps noted."""
    rows = session.workspace.catalog.heads_of(session.workspace.env, key)
    base = next((row.base for row in rows if row.partition == partition), "")
    path = head_path(base or session.workspace.env, key, partition)
    stored = session.workspace.records.get(path)
    head = decode(stored.data, Head, path) if stored else None
    # What is read through the base is published and held there, not here.
    return structs.replace(head, published=0, mark="", held="") if head is not None and base else head


def metadata(session: Session, key: str, partition: str = "") -> dict[str, str]:
    """Return what steps noted about an asset-partition."""
    head = current_head(session, key, partition)
    return head.metadata if head is not None else {}


def used_by(session: Session, key: str) -> list[str]:
    """List the assets that were made from this one, by key."""
    return sorted(session.workspace.catalog.downstream(session.workspace.env, key))


def unknown_lineage(record: Action | None, parameters: Iterable[str]) -> list[str]:
    """Say which inputs a flow passed as values that came from no asset of it, not even changed on the way.

    Args:
        record: What the version was made from.
        parameters: The parameters that are declared to be assets.
    """
    if record is None:
        return []
    unknown = record.parameters.keys() - {each.parameter for each in record.inputs}
    return [lineage_unknown(name) for name in dict.fromkeys(parameters) if name in unknown]
