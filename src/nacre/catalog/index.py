"""The only writer of the catalog: turns records into rows. Idempotent, and equal to a rebuild by scan.

It runs inside the transaction of the records it indexes, so it decodes only what becomes a column and keeps times and
nested values as the text they are.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, starmap
from typing import NamedTuple, TypeVar

import msgspec

from nacre.catalog.queries import QUERIES, SCHEMA, Parameters, Read, statements
from nacre.errors import SAFE, CorruptRecord
from nacre.store.codec import decode_any
from nacre.store.paths import head_path
from nacre.store.port import Stored
from nacre.store.records import DEFAULT_ENV

T = TypeVar("T")

SCHEMA_VERSION = 8
_CHUNK_ROWS = 1_000
_Row = tuple[object, ...]
#: Environment, asset and partition.
_Place = tuple[str, str, str]


class Event(NamedTuple):
    """One sign of progress of a run; ``n`` counts within the run, ``body`` is JSON the catalog does not read."""

    n: int
    at: str
    kind: str
    body: str


class _Entry(msgspec.Struct, gc=False):
    seq: int
    fingerprint: str
    data_version: str
    run: str
    at: str
    inputs: dict[str, tuple[str, int]] = {}


class _Head(msgspec.Struct, gc=False):
    env: str
    asset: str
    # Decoded entry by entry: of a long history only the end is new.
    history: list[msgspec.Raw]
    partition: str = ""
    published: int = 0
    mark: str = ""
    held: str = ""
    held_since: str = ""
    base_seq: int = 0
    lost: tuple[int, ...] = ()
    first: int = 0


class _Past(msgspec.Struct, gc=False):
    env: str
    asset: str
    history: list[_Entry]
    partition: str = ""
    first: int = 0


class _Run(msgspec.Struct, gc=False):
    id: str
    name: str
    kind: str
    state: str
    started_at: str
    env: str = DEFAULT_ENV
    ended_at: str | None = None
    parent: str = ""
    steps: msgspec.Raw = msgspec.Raw(b"[]")
    counts: msgspec.Raw = msgspec.Raw(b"{}")
    error: str = ""


class _Artifact(msgspec.Struct, gc=False):
    id: str
    kind: str
    created_at: str
    key: str = ""
    description: str = ""
    run: str = ""
    step: str = ""
    asset: str = ""
    updated_at: str | None = None


class _Schedule(msgspec.Struct, gc=False):
    name: str
    command: msgspec.Raw
    created_at: str
    changed_at: str
    cron: str = ""
    interval_s: int = 0
    anchor: str | None = None
    timezone: str = "UTC"
    paused: bool = False
    lease: str = ""


class _Tick(msgspec.Struct, gc=False):
    schedule: str
    nominal: str
    due_at: str
    state: str
    run: str = ""
    reason: str = ""
    started_at: str | None = None
    ended_at: str | None = None


_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_past = msgspec.json.Decoder(_Past).decode
_decode_run = msgspec.json.Decoder(_Run).decode
_decode_artifact = msgspec.json.Decoder(_Artifact).decode
_decode_schedule = msgspec.json.Decoder(_Schedule).decode
_decode_tick = msgspec.json.Decoder(_Tick).decode


def prepare(connection: sqlite3.Connection) -> bool:
    """Make the catalog's tables where they are missing or of another version. Events are kept.

    Returns:
        True when the derived tables are new, hence empty: every record must be applied.
    """
    if connection.execute(QUERIES["schema_version"]).fetchone()[0] == SCHEMA_VERSION:
        return False
    _drop_and_make(connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return True


def is_current(read: Read) -> bool:
    """Whether the tables are of this version: ``prepare`` cannot see to it where nothing can be written."""
    return read(QUERIES["schema_version"], (), int) == [SCHEMA_VERSION]


def rebuild(connection: sqlite3.Connection, stored: Iterable[Stored], *, is_lenient: bool = False) -> None:
    """Empty the derived tables and apply every record. Events are kept. Linear in the records.

    Args:
        connection: Inside a transaction, which makes the change atomic.
        stored: All records of the store, in any order.
        is_lenient: True leaves out what cannot be read, so that all the others are found.
    """
    _drop_and_make(connection)
    records = iter(stored)
    while chunk := list(islice(records, _CHUNK_ROWS)):
        (apply_readable if is_lenient else apply)(connection, chunk)


def apply_readable(connection: sqlite3.Connection, stored: Sequence[Stored]) -> None:
    """Index records that others wrote: one that cannot be read is left out, and hides none of the others.

    What is known of a head that cannot be read stays, so that it can be put together again, and nobody is given it.

    Args:
        connection: Inside a transaction.
        stored: As for ``apply``.
    """
    readable = [each for each in stored if _is_readable(each)]
    apply(connection, readable)
    if len(readable) < len(stored):
        left = {each.path for each in stored} - {each.path for each in readable}
        put_aside(connection, left, "cannot be read")


#: What is wrong with a head that is at an older version than the one that is known here.
WENT_BACK = "went back"


def put_aside(connection: sqlite3.Connection, paths: Iterable[str], problem: str) -> None:
    """Note heads and parts of histories that nobody goes on from; what is known of them stays, to mend them with."""
    connection.executemany(QUERIES["put_aside"], [(*each, problem) for each in _of_heads(paths)])


def _of_heads(paths: Iterable[str]) -> list[_Row]:
    """Pick the paths of heads and parts of histories, each with the folder of its environment."""
    return [(path.split("/")[1], path) for path in paths if path.startswith(("heads/", "hist/"))]


def _is_readable(stored: Stored) -> bool:
    """Whether a record is whole: what becomes text of a row here is looked at nowhere else."""
    if stored.data and stored.path.partition("/")[0] in AREAS:
        try:
            decode_any(stored.data, stored.path)
        except CorruptRecord:
            return False
    return True


def apply(connection: sqlite3.Connection, stored: Sequence[Stored]) -> None:
    """Index records that were just written. Linear in the records, whatever the catalog holds.

    Args:
        connection: Inside the transaction that wrote them.
        stored: In the order they were written; paths that are not indexed are ignored, empty data means deleted.

    Raises:
        CorruptRecord: One of them is not the record its path says.
    """
    by_area: dict[str, list[Stored]] = {}
    for record in stored:
        area = record.path.partition("/")[0]
        by_area.setdefault(area, []).append(record)
    for area, write in AREAS.items():
        if records := by_area.get(area):
            write(connection, records)
    if connection.execute(QUERIES["any_aside"]).fetchone() is not None:
        mended = [each.path for each in stored if not _is_behind(connection, each)]
        connection.executemany(QUERIES["remove_aside"], _of_heads(mended))


def _is_behind(connection: sqlite3.Connection, stored: Stored) -> bool:
    """Whether a head that was written is still older than the one that is indexed."""
    if not stored.data or not stored.path.startswith("heads/"):
        return False
    head = _decoded(_decode_head, stored.data, stored.path)
    known = connection.execute(QUERIES["known_seq"], (head.env, head.asset, head.partition)).fetchone()
    current = _decoded(_decode_entry, head.history[-1], stored.path)
    return known is not None and known[0] > current.seq


def append_events(connection: sqlite3.Connection, run: str, events: Iterable[Event]) -> None:
    """Append events of a run. One that is there already (same run and ``n``) is left as it is."""
    connection.executemany(QUERIES["put_event"], [(run, *event) for event in events])


class MemoryIndex:
    """A catalog in memory, for records that are not in a SQLite file of their own.

    ``MemoryRecords(index.apply)`` feeds it, ``Catalog(index.read)`` reads it. Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.write(prepare)

    def apply(self, stored: Sequence[Stored]) -> None:
        """Index records; all or none of them."""
        self.write(lambda connection: apply(connection, stored))

    def rebuild(self, stored: Iterable[Stored]) -> None:
        """Index all records of a store anew."""
        self.write(lambda connection: rebuild(connection, stored))

    def read(self, sql: str, parameters: Parameters, make: Callable[..., T]) -> list[T]:
        """Run a query; ``make`` is called once per row with its columns."""
        with self._lock:
            return list(starmap(make, self._connection.execute(sql, parameters)))

    def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run an action in one transaction; its exception undoes what it did."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                result = action(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            return result

    def close(self) -> None:
        """Drop the catalog. Idempotent."""
        with self._lock:
            self._connection.close()

    def __del__(self) -> None:
        # Nobody else has the connection; Python 3.13 warns of one that is left to the collector.
        if hasattr(self, "_connection"):
            self._connection.close()


