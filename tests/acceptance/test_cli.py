"""The command line: building and failing; what it prints, what it exits with, and what it never shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nacre.cli import errors
from nacre.cli.init import PIPELINE
from nacre.cli.main import cli
from nacre.errors import UsageError
from nacre.execute.process import named
from nacre.store.codec import encode
from nacre.store.paths import run_path
from nacre.store.records import Run
from sandbox import SOURCES
from shell import BROKEN, HEAD, SHOP, Shell


def nacre(folder: Path, *arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    environment = dict(os.environ, PYTHONPATH=str(SOURCES), PYTHONIOENCODING=encoding)
    return subprocess.run(
        [sys.executable, "-m", "nacre", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


# ── the real command ──


def test_the_started_pipeline_runs_reuses_and_fails_as_a_person_sees_it(tmp_path: Path) -> None:
    assert "nacre build" in nacre(tmp_path, "init").stdout
    first = nacre(tmp_path, "build")
    assert (first.returncode, first.stderr) == (0, "")
    assert [line.split()[:3:2] for line in first.stdout.splitlines()[:3]] == [["✓", "built"]] * 3
    second = nacre(tmp_path, "build", "report").stdout
    assert " · 1 checked · 2 reused · run " in second
    assert "\x1b" not in first.stdout + second

    (tmp_path / "pipeline.py").write_text(BROKEN)
    failed = nacre(tmp_path, "build")
    assert failed.returncode == 1
    assert "✗ moods  pipeline.py:13  KeyError: 'mood'" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    misspelt = nacre(tmp_path, "biuld")
    assert (misspelt.returncode, misspelt.stdout) == (2, "")
    assert "Did you mean 'build'?" in misspelt.stderr


def test_a_build_whose_output_nobody_reads_is_finished(tmp_path: Path) -> None:
    nacre(tmp_path, "init")
    environment = dict(os.environ, PYTHONPATH=str(SOURCES), PYTHONUNBUFFERED="1")
    command = [sys.executable, "-m", "nacre"]
    reader, writer = os.pipe()
    os.close(reader)
    cut = subprocess.run([*command, "build"], cwd=tmp_path, env=environment, stdout=writer, stderr=writer)
    os.close(writer)
    assert cut.returncode == 0
    closed = f"{sys.executable} -m nacre build --refresh >&- 2>&- <&-"
    assert subprocess.run(closed, shell=True, cwd=tmp_path, env=environment).returncode == 0
    versions = nacre(tmp_path, "history", "report").stdout.splitlines()
    assert [line.split()[0] for line in versions[1:]] == ["v2", "v1"]


def test_where_only_ascii_can_be_shown_no_two_states_look_the_same(tmp_path: Path) -> None:
    nacre(tmp_path, "init")
    first = nacre(tmp_path, "build", encoding="ascii")
    assert [line[:2] for line in first.stdout.splitlines()[:3]] == ["+ "] * 3
    assert " - 3 built - run " in first.stdout
    (tmp_path / "pipeline.py").write_text(BROKEN)
    failed = nacre(tmp_path, "build", encoding="ascii")
    assert "\nx moods " in failed.stdout
    assert " >  13 | for post in posts" in failed.stderr
    assert (failed.stdout + failed.stderr).isascii()
    assert "?" not in failed.stdout


def test_a_program_shows_its_run_in_ascii_where_standard_error_has_no_more(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE + "\nreport()\n")
    environment = dict(os.environ, PYTHONPATH=str(SOURCES), PYTHONIOENCODING="ascii", NO_COLOR="1")
    command = [sys.executable, "pipeline.py"]
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stderr
    assert "+ report" in shown
    assert "\\u" not in shown


def test_help_and_version_load_no_engine(tmp_path: Path) -> None:
    code = """
import sys
from click.testing import CliRunner
from nacre.cli.main import cli
for option in ("--version", "--help"):
    assert CliRunner().invoke(cli, [option]).exit_code == 0
