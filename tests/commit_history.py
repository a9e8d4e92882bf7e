"""Several machines, one store: the processes whose requests are interleaved, made of the product's own parts.

Each does what a run does around a step, in the engine's order: survey, take or make, commit, publish. What a step
returns is a few bytes, so that a history costs milliseconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from interleaving import (
    OBJECTS,
    RECORDS,
    FakeBucket,
    Schedule,
    Time,
    TurnedObjects,
    TurnedRecords,
    Violation,
    in_turn,
)
from nacre.catalog.history import HeadRow
from nacre.encoding import digest_bytes
from nacre.execute.publishing import Publishing
from nacre.execute.workspace import Workspace
from nacre.keys import slot
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.claims import NoClaims
from nacre.store.codec import decode
from nacre.store.commit import Commit, Committer, Move
from nacre.store.contents import Contents
from nacre.store.gc import Retention, collect
from nacre.store.paths import head_path
from nacre.store.port import ObjectStore, RecordStore
from nacre.store.publish.bucket import BucketPlace
from nacre.store.publish.publisher import Publisher
from nacre.store.records import Action, Head, Input, Materialization, Output
from nacre.survey.gather import Versions
from nacre.version.outline import Outline
from witness import Witness

ABOVE, BELOW = "s3://lake/above.bin", "asset://below"
RECIPES = ("k", "l", "m")
DAY_S = 24 * 3600.0
OUTLINE = Outline("bytes")


@dataclass
class Planted:
    """What a test replaces of the product, to see that the invariants notice: nothing, by default."""

    committer: type[Committer] = Committer
    publishing: type[Publishing] = Publishing
    objects: Callable[[History, Any], Any] = lambda history, inner: inner
    records: Callable[[History, Any], Any] = lambda history, inner: inner
    collected: Callable[[Any], Any] = lambda records: records
    collect: Callable[..., object] = collect
    takes_blindly: Callable[[str], bool] = lambda path: False


@dataclass
class History:
    """A store and the processes that work on it.

    Args:
        seed: Chooses what they are and how they interleave.
        planted: What is replaced of the product.
    """

    seed: int
    planted: Planted = field(default_factory=Planted)

    def __post_init__(self) -> None:
        self.time = Time()
        chance = self.chance = random.Random(-1 - self.seed)
        self.retention = Retention(keep_versions=chance.choice((0, 1, 1, 1, 2)), cache_keep=1)
        self.witness = Witness(self._may_drop)
        self.n_values = 0
        self.schedule: Schedule | None = None
        self.is_bucket = chance.random() < 0.75
        bucket = FakeBucket(self._ask, self._saw, self.planted.takes_blindly)
        self.born_s: dict[str, float] = {}
        records: RecordStore
        objects: ObjectStore
        if self.is_bucket:
            records, objects = BucketRecords(bucket, RECORDS), BucketObjects(bucket, OBJECTS)
        else:
            records, objects = TurnedRecords(self._ask, self._saw), TurnedObjects(self._ask, self._saw)
        self.records = self.planted.records(self, records)
        self.objects = self.planted.objects(self, objects)
        self.publisher = Publisher((), lambda root: BucketPlace(bucket), store="s3://lake/store")
        self.witness.owners = {"above.bin": ABOVE}
        self.workspace = Workspace(
            root="",
            location="s3://lake/store",
            env="default",
            records=self.records,
            contents=Contents(self.objects, self.time.new_id),
            catalog=None,  # type: ignore[arg-type]  # only looked at for planning
            code=None,  # type: ignore[arg-type]
            reads=None,  # type: ignore[arg-type]
            clock=SimpleNamespace(now=self.time.now, monotonic=self.time.monotonic),  # type: ignore[arg-type]
            new_id=self.time.new_id,
            append_events=lambda run, events: None,
            publisher=self.publisher,
            claims=NoClaims(),
            outside=self.publisher,
        )

    @property
    def process(self) -> object:
        """Whose turn it is."""
        return self.schedule.process if self.schedule is not None else None

    def play(self) -> Schedule:
        """Let all processes run to their ends, then one more alone; raises the first Violation."""
        if self.chance.random() < 0.6:
            # What there is already may be old enough for a collection, and known to whoever comes.
            for recipe in RECIPES:
                self.build(recipe, is_same=False, below=self.chance.random() < 0.3)
            self.time.passed_s += self.chance.choice((4, 8)) * DAY_S
        kinds = [self._kind() for _ in range(3 + int(self.chance.random() * 5))]
        self.schedule = Schedule(self.seed, kinds, self._between)
        self.schedule.run()
        self._end()
        return self.schedule

    # ── what goes on ──────────────────────────────────────────────────────────────────────────────────────────────

    def _kind(self) -> Callable[[], None]:
        draw = self.chance.random()
        recipe = self.chance.choice(RECIPES)
        is_same = self.chance.random() < 0.4  # the step gives the same bytes whenever it runs
        if draw < 0.4:
            return lambda: self.build(recipe, is_same)
        if draw < 0.55:
            return lambda: self.build(recipe, is_same, below=True)
        if draw < 0.65:
            return self.build_below
        if draw < 0.75:
            return lambda: self.accept(recipe)
        return self.survey_again if draw < 0.8 else self.collect

    def _between(self) -> None:
        """Nobody is at work: time may pass, as much as a collection waits for, or half of it."""
        if self.chance.random() < 0.3:
            self.time.passed_s += self.chance.choice((4, 8)) * DAY_S

    def build(self, recipe: str, is_same: bool, below: bool = False) -> None:
        """Build what one recipe gives, and maybe what is made from it, in one group."""
        run = Run(self)
        made = run.step(ABOVE, f"above-{recipe}", self._bytes(recipe, is_same), ())
        if below:
            run.step(BELOW, f"below-{made.data_version}", f"from {made.data_version}".encode(), (made,))
        run.end()

    def build_below(self) -> None:
        """Build what is made from what is current above."""
        run = Run(self)
        head = run.survey(ABOVE)
        output = run.output(head, ABOVE) if head is not None else None
        if head is None or output is None:
            return
        above = Made(ABOVE, head.current.seq, output.data_version, output)
        with self.workspace.contents.open(output) as file:
            data = file.read()
        run.step(BELOW, f"below-{above.data_version}", f"from {digest_bytes(data)}".encode(), (above,))
        run.end()

    def accept(self, recipe: str) -> None:
        """Let what is current stand for another recipe: a second record of the same bytes."""
        run = Run(self)
        head = run.survey(ABOVE)
        output = run.output(head, ABOVE) if head is not None else None
        if head is None or output is None or head.current.fingerprint == f"above-{recipe}":
            return
        if run.versions.action(f"above-{recipe}") is None:
            run.commit(f"above-{recipe}", output, head.current.seq, (), keeps_file=True)
        run.end()

    def collect(self) -> None:
        """Collect garbage."""
        records = self.planted.collected(self.records)
        self.planted.collect(records, self.objects, now=self.time.now(), settings=self.retention, delete=True)

    def survey_again(self) -> None:
        """Look at what is published, and put it again where it is not so."""
        Run(self).repair()

    def _end(self) -> None:
        """After everything: a key holds its head's bytes where nobody was killed; after one clean run, always."""
        assert self.schedule is not None
        if not self.schedule.n_ended:
            self._require_published("though nobody failed")
        self.build("k", is_same=False)
        self.survey_again()
        self._require_published("after a clean run")
        output = self.witness.current(ABOVE)
        head = self.witness.heads[head_path("default", ABOVE)]
        if output is None or head.current.fingerprint != "above-k":
            raise Violation("I8: a clean run does not make what it was asked for")

    def _require_published(self, when: str) -> None:
        output = self.witness.current(ABOVE)
        found = self.witness.files.get("above.bin")
        if output is not None and (found is None or digest_bytes(found) != output.digest):
            raise Violation(f"I8: the file is not what is current, {when}")

    def _may_drop(self, head: Head, version: Materialization, until: datetime) -> bool:
        """Whether a collection may drop a version: only by what is set, and not what was current lately."""
        n_newer = head.current.seq - version.seq
        is_beyond = 0 < self.retention.keep_versions <= n_newer
        return is_beyond and until < self.time.now() - timedelta(seconds=self.retention.grace_s)

    def _bytes(self, recipe: str, is_same: bool) -> bytes:
        self.n_values += 1
        return f"{recipe} {0 if is_same else self.n_values}".encode()

    def _ask(self, verb: str, path: str, effect: Callable[[], Any], *, writes: bool = False) -> Any:
        return self.schedule.request(verb, path, effect, writes=writes) if self.schedule else effect()

    def _saw(self, area: str, name: str, data: bytes | None) -> None:
        if area == "object":
            self.born_s[name] = self.time.passed_s
        self.witness.saw(area, name, data)


