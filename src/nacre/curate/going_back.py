"""Works out which heads go back, and to what, when a version is to be current again; reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from nacre.catalog.consistent import Followed, MadeFrom, below, follow
from nacre.catalog.history import HeadRow, HistoryRow
from nacre.errors import SAFE, CorruptObject, NotMaterialized
from nacre.execute.process import person
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, partition_of, resolved, slot
from nacre.loading import require_output
from nacre.planning.explain import short
from nacre.store.begun import begun
from nacre.store.codec import decode
from nacre.store.paths import head_path
from nacre.store.port import Token
from nacre.store.records import Head, Materialization, Output
from nacre.store.tries import contended
from nacre.survey.gather import Versions


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


class Move(NamedTuple):
    """A head that goes back: where it lies, as it was read, as it shall be, and what is said of it.

    Without a token there is none yet: what is current is read through the environment's base.
    """

    path: str
    token: Token | None
    before: Head
    head: Head
    done: RolledBack

    @property
    def slot(self) -> str:
        """The asset, or the partition of it."""
        return slot(self.head.asset, self.head.partition)

    @property
    def is_new(self) -> bool:
        """False where it is so already."""
        return self.head != self.before


class GoingBack:
    """Finds the heads that move together, and what they become.

    Args:
        workspace: Where.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.versions = Versions(workspace.records, workspace.catalog, workspace.env)

    def plan(
        self, target: HeadRow, wanted: HeadRow | HistoryRow, *, only: bool
    ) -> tuple[list[Move], Followed]:
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

    def _require_whole(self, made: str, row: HeadRow | HistoryRow) -> None:
        """Look whether the bytes of a version are there, as many as there were, and not known to be damaged.

        Raises:
            NotMaterialized: Its record is gone.
            CorruptObject: Its bytes are gone.
        """
        output = require_output(self._workspace, self.versions, made, row)
        _, head = self._head(made)
        if row.seq in head.lost:
            problem = "they were found to be damaged: nacre fsck"
            raise _bytes_gone(made, row, output, problem)
        if output.object:
            found = self._workspace.contents.objects.head(output.object)
            if found is None or found.size_bytes != output.size_bytes:
                problem = (
                    "the object is missing" if found is None else f"{found.size_bytes:,} bytes are there"
                )
                raise _bytes_gone(made, row, output, problem)

    def _head(self, made: str) -> tuple[Token | None, Head]:
        """Read the head of a slot; the one that it begins with, without a token, where it is read through the base.

        Raises:
            StoreUnavailable: It is being changed by others at this moment.
        """
        workspace = self._workspace
        path = head_path(workspace.env, key_of(made), partition_of(made))
        stored = workspace.records.get(path)
        if stored is not None:
            return stored.token, decode(stored.data, Head, path)
        key, partition = key_of(made), partition_of(made)
        rows = workspace.catalog.heads_of(workspace.env, key)
        read = next((each for each in rows if each.slot == made), None)
        if read is None or not read.base:
            raise contended(path)  # its environment was removed just now
        head = begun(workspace.records, workspace.env, read.base, key, partition, read.seq)
        if not head.history:
            raise contended(path)  # the base went on by more than its head keeps since it was looked at
        return None, head

    def _move(self, made: str, row: HeadRow | HistoryRow, now: datetime, *, is_held: bool) -> Move:
        """Work out the head that a slot shall have: a new entry, a copy of the wanted one, unless that is current."""
        workspace, key, partition = self._workspace, key_of(made), partition_of(made)
        self._require_whole(made, row)
        token, before = self._head(made)
        head = before
        current = before.current
        if (current.fingerprint, current.data_version) != (row.fingerprint, row.data_version):
            entry = Materialization(
                seq=current.seq + 1,
                fingerprint=row.fingerprint,
                data_version=row.data_version,
                run=row.run,
                at=now,
                attempt=workspace.new_id(),
                inputs=self._numbered(key, row.seq, partition),
                reason=f"rolled back to v{row.seq}" if is_held else f"went back to v{row.seq}",
                by=person(),
            )
            head = replace(head, history=(*head.history, entry))
        if is_held and head.held != f"v{row.seq}":
            head = replace(head, held=f"v{row.seq}", held_since=now)
        done = RolledBack(key, partition, head.current.seq, row.seq, current.seq, is_held)
        path = head_path(workspace.env, key, partition)
        return Move(path, token, before, head, done)

    def _numbered(self, asset: str, seq: int, partition: str) -> dict[str, tuple[str, int]]:
        """Name what a version was made from by the numbers that it has here; 0 for what never was a version here."""
        catalog, env = self._workspace.catalog, self._workspace.env
        found: dict[str, tuple[str, int]] = {}
        for each in catalog.inputs(env, asset, seq, partition):
            number = each.upstream_seq
            if each.env:
                part = partition_of(each.parameter)
                there = catalog.over({}).history(each.env, each.upstream, part)
                made = [(row.fingerprint, row.data_version) for row in there if row.seq == number]
                here = catalog.history(env, each.upstream, part)
                number = next((row.seq for row in here if (row.fingerprint, row.data_version) in made), 0)
            found[each.parameter] = (each.upstream, number)
        return found


def _bytes_gone(made: str, row: HeadRow | HistoryRow, output: Output, problem: str) -> CorruptObject:
    facts = {"asset": resolved(made), "object": output.object, "problem": problem}
    hints = (f"another version: nacre history {short(key_of(made))}", SAFE)
    return CorruptObject(f"The bytes of {short(made)} v{row.seq} are gone", facts, hints)
