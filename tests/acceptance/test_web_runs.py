"""The web page shows runs with what failed first, artifacts of each kind, and schedules."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from browsing import Page, Served, serving
from nacre.catalog.index import Event
from nacre.execute.process import named
from nacre.store.codec import encode
from nacre.store.paths import run_path
from nacre.store.records import Run
from nacre.web.figure import asset_href
from nacre.web.render import render
from shell import BROKEN, HEAD, SHOP, Shell


@pytest.fixture
def served(shell: Shell) -> Iterator[Served]:
    with serving() as served:
        yield served


# ── runs ──


def test_a_failed_run_shows_the_users_line_first(shell: Shell, served: Served) -> None:
    shell.write(BROKEN)
    shell("build", exits=1)
    (run,) = shell.project.runs()
    page = served.page(f"/r/{run.id}")
    assert "failed: 1 built, 1 skipped, 1 failed" in page.text
    assert "failed moods pipeline.py:" in page.text
    assert 'for post in posts: return [scores[post["mood"]]]' in page.text
    assert "posts: list[5]" in page.text
    assert "KeyError: 'mood'" in page.text
    assert "s3cr3t" not in served.text(f"/r/{run.id}")
    assert "weekly - skipped moods failed" in page.text
    home = served.page("/")
    assert "1 failed" in home.text
    assert f"/r/{run.id}" in home.links()
    assert "KeyError: 'mood'" in served.page(asset_href("demo://moods")).text


def test_a_failure_is_over_when_a_later_run_succeeds(shell: Shell, served: Served) -> None:
    shell.write(BROKEN)
    shell("build", exits=1)
    shell.write(BROKEN.replace('scores[post["mood"]]', "1"))
    shell("build")
    assert "failed" not in served.page("/").text.partition("Last runs")[0]


def test_a_run_shows_steps_with_action_reason_and_log(shell: Shell, served: Served) -> None:
    shell.write(
        SHOP.replace('return f"sum', "print('counted')\n    return f\"sum").replace(
            'report")', 'report", log_prints=True)'
        )
    )
    shell("build")
    shell("build")
    last, first = [link for link in served.page("/runs").links() if link.startswith("/r/")]
    page = served.page(first)
    assert "completed: 3 built" in page.text
    assert re.search(r"orders ✓ built v1 .* not made yet sales", page.text)
    assert "counted" in page.text
    assert all(bar["role"] == "img" and bar["aria-label"] for bar in page.all("svg"))
    page = served.page(last)
    assert "checked: content unchanged" in page.text
    assert "= reused v1 inputs and code unchanged" in page.text
    assert "Nothing was logged." in page.text


def test_partitions_that_fared_alike_are_one_row_of_a_run(shell: Shell, served: Served) -> None:
    shell.write(
        HEAD
        + """
from datetime import date as Date
from nacre import DailyPartitions

@materialize("demo://daily/{date}", partitions=DailyPartitions("2025-11-01", "2025-11-30"))
def daily(date: Date) -> int:
    if date.day == 7:
        raise ValueError("no seventh")
    return date.day
