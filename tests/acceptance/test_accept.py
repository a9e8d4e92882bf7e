"""Accepting an edit: the stored result stands for the new code, where nothing else differs, and history says so."""

from __future__ import annotations

import pytest

import nacre
from browsing import serving
from nacre.errors import UsageError
from nacre.web.figure import asset_href
from sandbox import Sandbox
from shell import HEAD, Shell

PIPELINE = (
    HEAD
    + """
@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

@materialize("demo://small")
def small(numbers: list) -> list:
    return [n for n in numbers if n < 3]

@materialize("demo://count")
def count(small: list) -> int:
    return len(small)
"""
)
EDITED = PIPELINE.replace("n < 3", "n <= 2")


@pytest.fixture
def edited(shell: Shell) -> Shell:
    shell.write(PIPELINE)
    shell("build")
    shell.write(EDITED)
    return shell


def test_an_accepted_edit_runs_nothing_then_or_later(edited: Shell) -> None:
    said = edited("accept", "small", "--reason", "same bound").stdout
    assert "✓ small accepted as v2" in said
    assert "+    return [n for n in numbers if n <= 2]" in said
    assert {row["action"] for row in edited.rows("plan", "--reuse-sources")} == {"reuse"}
    assert "1 checked · 2 reused" in edited("build").stdout


def test_what_was_accepted_is_the_same_object_and_content_under_the_new_recipe(edited: Shell) -> None:
    project = edited.project
    before = project.record("demo://small")
    edited("accept", "small", "--reason", "same bound")
    after = project.record("demo://small")
    assert after.outputs == before.outputs
    assert after.fingerprint != before.fingerprint
    assert after.run == before.run
    assert after.accepted is not None
    assert after.accepted.fingerprint == before.fingerprint
    assert after.accepted.reason == "same bound"
    assert "@" in after.accepted.who
    assert len(project.history("demo://small")) == 2


def test_history_why_and_page_say_who_accepted_and_why(edited: Shell) -> None:
    edited("accept", "small", "--reason", "same bound")
    assert "v2       just now  accepted" in edited("history", "small").stdout
    new, old = edited.rows("history", "small")
    assert new["accepted"]["reason"] == "same bound"  # type: ignore[index]  # an object
    assert old["accepted"] is None
    assert "accepted by " in edited("why", "small").stdout
    with serving() as served:
        page = served.page(asset_href("demo://small")).text
    assert "accepted by " in page
    assert "same bound" in page


def test_a_dry_run_says_it_and_writes_nothing(edited: Shell) -> None:
    assert "small would be accepted as v2" in edited("accept", "small", "--dry-run").stdout
    assert len(edited.project.history("demo://small")) == 1
    assert edited.rows("plan", "small", "--reuse-sources")[-1]["action"] == "build"


@pytest.mark.parametrize(
    ("edit", "asset", "says"),
    [
        (("n < 3", "n < 3"), "small", "Nothing of small is to be accepted"),
        (("n < 3", "n <= 2"), "count", "depends on what small brings"),
        (("[1, 2, 3]", "[1, 2]"), "numbers", "numbers runs on every run"),
        (
            ('@materialize("demo://small")', '@materialize("demo://small", version="2")'),
            "small",
            "option `version`",
        ),
        (("def small(numbers: list)", "def small(numbers: list, count_of: list = None)"), "other", "other"),
    ],
)
def test_anything_but_an_edit_of_the_code_is_refused_with_its_causes(
    shell: Shell, edit: tuple[str, str], asset: str, says: str
) -> None:
    shell.write(PIPELINE)
    shell("build")
    shell.write(PIPELINE.replace(*edit))
    assert says in shell("accept", asset, exits=2).output
    assert len(shell.project.history("demo://small")) == 1


