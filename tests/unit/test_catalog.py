"""The catalog says what the records say, however they came in."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nacre.catalog.history import Catalog, HeadRow, HistoryRow
from nacre.catalog.index import Event, MemoryIndex, append_events, apply, is_current, prepare, rebuild
from nacre.catalog.lineage import InputRow
from nacre.catalog.queries import QUERIES, named_blocks
from nacre.errors import CorruptRecord
from nacre.planning.reason import Cause, Reason
from nacre.store.codec import encode
from nacre.store.embedded import SqliteRecords
from nacre.store.memory import MemoryRecords
from nacre.store.paths import artifact_path, head_path, run_path, schedule_path, tick_path
from nacre.store.port import Stored
from nacre.store.records import Artifact, Head, Materialization, Record, Run, ScheduleRecord, StepRecord, Tick

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RAW, CLEAN, REPORT = "asset://raw", "asset://clean", "asset://report"
DERIVED = ("heads", "materializations", "lineage", "runs", "steps", "artifacts", "schedules", "ticks")


@pytest.fixture
def index() -> Iterator[MemoryIndex]:
    with closing(MemoryIndex()) as index:
        yield index


@pytest.fixture
def catalog(index: MemoryIndex) -> Catalog:
    return Catalog(index.read)


def version(seq: int, **inputs: tuple[str, int]) -> Materialization:
    at = NOW + timedelta(hours=seq)
    return Materialization(
        seq=seq,
        fingerprint=f"f{seq}",
        data_version=f"d{seq}",
        run=f"r{seq}",
        at=at,
        attempt="",
        inputs=inputs,
    )


def head(asset: str, *history: Materialization, env: str = "default", partition: str = "") -> Stored:
    record = Head(env=env, asset=asset, history=history, partition=partition)
    return stored(head_path(env, asset, partition), record)


def run(id: str, *steps: StepRecord, state: str = "done", ended_at: datetime | None = NOW) -> Stored:
    record = Run(
        id=id,
        name="build",
        kind="build",
        state=state,
        started_at=NOW,
        ended_at=ended_at,
        steps=steps,
        counts={"built": len(steps)},
    )
    return stored(run_path(id), record)


def artifact(id: str, key: str = "", *, asset: str = "", run: str = "") -> Stored:
    record = Artifact(id=id, key=key, kind="markdown", created_at=NOW, data="# Hi", asset=asset, run=run)
    return stored(artifact_path(record.key, record.id), record)


def schedule(name: str, hour: int = 0, cron: str = "@daily") -> Stored:
    at = NOW + timedelta(hours=hour)
    record = ScheduleRecord(name=name, command=("build", "*"), created_at=NOW, changed_at=at, cron=cron)
    return stored(schedule_path(name), record)


def tick(hour: int, state: str, *, name: str = "daily") -> Stored:
    """A tick as it is in one of its states: claimed, started, or ended."""
    nominal, due = f"20260102T{hour:02}0000", NOW + timedelta(hours=hour)
    record = Tick(
        schedule=name,
        nominal=nominal,
        due_at=due,
        state=state,
        holder="me",
        started_at=due if state not in ("claimed", "skipped") else None,
        ended_at=due if state not in ("claimed", "started") else None,
    )
    return stored(tick_path(name, nominal), record)


def stored(path: str, record: Record) -> Stored:
    return Stored(path, encode(record), "1")


def dump(index: MemoryIndex) -> dict[str, list[tuple[object, ...]]]:
    """Every derived row."""
    tables = {name: index.read(f"SELECT * FROM {name}", (), lambda *row: row) for name in DERIVED}
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def a_life() -> list[Stored]:
    """The writes of some runs, in order; later ones replace earlier ones."""
    built = StepRecord(step="raw", action="built", reason=Reason(Cause.FIRST), assets=(RAW,))
    writes = [run("r1", state="running", ended_at=None)]
    for seq in range(1, 5):
        history = [version(n) for n in range(1, seq + 1)]
        writes.append(head(RAW, *history))
        writes.append(head(CLEAN, *[version(n, raw=(RAW, n)) for n in range(1, seq + 1)]))
        writes.append(head(CLEAN, *history, env="dev", partition="2026-01-01"))
    report = version(1, clean=(CLEAN, 4), raw=(RAW, 4), again=(RAW, 3))
    writes += [
        head(REPORT, report),
        run("r1", built, built),
        run("r2"),
        artifact("a1", "summary", asset=REPORT),
    ]
    writes += [schedule("daily"), schedule("daily", 1, "@hourly"), schedule("other")]
    for state in ("claimed", "started", "lost", "completed"):
        writes.append(tick(1, state))
    writes += [tick(2, "claimed"), tick(2, "started"), tick(3, "skipped"), tick(1, "claimed", name="other")]
    return [*writes, artifact("a2"), Stored("ac/1", b"not indexed", "1"), Stored("format", b"{}", "1")]


def test_the_current_versions_are_listed_by_environment(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply(
        [head(RAW, version(1), version(2)), head(CLEAN, version(1)), head(RAW, version(9), env="dev")]
    )
    assert catalog.heads("default") == [
        HeadRow(CLEAN, "", 1, "f1", "d1", "r1", "2026-01-02T04:04:05Z"),
        HeadRow(RAW, "", 2, "f2", "d2", "r2", "2026-01-02T05:04:05Z"),
    ]
    assert [row.seq for row in catalog.heads("dev")] == [9]


def test_history_is_newest_first_and_by_partition(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply([head(RAW, version(1), version(2)), head(RAW, version(7), partition="p")])
    assert [row.seq for row in catalog.history("default", RAW)] == [2, 1]
    assert catalog.history("default", RAW, "p") == [HistoryRow(7, "f7", "d7", "r7", "2026-01-02T10:04:05Z")]


def test_lineage_is_that_of_the_current_versions(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply([head(REPORT, version(1, x=(RAW, 1)))])
    assert catalog.downstream("default", RAW) == {REPORT}
    index.apply([head(REPORT, version(1, x=(RAW, 1)), version(2, x=(CLEAN, 3)))])
    assert catalog.upstream("default", REPORT) == {CLEAN}
    assert catalog.downstream("default", CLEAN) == {REPORT}
    assert catalog.downstream("default", RAW) == set()
    assert catalog.inputs("default", REPORT, 1) == [InputRow("x", RAW, 1)]


def test_runs_are_newest_first_with_their_steps(index: MemoryIndex, catalog: Catalog) -> None:
    reason = Reason(Cause.CODE, subject="clean_rows", place="p.py:3", also=2)
    step = StepRecord(step="clean", action="built", reason=reason, assets=(CLEAN,), started_at=NOW, seq=4)
    index.apply([run("r1", step), run("r2"), run("r3", state="running", ended_at=None)])
    assert [row.id for row in catalog.runs(limit=2)] == ["r3", "r2"]
    found = catalog.run("r1")
    assert found is not None
    assert (found.state, found.counts, found.ended_at) == ("done", {"built": 1}, "2026-01-02T03:04:05Z")
    assert catalog.steps("r1") == [step]
    assert [row.id for row in catalog.runs_beginning("r")] == ["r1", "r2", "r3"]
    assert [row.id for row in catalog.runs_beginning("r2")] == ["r2"]
    assert (catalog.run("none"), catalog.steps("none"), catalog.steps("r3")) == (None, [], [])


def test_steps_can_be_queried_as_a_table(index: MemoryIndex) -> None:
    step = StepRecord(
        step="clean", action="built", reason=Reason(Cause.FIRST), assets=(CLEAN,), duration_s=1.5
    )
    index.apply([run("r1", step)])
    columns = (
        "run, position, step, assets, action, duration_s, json_extract(reason, '$.cause'), checked, error"
    )
    found = index.read(f"SELECT {columns} FROM steps", (), lambda *row: row)
    assert found == [("r1", 0, "clean", f'["{CLEAN}"]', "built", 1.5, "first", 0, "")]


def test_the_start_of_a_run_does_not_undo_its_end(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply([run("r1"), run("r1", state="running", ended_at=None)])
    assert [row.state for row in catalog.runs()] == ["done"]


def test_artifacts_are_found_by_key_asset_and_run(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply([artifact("a1", "k", run="r1"), artifact("a2", "k", asset=RAW), artifact("a3")])
    assert [row.id for row in catalog.artifacts()] == ["a3", "a2", "a1"]
    assert [row.id for row in catalog.artifacts(key="k")] == ["a2", "a1"]
    assert [row.id for row in catalog.artifacts(key="k", asset=RAW)] == ["a2"]
    assert [row.id for row in catalog.artifacts(run="r1")] == ["a1"]


def test_ticks_are_newest_first_and_those_that_go_on_are_found(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply(
        [tick(2, "claimed"), tick(3, "started"), tick(1, "completed"), tick(9, "failed", name="other")]
    )
    assert [(row.nominal[9:11], row.state) for row in catalog.ticks("daily")] == [
        ("03", "started"),
        ("02", "claimed"),
        ("01", "completed"),
    ]
    assert [row.state for row in catalog.ticks("daily", limit=1)] == ["started"]
    assert [row.state for row in catalog.ticks("daily", until=catalog.ticks("daily")[1].due_at)] == [
        "claimed",
        "completed",
    ]
    assert [row.state for row in catalog.open_ticks("daily")] == ["claimed", "started"]
    assert catalog.ticks("none") == catalog.open_ticks("other") == []


def test_schedules_are_listed_by_name_as_they_are_now(index: MemoryIndex, catalog: Catalog) -> None:
    index.apply([schedule("b"), schedule("a", 1, "@hourly"), schedule("a")])
    assert [(row.name, row.cron, row.command, row.paused) for row in catalog.schedules()] == [
        ("a", "@hourly", ("build", "*"), False),
        ("b", "@daily", ("build", "*"), False),
    ]


def test_indexing_as_records_come_equals_a_rebuild(index: MemoryIndex) -> None:
    records = MemoryRecords(index.apply)
    for write in a_life():
        found = records.get(write.path)
        if found is None:
            records.create(write.path, write.data)
        else:
            records.replace(write.path, write.data, found.token)
    as_they_came = dump(index)
    index.rebuild(records.scan(""))
    assert dump(index) == as_they_came
    assert len(as_they_came["lineage"]) == 7


@pytest.mark.parametrize("seed", range(5))
def test_order_and_repetition_do_not_matter(index: MemoryIndex, seed: int) -> None:
    index.apply(a_life())
    expected = dump(index)
    shuffled = a_life() * 2
    random.Random(seed).shuffle(shuffled)
    index.rebuild([])
    for record in shuffled:
        index.apply([record])
    assert dump(index) == expected


def test_a_deleted_record_leaves_the_catalog(index: MemoryIndex, catalog: Catalog) -> None:
    records = MemoryRecords(index.apply)
    for record in (run("r1"), artifact("a1", "k"), schedule("daily"), tick(1, "claimed")):
        token = records.create(record.path, record.data)
        assert token is not None
        assert records.delete(record.path, token)
    assert (catalog.runs(), catalog.artifacts(), catalog.schedules(), catalog.ticks("daily")) == (
        [],
        [],
        [],
        [],
    )


def test_a_record_that_cannot_be_read_is_named_and_nothing_is_indexed(
    index: MemoryIndex, catalog: Catalog
) -> None:
    with pytest.raises(CorruptRecord, match="runs/r2"):
        index.apply([head(RAW, version(1)), Stored("runs/r2", b"{", "1")])
    assert catalog.heads("default") == []


def test_events_are_read_on_from_a_cursor(index: MemoryIndex, catalog: Catalog) -> None:
    events = [Event(n, "2026-01-02T03:04:05Z", "step", f'{{"n":{n}}}') for n in range(3)]
    index.write(lambda connection: append_events(connection, "r1", events[:2]))
    index.write(lambda connection: append_events(connection, "r2", events[:1]))
    seen = catalog.events()
    assert [(row.run, row.n) for row in seen] == [("r1", 0), ("r1", 1), ("r2", 0)]
    index.write(lambda connection: append_events(connection, "r1", events))
    new = catalog.events(after=seen[-1].id)
    assert [(row.run, row.n, row.body) for row in new] == [("r1", 2, '{"n":2}')]
    assert [row.n for row in catalog.events("r1", after=seen[0].id)] == [1, 2]


def test_a_rebuild_keeps_the_events(index: MemoryIndex, catalog: Catalog) -> None:
    index.write(lambda connection: append_events(connection, "r1", [Event(0, "", "start", "{}")]))
    index.rebuild([])
    assert len(catalog.events()) == 1


def test_edges_are_those_of_the_current_versions_of_an_environment(
    index: MemoryIndex, catalog: Catalog
) -> None:
    index.apply(a_life())
    assert catalog.edges("default") == [(CLEAN, REPORT), (RAW, CLEAN), (RAW, REPORT)]
    assert catalog.edges("none") == []


def test_a_mark_differs_with_what_is_there_and_is_equal_in_every_process(
    index: MemoryIndex, catalog: Catalog
) -> None:
    with closing(MemoryIndex()) as other:
        marks = [catalog.mark()]
        for record in (
            run("r1", state="running", ended_at=None),
            head(RAW, version(1)),
            artifact("a1", "notes"),
            run("r1", state="failed"),
            head(RAW, version(1), version(2)),
        ):
            pulse, heads = catalog.pulse(), catalog.heads_mark("default")
            index.apply([record])
            other.apply([record])
            assert catalog.pulse() != pulse
            assert (catalog.heads_mark("default") != heads) == record.path.startswith("heads/")
            marks.append(catalog.mark())
            assert marks[-1] == Catalog(other.read).mark()
        index.write(lambda connection: append_events(connection, "r1", [Event(1, "", "log", "{}")]))
        marks.append(catalog.mark())
        assert len(set(marks)) == 7
        assert catalog.mark() == marks[-1]


def test_the_pulse_feels_what_another_connection_commits(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with (
        closing(SqliteRecords(path, apply, prepare=prepare)) as one,
        closing(SqliteRecords(path, apply)) as two,
    ):
        catalog = Catalog(one.read)
        before = catalog.pulse()
        assert catalog.pulse() == before
        record = head(RAW, version(1))
        two.create(record.path, record.data)
        assert catalog.pulse() != before


def test_an_embedded_store_keeps_its_catalog_in_the_same_transaction(tmp_path: Path) -> None:
    with closing(SqliteRecords(tmp_path / "r.sqlite", apply, prepare=prepare)) as records:
        catalog = Catalog(records.read)
        record = head(RAW, version(1))
        records.create(record.path, record.data)
        assert [row.asset for row in catalog.heads("default")] == [RAW]
        with pytest.raises(CorruptRecord):
            records.create("runs/r1", b"{")
        assert records.get("runs/r1") is None


def test_a_dropped_or_outdated_catalog_comes_back_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(SqliteRecords(path, apply, prepare=prepare)) as records:
        for record in (head(RAW, version(1)), run("r1"), artifact("a1")):
            records.create(record.path, record.data)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE heads")
        connection.execute("DELETE FROM runs")
        connection.execute("PRAGMA user_version = 999")
    with closing(SqliteRecords(path, apply, prepare=prepare)) as records:
        catalog = Catalog(records.read)
        assert [row.asset for row in catalog.heads("default")] == [RAW]
        assert [row.id for row in catalog.runs()] == ["r1"]
        assert [row.id for row in catalog.artifacts()] == ["a1"]


def test_preparing_twice_changes_nothing(index: MemoryIndex) -> None:
    assert index.write(prepare) is False
    index.write(lambda connection: rebuild(connection, a_life()))
    before = dump(index)
    assert index.write(prepare) is False
    assert dump(index) == before


def test_a_store_without_a_catalog_says_so_and_can_be_read_through_one_in_memory(
    tmp_path: Path, index: MemoryIndex
) -> None:
    """What a sealed store of an older nacre needs: nothing can be written there."""
    with closing(SqliteRecords(tmp_path / "r.sqlite")) as records:
        record = head(RAW, version(1))
        records.create(record.path, record.data)
        assert not is_current(records.read)
        index.rebuild(records.scan(""))
        assert is_current(index.read)
        assert [row.asset for row in Catalog(index.read).heads("default")] == [RAW]


def test_named_blocks_are_split_and_freed_of_comments() -> None:
    assert named_blocks("-- intro\n\n-- one --\n-- why\nSELECT 1\n\n-- two --\nSELECT 2\n") == {
        "one": "SELECT 1",
        "two": "SELECT 2",
    }
    assert all("--" not in sql for sql in QUERIES.values())
