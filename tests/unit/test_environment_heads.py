"""Heads of an environment: how the first of its own begins, what the catalog reads through, and what it forgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.catalog.lineage import InputRow
from nacre.store.codec import decode, encode
from nacre.store.commit import Commit, Committer, Move
from nacre.store.memory import MemoryRecords
from nacre.store.paths import head_path
from nacre.store.records import Head, Materialization, Record
from nacre.testing import ManualClock

AT = datetime(2026, 1, 1, tzinfo=UTC)
A, B = "demo://a", "demo://b"


class Store:
    """Records in memory and the catalog over them; dev stands over default, feature over dev."""

    def __init__(self) -> None:
        self.index = MemoryIndex()
        self.records = MemoryRecords(self.index.apply)
        through = {"dev": ("dev", "default"), "feature": ("feature", "dev", "default")}
        self.catalog = Catalog(self.index.read, through)
        self.clock = ManualClock()

    def make(
        self,
        env: str,
        asset: str,
        fingerprint: str,
        *,
        seen: int = 0,
        base: str = "",
        inputs: Mapping[str, tuple[str, int]] | None = None,
        run: str = "",
    ) -> tuple[int, str]:
        """Make one version current, as a run does; its number, and the run that was ahead."""
        self.clock.advance(60)
        move = Move(env, asset, f"d-{fingerprint}", inputs or {}, seen, base=base)
        committer = Committer(self.records, self.clock.monotonic)
        at = AT + timedelta(seconds=self.clock.monotonic())
        committer.add(Commit(fingerprint, run or f"r-{env}", f"{env} {fingerprint} {run}", at, moves=(move,)))
        (done,) = committer.flush()
        return done.seqs[asset], done.superseded_by

    def put(self, path: str, record: Record) -> None:
        stored = self.records.get(path)
        if stored is None:
            assert self.records.create(path, encode(record))
        else:
            assert self.records.replace(path, encode(record), stored.token)

    def head(self, env: str, asset: str) -> Head:
        stored = self.records.get(head_path(env, asset))
        assert stored is not None
        return decode(stored.data, Head)

    def history(self, env: str, asset: str) -> list[tuple[int, str]]:
        return [(each.seq, each.fingerprint) for each in self.head(env, asset).history]


@pytest.fixture
def store() -> Store:
    return Store()


# ── how a head begins ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_own_version_goes_on_from_the_bases_history(store: Store) -> None:
    store.make("default", A, "f1")
    store.make("default", A, "f2", seen=1)
    published = store.head("default", A)
    about = {"published": 2, "mark": "m", "held": "v2", "held_since": AT, "metadata": {"rows": "3"}}
    store.put(
        head_path("default", A),
        Head(env="default", asset=A, history=published.history, lost=(1,), **about),  # type: ignore[arg-type]  # mixed
    )
    assert store.make("dev", A, "f3", seen=2, base="default") == (3, "")
    head = store.head("dev", A)
    assert store.history("dev", A) == [(1, "f1"), (2, "f2"), (3, "f3")]
    assert (head.env, head.base_seq, head.metadata, head.lost) == ("dev", 2, {"rows": "3"}, (1,))
    assert (head.published, head.mark, head.held, head.held_since) == (0, "", "", None)
    assert store.history("default", A) == [(1, "f1"), (2, "f2")]


def test_it_goes_on_from_what_the_run_saw_whatever_the_base_got_meanwhile(store: Store) -> None:
    for number in (1, 2, 3):
        store.make("default", A, f"f{number}", seen=number - 1)
    assert store.make("dev", A, "g", seen=1, base="default") == (2, "")
    assert store.history("dev", A) == [(1, "f1"), (2, "g")]
    assert store.head("dev", A).base_seq == 1


def test_where_the_base_keeps_nothing_of_what_the_run_saw_the_number_goes_on_all_the_same(
    store: Store,
) -> None:
    assert store.make("dev", A, "g", seen=70, base="default") == (71, "")
    assert store.history("dev", A) == [(71, "g")]
    assert store.head("dev", A).base_seq == 70


def test_a_long_history_goes_on_with_what_the_bases_head_keeps(store: Store) -> None:
    for number in range(1, 101):
        store.make("default", A, f"f{number}", seen=number - 1)
    assert store.make("dev", A, "g", seen=100, base="default") == (101, "")
    seqs = [row.seq for row in store.catalog.history("dev", A)]
    assert seqs == list(range(101, 100 - len(seqs) + 1, -1))
    assert len(seqs) > 32
    for number in range(101, 171):
        store.make("dev", A, f"g{number}", seen=number)
    assert [row.seq for row in store.catalog.history("dev", A)] == list(range(171, seqs[-1] - 1, -1))
    assert [row.seq for row in store.catalog.history("default", A)] == list(range(100, 0, -1))
    assert [row.seq for row in store.catalog.recent("feature", A)] == list(range(171, 171 - 64, -1))


def test_a_head_that_is_full_when_it_begins_leaves_its_oldest_part_beside_it(store: Store) -> None:
    for number in range(1, 65):
        store.make("default", A, f"f{number}", seen=number - 1)
    assert len(store.head("default", A).history) == 64
    store.make("dev", A, "g", seen=64, base="default")
    assert [row.seq for row in store.catalog.history("dev", A)] == list(range(65, 0, -1))
    assert len(store.head("dev", A).history) == 33


def test_of_two_runs_that_begin_a_head_the_second_is_superseded(store: Store) -> None:
    store.make("default", A, "f1")
    assert store.make("dev", A, "g", seen=1, base="default", run="r1") == (2, "")
    assert store.make("dev", A, "h", seen=1, base="default", run="r2") == (2, "r1")
    assert store.history("dev", A) == [(1, "f1"), (2, "g")]


def test_of_two_runs_that_begin_a_head_alike_both_have_it(store: Store) -> None:
    store.make("default", A, "f1")
    assert store.make("dev", A, "g", seen=1, base="default", run="r1") == (2, "")
    assert store.make("dev", A, "g", seen=1, base="default", run="r2") == (2, "")


def test_newer_inputs_come_on_top_of_a_head_that_another_run_began(store: Store) -> None:
    store.make("default", B, "f1", inputs={"a": (A, 1)})
    store.make("dev", B, "g", seen=1, base="default", inputs={"a": (A, 1)}, run="r1")
    assert store.make("dev", B, "h", seen=1, base="default", inputs={"a": (A, 2)}, run="r2") == (3, "")
    assert store.history("dev", B) == [(1, "f1"), (2, "g"), (3, "h")]
    assert store.head("dev", B).base_seq == 1


def test_what_a_head_knows_of_its_base_stays_with_its_next_version(store: Store) -> None:
    store.make("default", A, "f1")
    store.make("dev", A, "g", seen=1, base="default")
    assert store.make("dev", A, "h", seen=2) == (3, "")
    assert store.head("dev", A).base_seq == 1


# ── what is read through ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_nearest_environment_that_has_a_slot_counts(store: Store) -> None:
    store.make("default", A, "fa")
    store.make("default", B, "fb", inputs={"a": (A, 1)})
    store.make("dev", B, "gb", seen=1, base="default", inputs={"a": (A, 1)})
    assert [(row.asset, row.seq, row.base) for row in store.catalog.heads("default")] == [
        (A, 1, ""),
        (B, 1, ""),
    ]
    assert [(row.asset, row.seq, row.base) for row in store.catalog.heads("dev")] == [
        (A, 1, "default"),
        (B, 2, ""),
    ]
    assert [(row.asset, row.seq, row.base) for row in store.catalog.heads("feature")] == [
        (A, 1, "default"),
        (B, 2, "dev"),
    ]
    assert [row.fingerprint for row in store.catalog.heads_of("feature", B)] == ["gb"]
    assert [row.asset for row in store.catalog.own_heads("dev")] == [B]
    assert [row.fingerprint for row in store.catalog.history("feature", B)] == ["gb", "fb"]
    assert [row.fingerprint for row in store.catalog.history("default", B)] == ["fb"]
    assert {env: n for env, (n, _) in store.catalog.environments().items()} == {"default": 2, "dev": 1}


def test_what_is_published_and_held_in_the_base_is_not_read_through(store: Store) -> None:
    store.make("default", A, "fa")
    head = store.head("default", A)
    about = {"published": 1, "mark": "m", "held": "v1", "held_since": AT}
    store.put(head_path("default", A), Head(env="default", asset=A, history=head.history, **about))  # type: ignore[arg-type]  # mixed
    (there,) = store.catalog.heads("default")
    (here,) = store.catalog.heads("dev")
    assert (there.published, there.mark, there.held) == (1, "m", "v1")
    assert (here.published, here.mark, here.held, here.held_since) == (0, "", "", "")
    assert here.fingerprint == there.fingerprint


def test_neighbours_are_those_of_the_versions_that_are_read(store: Store) -> None:
    store.make("default", A, "fa")
    store.make("default", B, "fb", inputs={"a": (A, 1)})
    assert store.catalog.edges("dev") == [(A, B)]
    store.make("dev", B, "gb", seen=1, base="default", inputs={"c": ("demo://c", 1)})
    assert store.catalog.edges("dev") == [("demo://c", B)]
    assert store.catalog.upstream("dev", B) == {"demo://c"}
    assert store.catalog.downstream("dev", A) == set()
    assert store.catalog.downstream("default", A) == {B}


def test_the_number_of_an_input_is_told_with_the_environment_that_it_is_of(store: Store) -> None:
    store.make("default", A, "a1")
    store.make("dev", A, "a2 of dev", seen=1, base="default")
    store.make("default", A, "a2", seen=1)
    store.make("default", B, "b1", inputs={"a": (A, 2)})
    assert store.catalog.inputs("default", B, 1) == [InputRow("a", A, 2)]
    assert store.catalog.inputs("dev", B, 1) == [InputRow("a", A, 2, "default")]
    store.make("dev", B, "b2", seen=1, base="default", inputs={"a": (A, 2)})
    assert store.catalog.inputs("dev", B, 2) == [InputRow("a", A, 2)]
    # Also of what its history began with.
    assert store.catalog.inputs("dev", B, 1) == [InputRow("a", A, 2, "default")]
    assert store.catalog.inputs("feature", B, 2) == [InputRow("a", A, 2, "dev")]


def test_the_mark_of_heads_changes_with_those_of_the_base(store: Store) -> None:
    store.make("default", A, "a1")
    before = store.catalog.heads_mark("dev")
    store.make("default", A, "a2", seen=1)
    between = store.catalog.heads_mark("dev")
    store.make("dev", A, "a3", seen=2, base="default")
    assert len({before, between, store.catalog.heads_mark("dev")}) == 3


# ── what comes late, and what goes ────────────────────────────────────────────────────────────────────────────────────


def entries(*fingerprints: str, hour: int = 0) -> tuple[Materialization, ...]:
    return tuple(
        Materialization(
            seq=number,
            fingerprint=fingerprint,
            data_version="d",
            run="r",
            at=AT + timedelta(hours=hour, minutes=number),
            attempt="",
            inputs={"a": (A, number)},
        )
        for number, fingerprint in enumerate(fingerprints, 1)
    )


def test_an_older_state_of_one_head_changes_nothing(store: Store) -> None:
    newest = Head(env="dev", asset=B, history=entries("f1", "f2", "f3"))
    store.put(head_path("dev", B), newest)
    store.put(head_path("dev", B), Head(env="dev", asset=B, history=entries("f1", "f2")))
    (row,) = store.catalog.own_heads("dev")
    assert row.seq == 3
    assert len(store.catalog.history("dev", B)) == 3


def test_removed_heads_are_forgotten_one_by_one(store: Store) -> None:
    for name in ("x", "y", "z"):
        store.make("dev", f"demo://{name}", name)
    for name in ("z", "x"):
        path = head_path("dev", f"demo://{name}")
        stored = store.records.get(path)
        assert stored is not None
        assert store.records.delete(path, stored.token)
    assert [row.asset for row in store.catalog.own_heads("dev")] == ["demo://y"]
    assert store.catalog.history("dev", "demo://x") == []
