"""Processes over a copy of the example: a build into its store, its web page, its dashboard."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How long a server may take to answer first.
_PATIENCE_S = 60.0


def clean_environment() -> dict[str, str]:
    """The environment without what would lead a process to another store than its project's."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("NACRE_", "BLUESKY_"))}


def run_in(folder: Path, *arguments: str) -> None:
    """Let Python run something in a folder to its end."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def serving_ui(folder: Path) -> Iterator[str]:
    """Let ``nacre ui`` serve the project in a folder; gives the address that it prints."""
    command = [sys.executable, "-m", "nacre", "ui", "--no-browser", "--port", "0"]
    with subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def wait_until_answered(process: subprocess.Popen[bytes], address: str) -> None:
    """Wait until somebody answers at an address, as long as the process that should is there."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            assert process.poll() is None, "it ended before it answered"
            assert time.monotonic() < end, f"nobody answers at {address}"
            time.sleep(0.1)
        else:
            return
