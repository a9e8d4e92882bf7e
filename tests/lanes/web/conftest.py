"""A browser, pages that keep what they asked for and said, and the example's store: for every test of this lane."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from chromium import ARGUMENTS, EXAMPLE, SIZE, Recorded
from serving_demo import clean_environment, run_in, serving_ui, wait_until_answered

SCHEDULE = """
[[schedules]]
name = "every-morning"
cron = "0 7 * * *"
timezone = "Europe/Berlin"
build = ["*"]
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Recorded]]:
    """Open a page of its own, with no memory of others; options are Playwright's for a context."""
    contexts = []

    def opening(**options: object) -> Recorded:
        context = browser.new_context(**{"viewport": SIZE, **options})
        contexts.append(context)
        recorded = Recorded(context.new_page())
        # The context, not the page: what frames and workers ask for counts too.
        context.on("request", lambda request: recorded.requests.append(request.url))
        context.on(
            "console", lambda line: line.type in ("error", "warning") and recorded.problems.append(line.text)
        )
        context.on("weberror", lambda error: recorded.problems.append(str(error.error)))
        recorded.page.on("dialog", lambda dialog: recorded.problems.append(dialog.message))
        return recorded

    yield opening
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with a schedule, built into a store of its own by the demo, whose second run reuses all."""
    folder = tmp_path_factory.mktemp("demo") / "bluesky"
    left_out = shutil.ignore_patterns(".nacre", "lake", "target", "logs", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=left_out)
    with (folder / "nacre.toml").open("a", encoding="utf-8") as settings:
        settings.write(SCHEDULE)
    run_in(folder, "demo.py")
    run_in(folder, "demo.py")
    return folder


@pytest.fixture(scope="session")
def served_demo(demo: Path) -> Iterator[str]:
    """The address that ``nacre ui`` prints for the example, token included."""
    with serving_ui(demo) as address:
        yield address


@pytest.fixture(scope="session")
def dashboard(demo: Path) -> Iterator[str]:
    """The address of the example's dashboard."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        command, cwd=demo / "dashboard", env=clean_environment(), stdout=subprocess.DEVNULL
    ) as process:
        try:
            wait_until_answered(process, address)
            yield address
        finally:
            process.terminate()
