"""Rolling back: an older version of an asset is current again and held, and what is below goes back with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
from nacre.store.keeping import keep
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
        publishing.drifted(slots, {each.slot: self._row(each.slot) for each in moves})

    def _row(self, made: str) -> HeadRow:
        rows = self._workspace.catalog.heads_of(self._workspace.env, key_of(made))
        return next(row for row in rows if row.slot == made)

    def write(self, moves: Sequence[Move]) -> bool:
        """Replace the heads, each only as it was read; False where one had moved on, or was collected, meanwhile."""
        new = [each for each in moves if each.is_new]
        if not all(map(self._keep, new)):
            return False
        writes: list[Write] = []
        for each in new:
            head, past = fitted(each.head)
            if past is not None:
                spill(self._workspace.records, past)
            # Upstream first, and nothing without what was asked for, which is the first.
            before = (len(writes) - 1,) if writes else ()
            writes.append(Write(each.path, encode(head), each.token, 0 if writes else None, before))
        tokens = self._workspace.records.batch(writes) if writes else []
        return all(token is not None for token in tokens)

    def _keep(self, move: Move) -> bool:
        """Mark an old result as used before it is current again, so that no collection that goes on takes it away."""
        records, now = self._workspace.records, self._workspace.clock.now()
        current = move.head.current
        return keep(records, current.fingerprint, move.head.asset, current.data_version, now)

    def publish(self, publishing: Publishing, moves: Sequence[Move]) -> tuple[str, ...]:
        """Put the files of what is current now; say why one could not be put."""
        moved = {each: self._row(each) for each in _published(moves)}
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
