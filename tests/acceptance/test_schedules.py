"""Schedules as a person uses them: listed, served as processes, ended by signals, and never run twice."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO

import pytest

from nacre.schedule.definition import Schedule
from nacre.schedule.process import nacre_processes
from nacre.schedule.ticks import Ending, TickBook
from nacre.schedule.trigger import Cron
from nacre.store.codec import decode
from nacre.store.lease import TTL_S, Tenure
from nacre.store.paths import tick_path
from nacre.store.records import Tick
from nacre.views.schedules import schedules
from nacre.views.session import Session
from sandbox import Sandbox
from shell import SHOP, Shell

EVERY_SECOND = '[[schedules]]\nname = "often"\ninterval = 1\n'
DAILY = '[[schedules]]\nname = "daily"\ncron = "0 7 * * *"\ntimezone = "Europe/Berlin"\nbuild = ["report"]\n'
SCRIPT = """
from nacre import flow, serve, tags
from nacre.schedules import Interval

@flow
def greet(who: str, times: int) -> str:
    print("hello", who)
    return who * times

if __name__ == "__main__":
    greet.serve("greeting", schedule=Interval(1), parameters={"who": "12", "times": 2}, tags=["nightly"])
"""
SLOW = """
from nacre import flow
import time

@flow
def slow():
    print("❱ slow goes on", flush=True)
    while True:
        time.sleep(0.05)
