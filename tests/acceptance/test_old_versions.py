"""Old versions by name: loaded, shown and pinned, in Python, on the command line and on the web page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

import nacre
from browsing import serving
from buckets import Lake
from nacre import project as roots
from nacre.curate.collecting import collect_garbage
from nacre.errors import CorruptObject, NotMaterialized, UsageError
from nacre.web.figure import asset_href
from sandbox import Sandbox
from shell import HEAD, Shell

PIPELINE = (
    HEAD
    + """
from pathlib import Path

@materialize("demo://posts")
def posts() -> list:
    return list(range(int(Path("n.txt").read_text())))

@materialize("demo://report")
def report(posts: list) -> int:
    return sum(posts)
"""
)


@pytest.fixture
def built(shell: Shell) -> Shell:
    """Two assets with three versions each, an hour apart."""
    for n in (1, 2, 3):
        (shell.project.folder / "n.txt").write_text(str(n))
        shell.write(PIPELINE)
        shell("build")
        shell.project.clock.advance(3600)
    return shell


# ── in Python ──


def test_a_version_is_pinned_listed_moved_and_let_go(built: Shell) -> None:
    assert nacre.pins() == ()
    first = nacre.pin("posts", "v1", "good")
    assert (first.name, first.asset, first.version, first.env) == ("good", "demo://posts", 1, "default")
    assert nacre.pin("posts", 1, "good") == first
    with pytest.raises(UsageError, match="pinned as 'good'"):
        nacre.pin("posts", "v2", "good")
    assert nacre.pin("posts", None, "good", move=True).version == 3
    assert [(each.name, each.version) for each in nacre.pins()] == [("good", 3)]
    assert nacre.load("posts", at="good") == [0, 1, 2]
    assert nacre.unpin("good").version == 3
    assert nacre.pins() == ()
    with pytest.raises(UsageError, match="no pin 'good'"):
        nacre.unpin("good")


def test_a_version_is_loaded_by_whatever_names_it(built: Shell) -> None:
    third, second, first = nacre.history("posts")
    assert nacre.load("posts") == [0, 1, 2]
    for at in ("v2", 2, second.run, second.data_version[:8], second.fingerprint[:8], second.at):
        assert nacre.load("posts", at=at) == [0, 1], at
    assert nacre.load("demo://posts", at=second.at + timedelta(minutes=59)) == [0, 1]
    assert nacre.load("posts", at=third.at) == [0, 1, 2]
    assert nacre.load("posts", at=first.at.isoformat()) == [0]
    assert nacre.load("posts", at=datetime(2100, 1, 1, tzinfo=UTC)) == [0, 1, 2]


def test_what_there_is_not_is_an_error_that_says_what_there_is(built: Shell) -> None:
    with pytest.raises(NotMaterialized, match="v1 to v3"):
        nacre.load("posts", at="v7")
    with pytest.raises(NotMaterialized, match="had no version at 1999-01-01"):
        nacre.load("posts", at="1999-01-01")
    with pytest.raises(UsageError, match="has no version 'newest'"):
        nacre.load("posts", at="newest")


def test_an_old_version_is_loaded_inside_a_step_without_making_it_depend_on_what_is_current(
    project: Sandbox,
) -> None:
    module = project.module("""
        @materialize("demo://posts")
        def posts() -> int:
            return world["n"]

        @materialize("demo://growth")
        def growth() -> int:
            calls.append("growth")
            return nacre.load("demo://posts", at="v1") * 10

        @materialize("demo://after")
        def after(posts: int) -> int:
            calls.append("after")
            return nacre.load("demo://posts", at="v1") + posts
    """)
    module.turn(n=1)
    project.build(module, "posts").raise_for_failure()
    project.build(module).raise_for_failure()
    module.turn(n=2)
    project.build(module, "after").raise_for_failure()
    assert nacre.load("after") == 3
    module.calls.clear()
    assert project.ran(module, "after") == []


def test_all_partitions_are_loaded_as_they_were(project: Sandbox) -> None:
    module = project.module("""
        from nacre import StaticPartitions

        @materialize("demo://sales/{region}", partitions=StaticPartitions(["eu", "us"], "region"))
        def sales(region: str) -> str:
            return f"{region} {world['n']}"
    """)
    module.turn(n=1)
    nacre.build("sales", modules=[module], partition="eu").raise_for_failure()
    early = project.clock.now()
    project.clock.advance(3600)
    module.turn(n=2)
    project.build(module).raise_for_failure()
    assert nacre.load("sales") == {"eu": "eu 2", "us": "us 2"}
    assert nacre.load("sales", at=early) == {"eu": "eu 1"}
    assert nacre.load("sales", partition="eu", at="v1") == "eu 1"
    runs = [run.id for run in project.runs()]
    assert nacre.load("sales", at=runs[0]) == nacre.load("sales", at=runs[0][:12]) == {"eu": "eu 1"}
    with pytest.raises(UsageError, match="names no version of all partitions"):
        nacre.load("sales", at="v1")
    with pytest.raises(NotMaterialized, match="had no version at"):
        nacre.load("sales", at="1999-01-01")


def test_partitions_of_which_one_was_removed_are_not_loaded_without_it(project: Sandbox) -> None:
    (project.folder / "nacre.toml").write_text("keep_versions = 1\ncache_keep = 0\n")
    project.reopen()
    module = project.module("""
        from nacre import StaticPartitions

        @materialize("demo://sales/{region}", partitions=StaticPartitions(["eu", "us"], "region"))
        def sales(region: str) -> str:
            return f"{region} {world['n']}"
    """)
    for n in (1, 2):
        module.turn(n=n)
        project.build(module).raise_for_failure()
        project.clock.advance(3600)
    early = project.clock.now() - timedelta(hours=2)
    nacre.build("sales", modules=[module], partition="us").raise_for_failure()
    collect_garbage(roots.current_project(), delete=True, grace_s=0)
    project.reopen()
    assert nacre.load("sales") == {"eu": "eu 2", "us": "us 2"}
    with pytest.raises(NotMaterialized, match="had no version at") as caught:
        nacre.load("sales", at=early)
    assert "the oldest version that is kept" in caught.value.facts
    said = []
    for at in (first := project.runs()[0].id, first[:12]):
        with pytest.raises(NotMaterialized, match=f"had no version at the end of run {first}") as caught:
            nacre.load("sales", at=at)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_run_is_named_as_it_is_printed(project: Sandbox) -> None:
    (project.folder / "nacre.toml").write_text("keep_versions = 1\ncache_keep = 0\n")
    project.reopen()
    module = project.module("""
        @materialize("demo://posts")
        def posts() -> int:
            return world["n"]

        @materialize("demo://other")
        def other() -> int:
            return world["n"]
    """)
    for n, select in enumerate(("posts", "other", "posts", "other", "posts", "posts")):
        module.turn(n=n)
        project.build(module, select).raise_for_failure()
        project.clock.advance(60)
    nacre.pin("posts", "v1", "first")
    runs = [run.id for run in project.runs()]
    for at in (runs[3], runs[3][:12]):
        assert nacre.load("posts", at=at) == 2
    collect_garbage(roots.current_project(), delete=True, grace_s=0)
    project.reopen()
    for run in runs[2:4]:
        said = []
        for at in (run, run[:12]):
            with pytest.raises(NotMaterialized, match="may have been removed") as caught:
                nacre.load("posts", at=at)
            said.append(str(caught.value))
        assert said[0] == said[1]


# ── on the command line ──


def test_show_takes_a_version_after_the_at_sign(built: Shell) -> None:
    assert "posts v1  demo://posts" in built("show", "posts@v1").stdout
    assert "posts v2  demo://posts" in built("show", "demo://posts@2").stdout
    assert "posts v3  demo://posts" in built("show", "posts@2100-01-01").stdout
    assert "named twice" in built("show", "posts@v1", "--version", "v2", exits=2).stderr
    refused = built("show", "posts@v9", exits=2).stderr
    assert "posts has no version v9" in refused


def test_a_key_that_has_an_at_sign_itself_is_found(shell: Shell) -> None:
    shell.write(HEAD + '@materialize("demo://who@where")\ndef who() -> int:\n    return 1\n')
    shell("build")
    assert "v1  demo://who@where" in shell("show", "demo://who@where").stdout
    assert "v1  demo://who@where" in shell("show", "demo://who@where@v1").stdout


def test_a_rollback_says_what_it_did_and_how_to_end_it(built: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert built("rollback", "posts@v1", "--dry-run").stdout.splitlines() == [
        "· posts: v4 is v1 again, held at v1",
        "· report: v4 is v1 again",
        "Nothing is written: this is what would be.",
    ]
    assert built("rollback", "posts@v1").stdout.splitlines() == [
        "✓ posts: v4 is v1 again, held at v1",
        "✓ report: v4 is v1 again",
        "until: nacre rollback posts --release",
    ]
    said = built("history", "posts").stdout
    assert "v4       rolled back to v1 by ada, held" in said
    assert "v4       went back to v1 by ada" in built("history", "report").stdout
    newest, *older = nacre.history("posts")
    assert (newest.again, newest.reason, newest.by) == (1, "rolled back to v1", "ada")
    assert not any(each.reason or each.by for each in older)
    moved = {"reason": "rolled back to v1", "by": "ada"}
    assert [row["moved"] for row in built.rows("history", "posts")] == [moved, None, None, None]
    assert "held      at v1, just now; builds leave it so" in built("show", "posts").stdout
    assert "‖ held" in built("ls").stdout
    assert "held at v1 since" in built("plan").stdout
    assert "held at v1 since" in built("why", "posts").stdout
    assert "1 held" in built().stdout
    assert built.rows("history", "posts")[0]["held"] == "v1"
    assert {row["asset"]: row["state"] for row in built.rows("ls")}["demo://posts"] == "held"
    assert built("rollback", "posts", "--release").stdout == "✓ posts was held at v1, and is released\n"
    assert built("rollback", "posts", "--release").stdout == "posts is not held.\n"


def test_the_page_shows_a_hold_and_links_each_version_to_what_differs_in_it(
    built: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "<b>ada")
    built("rollback", "posts@v1")
    with serving() as served:
        urgent = served.text("/").partition('id="urgent"')[2].partition("</section>")[0]
        assert "held" in urgent
        page = served.text(asset_href("demo://posts"))
        assert 'class="note is-held"' in page
        assert "nacre rollback posts --release" in page
        assert "rolled back to v1 by &lt;b&gt;ada, held" in page
        for n in (4, 3, 2):
            link = (
                f'href="/diff{asset_href("demo://posts")[2:]}?version={n}" aria-label="What differs in v{n}"'
            )
            assert link in page
        assert 'aria-label="What differs in v1"' not in page


def test_rollback_tells_in_json_what_moved(built: Shell) -> None:
    rows = built.rows("rollback", "posts@v2", "--only")
    assert rows == [
        {"asset": "demo://posts", "version": 4, "to": 2, "before": 3, "held": True, "written": True}
    ]
    assert built.rows("rollback", "posts", "--release") == [
        {"asset": "demo://posts", "partition": "", "held": "v2", "released": True}
    ]


def test_rollback_is_told_which_version(built: Shell) -> None:
    refused = built("rollback", "posts", exits=2).stderr
    assert "Which version of posts?" in refused
    assert "nacre history posts" in refused
    built("rollback", "posts@v1", "--release", exits=2)


def test_what_the_next_build_moves_to_another_version_is_stale_everywhere(shell: Shell) -> None:
    shell.write(
        HEAD
        + """
