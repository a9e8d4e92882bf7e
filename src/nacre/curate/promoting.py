"""Promoting: what is current in one environment becomes current in another. Nothing runs, and no value is copied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import msgspec

from nacre.catalog.history import HeadRow
from nacre.environments import chain_of, require_known
from nacre.errors import SAFE, NacreError, NotPublished, PromotionConflict, UsageError
from nacre.execute.process import person
from nacre.execute.publishing import Publishing, Taken
from nacre.execute.workspace import Workspace
from nacre.graph.select import select_stored
from nacre.keys import key_of, partition_of, slot
from nacre.loading import require_output
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import short
from nacre.planning.promotion import (
    Conflict,
    Histories,
    Obstacle,
    PromotableHead,
    Promoted,
    Promotion,
    UsedInput,
    plan_promotion,
)
from nacre.project import Project
from nacre.store.codec import decode, encode
from nacre.store.commit import Commit, Committed, Committer, Move
from nacre.store.connect import at_once
from nacre.store.losses import note_lost
from nacre.store.paths import head_path
from nacre.store.port import Stored, Write
from nacre.store.records import Head
from nacre.store.tries import MAX_TRIES, contended
from nacre.survey.gather import Versions
from nacre.survey.gone import record_gone

_MAX_TOLD = 20


@dataclass(frozen=True, slots=True)
class PromotedVersion:
    """One version that is current in the target now.

    Args:
        asset: The asset's key.
        partition: Which slice; empty for the whole.
        version: Its number in the target.
        promoted: The number that it has in the source.
        place: Where its file lies; empty where it is published nowhere.
    """

    asset: str
    partition: str
    version: int
    promoted: int
    place: str = ""

    @property
    def name(self) -> str:
        """The asset as a person would name it; one partition of it in brackets."""
        return short(slot(self.asset, self.partition))


@dataclass(frozen=True, slots=True)
class PromoteResult:
    """What was promoted; nothing ran.

    Args:
        source: The environment it was promoted from.
        target: The environment it was promoted to.
        promoted: One entry for each asset, or partition of one, that has another version there now; upstream first.
        n_same: How many were the same in both already.
        is_dry_run: True where nothing was written, only judged.
        warnings: What happened on the way that a person should know.
    """

    source: str
    target: str
    promoted: tuple[PromotedVersion, ...]
    n_same: int = 0
    is_dry_run: bool = False
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        verb = "would be" if self.is_dry_run else "is"
        return "\n".join(
            f"{each.name} v{each.promoted} of {self.source} {verb} v{each.version} of {self.target}"
            for each in self.promoted
        )


def promote_versions(
    project: Project,
    source: str,
    target: str,
    select: Sequence[str] = (),
    *,
    partitions: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
) -> PromoteResult:
    """Make versions of one environment current in another, and publish them as that one does.

    All conflicts are found before anything moves, and then nothing does. The heads move in one batch, upstream first:
    atomic where the store has transactions; elsewhere a crash leaves the first of them, and promoting again goes on.
    Idempotent: what is the same in both is left alone.

    Args:
        project: Where, in whichever environment.
        source: The environment whose own versions are promoted.
        target: The environment they become current in.
        select: Keys, names, globs, ``+a`` and ``a+``, by the lineage that is recorded; everything by default.
        partitions: Only these partitions.
        force: Promote over what the target got meanwhile, and over what is held there.
        dry_run: True writes nothing.

    Raises:
        UsageError: There is no such environment, or both are one.
        UnknownName: A selector names nothing that the source has.
        PromotionConflict: Something keeps versions from being promoted; names all.
        NotPublished: The heads moved, and a file could not be put; the next build of the target puts it.
    """
    if source == target:
        raise UsageError(
            "An environment cannot be promoted to itself", {"environment": source}, "nacre env ls"
        )
    looking = project.workspace(creates=False)
    for name in (source, target):
        require_known(looking, project.settings, name)
    ours = project.in_environment(source, creates=False)
    theirs = project.in_environment(target, creates=not dry_run)
    sides = _Sides(
        ours,
        theirs,
        Versions(ours.records, ours.catalog, ours.env),
        _chosen(ours, select, partitions),
        {row.slot: row for row in theirs.catalog.heads(theirs.env)},
        is_base=chain_of(project.settings, ours.records, source).base == target,
        is_over=chain_of(project.settings, ours.records, target).base == source,
    )
    for key in {row.asset for row in sides.chosen.values()}:
        theirs.catalog.require_readable(theirs.env, key)
    found = _plan(sides, force=force)
    if not found.conflicts:
        found = found._replace(conflicts=_gone(sides, found.moves, notes=not dry_run))
    if found.conflicts:
        raise _conflict(found, source, target)
    if dry_run:
        told = tuple(_told(each, each.target_seq + 1, sides) for each in found.moves)
        return PromoteResult(source, target, told, len(found.same), is_dry_run=True)
    return _carry_out(sides, found)


class _Sides(NamedTuple):
    """Both environments: what is promoted of the source's own, and what is current in the target."""

    ours: Workspace
    theirs: Workspace
    versions: Versions
    chosen: Mapping[str, HeadRow]
    there: Mapping[str, HeadRow]
    is_base: bool
    is_over: bool