print(*sorted(set(sys.modules) & {"msgspec", "rich", "sqlite3", "pyarrow", "nacre.execute", "nacre.api"}))
"""
    environment = dict(os.environ, PYTHONPATH=str(SOURCES))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


# ── init and the state sentence ──


def test_init_overwrites_nothing_and_says_what_to_type(shell: Shell) -> None:
    result = shell("init")
    assert "= pipeline.py is there" in result.stdout
    assert Path("pipeline.py").read_text() == SHOP
    assert "cd new && nacre build" in shell("init", "new").stdout
    assert len(Path("new/pipeline.py").read_text().splitlines()) <= 25
    assert "is a file" in shell("init", "pipeline.py", exits=2).stderr


def test_alone_it_says_how_the_assets_stand(shell: Shell) -> None:
    assert shell().stdout.startswith("3 not made yet.\n")
    shell("build")
    shell.project.clock.advance(120)
    sentence = "2 assets fresh, 1 source to check; last run 2 min ago.\n"
    assert shell().stdout.startswith(sentence)
    shell.write(SHOP.replace("sum {", "total {"))
    assert shell().stdout.startswith("1 asset fresh, 1 source to check, 1 stale; last run")
    shell.forget()
    Path("pipeline.py").write_text("import nowhere_to_be_found")
    broken = shell()
    assert "3 assets stored; last run" in broken.stdout
    assert "nowhere_to_be_found" in broken.stderr
    Path("pipeline.py").unlink()
    assert len(shell().stdout.splitlines()) == 4


def test_alone_it_says_what_failed_and_which_run_was_killed(shell: Shell) -> None:
    shell.write(BROKEN)
    shell("build", exits=1)
    shown = shell().stdout
    assert shown.startswith("1 failed, 1 source to check, 1 not made yet; last run just now.\n")
    assert "nacre why moods" in shown
    moods = next(line for line in shell("ls").stdout.splitlines() if line.startswith("moods"))
    assert "✗ failed" in moods
    assert moods.endswith("KeyError: 'mood'")
    row = next(row for row in shell.rows("ls") if row["asset"] == "demo://moods")
    assert (row["state"], row["reason"]) == ("failed", "KeyError: 'mood'")
    workspace = shell.project.workspace
    (posts,) = (row for row in shell.rows("ls") if row["asset"] == "demo://posts")
    assert posts["run_state"] == "failed"
    shell.project.clock.advance(60)
    gone = named(os.getpid()).rpartition(":")[0] + ":1"
    killed = Run(
        id="Z", name="x", kind="build", state="running", started_at=workspace.clock.now(), process=gone
    )
    workspace.records.create(run_path("Z"), encode(killed))
    assert "; last run just now (killed).\n" in shell().stdout
    shell.write(BROKEN.replace('scores[post["mood"]]', "1"))
    shell("build")
    assert "failed" not in shell().stdout + shell("ls").stdout


def test_alone_it_says_only_that_modules_cannot_be_imported_where_nothing_is_stored(shell: Shell) -> None:
    shell.write("import nowhere_to_be_found")
    told = shell()
    assert "No assets here yet" not in told.stdout
    assert "nowhere_to_be_found" in told.stderr


def test_alone_it_asks_about_an_asset_that_the_answer_is_known_of(shell: Shell) -> None:
    shell("build")
    shell.write(HEAD + '@materialize("eu://sales")\ndef europe() -> int:\n    return 1\n')
    shell("build")
    command = shell().stdout.splitlines()[2].split("  ")[3].strip()
    assert command == "nacre why eu://sales"
    assert "eu://sales" in shell(*command.split()[1:]).stdout


def test_an_empty_folder_is_told_how_to_begin(shell: Shell) -> None:
    Path("pipeline.py").unlink()
    shown = shell().stdout
    assert "No assets here yet" in shown
    assert "nacre init" in shown
    assert not Path(".nacre").exists()
    assert "no module was given" in shell("build", exits=2).stderr


# ── build ──


def test_a_build_prints_a_line_per_step_then_the_sum_then_what_is_next(shell: Shell) -> None:
    lines = shell("build", "report").stdout.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["orders", "sales", "report"]
    assert lines[3].startswith("Done in ")
    assert " · 3 built · run " in lines[3]
    assert "nacre show report" in lines[4]
    assert "3 reused" in shell("build", "--reuse-sources").stdout
    assert "sales                  built" in shell("build", "sales", "--refresh").stdout
    assert "-m pipeline.py" in shell("build", "-m", "pipeline.py").stdout


def test_json_has_each_asset_once_however_many_are_reused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shell.rows("build")
    assert [row["action"] for row in first[:-1]] == ["built"] * 3
    fields = {"event", "asset", "action", "reason", "duration_s", "version", "error", "superseded_by"}
    assert set(first[0]) == fields
    assert (first[-1]["state"], first[-1]["counts"]) == ("completed", {"built": 3})
    monkeypatch.setattr("nacre.execute.run.MAX_SHOWN_REUSED", 0)
    second = shell.rows("build")
    assert sorted((row["asset"], row["action"]) for row in second[:-1]) == [
        ("demo://orders", "checked"),
        ("demo://report", "reused"),
        ("demo://sales", "reused"),
    ]


def test_a_source_that_always_looks_new_is_named_with_the_line_to_write(shell: Shell) -> None:
    shell.write(
        HEAD
        + "import itertools\nn = itertools.count()\n\n"
        + '@materialize("demo://raw")\ndef raw() -> dict:\n    return {"a": 1, "fetched_at": next(n)}\n'
    )
    shell("build")
    second = shell("build").stdout
    assert "only `fetched_at` of raw differs" in second
    assert '@materialize("demo://raw", data_version=without("fetched_at"))' in second
    assert "from nacre import without" in second


def test_two_assets_of_one_name_are_shown_by_their_keys(shell: Shell) -> None:
    shell.write(
        HEAD
        + """
