"""A command that is stopped ends its run as such, and keeps what had finished."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from sandbox import Sandbox

PIPELINE = """
import time
from nacre import materialize

@materialize("demo://first")
def first() -> int:
    return 1

@materialize("demo://second")
def second(first: int) -> int:
    print("waiting", flush=True)
    time.sleep(60)
    return 2
"""


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGTERM, 143, "Ended by SIGTERM."), (signal.SIGINT, 130, "Interrupted.")],
)
def test_a_stopped_build_is_recorded_as_cancelled_and_the_next_goes_on(
    project: Sandbox, number: signal.Signals, code: int, told: str
) -> None:
    (project.folder / "pipeline.py").write_text(PIPELINE)
    process = subprocess.Popen(
        [sys.executable, "-m", "nacre", "build"],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting" in line:
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert told in err
    assert "the next build goes on from there" in err
    assert "Traceback" not in err
    runs = project.workspace.catalog.runs()
    assert [run.state for run in runs] == ["cancelled"]
    assert [row.asset for row in project.workspace.catalog.heads("default")] == ["demo://first"]