def _plan(sides: _Sides, *, force: bool) -> Promotion:
    ours, theirs, versions, chosen, there, is_base, _ = sides
    histories = Histories(
        source=lambda made: ours.catalog.history(ours.env, key_of(made), partition_of(made)),
        target=lambda made: theirs.catalog.history(theirs.env, key_of(made), partition_of(made)),
        inputs=lambda made: _inputs(ours, versions, chosen[made]),
    )
    # Rows of the catalog are what the plan asks for; a type checker does not see it of their fields.
    source = cast("Mapping[str, PromotableHead]", chosen)
    target = cast("Mapping[str, PromotableHead]", there)
    return plan_promotion(source, target, histories, is_base=is_base, force=force)


def _gone(sides: _Sides, moves: Sequence[Promoted], *, notes: bool) -> tuple[Conflict, ...]:
    """Find the versions whose bytes are gone, which nobody had noted yet; noted, the next build makes them again.

    Raises:
        NotMaterialized: The record of one is gone.
        CorruptRecord: It cannot be read.
    """
    ours, heads = sides.ours, [sides.chosen[each.slot] for each in moves]
    sides.versions.look_ahead([(head.fingerprint, "") for head in heads])
    outputs = [require_output(ours, sides.versions, head.slot, head) for head in heads]
    # Files of others lie where they lie.
    there = at_once(ours.contents.is_there, outputs)
    gone = [head for head, is_there in zip(heads, there, strict=True) if not is_there]
    for head in gone if notes else ():
        note_lost(ours.records, ours.env, head.asset, head.partition, [head.seq])
    return tuple(Conflict(head.slot, Obstacle.LOST, head.seq) for head in gone)


def _inputs(ours: Workspace, versions: Versions, head: HeadRow) -> list[UsedInput]:
    """Find what a version was made from: recipes from the histories, contents also from its record."""
    found: list[UsedInput] = []
    recorded: dict[str, str] | None = None
    for row in ours.catalog.inputs(ours.env, head.asset, head.seq, head.partition):
        name, part = row.parameter, partition_of(row.parameter)
        history = ours.catalog.history(row.env or ours.env, row.upstream, part)
        entry = next((each for each in history if each.seq == row.upstream_seq), None)
        if entry is not None:
            fingerprint, data_version = entry.fingerprint, entry.data_version
        else:
            if recorded is None:
                action = versions.action(head.fingerprint)
                recorded = {each.name: each.data_version for each in action.inputs} if action else {}
            fingerprint, data_version = "", recorded.get(name, "")
        made = slot(row.upstream, part)
        found.append(UsedInput(name, made, row.upstream_seq, fingerprint, data_version))
    return found


