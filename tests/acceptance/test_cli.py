"""The command line: what it prints, what it exits with, and what it never shows."""

from __future__ import annotations

import json
import linecache
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from nacre.cli import errors, frames, layout, lineage, paint
from nacre.cli.main import COMMANDS, cli
from nacre.errors import UsageError
from nacre.execute.active import ActiveRun
from sandbox import SOURCES, Sandbox

HEAD = """\
from nacre import flow, Asset
from nacre.assets import materialize
from nacre.artifacts import *

"""
SHOP = (
    HEAD
    + """
@materialize("demo://orders")
def orders() -> list:
    return [{"item": "tea", "price": 3}, {"item": "cake", "price": 4}]

@materialize("demo://sales")
def sales(orders: list) -> dict:
    Asset("demo://sales").add_metadata({"rows read": len(orders)})
    return {"sum": sum(o["price"] for o in orders)}

@materialize("demo://report")
def write_report(sales: dict, orders: list) -> str:
    create_markdown_artifact(f"# Sales\\n\\n**{sales['sum']}**", key="words", description="In words")
    return f"sum {sales['sum']}"

@flow
def shop(times: int = 1, who: str = "you") -> list:
    return [f"{who}: {write_report()}"] * times

@flow
async def later() -> int:
    return 7
"""
)
BROKEN = (
    HEAD
    + """
@materialize("demo://posts")
def posts() -> list:
    return [{"day": "Monday", "token": "s3cr3t"}] * 5

@materialize("demo://moods")
def moods(posts: list) -> list:
    scores = {"good": 1}
    return [scores[post["mood"]] for post in posts]

@materialize("demo://weekly")
def weekly(moods: list) -> int:
    return 1

@flow
def all_moods():
    return moods()
"""
)


class Shell:
    """Runs commands in a project's folder, in this process."""

    def __init__(self, project: Sandbox) -> None:
        self.project = project

    def write(self, text: str, name: str = "pipeline.py") -> None:
        """Write a file, and forget what was imported, as the next process would."""
        self.forget()
        (self.project.folder / name).write_text(text, encoding="utf-8")
        linecache.clearcache()
        self.project.reopen()

    def forget(self) -> None:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.project.folder)):
                del sys.modules[name]

    def __call__(self, *arguments: str, exits: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(arguments))
        assert result.exit_code == exits, result.output + repr(result.exception)
        assert "Traceback" not in result.output or "--full" in arguments
        return result

    def rows(self, *arguments: str, exits: int = 0) -> list[dict[str, object]]:
        return [json.loads(line) for line in self(*arguments, "--json", exits=exits).stdout.splitlines()]


@pytest.fixture
def shell(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    shell = Shell(project)
    shell.write(SHOP)
    yield shell
    shell.forget()


def nacre(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    environment = dict(os.environ, PYTHONPATH=str(SOURCES), PYTHONIOENCODING="utf-8")
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
    assert set(first[0]) == {"event", "asset", "action", "reason", "duration_s", "version", "error"}
    assert (first[-1]["state"], first[-1]["counts"]) == ("completed", {"built": 3})
    monkeypatch.setattr(ActiveRun, "max_shown_reused", 0)
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


# ── what went wrong ──


def test_a_failure_shows_the_users_line_shapes_and_what_is_safe_and_no_value(shell: Shell) -> None:
    shell.write(BROKEN)
    result = shell("build", exits=1)
    lines = [line for line in result.stderr.splitlines() if line]
    assert lines[0] == "✗ moods  pipeline.py:13  KeyError: 'mood'"
    assert lines[1].endswith('12 │ scores = {"good": 1}')
    assert lines[2].startswith(" ❱  13 │ return [scores[")
    assert lines[2].endswith("scores: dict[1], post: dict[2]") or "posts: list[5]" in lines[2]
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
    ],
)
def test_whatever_is_misspelt_exits_with_2_and_the_closest(
    shell: Shell, arguments: list[str], says: str
) -> None:
    shell("build")
    assert says in shell(*arguments, exits=2).stderr


# ── plan and why ──


