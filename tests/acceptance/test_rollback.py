"""Rolling back: what becomes current, what goes with it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

import nacre
from nacre.catalog.history import Catalog
from nacre.catalog.queries import Parameters
from nacre.curate.rolling_back import roll_back
from nacre.errors import CorruptObject, NotMaterialized, UsageError
from nacre.store import history
from nacre.store.codec import decode, encode
from nacre.store.paths import action_path, head_path, past_path
from nacre.store.port import RecordStore, Token, Write
from nacre.store.records import Action, Head, Past
from nacre.views.versions import HistoryEntry
from sandbox import Sandbox


def current(key: str) -> HistoryEntry:
    return nacre.history(key)[0]


def test_a_rollback_makes_an_old_version_current_and_what_was_made_from_it(pipe: ModuleType) -> None:
    done = nacre.rollback("posts", "v1")
    assert [(each.name, each.version, each.to, each.is_held) for each in done.rolled_back] == [
        ("posts", 4, 1, True),
        ("report", 4, 1, False),
        ("mail", 4, 1, False),
    ]
    assert done.rebuilt == ()
    assert nacre.load("posts") == [0]
    assert nacre.load("report") == 0
    assert nacre.load("mail") == "sum 0"
    assert nacre.load("raw") == [0, 1, 2]
    assert pipe.calls == []
    assert current("posts").held == "v1"
    assert current("report").held == ""


def test_rolling_back_to_the_current_version_only_holds_it(project: Sandbox, pipe: ModuleType) -> None:
    done = nacre.rollback("posts", "v3")
    assert [(each.name, each.version, each.to) for each in done.rolled_back] == [("posts", 3, 3)]
    pipe.turn(n=8)
    assert project.ran(pipe) == ["raw"]


def test_rolling_back_twice_changes_nothing_more(pipe: ModuleType) -> None:
    nacre.rollback("posts", "v1")
    since = nacre.history("posts")
    done = nacre.rollback("posts", "v1")
    assert [(each.name, each.version, each.to) for each in done.rolled_back] == [("posts", 4, 1)]
    assert nacre.history("posts") == since


def test_what_has_no_version_made_from_it_is_named_and_made_by_the_next_build(
    project: Sandbox, pipe: ModuleType
) -> None:
    pipe.turn(n=4)
    project.build(pipe, "posts").raise_for_failure()
    pipe.turn(n=5)
    project.build(pipe).raise_for_failure()
    done = nacre.rollback("posts", "v4")
    assert [each.name for each in done.rolled_back] == ["posts"]
    assert done.rebuilt == ("report", "mail")
    assert project.ran(pipe) == ["raw", "report", "mail"]
    assert nacre.load("mail") == "sum 60"


def test_only_leaves_what_is_below(pipe: ModuleType) -> None:
    done = nacre.rollback("posts", "v1", only=True)
    assert [each.name for each in done.rolled_back] == ["posts"]
    assert nacre.load("report") == 30


def test_a_dry_run_writes_nothing(pipe: ModuleType) -> None:
    done = nacre.rollback("posts", "v1", dry_run=True)
    assert done.is_dry_run
    assert [each.name for each in done.rolled_back] == ["posts", "report", "mail"]
    assert nacre.load("posts") == [0, 10, 20]
    assert current("posts").held == ""


def test_what_is_held_below_stays(pipe: ModuleType) -> None:
    nacre.rollback("report", "v2")
    done = nacre.rollback("posts", "v1")
    assert [each.name for each in done.rolled_back] == ["posts"]
    assert nacre.load("report") == 10


def test_a_version_whose_bytes_are_gone_is_refused_before_anything_moves(project: Sandbox) -> None:
    module = project.module("""
        @materialize("demo://big")
        def big() -> str:
            return "x" * world["n"]

        @materialize("demo://size")
        def size(big: str) -> int:
            return len(big)
    """)
    for n in (100_000, 200_000):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    record = _first(project, "demo://big")
    Path(project.store, "objects", record.outputs[0].object).unlink()
    with pytest.raises(CorruptObject, match="The bytes of big v1 are gone") as caught:
        nacre.rollback("big", "v1")
    assert "nothing was changed" in str(caught.value)
    assert [each.version for each in nacre.history("big")] == [2, 1]
    assert nacre.load("size") == 200_000


def _first(project: Sandbox, key: str) -> Action:
    fingerprint = nacre.history(key)[-1].fingerprint
    stored = project.workspace.records.get(action_path(fingerprint))
    assert stored is not None
    return decode(stored.data, Action)


def test_a_version_there_is_not_is_refused(pipe: ModuleType) -> None:
    with pytest.raises(NotMaterialized, match="posts has no version v9"):
        nacre.rollback("posts", "v9")
    with pytest.raises(UsageError, match="has no version 'yesterday'"):
        nacre.rollback("posts", "yesterday")
    with pytest.raises(NotMaterialized, match="'postz' is not stored"):
        nacre.rollback("postz", "v1")


def test_a_partition_goes_back_alone_with_what_was_made_from_it(project: Sandbox) -> None:
    module = project.module("""
        from nacre import StaticPartitions
        REGIONS = StaticPartitions(["eu", "us"], "region")

        @materialize("demo://sales/{region}", partitions=REGIONS)
        def sales(region: str) -> list:
            return [region] * world["n"]

        @materialize("demo://sums/{region}", partitions=REGIONS)
        def sums(sales: list) -> int:
            return len(sales)

        @materialize("demo://total")
        def total(sums: dict) -> int:
            return sum(sums.values())
    """)
    for n in (1, 2, 3):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    with pytest.raises(UsageError, match="has partitions: say which"):
        nacre.rollback("sales", "v1")
    done = nacre.rollback("sales", "v2", partition="eu")
    assert [each.name for each in done.rolled_back] == ["sales[eu]", "sums[eu]"]
    assert done.rebuilt == ("total",)
    assert nacre.load("sums", partition="eu") == 2
    assert nacre.load("sums", partition="us") == 3
    module.turn(n=4)
    project.build(module).raise_for_failure()
    assert nacre.load("total") == 2 + 4
    project.build(module, "sales").raise_for_failure()
    assert nacre.history("sales", partition="eu")[0].held == "v2"
    nacre.build("sales", modules=[module], partition="eu").raise_for_failure()
    assert nacre.history("sales", partition="eu")[0].held == ""


def test_what_one_step_made_together_goes_back_together(project: Sandbox) -> None:
    module = project.module("""
        @materialize("demo://train", "demo://test")
        def split() -> tuple:
            calls.append("split")
            return world["n"], -world["n"]

        @materialize("demo://score")
        def score(train: int, test: int) -> int:
            calls.append("score")
            return train * test
    """)
    for n in (1, 2, 3):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    done = nacre.rollback("test", "v1")
    assert [(each.name, each.is_held) for each in done.rolled_back] == [
        ("test", True),
        ("train", True),
        ("score", False),
    ]
    module.turn(n=4)
    assert project.ran(module) == []
    assert (nacre.load("train"), nacre.load("test"), nacre.load("score")) == (1, -1, -1)
    assert set(nacre.release("train")) == {"demo://train", "demo://test"}
    assert project.ran(module) == ["split", "score"]


def test_an_asset_that_nobody_declares_any_more_can_be_rolled_back(
    project: Sandbox, pipe: ModuleType
) -> None:
    project.forget_modules()
    project.reopen()
    nacre.rollback("posts", "v1")
    assert nacre.load("mail") == "sum 0"


def test_a_rollback_publishes_what_is_current_then(project: Sandbox) -> None:
    folder = project.map("s3://lake", "lake")
    module = project.module("""
        @materialize("s3://lake/posts.json")
        def posts() -> list:
            return [world["n"]]
    """)
    for n in (1, 2):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    nacre.rollback("posts", "v1")
    assert (folder / "posts.json").read_text().strip() == "[1]"
    module.turn(n=3)
    project.build(module).raise_for_failure()
    assert (folder / "posts.json").read_text().strip() == "[1]"
    (folder / "posts.json").write_text("[77]")
    project.reopen()
    project.build(module).raise_for_failure()
    assert (folder / "posts.json").read_text().strip() == "[1]"
    nacre.release("posts")
    project.build(module).raise_for_failure()
    assert (folder / "posts.json").read_text().strip() == "[3]"


def test_a_result_that_a_refresh_replaced_is_kept_and_can_be_gone_back_to(project: Sandbox) -> None:
    module = project.module("""
        @materialize("demo://posts", cache_expiration=__import__("datetime").timedelta(hours=1))
        def posts(one: int) -> list:
            return [world["n"]]

        @materialize("demo://one")
        def one() -> int:
            return 1
    """)
    for n in (1, 2, 3):
        module.turn(n=n)
        project.build(module).raise_for_failure()
        project.clock.advance(timedelta(hours=2).total_seconds())
    assert len({each.fingerprint for each in nacre.history("posts")}) == 1
    assert [nacre.load("posts", at=n) for n in (1, 2, 3)] == [[1], [2], [3]]
    nacre.rollback("posts", "v1")
    project.reopen()
    assert nacre.load("posts") == [1]


def test_doing_it_again_does_what_a_crash_left_undone(pipe: ModuleType) -> None:
    nacre.rollback("posts", "v1", only=True)  # as a store without transactions may be left
    done = nacre.rollback("posts", "v1")
    assert [(each.name, each.version, each.to) for each in done.rolled_back] == [
        ("posts", 4, 1),
        ("report", 4, 1),
        ("mail", 4, 1),
    ]
    assert nacre.load("mail") == "sum 0"


class Overtaken:
    """Records in which somebody else is faster, once: before the first batch goes out."""

    def __init__(self, below: RecordStore, first: Callable[[], object]) -> None:
        self._below = below
        self._first: Callable[[], object] | None = first

    def __getattr__(self, name: str) -> object:
        return getattr(self._below, name)

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        first, self._first = self._first, None
        if first is not None:
            first()
        return self._below.batch(writes)


def test_a_build_that_commits_meanwhile_is_rolled_back_too(project: Sandbox, pipe: ModuleType) -> None:
    workspace = project.workspace
    pipe.turn(n=4)

    def build() -> None:
        project.build(pipe).raise_for_failure()

    overtaken = workspace._replace(records=Overtaken(workspace.records, build))  # type: ignore[arg-type]
    done = roll_back(overtaken, "posts", "v1")
    assert [(each.name, each.version, each.to, each.before) for each in done.rolled_back] == [
        ("posts", 5, 1, 4),
        ("report", 5, 1, 4),
        ("mail", 5, 1, 4),
    ]
    assert nacre.load("mail") == "sum 0"
    assert current("posts").held == "v1"


def test_a_version_that_was_found_to_be_damaged_is_refused(project: Sandbox, pipe: ModuleType) -> None:
    path = head_path("default", "demo://posts")
    stored = project.workspace.records.get(path)
    assert stored is not None
    marked = replace(decode(stored.data, Head), lost=(1,))
    assert project.workspace.records.replace(path, encode(marked), stored.token)
    with pytest.raises(CorruptObject, match="The bytes of posts v1 are gone"):
        nacre.rollback("posts", "v1")
    done = nacre.rollback("raw", "v1")
    assert ([each.name for each in done.rolled_back], done.rebuilt) == (["raw"], ("posts", "report", "mail"))


PARTS = """
from nacre import StaticPartitions
PARTS = StaticPartitions([f"p{n:02}" for n in range(20)], "part")

