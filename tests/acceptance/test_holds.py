"""What is held stays as it is: for builds, flows and schedules, until somebody plainly ends it."""

from __future__ import annotations

from types import ModuleType

import pytest

import nacre
from nacre.errors import UsageError
from nacre.planning.reason import Cause
from nacre.views.versions import HistoryEntry
from sandbox import Sandbox


def current(key: str) -> HistoryEntry:
    return nacre.history(key)[0]


def causes(result: nacre.RunResult) -> dict[str, Cause]:
    return {step.name: step.cause.cause for step in result.steps}


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
    assert "posts was held at v1; the hold has ended" in project.log()


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
    told = "demo://posts was rolled back meanwhile and is held at v1"
    assert [line.partition("; ")[0] for line in log if told in line] == [
        told,
        f"demo://report is left as it was, since {told}",
    ]
    assert all("nacre rollback posts --release" in line for line in log if told in line)
    assert (result["posts"].version, result["report"].version) == (0, 0)  # what was made is no version
    project.build(module).raise_for_failure()
    assert nacre.load("report") == 1


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


def test_a_flow_whose_step_is_rolled_back_meanwhile_says_so(project: Sandbox) -> None:
    module = project.module("""
        @materialize("demo://posts")
        def posts() -> int:
            return world["n"]

        @flow
        def daily():
            value = posts()
            if world["n"] == 3:
                nacre.rollback("posts", "v1")
            return value
    """)
    for n in (1, 2, 3):
        module.turn(n=n)
        assert module.daily() == n
    assert nacre.load("posts") == 1
    assert any("was rolled back meanwhile and is held at v1" in line for line in project.log())