def test_a_plan_says_what_would_happen_and_why(shell: Shell) -> None:
    shell("build")
    lines = shell("plan").stdout.splitlines()
    assert lines[0] == "Plan  3 assets · 1 to check, 2 depend on it"
    assert lines[1].split()[:3] == ["~", "orders", "check"]
    assert lines[2].split(maxsplit=3) == ["?", "sales", "pending", "depends on what orders brings"]
    shell.write(SHOP.replace('"sum":', '"total":'))
    lines = shell("plan", "sales", "--reuse-sources").stdout.splitlines()
    assert lines[0] == "Plan  2 assets · 1 to build · 1 to reuse"
    assert lines[2].startswith("+ sales   build    code changed: `")
    rows = shell.rows("plan", "sales", "--reuse-sources")
    assert [(row["asset"], row["action"]) for row in rows] == [
        ("demo://orders", "reuse"),
        ("demo://sales", "build"),
    ]


def test_why_names_inputs_making_and_code(shell: Shell) -> None:
    assert "made    never" in shell("why", "report").stdout
    shell("build")
    shown = shell("why", "report").stdout
    assert "report  demo://report  pipeline.py:" in shown
    assert "now     ? pending: depends on what" in shown
    assert "if no source changed: reuse, inputs and code unchanged" in shown
    assert "inputs  sales  v1\n" in shown
    assert "made    v1, just now in" in shown
    assert "unchanged since" in shown
    shell.write(SHOP.replace("sum {", "total {"))
    assert "write_report` changed  pipeline.py:" in shell("why", "report").stdout


# ── run ──


def test_run_takes_parameters_by_their_annotation(shell: Shell) -> None:
    result = shell("run", "pipeline.py:shop", "times=2", "who=007")
    assert result.stdout == "007: sum 7\n007: sum 7\n"
    assert "3 built · run " in result.stderr
    (row,) = shell.rows("run", "pipeline.py:write_report")
    assert (row["event"], row["result"]) == ("run", "sum 7")
    assert shell("run", "pipeline.py:later").stdout == "7\n"


# ── what is stored ──


def test_ls_shows_state_version_age_and_size(shell: Shell) -> None:
    assert {row["state"] for row in shell.rows("ls")} == {"new"}
    shell("build")
    lines = shell("ls").stdout.splitlines()
    assert lines[0].split() == ["name", "state", "version", "made", "size", "rows", "format", "key"]
    assert lines[1].split()[:4] == ["orders", "~", "check", "v1"]
    assert lines[2].split()[:4] == ["sales", "=", "fresh", "v1"]
    (row,) = shell.rows("ls", "sal*")
    assert (row["asset"], row["version"], row["format"], row["rows"]) == ("demo://sales", 1, "json", None)
    assert "No asset matches 'x*'" in shell("ls", "x*").stdout


def test_show_puts_the_value_first_then_where_it_came_from(shell: Shell) -> None:
    shell("build")
    shell.write(SHOP.replace('"price": 4', '"price": 5'))
    shell("build")
    lines = shell("show", "sales").stdout.splitlines()
    assert lines[0] == "sum: 8"
    assert lines[2] == "sales v2  demo://sales"
    assert "  metadata  rows read: 2" in lines
    assert "  from      orders v2" in lines
    assert "  used by   report" in lines
    assert shell("show", "sales", "--version", "v1").stdout.startswith("sum: 7\n")
    assert "  artifacts words" in shell("show", "write_report").stdout
    table = shell("show", "orders", "--rows", "1").stdout.splitlines()
    assert table[:3] == ["item  price", "tea   3", "… 1 of 2 rows"]


def test_history_lists_versions_with_what_they_were_made_from(shell: Shell) -> None:
    shell("build")
    shell.write(SHOP.replace('"price": 4', '"price": 5'))
    shell("build")
    lines = shell("history", "sales").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["v2", "v1"]
    assert "orders v2" in lines[1]
    assert "orders v1" in lines[2]
    assert "… and 1 more" in shell("history", "sales", "-n", "1").stdout
    row = shell.rows("history", "sales")[0]
    assert row["inputs"] == [{"parameter": "orders", "asset": "demo://orders", "version": 2}]


