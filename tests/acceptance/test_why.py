"""Why: every cause is named with what differs, from what is stored, in the same words in Python, shell and browser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

import nacre
from browsing import Served, serving
from nacre.web.figure import asset_href
from shell import HEAD, Shell

LIKES = (
    HEAD
    + """
LIMIT = 100
API_TOKEN = "hunter2"

def normalise(text):
    cleaned = text.strip()
    return cleaned

@materialize("demo://posts")
def posts() -> list:
    return [{"text": " a ", "likes": 3}, {"text": "b", "likes": 300}]

@materialize("demo://popular")
def popular(posts: list) -> list:
    return [normalise(p["text"]) for p in posts if p["likes"] > LIMIT and API_TOKEN]

@materialize("demo://count")
def count(popular: list) -> int:
    return len(popular)
"""
)
EDITED = LIKES.replace("LIMIT = 100", "LIMIT = 101").replace("text.strip()", "text.strip().lower()")


@pytest.fixture
def liked(shell: Shell) -> Shell:
    shell.write(LIKES)
    shell("build")
    return shell


@pytest.fixture
def served(liked: Shell) -> Iterator[Served]:
    with serving() as served:
        yield served


def test_every_piece_of_code_that_changed_is_shown_with_its_place_and_what_differs(liked: Shell) -> None:
    liked.write(EDITED)
    lines = liked("why", "popular").stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("  code"))
    assert lines[start:] == [
        "  code    `LIMIT` (pipeline.py:6): 100 → 101",
        "          `normalise` (pipeline.py:9) changed",
        "           def normalise(text):",
        "          -    cleaned = text.strip()",
        "          +    cleaned = text.strip().lower()",
        "               return cleaned",
    ]
    assert "+    cleaned" not in liked("why", "popular", "--no-diff").stdout


def test_the_difference_is_that_to_the_version_that_is_current_not_to_the_last_edit(liked: Shell) -> None:
    liked.write(EDITED)
    liked("build")
    liked.write(EDITED.replace("LIMIT = 101", "LIMIT = 102"))
    assert "`LIMIT` (pipeline.py:6): 101 → 102" in liked("why", "popular").stdout
    assert "normalise" not in liked("why", "popular").stdout


def test_a_secret_constant_is_named_and_never_shown(liked: Shell) -> None:
    liked.write(LIKES.replace("hunter2", "hunter3"))
    shown = liked("why", "popular").stdout
    assert "`API_TOKEN` (pipeline.py:7) changed" in shown
    assert "hunter" not in shown


def test_a_long_difference_is_cut_and_says_how_much_more_there_is(liked: Shell) -> None:
    body = "".join(f"    print({n})\n" for n in range(60))
    liked.write(LIKES.replace("    cleaned =", f"{body}    cleaned ="))
    lines = liked("why", "popular").stdout.splitlines()
    shown = [line for line in lines if line.startswith("          +")]
    assert len(shown) < 41
    assert re.search(r"… and \d+ more lines", lines[-1])
    (row,) = liked.rows("why", "popular")
    (piece,) = row["code"]  # type: ignore[misc]  # a list of objects
    assert piece["diff"].count("\n+") == 60


def test_without_kept_sources_the_place_is_all_that_is_said(shell: Shell) -> None:
    (shell.project.folder / "nacre.toml").write_text("keep_sources = false\n")
    shell.write(LIKES)
    shell("build")
    shell.write(EDITED)
    shown = shell("why", "popular").stdout
    assert "`normalise` (pipeline.py:9) changed" in shown
    assert "`LIMIT` (pipeline.py:6) changed" in shown
    assert "cleaned" not in shown


def test_a_plan_names_every_cause(liked: Shell) -> None:
    liked.write(EDITED)
    text = liked("plan", "popular", "--reuse-sources").stdout
    assert "code changed: `LIMIT` (pipeline.py:6) changed (and 1 more change)" in text
    assert "also: code changed: `normalise` (pipeline.py:9) changed" in text
    step = nacre.plan("popular", reuse_sources=True, modules="pipeline.py")["popular"]
    assert [(each.cause, each.subject) for each in step.causes] == [("code", "LIMIT"), ("code", "normalise")]
    row = liked.rows("plan", "popular", "--reuse-sources")[-1]
    assert [each["subject"] for each in row["causes"]] == ["LIMIT", "normalise"]  # type: ignore[attr-defined]


def test_python_shell_and_browser_say_the_same(liked: Shell, served: Served) -> None:
    liked.write(EDITED)
    found = nacre.why("popular", modules="pipeline.py")
    assert str(found) == liked("why", "popular").stdout.rstrip("\n")
    assert found.otherwise is not None
    page = html.unescape(served.text(asset_href("demo://popular")))
    plain = re.sub(r"<[^>]+>", "", page)
    assert found.otherwise[1].replace("`", "") in plain
    for change in found.code:
        assert change.text.replace("`", "") in plain
        for line in change.diff.splitlines():
            assert line in plain
    assert len(page) < 100_000


def test_code_in_a_page_is_text(liked: Shell, served: Served) -> None:
    liked.write(LIKES.replace("text.strip()", '"<script>alert(1)</script>"'))
    page = served.text(asset_href("demo://popular"))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_why_shows_what_is_stored_where_the_modules_cannot_be_imported(liked: Shell) -> None:
    liked.write("import nothing_of_that_name")
    lines = liked("why", "demo://popular").stdout.splitlines()
    assert lines[0].startswith(
        "The modules cannot be imported, so this is what is stored: ModuleNotFoundError"
    )
    assert lines[1] == "popular  demo://popular"
    assert lines[2] == "  inputs  posts  v1"
    assert lines[3].startswith("  made    v1, just now in ")
    assert "nothing_of_that_name" in liked("why", "demo://other", exits=1).output
    (row,) = liked.rows("why", "demo://popular")
    assert row["action"] == ""
    assert "nothing_of_that_name" in str(row["problem"])


def test_why_of_an_asset_that_nobody_declared_offers_the_closest(liked: Shell) -> None:
    assert "did you mean 'popular'?" in liked("why", "populr", exits=2).output


def test_changed_data_is_told_by_rows_columns_types_and_paths(shell: Shell) -> None:
    text = (
        HEAD
        + """