"""


@pytest.fixture
def shell(project: Sandbox) -> Shell:
    return Shell(project)


def settings(project: Sandbox, text: str) -> None:
    (project.folder / "nacre.toml").write_text(text, encoding="utf-8")
    project.reopen()


@pytest.fixture
def server(project: Sandbox) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that are ended with the test, whatever happens."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        started.append(project.python(*arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], text: str, stream: IO[str] | None = None) -> None:
    """Read what a process prints until a line has a text; a process that never prints it is killed after a minute."""
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    stream = stream or process.stdout
    assert stream is not None
    seen = []
    for line in stream:
        seen.append(line)
        if text in line:
            watchdog.cancel()
            return
    watchdog.cancel()
    pytest.fail(f"no line had {text!r}: {seen}")


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """End a process and return what else it printed; it must end well."""
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def ticks(project: Sandbox) -> list[Tick]:
    """The ticks that another process recorded, in their order."""
    project.reopen()
    records = project.workspace.records
    found = [decode(stored.data, Tick, stored.path) for stored in records.scan("ticks/")]
    return sorted(found, key=lambda tick: tick.due_at)


# ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_schedules_are_listed_before_anybody_served_them(shell: Shell) -> None:
    settings(shell.project, DAILY)
    (row,) = shell.rows("schedules")
    assert row == {
        "schedule": "daily",
        "trigger": "at 07:00 every day (Europe/Berlin)",
        "target": "build report",
        "timezone": "Europe/Berlin",
        "next_at": "2026-01-01T06:00:00+00:00",
        "paused": False,
        "served": False,
        "last": None,
    }
    said = shell("schedules").stdout
    assert "  next  2026-01-01 07:00 CET, in 6 h · not served: nacre serve\n" in said
    assert not (shell.project.folder / "store").exists()
    assert "No schedules." in _without_settings(shell)


def _without_settings(shell: Shell) -> str:
    settings(shell.project, "")
    return shell("schedules").stdout


def test_the_last_tick_and_who_serves_are_listed(shell: Shell) -> None:
    project = shell.project
    settings(project, DAILY)
    clock, records, catalog = project.clock, project.workspace.records, project.workspace.catalog
    tenure = Tenure(records, "daily", "me", clock)
    book = TickBook(records, catalog, clock, "me", tenure.path)
    schedule = Schedule("daily", Cron("0 7 * * *", "Europe/Berlin"), ("build", "report"))
    assert tenure.hold()
    book.enter(schedule)
    held = book.claim("daily", schedule.trigger.after(clock.now()))
    assert held is not None
    started = book.replace(held, state="started", run="01M89V2B14B5KC3KA1509SG5F2", started_at=clock.now())
    assert started is not None
    book.end(started, Ending("failed", "KeyError: 'mood'"), started.tick.run)
    (row,) = shell.rows("schedules")
    assert (row["served"], row["last"]["state"], row["last"]["reason"]) == (
        True,
        "failed",
        "KeyError: 'mood'",
    )
    said = shell("schedules", "--served").stdout
    assert said.splitlines() == [
        "daily  at 07:00 every day (Europe/Berlin) · build report",
        "  next  2026-01-01 07:00 CET, in 6 h",
        "  last  failed just now · KeyError: 'mood' · run 01M89V2B14B5",
    ]
    clock.advance(5 * TTL_S)
    assert shell.rows("schedules")[0]["served"] is False
    shell("schedules", "--served", exits=1)


def test_status_says_in_one_line_what_is_due_next(shell: Shell) -> None:
    shell.write(SHOP)
    assert "schedule" not in shell().stdout
    settings(shell.project, DAILY)
    assert "1 schedule; next daily in 6 h; not served: nacre serve.\n" in shell().stdout
    settings(shell.project, DAILY + "paused = true\n")
    assert "1 schedule.\n" in shell().stdout
    assert "paused" in shell("schedules").stdout


def test_what_scripts_served_is_listed_and_what_the_settings_dropped_is_not(project: Sandbox) -> None:
    settings(project, DAILY)
    book = TickBook(project.workspace.records, project.workspace.catalog, project.clock, "me", "leases/x")
    script = Schedule("a script's", Cron("@daily"), ("run", "pipe.py:shop"))
    book.enter(script)
    book.enter(Schedule("dropped", Cron("@daily"), ("build", "x")))
    found = schedules(Session())
    assert [(view.name, view.is_served) for view in found] == [("daily", False), ("a script's", False)]
    assert found[1].next_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert found[1].shown(found[1].next_at) == "2026-01-02 00:00 UTC"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "There is no schedule to serve"),
        (DAILY.replace("Berlin", "Berln"), "did you mean 'Europe/Berlin'?"),
    ],
)
def test_serving_what_is_wrong_ends_with_a_next_step(shell: Shell, text: str, problem: str) -> None:
    settings_file = shell.project.folder / "nacre.toml"
    settings_file.write_text(text)
    assert problem in shell("serve", exits=2).stderr


# ── processes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_tick_is_a_process_with_the_code_as_it_is_then(
    shell: Shell, server: Callable[..., subprocess.Popen[str]]
) -> None:
    project = shell.project
    shell.write(SHOP)
    settings(project, EVERY_SECOND + 'build = ["report"]\n')
    serving = server("-m", "nacre", "serve")
    wait_for(serving, "❱ often            started    due ")
    wait_for(serving, "3 built · run ")
    shell.write(SHOP.replace('f"sum ', 'f"total '))
    wait_for(serving, "1 built, 1 checked, 1 reused · run ")
    shell.write(SHOP.replace("def orders", "def orders(:"))
    wait_for(serving, "✗ often            failed ")
    ended(serving)
    found = ticks(project)
    assert found[0].reason == "3 built"
    assert found[0].run in {run.id for run in project.runs()}
    assert "before its run began" in next(tick.reason for tick in found if tick.state == "failed")


def test_a_script_serves_its_flow_with_its_own_parameters(
    project: Sandbox, server: Callable[..., subprocess.Popen[str]]
) -> None:
    (project.folder / "script.py").write_text(SCRIPT)
    settings(project, "")
    serving = server("script.py")
    wait_for(serving, "✓ greeting         completed", serving.stderr)
    out, _ = ended(serving, signal.SIGINT)
    project.reopen()
    run = project.runs()[0]
    assert (run.name, run.parameters, run.tags) == ("greet", {"who": "'12'", "times": "2"}, ("nightly",))
    assert "hello 12" in out
    (row,) = Shell(project).rows("schedules")
    assert (row["schedule"], row["target"]) == (
        "greeting",
        "run script.py:greet 'who:=\"12\"' times:=2 --tag=nightly",
    )


@pytest.mark.whole
def test_another_server_goes_on_when_one_ends(
    shell: Shell, server: Callable[..., subprocess.Popen[str]]
) -> None:
    project = shell.project
    shell.write(SHOP)
    settings(project, EVERY_SECOND + 'build = ["report"]\n')
    first = server("-m", "nacre", "serve")
    wait_for(first, "completed")
    second = server("-m", "nacre", "serve")
    wait_for(second, "Another process serves them; this one stands by.")
    wait_for(first, "completed")
    ended(first)
    wait_for(second, "Goes on.")
    wait_for(second, "completed")
    ended(second)
    found = ticks(project)
    assert len({tick.holder for tick in found}) == 2
    runs = [run.id for run in project.runs()]
    assert sorted(runs) == sorted(tick.run for tick in found if tick.run), (
        "one asked to end at its start has none"
    )


def test_ending_a_server_cancels_what_runs_and_says_so(
    shell: Shell, server: Callable[..., subprocess.Popen[str]]
) -> None:
    project = shell.project
    shell.write(SLOW)
    settings(project, EVERY_SECOND + 'run = "pipeline.py:slow"\n')
    serving = server("-m", "nacre", "serve")
    wait_for(serving, "❱ slow goes on")
    out, _ = ended(serving)
    (tick,) = [tick for tick in ticks(project) if tick.run]
    (run,) = project.runs()
    assert run.state == "cancelled"
    assert (tick.state, tick.run) == ("cancelled", run.id)
    assert "- often            cancelled  in " in out


def test_a_process_that_is_killed_is_a_crashed_tick(project: Sandbox) -> None:
    (project.folder / "pipeline.py").write_text(SLOW)
    settings(project, "")
    schedule = Schedule("slow", Cron("@daily"), ("run", "pipeline.py:slow"))
    tick = Tick(
        schedule="slow", nominal="x", due_at=project.clock.now(), state="started", holder="me", run=""
    )
    process = nacre_processes(str(project.folder))(schedule, tick)
    assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL
    process.interrupt()  # there is nobody any more, and that is no error


def test_parameters_are_json_where_the_command_line_says_so(shell: Shell) -> None:
    shell.write(SHOP)
    assert (
        shell("run", "pipeline.py:shop", "times:=2", 'who:="12"').stdout.splitlines()[0].startswith("12: sum")
    )
    assert "is no JSON" in shell("run", "pipeline.py:shop", "who:=12x", exits=2).stderr
    shell("run", "pipeline.py:shop", "--tag", "a", "--tag=b")
    assert shell.project.runs()[-1].tags == ("a", "b")


def test_a_tick_lies_where_the_page_says(project: Sandbox) -> None:
    settings(project, DAILY)
    book = TickBook(project.workspace.records, project.workspace.catalog, project.clock, "me", "leases/x")
    due = Cron("0 7 * * *", "Europe/Berlin").after(project.clock.now() - timedelta(hours=1))
    assert due is not None
    assert book.claim("daily", due) is not None
    assert book.claim("daily", due) is not None, "our own claim, asked for again"
    other = TickBook(project.workspace.records, project.workspace.catalog, project.clock, "other", "leases/x")
    assert other.claim("daily", due) is None
    assert project.workspace.records.get(tick_path("daily", "20260101T070000")) is not None


def test_the_json_of_schedules_is_one_object_a_line(shell: Shell) -> None:
    settings(shell.project, DAILY + DAILY.replace('"daily"', '"second"'))
    lines = shell("schedules", "--json").stdout.splitlines()
    assert [json.loads(line)["schedule"] for line in lines] == ["daily", "second"]