def test_lineage_is_a_tree_both_ways(shell: Shell) -> None:
    shell("build")
    assert shell("lineage", "report").stdout.splitlines() == [
        "report v1  demo://report",
        "made from",
        "  ├─ orders v1",
        "  └─ sales v1",
        "     └─ orders v1",
        "used by",
        "  nothing",
    ]
    assert {"direction": "upstream", "from": "demo://orders", "to": "demo://sales"} in shell.rows(
        "lineage", "report"
    )


def test_a_tree_ends_where_assets_need_each_other() -> None:
    around = {"x://a": ["x://b"], "x://b": ["x://a", "x://c"], "x://c": ["x://b"]}
    lines = lineage._tree(SimpleNamespace(heads={}), "x://a", around.__getitem__)  # type: ignore[arg-type]
    assert [line.split("─ ")[1].split(" ")[0] for line in lines] == ["b", "a", "c", "b"]
    assert lines[1].endswith("(above)")


def test_artifacts_are_listed_and_shown_as_text(shell: Shell) -> None:
    assert "No artifacts yet" in shell("artifacts").stdout
    Path("week.png").write_bytes(b"\x89PNG" * 500)
    shell.write(
        HEAD
        + """
@materialize("demo://all")
def everything() -> int:
    create_markdown_artifact("# Words", key="words")
    create_table_artifact([{"n": 1, "word": "one"}, {"n": 22, "word": None}], key="numbers", description="Some")
    create_link_artifact("https://example.com/x", "Example", key="there")
    create_image_artifact("week.png", key="picture")
    update_progress_artifact(create_progress_artifact(10, key="progress"), 50)
    return 1
"""
    )
    shell("build")
    shell("build", "--refresh")
    listed = shell("artifacts").stdout.splitlines()
    assert {line.split()[0] for line in listed[1:]} == {"words", "numbers", "there", "picture", "progress"}
    assert shell("artifacts", "words").stdout.startswith(
        "# Words\n\nwords · markdown · just now · by all · 2 versions"
    )
    assert shell("artifacts", "numbers").stdout.splitlines()[:3] == ["n   word", "1   one", "22"]
    assert shell("artifacts", "there").stdout.splitlines()[:2] == ["Example", "https://example.com/x"]
    name, stored = shell("artifacts", "picture").stdout.splitlines()[:2]
    assert name == "week.png  image/png, 2.0 kB"
    assert Path(stored).read_bytes() == b"\x89PNG" * 500
    assert shell("artifacts", "progress").stdout.startswith("█" * 15 + "░" * 15 + " 50 %\n")
    assert shell.rows("artifacts", "numbers")[0]["data"] == [{"n": 1, "word": "one"}, {"n": 22, "word": None}]
    assert len(shell.rows("artifacts")) == 5


# ── layout ──


def test_tables_fit_the_terminal_and_are_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["a", "x" * 60, "日本" * 10]]
    monkeypatch.setenv("COLUMNS", "50")
    assert all(layout._width(line) <= 50 for line in layout.table(rows, ["n", "long", "wide"]))
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(layout, "width", lambda: None)
    assert "x" * 60 in layout.table(rows, ["n", "long", "wide"])[1]


def test_colour_is_only_for_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint.paint("x", "failed") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint.paint("x", "failed") == "x"


def test_a_shape_is_type_and_length_and_survives_odd_classes() -> None:
    class Odd:
        def __len__(self) -> int:
            raise RuntimeError("no length")

    assert [frames.shape(each) for each in ([1, 2], "secret", 5, Odd(), SimpleNamespace(shape=(3, 4)))] == [
        "list[2]",
        "str[6]",
        "int",
        "Odd",
        "SimpleNamespace[3 × 4]",
    ]


def test_every_command_has_a_file_and_help(shell: Shell) -> None:
    for name in COMMANDS:
        assert f"nacre {name}" in CliRunner().invoke(cli, [name, "--help"], prog_name="nacre").output