import pyarrow as pa

@materialize("demo://raw")
def raw() -> pa.Table:
    return pa.table({"id": [1, 2], "likes": [3, 4]})

@materialize("demo://top")
def top(raw: pa.Table) -> int:
    return raw.num_rows
"""
    )
    shell.write(text)
    shell("build")
    wide = text.replace(
        '"id": [1, 2], "likes": [3, 4]', '"id": [1, 2, 3], "likes": [3.0, 4, 5], "lang": ["a"] * 3'
    )
    shell.write(wide)
    lines = shell("build").stdout.splitlines()
    assert "raw changed: +1 row, column `lang` added, `likes` int64 → double" in lines[1]


def test_changed_parameters_are_told_with_their_values_where_those_are_short(shell: Shell) -> None:
    text = (
        HEAD
        + """
@materialize("demo://page", cache_policy=INPUTS)
def page(limit: int, token: str, of: list) -> int:
    return limit

@flow
def pages(limit: int = 1, token: str = "a", of: int = 1) -> int:
    return page(limit, token, [of])
"""
    ).replace("from nacre.assets", "from nacre.cache_policies import INPUTS\nfrom nacre.assets", 1)
    shell.write(text)
    shell("run", "pipeline.py")
    assert "parameter `limit` changed: 1 → 20" in shell("run", "pipeline.py", "limit=20").stderr
    assert "parameter `token` changed\n" in shell("run", "pipeline.py", "limit=20", "token=b").stderr
    assert "parameter `of` changed\n" in shell("run", "pipeline.py", "limit=20", "token=b", "of=2").stderr
    (record,) = [shell.project.record("demo://page")]
    assert record.shown == {"limit": "20"}


def test_a_value_that_came_from_no_asset_is_said_to_be_of_unknown_lineage(shell: Shell) -> None:
    shell.write(LIKES + '\n@flow\ndef shop():\n    return popular([{"text": "c", "likes": 900}])\n')
    shell("run", "pipeline.py:shop")
    shown = shell("why", "popular").stdout
    with serving() as served:
        said = served.page(asset_href("demo://popular")).text
    assert "lineage unknown: posts was passed a value that came from no asset" in said
    assert "! lineage unknown: `posts` was passed a value that came from no asset of its run" in " ".join(
        shown.split()
    )


def test_a_value_that_was_changed_on_the_way_is_no_unknown_lineage(shell: Shell) -> None:
    shell.write(LIKES + "\n@flow\ndef shop():\n    return popular(posts()[:1])\n")
    shell("run", "pipeline.py:shop")
    assert "lineage unknown" not in shell("why", "popular").stdout


def test_what_code_cannot_be_followed_is_said_everywhere(shell: Shell) -> None:
    shell.write(LIKES.replace("return cleaned", "return eval('cleaned')"))
    shown = shell("plan").stdout
    said = [line.strip() for line in shown.splitlines() if line.strip().startswith("! ")]
    assert len(said) == 1
    assert "calls eval" in said[0]
    planned = nacre.plan(modules="pipeline.py")
    assert planned["popular"].warnings == (said[0].removeprefix("! "),)
    assert planned.warnings == (f"popular: {said[0].removeprefix('! ')}",)
    assert said[0].removeprefix("! ") in " ".join(shell("why", "popular").stdout.split())
    built = shell("build").stdout
    assert "! the code of popular cannot be followed wholly: nacre why popular" in built
    assert nacre.build("*", modules="pipeline.py").warnings == planned.warnings
    with serving() as served:
        assert "calls eval" in served.page(asset_href("demo://popular")).text


def test_a_flow_says_which_of_its_assets_rest_on_code_that_cannot_be_followed(shell: Shell) -> None:
    text = LIKES.replace("return cleaned", "return eval('cleaned')")
    shell.write(text + "\n@flow\ndef all_of_it():\n    return count()\n")
    assert "warning: the code of popular cannot be followed wholly" in shell("run", "pipeline.py").stderr


def test_a_plan_says_what_it_will_take_for_each_step_and_in_all(liked: Shell) -> None:
    liked.write(LIKES.replace("len(popular)", "len(popular) + 1"))
    rows = liked.rows("plan", "--reuse-sources")
    assert [row["forecast_bytes"] for row in rows] == [None, None, 1]
    assert rows[0]["forecast_s"] is None
    assert rows[2]["forecast_s"] is not None
    planned = nacre.plan(modules="pipeline.py", reuse_sources=True)
    assert planned.forecast.n_bytes == 1
    assert planned.forecast.n_known == 1
    assert not planned.forecast.is_limit


def test_an_asset_that_is_read_inside_a_step_is_told_with_what_differs(shell: Shell) -> None:
    text = (
        HEAD
        + """
