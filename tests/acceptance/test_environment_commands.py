"""Environments on the command line, on the page and in what is scheduled."""

from __future__ import annotations

import os
import signal

import pytest
from click.testing import CliRunner

from browsing import serving
from nacre.cli.main import cli
from nacre.store.paths import env_path
from nacre.web.figure import asset_href
from shell import SHOP, Shell

EDITED = SHOP.replace('f"sum ', 'f"total ')


def build_both(shell: Shell) -> None:
    """Build in default; then edit the report and build it in dev."""
    shell("build")
    shell.write(EDITED)
    shell("build", "--env", "dev")


def test_the_option_is_for_one_command(shell: Shell) -> None:
    build_both(shell)
    assert "NACRE_ENV" not in os.environ
    assert "total 7" in shell("show", "report", "--env", "dev").stdout
    assert "sum 7" in shell("show", "report").stdout
    assert [row["version"] for row in shell.rows("history", "report", "--env", "dev")] == [2, 1]
    assert [row["version"] for row in shell.rows("history", "report")] == [1]


def test_the_option_wins_over_the_variable_and_that_over_the_settings(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_both(shell)
    (shell.project.folder / "nacre.toml").write_text('env = "dev"\n')
    assert shell.rows("ls", "report")[0]["environment"] == "dev"
    monkeypatch.setenv("NACRE_ENV", "default")
    assert shell.rows("ls", "report")[0]["environment"] == "default"
    assert shell.rows("ls", "report", "--env", "dev")[0]["environment"] == "dev"
    assert os.environ["NACRE_ENV"] == "default"


def test_a_list_says_which_versions_are_the_environments_own(shell: Shell) -> None:
    build_both(shell)
    assert {row["asset"]: row["environment"] for row in shell.rows("ls", "--env", "dev")} == {
        "demo://orders": "default",
        "demo://sales": "default",
        "demo://report": "dev",
    }
    heading, *lines = shell("ls", "--env", "dev").stdout.splitlines()
    assert heading.split()[:4] == ["name", "state", "version", "of"]
    assert [line.split()[4] for line in lines] == ["default", "default", "dev"]
    assert " of " not in shell("ls").stdout


def test_an_environment_that_is_new_is_said_to_be_and_not_begun_by_looking(shell: Shell) -> None:
    shell("build")
    told = "typo is a new environment: until it makes versions of its own, default's are read\n"
    for command, shown in ((["ls"], "v1"), (["plan", "--reuse-sources"], "3 to reuse")):
        result = shell(*command, "--env", "typo")
        assert result.stderr == told
        assert shown in result.stdout
    assert shell.project.workspace.records.get(env_path("typo")) is None
    assert told in shell("build", "--env", "typo").stderr
    assert shell.project.workspace.records.get(env_path("typo")) is not None
    assert shell("build", "--env", "typo").stderr == ""


@pytest.mark.parametrize("name", ["", "Dev", "-x", "a/b", "ü"])
def test_a_name_that_cannot_be_one_is_refused(shell: Shell, name: str) -> None:
    error = shell("ls", f"--env={name}", exits=2).stderr
    assert "An environment cannot be named that" in error
    assert "lower-case letters" in error


def test_environments_are_listed(shell: Shell) -> None:
    (shell.project.folder / "nacre.toml").write_text(
        '[env.dev]\npublish_root = "s3://lake/dev"\n[env.idle]\n'
    )
    shell.project.reopen()
    build_both(shell)
    rows = shell.rows("env", "ls")
    assert [(row["environment"], row["base"], row["own"], row["begun"]) for row in rows] == [
        ("default", "", 3, True),
        ("dev", "default", 1, True),
        ("idle", "default", 0, False),
    ]
    lines = shell("env", "ls").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["default", "dev", "idle"]
    assert lines[2].endswith("s3://lake/dev")
    assert lines[3].endswith("nowhere")


def test_removing_asks_first(shell: Shell) -> None:
    build_both(shell)
    refused = CliRunner().invoke(cli, ["env", "rm", "dev"], input="n\n")
    assert refused.exit_code == 1
    assert "Remove the environment dev, with 1 version of its own?" in refused.output
    assert len(shell.rows("env", "ls")) == 2
    assert shell("env", "rm", "dev", "--yes").stdout == "✓ dev is removed: 1 version of its own\n"
    assert len(shell.rows("env", "ls")) == 1
    assert "sum 7" in shell("show", "report", "--env", "dev").stdout
    assert "no environment 'dev'" in shell("env", "rm", "dev", "--yes", exits=2).stderr
    assert "cannot be removed" in shell("env", "rm", "default", "--yes", exits=2).stderr


def test_promoting_says_what_became_what(shell: Shell) -> None:
    build_both(shell)
    assert shell("promote", "dev", "default", "--dry-run").stdout.splitlines() == [
        "· report  v2 of dev → v2 of default",
        "1 version would be promoted · 0 steps run",
    ]
    assert shell("promote", "dev", "default").stdout.splitlines() == [
        "✓ report  v2 of dev → v2 of default",
        "1 version promoted · 0 steps run",
    ]
    assert shell("promote", "dev", "default").stdout == (
        "Nothing to promote from dev to default · 1 the same in both\n"
    )
    assert "total 7" in shell("show", "report").stdout


def test_a_history_says_what_was_promoted_from_where_and_by_whom(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    build_both(shell)
    shell("promote", "dev", "default")
    assert "promoted from dev v2 by ada" in shell("history", "report").stdout
    assert "promoted" not in shell("history", "report", "--env", "dev").stdout


def test_promoting_as_json_is_one_version_a_line(shell: Shell) -> None:
    build_both(shell)
    assert shell.rows("promote", "dev", "default", "rep*") == [
        {
            "asset": "demo://report",
            "from": "dev",
            "to": "default",
            "promoted": 2,
            "version": 2,
            "place": "",
            "written": True,
        }
    ]


def test_a_conflict_is_exit_code_1_with_what_to_do(shell: Shell) -> None:
    build_both(shell)
    shell.write(SHOP.replace('f"sum ', 'f"in all '))
    shell("build")
    error = shell("promote", "dev", "default", exits=1).stderr
    assert "dev cannot be promoted to default: nothing was promoted" in error
    assert "default got v2 meanwhile" in error
    assert "nacre promote dev default --force" in error
    assert "in all 7" in shell("show", "report").stdout
    assert "Tags are in the code" in shell("promote", "dev", "default", "tag:x", exits=2).stderr


def test_the_page_shows_the_environment_it_looks_at(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    build_both(shell)
    monkeypatch.setenv("NACRE_ENV", "dev")
    with serving() as served:
        assert "environment dev" in served.page("/").text
        assert "total 7" in served.page(asset_href("demo://report")).text
    monkeypatch.delenv("NACRE_ENV")
    with serving() as served:
        assert "environment" not in served.page("/").text
        assert "sum 7" in served.page(asset_href("demo://report")).text


def test_what_is_served_in_an_environment_runs_there_under_its_own_name(shell: Shell) -> None:
    shell("build")
    shell.write(EDITED)
    (shell.project.folder / "nacre.toml").write_text(
        '[[schedules]]\nname = "often"\ninterval = 1\nbuild = ["report"]\n'
    )
    shell.project.reopen()
    (row,) = shell.rows("schedules", "--env", "dev")
    assert (row["schedule"], row["target"]) == ("often in dev", "build report --env dev")
    serving = shell.project.python("-m", "nacre", "serve", "--env", "dev")
    try:
        assert serving.stdout is not None
        assert any("1 built, 1 checked, 1 reused" in line for line in serving.stdout)
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=60)
    finally:
        serving.kill()
        serving.communicate()
    shell.project.reopen()
    assert "total 7" in shell("show", "report", "--env", "dev").stdout
    assert "sum 7" in shell("show", "report").stdout
    names = [each["schedule"] for each in shell.rows("schedules")]
    assert names == ["often"]


def test_the_page_says_which_environment_it_shows_and_what_others_have(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_both(shell)
    with serving() as served:
        home = served.text("/")
        assert "environment <a" not in home
        assert "nacre ui --env dev" in home
        assert "dev <span" in served.text(asset_href("demo://report"))
        assert "In other environments" not in served.text(asset_href("demo://sales"))
    monkeypatch.setenv("NACRE_ENV", "dev")
    with serving() as served:
        for path in ("/", "/runs", asset_href("demo://report")):
            assert '<a href="/#environments"><strong>dev</strong></a>' in served.text(path)
        # What is read through default is default's own, and nothing else.
        assert "In other environments" not in served.text(asset_href("demo://sales"))


def test_the_page_of_a_project_without_environments_names_none(shell: Shell) -> None:
    shell("build")
    with serving() as served:
        assert "nvironment" not in served.text("/") + served.text(asset_href("demo://report"))


def test_a_page_asked_for_with_an_environment_in_its_address_shows_its_own(shell: Shell) -> None:
    build_both(shell)
    with serving() as served:
        text = served.text(f"{asset_href('demo://report')}?env=%3Cscript%3Edev")
        assert "sum 7" in text
        assert "script>dev" not in text