def _carry_out(sides: _Sides, found: Promotion) -> PromoteResult:
    """Move the heads, remember which versions of the two are one, and publish."""
    ours, theirs, _, chosen, there, is_base, is_over = sides
    warnings: list[str] = []
    versions = Versions(theirs.records, theirs.catalog, theirs.env)
    publishing = Publishing(theirs, versions, lambda _, text: warnings.append(text))
    seen = [each.slot for each in found.moves if is_seen_outside(each.slot, chosen[each.slot])]
    publishing.taken.update(_taken(sides, seen))
    if placed := theirs.publisher.placed([each.slot for each in found.moves if each.slot not in seen]):
        publishing.check(placed)
        publishing.drifted(placed, there)
    committer = Committer(theirs.records, theirs.clock.monotonic)
    heads = [chosen[each.slot] for each in found.moves]
    own = ours.records.get_many([head_path(ours.env, each.asset, each.partition) for each in heads])
    for each, stored in zip(found.moves, own, strict=True):
        committer.add(_commit(sides, each, stored))
    done = committer.flush()
    moved = [each for each in done if not (each.superseded_by or each.held or each.is_gone)]
    seqs = {made: seq for each in moved for made, seq in _seqs(each).items()}
    # Those that are the same belong here too: a crash may have come between, or both made the same.
    pairs = {made: there[made].seq for made in found.same if not there[made].base} | seqs
    if is_base:
        _note_bases(theirs, ours.env, {m: seq for m, seq in pairs.items() if chosen[m].base_seq != seq})
    elif is_over:
        _note_bases(theirs, theirs.env, {made: chosen[made].seq for made in pairs})
    publishing.committed(moved)
    overtaken = [each.slot for each in found.moves if each.slot not in seqs]
    if overtaken:
        facts = {"environment": theirs.env_name, "assets": _listed(map(short, overtaken))}
        hint = f"look again: nacre promote {ours.env_name} {theirs.env_name} --dry-run"
        what = "A run made newer versions while these were promoted; the others are promoted"
        raise PromotionConflict(what, facts, (hint, "nothing is lost: what it made is current"))
    if publishing.errors:
        raise _not_published(list(publishing.errors.values()))
    told = tuple(_told(each, seqs[each.slot], sides) for each in found.moves)
    return PromoteResult(ours.env_name, theirs.env_name, told, len(found.same), warnings=tuple(warnings))


def _commit(sides: _Sides, promoted: Promoted, own: Stored | None) -> Commit:
    """Say what one promotion writes, from its head as it is stored."""
    ours, theirs, head = sides.ours, sides.theirs, sides.chosen[promoted.slot]
    there = sides.there.get(promoted.slot)
    metadata = decode(own.data, Head, own.path).metadata if own is not None else {}
    move = Move(
        env=theirs.env,
        asset=head.asset,
        data_version=head.data_version,
        inputs=promoted.inputs,
        surveyed_seq=promoted.target_seq,
        metadata=metadata,
        partition=head.partition,
        base=there.base if there is not None else "",
        releases=there is not None and bool(there.held),
        reason=f"promoted from {ours.env_name} v{head.seq}",
        by=person(),
    )
    made = sides.versions.made(head.fingerprint, head.slot, head.data_version)
    if made is None:
        raise record_gone(ours.location, promoted.slot, head.seq)
    # The run stays the one that made it: its log is what a person looks for.
    return Commit(
        head.fingerprint,
        head.run,
        theirs.new_id(),
        theirs.clock.now(),
        moves=(move,),
        taken=made,
        is_named=True,
    )


def _seqs(done: Committed) -> dict[str, int]:
    return {slot(move.asset, move.partition): done.seqs[move.asset] for move in done.commit.moves}


def _note_bases(theirs: Workspace, env: str, seqs: Mapping[str, int]) -> None:
    """Remember with heads of an environment which version of its base they go on from now, where they are there.

    A run may write to one at the same time: then that one is read again.
    """
    records = theirs.records
    left = {head_path(env, key_of(made), partition_of(made)): seq for made, seq in seqs.items()}
    for _ in range(MAX_TRIES):
        writes = []
        for stored in filter(None, records.get_many([*left])):
            noted = msgspec.structs.replace(
                decode(stored.data, Head, stored.path), base_seq=left[stored.path]
            )
            writes.append(Write(stored.path, encode(noted), stored.token))
        tokens = records.batch(writes) if writes else []
        left = {each.path: left[each.path] for each, token in zip(writes, tokens, strict=True) if not token}
        if not left:
            return
    raise contended(next(iter(left)))