@dataclass(frozen=True)
class Made:
    """A version as the run that made or took it knows it."""

    slot: str
    seq: int
    data_version: str
    output: Output


class Run:
    """One run: what it saw at its start, and what it commits."""

    def __init__(self, history: History, workspace: Workspace | None = None) -> None:
        self.history = history
        self.workspace = workspace = workspace or history.workspace
        self.env = workspace.env
        self.id = workspace.new_id()
        self.versions = Versions(workspace.records, workspace.catalog, workspace.env)
        self.publishing = history.planted.publishing(workspace, self.versions, lambda level, text: None)
        self._committer = history.planted.committer(workspace.records, workspace.clock.monotonic, 0.0)
        self._heads: dict[str, Head | None] = {}

    def survey(self, made: str) -> Head | None:
        """What is current; looked up once in a run."""
        if made not in self._heads:
            head = self._read(self.env, made)
            self._heads[made] = head or (self._read("default", made) if self.env != "default" else None)
        return self._heads[made]

    def _read(self, env: str, made: str) -> Head | None:
        path = head_path(env, made)
        stored = self.workspace.records.get(path)
        return decode(stored.data, Head, path) if stored else None

    def output(self, head: Head, made: str) -> Output | None:
        return self.versions.output(head.current.fingerprint, made, head.current.data_version)

    def step(self, made: str, fingerprint: str, data: bytes, inputs: Sequence[Made]) -> Made:
        """Reuse, take or make one asset."""
        head = self.survey(made)
        seq = head.current.seq if head is not None else 0
        if head is not None and head.current.fingerprint == fingerprint:
            output = self.output(head, made)
            if output is not None:
                self.repair()
                return Made(made, seq, output.data_version, output)
        action = self.versions.action(fingerprint)
        if action is not None:
            output = action.outputs[0]
            self._take(fingerprint, output, seq, inputs, action)
        else:
            output = self._output(made, data)
            self.commit(fingerprint, output, seq, inputs)
        return Made(made, seq + 1, output.data_version, output)

    def repair(self) -> None:
        """Publish again what does not lie where it belongs."""
        head = self.survey(ABOVE)
        if head is None or self.env != "default":
            return
        now = head.current
        row = HeadRow(
            asset=ABOVE,
            partition="",
            seq=now.seq,
            fingerprint=now.fingerprint,
            data_version=now.data_version,
            run=now.run,
            at=now.at.isoformat(),
            published=head.published,
            mark=head.mark,
        )
        if drifted := self.publishing.drifted([ABOVE], {ABOVE: row}):
            self.publishing.again(drifted)
            self._count_errors()

    def commit(
        self,
        fingerprint: str,
        output: Output,
        seq: int,
        inputs: Sequence[Made],
        *,
        keeps_file: bool = False,
        overwrites: bool = False,
    ) -> None:
        """Let a new result wait to be committed."""
        attempt = self.workspace.new_id()
        if overwrites:
            self.history.witness.refreshes.add(attempt)
        now = self.workspace.clock.now()
        action = Action(
            fingerprint=fingerprint,
            task=output.asset,
            code="code",
            outputs=(output,),
            attempt=attempt,
            run=self.id,
            started_at=now,
            duration_s=1.0,
            inputs=tuple(
                Input(parameter="x", asset=each.slot, data_version=each.data_version, seq=each.seq)
                for each in inputs
            ),
        )
        move = self._move(output, seq, inputs)._replace(keeps_file=keeps_file)
        self._committer.add(Commit(fingerprint, self.id, attempt, now, action, (move,), overwrites))

    def end(self) -> None:
        """Make all that waits durable, publish it, and report it."""
        committed = self._committer.flush()
        for each in committed:
            if not each.superseded_by and not each.is_gone:
                for move in each.commit.moves:
                    path = head_path(self.env, move.asset)
                    self.history.witness.reported(path, each.seqs[move.asset], each.commit.fingerprint)
        self.publishing.committed(committed)
        self._count_errors()

    def _count_errors(self) -> None:
        if self.publishing.errors and self.history.schedule is not None:
            self.history.schedule.n_ended += 1

    def _take(
        self, fingerprint: str, output: Output, seq: int, inputs: Sequence[Made], action: Action
    ) -> None:
        attempt, now = self.workspace.new_id(), self.workspace.clock.now()
        move = self._move(output, seq, inputs)
        self._committer.add(Commit(fingerprint, self.id, attempt, now, None, (move,), taken=action))

    def _move(self, output: Output, seq: int, inputs: Sequence[Made]) -> Move:
        names = {"x": (each.slot, each.seq) for each in inputs[:1]}  # noqa: B035  # at most one
        head = self.survey(output.asset)
        base = head.env if head is not None and head.env != self.env else ""
        return Move(self.env, output.asset, output.data_version, names, seq, base=base)

    def _output(self, made: str, data: bytes) -> Output:
        name = ""
        if made == ABOVE:
            name = f"data/above/{self.workspace.new_id()}"
            with self.workspace.contents.objects.put(name) as file:
                file.write(data)
        digest = digest_bytes(data)
        return Output(
            asset=made,
            data_version=digest[:16],
            format="bytes",
            size_bytes=len(data),
            digest=digest,
            outline=OUTLINE,
            object=name,
            inline=b"" if name else data,
        )


def played(seed: int, planted: Planted | None = None, kind: type[History] = History) -> str:
    """Play one history; what was violated, with its last requests, or nothing."""
    history = kind(seed, planted or Planted())
    with in_turn(history.chance):
        try:
            history.play()
        except Violation as violation:
            return f"seed {seed}: {violation}\n{history.schedule.told() if history.schedule else ''}"
    return ""


__all__ = ["ABOVE", "BELOW", "History", "Planted", "Run", "played", "slot"]
