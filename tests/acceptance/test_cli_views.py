"""The command line: what it says of plans, of what is stored and of artifacts, and how it lays that out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from nacre import frames
from nacre.cli import layout, lineage, paint
from nacre.cli.main import COMMANDS, cli
from shell import HEAD, SHOP, Shell

# ── plan and why ──


def test_a_plan_says_what_would_happen_and_why(shell: Shell) -> None:
    shell("build")
    lines = shell("plan").stdout.splitlines()
    assert lines[0] == "Plan  3 assets · 1 to check, 2 depend on it · under 1 s, 66 B"
    assert lines[1].split()[:3] == ["~", "orders", "check"]
    assert lines[2].split(maxsplit=3) == ["?", "sales", "pending", "depends on what orders brings"]
    shell.write(SHOP.replace('"sum":', '"total":'))
    lines = shell("plan", "sales", "--reuse-sources").stdout.splitlines()
    assert lines[0] == "Plan  2 assets · 1 to build · 1 to reuse · under 1 s, 9 B"
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
    assert "`write_report` (pipeline.py:16) changed\n" in shell("why", "report").stdout


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


def test_a_tree_has_the_versions_that_were_read_and_the_current_ones_where_these_are_others(
    shell: Shell,
) -> None:
    shell("build")
    for price in (5, 6):
        shell.write(SHOP.replace('"price": 4', f'"price": {price}'))
        shell("build", "sales")
    assert shell("lineage", "report").stdout.splitlines() == [
        "report v1  demo://report",
        "made from",
        "  ├─ orders v1 (now v3)",
        "  └─ sales v1 (now v3)",
        "     └─ orders v1 (now v3)",
        "used by",
        "  nothing",
    ]
    below = shell("lineage", "orders").stdout.splitlines()
    assert below[below.index("used by") + 1 :] == [
        "  ├─ report v1 (from v1)",
        "  └─ sales v3",
        "     └─ report v1 (from v1)",
    ]


def test_a_tree_of_partitions_has_the_versions_that_each_was_made_from(shell: Shell) -> None:
    daily = (
        HEAD
        + """
from nacre import StaticPartitions
DAYS = StaticPartitions(["mo", "tu"], "day")

@materialize("demo://rate")
def rate() -> int:
    return 1

@materialize("demo://raw/{day}", partitions=DAYS)
def raw(day: str) -> str:
    return day

@materialize("demo://daily/{day}", partitions=DAYS)
def daily(day: str, raw: str, rate: int) -> str:
    return f"{raw} {rate}"

@materialize("demo://all")
def everything(daily: dict) -> list:
    return sorted(daily.values())
"""
    )
    shell.write(daily)
    shell("build")
    shell.write(daily.replace("return 1", "return 2"))
    shell("build", "daily", "--partition", "mo")
    assert shell("lineage", "all").stdout.splitlines()[1:-2] == [
        "made from",
        "  └─ daily ×2",
        "     ├─ rate v1 to v2 (now v2)",
        "     └─ raw ×2",
    ]


def test_a_tree_ends_where_an_asset_reads_its_own_past(shell: Shell) -> None:
    shell.write(
        HEAD
        + """
import nacre
from nacre.errors import NotMaterialized

@materialize("demo://raw")
def raw() -> int:
    return 1

@materialize("demo://total")
def total(raw: int) -> int:
    try:
        return nacre.load("demo://total") + raw
    except NotMaterialized:
        return raw

@materialize("demo://report")
def report(total: int) -> str:
    return str(total)
"""
    )
    for _ in range(4):
        shell("build", "--refresh")
    assert shell("lineage", "total").stdout.splitlines()[1:5] == [
        "made from",
        "  ├─ raw v1",
        "  └─ total v3 (now v4) …",
        "used by",
    ]
    assert shell("lineage", "report").stdout.splitlines()[2:5] == [
        "  └─ total v4",
        "     ├─ raw v1",
        "     └─ total v3 (now v4) …",
    ]


def test_a_tree_ends_where_assets_need_each_other() -> None:
    around = {"x://a": ["x://b"], "x://b": ["x://a", "x://c"], "x://c": ["x://b"]}
    lines = lineage._tree(
        lineage.Node("x://a"), lambda node: [lineage.Node(key, f"{key[4:]} v1") for key in around[node.asset]]
    )
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


def test_a_terminal_that_does_not_know_its_size_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(fileno=lambda: 1))
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((0, 0)))
    assert layout.fit("x" * 300) == "x" * 300


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