def _drop_and_make(connection: sqlite3.Connection) -> None:
    for statement in (*statements(QUERIES["drop_derived"]), *SCHEMA):
        connection.execute(statement)


def _apply_heads(connection: sqlite3.Connection, records: Sequence[Stored]) -> None:
    heads: list[_Row] = []
    entries: list[tuple[_Place, _Entry]] = []
    trimmed: list[_Place] = []
    gone: set[str] = set()
    knows_lost = connection.execute(QUERIES["any_lost"]).fetchone() is not None
    for path, data, _ in records:
        if not data:
            gone.add(path)
            continue
        head = _decoded(_decode_head, data, path)
        place = head.env, head.asset, head.partition
        current = _decoded(_decode_entry, head.history[-1], path)
        is_lost = current.seq in head.lost
        about = (head.published, head.mark, head.held, head.held_since, head.base_seq, is_lost)
        heads.append((*_version_row(place, current), *about))
        new = _new_entries(connection, place, head.history, current, path)
        entries += [(place, entry) for entry in new]
        if head.first:
            kept = [_decoded(_decode_entry, raw, path).seq for raw in head.history]
            _note_dropped(connection, place, path, head.first, current.seq, kept)
        if head.first or len(new) > 1:
            trimmed.append(place)
        if head.lost or knows_lost:
            connection.execute(QUERIES["remove_lost"], place)
            connection.executemany(QUERIES["put_lost"], [(*place, seq) for seq in head.lost])
    connection.executemany(QUERIES["put_head"], heads)
    _put_entries(connection, entries)
    for place in trimmed:
        _drop_versions(connection, place)
    if gone:
        _remove_heads(connection, gone)