@materialize("v://eu/sales")
def europe() -> int:
    return 1

@materialize("v://us/sales")
def america() -> int:
    return 2

@materialize("v://total")
def total(europe: int, america: int) -> int:
    return europe // (america - 2)

@flow
def quiet() -> None: ...
"""
    )
    shown = ["v://eu/sales", "v://us/sales", "total"]
    assert [line.split()[1] for line in shell("plan").stdout.splitlines()[1:]] == shown
    assert sorted(line.split()[1] for line in shell("build", exits=1).stdout.splitlines()[:3]) == sorted(
        shown
    )
    assert [line.split()[0] for line in shell("ls").stdout.splitlines()[1:]] == shown
    assert "nacre show v://us/sales" in shell("build", "america").stdout
    assert "✓ v://us/sales" in shell("run", "pipeline.py:america").stderr


def test_a_flow_without_steps_is_not_called_nothing(shell: Shell) -> None:
    shell.write(HEAD + "@flow\ndef quiet() -> None: ...\n")
    assert " · 1 flow run · run " in shell("run", "pipeline.py").stderr


# ── what went wrong ──


def test_a_failure_shows_the_users_line_shapes_and_what_is_safe_and_no_value(shell: Shell) -> None:
    shell.write(BROKEN)
    result = shell("build", exits=1)
    lines = [line for line in result.stderr.splitlines() if line]
    assert lines[0] == "✗ moods  pipeline.py:13  KeyError: 'mood'"
    assert lines[1].endswith('12 │ scores = {"good": 1}')
    assert lines[2].startswith(" ❱  13 │ for post in posts: return [scores[")
    assert lines[2].endswith("post: dict[2], posts: list[5], scores: dict[1]")
    assert lines[3] == "   hint: keys are day, token"
    assert lines[4].endswith("engine frames hidden (--full)")
    assert lines[5] == "   skipped downstream: weekly"
    assert lines[6].startswith("Stored data is safe: 1 finished asset is kept")
    assert result.output.count("KeyError") == 1
    assert "s3cr3t" not in result.output
    assert "1 skipped · 1 failed" in result.stdout
    assert "Traceback (most recent call last)" in shell("build", "--full", exits=1).stderr
    rows = shell.rows("build", exits=1)
    assert rows[-1]["state"] == "failed"
    assert {row["asset"]: row["action"] for row in rows[:-1]}["demo://weekly"] == "skipped"


DAYS = (
    HEAD
    + """
from datetime import date as Date
from nacre import DailyPartitions

DAYS = DailyPartitions("2025-11-01", "2025-11-09")

@materialize("demo://rates")
def rates() -> int:
    return 1

@materialize("demo://sold/{date}", partitions=DAYS)
def sold(date: Date, rates: int) -> int:
    return date.day * rates

@materialize("demo://all")
def everything(sold: list) -> int:
    return len(sold)
