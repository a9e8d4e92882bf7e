"""Commits: in groups, first writer wins, and a head never moves behind another's back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.errors import CorruptRecord, StoreUnavailable
from nacre.store.codec import decode, encode
from nacre.store.commit import Commit, Committer, Move, with_moves
from nacre.store.history import MAX_HISTORY, SPILLED
from nacre.store.memory import MemoryRecords
from nacre.store.paths import action_path, head_path
from nacre.store.port import Stored, Token, Write
from nacre.store.records import Action, Head, Output, Past
from nacre.store.use import GRACE_S
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


def test_a_version_whose_answer_was_lost_and_from_which_others_went_on_is_not_made_twice() -> None:
    """A bucket that looks for such a write finds what came after it, and says that it was refused."""
    store = Store()
    put(store.ours, commit("f0"))

    class Unheard(MemoryRecords):
        is_lost = True

        def batch(self, writes: Sequence[Write]) -> list[Token | None]:
            outcomes = store.records.batch(writes)
            if not self.is_lost:
                return outcomes
            self.is_lost = False
            put(store.theirs, commit("f2", "theirs", seen=2, content="e"))
            return [
                None if write.path.startswith("heads/") else token
                for write, token in zip(writes, outcomes, strict=True)
            ]

        def get(self, path: str) -> Stored | None:
            return store.records.get(path)

    ours = Committer(Unheard(), store.clock.monotonic)
    assert put(ours, commit("f1", "ours", seen=1, content="c")) == [({"a://a": 2}, "")]
    assert store.history() == [(1, "f0"), (2, "f1"), (3, "f2")]


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


def pasts(store: Store) -> list[Past]:
    return [decode(stored.data, Past, stored.path) for stored in store.records.scan("hist/")]


def whole_history(store: Store) -> list[int]:
    """The seqs of all versions, as a reader puts them together."""
    found = {entry.seq for past in pasts(store) for entry in past.history}
    return sorted(found | {entry.seq for entry in store.head().history})


def rebuilt(records: MemoryRecords) -> MemoryIndex:
    """An index as a machine makes it that saw none of the commits."""
    index = MemoryIndex()
    index.apply([*records.scan("heads/"), *records.scan("hist/")])
    return index


def test_a_head_keeps_its_newest_versions_and_the_others_are_kept_beside_it() -> None:
    store = Store()
    for n in range(3 * MAX_HISTORY):
        put(store.ours, commit(f"f{n}", f"r{n}", seen=n))
        assert len(store.history()) <= MAX_HISTORY
    assert store.history()[-1] == (3 * MAX_HISTORY, f"f{3 * MAX_HISTORY - 1}")
    assert [past.history[-1].seq for past in pasts(store)] == [SPILLED * n for n in range(1, 5)]
    assert {len(past.history) for past in pasts(store)} == {SPILLED}
    assert whole_history(store) == list(range(1, 3 * MAX_HISTORY + 1))


def test_a_head_keeps_few_versions_that_were_made_from_thousands() -> None:
    """It is written as a whole for each version: 64 of them would be 10 MB."""
    store = Store()
    many = {f"x#p{n}": ("a://x/{part}", 1) for n in range(5_000)}
    for n in range(6):
        put(store.ours, commit(f"f{n}", f"r{n}", seen=n, inputs=many))
    assert [seq for seq, _ in store.history()] == [5, 6]
    assert whole_history(store) == [1, 2, 3, 4, 5, 6]
    catalog = Catalog(rebuilt(store.records).read)
    assert [row.seq for row in catalog.history("default", "a://a")] == [6, 5, 4, 3, 2, 1]
    assert len(catalog.inputs("default", "a://a", 1)) == 5_000


@pytest.mark.parametrize("is_raced", [False, True])
def test_a_writer_stopped_between_the_old_part_of_a_history_and_the_head_loses_nothing(
    is_raced: bool,
) -> None:
    store = Store()
    for n in range(MAX_HISTORY):
        put(store.ours, commit(f"f{n}", f"r{n}", seen=n))
    stopped = Stopped(store.records)
    last = commit("f64", "stopped", seen=MAX_HISTORY)
    with pytest.raises(StoreUnavailable):
        put(Committer(stopped, store.clock.monotonic), last)
    assert len(pasts(store)) == 1
    assert len(store.history()) == MAX_HISTORY
    seen = MAX_HISTORY - is_raced
    inputs = {"x": ("a://x", 6)} if is_raced else None
    assert put(store.ours, commit("f65", "next", seen=seen, inputs=inputs)) == [
        ({"a://a": MAX_HISTORY + 1}, "")
    ]
    assert len(pasts(store)) == 1
    assert whole_history(store) == list(range(1, MAX_HISTORY + 2))


class Stopped(MemoryRecords):
    """A store that a writer reaches for the old part of a history, and for nothing after it."""

    def __init__(self, records: MemoryRecords) -> None:
        super().__init__()
        self.get = records.get  # type: ignore[method-assign]
        self._inner = records

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        for write in writes:
            if write.path.startswith("hist/"):
                self._inner.create(write.path, write.data)
                raise StoreUnavailable("stopped")
        raise AssertionError("nothing was moved out of the head")


# ── known results and collection ──────────────────────────────────────────────────────────────────────────────────


def taking(store: Store, fingerprint: str, at: datetime, seen: int) -> Commit:
    """A commit that makes a known result current again."""
    known = store.action(fingerprint)
    return commit(fingerprint, "again", seen=seen)._replace(action=None, taken=known, at=at)


LATER = AT + timedelta(seconds=GRACE_S / 2 + 1)


def test_a_known_result_that_is_young_is_taken_without_being_touched() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    assert put(store.ours, taking(store, "f1", AT, 2)) == [({"a://a": 3}, "")]
    assert store.action("f1").used_at is None


def test_an_old_result_is_marked_as_used_before_it_is_taken() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    assert put(store.ours, taking(store, "f1", LATER, 2)) == [({"a://a": 3}, "")]
    assert store.action("f1").used_at == LATER
    assert store.history()[-1] == (3, "f1")


def test_what_is_collected_at_the_moment_when_it_is_taken_becomes_no_version() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    taken = taking(store, "f1", LATER, 2)
    bury(store, "f1")
    store.ours.add(taken)
    (done,) = store.ours.flush()
    assert done.is_gone
    assert store.history() == [(1, "f1"), (2, "f2")]


def test_who_marks_an_old_result_as_used_wins_over_a_collection_that_read_it_before() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    before = store.records.get(action_path("f1"))
    assert before is not None
    put(store.ours, taking(store, "f1", LATER, 2))
    assert store.records.replace(before.path, before.data, before.token) is None


def test_who_made_an_old_result_again_marks_it_as_used_before_it_is_current() -> None:
    """A source runs each time: where the world is as it was long ago, a collection may have read that record."""
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    before = store.records.get(action_path("f1"))
    assert before is not None
    assert put(store.ours, commit("f1", "r3", seen=2)._replace(at=LATER)) == [({"a://a": 3}, "")]
    assert store.action("f1").used_at == LATER
    assert store.records.replace(before.path, before.data, before.token) is None, (
        "so its tombstone is refused"
    )


def test_two_that_take_the_same_old_result_both_take_it() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    put(store.ours, commit("f2", "r2", seen=1, content="e"))
    ours, theirs = taking(store, "f1", LATER, 2), taking(store, "f1", LATER, 2)
    put(store.theirs, theirs)
    assert put(store.ours, ours._replace(attempt="other")) == [({"a://a": 3}, "")]


def test_a_collected_result_is_recorded_again_when_it_is_made_again() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    bury(store, "f1")
    assert put(store.ours, commit("f1", "again", seen=1)) == [({"a://a": 1}, "")]
    assert store.action("f1").run == "again"
    assert store.action("f1").buried_at is None


def bury(store: Store, fingerprint: str) -> None:
    """Collect a result, as garbage collection does."""
    stored = store.records.get(action_path(fingerprint))
    assert stored is not None
    tombstone = replace(store.action(fingerprint), outputs=(), buried_at=LATER)
    assert store.records.replace(stored.path, encode(tombstone), stored.token)


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


def hold(store: Store, at: str = "v1") -> None:
    """Hold what is current, as a rollback to it does."""
    path = head_path("default", "a://a")
    stored = store.records.get(path)
    assert stored is not None
    head = replace(decode(stored.data, Head), held=at, held_since=AT)
    assert store.records.replace(path, encode(head), stored.token)


def test_a_head_that_is_held_stays_and_the_result_is_kept() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    hold(store)
    store.ours.add(commit("f2", "r2", seen=1, content="e"))
    done = store.ours.flush()[0]
    assert (done.held, done.seqs, done.superseded_by) == ("v1", {"a://a": 1}, "r1")
    assert store.history() == [(1, "f1")]
    assert store.head().held == "v1"
    assert store.action("f2").run == "r2"


def test_a_hold_that_comes_between_the_look_and_the_commit_holds() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    store.ours.add(commit("f2", "r2", seen=1, content="e"))
    hold(store)
    assert store.ours.flush()[0].held == "v1"
    assert store.history() == [(1, "f1")]


def test_newer_inputs_do_not_move_what_is_held() -> None:
    store = Store()
    put(store.ours, commit("f1", inputs={"x": ("a://x", 1)}))
    hold(store)
    store.ours.add(commit("f2", "r2", seen=0, inputs={"x": ("a://x", 9)}))
    assert store.ours.flush()[0].held == "v1"


def test_a_move_that_releases_ends_the_hold_with_the_same_write() -> None:
    store = Store()
    put(store.ours, commit("f1"))
    hold(store)
    wanted = commit("f2", "r2", seen=1, content="e")
    released = with_moves(wanted, [move._replace(releases=True) for move in wanted.moves])
    assert put(store.ours, released) == [({"a://a": 2}, "")]
    assert (store.head().held, store.head().held_since) == ("", None)


def test_a_record_that_is_replaced_by_other_content_is_kept_beside() -> None:
    store = Store()
    put(store.ours, commit("f1", content="old"))
    put(store.ours, commit("f1", "r2", seen=1, content="new", overwrites=True))
    put(store.ours, commit("f1", "r3", seen=2, content="new", overwrites=True))
    assert store.action("f1").run == "r3"
    beside = [decode(each.data, Action) for each in store.records.scan("ac/f1/")]
    assert [each.outputs[0].data_version for each in beside] == ["old"]


def test_a_record_that_is_replaced_while_another_run_replaces_it_is_kept_beside() -> None:
    store = Store()
    put(store.ours, commit("f1", content="old"))
    store.ours.add(commit("f1", "r2", seen=1, content="new", overwrites=True))
    put(store.theirs, commit("f1", "r3", seen=1, content="newer", overwrites=True))
    store.ours.flush()
    beside = [decode(each.data, Action) for each in store.records.scan("ac/f1/")]
    assert {each.outputs[0].data_version for each in beside} >= {"old"}
