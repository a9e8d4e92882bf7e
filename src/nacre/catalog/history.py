"""What happened, read from the catalog. Never writes; every answer is what was committed when it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from nacre.catalog import lineage
from nacre.catalog.index import WENT_BACK
from nacre.catalog.lineage import InputRow
from nacre.catalog.queries import QUERIES, Read, Row
from nacre.errors import CorruptRecord
from nacre.keys import slot
from nacre.store.codec import MEND
from nacre.store.history import MAX_HISTORY
from nacre.store.paths import head_path
from nacre.store.records import StepRecord


class HeadRow(Row, frozen=True, gc=False):
    """What is current for an asset-partition. ``at`` is ISO 8601 text in UTC, as in all rows here.

    ``published`` is the version whose file lies at the asset's place (0: none); ``mark`` tells that file from others.
    ``held`` names the version that builds leave current, such as ``v12``; ``is_lost`` is 1 where its bytes are gone.
    ``base`` is the environment that it is read from, where the one that was asked for has no version of its own; what
    is published and held there is not here.
    """

    asset: str
    partition: str
    seq: int
    fingerprint: str
    data_version: str
    run: str
    at: str
    published: int = 0
    mark: str = ""
    held: str = ""
    held_since: str = ""
    base_seq: int = 0
    is_lost: int = 0
    base: str = ""

    @property
    def slot(self) -> str:
        """The asset's key, with the partition where it is one."""
        return slot(self.asset, self.partition)


class HistoryRow(Row, frozen=True, gc=False):
    """One version of an asset-partition; of a recent one ``is_lost`` is 1 where its bytes are gone."""

    seq: int
    fingerprint: str
    data_version: str
    run: str
    at: str
    is_lost: int = 0


class RunRow(Row, frozen=True, gc=False):
    """A run without its steps. ``ended_at`` is None while it goes on, or when it was killed."""

    id: str
    name: str
    kind: str
    state: str
    env: str
    started_at: str
    ended_at: str | None
    parent: str
    counts: dict[str, int]
    error: str


class StepTime(Row, frozen=True, gc=False):
    """What a step of a run did and how long it took: as much as a forecast wants, read by the thousand."""

    step: str
    action: str
    duration_s: float = 0.0


class ArtifactRow(Row, frozen=True, gc=False):
    """An artifact without its content, which is in its record."""

    id: str
    key: str
    kind: str
    description: str
    run: str
    step: str
    asset: str
    created_at: str
    updated_at: str | None


class EventRow(Row, frozen=True, gc=False):
    """An event of a run; ``id`` is the cursor to read on from."""

    id: int
    run: str
    n: int
    at: str
    kind: str
    body: str


class ScheduleRow(Row, frozen=True, gc=False):
    """A schedule that is or was served: either ``cron``, or ``interval_s`` and ``anchor``."""

    path: str
    name: str
    command: tuple[str, ...]
    created_at: str
    changed_at: str
    cron: str
    interval_s: int
    anchor: str | None
    timezone: str
    paused: bool
    lease: str


class TickRow(Row, frozen=True, gc=False):
    """One nominal time of a schedule. ``ended_at`` is None while what it started goes on."""

    path: str
    schedule: str
    nominal: str
    due_at: str
    state: str
    run: str
    reason: str
    started_at: str | None
    ended_at: str | None


def _triple(env: str, n_heads: int, at: str) -> tuple[str, int, str]:
    return env, n_heads, at


_encode = msgspec.json.Encoder().encode
_decode_steps = msgspec.json.Decoder(list[StepRecord]).decode
_decode_times = msgspec.json.Decoder(list[StepTime]).decode
_decode_counts = msgspec.json.Decoder(dict[str, int]).decode
_decode_command = msgspec.json.Decoder(tuple[str, ...]).decode


