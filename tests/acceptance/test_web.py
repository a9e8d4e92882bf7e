"""The web page shows what is stored, how it stands and why: each page, on a real server."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from browsing import Page, Served, serving
from nacre.store.codec import decode, encode
from nacre.store.paths import head_path
from nacre.store.records import Head
from nacre.web.figure import asset_href
from shell import BROKEN, HEAD, SHOP, Shell

ORDERS, SALES, REPORT = map(asset_href, ("demo://orders", "demo://sales", "demo://report"))


@pytest.fixture
def served(shell: Shell) -> Iterator[Served]:
    with serving() as served:
        yield served


# ── home ──


def test_home_says_what_the_command_line_says(shell: Shell, served: Served) -> None:
    shell("build")
    said = shell().stdout.splitlines()[0].partition(";")[0]
    page = served.page("/")
    assert said == "1 source to check, 2 waiting for an upstream" or "fresh" in said
    assert f"{said}; last run" in page.text
    assert page.all("body")[0]["data-mark"] == served.site.mark()


def test_home_and_the_command_line_say_the_same_of_what_failed(shell: Shell, served: Served) -> None:
    shell.write(BROKEN)
    shell("build", exits=1)
    said = shell().stdout.splitlines()[0]
    assert said == "1 failed, 1 source to check, 1 not made yet; last run just now."
    assert said in served.page("/").text
    shell.write(BROKEN.replace('scores[post["mood"]]', "1"))
    shell("build")
    said = shell().stdout.splitlines()[0]
    assert "failed" not in said
    assert said in served.page("/").text


def test_home_draws_every_asset_with_state_word_and_link(shell: Shell, served: Served) -> None:
    shell("build")
    shell.write(SHOP.replace('"sum":', '"total":'))
    source = served.text("/")
    drawing = Page(source[source.index("<svg") : source.index("</svg>")])
    assert drawing.links() == [ORDERS, SALES, REPORT]
    assert re.findall(r"(\w+) \S (check|stale|pending|fresh)", drawing.text) == [
        ("orders", "check"),
        ("sales", "stale"),
        ("report", "pending"),
    ]
    assert len(drawing.all("path")) == 3
    assert "is-stale" in source


def test_home_lists_what_needs_a_person_with_its_cause(shell: Shell, served: Served) -> None:
    assert "Needs you + new orders" in served.page("/").text
    shell("build")
    assert "Needs you Nothing." in served.page("/").text
    shell.write(SHOP.replace('"sum":', '"total":'))
    assert re.search(
        r"Needs you \+ stale sales code changed: sales \(pipeline.py:\d+\) changed", served.page("/").text
    )


def test_what_was_never_made_is_drawn_with_what_it_needs(shell: Shell, served: Served) -> None:
    page = served.page("/")
    assert "3 not made yet." in page.text
    assert len(page.all("path")) == 3
    assert "+ new: depends on what orders brings" in served.page(SALES).text


def test_an_empty_project_says_how_to_begin(shell: Shell) -> None:
    (shell.project.folder / "pipeline.py").unlink()
    with serving() as served:
        page = served.page("/")
    assert "No assets here yet" in page.text
    assert "nacre init" in page.text


def test_modules_that_cannot_be_imported_are_told_and_what_is_stored_is_shown(
    shell: Shell, served: Served
) -> None:
    shell("build")
    shell.write("import nowhere_at_all\n")
    page = served.page("/")
    assert "The modules cannot be imported" in page.text
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in page.text
    assert "3 assets stored" in page.text
    assert "not be imported" in served.page(ORDERS).text


def test_where_nothing_is_stored_home_says_only_that_modules_cannot_be_imported(
    shell: Shell, served: Served
) -> None:
    shell.write("import nowhere_at_all\n")
    page = served.page("/")
    assert "The modules cannot be imported" in page.text
    assert "No module named 'nowhere_at_all'" in page.text
    for other in ("No assets here yet", "nacre init", "this is what is stored"):
        assert other not in page.text


def test_a_page_loads_before_it_is_known_how_assets_stand(shell: Shell, served: Served) -> None:
    shell("build")
    page = Page(served.client.get("/").text)
    assert "3 assets stored" in page.text
    assert "being worked out" in page.text
    assert ("meta", {"http-equiv": "refresh", "content": "3"}) in page.elements
    assert "being worked out" not in served.page("/").text


def test_what_modules_print_is_not_taken_for_an_answer(shell: Shell, served: Served) -> None:
    shell.write(
        "import sys\nprint('hello')\nprint('{\"asset\": 1}')\nprint('noise', file=sys.stderr)\n" + SHOP
    )
    assert "3 not made yet" in served.page("/").text


def test_a_search_finds_by_part_and_by_glob(shell: Shell, served: Served) -> None:
    shell("build")
    assert "1 asset found for “ALE”" in served.page("/?q=ALE").text
    assert "2 assets found" in served.page("/?q=*r*s*").text or "1 asset found" in served.page("/?q=o*s").text
    page = served.page("/?q=nothing")
    assert "0 assets found" in page.text
    assert page.all("input")[0]["value"] == "nothing"


# ── an asset ──


def test_an_asset_shows_value_reason_versions_and_neighbours(shell: Shell, served: Served) -> None:
    shell("build")
    shell.write(SHOP.replace('"price": 4', '"price": 5'))
    shell("build")
    page = served.page(SALES)
    assert "sales v2" in page.text
    assert "Preview sum: 8" in page.text
    assert "Made from ~ check orders v2" in page.text
    assert re.search(r"Used by . \w+ report", page.text)
    assert {ORDERS, REPORT, f"{SALES}?version=1"} <= set(page.links())
    assert "rows read 2" in page.text
    older = served.page(f"{SALES}?version=1")
    assert "Preview sum: 7" in older.text
    assert "This is an older version." in older.text


def test_a_table_is_shown_with_its_first_rows_and_its_schema(shell: Shell, served: Served) -> None:
    shell.write(
        HEAD
        + "import pyarrow as pa\n"
        + '@materialize("demo://many.parquet")\ndef many() -> pa.Table:\n'
        + "    return pa.table({'n': list(range(500)), 'word': ['w'] * 500})\n"
    )
    shell("build")
    page = served.page(asset_href("demo://many.parquet"))
    assert "n word 0 w 1 w" in page.text
    assert "20 of 500 rows" in page.text
    assert "Schema n int64 word" in page.text


def test_a_value_of_the_users_class_is_shown_without_making_one(shell: Shell, served: Served) -> None:
    shell.write(
        HEAD
        + "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\n"
        + '@materialize("demo://points")\ndef points() -> list:\n    return [Point(1, 2), Point(3, 4)]\n'
    )
    shell("build")
    shell.forget()
    assert "x y 1 2 3 4" in served.page(asset_href("demo://points")).text


def test_damaged_bytes_are_said_to_be_damaged(shell: Shell, served: Served) -> None:
    shell.write(HEAD + '@materialize("demo://long")\ndef long() -> str:\n    return "x" * 100_000\n')
    shell("build")
    (file,) = [each for each in (shell.project.store / "objects" / "data").rglob("*") if each.is_file()]
    file.chmod(0o600)
    file.write_bytes(b"y" * 100_000)
    page = served.page(asset_href("demo://long"))
    assert "A stored value cannot be read" in page.text
    assert "v1" in page.text


def test_a_head_that_cannot_be_read_is_told_on_every_page_that_leaves_out_what_it_is_of(
    shell: Shell, served: Served
) -> None:
    shell("build")
    assert "cannot be read" not in served.page("/").text
    path = head_path("default", "demo://sales")
    with closing(sqlite3.connect(shell.project.store / "records.sqlite")) as connection, connection:
        connection.execute("UPDATE records SET data = ? WHERE path = ?", (b"{", path))
        connection.execute("PRAGMA user_version = 1")  # the index is made anew, as on a machine that has none
    shell.project.reopen()
    with serving() as opened:
        home = opened.page("/")
        assert f"{path} cannot be read, and what it is of is left out: nacre fsck" in home.text
        assert SALES not in home.links()
        assert re.search(r"report . stored what it is made from cannot be read", home.text)
        assert ORDERS in home.links()
        assert "cannot be read" not in opened.page(ORDERS).text
        said = opened.page(SALES, 500)
        assert path in said.text
        assert "nacre fsck" in said.text
        assert "There is no such asset" not in said.text
        assert "/" in said.links()


def test_of_many_heads_that_cannot_be_read_some_are_named_and_the_rest_is_counted(shell: Shell) -> None:
    shell("build")
    records = shell.project.workspace.records
    stored = records.get(head_path("default", "demo://sales"))
    assert stored is not None
    for n in range(30):
        records.create(head_path("default", "demo://daily", f"{n:02}"), stored.data)
    with closing(sqlite3.connect(shell.project.store / "records.sqlite")) as connection, connection:
        connection.execute("UPDATE records SET data = ? WHERE path LIKE 'heads/default/demo-daily%'", (b"{",))
        connection.execute("PRAGMA user_version = 1")  # the index is made anew, as on a machine that has none
    shell.project.reopen()
    told = shell("ls").stderr.splitlines()
    assert [" cannot be read, and what it is of" in line for line in told] == [True] * 5 + [False]
    assert told[-1] == "! … and 25 more: nacre fsck"
    with serving() as opened:
        home = opened.page("/").text
    assert home.count("cannot be read, and what it is of is left out") == 20
    assert "… and 10 more: nacre fsck" in home


def test_partitions_are_listed_and_each_can_be_looked_at(shell: Shell, served: Served) -> None:
    shell("build")
    records = shell.project.workspace.records
    path = head_path("default", "demo://sales")
    stored = records.get(path)
    assert stored is not None
    head = decode(stored.data, Head, path)
    for day in ("2026-01-01", "2026-01-02"):
        part = Head(env="default", asset="demo://daily", partition=day, history=head.history)
        records.create(head_path("default", "demo://daily", day), encode(part))
    href = asset_href("demo://daily")
    page = served.page(href)
    assert "daily 2 partitions" in page.text
    assert "Partition 2026-01-02 v1" in page.text, "of itself a page shows the newest"
    days = [link for link in page.links() if "?partition=" in link and "version=" not in link]
    assert days == [f"{href}?partition=2026-01-02", f"{href}?partition=2026-01-01"]
    assert "daily 2026-01-01 v1" in served.page(days[1]).text
    assert "Partition 2026-01-02" in served.page(f"{href}?partition=2026-01-02").text
    assert "has no partition" in served.page(f"{href}?partition=2027", 404).text


def test_what_is_not_there_is_a_page_that_says_so(served: Served) -> None:
    for path, says in (
        ("/nope", "There is no such page"),
        ("/a/demo%3A%2F%2Fnope", "There is no such asset"),
        ("/r/nope", "There is no such run"),
        ("/artifacts/nope", "There is no artifact 'nope'"),
    ):
        assert says in served.page(path, 404).text
    assert served.client.get("/image/nope").status_code == 404
    assert served.client.get("/static/nope.css").status_code == 404


def test_a_version_is_compared_with_the_one_before(
    shell: Shell, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("build")
    assert "Compare with the version before" not in served.page(ORDERS).text
    shell.write(SHOP.replace('"price": 3', '"price": 5'))
    shell("build")
    # Once for the version that is shown, once in the list of all.
    (link,) = {each for each in served.page(ORDERS).links() if each.startswith("/diff/")}
    page = served.page(link)
    assert "~ $[0].price 3 → 5" in page.text
    assert " ".join(shell("diff", "orders").stdout.splitlines()[-1].split()) in page.text
    assert "The same content" in served.page(f"{link}&with=2").text
    with monkeypatch.context() as small:
        small.setattr("nacre.web.pages.MAX_COMPARED_BYTES", 1)
        assert "too large to be compared here" in served.page(link, 404).text
        assert "nacre diff orders v1 v2" in served.page(link, 404).text
    assert "has no version v9" in served.page(f"{link}&with=v9", 404).text
    assert "no such asset" in served.page("/diff/demo%3A%2F%2Fnothing", 404).text