import nacre

@materialize("demo://rates")
def rates() -> list:
    return [1, 2]

@materialize("demo://orders")
def orders() -> list:
    return [1]

@materialize("demo://total")
def total(orders: list) -> int:
    return len(nacre.load("demo://rates")) + len(orders)
"""
    )
    shell.write(text)
    shell("build", "rates")
    shell("build", "total")
    shell.write(text.replace("return [1, 2]", "return [1, 2, 3]"))
    shell("build", "rates")
    shown = shell("plan", "total", "--reuse-sources").stdout
    assert "rates changed: +1 item, read by it" in shown


def test_after_a_build_it_still_says_why_the_current_version_was_made(liked: Shell) -> None:
    liked.write(LIKES.replace('"likes": 3}', '"likes": 4}'))
    liked("build")
    lines = liked("why", "popular").stdout.splitlines()
    made = next(n for n, line in enumerate(lines) if line.startswith("  made"))
    assert lines[made].startswith("  made    v2, just now in ")
    assert lines[made + 1] == "          only `likes` of posts differs"
    assert nacre.why("popular", modules="pipeline.py").made.reason == "only `likes` of posts differs"  # type: ignore[union-attr]  # it was made


def test_what_depends_on_a_step_that_must_run_is_pending_and_nothing_more(liked: Shell) -> None:
    liked.write(EDITED)
    lines = liked("why", "count").stdout.splitlines()
    assert lines[1:3] == ["  now     ? pending: depends on what popular brings", "  inputs  popular  v1"]