from nacre import StaticPartitions

@materialize("demo://one")
def one() -> int:
    return 1

@materialize("demo://two")
def two(one: int) -> int:
    return one

@materialize("demo://parts/{day}", partitions=StaticPartitions(["mo", "tu"], "day"))
def parts(day: str, one: int) -> str:
    return f"{day} {one}"
"""
    )
    shell("build")
    pipeline = shell.project.folder / "pipeline.py"
    shell.write(pipeline.read_text().replace("return 1", "return 2"))
    shell("build")
    for asset in (("two@v1",), ("parts@v1", "--partition", "mo")):
        shell("rollback", *asset)
        shell("rollback", asset[0].partition("@")[0], *asset[1:], "--release")
    rows = {str(row["asset"]): row for row in shell.rows("ls")}
    before = "made before from the same inputs and code"
    assert (rows["demo://two"]["state"], rows["demo://two"]["reason"]) == ("stale", before)
    assert rows["demo://two"]["because"] == [{"text": before, "diff": ""}]
    parts = rows["demo://parts/{day}"]
    assert (parts["state"], parts["partitions"]) == ("stale", {"fresh": 1, "stale": 1})
    assert parts["reason"] == f"{before} · 1 of 2 partitions"
    assert "2 stale" in shell().stdout
    with serving() as served:
        assert before in served.page("/").text
    shell("build")
    assert {row["state"] for row in shell.rows("ls")} == {"check", "fresh"}


def test_what_is_held_and_not_declared_is_listed_as_held(built: Shell) -> None:
    built("rollback", "posts@v1")
    built.write(HEAD)
    assert "‖ held" in built("ls").stdout


def test_a_pin_names_a_version_until_it_is_removed(built: Shell) -> None:
    assert built("pin", "posts@v1", "first").stdout == "✓ first is v1 of posts\n"
    assert built("pin", "posts@v1", "first").stdout == "✓ first is v1 of posts\n"
    assert "pinned as first" in built("history", "posts").stdout
    assert "posts v1  demo://posts" in built("show", "posts@first").stdout
    assert nacre.load("posts", at="first") == [0]
    assert nacre.history("posts")[-1].pins == ("first",)
    assert "first  posts  v1" in built("pin").stdout
    taken = built("pin", "posts@v2", "first", exits=2).stderr
    assert "Another version is pinned as 'first'" in taken
    built("pin", "report", "first", "--move", exits=2)
    assert built("pin", "posts@v2", "first", "--move").stdout == "✓ first is v2 of posts\n"
    built("rollback", "posts@first")
    assert nacre.load("posts") == [0, 1]
    assert built("pin", "--remove", "first").stdout == "removed: first is v2 of posts\n"
    assert "There is no pin 'first'" in built("pin", "--remove", "first", exits=2).stderr
    assert built("pin").stdout == "No pins.\n"
    built("show", "posts@first", exits=2)


def test_history_puts_a_pin_on_the_version_that_it_names_also_where_that_came_back(built: Shell) -> None:
    nacre.pin("posts", "v1", "good")
    nacre.rollback("posts", "v1")
    nacre.pin("posts", "v4", "back")
    assert {each.version: each.pins for each in nacre.history("posts")} == {
        4: ("back",),
        3: (),
        2: (),
        1: ("good",),
    }
    assert {each.name: each.version for each in nacre.pins()} == {"good": 1, "back": 4}
    assert "pinned as good" in built("history", "posts").stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["v1", "2026-11-01", "Ä", "12", "afa7a7", "01m8n6zw2jdn"])
def test_a_pin_cannot_have_the_name_of_something_else(built: Shell, name: str) -> None:
    assert "A pin cannot be called" in built("pin", "posts", name, exits=2).stderr


# ── on the web page ──


def test_the_page_of_an_asset_says_what_is_held_and_pinned_and_leads_to_each_version(built: Shell) -> None:
    built("pin", "posts@v2", "second")
    built("rollback", "posts@v1")
    with serving() as served:
        page = served.page(asset_href("demo://posts"))
        assert "held at v1 since" in page.text
        assert "Builds and flows leave it so" in page.text
        assert "nacre rollback posts --release" in page.text
        assert "pinned as second" in page.text
        assert f"{asset_href('demo://posts')}?version=2" in page.links()
        older = served.page(f"{asset_href('demo://posts')}?version=2")
        assert "This is an older version." in older.text
        assert "1 held" in served.page("/").text
        served.page(f"{asset_href('demo://posts')}?version=99", 404)


def test_pages_that_are_open_are_told_of_a_hold(built: Shell) -> None:
    with serving() as served:
        before = served.site.mark()
        built("rollback", "posts@v3", "--only")
        assert served.site.mark() != before


# ── in a bucket ──


def test_a_store_in_a_bucket_rolls_back_holds_pins_and_releases(
    lake: Lake, project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"s3://{lake.bucket}/team")
    project.reopen()
    module = _growing(project)
    for n in (1, 2):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    done = nacre.rollback("posts", "v1")
    assert [(each.name, each.version) for each in done.rolled_back] == [("posts", 3), ("report", 3)]
    assert nacre.load("report") == 100_000
    project.reopen()
    module.turn(n=3)
    project.build(module).raise_for_failure()
    assert nacre.load("report") == 100_000
    assert nacre.load("posts", at="v2") == "x" * 200_000
    assert nacre.release("posts") == ("demo://posts",)
    project.reopen()
    project.build(module).raise_for_failure()
    assert nacre.load("report") == 300_000


def _growing(project: Sandbox) -> ModuleType:
    return project.module("""
        @materialize("demo://posts")
        def posts() -> str:
            return "x" * 100_000 * world["n"]

        @materialize("demo://report")
        def report(posts: str) -> int:
            return len(posts)
    """)


def test_damaged_bytes_of_an_old_version_are_told_with_its_number_and_what_helps(project: Sandbox) -> None:
    module = project.module("""
        @materialize("demo://large")
        def large() -> bytes:
            return b"a" * 100_000
    """)
    project.build(module)
    project.build(project.edit(module, '"a"', '"b"'))
    first = min(each for each in (project.store / "objects" / "data").rglob("*") if each.is_file())
    first.chmod(0o644)
    first.write_bytes(b"c" * 100_000)
    with pytest.raises(CorruptObject) as caught:
        nacre.load("demo://large", at="v1")
    assert caught.value.facts["version"] == "v1"
    assert not [hint for hint in caught.value.hint if "--refresh" in hint], "that makes a new version"
    with pytest.raises(CorruptObject) as caught:
        nacre.diff("demo://large")
    assert caught.value.facts["version"] == "v1"
    assert nacre.load("demo://large") == b"b" * 100_000


def test_a_pin_means_the_same_content_in_every_environment(
    built: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One recipe made two contents, and another environment numbers them otherwise."""
    source = """
import os
from nacre import materialize

@materialize("demo://seed")
def seed() -> int:
    return 1

@materialize("demo://world")
def world(seed: int) -> int:
    return os.stat("".join(["world", ".txt"])).st_size  # nobody hears that
"""
    world = built.project.folder / "world.txt"
    built.write(source.replace("return 1", "return 0"))
    world.write_text("old")
    built("build", "--env", "dev")
    built.write(source)
    world.write_text("A")
    built("build")
    nacre.pin("world", None, "good")
    built("build", "--env", "dev")
    world.write_text("BB")
    built("build", "--env", "dev", "--refresh", "world")
    for env in ("default", "dev"):
        monkeypatch.setenv("NACRE_ENV", env)
        built.project.reopen()
        assert nacre.load("world", at="good") == 1
    assert nacre.load("world") == 2
