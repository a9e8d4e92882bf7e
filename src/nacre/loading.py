"""Stored versions by key or name: which asset is meant, and its value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nacre.catalog.history import HeadRow
from nacre.errors import NotMaterialized
from nacre.execute.reading import note_asset
from nacre.execute.workspace import Workspace
from nacre.graph.select import unknown
from nacre.keys import key_name, resolved
from nacre.store.records import Output
from nacre.survey.gather import Versions
from nacre.version.fingerprint import InputVersion

Taken = Callable[[Sequence[tuple[InputVersion, Output]], object], None]


def find_stored(workspace: Workspace, name: str) -> str:
    """Find the key of a stored asset by key or name.

    Raises:
        NotMaterialized: There is none; offers the closest name and says where it looked.
    """
    keys = list(dict.fromkeys(row.asset for row in workspace.catalog.heads(workspace.env)))
    if name in keys:
        return name
    named = [key for key in keys if key_name(key) == name]
    if len(named) == 1:
        return named[0]
    if named:
        facts = {str(number + 1): key for number, key in enumerate(named)}
        raise NotMaterialized(f"{name!r} could mean several stored assets", facts, "give the key instead")
    facts = {"looked in": workspace.location, "environment": workspace.env}
    if not keys:
        raise NotMaterialized(
            f"Nothing is stored yet, so there is no {name!r}", facts, "build it: nacre build"
        )
    raise NotMaterialized(
        f"{name!r} is not stored", facts, unknown(name, [*filter(None, map(key_name, keys)), *keys]).hint
    )


def load_current(
    workspace: Workspace,
    name: str,
    as_type: object | None = None,
    partition: str = "",
    taken: Taken | None = None,
) -> object:
    """Load the current version of a stored asset, or of one partition; without one, all its partitions as one value.

    Args:
        workspace: Where it is stored.
        name: Its key, or its name.
        as_type: Type to load as.
        partition: One partition of it.
        taken: Told which versions the value is.
    """
    rows = workspace.catalog.heads_of(workspace.env, name) if "://" in name else []
    asset = name if rows else find_stored(workspace, name)
    rows = rows or workspace.catalog.heads_of(workspace.env, asset)
    versions = Versions(workspace.records, workspace.catalog, workspace.env)
    if partition or (len(rows) == 1 and not rows[0].partition):
        row = next((row for row in rows if row.partition == partition), None)
        if row is None:
            raise not_there(asset, partition, [row.partition for row in rows])
        found = {row: _output(workspace, versions, row)}
        value = workspace.contents.read(found[row], as_type)
    else:
        found = {row: _output(workspace, versions, row) for row in rows if row.partition}
        value = workspace.contents.read_whole({row.partition: out for row, out in found.items()}, as_type)
    versions_of = [InputVersion("", row.slot, row.data_version, row.seq) for row in found]
    for version in versions_of:
        note_asset(version)
    if taken is not None:
        taken(list(zip(versions_of, found.values(), strict=True)), value)
    return value


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


def _output(workspace: Workspace, versions: Versions, row: HeadRow) -> Output:
    output = versions.output(row.fingerprint, row.slot)
    if output is None:
        facts = {"store": workspace.location}
        raise NotMaterialized(
            f"The record of {resolved(row.slot)} is gone", facts, f"nacre build {row.asset}"
        )
    return output