class Catalog:
    """Questions about what is stored and what ran.

    Args:
        read: How the catalog's tables are reached.
        through: Environment to itself and what it reads what it has not from, nearest first; none for those that read
            through nothing. Answers about an environment are of all that is read in it.
    """

    def __init__(self, read: Read, through: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
        self._read = read
        self._chains = through
        # As the statements take it.
        self._through = {env: _encode(list(chain)).decode() for env, chain in through.items()}
        #: How its tables are reached.
        self.read = read

    def over(self, through: Mapping[str, Sequence[str]]) -> Catalog:
        """The same catalog, with other environments to read through."""
        return Catalog(self._read, through)

    def heads(self, env: str) -> list[HeadRow]:
        """What is current in an environment, by asset and partition; nothing of a slot whose head cannot be read."""
        if env in self._through:
            rows = self._read(QUERIES["heads_through"], {"chain": self._through[env]}, HeadRow)
        else:
            rows = self._read(QUERIES["heads"], (env,), HeadRow)
        if aside := set(self.aside(env)):
            folders = self._chains.get(env, (env,))
            nearer = {base: folders[: folders.index(base) + 1] for base in folders} | {"": folders[:1]}
            rows = [
                row
                for row in rows
                if aside.isdisjoint(head_path(each, row.asset, row.partition) for each in nearer[row.base])
            ]
        return rows

    def aside(self, env: str) -> dict[str, str]:
        """Paths of the heads and parts of histories that count in an environment and that nobody can go on from.

        Returns:
            Path to what is wrong: it ``cannot be read``, or it ``went back`` to an older version than is known here.
        """
        if env in self._through:
            return dict(self._read(QUERIES["aside_through"], (self._through[env],), _pair))
        return dict(self._read(QUERIES["aside"], (env,), _pair))

    def behind(self) -> dict[str, str]:
        """Paths of the heads that went back, each with the folder of its environment; of all environments."""
        return dict(self._read(QUERIES["behind"], (WENT_BACK,), _pair))

    def aside_of(self, env: str, asset: str) -> dict[str, str]:
        """Those of them without which nobody can say what is current of an asset, or was."""
        found = {}
        folders = self._chains.get(env, (env,))
        for path, problem in self.aside(env).items():
            area, folder, *_ = path.split("/")
            at = head_path(folder, asset).replace("heads/", f"{area}/", 1)
            if path != at and not path.startswith(f"{at}/"):
                continue
            nearer = folders[: folders.index(folder)]
            own = [row for each in nearer for row in self._read(QUERIES["heads_of"], (each, asset), HeadRow)]
            if path not in [head_path(folder, asset, row.partition) for row in own]:
                found[path] = problem
        return found

    def require_readable(self, env: str, asset: str = "") -> None:
        """Find out whether what is current can be said: of an asset, or of all.

        Raises:
            CorruptRecord: A head or a part of a history cannot be read, or went back, in the environment or in one that
                it reads through.
        """
        for path, problem in (self.aside_of(env, asset) if asset else self.aside(env)).items():
            facts = {"asset": asset, "record": path} if asset else {"record": path}
            raise CorruptRecord(f"A record of the store {problem}", facts, MEND)

    def heads_of(self, env: str, asset: str) -> list[HeadRow]:
        """What is current of one asset, by partition; one row where it has none.

        Raises:
            CorruptRecord: It cannot be said, since a head cannot be read.
        """
        self.require_readable(env, asset)
        if env in self._through:
            where = {"chain": self._through[env], "asset": asset}
            return self._read(QUERIES["heads_of_through"], where, HeadRow)
        return self._read(QUERIES["heads_of"], (env, asset), HeadRow)

    def own_heads(self, env: str) -> list[HeadRow]:
        """What is current in an environment and not read through its base, by asset and partition."""
        return self._read(QUERIES["heads"], (env,), HeadRow)

    def environments(self) -> dict[str, tuple[int, str]]:
        """The environments with heads of their own: how many, and when the last of these became current."""
        return {env: (n, at) for env, n, at in self._read(QUERIES["environments"], (), _triple)}

    def history(self, env: str, asset: str, partition: str = "") -> list[HistoryRow]:
        """The versions of an asset-partition, newest first.

        Raises:
            CorruptRecord: They cannot be said, since a part of its history cannot be read.
        """
        self.require_readable(env, asset)
        if env in self._through:
            where = {"chain": self._through[env], "asset": asset, "partition": partition}
            return self._read(QUERIES["history_through"], where, HistoryRow)
        return self._read(QUERIES["history"], (env, asset, partition), HistoryRow)

    def recent(self, env: str, asset: str, partition: str = "") -> list[HistoryRow]:
        """The versions of an asset-partition that its head lists, newest first: as many as planning looks at."""
        if env in self._through:
            where = {
                "chain": self._through[env],
                "asset": asset,
                "partition": partition,
                "limit": MAX_HISTORY,
            }
            return self._read(QUERIES["recent_through"], where, HistoryRow)
        return self._read(QUERIES["recent"], (env, asset, partition, MAX_HISTORY), HistoryRow)

    def runs(self, limit: int = 20) -> list[RunRow]:
        """The last runs, newest first."""
        return self._read(QUERIES["runs"], (limit,), _run_row)

    def run(self, id: str) -> RunRow | None:
        """One run, or None where there is none."""
        found = self._read(QUERIES["run"], (id,), _run_row)
        return found[0] if found else None

    def runs_beginning(self, beginning: str) -> list[RunRow]:
        """The runs whose ids begin so, oldest first."""
        return self._read(QUERIES["runs_beginning"], {"beginning": beginning}, _run_row)

    def steps(self, run: str) -> list[StepRecord]:
        """The steps of a run in their order; empty for an unknown run and before its end."""
        found = self._read(QUERIES["steps"], (run,), str)
        return _decode_steps(found[0]) if found else []

    def times(self, run: str) -> list[StepTime]:
        """What the steps of a run did and how long each took; empty as ``steps`` is."""
        found = self._read(QUERIES["steps"], (run,), str)
        return _decode_times(found[0]) if found else []

    def artifacts(
        self, key: str | None = None, asset: str | None = None, run: str | None = None
    ) -> list[ArtifactRow]:
        """Artifacts, newest first; those of a key, an asset and a run where given."""
        wanted = {"key": key, "asset": asset, "run": run}
        return self._read(QUERIES["artifacts"], wanted, ArtifactRow)

    def artifact_key(self, id: str) -> str | None:
        """The key of one artifact, empty where it has none; None where there is no such artifact."""
        found = self._read(QUERIES["artifact_key"], (id,), str)
        if found:
            return found[0]
        return next((row.key for row in self.artifacts() if row.id == id), None)

    def events(self, run: str | None = None, after: int = 0) -> list[EventRow]:
        """Events in their order, of one run or all, after a cursor (the ``id`` of the last one seen)."""
        if run is None:
            return self._read(QUERIES["events"], (after,), EventRow)
        return self._read(QUERIES["events_of_run"], (run, after), EventRow)

    def schedules(self) -> list[ScheduleRow]:
        """The schedules that are or were served, by name."""
        return self._read(QUERIES["schedules"], (), _schedule_row)

    def ticks(self, schedule: str, limit: int = 20, until: str = "9999") -> list[TickRow]:
        """The last ticks of a schedule that were due up to a time, newest first."""
        return self._read(QUERIES["ticks"], (schedule, until, limit), TickRow)

    def open_ticks(self, schedule: str) -> list[TickRow]:
        """The ticks of a schedule that did not end, oldest first."""
        return self._read(QUERIES["open_ticks"], (schedule,), TickRow)

    def inputs(self, env: str, asset: str, seq: int, partition: str = "") -> list[InputRow]:
        """The versions that one version was made from, by parameter."""
        return lineage.inputs(self._read, env, asset, seq, partition, self._through.get(env, ""))

    def upstream(self, env: str, asset: str) -> set[str]:
        """The assets that the current version was made from; direct ones only."""
        return lineage.upstream(self._read, env, asset, self._through.get(env, ""))

    def downstream(self, env: str, asset: str) -> set[str]:
        """The assets whose current version was made from some version of this one; direct ones only."""
        return lineage.downstream(self._read, env, asset, self._through.get(env, ""))

    def edges(self, env: str) -> list[tuple[str, str]]:
        """Every pair of an asset and one whose current version was made from it, direct ones only."""
        return lineage.edges(self._read, env, self._through.get(env, ""))

    def pulse(self) -> str:
        """A text that differs after each commit; cheap enough to ask for several times a second.

        It means nothing to other processes, and may differ although nothing here changed.
        """
        return self._read(QUERIES["pulse"], (), "{} {}".format)[0]

    def mark(self) -> str:
        """A text that is equal, in any process, while the same runs, heads, artifacts and events are there."""
        return self._read(QUERIES["mark"], (), str)[0]

    def heads_mark(self, env: str) -> str:
        """A text that is equal while the heads of an environment are."""
        if env in self._through:
            return self._read(QUERIES["heads_mark_through"], (self._through[env],), str)[0]
        return self._read(QUERIES["heads_mark"], (env,), str)[0]


def _pair(path: str, problem: str) -> tuple[str, str]:
    return path, problem


def _run_row(*columns: object) -> RunRow:
    *before, counts, error = columns
    return _RUN(*before, _decode_counts(str(counts)), error)


#: The query selects the columns in the order of the fields, which a type checker cannot see.
_RUN: Callable[..., RunRow] = RunRow


def _schedule_row(*columns: object) -> ScheduleRow:
    path, name, command, *rest, paused, lease = columns
    return _SCHEDULE(path, name, _decode_command(str(command)), *rest, bool(paused), lease)


_SCHEDULE: Callable[..., ScheduleRow] = ScheduleRow
