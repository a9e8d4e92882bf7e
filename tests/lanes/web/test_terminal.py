"""What the README shows of the command line: real output of real runs, drawn as a terminal shows it."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb_extension_httpfs
import pytest
from playwright.sync_api import Browser

from buckets import Service
from chromium import EXAMPLE, ROOT

# The sample and the server that hands it out are modules of the example.
sys.path.insert(0, str(EXAMPLE))
from sample import make_sample
from server import XrpcServer

COLUMNS = 100
STYLE = """
body { margin: 0; background: #16181d }
pre { margin: 0; padding: 18px 22px; color: #d6d9e0; background: #16181d; display: inline-block }
pre { font: 13px/1.5 "DejaVu Sans Mono", monospace }
b { color: #ffffff } i { color: #8a919e; font-style: normal }
"""


class Terminal:
    """Runs commands in a folder and keeps what a person would have seen."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "COLUMNS": str(COLUMNS),
            "PYTHONIOENCODING": "utf-8",
            "NO_COLOR": "1",
            **environment,
        }
        self.seen: list[tuple[str, str]] = []

    def run(self, shown: str, *arguments: str | Path) -> str:
        """Run Python with arguments; returns what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.seen.append((shown, done.stdout))
        return done.stdout

    def nacre(self, *arguments: str, before: str = "") -> str:
        """Run a command of nacre."""
        quoted = [f'"{each}"' if "*" in each else each for each in arguments]
        return self.run(f"{before}nacre {' '.join(quoted)}", "-m", "nacre", *arguments)


@pytest.fixture
def draw(browser: Browser) -> Callable[[Terminal, str], None]:
    def draw(terminal: Terminal, name: str) -> None:
        """Draw what was seen; with KEEP_PICTURES into the README's pictures."""
        lines = "\n".join(
            f"<i>$</i> <b>{html.escape(shown)}</b>\n{html.escape(output)}" for shown, output in terminal.seen
        ).replace(str(terminal.folder), f"/home/ada/{terminal.folder.name}")
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_content(f"<style>{STYLE}</style><pre>{lines.rstrip()}</pre>")
        picture = page.locator("pre").screenshot()
        page.close()
        assert 2_000 < len(picture) < 150_000
        if os.environ.get("KEEP_PICTURES"):
            (ROOT / "docs" / "images" / f"{name}.png").write_bytes(picture)

    return draw


@pytest.fixture
def example(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the example, whose models may be edited, and the sample network it reads."""
    folder = tmp_path / "bluesky"
    left_out = shutil.ignore_patterns("target", ".nacre", "lake", "__pycache__", "*.duckdb", "logs")
    shutil.copytree(EXAMPLE, folder, ignore=left_out)
    network = make_sample()
    with XrpcServer(network) as server:
        handles = ",".join(each.handle for each in network.accounts.values())
        yield folder, {"BLUESKY_SERVICE": server.url, "BLUESKY_HANDLES": handles}


def test_on_s3_the_second_build_reuses_everything_and_duckdb_reads_the_days(
    example: tuple[Path, dict[str, str]], s3_service: Service, draw: Callable[[Terminal, str], None]
) -> None:
    folder, environment = example
    s3_service.client.create_bucket(Bucket="lake")
    keys = {
        "AWS_ENDPOINT_URL": s3_service.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    terminal = Terminal(folder, {**environment, **keys, "NACRE_PLACES": "", "NACRE_STORE": "s3://lake/nacre"})
    first = terminal.nacre("build", "weekly_summary", before="NACRE_STORE=s3://lake/nacre ")
    assert "×60" in first
    second = terminal.nacre("build", "weekly_summary", before="NACRE_STORE=s3://lake/nacre ")
    assert "2 checked · 121 reused" in second
    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    host = s3_service.endpoint.removeprefix("http://")
    secret = f"TYPE s3, KEY_ID 'test', SECRET 'test', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false"
    query = "SELECT date, count(*) AS posts FROM 's3://lake/bluesky/posts/**/*.parquet' GROUP BY 1 ORDER BY 1 LIMIT 3"
    script = f"import duckdb; c = duckdb.connect(); c.execute(\"LOAD '{extension}'\"); "
    script += f'c.execute("CREATE SECRET ({secret})"); print(c.sql("{query}"))'
    assert "2026-03-02" in terminal.run(f'duckdb -c "{query}"', "-c", script)
    draw(terminal, "terminal-s3")


def test_an_edited_model_is_built_again_and_says_why(
    example: tuple[Path, dict[str, str]], tmp_path: Path, draw: Callable[[Terminal, str], None]
) -> None:
    folder, environment = example
    terminal = Terminal(folder, {**environment, "BLUESKY_DUCKDB": str(tmp_path / "bluesky.duckdb")})
    terminal.nacre("build")
    terminal.seen.clear()
    model = folder / "dbt" / "models" / "marts" / "hourly.sql"
    model.write_text(model.read_text(encoding="utf-8") + "\n-- counted again\n", encoding="utf-8")
    built = terminal.nacre("build", "dbt://*", "--reuse-sources")
    assert "code changed: `hourly`" in built
    assert "1 built" in built
    terminal.nacre("lineage", "hourly")
    terminal.nacre("show", "account_week", "--rows", "4")
    draw(terminal, "terminal-dbt")


def test_schedules_name_their_last_tick_and_the_next(
    tmp_path: Path, draw: Callable[[Terminal, str], None]
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    terminal = Terminal(folder, {})
    terminal.nacre("init")
    terminal.seen.clear()
    (folder / "nacre.toml").write_text(
        'modules = ["pipeline.py"]\n\n'
        '[[schedules]]\nname = "often"\ninterval = 2\nbuild = ["report"]\n\n'
        '[[schedules]]\nname = "weekly"\ncron = "0 7 * * MON"\ntimezone = "Europe/Berlin"\nbuild = ["report"]\n'
    )
    serve = [sys.executable, "-m", "nacre", "serve"]
    with subprocess.Popen(
        serve, cwd=folder, env=terminal.environment, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "completed" in line:
                break
        # Listed while it is served, as a second terminal would.
        listed = terminal.nacre("schedules")
        process.terminate()
        process.stdout.read()
    terminal.seen.insert(0, ("nacre serve", "".join(said)))
    assert "last  completed" in listed
    assert "weekly" in listed
    draw(terminal, "terminal-schedules")
