"""Rolling back: an older version of an asset is current again and held, and what is below goes back with it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nacre.catalog.history import HeadRow
from nacre.catalog.versions_at import At
from nacre.curate.going_back import GoingBack, Move, RolledBack
from nacre.errors import UsageError, said
from nacre.execute.publishing import Publishing
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, partition_of
from nacre.loading import find_stored, find_version, not_there
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import short
from nacre.store.codec import encode
from nacre.store.history import fitted
from nacre.store.holds import release
from nacre.store.keeping import keep_all
from nacre.store.paths import head_path
from nacre.store.port import Write
from nacre.store.spill import spill
from nacre.store.tries import MAX_TRIES, contended

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """What a rollback did; no step ran.

    Args:
        rolled_back: What is as it was, and held, then what went back with it.
        rebuilt: Names of what is below and has no version that fits; the next build makes it.
        problems: Why a version is stored and not published, one text each; the next build publishes it.
        is_dry_run: True where nothing was written, only worked out.
    """

    rolled_back: tuple[RolledBack, ...]
    rebuilt: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    is_dry_run: bool = False

    def __str__(self) -> str:
        lines = [str(each) for each in self.rolled_back]
        return "\n".join([*lines, *(f"{name}: the next build makes it anew" for name in self.rebuilt)])


def roll_back(
    workspace: Workspace,
    asset: str,
    at: At,
    *,
    partition: str = "",
    only: bool = False,
    dry_run: bool = False,
) -> RollbackResult:
    """Make an older version current again and hold it there; nothing runs.

    What one step made together goes back together. What is below goes back to its newest version that was made from
    exactly what is current then. All heads move together where the store can, else upstream first; after a crash, doing
    it again does the rest. Doing it twice changes nothing more.

    Args:
        workspace: Where.
        asset: A key, or a name.
        at: Which version; see ``version_at``.
        partition: One partition of it.
        only: True leaves what is below as it is; the next build makes it anew.
        dry_run: True writes nothing.

    Raises:
        NotMaterialized: There is no such version, or its record is gone.
        CorruptObject: Its bytes are gone; nothing was moved.
        UsageError: ``at`` names no one version, or the asset has partitions and none is named.
        StoreError: The store, or the place of a file, refused.
    """
    writing = _Writing(workspace)
    for _ in range(MAX_TRIES):
        going = GoingBack(workspace)  # afresh: a record that was read before may have been collected since
        target = _current(workspace, asset, partition)
        wanted = find_version(workspace, target, at)
        moves, followed = going.plan(target, wanted, only=only)
        done = tuple(each.done for each in moves)
        rebuilt = tuple(map(short, followed.rebuilt))
        if dry_run:
            return RollbackResult(done, rebuilt, is_dry_run=True)
        publishing = Publishing(workspace, going.versions, log.log)
        writing.check_places(publishing, moves)
        if writing.write(moves):
            problems = writing.publish(publishing, moves)
            return RollbackResult(done, rebuilt, problems)
    raise contended(head_path(workspace.env, target.asset, target.partition))


def end_hold(workspace: Workspace, asset: str, *, partition: str = "") -> tuple[tuple[str, str], ...]:
    """End the hold on an asset, and on what one step made together with it; the next build goes on as if it never was.

    Args:
        workspace: Where.
        asset: A key, or a name.
        partition: One partition of it; without it, all that are held.

    Returns:
        Each slot whose hold ended, with the version that it was held at; empty where nothing was held.

    Raises:
        NotMaterialized: There is no such asset.
        StoreError: The store refused.
    """
    key = find_stored(workspace, asset)
    rows = workspace.catalog.heads_of(workspace.env, key)
    chosen = [row for row in rows if row.partition == partition or not partition]
    if not chosen:
        raise not_there(key, partition, [row.partition for row in rows])
    going = GoingBack(workspace)
    going.versions.look_ahead([(row.fingerprint, "") for row in chosen])
    slots = dict.fromkeys(each for row in chosen for each in going.together(row, row))
    ended = {
        each: release(workspace.records, workspace.env, key_of(each), partition_of(each)) for each in slots
    }
    return tuple((each, held) for each, held in ended.items() if held)


def _current(workspace: Workspace, name: str, partition: str) -> HeadRow:
    """Find what is current of the asset, or of the one partition of it, that is meant."""
    asset = find_stored(workspace, name)
    rows = workspace.catalog.heads_of(workspace.env, asset)
    found = next((row for row in rows if row.partition == partition), None)
    if found is not None:
        return found
    if partition:
        raise not_there(asset, partition, [row.partition for row in rows])
    facts = {
        "asset": asset,
        "partitions": f"{rows[0].partition} to {rows[-1].partition}, {len(rows):,} in all",
    }
    raise UsageError(
        f"{short(asset)} has partitions: say which", facts, f"add --partition {rows[-1].partition}"
    )


class _Writing:
    """Moves the heads, and publishes what is current then."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def check_places(self, publishing: Publishing, moves: Sequence[Move]) -> None:
        """Find out, before any head moves, whether the files can be put where they belong.

        Raises:
            StoreError: A place cannot be reached or written.
        """
        slots = self._workspace.publisher.placed(_published(moves))
        publishing.check(slots)
        publishing.drifted(slots, self._rows(slots))

    def _rows(self, slots: Collection[str]) -> dict[str, HeadRow]:
        """What is current of some slots; of all partitions of an asset it is asked at once."""
        catalog, env = self._workspace.catalog, self._workspace.env
        assets = {key_of(each) for each in slots}
        rows = {row.slot: row for asset in assets for row in catalog.heads_of(env, asset)}
        return {each: rows[each] for each in slots}

    def write(self, moves: Sequence[Move]) -> bool:
        """Replace the heads, each only as it was read; False where one had moved on, or was collected, meanwhile."""
        new = [each for each in moves if each.is_new]
        if not self._keep(new):
            return False
        heads = [fitted(each.head) for each in new]
        self._spill([each.past for each in heads if each.past is not None])
        writes: list[Write] = []
        places: dict[str, int] = {}
        for each, (head, _) in zip(new, heads, strict=True):
            # Upstream first, and nothing without what was asked for, which is the first.
            before = sorted(places[name] for name in each.upstream if name in places)
            places[each.slot] = len(writes)
            writes.append(Write(each.path, encode(head), each.token, 0 if writes else None, tuple(before)))
        tokens = self._workspace.records.batch(writes) if writes else []
        return all(token is not None for token in tokens)

    def _keep(self, new: Sequence[Move]) -> bool:
        """Mark old results as used before they are current again, so that no collection that goes on takes them."""
        versions = [
            (each.head.current.fingerprint, each.head.asset, each.head.current.data_version) for each in new
        ]
        return keep_all(self._workspace.records, versions, self._workspace.clock.now())

    def _spill(self, pasts: Sequence[Write]) -> None:
        """Write what leaves the heads, all at once; where there is such a record, a writer was stopped behind it."""
        tokens = self._workspace.records.batch(pasts) if pasts else []
        for past, token in zip(pasts, tokens, strict=True):
            if token is None:
                spill(self._workspace.records, past)

    def publish(self, publishing: Publishing, moves: Sequence[Move]) -> tuple[str, ...]:
        """Put the files of what is current now; say why one could not be put."""
        moved = self._rows(_published(moves))
        placed = [
            each
            for each in self._workspace.publisher.placed(moved)
            if moved[each].published != moved[each].seq
        ]
        publishing.again(placed)
        return tuple(map(said, publishing.errors.values()))


def _published(moves: Sequence[Move]) -> list[str]:
    """List the slots whose files change: those of others are looked at, and never put."""
    return [each.slot for each in moves if each.is_new and not is_seen_outside(each.slot, each.head.current)]