def _put_entries(connection: sqlite3.Connection, entries: Sequence[tuple[_Place, _Entry]]) -> None:
    connection.executemany(
        QUERIES["put_materialization"], [_version_row(place, entry) for place, entry in entries]
    )
    lineage = [
        (*place, entry.seq, parameter, upstream, upstream_seq)
        for place, entry in entries
        for parameter, (upstream, upstream_seq) in entry.inputs.items()
    ]
    connection.executemany(QUERIES["put_lineage"], lineage)


def _remove_heads(connection: sqlite3.Connection, gone: set[str]) -> None:
    """Forget the heads of an environment that was removed; a path does not tell the key, so all are looked at."""
    for env in {path.split("/")[1] for path in gone}:
        found: list[_Place] = []
        for asset, partition in connection.execute(QUERIES["slots_of"], (env,)):
            if head_path(env, asset, partition) in gone:
                found.append((env, asset, partition))
                if len(found) == len(gone):
                    break  # they go one by one, and nearly in this order: what is left is not looked at each time
        for place in found:
            _remove_head(connection, place)


def _remove_head(connection: sqlite3.Connection, place: _Place) -> None:
    for each in ("remove_head", "remove_history", "remove_lineage", "remove_dropped", "remove_lost"):
        connection.execute(QUERIES[each], place)


def _apply_past(connection: sqlite3.Connection, records: Sequence[Stored]) -> None:
    """Index parts of histories; one that is gone was dropped with what retention no longer keeps, or is in no head."""
    for path, data, _ in records:
        if data:
            past = _decoded(_decode_past, data, path)
            place = past.env, past.asset, past.partition
            _put_entries(connection, [(place, entry) for entry in past.history])
            if past.first:
                kept = [entry.seq for entry in past.history]
                _note_dropped(connection, place, path, past.first, int(path.rpartition("/")[2]), kept)
            _drop_versions(connection, place)


def _note_dropped(
    connection: sqlite3.Connection, place: _Place, path: str, first: int, last: int, kept: Sequence[int]
) -> None:
    """Keep what a record tells of: a range of numbers, and those of them that it lists."""
    connection.execute(QUERIES["put_dropped"], (path, *place, first, last, str(list(kept))))