def test_what_changed_in_data_as_well_is_refused(project: Sandbox) -> None:
    source = """
    world["n"] = [1, 2]

    @materialize("demo://raw")
    def raw() -> list:
        return world["n"]

    @materialize("demo://top")
    def top(raw: list) -> int:
        return max(raw)
    """
    module = project.module(source)
    project.build(module)
    module = project.edit(module, "[1, 2]", "[1, 2, 3]")
    nacre.build("raw", modules=[module])
    module = project.edit(module, "max(raw)", "sorted(raw)[-1]")
    with pytest.raises(UsageError, match="raw changed: \\+1 item"):
        nacre.accept("top", modules=[module])
    assert len(project.history("demo://top")) == 1


def test_undoing_an_accepted_edit_takes_the_old_record(edited: Shell) -> None:
    edited("accept", "small")
    edited.write(PIPELINE)
    assert "made before from the same inputs and code" in edited("build").stdout


def test_python_accepts_all_partitions_whose_code_alone_differs(project: Sandbox) -> None:
    module = project.module(
        """
        from nacre.cache_policies import INPUTS

        REGIONS = nacre.StaticPartitions(["north", "south"], dimension="region")

        @materialize("demo://sales/{region}", partitions=REGIONS, cache_policy=INPUTS)
        def sales(region: str) -> str:
            calls.append(region)
            return region + "!"
        """
    )
    project.build(module)
    module = project.edit(module, 'region + "!"', 'f"{region}!"')
    result = nacre.accept("sales", "a format string", modules=[module])
    assert str(result) == "sales[north] accepted as v2\nsales[south] accepted as v2"
    assert {step.action for step in project.build(module)} == {"reused"}
    assert module.calls == []


def test_a_published_file_stays_as_it_is(project: Sandbox) -> None:
    project.map("s3://lake", "lake")
    module = project.module(
        """
        from nacre.cache_policies import INPUTS

        @materialize("s3://lake/a.json", cache_policy=INPUTS)
        def a() -> list:
            return [1]
        """
    )
    project.build(module)
    before = (project.folder / "lake" / "a.json").stat().st_mtime_ns
    module = project.edit(module, "return [1]", "return list([1])")
    nacre.accept("a", modules=[module])
    (step,) = project.build(module)
    assert (step.action, step.reason) == ("reused", "inputs and code unchanged")
    assert (project.folder / "lake" / "a.json").stat().st_mtime_ns == before


def test_accepting_makes_a_result_that_expires_no_younger(project: Sandbox) -> None:
    module = project.module(
        """
        from datetime import timedelta

        @materialize("demo://rates", cache_expiration=timedelta(hours=1))
        def rates() -> list:
            return [1]
        """
    )
    project.build(module)
    project.clock.advance(50 * 60)
    module = project.edit(module, "return [1]", "return list([1])")
    nacre.accept("rates", modules=[module])
    (step,) = project.build(module)
    assert step.action == "reused"
    project.clock.advance(20 * 60)
    (step,) = project.build(module)
    assert (step.action, step.reason) == ("built", "made 1.2 h ago; cache_expiration is 1 h")


def test_several_assets_of_one_function_are_accepted_together(project: Sandbox) -> None:
    module = project.module(
        """
        @materialize("demo://raw")
        def raw() -> list:
            return [1, 2]

        @materialize("demo://low", "demo://high")
        def split(raw: list) -> tuple:
            return raw[:1], raw[1:]
        """
    )
    project.build(module)
    module = project.edit(
        module, "return raw[:1], raw[1:]", "return (raw[:1], raw[1:])  # both\n\n\ndef other(): ..."
    )
    assert {step.action for step in project.build(module) if step.name != "raw"} == {"reused"}
    module = project.edit(module, "(raw[:1], raw[1:])", "(raw[0:1], raw[1:])")
    assert [each.name for each in nacre.accept("high", modules=[module]).accepted] == ["low", "high"]
    assert {step.action for step in project.build(module) if step.name != "raw"} == {"reused"}
