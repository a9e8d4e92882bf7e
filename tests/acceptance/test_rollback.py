"""Rolling back: what becomes current, what goes with it, what builds then do, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

import nacre
from nacre.errors import CorruptObject, NotMaterialized, UsageError
from nacre.planning.reason import Cause
from nacre.store.paths import action_path
from nacre.store.records import Action, decode
from nacre.views.versions import HistoryEntry
from sandbox import Sandbox

PIPELINE = """
@materialize("demo://raw")
def raw() -> list:
    calls.append("raw")
    return list(range(world.get("n", 1)))

@materialize("demo://posts")
def posts(raw: list) -> list:
    calls.append("posts")
    return [n * 10 for n in raw]

@materialize("demo://report")
def report(posts: list) -> int:
    calls.append("report")
    return sum(posts)

@materialize("demo://mail")
def mail(report: int) -> str:
    calls.append("mail")
    return f"sum {report}"

@flow
def daily():
    return mail(report(posts(raw())))
"""


@pytest.fixture
def pipe(project: Sandbox) -> ModuleType:
    """Four assets in a row, each with three versions, of one, two and three rows."""
    module = project.module(PIPELINE)
    for n in (1, 2, 3):
        module.turn(n=n)
        project.build(module).raise_for_failure()
        project.clock.advance(3600)
    module.calls.clear()
    return module


def current(key: str) -> HistoryEntry:
    return nacre.history(key)[0]


def causes(result: nacre.RunResult) -> dict[str, Cause]:
    return {step.name: step.cause.cause for step in result.steps}


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


def test_builds_leave_what_is_held_and_downstream_uses_it(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", 2)
    pipe.turn(n=5)
    result = project.build(pipe)
    assert causes(result)["posts"] is Cause.HELD
    assert pipe.calls == ["raw"]
    assert nacre.load("report") == 10
    pipe.calls.clear()
    changed = project.edit(pipe, "sum(posts)", "sum(posts) + 1")
    changed.turn(n=5)
    project.build(changed)
    assert changed.calls == ["raw", "report", "mail"]
    assert nacre.load("report") == 11


def test_a_held_asset_stands_where_its_upstream_fails(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", 2)
    broken = project.edit(pipe, 'calls.append("raw")', "raise ValueError('no posts today')")
    result = project.build(broken)
    assert list(result.errors) == ["demo://raw"]
    assert {step.name: step.action for step in result.steps} == {
        "raw": "failed",
        "posts": "reused",
        "report": "reused",
        "mail": "reused",
    }


def test_a_source_is_held_too(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("raw", 1)
    pipe.turn(n=9)
    assert project.ran(pipe) == []
    assert nacre.load("mail") == "sum 0"


def test_a_flow_does_not_undo_a_hold(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", 1)
    pipe.turn(n=7)
    assert pipe.daily() == "sum 0"
    assert current("posts").held == "v1"
    changed = project.edit(
        pipe, '@materialize("demo://posts")', '@materialize("demo://posts", refresh_cache=True)'
    )
    changed.turn(n=7)
    assert changed.daily() == "sum 0"
    assert changed.calls == ["raw"]


def test_after_a_release_the_next_build_takes_what_it_had_made(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", 1)
    assert nacre.release("posts") == ("demo://posts",)
    assert nacre.release("posts") == ()
    assert project.ran(pipe) == ["raw"]
    assert nacre.load("mail") == "sum 30"
    assert [each.version for each in nacre.history("posts")] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("select", [["posts"], ["demo://posts"], ["mail", "posts"]])
def test_a_build_by_name_ends_the_hold(project: Sandbox, pipe: ModuleType, select: list[str]) -> None:
    nacre.rollback("posts", 1)
    project.build(pipe, *select).raise_for_failure()
    assert current("posts").held == ""
    assert nacre.load("posts") == [0, 10, 20]


@pytest.mark.parametrize("select", [["*"], ["posts+"], ["+posts"], ["demo://*"], ["mail"], ["p?sts"]])
def test_a_build_that_names_it_with_others_leaves_the_hold(
    project: Sandbox, pipe: ModuleType, select: list[str]
) -> None:
    nacre.rollback("posts", 1)
    project.build(pipe, *select).raise_for_failure()
    assert current("posts").held == "v1"
    assert nacre.load("posts") == [0]


def test_a_refresh_ends_the_hold(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", 1)
    project.build(pipe, "*", refresh=True).raise_for_failure()
    assert current("posts").held == ""
    assert nacre.load("posts") == [0, 10, 20]


def test_building_the_held_version_itself_by_name_ends_the_hold(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", "v3")
    assert [each.version for each in nacre.history("posts")] == [3, 2, 1]
    assert current("posts").held == "v3"
    project.build(pipe, "posts").raise_for_failure()
    assert current("posts").held == ""
    assert [each.version for each in nacre.history("posts")] == [3, 2, 1]


def test_a_build_by_name_that_fails_leaves_the_hold(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", "v1")
    broken = project.edit(pipe, "return [n * 10 for n in raw]", "raise ValueError")
    broken.turn(n=3)
    assert not project.build(broken, "posts").ok
    assert current("posts").held == "v1"


def test_a_build_that_a_schedule_starts_leaves_the_hold(
    project: Sandbox, pipe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    nacre.rollback("posts", "v1")
    monkeypatch.setenv("NACRE_RUN_ID", "01KBAAAAAAAAAAAAAAAAAAAAAA")
    project.build(pipe, "posts", refresh=True)
    assert current("posts").held == "v1"


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


def test_a_rollback_while_a_build_runs_wins(project: Sandbox) -> None:
    module = project.module("""
        @materialize("demo://posts")
        def posts() -> list:
            calls.append("posts")
            if world["n"] == 3:
                nacre.rollback("posts", "v1")
            return [world["n"]]

        @materialize("demo://report")
        def report(posts: list) -> int:
            return posts[0]
    """)
    for n in (1, 2, 3):
        module.turn(n=n)
        result = project.build(module)
    result.raise_for_failure()
    assert nacre.load("posts") == [1]
    assert current("posts").held == "v1"
    assert nacre.load("posts", at="v3") == [1]
    log = project.log()
    assert any("was rolled back meanwhile and is held at v1" in line for line in log)
    project.build(module).raise_for_failure()
    assert nacre.load("report") == 1


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


def test_a_plan_and_why_say_that_it_is_held(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", "v1")
    planned = nacre.plan(modules=[pipe])["posts"]
    assert (planned.action, planned.reason[:14]) == ("reuse", "held at v1 sin")
    assert nacre.why("posts", modules=[pipe]).reason.startswith("held at v1 since 20")
    assert nacre.plan("posts", modules=[pipe])["posts"].cause.cause is not Cause.HELD


def test_what_is_held_is_not_verified_against_inputs_it_was_not_made_from(pipe: ModuleType) -> None:
    nacre.rollback("posts", "v1")
    result = nacre.verify(modules=[pipe], sample="all")
    assert "posts" not in {each.name for each in result.checked}
    assert result.ok


def test_an_edit_of_what_is_held_is_not_accepted(project: Sandbox, pipe: ModuleType) -> None:
    nacre.rollback("posts", "v1")
    edited = project.edit(pipe, "n * 10", "10 * n")
    with pytest.raises(UsageError, match="Nothing of posts is to be accepted"):
        nacre.accept("posts", modules=[edited])
