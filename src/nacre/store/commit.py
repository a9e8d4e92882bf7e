"""The commit protocol: object, action record, head, in this order, in groups that become durable together.

Each step's writes are conditional. A refused write means unknown, never lost: it is read back and compared by attempt
id. The first record of a fingerprint wins; a head moves only forward. docs/explanation/commit.md tells why this holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from nacre.errors import CorruptRecord
from nacre.keys import partition_of, slot
from nacre.store.begun import begun
from nacre.store.codec import decode, encode
from nacre.store.ends import End, Ends, slots
from nacre.store.history import fitted
from nacre.store.keeping import Kept, kept
from nacre.store.paths import action_path, head_path, replaced_path
from nacre.store.port import RecordStore, Stored, Token, Write
from nacre.store.records import Action, Head, Materialization
from nacre.store.spill import spill
from nacre.store.tries import MAX_TRIES, contended
from nacre.store.use import touched


class Move(NamedTuple):
    """A head that shall become a version.

    Args:
        env: Environment.
        asset: Key.
        data_version: The content it moves to.
        inputs: Name of each input, as ``Input.name``, to ``(asset, seq)``.
        surveyed_seq: The head's seq when the run looked; 0 where there was none.
        metadata: What the step attached.
        partition: Which slice.
        keeps_file: True where the content is that of the version before, so that its published file is this one's too.
        base: The environment that the run read it from, where its own had no version of it: the head that it gets goes
            on from there.
        releases: True where it ends a hold; otherwise what is held stays current.
        reason: What makes it current where that is no run: ``promoted from dev v2``.
        by: Who does that.
    """

    env: str
    asset: str
    data_version: str
    inputs: Mapping[str, tuple[str, int]]
    surveyed_seq: int = 0
    metadata: Mapping[str, str] = MappingProxyType({})
    partition: str = ""
    keeps_file: bool = False
    base: str = ""
    releases: bool = False
    reason: str = ""
    by: str = ""


class Commit(NamedTuple):
    """What one step wants recorded.

    Args:
        fingerprint: Of its recipe.
        run: Its run.
        attempt: Unique to this execution; tells our own write from another's.
        at: Aware UTC.
        action: The record to create; None when a known result is taken.
        moves: Heads to move, one an asset.
        overwrites: True where a record of the same fingerprint is replaced on purpose.
        sources: Texts of code that the action record names and that may not be stored yet: path to record.
        taken: The record of the known result that is taken; None where the step ran.
        is_named: True where what is taken is a version that somebody named, not what the recipe gives now: it is taken
            also where a refresh replaced its record.
    """

    fingerprint: str
    run: str
    attempt: str
    at: datetime
    action: Action | None = None
    moves: tuple[Move, ...] = ()
    overwrites: bool = False
    sources: Mapping[str, bytes] = MappingProxyType({})
    taken: Action | None = None
    is_named: bool = False


class Committed(NamedTuple):
    """What became of a commit: the record that holds, each asset's seq, and which run was ahead of us, if any.

    ``held`` says at which version an asset is held, where that is why its head did not move; ``behind`` which input it
    is that was held or that the other run was ahead at, where it is not the asset itself.
    ``is_gone`` is true where a known result was to be taken that was collected at the same moment: no head moved.
    ``written`` are its writes with their tokens, where all were accepted: who goes on from there need not read them.
    """

    commit: Commit
    action: Action | None
    seqs: Mapping[str, int]
    superseded_by: str = ""
    held: str = ""
    behind: str = ""
    is_gone: bool = False
    written: Sequence[tuple[Write, Token | None]] = ()


class Committer:
    """Collects commits and makes them durable in groups.

    Not thread-safe: the loop that runs a plan owns it.

    Args:
        records: Where they go.
        monotonic: Seconds; decides when a group is due.
        group_s: How long a commit may wait for company.
    """

    def __init__(self, records: RecordStore, monotonic: Callable[[], float], group_s: float = 0.05) -> None:
        self._records = records
        self._monotonic = monotonic
        self._group_s = group_s
        self._waiting: list[Commit] = []
        self._since = 0.0
        self._ends = Ends()

    @property
    def is_due(self) -> bool:
        """True when the oldest waiting commit has waited long enough."""
        return bool(self._waiting) and self._monotonic() - self._since >= self._group_s

    def add(self, commit: Commit) -> None:
        """Let a commit wait for the next flush."""
        if not self._waiting:
            self._since = self._monotonic()
        self._waiting.append(commit)

    def flush(self) -> list[Committed]:
        """Make all that waits durable, in order, and say what became of each.

        Raises:
            StoreError: The store refused; what was durable before stays, nothing of this group is reported.
        """
        group, self._waiting = self._waiting, []
        if not group:
            return []
        # Nothing waits for the texts of code or rests on them: refused means that they are there.
        texts = {path: data for commit in group for path, data in commit.sources.items()}
        found = self._read(group)
        writes: list[Write] = [Write(path, data) for path, data in texts.items()]
        planned: list[tuple[Commit, int, int, Mapping[str, int] | None]] = []
        made: dict[str, int | None] = {}
        for commit in group:
            start = len(writes)
            expected = self._plan(commit, found, writes, made)
            if expected is None:
                made.update(dict.fromkeys(slot(move.asset, move.partition) for move in commit.moves))
            planned.append((commit, start, len(writes), expected))
        tokens = self._records.batch(writes) if writes else []
        committed = []
        for commit, start, end, seqs in planned:
            if seqs is not None and all(token is not None for token in tokens[start:end]):
                written = list(zip(writes[start:end], tokens[start:end], strict=True))
                committed.append(Committed(commit, commit.action, seqs, written=written))
            else:
                committed.append(self._settle(commit))
                self._note_ends(committed[-1])
        return committed

    def _note_ends(self, committed: Committed) -> None:
        """Remember what became of moves, for what is made from them later in this run."""
        for move in committed.commit.moves:
            ahead = committed.superseded_by
            seq = 0 if ahead or committed.is_gone else committed.seqs[move.asset]
            end = End(seq, ahead, committed.held, committed.behind)
            self._ends.note(slot(move.asset, move.partition), move.surveyed_seq + 1, end)

    def _read(self, group: Sequence[Commit]) -> dict[str, Stored | None]:
        """Read what the writes of a group rest on, all at once: each record that is far away takes a while."""
        paths: dict[str, None] = {}
        for commit in group:
            if commit.overwrites or _is_marked(commit):
                paths[action_path(commit.fingerprint)] = None
            for move in commit.moves:
                if _has_head(move):
                    paths[head_path(move.env, move.asset, move.partition)] = None
        return dict(zip(paths, self._records.get_many([*paths]), strict=True)) if paths else {}

    def _plan(
        self,
        commit: Commit,
        found: Mapping[str, Stored | None],
        writes: list[Write],
        made: dict[str, int | None],
    ) -> dict[str, int] | None:
        """Append a commit's writes, on the assumption that nobody else is writing; None where somebody just did.

        ``found`` are the records that its writes rest on, by path; ``made`` maps the slots that this group moves to the
        writes of their heads, where these are planned; added to.
        """
        needs = _needs(commit, made)
        if needs is None or any(self._ends.blocking(move.inputs) for move in commit.moves):
            return None
        after, waits = None, needs
        path = action_path(commit.fingerprint)
        if commit.action is not None:
            known = found[path] if commit.overwrites else None
            before = waits
            if known is not None and (replaced := _replaced(known, commit.action)) is not None:
                before = (*waits, len(writes))
                writes.append(replaced)
            after = len(writes)
            writes.append(Write(path, encode(commit.action), known.token if known else None, None, before))
        elif _is_marked(commit):
            old = self._kept(commit, found[path])
            if old is None:
                return None
            if (used := touched(old.action, commit.at)) is not None:
                after = len(writes)
                writes.append(Write(old.path, encode(used), old.token, None, waits))
        seqs: dict[str, int] = {}
        heads: dict[str, int] = {}
        for move in commit.moves:
            move = self._as_it_came(move)
            path = head_path(move.env, move.asset, move.partition)
            stored = found[path] if _has_head(move) else None
            present = decode(stored.data, Head, path) if stored else self._begun(move)
            head, past = fitted(_moved(commit, move, present))
            if stored is None and head.current.seq != move.surveyed_seq + 1:
                return None  # its environment was removed meanwhile: what is made from it must know its new number
            seqs[move.asset] = head.current.seq
            # A head that moved on since our survey, or is held, is created, not replaced: refused, and then settled.
            is_surveyed = stored and present and present.current.seq == move.surveyed_seq
            token = stored.token if stored and present and is_surveyed and _may_move(move, present) else None
            before = needs
            if past is not None and (move.base or token is not None):
                # Refused where a writer was stopped behind it: then it is brought up to date, and the head is settled.
                before = (*needs, len(writes))
                writes.append(past)
            writes.append(Write(path, encode(head), token, after, before, before))
            heads[slot(move.asset, move.partition)] = len(writes) - 1
        made.update(heads)
        return seqs

    def _as_it_came(self, move: Move) -> Move:
        """Give a move whose inputs have the numbers that their versions came to have."""
        inputs = self._ends.as_they_came(move.inputs)
        return move if inputs is move.inputs else move._replace(inputs=inputs)

    def _settle(self, commit: Commit) -> Committed:
        """Work out a commit of which something was refused, one write at a time."""
        action = self._settle_action(commit) if commit.action is not None else None
        seqs: dict[str, int] = {}
        superseded, held = "", ""
        if action is not None and action.attempt != commit.attempt and _differs(action, commit):
            # Another run recorded other content for the same recipe first: it stays; what we made has no head.
            return Committed(commit, action, seqs, action.run)
        if commit.taken is not None and not self._keep(commit):
            return Committed(commit, None, seqs, is_gone=True)
        blocked = (self._ends.blocking(move.inputs) for move in commit.moves)
        if (end := next(filter(None, blocked), None)) is not None:
            # What it was made from never was a version: it stays as a known result, and no head names it.
            return Committed(commit, action, seqs, end.run, end.held, end.slot, is_gone=not end.run)
        for move in commit.moves:
            seq, ahead, holds = self._settle_head(commit, self._as_it_came(move))
            seqs[move.asset] = seq
            superseded, held = superseded or ahead, held or holds
        return Committed(commit, action, seqs, superseded, held)

    def _settle_action(self, commit: Commit) -> Action:
        """Return the record that holds for this fingerprint: ours, or the first, marked as used where it is old."""
        assert commit.action is not None
        path = action_path(commit.fingerprint)
        for _ in range(MAX_TRIES):
            stored = self._records.get(path)
            if stored is None:
                token = self._records.create(path, encode(commit.action))
            else:
                present = decode(stored.data, Action, path)
                is_first = present.buried_at is None and not commit.overwrites
                if present.attempt == commit.attempt or is_first:
                    used = touched(present, commit.at)
                    if used is None:
                        return present
                    # A collection may have read it before: then this or its tombstone is refused.
                    if self._records.replace(path, encode(used), stored.token) is not None:
                        return used
                    continue
                if (replaced := _replaced(stored, commit.action)) is not None:
                    self._records.create(replaced.path, replaced.data)
                token = self._records.replace(path, encode(commit.action), stored.token)
            if token is not None:
                return commit.action
        raise contended(path)

    def _kept(self, commit: Commit, stored: Stored | None) -> Kept | None:
        """Take the record of a result, as it lies at its path; None where it was collected, and maybe made anew."""
        if commit.is_named:
            move = commit.moves[0]
            return kept(self._records, stored, commit.fingerprint, move.asset, move.data_version)
        if stored is None:
            return None
        present = decode(stored.data, Action, stored.path)
        is_there = present.buried_at is None and not _differs(present, commit)
        return Kept(stored.path, stored.token, present) if is_there else None

    def _keep(self, commit: Commit) -> bool:
        """Mark the result that a commit takes as used, where it is old; False where it was collected before that."""
        path = action_path(commit.fingerprint)
        for _ in range(MAX_TRIES):
            found = self._kept(commit, self._records.get(path))
            if found is None:
                return False
            used = touched(found.action, commit.at)
            if used is None or self._records.replace(found.path, encode(used), found.token) is not None:
                return True
        raise contended(path)

    def _settle_head(self, commit: Commit, move: Move) -> tuple[int, str, str]:
        """Move one head, or leave it to the run that is ahead or to a hold; returns the seq, that run, that hold."""
        path = head_path(move.env, move.asset, move.partition)
        for _ in range(MAX_TRIES):
            stored = self._records.get(path)
            present = decode(stored.data, Head, path) if stored else None
            if present is not None:
                current = present.current
                # Ours, made before others went on from it; its answer was lost.
                if own := next((each.seq for each in present.history if each.attempt == commit.attempt), 0):
                    return own, "", ""
                is_same = current.fingerprint == commit.fingerprint
                if is_same and current.data_version == move.data_version:
                    return current.seq, "", ""
                if not _may_move(move, present):
                    return current.seq, current.run, present.held
                has_moved = bool(move.base) or current.seq != move.surveyed_seq
                if has_moved and not _dominates(move, current):
                    return current.seq, current.run, ""
            head, past = fitted(_moved(commit, move, present or self._begun(move)))
            if past is not None:
                spill(self._records, past)
            if self._write_head(path, encode(head), stored) is not None:
                return head.current.seq, "", ""
        raise contended(path)

    def _begun(self, move: Move) -> Head | None:
        """Return what the first head of a slot in its environment goes on from, where that is read through another."""
        if not move.base:
            return None
        return begun(self._records, move.env, move.base, move.asset, move.partition, move.surveyed_seq)

    def _write_head(self, path: str, data: bytes, stored: Stored | None) -> Token | None:
        if stored is None:
            return self._records.create(path, data)
        return self._records.replace(path, data, stored.token)


def _moved(commit: Commit, move: Move, present: Head | None) -> Head:
    """Append a version to a head."""
    before: Sequence[Materialization] = present.history if present else ()
    version = Materialization(
        seq=(before[-1].seq if before else move.surveyed_seq if move.base else 0) + 1,
        fingerprint=commit.fingerprint,
        data_version=move.data_version,
        run=commit.run,
        at=commit.at,
        attempt=commit.attempt,
        inputs=dict(move.inputs),
        reason=move.reason,
        by=move.by,
    )
    history = (*before, version)
    if present is None:
        return Head(
            env=move.env,
            asset=move.asset,
            partition=move.partition,
            history=history,
            metadata=dict(move.metadata),
        )
    is_published = move.keeps_file and bool(before) and present.published == before[-1].seq
    return replace(
        present,
        history=history,
        published=version.seq if is_published else present.published,
        held="",
        held_since=None,
        metadata={**present.metadata, **move.metadata},
    )


def _replaced(known: Stored, action: Action) -> Write | None:
    """Keep a record that is about to be replaced by one with other content: versions rest on it, and are not lost.

    None for the same content, for a tombstone, and for a plain task, which has no versions.
    """
    try:
        present = decode(known.data, Action, known.path)
    except CorruptRecord:
        return None  # nothing rests on what cannot be read
    outputs = {output.asset: output.data_version for output in present.outputs}
    same = outputs == {output.asset: output.data_version for output in action.outputs}
    if same or not outputs or next(iter(outputs)).startswith("task://"):
        return None
    return Write(replaced_path(present.fingerprint, present.attempt), known.data)


def _has_head(move: Move) -> bool:
    """One that is read from the base has no head here yet: it is created, and refused where it has by now."""
    return bool(move.surveyed_seq) and not move.base


def _is_marked(commit: Commit) -> bool:
    """Whether what a commit takes is so old that it is marked as used before a head names it."""
    taken = commit.taken
    return commit.action is None and taken is not None and touched(taken, commit.at) is not None


def _may_move(move: Move, present: Head) -> bool:
    """A head that is held stays, unless the move is what ends the hold."""
    return move.releases or not present.held


def _needs(commit: Commit, made: Mapping[str, int | None]) -> tuple[int, ...] | None:
    """The heads of the group by which the versions that this commit read become current; None where one may not."""
    found = {made[name] for move in commit.moves for name, _ in slots(move.inputs) if name in made}
    needs = tuple(sorted([n for n in found if n is not None]))
    return needs if len(needs) == len(found) else None


def _dominates(move: Move, current: Materialization) -> bool:
    """Say whether our inputs are at least as new as those of the version that is current."""
    theirs, ours = _seqs(current.inputs), _seqs(move.inputs)
    return bool(ours) and all(ours.get(slot, 0) >= seq for slot, seq in theirs.items())


def _seqs(inputs: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    return {slot(asset, partition_of(name)): seq for name, (asset, seq) in inputs.items()}


def _differs(action: Action, commit: Commit) -> bool:
    versions = {output.asset: output.data_version for output in action.outputs}
    return any(versions.get(move.asset) != move.data_version for move in commit.moves)


def with_moves(commit: Commit, moves: Sequence[Move]) -> Commit:
    """Return the commit with other moves."""
    return commit._replace(moves=tuple(moves))
