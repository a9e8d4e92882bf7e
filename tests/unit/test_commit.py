"""Commits: in groups, first writer wins, and a head never moves behind another's back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from nacre.errors import CorruptRecord, StoreUnavailable
from nacre.store.commit import MAX_HISTORY, Commit, Committer, Move, with_moves
from nacre.store.memory import MemoryRecords
from nacre.store.paths import action_path, head_path
from nacre.store.port import Token, Write
from nacre.store.records import Action, Head, Output, decode, encode
from nacre.testing import ManualClock
from nacre.version.outline import Outline

AT = datetime(2026, 1, 1, tzinfo=UTC)


def commit(
    fingerprint: str,
    run: str = "r1",
    *,
    content: str = "d",
    seen: int = 0,
    inputs: Mapping[str, tuple[str, int]] | None = None,
    overwrites: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Commit:
    """A commit of one asset, as a run makes it."""
    output = Output(
        asset="a://a", data_version=content, format="json", size_bytes=1, digest="x", outline=Outline("int")
    )
    attempt = f"{run}-{fingerprint}"
    action = Action(
        fingerprint=fingerprint,
        task="a",
        code="c",
        outputs=(output,),
        attempt=attempt,
        run=run,
        started_at=AT,
        duration_s=0.0,
    )
    move = Move("default", "a://a", content, inputs or {}, seen, metadata or {})
    return Commit(fingerprint, run, attempt, AT, action, (move,), overwrites)


class Store:
    """Records in memory with two committers, as two runs have them."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        self.clock = ManualClock()
        self.ours = Committer(self.records, self.clock.monotonic)
        self.theirs = Committer(self.records, self.clock.monotonic)

    def head(self) -> Head:
        stored = self.records.get(head_path("default", "a://a"))
        assert stored is not None
        return decode(stored.data, Head)

    def history(self) -> list[tuple[int, str]]:
        return [(entry.seq, entry.fingerprint) for entry in self.head().history]

    def action(self, fingerprint: str) -> Action:
        stored = self.records.get(action_path(fingerprint))
        assert stored is not None
        return decode(stored.data, Action)


def put(committer: Committer, *commits: Commit) -> list[tuple[Mapping[str, int], str]]:
    for each in commits:
        committer.add(each)
    return [(done.seqs, done.superseded_by) for done in committer.flush()]


def test_nothing_is_written_before_the_flush() -> None:
    store = Store()
    store.ours.add(commit("f1"))
    assert list(store.records.scan("")) == []
    assert not store.ours.is_due
    store.clock.advance(0.05)
    assert store.ours.is_due
    assert put(store.ours) == [({"a://a": 1}, "")]
    assert not store.ours.is_due
    assert put(store.ours) == []


def test_versions_are_appended_in_order() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    assert store.history() == [(1, "f1"), (2, "f2")]
    assert store.action("f2").run == "r2"


def test_an_equal_result_of_another_run_is_taken() -> None:
    store = Store()
    put(store.theirs, commit("f1", "theirs"))
    assert put(store.ours, commit("f1", "ours")) == [({"a://a": 1}, "")]
    assert store.action("f1").run == "theirs"
    assert store.history() == [(1, "f1")]


def test_another_result_of_the_same_recipe_stays_and_ours_gets_no_head() -> None:
    store = Store()
    put(store.theirs, commit("f1", "theirs", content="first"))
    assert put(store.ours, commit("f1", "ours", content="second")) == [({}, "theirs")]
    assert store.head().current.data_version == "first"


def test_a_head_that_moved_on_is_left_to_the_run_ahead() -> None:
    store = Store()
    put(store.ours, commit("f0"))
    put(store.theirs, commit("f1", "theirs", seen=1, inputs={"x": ("a://x", 5)}))
    late = commit("f2", "ours", seen=1, inputs={"x": ("a://x", 4)})
    assert put(store.ours, late) == [({"a://a": 2}, "theirs")]
    assert store.history() == [(1, "f0"), (2, "f1")]
    assert store.action("f2").run == "ours"