"""
    )
    shell("build", exits=1)
    (run,) = shell.project.runs()
    page = served.page(f"/r/{run.id}")
    assert [row["class"] for row in page.all("svg") if row["class"].startswith("bar")] == [
        "bar is-built",
        "bar is-failed",
    ]
    assert "29 partitions" in page.text
    assert "2025-11-07 ✗ failed" in page.text
    days = [link for link in page.links() if "?partition=" in link]
    assert len(days) == 29
    home = served.page("/").text
    assert "1 failed" in home, "the other days do not hide it"
    assert "✗ failed daily 2025-11-07: ValueError: no seventh" in home
    assert "2025-11-03 v1" in served.page(next(day for day in days if day.endswith("03"))).text


def test_a_run_without_an_end_shows_what_it_did_so_far(shell: Shell, served: Served) -> None:
    workspace = shell.project.workspace
    started = workspace.clock.now()
    workspace.records.create(
        run_path("R1"), encode(Run(id="R1", name="x", kind="flow", state="running", started_at=started))
    )
    step = {
        "record": {
            "step": "demo://orders",
            "action": "built",
            "reason": {"cause": "first"},
            "assets": ["demo://orders"],
            "seq": 1,
        }
    }
    at = started.isoformat()
    workspace.append_events(
        "R1", [Event(1, at, "step", json.dumps(step)), Event(2, at, "log", '{"text": "half way"}')]
    )
    page = served.page("/r/R1")
    assert "▸ running" in page.text
    assert "orders ✓ built v1" in page.text
    assert "half way" in page.text
    shell.project.clock.advance(7200)
    assert "no end recorded" in served.page("/runs").text


def test_a_run_whose_process_is_gone_is_shown_as_killed(shell: Shell, served: Served) -> None:
    workspace = shell.project.workspace
    gone = named(os.getpid()).rpartition(":")[0] + ":1"
    for name, process in (("R1", gone), ("R2", named(os.getpid()))):
        run = Run(
            id=name, name="x", kind="flow", state="running", started_at=workspace.clock.now(), process=process
        )
        workspace.records.create(run_path(name), encode(run))
    assert "✗ killed" in served.page("/r/R1").text
    shell.project.clock.advance(7200)
    assert "▸ running" in served.page("/r/R2").text, "it says nothing, but it is there"
    assert "✗ killed" in served.page("/runs").text


# ── artifacts and schedules ──


def test_each_kind_of_artifact_is_shown(shell: Shell, served: Served) -> None:
    shell.write(
        HEAD
        + """
@materialize("demo://all")
def all_kinds() -> int:
    create_markdown_artifact("# Title", key="words", description="In words")
    create_table_artifact([{"a": 1, "b": None}], key="rows")
    create_link_artifact("https://e.test/x", "the place", key="place")
    create_progress_artifact(40, key="done")
    from pathlib import Path
    Path("dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"><script>1</script></svg>')
    create_image_artifact("dot.svg", key="dot", description="A dot")
    create_image_artifact("https://e.test/far.png", key="far")
    return 1
"""
    )
    shell("build")
    assert "words markdown" in served.page("/artifacts").text
    assert "Title" in served.page("/artifacts/words").text
    assert "a b 1" in served.page("/artifacts/rows").text
    assert "https://e.test/x" in served.page("/artifacts/place").links()
    assert served.page("/artifacts/done").all("progress")[0]["value"] == "40.0"
    (image,) = served.page("/artifacts/dot").all("img")
    assert image["alt"] == "A dot"
    answer = served.client.get(image["src"])
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    far = served.page("/artifacts/far")
    assert far.all("img") == []
    assert "https://e.test/far.png" in far.links()
    assert "/artifacts/" in " ".join(served.page(asset_href("demo://all")).links())


def test_versions_of_an_artifact_can_be_looked_at(shell: Shell, served: Served) -> None:
    shell("build")
    shell("build", "--refresh")
    page = served.page("/artifacts/words")
    assert "2 versions" in page.text
    assert len({link for link in page.links() if link.startswith("/artifacts/")}) == 2


def test_schedules_are_shown_with_next_and_last_tick() -> None:
    tick = SimpleNamespace(
        state="failed",
        ended_at=None,
        started_at=None,
        due_at="2026-01-02T03:00:00+00:00",
        run="R1",
        reason="late",
    )
    each = SimpleNamespace(
        name="daily",
        trigger="at 07:00 every day (UTC)",
        target="build",
        next_at=1,
        is_served=False,
        is_paused=False,
        last=tick,
        shown=lambda at: "2026-01-03 07:00:00 UTC",
    )
    shared = {"schedules": [each], "now": datetime(2026, 1, 2, 4, tzinfo=UTC), "tiles": {}}
    page = Page(render("schedules.html", shared))
    assert "daily at 07:00 every day (UTC) nacre build 2026-01-03 07:00:00 UTC" in page.text
    assert "✗ failed 1 h ago run R1 late" in page.text
    assert render("schedules.html", {**shared, "schedules": ()}).strip() == ""
