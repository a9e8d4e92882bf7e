"""Rolling back: an older version of an asset is current again and held, and what is below goes back with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from nacre.catalog.consistent import Followed, MadeFrom, below, follow
from nacre.catalog.history import HeadRow, HistoryRow
from nacre.catalog.versions_at import At
from nacre.errors import SAFE, CorruptObject, NotMaterialized, UsageError, said
from nacre.execute.publishing import Publishing
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, partition_of, resolved, slot
from nacre.loading import find_stored, find_version, not_there, require_output
from nacre.planning.explain import short
from nacre.store.commit import MAX_TRIES, contended
from nacre.store.history import fitted
from nacre.store.holds import release
from nacre.store.paths import action_path, head_path
from nacre.store.port import Stored, Write
from nacre.store.records import Action, Head, Materialization, Output, decode, encode
from nacre.store.use import touched
from nacre.survey.gather import Versions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """One asset, or partition of one, that is as it was at an earlier version.

    Args:
        asset: The asset's key.
        partition: Which slice; empty for the whole.
        version: Its version number now.
        to: The version that it is a copy of; the same number where that was current already.
        before: What was current before.
        is_held: True where builds leave it as it is now; False for what went back with it.
    """

    asset: str
    partition: str
    version: int
    to: int
    before: int
    is_held: bool

    @property
    def name(self) -> str:
        """The asset as a person would name it; one partition of it in brackets."""
        return short(slot(self.asset, self.partition))

    def __str__(self) -> str:
        text = f"v{self.version} is v{self.to} again" if self.version != self.to else f"v{self.to} is current"
        return f"{self.name}: {text}{f', held at v{self.to}' if self.is_held else ''}"


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
    rolling = _Rolling(workspace)
    for _ in range(MAX_TRIES):
        target = _current(workspace, asset, partition)
        wanted = find_version(workspace, target, at)
        moves, followed = rolling.plan(target, wanted, only=only)
        done = tuple(each.done for each in moves)
        rebuilt = tuple(map(short, followed.rebuilt))
        if dry_run:
            return RollbackResult(done, rebuilt, is_dry_run=True)
        publishing = Publishing(workspace, rolling.versions, log.log)
        rolling.check_places(publishing, moves)
        if rolling.write(moves):
            problems = rolling.publish(publishing, moves)
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
    rolling = _Rolling(workspace)
    slots = dict.fromkeys(each for row in chosen for each in rolling.together(row, row))
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


class _Move(NamedTuple):
    """A head that goes back: as it was read, as it shall be, and what is said of it."""

    stored: Stored
    head: Head
    done: RolledBack
    output: Output

    @property
    def slot(self) -> str:
        return slot(self.head.asset, self.head.partition)

    @property
    def is_new(self) -> bool:
        return encode(self.head) != self.stored.data


class _Rolling:
    """Works out which heads move, and moves them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.versions = Versions(workspace.records, workspace.catalog, workspace.env)

    def plan(
        self, target: HeadRow, wanted: HeadRow | HistoryRow, *, only: bool
    ) -> tuple[list[_Move], Followed]:
        """Say which heads move where; those that are held then come first, then upstream before downstream."""
        now = self._workspace.clock.now()
        chosen = self.together(target, wanted)
        moves = [self._move(each, row, now, is_held=True) for each, row in chosen.items()]
        followed = Followed({}, ())
        if not only:
            followed = self._follow({each: row.data_version for each, row in chosen.items()})
            moves += [self._move(each, row, now, is_held=False) for each, row in followed.moves.items()]
        return moves, followed

    def together(self, target: HeadRow, wanted: HeadRow | HistoryRow) -> dict[str, HeadRow | HistoryRow]:
        """Collect what the step that made a version made with it, as far as it has versions of its own."""
        workspace = self._workspace
        chosen: dict[str, HeadRow | HistoryRow] = {target.slot: wanted}
        record = self.versions.made(wanted.fingerprint, target.slot, wanted.data_version)
        for output in record.outputs if record is not None else ():
            if output.asset != target.asset:
                rows = workspace.catalog.history(workspace.env, output.asset, target.partition)
                made = (wanted.fingerprint, output.data_version)
                same = next((row for row in rows if (row.fingerprint, row.data_version) == made), None)
                if same is not None:
                    chosen[slot(output.asset, target.partition)] = same
        return chosen

    def _follow(self, wanted: dict[str, str]) -> Followed:
        """Find out what goes back with some slots, and what cannot."""
        workspace = self._workspace
        catalog, env = workspace.catalog, workspace.env
        readers: dict[str, list[str]] = {}
        for upstream, asset in catalog.edges(env):
            readers.setdefault(upstream, []).append(asset)
        assets, waiting = set(map(key_of, wanted)), list(map(key_of, wanted))
        while waiting:
            new = [each for each in readers.get(waiting.pop(), ()) if each not in assets]
            assets.update(new)
            waiting += new
        rows = {row.slot: row for asset in assets for row in catalog.heads_of(env, asset)}
        heads = {each: row.data_version for each, row in rows.items()}
        made_from = {
            each: [name for name, _ in self._inputs(each, row) or ()]
            for each, row in rows.items()
            if not row.held
        }

        def current(each: str) -> str:
            if each not in heads:
                found = catalog.heads_of(env, key_of(each))
                heads.update({row.slot: row.data_version for row in found})
            return heads.get(each, "")

        def versions(each: str) -> Iterator[MadeFrom]:
            for row in catalog.history(env, key_of(each), partition_of(each)):
                yield MadeFrom(row, self._inputs(each, row))

        return follow(wanted, below(wanted, made_from), versions, current, self._is_whole)

    def _inputs(self, made: str, row: HeadRow | HistoryRow) -> frozenset[tuple[str, str]] | None:
        """What a version was made from, by content: what it was passed, and the assets that it read besides.

        None where its record is gone.
        """
        record = self.versions.made(row.fingerprint, made, row.data_version)
        if record is None:
            return None
        passed = [(slot(each.asset, each.partition), each.data_version) for each in record.inputs]
        return frozenset(
            [*passed, *((each.name, each.digest) for each in record.reads if each.kind == "asset")]
        )

    def _is_whole(self, made: str, row: HeadRow | HistoryRow) -> bool:
        try:
            self._require_whole(made, row)
        except (NotMaterialized, CorruptObject):
            return False
        return True

    def _require_whole(self, made: str, row: HeadRow | HistoryRow) -> Output:
        """Return what is stored of a version, after a look whether its bytes are there, and as many as there were.

        Raises:
            NotMaterialized: Its record is gone.
            CorruptObject: Its bytes are gone.
        """
        output = require_output(self._workspace, self.versions, made, row)
        if output.object:
            found = self._workspace.contents.objects.head(output.object)
            if found is None or found.size_bytes != output.size_bytes:
                problem = (
                    "the object is missing" if found is None else f"{found.size_bytes:,} bytes are there"
                )
                facts = {"asset": resolved(made), "object": output.object, "problem": problem}
                hints = (f"another version: nacre history {short(key_of(made))}", SAFE)
                raise CorruptObject(f"The bytes of {short(made)} v{row.seq} are gone", facts, hints)
        return output

    def _move(self, made: str, row: HeadRow | HistoryRow, now: datetime, *, is_held: bool) -> _Move:
        """Work out the head that a slot shall have: a new entry, a copy of the wanted one, unless that is current."""
        workspace, key, partition = self._workspace, key_of(made), partition_of(made)
        output = self._require_whole(made, row)
        path = head_path(workspace.env, key, partition)
        stored = workspace.records.get(path)
        if stored is None:
            facts = {"asset": resolved(made), "environment": workspace.env}
            hints = ("roll it back in the environment it is read from, or build it here first", SAFE)
            raise UsageError(f"{short(made)} has no version of its own in {workspace.env}", facts, hints)
        head = decode(stored.data, Head, path)
        current = head.current
        if (current.fingerprint, current.data_version) != (row.fingerprint, row.data_version):
            inputs = workspace.catalog.inputs(workspace.env, key, row.seq, partition)
            entry = Materialization(
                seq=current.seq + 1,
                fingerprint=row.fingerprint,
                data_version=row.data_version,
                run=row.run,
                at=now,
                attempt=workspace.new_id(),
                inputs={each.parameter: (each.upstream, each.upstream_seq) for each in inputs},
            )
            head = replace(head, history=(*head.history, entry))
        if is_held and head.held != f"v{row.seq}":
            head = replace(head, held=f"v{row.seq}", held_since=now)
        done = RolledBack(key, partition, head.current.seq, row.seq, current.seq, is_held)
        return _Move(stored, head, done, output)

    def check_places(self, publishing: Publishing, moves: Sequence[_Move]) -> None:
        """Find out, before any head moves, whether the files can be put where they belong.

        Raises:
            StoreError: A place cannot be reached or written.
        """
        slots = list(self._workspace.publisher.placed([each.slot for each in moves if each.is_new]))
        publishing.check(slots)
        publishing.drifted(slots, {each.slot: self._row(each.slot) for each in moves})

    def _row(self, made: str) -> HeadRow:
        rows = self._workspace.catalog.heads_of(self._workspace.env, key_of(made))
        return next(row for row in rows if row.slot == made)

    def write(self, moves: Sequence[_Move]) -> bool:
        """Replace the heads, each only as it was read; False where one had moved on meanwhile."""
        writes: list[Write] = []
        first: int | None = None
        for each in moves:
            if not each.is_new:
                continue
            before = (len(writes) - 1,) if writes else ()
            used = self._used(each)
            head, past = fitted(each.head)
            extra = [write for write in (used, past) if write is not None]
            writes += extra
            waits = (*before, *range(len(writes) - len(extra), len(writes)))
            writes.append(Write(each.stored.path, encode(head), each.stored.token, first, waits))
            first = len(writes) - 1 if first is None else first
        tokens = self._workspace.records.batch(writes) if writes else []
        heads = [n for n, write in enumerate(writes) if write.path.startswith("heads/")]
        return all(tokens[n] is not None for n in heads)

    def _used(self, move: _Move) -> Write | None:
        """Mark an old result as used before it is current again, so that no collection that goes on takes it away."""
        path = action_path(move.head.current.fingerprint)
        stored = self._workspace.records.get(path)
        if stored is None:
            return None
        action = decode(stored.data, Action, path)
        used = touched(action, self._workspace.clock.now()) if action.buried_at is None else None
        return Write(path, encode(used), stored.token) if used is not None else None

    def publish(self, publishing: Publishing, moves: Sequence[_Move]) -> tuple[str, ...]:
        """Put the files of what is current now; say why one could not be put."""
        moved = {each.slot: self._row(each.slot) for each in moves if each.is_new}
        placed = [
            each
            for each in self._workspace.publisher.placed(moved)
            if moved[each].published != moved[each].seq
        ]
        publishing.again(placed, moved)
        return tuple(map(said, publishing.errors.values()))