def _taken(sides: _Sides, seen: Sequence[str]) -> dict[str, Taken]:
    """Say what was seen of files of others: they lie at one place for both environments, and are put at none."""
    ours, chosen = sides.ours, sides.chosen
    versions = Versions(ours.records, ours.catalog, ours.env)
    found = {}
    for made in seen:
        head = chosen[made]
        output = versions.output(head.fingerprint, made, head.data_version)
        if output is not None and head.published == head.seq:
            found[made] = Taken(output.digest, head.mark)
    return found


def _told(each: Promoted, seq: int, sides: _Sides) -> PromotedVersion:
    place = sides.theirs.place_of(each.slot, sides.chosen[each.slot])
    return PromotedVersion(key_of(each.slot), partition_of(each.slot), seq, each.seq, place)


# ── what is chosen ────────────────────────────────────────────────────────────────────────────────────────────────────


def _chosen(ours: Workspace, select: Sequence[str], partitions: Sequence[str]) -> dict[str, HeadRow]:
    """Choose among the source's own heads.

    Raises:
        UnknownName: A selector names nothing that is stored there.
        UsageError: It has no such partition of its own.
    """
    ours.catalog.require_readable(ours.env)
    own = ours.catalog.own_heads(ours.env)
    if select:
        seen = list(dict.fromkeys(row.asset for row in ours.catalog.heads(ours.env)))
        edges = ours.catalog.edges(ours.env)
        keys = select_stored(seen, edges, select)
        own = [row for row in own if row.asset in keys]
    if partitions:
        there = {row.partition for row in own}
        for each in partitions:
            if each not in there:
                known = sorted(filter(None, there)) or ["none"]
                facts = {"partition": each, "own": _listed(known)}
                raise UsageError(f"{ours.env_name} has no such partition of its own", facts, "nacre env ls")
        own = [row for row in own if row.partition in partitions]
    return {row.slot: row for row in own}


# ── in words ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _conflict(found: Promotion, source: str, target: str) -> PromotionConflict:
    """Write up all that keeps versions from being promoted."""
    reasons: dict[str, list[str]] = {}
    for each in found.conflicts:
        reasons.setdefault(short(each.slot), []).append(each.sentence(source, target))
    facts = {name: "\n".join(dict.fromkeys(whys)) for name, whys in list(reasons.items())[:_MAX_TOLD]}
    if len(reasons) > _MAX_TOLD:
        facts["…"] = f"and {len(reasons) - _MAX_TOLD:,} more"
    hints = []
    obstacles = {each.obstacle for each in found.conflicts}
    if Obstacle.NEEDS in obstacles:
        hints.append(f"promote what it was made from as well: nacre promote {source} {target} +NAME")
    if Obstacle.MOVED in obstacles:
        take = f"nacre promote {target} {source} NAME --force, then nacre build --env {source}"
        hints.append(f"go on from what {target} has: {take}")
    if Obstacle.HELD in obstacles:
        hints.append(f"release what is held: nacre rollback NAME --release --env {target}")
    if any(each.can_be_forced for each in found.conflicts):
        hints.append(f"or let {source} win: nacre promote {source} {target} --force")
    what = f"{source} cannot be promoted to {target}: nothing was promoted"
    return PromotionConflict(what, facts, (*hints, SAFE))


def _not_published(errors: Sequence[NotPublished]) -> NacreError:
    first = errors[0]
    if len(errors) > 1:
        first.about("and", f"{len(errors) - 1:,} more")
    return first


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    shown = ", ".join(found[:_MAX_TOLD])
    return f"{shown} and {len(found) - _MAX_TOLD:,} more" if len(found) > _MAX_TOLD else shown
