"""``nacre gc`` on a project: what it tells, what it removes, and that builds go on as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.sandbox import Sandbox

import nacre
from nacre import project as roots
from nacre.cli.main import cli
from nacre.curate.checking import check_store
from nacre.errors import UsageError
from nacre.store.ids import new_id

PIPE = """
    from nacre.cache_policies import INPUTS
    @materialize("asset://raw")
    def raw():
        calls.append("raw")
        return str(world.get("raw", 0)) * 100_000
    @materialize("asset://size")
    def size(raw):
        calls.append("size")
        return len(raw)
    @task(cache_policy=INPUTS)
    def spare(n):
        calls.append("spare")
        return "s" * n
"""


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, arguments)
    assert "Traceback" not in done.output
    return done


def settings(project: Sandbox, text: str) -> None:
    (project.folder / "nacre.toml").write_text(text)
    project.reopen()


def names(project: Sandbox) -> int:
    return len(list(project.workspace.contents.objects.list("data/")))


def wait(project: Sandbox, days: float) -> None:
    project.clock.advance(days * 86_400)


@pytest.fixture
def past(project: Sandbox) -> Sandbox:
    """Eight versions of an asset, a week apart; ids have the time of the machine, so years go by before."""
    wait(project, 3_650)
    module = project.module(PIPE)
    for n in range(8):
        module.turn(raw=n)
        project.build(module)
        wait(project, 7)
    wait(project, 3_650)
    return project


def test_without_limits_nothing_goes_however_old(past: Sandbox) -> None:
    before = names(past)
    done = run("gc", "--delete")
    assert done.exit_code == 0
    assert "Nothing to remove." in done.output
    assert names(past) == before
    assert len(past.history("asset://raw")) == 8


def test_versions_beyond_the_limits_go_only_when_asked_and_the_rest_is_whole(past: Sandbox) -> None:
    settings(past, "keep_versions = 3\ncache_keep = 1\n")
    before = names(past)
    looked = run("gc")
    assert "versions beyond keep_versions" in looked.output
    assert "Remove it with: nacre gc --delete" in looked.output
    assert names(past) == before
    told = json.loads(run("gc", "--json").output)
    done = json.loads(run("gc", "--delete", "--json").output)
    assert (done["deleted"], done["removed"], done["kept"]) == (True, told["removed"], told["kept"])
    assert done["removed"]["versions"]["n"] == 10, "five of each asset"
    past.reopen()
    assert names(past) == 3
    assert len(past.history("asset://raw")) == 3
    assert check_store(roots.current_project(), reads_data=True).ok
    module = past.module(PIPE)
    module.turn(raw=7)
    assert past.ran(module) == ["raw"], "nothing is made again"
    assert nacre.load("asset://raw") == "7" * 100_000
    module.turn(raw=0)
    assert past.ran(module) == ["raw", "size"], "what was dropped is not known any more"
    assert [row.seq for row in past.workspace.catalog.history("default", "asset://raw")] == [9, 8, 7, 6]


def test_a_collected_result_is_made_again_when_it_is_wanted(past: Sandbox) -> None:
    module = past.module(PIPE)
    assert len(module.spare(200_000)) == 200_000
    wait(past, 31)
    assert json.loads(run("gc", "--delete", "--json").output)["removed"]["results"]["n"] == 1
    past.reopen()
    module.calls.clear()
    assert len(module.spare(200_000)) == 200_000
    assert module.calls == ["spare"]
    past.reopen()
    assert len(module.spare(200_000)) == 200_000
    assert module.calls == ["spare"], "and is recorded again, in the place of its tombstone"


@pytest.mark.whole
def test_the_file_of_records_becomes_smaller_when_much_of_it_is_free(past: Sandbox) -> None:
    module = past.module("""
        from nacre.cache_policies import INPUTS
        @task(cache_policy=INPUTS)
        def spare(n): return str(n) * 15_000
    """)
    for n in range(100, 200):
        module.spare(n)
    wait(past, 31)
    path = past.store / "records.sqlite"
    past.close()
    assert path.stat().st_size > 4_000_000
    past.reopen()
    assert "smaller" in run("gc", "--delete").output
    past.close()
    assert path.stat().st_size < 1_000_000
    past.reopen()
    assert check_store(roots.current_project()).ok


def test_runs_and_their_logs_go_where_the_settings_say_for_how_long(past: Sandbox) -> None:
    settings(past, "keep_runs = 30\n")
    past.build(past.module(PIPE))
    n_runs = len(past.runs())
    done = json.loads(run("gc", "--delete", "--json").output)
    assert done["removed"]["runs"]["n"] == n_runs - 1
    past.reopen()
    assert len(past.runs()) == 1
    assert run("ls").exit_code == 0
    assert run("history", "raw").exit_code == 0


@pytest.mark.parametrize(
    "text", ["keep_versions = -1", "keep_versions = 1.5", 'keep_days = "7"', "cache_keep = true"]
)
def test_a_limit_that_is_none_is_refused(past: Sandbox, text: str) -> None:
    (past.folder / "nacre.toml").write_text(text)
    with pytest.raises(UsageError, match="must be a"):
        past.reopen()
    (past.folder / "nacre.toml").unlink()


def test_there_is_nothing_to_collect_where_nothing_is_stored(project: Sandbox) -> None:
    done = run("gc", "--delete")
    assert done.exit_code == 2
    assert "no store yet" in done.output


@pytest.mark.parametrize("env", ["default", "dev"])
def test_what_killed_publications_left_goes_with_its_age_and_nothing_of_others(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch, env: str
) -> None:
    text = '[places]\n"s3://lake" = "lake"\n[env.dev]\npublish_root = "dev"\n'
    settings(project, text)
    monkeypatch.setenv("NACRE_ENV", env)
    project.reopen()
    project.build(project.module('@materialize("s3://lake/a/size.json")\ndef size(): return 1\n'))
    monkeypatch.delenv("NACRE_ENV")
    project.reopen()
    published = next(project.folder.rglob("size.json"))

    def left(folder: Path, days: float) -> Path:
        path = folder / f".{new_id(lambda: project.clock.now().timestamp() - days * 86_400)}.unfinished"
        path.write_bytes(b"half")
        return path

    old, young, elsewhere = left(published.parent, 8), left(published.parent, 6), left(project.folder, 8)
    theirs = [old.with_name(name) for name in (".x.unfinished", old.name[1:], f"{old.name}.txt")]
    for path in theirs:
        path.write_bytes(b"theirs")
    assert "leftovers of writers that were killed" in run("gc").output
    assert old.exists()
    assert json.loads(run("gc", "--delete", "--json").stdout)["removed"]["unfinished"] == {
        "n": 1,
        "size_bytes": 4,
    }
    assert not old.exists()
    assert all(path.exists() for path in [published, young, elsewhere, *theirs])


def test_a_published_folder_that_cannot_be_listed_is_told_of_and_all_else_is_removed(past: Sandbox) -> None:
    places = '[places]\n"s3://loop" = "loop"\n"s3://lake" = "lake"\n'
    settings(past, f"keep_versions = 1\n{places}")
    source = '@materialize("s3://{0}/a/size.json")\ndef {0}(): return 1\n'
    past.build(past.module(source.format("lake") + source.format("loop")))
    wait(past, 30)
    left = past.folder / "lake" / "a" / f".{new_id(lambda: 0)}.unfinished"
    left.write_bytes(b"half")
    loop = past.folder / "loop" / "a"
    loop.rename(past.folder / "before")
    loop.symlink_to(loop)  # no permission stops the superuser
    for arguments in (["gc"], ["gc", "--delete"]):
        done = run(*arguments)
        assert done.exit_code == 0
        assert "! The place of published files cannot be read" in done.stderr
        assert str(loop) in done.stderr
        assert "versions beyond keep_versions" in done.stdout
        assert "leftovers of writers that were killed" in done.stdout
    assert not left.exists()
    again = json.loads(run("gc", "--json").stdout)
    assert not again["removed"]
    assert len(again["warnings"]) == 1