def _drop_versions(connection: sqlite3.Connection, place: _Place) -> None:
    """Forget the versions of a slot that retention dropped, whichever record lists them still."""
    if connection.execute(QUERIES["drop_versions"], place).rowcount:
        connection.execute(QUERIES["drop_lineage"], place)


def _version_row(place: _Place, entry: _Entry) -> _Row:
    return (*place, entry.seq, entry.fingerprint, entry.data_version, entry.run, entry.at)


def _new_entries(
    connection: sqlite3.Connection,
    place: _Place,
    history: list[msgspec.Raw],
    current: _Entry,
    path: str,
) -> list[_Entry]:
    """The entries that may not be indexed yet, oldest first: nearly always only the last."""
    if len(history) <= 1:
        return [current]
    known = connection.execute(QUERIES["known_seq"], place).fetchone()
    if known is None or known[0] > current.seq:
        return [_decoded(_decode_entry, raw, path) for raw in history]
    found: list[_Entry] = []
    for raw in reversed(history):
        entry = _decoded(_decode_entry, raw, path)
        if entry.seq <= known[0]:
            break
        found.append(entry)
    return found[::-1]


def _apply_runs(connection: sqlite3.Connection, records: Sequence[Stored]) -> None:
    for path, data, _ in records:
        if not data:
            run = (path.partition("/")[2],)
            connection.execute(QUERIES["remove_run"], run)
            connection.execute(QUERIES["remove_events"], run)
            continue
        r = _decoded(_decode_run, data, path)
        times = r.started_at, r.ended_at
        texts = bytes(r.counts).decode(), r.error, bytes(r.steps).decode()
        connection.execute(
            QUERIES["put_run"], (r.id, r.name, r.kind, r.state, r.env, *times, r.parent, *texts)
        )


def _apply_artifacts(connection: sqlite3.Connection, records: Sequence[Stored]) -> None:
    for path, data, _ in records:
        if not data:
            connection.execute(QUERIES["remove_artifact"], (path.rpartition("/")[2],))
            continue
        artifact = _decoded(_decode_artifact, data, path)
        row = (artifact.id, artifact.key, artifact.kind, artifact.description)
        about = (artifact.run, artifact.step, artifact.asset)
        times = (artifact.created_at, artifact.updated_at)
        connection.execute(QUERIES["put_artifact"], row + about + times)


def _apply_schedules(connection: sqlite3.Connection, records: Sequence[Stored]) -> None:
    for path, data, _ in records:
        if not data:
            connection.execute(QUERIES["remove_schedule"], (path,))
            continue
        s = _decoded(_decode_schedule, data, path)
        about = (path, s.name, bytes(s.command).decode(), s.created_at, s.changed_at)
        when = (s.cron, s.interval_s, s.anchor, s.timezone, s.paused, s.lease)
        connection.execute(QUERIES["put_schedule"], about + when)


def _apply_ticks(connection: sqlite3.Connection, records: Sequence[Stored]) -> None:
    for path, data, _ in records:
        if not data:
            connection.execute(QUERIES["remove_tick"], (path,))
            continue
        tick = _decoded(_decode_tick, data, path)
        row = (path, tick.schedule, tick.nominal, tick.due_at, tick.state, tick.run, tick.reason)
        connection.execute(QUERIES["put_tick"], (*row, tick.started_at, tick.ended_at))


def _decoded(decode: Callable[[bytes | msgspec.Raw], T], data: bytes | msgspec.Raw, path: str) -> T:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        facts = {"record": path, "problem": error}
        raise CorruptRecord("A record of the store cannot be read", facts, SAFE) from error


#: The first part of a path to what indexes the records below it; those of other areas are not indexed.
AREAS: dict[str, Callable[[sqlite3.Connection, Sequence[Stored]], None]] = {
    "heads": _apply_heads,
    "hist": _apply_past,
    "runs": _apply_runs,
    "artifacts": _apply_artifacts,
    "schedules": _apply_schedules,
    "ticks": _apply_ticks,
}
