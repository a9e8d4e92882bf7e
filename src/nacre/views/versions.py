"""What is stored of one asset: its versions, what each was made of, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.lineage import InputRow
from nacre.catalog.versions_at import pinned_at
from nacre.environments import environments
from nacre.errors import CorruptRecord
from nacre.execute.workspace import Workspace
from nacre.pinning import pins
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import lineage_unknown
from nacre.store.codec import decode
from nacre.store.paths import head_path, past_path
from nacre.store.records import DEFAULT_ENV, Action, Head, Output, Past
from nacre.views.session import Session


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version of an asset, or of one partition of it.

    Args:
        version: Its number.
        at: When it became current.
        run: The run that made it.
        data_version: The digest of its content.
        fingerprint: The digest of its recipe.
        is_current: True for the one that readers get.
        held: The version at which builds leave the asset, such as ``v12``; empty on all others than the current one,
            and where builds go on.
        pins: Names of the pins that keep it.
        again: The first version with the same recipe and content, where it is an earlier one: it became current again.
        reason: What made it current where that was no run: ``rolled back to v3``, ``promoted from dev v2``.
        by: Who did that; empty where that is not known.
    """

    version: int
    at: datetime
    run: str
    data_version: str
    fingerprint: str
    is_current: bool
    held: str = ""
    pins: tuple[str, ...] = ()
    again: int = 0
    reason: str = ""
    by: str = ""

    @property
    def noted(self) -> str:
        """What is special about it, in words: ``rolled back to v1 by ada, held, pinned as good``; empty for nothing."""
        found = [f"v{self.again} again"] if self.again else []
        if self.reason:
            found = [f"{self.reason} by {self.by}" if self.by else self.reason]
        if self.held:
            is_told = self.held == f"v{self.again}" or self.reason.endswith(f" {self.held}")
            found.append("held" if is_told else f"held at {self.held}")
        return ", ".join([*found, *(f"pinned as {name}" for name in self.pins)])


def entries(workspace: Workspace, row: HeadRow) -> list[HistoryEntry]:
    """List the versions of a slot, newest first, with what is held and pinned.

    Args:
        workspace: Where.
        row: What is current.
    """
    found: list[HistoryEntry] = []
    rows = workspace.catalog.history(workspace.env, row.asset, row.partition)
    named: dict[int, list[str]] = {}
    for pin in pins(workspace):
        is_here = (pin.asset, pin.partition) == (row.asset, row.partition)
        if is_here and (kept := pinned_at(rows, pin.fingerprint, pin.seq, pin.data_version)) is not None:
            named.setdefault(kept.seq, []).append(pin.name)
    first = {
        (each.fingerprint, each.data_version): each.seq for each in rows
    }  # newest first, so the oldest stays
    moved = _moved_by_hand(workspace, row)
    for each in rows:
        reason, by = moved.get(each.seq, ("", ""))
        is_current, made = each.seq == row.seq, first[each.fingerprint, each.data_version]
        found.append(
            HistoryEntry(
                each.seq,
                datetime.fromisoformat(each.at),
                each.run,
                each.data_version,
                each.fingerprint,
                is_current,
                row.held if is_current else "",
                tuple(named.get(each.seq, ())),
                made if made != each.seq else 0,
                reason,
                by,
            )
        )
    return found


def _moved_by_hand(workspace: Workspace, row: HeadRow) -> dict[int, tuple[str, str]]:
    """Find the versions that no run made current: number to what did, and who. Only people ask, so no index has it."""
    path = head_path(row.base or workspace.env, row.asset, row.partition)
    earlier = past_path(row.base or workspace.env, row.asset, row.partition, 0).rpartition("/")[0]
    stored = [each for each in (workspace.records.get(path),) if each is not None]
    stored += [
        each for each in workspace.records.scan(f"{earlier}/") if each.path.rpartition("/")[0] == earlier
    ]
    kept: list[Head | Past] = []
    for each in stored:
        with suppress(CorruptRecord):  # the index knows all else
            is_head = each.path == path
            kept.append(decode(each.data, Head, path) if is_head else decode(each.data, Past, each.path))
    return {entry.seq: (entry.reason, entry.by) for part in kept for entry in part.history if entry.reason}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an asset-partition, with what its records say.

    Args:
        row: Its entry in the history.
        inputs: The versions it was made from; none for a source.
        action: The record of its recipe; None where it is gone.
        output: What that recipe made for this asset; None where the record is gone.
    """

    row: HeadRow | HistoryRow
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


def describe(session: Session, key: str, row: HeadRow | HistoryRow, partition: str = "") -> Version:
    """Put together what is known of one version."""
    inputs = session.workspace.catalog.inputs(session.workspace.env, key, row.seq, partition)
    action = session.versions.made(row.fingerprint, key, row.data_version)
    output = session.versions.output(row.fingerprint, key, row.data_version)
    return Version(row, tuple(inputs), action, output)


def current_head(session: Session, key: str, partition: str = "") -> Head | None:
    """Return the head of an asset-partition: what is current, where it was published, what steps noted."""
    rows = session.workspace.catalog.heads_of(session.workspace.env, key)
    base = next((row.base for row in rows if row.partition == partition), "")
    path = head_path(base or session.workspace.env, key, partition)
    stored = session.workspace.records.get(path)
    head = decode(stored.data, Head, path) if stored else None
    # What is read through the base is published and held there, not here.
    return structs.replace(head, published=0, mark="", held="") if head is not None and base else head


def seen_at(session: Session, row: HeadRow) -> str:
    """Say where a file of others lies; empty for whatever is made here."""
    return session.workspace.outside.location(row.slot) if is_seen_outside(row.slot, row) else ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another environment has of its own of a slot: its version, and whether that has the content of ours."""

    env: str
    seq: int
    same: bool


def elsewhere(session: Session, row: HeadRow) -> list[Elsewhere]:
    """List the other environments that have a version of their own of a slot, by name.

    Args:
        session: The project.
        row: What is current here.
    """
    workspace = session.workspace
    are_others = workspace.catalog.environments().keys() - {DEFAULT_ENV}
    found = environments(workspace, session.project.settings) if are_others else []
    here = row.base or workspace.env
    others = [env for env in found if env.n_own and env.folder != here]
    plain = workspace.catalog.over({}) if others else workspace.catalog
    return [
        Elsewhere(env.name, each.seq, each.data_version == row.data_version)
        for env in sorted(others)
        for each in plain.heads_of(env.folder, row.asset)
        if each.partition == row.partition
    ]


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
