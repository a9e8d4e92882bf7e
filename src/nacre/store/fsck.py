"""Checks that all a store says is there is there: heads, histories and pins, their records, and the bytes these name.

It reads, and changes nothing; ``mend`` then notes what is lost, so that the next build makes it again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from nacre.encoding import digest_bytes, digest_chunks
from nacre.errors import CorruptRecord
from nacre.keys import slot
from nacre.store.codec import decode, decode_any, encode
from nacre.store.history import last_of, whole
from nacre.store.ids import time_of
from nacre.store.lives import is_left
from nacre.store.losses import note_lost
from nacre.store.paths import (
    action_path,
    env_life,
    env_name,
    env_path,
    head_path,
    replaced_path,
)
from nacre.store.port import ObjectStore, RecordStore, Stored
from nacre.store.reach import tombstone
from nacre.store.records import DEFAULT_ENV, Action, Environment, Head, Output, Past, Pin, Record, Run

_CHUNK_BYTES = 1 << 20


class Problem(enum.StrEnum):
    """What is wrong with something; the values are shown, and stand in ``--json``."""

    UNREADABLE = "unreadable record"
    NO_HEAD = "missing head"
    NO_RECORD = "missing record"
    MISSING = "missing object"
    TRUNCATED = "truncated object"
    DAMAGED = "damaged bytes"
    STALE = "stale publication"
    INDEX = "index differs"
    FILE = "damaged file"
    FOREIGN = "not ours"
    OUTSIDE = "file of others"


#: Environment, asset and partition.
_Place = tuple[str, str, str]


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Args:
        problem: What is wrong.
        place: The record, object or file.
        slot: Which asset or partition it concerns, if any.
        version: Which of its versions.
        env: In which environment.
        text: More about it.
        is_noted: True where the head says already that this version is lost.
    """

    problem: Problem
    place: str
    slot: str = ""
    version: str = ""
    env: str = ""
    text: str = ""
    is_noted: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether something is to be done about it: not where it is known already, or others left it there."""
        return self.problem not in (Problem.FOREIGN, Problem.OUTSIDE) and not self.is_noted


class _Kept(NamedTuple):
    """What a record says of one output, without its bytes; ``problem`` where the inline ones are not as stored."""

    asset: str
    data_version: str
    object: str
    size_bytes: int
    digest: str
    problem: Problem | None = None


@dataclass(slots=True)
class Checked:
    """What a check found.

    Args:
        findings: In the order of what they concern.
        n_records: How many records were read.
        n_versions: How many versions of histories and pins were followed to their bytes.
        n_objects: How many objects there are.
        lost: Environment, asset and partition to the numbers of versions whose bytes are gone.
        found: Likewise, versions that were noted as lost and are whole.
        spoilt: Paths of action records that cannot be read, or lie in the place of another.
        unreadable: Paths of all records that cannot be read.
        headless: Paths of heads that are gone, or end before what runs made.
        nameless: Paths of records of environments that are gone, while there are heads of a later life of them.
        built: Paths of heads to the newest version that a run says it made, of environments in their first life.
    """

    findings: list[Finding] = field(default_factory=list)
    n_records: int = 0
    n_versions: int = 0
    n_objects: int = 0
    lost: dict[tuple[str, str, str], set[int]] = field(default_factory=dict)
    found: dict[tuple[str, str, str], set[int]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    headless: set[str] = field(default_factory=set)
    nameless: set[str] = field(default_factory=set)
    built: dict[str, int] = field(default_factory=dict)

    @property
    def faults(self) -> list[Finding]:
        """What is wrong with the store itself."""
        return [each for each in self.findings if each.is_fault]


def check(records: RecordStore, objects: ObjectStore, *, reads_data: bool = False) -> Checked:
    """Follow every head, part of a history and pin to its record and its object; list what else lies there.

    In a bucket it costs a LIST for each 1,000 records and objects, and a GET for each record.

    Args:
        records: The store's records.
        objects: Its objects.
        reads_data: True reads every object and verifies its digest; else only its size is looked at.

    Returns:
        What was found. A writer at work makes no finding: what it has not yet named is not looked for.

    Raises:
        StoreError: The store cannot be reached, or its file cannot be read.
    """
    return _Check(records, objects, reads_data).run()


def mend(records: RecordStore, checked: Checked, now: datetime) -> None:
    """Note what is lost, so that the next build makes it again, and what was noted and is whole again. Idempotent.

    Records that can be read stay as they are, whatever became of the bytes they name. One that cannot is replaced by a
    tombstone, so that its result may be recorded again.

    Args:
        records: The store's records.
        checked: What a check found.
        now: Aware UTC.
    """
    for place in {**checked.lost, **checked.found}:
        note_lost(records, *place, checked.lost.get(place, ()), checked.found.get(place, ()))
    for path in sorted(checked.spoilt):
        stored = _any(records, path)
        if stored is None:
            continue
        try:
            action = decode(stored.data, Action, path)
        except CorruptRecord:
            action = _unknown(path, now)
        # Whoever replaced it meanwhile made it again.
        records.replace(path, encode(tombstone(action, now)), stored.token)


class _Check:
    def __init__(self, records: RecordStore, objects: ObjectStore, reads_data: bool) -> None:
        self._records = records
        self._objects = objects
        self._reads_data = reads_data
        self._sizes: dict[str, int] = {}
        #: By the path of their record; the paths by recipe, since one that ran more than once has several.
        self._kept: dict[str, tuple[_Kept, ...]] = {}
        self._paths: dict[str, list[str]] = {}
        self._problems: dict[str, Problem | None] = {}
        self._noted: dict[tuple[str, str, str], tuple[int, ...]] = {}
        self._built: dict[tuple[str, str, str], tuple[int, datetime]] = {}
        self._found = Checked()
        self._reading = ""
        #: By slot, the numbers that its history lists.
        self._listed: dict[_Place, set[int]] = {}

    def run(self) -> Checked:
        # What ended is known before what it left, and what is named is looked at before what it names, so that what a
        # writer adds meanwhile is no finding.
        lives = {each.name: each for each in self._read("envs/") if isinstance(each, Environment)}
        named = [
            (self._reading, each)
            for area in ("heads/", "hist/", "pins/")
            for each in self._read(area)
            if not (isinstance(each, (Head, Past)) and is_left(each.env, lives))
        ]
        self._listed = _listed(named)
        self._look_for_environments({record.env for _, record in named if isinstance(record, Head)}, lives)
        for action in self._read("ac/"):
            assert isinstance(action, Action)
            self._take(action)
        for run in self._read("runs/"):
            assert isinstance(run, Run)
            self._note_built(run)
        for area in ("artifacts/", "schedules/", "ticks/"):
            for _ in self._read(area):
                pass
        self._sizes = {each.name: each.size_bytes for each in self._objects.list("")}
        self._found.n_objects = len(self._sizes)
        for _, record in named:
            if isinstance(record, Head):
                self._noted[record.env, record.asset, record.partition] = record.lost
        for _, record in named:
            self._follow(record)
        self._look_at_results()
        self._look_for_heads([record for _, record in named])
        self._look_for_others()
        self._found.findings.sort(key=lambda each: (each.slot, each.env, each.place))
        return self._found

    def _read(self, prefix: str) -> Iterator[Record]:
        """Read the records of an area; one that cannot be read, or that lies in the place of another, is a finding."""
        for stored in self._records.scan(prefix):
            self._found.n_records += 1
            try:
                record = decode_any(stored.data, stored.path)
                problem = ""
            except CorruptRecord as error:
                problem = str(error.facts.get("problem", error.what))
            if not problem:
                self._reading = stored.path
                yield record
                continue
            self._found.unreadable.add(stored.path)
            if prefix == "ac/":
                self._found.spoilt.add(stored.path)
            self._found.findings.append(Finding(Problem.UNREADABLE, stored.path, text=problem))

    def _follow(self, record: Record) -> None:
        """Follow the versions that a record names to their bytes."""
        if isinstance(record, Pin):
            self._found.n_versions += 1
            problem, place = self._problem(record.fingerprint, record.asset, record.data_version)
            if problem is not None:
                about = slot(record.asset, record.partition)
                text = f"pinned as {record.name}"
                self._found.findings.append(
                    Finding(problem, place, about, f"v{record.seq}", env_name(record.env), text)
                )
            return
        assert isinstance(record, (Head, Past))
        key = record.env, record.asset, record.partition
        noted = self._noted.get(key, ())
        for each in record.history:
            if each.seq not in self._listed[key]:
                continue  # a collection dropped it, and a writer that did not know spilt it
            self._found.n_versions += 1
            problem, place = self._problem(each.fingerprint, record.asset, each.data_version)
            if problem is None:
                if each.seq in noted:
                    self._found.found.setdefault(key, set()).add(each.seq)
                continue
            self._found.lost.setdefault(key, set()).add(each.seq)
            about, is_noted = slot(record.asset, record.partition), each.seq in self._noted.get(key, ())
            text = "known to be lost" if is_noted else ""
            self._found.findings.append(
                Finding(problem, place, about, f"v{each.seq}", env_name(record.env), text, is_noted)
            )

    def _take(self, action: Action) -> None:
        """Remember what a record names. One that was replaced by a refresh lies under its attempt."""
        path, replaced = action_path(action.fingerprint), replaced_path(action.fingerprint, action.attempt)
        path = replaced if self._reading == replaced else path
        self._kept[path] = tuple(map(_kept, action.outputs)) if action.buried_at is None else ()
        self._paths.setdefault(action.fingerprint, []).append(path)

    def _problem(self, fingerprint: str, asset: str, data_version: str) -> tuple[Problem | None, str]:
        """Say what is wrong with what a recipe made for an asset, and where; with any content where none is named."""
        path = action_path(fingerprint)
        if fingerprint not in self._paths and path not in self._found.unreadable:
            # It may have been written since the records were read.
            self._look_up(path)
        for own in self._paths.get(fingerprint, ()):
            for each in self._kept[own]:
                if each.asset == asset and data_version in ("", each.data_version):
                    return self._problem_of(each), each.object or own
        return Problem.UNREADABLE if path in self._found.unreadable else Problem.NO_RECORD, path

    def _problem_of(self, output: _Kept) -> Problem | None:
        if not output.object:
            return output.problem
        if output.object not in self._problems:
            self._problems[output.object] = self._look_at(output)
        return self._problems[output.object]

    def _look_at(self, output: _Kept) -> Problem | None:
        size = self._sizes.get(output.object)
        if size is None:
            # Nothing rests on a list being complete.
            found = self._objects.head(output.object)
            if found is None:
                return Problem.MISSING
            size = found.size_bytes
        if size != output.size_bytes:
            return Problem.TRUNCATED if size < output.size_bytes else Problem.DAMAGED
        if self._reads_data and not self._is_whole(output):
            return Problem.DAMAGED
        return None

    def _is_whole(self, output: _Kept) -> bool:
        try:
            with self._objects.get(output.object) as source:
                return digest_chunks(iter(lambda: source.read(_CHUNK_BYTES), b"")) == output.digest
        except FileNotFoundError:
            return False

    def _look_up(self, path: str) -> None:
        try:
            stored = self._records.get(path)
            if stored is not None:
                self._take(decode(stored.data, Action, path))
        except CorruptRecord:
            return

    def _look_at_results(self) -> None:
        """Look at the results that no version names. Their records stay: the bytes may come back, from a backup."""
        told = {each.place for each in self._found.findings}
        for path, outputs in self._kept.items():
            for each in outputs:
                problem, place = self._problem_of(each), each.object or path
                if problem is not None and place not in told:
                    told.add(place)
                    self._found.findings.append(
                        Finding(problem, place, each.asset, text="no version names it")
                    )

    def _look_for_environments(self, folders: set[str], lives: Mapping[str, Environment]) -> None:
        """Find heads that nobody reads, since the record of their environment is gone."""
        for folder in sorted(folders):
            path = env_path(env_name(folder))
            if env_life(folder) > 1 and env_name(folder) not in lives and path not in self._found.unreadable:
                self._found.nameless.add(path)
                text = f"nobody reads heads/{folder} without it"
                self._found.findings.append(Finding(Problem.NO_RECORD, path, env=env_name(folder), text=text))

    def _note_built(self, run: Run) -> None:
        """Remember which versions a run says that it made."""
        for step in run.steps:
            if step.action == "built" and step.seq and not step.error:
                for asset in step.assets:
                    place = run.env, asset, step.partition
                    self._built[place] = max((step.seq, run.started_at), self._built.get(place, _NOTHING))

    def _look_for_heads(self, named: list[Record]) -> None:
        """Find heads that are gone, or are older than the runs that are kept: histories end before what was made."""
        heads = {(each.env, each.asset, each.partition): each for each in named if isinstance(each, Head)}
        for place, (seq, at) in self._built.items():
            path, head = head_path(*place), heads.get(place)
            self._found.built[path] = seq
            # Another environment may have been removed, with its heads, and begun anew.
            if place[0] != DEFAULT_ENV or path in self._found.unreadable:
                continue
            if head is None or head.current.seq < seq:
                there = f"v{head.current.seq} is the newest there" if head else "nothing is there"
                # What was begun anew since then goes on, and nobody can bring back what was before.
                is_noted = head is not None and head.history[0].seq == 1 and head.history[0].at > at
                self._found.headless.add(path)
                self._found.findings.append(
                    Finding(Problem.NO_HEAD, path, slot(*place[1:]), f"v{seq}", place[0], there, is_noted)
                )

    def _look_for_others(self) -> None:
        """List what lies among the objects and is none of ours."""
        for name in self._sizes:
            area, _, rest = name.partition("/")
            if area not in ("data", "artifacts", "logs") or time_of(rest.rpartition("/")[2]) is None:
                self._found.findings.append(Finding(Problem.FOREIGN, name))


def _kept(output: Output) -> _Kept:
    # What others keep at the asset's own place is none of the store's bytes.
    is_here = not output.object and not output.is_outside
    is_spoilt = is_here and digest_bytes(output.inline) != output.digest
    problem = Problem.DAMAGED if is_spoilt else None
    return _Kept(output.asset, output.data_version, output.object, output.size_bytes, output.digest, problem)


def _listed(named: Iterable[tuple[str, Record]]) -> dict[_Place, set[int]]:
    """Say which numbers the history of each slot lists, in all its parts together."""
    parts: dict[_Place, list[tuple[int, Head | Past]]] = {}
    for path, record in named:
        if isinstance(record, (Head, Past)):
            place = record.env, record.asset, record.partition
            parts.setdefault(place, []).append((last_of(path, record), record))
    return {place: {each.seq for each in whole(found)} for place, found in parts.items()}


def _any(records: RecordStore, path: str) -> Stored | None:
    """Read what lies at a path, whatever it is."""
    return next((stored for stored in records.scan(path) if stored.path == path), None)


def _unknown(path: str, now: datetime) -> Action:
    """Stand in for a record of which nothing can be read."""
    return Action(
        fingerprint=path.removeprefix("ac/"),
        task="",
        code="",
        outputs=(),
        attempt="",
        run="",
        started_at=now,
        duration_s=0.0,
    )


_NOTHING = (0, datetime.min.replace(tzinfo=UTC))
