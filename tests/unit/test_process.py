"""Which process runs something, and whether it still does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nacre.execute.process import lives, named


def test_a_process_that_is_there_lives() -> None:
    assert lives(named(os.getpid())) is True


def test_a_process_that_ended_is_gone_even_while_nobody_has_asked_for_its_code() -> None:
    program = "from nacre.execute.process import named; print(named(os.getpid()), flush=True)"
    program = f"import os, sys; {program}; sys.stdin.read()"
    ended = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert ended.stdin is not None
    assert ended.stdout is not None
    told = ended.stdout.readline().strip()
    assert lives(told) is True
    ended.stdin.close()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    if os.path.exists("/proc/self/stat"):
        assert lives(told) is False
    ended.wait()
    ended.stdout.close()
    assert lives(told) is False


@pytest.mark.skipif(
    not os.path.exists("/proc/self/stat"), reason="the system does not say when a process started"
)
def test_a_pid_that_is_used_again_is_told_apart_by_its_start() -> None:
    before, _, start = named(os.getpid()).rpartition(":")
    assert lives(f"{before}:{int(start) - 1}") is False
    assert lives(f"{before}:") is True, "recorded where the system does not say it"


@pytest.mark.parametrize("told", ["", "x", "elsewhere:1:1", "a:b:c"])
def test_of_a_process_elsewhere_nothing_is_known(told: str) -> None:
    assert lives(told) is None
