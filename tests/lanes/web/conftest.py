"""A browser, pages that keep what they asked for and said, and the example's store: for every test of this lane."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from chromium import ARGUMENTS, EXAMPLE, ROOT, SIZE, Recorded


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
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the example was built into twice: its second run reuses what the first made."""
    store = tmp_path_factory.mktemp("demo") / "store"
    environment = {**os.environ, "NACRE_STORE": str(store)}
    for _ in range(2):
        subprocess.run(
            [sys.executable, EXAMPLE / "demo.py"], env=environment, check=True, capture_output=True
        )
    return store


@pytest.fixture(scope="session")
def served_demo(demo_store: Path) -> Iterator[str]:
    """The address that ``nacre ui`` prints for the example, token included."""
    command = [
        sys.executable,
        "-m",
        "nacre",
        "ui",
        "--no-browser",
        "--port",
        "0",
        "-m",
        EXAMPLE / "pipeline.py",
    ]
    environment = {**os.environ, "NACRE_STORE": str(demo_store)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
        process.terminate()