"""
)


def test_days_that_were_skipped_are_put_together_by_asset(shell: Shell) -> None:
    shell.write(DAYS.replace("    return 1", "    return 1 // 0"))
    shown = shell("build", exits=1).stderr
    assert "   skipped downstream: sold[2025-11-01 to 2025-11-09], all\n" in shown


def test_an_older_version_of_what_has_partitions_is_one_of_a_partition(shell: Shell) -> None:
    shell.write(DAYS)
    shell("build", "sold")
    refused = shell("show", "sold", "--version", "v1", exits=2)
    assert "sold has partitions: say which" in refused.stderr
    assert "--partition 2025-11-09" in refused.stderr
    assert refused.stdout == ""
    assert "v1" in shell("show", "sold", "--version", "v1", "--partition", "2025-11-02").stdout


def test_a_failing_flow_is_shown_the_same_way(shell: Shell) -> None:
    shell.write(BROKEN)
    shown = shell("run", "pipeline.py:all_moods", exits=1).stderr
    assert "✗ moods  pipeline.py:13  KeyError: 'mood'" in shown
    assert "called from pipeline.py:21 in all_moods" in shown
    assert "Stored data is safe" in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(:\n    pass\n", "✗ pipeline.py:1  SyntaxError: invalid syntax"),
        ("import nowhere_to_be_found\n", "hint: is 'nowhere_to_be_found' installed in this environment?"),
        ("x = {}\nx['a']\n", "✗ pipeline.py:2  KeyError: 'a'"),
        ("from nacre.assets import materialize\nmaterialize('bare')\n", '→ did you mean "asset://bare"?'),
        (HEAD + '@materialize("a://b")\ndef b(nobody): ...\n', "nobody"),
        ("import json\njson.loads('{')\n", "library frames hidden"),
        ("1\n", "No assets are declared"),
        ("a = 1\nb = 2\0\n", "✗ pipeline.py:2  SyntaxError: source code"),
    ],
)
def test_a_module_that_cannot_be_used_is_shown_by_its_own_line(shell: Shell, text: str, says: str) -> None:
    shell.write(text)
    for command in ("plan", "build"):
        result = CliRunner().invoke(cli, [command])
        assert result.exit_code in (1, 2)
        assert says in result.stderr
        assert "Traceback" not in result.output


def test_what_cannot_be_stored_names_the_asset(shell: Shell) -> None:
    shell.write(HEAD + '@materialize("demo://thing")\ndef thing() -> object:\n    return object()\n')
    shown = shell("build", exits=1).stderr
    assert "✗ thing" in shown
    assert "→ return plain data" in shown


def test_an_error_of_ours_is_called_a_bug_and_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors.report(ValueError("odd")) == 1
    shown = capsys.readouterr().err
    assert "This is a bug in nacre: ValueError: odd" in shown
    assert errors.report(PermissionError(13, "Permission denied", "/there")) == 1
    assert "✗ The system refused: Permission denied\n  file  /there" in capsys.readouterr().err
    assert errors.report(UsageError("No", {}, "yes")) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["biuld"], "Did you mean 'build'?"),
        (["nothing-like-it"], "There are init, build"),
        (["build", "--refesh"], "--refresh"),
        (["build", "slaes"], "did you mean 'sales'?"),
        (["plan", "slaes"], "did you mean 'sales'?"),
        (["why", "slaes"], "did you mean 'sales'?"),
        (["show", "slaes"], "did you mean 'sales'?"),
        (["history", "slaes"], "did you mean 'sales'?"),
        (["lineage", "slaes"], "did you mean 'sales'?"),
        (["show", "sales", "--version", "9"], "there is  v1"),
        (["artifacts", "word"], "did you mean 'words'?"),
        (["build", "-m", "nope.py"], "No such file: nope.py"),
        (["build", "-m", "nope"], "nope.py"),
        (["run", "pipeline.py:shpo"], "did you mean 'shop'?"),
        (["run", "pipeline.py"], "2 flows: say which"),
        (["run", "pipeline.py:shop", "tmes=2"], "did you mean 'times'?"),
        (["run", "pipeline.py:shop", "times"], "write it as name=value"),
        (["run", "pipeline.py:shop", "times=often"], "wrong type"),
        (["run", ":shop"], "write it as FILE:NAME: nacre run pipeline.py:shop"),
        (["build", "-m", "."], "'.' is no file and no module"),
        (["history", "sales", "-n", "-3"], "-3 is not in the range"),
        (["show", "sales", "--rows", "-1"], "-1 is not in the range"),
    ],
)
def test_whatever_is_misspelt_exits_with_2_and_the_closest(
    shell: Shell, arguments: list[str], says: str
) -> None:
    shell("build")
    assert says in shell(*arguments, exits=2).stderr