def test_newer_inputs_move_a_head_that_moved_on() -> None:
    store = Store()
    put(store.ours, commit("f0"))
    put(store.theirs, commit("f1", "theirs", seen=1, inputs={"x": ("a://x", 5)}))
    newer = commit("f2", "ours", seen=1, inputs={"x": ("a://x", 6)})
    assert put(store.ours, newer) == [({"a://a": 3}, "")]
    assert store.history() == [(1, "f0"), (2, "f1"), (3, "f2")]


def test_of_two_first_versions_one_is_first() -> None:
    store = Store()
    put(store.theirs, commit("f1", "theirs"))
    assert put(store.ours, commit("f2", "ours")) == [({"a://a": 1}, "theirs")]
    assert store.history() == [(1, "f1")]


def test_a_group_keeps_the_good_ones_of_it() -> None:
    store = Store()
    put(store.theirs, commit("f1", "theirs", content="first"))
    done = put(
        store.ours, commit("f1", "ours", content="second"), commit("f9", "ours", seen=1, content="third")
    )
    assert done == [({}, "theirs"), ({"a://a": 2}, "")]


def test_a_version_waits_for_those_it_was_made_from() -> None:
    """A store without transactions must not have it, after a crash, without them."""
    seen: list[Write] = []

    class Watched(MemoryRecords):
        def batch(self, writes: Sequence[Write]) -> list[Token | None]:
            seen.extend(writes)
            return super().batch(writes)

    committer = Committer(Watched(), ManualClock().monotonic)
    committer.add(commit("f1"))
    below = commit("f2", inputs={"a": ("a://a", 1), "z": ("a://z", 3)})
    committer.add(with_moves(below, [below.moves[0]._replace(asset="a://b")]))
    committer.flush()
    assert [write.waits for write in seen] == [(), (), (1,), (1,)]


def test_a_fresh_result_replaces_its_record() -> None:
    store = Store()
    put(store.ours, commit("f1", "r1"))
    assert put(store.ours, commit("f1", "r2", seen=1, overwrites=True))[0][1] == ""
    assert store.action("f1").run == "r2"


def test_metadata_is_kept_and_the_latest_wins() -> None:
    store = Store()
    put(store.ours, commit("f1", metadata={"rows": "1", "by": "me"}))
    put(store.ours, commit("f2", "r2", seen=1, metadata={"rows": "2"}))
    assert store.head().metadata == {"rows": "2", "by": "me"}


def test_a_history_keeps_its_newest_versions() -> None:
    store = Store()
    for n in range(MAX_HISTORY + 6):
        put(store.ours, commit(f"f{n}", f"r{n}", seen=n))
    history = store.history()
    assert len(history) == MAX_HISTORY
    assert history[-1] == (MAX_HISTORY + 6, f"f{MAX_HISTORY + 5}")
    assert history[0][0] == 7


def test_a_damaged_head_is_named_and_not_overwritten() -> None:
    store = Store()
    path = head_path("default", "a://a")
    store.records.create(path, b"{broken")
    with pytest.raises(CorruptRecord, match="cannot be read") as raised:
        put(store.ours, commit("f1", seen=1))
    assert path in str(raised.value)
    stored = store.records.get(path)
    assert stored is not None
    assert stored.data == b"{broken"


def test_a_record_that_never_stands_still_is_an_error() -> None:
    class Restless(MemoryRecords):
        def batch(self, writes: list[Write]) -> list[str | None]:  # type: ignore[override]
            return [None for _ in writes]

    records = Restless()
    with pytest.raises(StoreUnavailable, match="changed by others all the time"):
        put(Committer(records, ManualClock().monotonic), commit("f1"))


def test_the_bytes_of_a_record_are_plain_json() -> None:
    assert encode(commit("f1").action).startswith(b'{"fingerprint":"f1"')  # type: ignore[arg-type]
