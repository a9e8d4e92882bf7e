"""An open page is told of what other processes do, once, and costs nothing while nothing happens; pages stay small."""

from __future__ import annotations

import gzip
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import pytest

from browsing import Page, Served, serving
from nacre.store.codec import encode
from nacre.store.paths import head_path
from nacre.store.records import Head, Materialization
from nacre.views.board import Tile, Told, board
from nacre.views.session import Session
from nacre.web import pages
from nacre.web.figure import MAX_BOXES, asset_href
from nacre.web.render import static_files
from shell import BROKEN, HEAD, Shell

MAX_PAGE, MAX_SCRIPT, MAX_REQUESTS, MAX_LARGE = 100_000, 40_000, 6, 150_000


@pytest.fixture
def served(shell: Shell) -> Iterator[Served]:
    with serving() as served:
        yield served


@contextmanager
def stream(served: Served, since: str = "", **headers: str) -> Iterator[Iterator[str]]:
    address = f"/live?since={since}"
    with served.client.stream("GET", address, headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield (line for line in answer.iter_lines())


def next_mark(lines: Iterator[str]) -> str:
    """The id of the next event."""
    fields = {}
    for line in lines:
        if not line and fields:
            break
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
    assert fields["event"] == "changed"
    assert fields["data"] == fields["id"]
    return fields["id"]


# ── told of changes ──


def test_an_open_page_is_told_when_another_process_builds(shell: Shell, served: Served) -> None:
    before = Page(served.text("/")).all("body")[0]["data-mark"]
    with stream(served, before) as lines:
        process = shell.project.python("-m", "nacre", "build")
        assert next_mark(lines) != before
        assert process.wait() == 0
        process.communicate()
    page = served.page("/")
    assert "3 not made yet" not in page.text
    assert "✓ completed" in page.text


def test_an_open_page_is_told_when_code_changed(shell: Shell, served: Served) -> None:
    shell("build")
    page = served.page("/")
    with stream(served, page.all("body")[0]["data-mark"]) as lines:
        (shell.project.folder / "pipeline.py").write_text(BROKEN, encoding="utf-8")
        next_mark(lines)
    assert "stored and not declared here" in served.page("/").text


def test_whoever_comes_back_is_told_what_was_missed_and_nothing_twice(shell: Shell, served: Served) -> None:
    shell("build")
    old = Page(served.text("/")).all("body")[0]["data-mark"]
    shell("build", "--refresh")
    served.text("/")
    with stream(served, "", **{"last-event-id": old}) as lines:
        now = next_mark(lines)
    assert now == served.site.mark() != old
    with stream(served, now, **{"last-event-id": now}) as lines:
        shell("build", "--refresh")
        assert next_mark(lines) != now


def test_what_comes_while_a_page_is_made_is_told_to_it(
    shell: Shell, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("build")
    served.text("/")

    def board_then_commit(session: Session, told: Sequence[Told]) -> dict[str, Tile]:
        found = board(session, told)
        plant_many(shell, "late://{}", 1)
        return found

    monkeypatch.setattr(pages, "board", board_then_commit)
    shown = Page(served.client.get("/").text)
    assert "late" not in shown.text
    assert shown.all("body")[0]["data-mark"] != served.site.mark()


def test_a_mark_is_the_same_for_every_server_of_a_store(shell: Shell, served: Served) -> None:
    shell("build")
    served.text("/")
    with serving() as other:
        other.text("/")
        assert other.site.mark() == served.site.mark()


def test_a_store_that_is_made_later_is_found(shell: Shell, served: Served) -> None:
    assert "3 not made yet" in served.page("/").text
    process = shell.project.python("-m", "nacre", "build")
    process.communicate()
    assert "Needs you Nothing." in served.page("/").text


# ── the command ──


def test_the_command_prints_one_line_serves_and_ends_quietly(shell: Shell) -> None:
    shell("build")
    process = shell.project.python("-m", "nacre", "ui", "--no-browser", "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        with httpx.Client(follow_redirects=True) as client:
            answer = client.get(address)
            assert (answer.status_code, str(answer.url)) == (200, address.partition("?")[0])
            assert client.get(address.partition("?")[0] + "runs").status_code == 200
        token = shell.project.store / "ui-token"
        assert token.stat().st_mode & 0o777 == 0o600
        assert token.read_text().strip() == address.partition("=")[2]
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate()
    assert (process.returncode, rest) == (0, ("", ""))


# ── small ──


def test_every_page_keeps_its_budget_of_bytes_and_requests(shell: Shell, served: Served) -> None:
    shell.write(BROKEN)
    shell("build", exits=1)
    (run,) = shell.project.runs()
    loaded = re.compile(r'(?:href|src)="(/static/[^"]+|/image/[^"]+)"')
    imported = re.compile(r'from "\./(\w+\.js)"')
    scripts = sum(len(data) for name, (data, _) in static_files().items() if name.endswith(".js"))
    assert scripts <= MAX_SCRIPT
    for path in ("/", f"/r/{run.id}", "/runs", "/artifacts", asset_href("demo://posts")):
        source = served.text(path)
        files = set(loaded.findall(source))
        more = {
            f"/static/{name}" for file in files for name in imported.findall(served.client.get(file).text)
        }
        total = len(source.encode()) + sum(len(served.client.get(each).content) for each in files | more)
        assert total <= MAX_PAGE, path
        assert 1 + len(files | more) + 1 <= MAX_REQUESTS, "the page, what it loads, and its stream"


def plant_many(shell: Shell, key: str, n: int = 1_000) -> None:
    workspace = shell.project.workspace
    for number in range(n):
        inputs = {"above": (key.format(number - 1), 1)} if number % 10 else {}
        made = Materialization(
            seq=1,
            fingerprint="f",
            data_version="d",
            run="R",
            at=workspace.clock.now(),
            attempt="",
            inputs=inputs,
        )
        asset = key.format(number)
        workspace.records.create(
            head_path("default", asset), encode(Head(env="default", asset=asset, history=(made,)))
        )


def wire(served: Served, path: str) -> tuple[str, int]:
    with served.client.stream("GET", path) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        data = b"".join(answer.iter_raw())
    return gzip.decompress(data).decode(), len(data)


def test_a_thousand_assets_are_drawn_by_folder_within_the_budget(shell: Shell, served: Served) -> None:
    for folder in range(4):
        plant_many(shell, f"s3://lake/part{folder}/" + "asset_{}", 250)
    served.text("/")
    source, size = wire(served, "/")
    assert size <= MAX_LARGE
    cards = re.findall(r'class="name"[^>]*>([^<]+)', source)
    assert [card for card in cards if "250 assets" in card] == [f"part{n}/ · 250 assets" for n in range(4)]
    (inside,) = [link for link in Page(source).links() if link.endswith("part2%2F")]
    page = served.page(inside)
    assert "Lineage of s3://lake/part2/" in page.text
    assert "what needs you first; search finds any" in page.text
    assert "and 50 more: search finds them" in page.text


def test_what_needs_a_person_is_never_hidden_among_many(shell: Shell, served: Served) -> None:
    plant_many(shell, "x://{}")
    shell.write(HEAD + '@materialize("y://deep/down")\ndef down() -> int:\n    return 1 // 0\n')
    shell("build", exits=1)
    served.text("/")
    source, size = wire(served, "/")
    assert size <= MAX_LARGE
    assert len(re.findall(r'<a href="[^"]*" class="card', source)) <= MAX_BOXES
    assert 'class="card is-failed"' in source
    assert "Needs you ✗ failed" in Page(source).text