@materialize("demo://raw")
def raw() -> int:
    return world["n"]

@materialize("demo://half/{part}", partitions=PARTS)
def half(raw: int, part: str) -> str:
    return f"{part} {raw}"

@materialize("demo://whole/{part}", partitions=PARTS)
def whole(half: str) -> str:
    return half * 2
"""


class Watched:
    """Records that remember the last batch."""

    def __init__(self, below: RecordStore) -> None:
        self._below = below
        self.writes: list[Write] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._below, name)

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        self.writes = [*writes]
        return self._below.batch(writes)


def test_a_head_waits_for_those_of_what_its_version_was_made_from_only(project: Sandbox) -> None:
    """A bucket moves the others at the same time."""
    module = project.module(PARTS)
    for n in (1, 2):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    records = Watched(project.workspace.records)
    roll_back(project.workspace._replace(records=records), "raw", "v1")  # type: ignore[arg-type]
    heads = [decode(each.data, Head) for each in records.writes]
    waits = {
        (head.asset.split("/")[2], head.partition): [
            (heads[n].asset.split("/")[2], heads[n].partition) for n in each.waits
        ]
        for head, each in zip(heads, records.writes, strict=True)
    }
    parts = [f"p{n:02}" for n in range(20)]
    assert waits == {
        ("raw", ""): [],
        **{("half", part): [("raw", "")] for part in parts},
        **{("whole", part): [("half", part)] for part in parts},
    }
    assert {each.after for each in records.writes[1:]} == {0}


def test_going_back_asks_the_index_for_each_slot_and_not_for_all_partitions_each_time(
    project: Sandbox,
) -> None:
    module = project.module(PARTS)
    for n in (1, 2):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    workspace = project.workspace
    n_rows = 0

    def read(sql: str, parameters: Parameters, make: Callable[..., Any]) -> list[Any]:
        nonlocal n_rows
        rows: list[Any] = workspace.catalog.read(sql, parameters, make)
        n_rows += len(rows)
        return rows

    done = roll_back(workspace._replace(catalog=Catalog(read)), "raw", "v1")
    assert len(done.rolled_back) == 41
    # Two heads before and after, a history of two versions, and what the version was made from.
    assert n_rows < 8 * 41


def test_what_leaves_the_heads_that_move_is_kept_beside_them(
    project: Sandbox, pipe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_HISTORY", 3)
    monkeypatch.setattr(history, "SPILLED", 1)
    records = project.workspace.records
    stored = records.get(head_path("default", "demo://report"))
    assert stored is not None
    first = decode(stored.data, Head).history[:1]
    # As a writer leaves it that is stopped before the head.
    left = Past(env="default", asset="demo://report", history=first)
    assert records.create(past_path("default", "demo://report", "", 1), encode(left))
    nacre.rollback("posts", "v1")
    for name in ("posts", "report", "mail"):
        assert [each.version for each in nacre.history(name)] == [4, 3, 2, 1]
        assert records.get(past_path("default", f"demo://{name}", "", 1)) is not None


@pytest.mark.whole
def test_a_history_that_has_left_its_head_is_gone_back_into(project: Sandbox, pipe: ModuleType) -> None:
    for n in range(4, 70):
        pipe.turn(n=n)
        project.build(pipe, "posts").raise_for_failure()
    assert len(list(project.workspace.records.scan("hist/"))) > 0
    nacre.rollback("posts", "v2")
    assert nacre.load("report") == 10
    assert [each.version for each in nacre.history("posts")] == list(range(70, 0, -1))
