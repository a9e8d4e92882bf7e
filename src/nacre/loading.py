"""Stored versions by key or name: which asset is meant, and its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.versions_at import KEPT, REMOVED, At, is_moment, version_at
from nacre.errors import CorruptObject, CorruptRecord, NacreError, NotMaterialized, UsageError
from nacre.execute.reading import note_asset
from nacre.execute.workspace import Workspace
from nacre.graph.select import unknown
from nacre.keys import key_name
from nacre.pinning import pin_called
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import short
from nacre.store.records import Output
from nacre.survey.gather import Versions
from nacre.survey.gone import record_gone
from nacre.version.fingerprint import InputVersion

Taken = Callable[[Sequence[tuple[InputVersion, Output]], object], None]


def find_stored(workspace: Workspace, name: str) -> str:
    """Find the key of a stored asset by key or name.

    Raises:
        NotMaterialized: There is none; offers the closest name and says where it looked.
        CorruptRecord: A head cannot be read, and may be of it.
    """
    catalog, env = workspace.catalog, workspace.env
    keys = list(dict.fromkeys(row.asset for row in catalog.heads(env)))
    if name in keys:
        return name
    named = [key for key in keys if key_name(key) == name]
    if len(named) == 1:
        return named[0]
    if named:
        facts = {str(number + 1): key for number, key in enumerate(named)}
        raise NotMaterialized(f"{name!r} could mean several stored assets", facts, "give the key instead")
    catalog.require_readable(env)  # what cannot be read may be of it
    facts = {"looked in": workspace.location, "environment": workspace.env_name}
    if not keys:
        raise NotMaterialized(
            f"Nothing is stored yet, so there is no {name!r}", facts, "build it: nacre build"
        )
    close = unknown(name, [*filter(None, map(key_name, keys)), *keys])
    hint = close.hint or "give a key, or the last part of one without its extension: nacre ls"
    raise NotMaterialized(f"{name!r} is not stored", {**facts, "stored": close.facts["known"]}, hint)


def find_version(workspace: Workspace, row: HeadRow, at: At | None) -> HeadRow | HistoryRow:
    """Find the version of a slot that is meant; the current one where none is named.

    Args:
        workspace: Where it is stored.
        row: What is current.
        at: A number, a digest, a run, a time or a pin; see ``version_at``.

    Raises:
        NotMaterialized: There is no such version.
        UsageError: It could mean several, or nothing at all.
    """
    if at is None:
        return row
    pin = pin_called(workspace, at.strip()) if isinstance(at, str) else None
    is_here = pin is not None and (pin.asset, pin.partition) == (row.asset, row.partition)
    named = {pin.name: (pin.fingerprint, pin.seq, pin.data_version)} if pin is not None and is_here else {}
    rows = workspace.catalog.history(workspace.env, row.asset, row.partition)
    return version_at(rows, at, row.slot, pins=named, runs=workspace.catalog.runs_beginning)


def load_stored(
    workspace: Workspace,
    name: str,
    as_type: object | None = None,
    partition: str = "",
    taken: Taken | None = None,
    at: At | None = None,
) -> object:
    """Load a version of a stored asset, or of one partition; without one, all its partitions as one value.

    Args:
        workspace: Where it is stored.
        name: Its key, or its name.
        as_type: Type to load as.
        partition: One partition of it.
        taken: Told which versions the value is.
        at: Which version; the current one by default. Of a whole asset with partitions, a time or a run.
    """
    rows = workspace.catalog.heads_of(workspace.env, name) if "://" in name else []
    asset = name if rows else find_stored(workspace, name)
    rows = rows or workspace.catalog.heads_of(workspace.env, asset)
    versions = Versions(workspace.records, workspace.catalog, workspace.env)
    is_one = bool(partition) or (len(rows) == 1 and not rows[0].partition)
    if is_one:
        row = next((row for row in rows if row.partition == partition), None)
        if row is None:
            raise not_there(asset, partition, [row.partition for row in rows])
        chosen = {row: find_version(workspace, row, at)}
    else:
        chosen = _whole_at(workspace, [row for row in rows if row.partition], at)
    found = {row: require_output(workspace, versions, row.slot, each) for row, each in chosen.items()}
    if is_one:
        ((row, each),) = chosen.items()
        with naming(row, each):
            value = workspace.contents.read(found[row], as_type)
    else:
        value = workspace.contents.read_whole({row.partition: out for row, out in found.items()}, as_type)
    made = [InputVersion("", row.slot, each.data_version, each.seq) for row, each in chosen.items()]
    for version in made:
        if at is None:  # what is named by its version does not change, so nothing depends on what is current
            note_asset(version)
    if taken is not None:
        taken(list(zip(made, found.values(), strict=True)), value)
    return value


@contextmanager
def naming(current: HeadRow, row: HeadRow | HistoryRow) -> Iterator[None]:
    """Run a block that reads a version; an error names it and, where its bytes are damaged, says what helps.

    Args:
        current: What is current of its slot.
        row: The version that is read.
    """
    try:
        yield
    except NacreError as error:
        error.about("version", f"v{row.seq}")
        is_current = (row.fingerprint, row.data_version) == (current.fingerprint, current.data_version)
        if isinstance(error, CorruptObject) and not (is_current or is_seen_outside(current.slot, row)):
            # Making the asset again gives a new version, and brings an old one back only by chance.
            name = short(current.slot)
            others = (
                f"the other versions: nacre history {name}",
                "what else is damaged: nacre fsck --read-data",
            )
            error.advise((*others, "no other version is affected"))
        raise


def _whole_at(
    workspace: Workspace, rows: Sequence[HeadRow], at: At | None
) -> dict[HeadRow, HeadRow | HistoryRow]:
    """Find the versions of all partitions: the current ones, or those at a time, of the partitions there were then."""
    if at is None:
        return {row: row for row in rows}
    asset = rows[0].asset
    if not is_moment(at):
        facts = {"asset": asset, "partitions": f"{len(rows):,}"}
        hints = ("each partition has versions of its own: say which one", "or name a time, for all of them")
        raise UsageError(
            f"{at!r} names no version of all partitions of {key_name(asset) or asset}", facts, hints
        )
    chosen: dict[HeadRow, HeadRow | HistoryRow] = {}
    missing: NotMaterialized | None = None
    for row in rows:
        try:
            chosen[row] = find_version(workspace, row, at)
        except NotMaterialized as error:
            if REMOVED in error.facts or KEPT in error.facts:
                raise  # there was one then, and without it the whole would be another
            missing = error
    if not chosen and missing is not None:
        raise missing
    return chosen


def not_there(asset: str, partition: str, stored: list[str]) -> NotMaterialized:
    """Make the error of a partition that has no version; says which have."""
    there = [each for each in stored if each]
    facts = {
        "asset": asset,
        "stored": f"{there[0]} to {there[-1]}, {len(there):,} in all" if there else "no partition",
    }
    hint = (
        f"nacre build {key_name(asset) or asset} --partition {partition}"
        if there
        else "leave the partition out"
    )
    return NotMaterialized(f"{partition!r} is not stored", facts, hint)


def require_output(workspace: Workspace, versions: Versions, slot: str, row: HeadRow | HistoryRow) -> Output:
    """Return what the record of a version says of its value.

    Raises:
        NotMaterialized: There is none any more.
        CorruptRecord: It cannot be read.
    """
    output = versions.output(row.fingerprint, slot, row.data_version)
    if output is None:
        gone = record_gone(workspace.location, slot, row.seq)
        if row.fingerprint in versions.damaged:
            raise CorruptRecord(
                f"The record of {short(slot)} v{row.seq} cannot be read", gone.facts, gone.hint
            )
        raise gone
    return output
