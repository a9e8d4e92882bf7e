"""Gathers the facts a plan needs: now, heads and code identities; what is stored of versions only where it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cached_property

from nacre.catalog.history import Catalog, HistoryRow
from nacre.errors import CorruptRecord
from nacre.keys import key_of, partition_of, slot
from nacre.planning.facts import CodeFact, Evidence, Facts, KnownResult, ReadFact
from nacre.store.codec import decode, readable
from nacre.store.paths import action_path, source_path
from nacre.store.port import RecordStore, Stored
from nacre.store.records import Action, Output, Sources
from nacre.version.outline import Outline


class Versions:
    """Stored versions of one environment. Action records never change, so each is read once.

    Args:
        records: The store's records.
        catalog: The index over them.
        env: Environment whose heads and histories count.
        is_far: True where each request to the store takes a while, so that several are sent at once.
    """

    def __init__(self, records: RecordStore, catalog: Catalog, env: str, *, is_far: bool = False) -> None:
        self._records = records
        self._catalog = catalog
        self._env = env
        self.is_far = is_far
        #: Recipes that were just found to have no record; each is believed once.
        self._absent: set[str] = set()
        self._actions: dict[str, Action] = {}
        #: Recipe to the results of it that were found while this run waited for another.
        self._seen: dict[str, list[str]] = {}
        #: Records of texts of code that are there, as the records that were read say.
        self.sources: set[str] = set()
        #: Fingerprints of records that cannot be read, or whose bytes are gone: they may be written anew.
        self.damaged: set[str] = set()

    def action(self, fingerprint: str) -> Action | None:
        """Return the record of a fingerprint, None where there is none: never made, collected, or damaged."""
        found = self._actions.get(fingerprint)
        if fingerprint in self._absent:
            self._absent.discard(fingerprint)
        elif found is None:
            found = self._take(fingerprint, self._records.get(action_path(fingerprint)))
        return found

    def _take(self, fingerprint: str, stored: Stored | None) -> Action | None:
        if stored is None:
            return None
        try:
            action = decode(stored.data, Action, stored.path)
        except CorruptRecord:
            self.damaged.add(fingerprint)
            return None
        if action.fingerprint != fingerprint:
            self.damaged.add(fingerprint)  # another one's record, whose result is never taken
            return None
        if action.buried_at is not None:
            return None
        self._actions[fingerprint] = action
        self.sources.update(action.sources.values())
        return action

    def look_ahead(self, recipes: Sequence[tuple[str, str]]) -> None:
        """Read the records of several recipes at once, and of those that have none what is current instead.

        Args:
            recipes: Fingerprint to that of the current version; the latter empty where there is none.
        """
        self._read([recipe for recipe, _ in recipes])
        absent = [(recipe, current) for recipe, current in recipes if recipe not in self._actions]
        self._read([current for _, current in absent if current])
        self._absent.update(recipe for recipe, _ in absent)

    def _read(self, fingerprints: Iterable[str]) -> None:
        new = [each for each in dict.fromkeys(fingerprints) if each not in self._actions]
        found = self._records.get_many([action_path(each) for each in new])
        for fingerprint, stored in zip(new, found, strict=True):
            self._take(fingerprint, stored)

    def look_again(self, fingerprint: str) -> bool:
        """Look for results of a recipe that another run may have recorded since; True where there are new ones."""
        self._absent.discard(fingerprint)
        listed = [
            each.path.removeprefix("ac/") for each in self._records.scan(action_path(fingerprint) + "/")
        ]
        new = [each for each in [fingerprint, *listed] if each not in self._actions]
        found = list(filter(None, map(self.action, new)))
        if found:
            before = self._seen.get(fingerprint, [])
            self._seen[fingerprint] = [*before, *(each.fingerprint for each in found)]
        return bool(found)

    def texts(self, digest: str) -> dict[str, str]:
        """Return what was defined in a version of a source file: line to text; empty where that was not kept."""
        path = source_path(digest)
        stored = self._records.get(path) if digest else None
        kept = readable(stored, Sources) if stored is not None else None
        return kept.texts if kept is not None else {}

    def remember(self, action: Action) -> None:
        """Take a record that was just committed."""
        self._actions[action.fingerprint] = action

    def forget(self, fingerprint: str) -> None:
        """Read the record of a fingerprint again when it is asked for."""
        self._actions.pop(fingerprint, None)

    def output(self, fingerprint: str, slot: str, data_version: str = "") -> Output | None:
        """Return what a recipe made for one slot.

        Args:
            fingerprint: Of the recipe.
            slot: The asset, or the partition of it.
            data_version: Which content, where the recipe ran more than once; by default what is recorded now.

        Returns:
            None where that is not recorded.
        """
        action = self.action(fingerprint)
        found = output_of(action, slot) if action else None
        if data_version and (found is None or found.data_version != data_version):
            made = self.made(fingerprint, slot, data_version)
            return output_of(made, slot) if made else None
        return found

    def made(self, fingerprint: str, slot: str, data_version: str) -> Action | None:
        """Return the record of a version: of its recipe, or one that a refresh replaced; None where it is gone."""
        wanted = (key_of(slot), data_version)
        action = self.action(fingerprint)
        if action is not None and wanted in _contents(action):
            return action
        for stored in self._records.scan(f"{action_path(fingerprint)}/"):
            try:
                replaced = decode(stored.data, Action, stored.path)
            except CorruptRecord:
                continue
            if replaced.fingerprint == fingerprint and wanted in _contents(replaced):
                return replaced
        return None

    def known(self, fingerprint: str, made: str, *, has_head: bool) -> list[KnownResult]:
        """Return the recorded results of a recipe, for planning: one, or one for each set of things it read besides.

        Args:
            fingerprint: Of the recipe.
            made: The first slot it makes; those with reads are found in its history, and in those that it has in other
                environments. A plain task has none: they are listed.
            has_head: False where it has none.
        """
        if made.startswith("task://"):
            below = self._records.scan(f"{action_path(fingerprint)}/")
            found = dict.fromkeys([*(each.path.removeprefix("ac/") for each in below), fingerprint])
            return [_result(action, rows=()) for action in filter(None, map(self.action, found))]
        environments = [self._env, *self._others] if has_head else self._others
        rows = [
            row
            for env in environments
            for row in self._catalog.recent(env, key_of(made), partition_of(made))
            if row.fingerprint.partition("/")[0] == fingerprint
        ]
        with_reads = [row.fingerprint for row in rows if row.fingerprint != fingerprint]
        found = dict.fromkeys([*self._seen.get(fingerprint, ()), *with_reads, fingerprint])
        return [_result(action, rows) for action in filter(None, map(self.action, found))]

    @cached_property
    def _others(self) -> list[str]:
        """The other environments: what a step read there is compared with what it would read here."""
        return [env for env in self._catalog.environments() if env != self._env]

    def evidence(self, fingerprint: str) -> Evidence | None:
        """Return what a version was made of, for planning."""
        action = self.action(fingerprint)
        if action is None:
            return None
        inputs = {
            each.name: (slot(each.asset, each.partition), each.data_version)
            for each in action.inputs
            if not each.derived
        }
        parts = {part.name: (part.place, part.digest) for part in action.parts}
        return Evidence(
            action.code,
            parts,
            inputs,
            action.parameters,
            action.recipe,
            _reads(action),
            action.shown,
            action.duration_s,
            {out.asset: out.size_bytes for out in action.outputs},
        )

    def outline(self, slot: str, data_version: str) -> Outline | None:
        """Return what a slot looked like at a data version of its history; None where it is not kept."""
        for row in self._catalog.recent(self._env, key_of(slot), partition_of(slot)):
            if row.data_version == data_version:
                output = self.output(row.fingerprint, slot, data_version)
                return output.outline if output else None
        return None


def output_of(action: Action, slot: str) -> Output | None:
    """Find what a recorded step made for one slot."""
    asset = key_of(slot)
    for output in action.outputs:
        if output.asset == asset:
            return output
    return None


def _contents(action: Action) -> list[tuple[str, str]]:
    return [(output.asset, output.data_version) for output in action.outputs]


def _reads(action: Action) -> tuple[ReadFact, ...]:
    return tuple([ReadFact(read.kind, read.name, read.digest) for read in action.reads])


def _result(action: Action, rows: Sequence[HistoryRow]) -> KnownResult:
    """Make a known result of a record; it is lost where the newest version that is this result is noted as that."""
    made = {slot(out.asset, action.partition): out.data_version for out in action.outputs}
    own = [r for r in rows if r.fingerprint == action.fingerprint and r.data_version in made.values()]
    is_lost = bool(own) and bool(max(own, key=lambda row: row.at).is_lost)
    return KnownResult(action.fingerprint, made, action.started_at, _reads(action), is_lost)


def gather(
    catalog: Catalog,
    versions: Versions,
    code: Callable[[str], CodeFact],
    digest: Callable[[str, str], str],
    now: datetime,
    env: str,
    *,
    refresh: frozenset[str] = frozenset(),
    reuse_sources: bool = False,
) -> Facts:
    """Gather the facts for one plan.

    Args:
        catalog: Where heads are listed; one query, whatever their number.
        versions: Stored versions, read when planning asks.
        code: Step key to its code version.
        digest: Kind and name of a file, folder or variable to its digest.
        now: Aware UTC.
        env: Environment.
        refresh: Steps to run whatever is known; ``*`` means all.
        reuse_sources: True where sources with a current version are not looked at again.

    Returns:
        The facts; linear in heads.
    """
    heads = {row.slot: row for row in catalog.heads(env)}

    def digest_now(kind: str, name: str) -> str:
        if kind != "asset":
            return digest(kind, name)
        head = heads.get(name)
        return head.data_version if head is not None else ""

    return Facts(
        now=now,
        heads=heads,
        code=code,
        known=lambda fingerprint, made: versions.known(fingerprint, made, has_head=made in heads),
        evidence=versions.evidence,
        outline=versions.outline,
        digest_now=digest_now,
        refresh=refresh,
        reuse_sources=reuse_sources,
        look_ahead=versions.look_ahead if versions.is_far else None,
    )
