"""Works out which heads go back, and to what, when a version is to be current again; reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from nacre.store.begun import going_on
from nacre.store.codec import decode
from nacre.store.connect import at_once
from nacre.store.paths import head_path
from nacre.store.port import ObjectInfo, Stored, Token
from nacre.store.records import Head, Materialization, Output
from nacre.store.tries import contended
from nacre.survey.gather import Versions

#: Of so many slots the records are read together: as many as a bucket is asked for at the same time, so that what is
#: read in vain takes no longer.
_AHEAD = 16


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

    Without a token there is none yet: what is current is read through the environment's base. ``upstream`` names the
    slots that the version was made from, which move before it does.
    """

    path: str
    token: Token | None
    before: Head
    head: Head
    done: RolledBack
    upstream: frozenset[str]

    @property
    def slot(self) -> str:
        """The asset, or the partition of it."""
        return slot(self.head.asset, self.head.partition)

    @property
    def is_new(self) -> bool:
        """False where it is so already."""
        return self.head != self.before


class GoingBack:
    """Finds the heads that move together, and what they become, as all was when it was first looked at.

    What many slots are asked for is read together: each request to a store that is far away takes a while.

    Args:
        workspace: Where.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.versions = Versions(workspace.records, workspace.catalog, workspace.env)
        #: By asset and slot, what is current.
        self._rows: dict[str, dict[str, HeadRow]] = {}
        self._histories: dict[str, list[HistoryRow]] = {}
        #: By slot; without a token, what an environment's own head begins with.
        self._heads: dict[str, tuple[Token | None, Head]] = {}
        self._sizes: dict[str, ObjectInfo | None] = {}

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
        chosen: dict[str, HeadRow | HistoryRow] = {target.slot: wanted}
        record = self.versions.made(wanted.fingerprint, target.slot, wanted.data_version)
        for output in record.outputs if record is not None else ():
            if output.asset != target.asset:
                rows = self._history(slot(output.asset, target.partition))
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
        rows = {made: row for asset in assets for made, row in self._current(asset).items() if not row.held}
        self.versions.look_ahead([(row.fingerprint, "") for row in rows.values()])
        made_from = {made: [name for name, _ in self._inputs(made, row) or ()] for made, row in rows.items()}
        order = below(wanted, made_from)
        places = {each: n for n, each in enumerate(order)}
        ahead: set[tuple[str, int]] = set()

        def current(each: str) -> str:
            row = self._current(key_of(each)).get(each)
            return row.data_version if row is not None else ""

        def versions(each: str) -> Iterator[MadeFrom]:
            for n, row in enumerate(self._history(each)):
                if n and (each, n) not in ahead:
                    # Those that come next were likely made as often.
                    some = order[places[each] : places[each] + _AHEAD]
                    ahead.update((other, n) for other in some)
                    self._look_ahead({o: found for o in some for found in self._history(o)[n : n + 1]})
                yield MadeFrom(row, self._inputs(each, row))

        gone: set[tuple[str, int]] = set()

        def may_be_there(made: str, row: HistoryRow) -> bool:
            return (made, row.seq) not in gone

        # Few of the versions that are gone through are chosen, so it is chosen first as if all bytes were there. Those
        # of the chosen ones are looked at together; where some are gone, it is chosen again without them.
        while True:
            followed = follow(wanted, order, versions, current, may_be_there)
            self._ask_sizes(followed.moves)
            found = [(made, row.seq) for made, row in followed.moves.items() if not self._is_whole(made, row)]
            if not found:
                return followed
            gone.update(found)

    def _current(self, asset: str) -> dict[str, HeadRow]:
        if asset not in self._rows:
            rows = self._workspace.catalog.heads_of(self._workspace.env, asset)
            self._rows[asset] = {row.slot: row for row in rows}
        return self._rows[asset]

    def _history(self, made: str) -> list[HistoryRow]:
        if made not in self._histories:
            key, partition = key_of(made), partition_of(made)
            self._histories[made] = self._workspace.catalog.history(self._workspace.env, key, partition)
        return self._histories[made]

    def _look_ahead(self, wanted: Mapping[str, HistoryRow]) -> None:
        """Read at once what going back to some versions takes: records and heads."""
        self.versions.look_ahead([(row.fingerprint, "") for row in wanted.values()])
        self._read_heads(wanted)

    def _ask_sizes(self, wanted: Mapping[str, HistoryRow]) -> None:
        """Ask at once how large the objects of some versions are."""
        made = (self.versions.output(row.fingerprint, each, row.data_version) for each, row in wanted.items())
        names = {each.object for each in made if each is not None and each.object} - self._sizes.keys()
        head, asked = self._workspace.contents.objects.head, sorted(names)
        found = at_once(head, asked) if self._workspace.is_far else map(head, asked)
        self._sizes.update(zip(asked, found, strict=True))

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
            if output.object not in self._sizes:
                self._sizes[output.object] = self._workspace.contents.objects.head(output.object)
            found = self._sizes[output.object]
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
        if made not in self._heads:
            self._read_heads([made])
        found = self._heads.get(made)
        if found is None or not found[1].history:
            # Its environment was removed just now, or the base went on by more than its head keeps.
            raise contended(head_path(self._workspace.env, key_of(made), partition_of(made)))
        return found

    def _read_heads(self, slots: Iterable[str]) -> None:
        env, left = self._workspace.env, [each for each in slots if each not in self._heads]
        for made, stored in self._stored(dict.fromkeys(left, env)).items():
            if stored is not None:
                self._heads[made] = stored.token, decode(stored.data, Head, stored.path)
        rows = {each: self._current(key_of(each)).get(each) for each in left if each not in self._heads}
        through = {each: row for each, row in rows.items() if row is not None and row.base}
        for made, stored in self._stored({each: row.base for each, row in through.items()}).items():
            key, partition = key_of(made), partition_of(made)
            self._heads[made] = None, going_on(stored, env, key, partition, through[made].seq)

    def _stored(self, slots: Mapping[str, str]) -> dict[str, Stored | None]:
        """Read the heads of slots, each in an environment."""
        paths = [head_path(env, key_of(made), partition_of(made)) for made, env in slots.items()]
        return dict(zip(slots, self._workspace.records.get_many(paths), strict=True))

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
        upstream = frozenset(name for name, _ in self._inputs(made, row) or ())
        return Move(path, token, before, head, done, upstream)

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
