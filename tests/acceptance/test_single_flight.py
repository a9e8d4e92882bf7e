"""Several processes want the same at the same time: one makes it, the others wait and take what it made.

Real processes on one folder and on one bucket. A slow step is one that goes on until the test lets it end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nacre
from buckets import KEYS, Lake, Service
from nacre.store.codec import decode
from nacre.store.records import Lease
from sandbox import SOURCES, Sandbox
from shell import HEAD, Shell

PIPELINE = """
import os, pathlib, sys, threading, time
sys.dont_write_bytecode = True
import nacre.store.lease as lease
lease.RENEW_S, lease.TTL_S = 0.2, 1.0
import nacre
from nacre import flow, materialize, task
from nacre.cache_policies import INPUTS

SHARED = pathlib.Path(os.environ["SHARED"])

def going_on(name):
    (SHARED / f"{name}-began-{os.getpid()}").touch()
    end = time.monotonic() + 60
    while not (SHARED / "go").exists():
        if time.monotonic() > end:
            raise TimeoutError("the test did not let it end")
        time.sleep(0.01)
    return os.urandom(8).hex()

@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

@materialize("demo://slow")
def slow(numbers: list) -> str:
    return going_on("slow")

@materialize("demo://below")
def below(slow: str) -> str:
    return slow + "!"

@materialize("demo://beside")
def beside(numbers: list) -> int:
    (SHARED / f"beside-{os.getpid()}").touch()
    return sum(numbers)

@task(cache_policy=INPUTS)
def ask(question: str) -> str:
    return going_on("ask")

@flow
def calls():
    return slow(numbers()), ask("why")

if __name__ == "__main__":
    if sys.argv[1] == "flow":
        print(*calls())
    else:
        nacre.build("*", modules=["pipeline.py"]).raise_for_failure()
        print(nacre.load("demo://slow"))
"""


def wait_for(found: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so; the test fails where it is not in time."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


class Machines:
    """Project folders, each with a process of its own, over one store."""

    def __init__(self, folder: Path, environ: dict[str, str], lake: Lake | None = None) -> None:
        self.lake = lake
        self.shared = folder / "shared"
        self.shared.mkdir()
        self.folder = folder
        self.environ = {**os.environ, **environ, "PYTHONPATH": str(SOURCES), "SHARED": str(self.shared)}
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, what: str = "build", place: str = "") -> subprocess.Popen[str]:
        own = self.folder / (place or f"machine-{len(self.processes)}")
        own.mkdir(exist_ok=True)
        (own / "pipeline.py").write_text(PIPELINE)
        process = subprocess.Popen(
            [sys.executable, "pipeline.py", what],
            cwd=own,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def began(self, name: str = "slow") -> int:
        return len(list(self.shared.glob(f"{name}-began-*")))

    def lose_claims(self) -> None:
        """Delete what claims rest on."""
        if self.lake is None:
            (self.folder / "store" / "claims").unlink(missing_ok=True)
            return
        for name in self.lake.names():
            if "/leases/" in name:
                self.lake.service.client.delete_object(Bucket=self.lake.bucket, Key=name)

    def go(self) -> None:
        (self.shared / "go").touch()

    def ended(self) -> list[str]:
        """What the processes printed last, each after it ended well."""
        found = []
        for process in self.processes:
            if process.returncode is None:
                out, errors = process.communicate(timeout=120)
                assert process.returncode == 0, errors
                found.append(out.splitlines()[-1])
        return found

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture(params=["folder", "bucket"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machines]:
    environ, lake = {"NACRE_QUIET": ""}, None
    if request.param == "bucket":
        service: Service = request.getfixturevalue("s3_service")
        lake = Lake(service, service.new_bucket())
        environ |= {**KEYS, "AWS_ENDPOINT_URL": service.endpoint, "NACRE_STORE": f"{lake.url}/team"}
    else:
        environ |= {"NACRE_STORE": str(tmp_path / "store")}
    machines = Machines(tmp_path, environ, lake)
    yield machines
    machines.stop()


@pytest.mark.parametrize("what", ["build", "flow"])
def test_a_slow_step_is_made_once_however_many_want_it(machines: Machines, what: str) -> None:
    machines.start(what)
    wait_for(machines.began)
    for _ in range(2):
        machines.start(what)
    if what == "build":
        # What nobody else makes goes on beside it.
        wait_for(lambda: machines.shared.glob("beside-*"))
    machines.go()
    printed = machines.ended()
    assert len(printed) == 3
    assert len(set(printed)) == 1, "all get what the one made"
    assert machines.began() == 1
    assert machines.began("ask") == (what == "flow")


def test_who_waits_for_a_killed_run_takes_over(machines: Machines) -> None:
    first = machines.start()
    wait_for(machines.began)
    second = machines.start()
    first.kill()
    first.communicate()
    wait_for(lambda: machines.began() == 2)
    machines.go()
    assert len(machines.ended()) == 1
    assert second.returncode == 0


@pytest.mark.parametrize("n_processes", [2, int(os.environ.get("AT_ONCE", "6"))])
def test_processes_that_want_the_same_at_once_make_one_version(
    machines: Machines, n_processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``AT_ONCE=32`` starts 32, which takes a while to start."""
    for _ in range(n_processes):
        machines.start("flow")
    wait_for(machines.began)
    machines.go()
    printed = machines.ended()
    assert len(printed) == n_processes
    assert len(set(printed)) == 1
    for name in ("NACRE_STORE", "AWS_ENDPOINT_URL", *KEYS):
        if name in machines.environ:
            monkeypatch.setenv(name, machines.environ[name])
    sandbox = Sandbox(machines.folder)
    assert len(sandbox.history("demo://slow")) == 1
    assert nacre.load("demo://slow") == printed[0].split()[0]
    leases = [decode(each.data, Lease, each.path) for each in sandbox.workspace.records.scan("leases/")]
    assert {lease.holder for lease in leases} <= {""}, "all were given back"
    sandbox.close()


@pytest.mark.parametrize("what", ["build", "flow"])
def test_where_both_made_it_both_get_what_was_recorded_first(machines: Machines, what: str) -> None:
    """Claims promise nothing: here they are lost while the step goes on."""
    machines.start(what)
    wait_for(machines.began)
    machines.start(what)
    # Again and again: who holds one renews it, and on a busy machine the second starts after that.
    wait_for(lambda: machines.lose_claims() or machines.began() == 2)
    (machines.shared / "go").touch()
    first, second = machines.ended()
    assert first.split()[0] == second.split()[0]


def test_a_failed_step_is_made_by_who_waited_for_it(project: Sandbox) -> None:
    """The holder gives the claim back without a result."""
    module = project.module(
        """
        @materialize("demo://flaky")
        def flaky() -> int:
            calls.append("flaky")
            if world.get("fails"):
                raise ValueError("not now")
            return 1

        @flow
        def once():
            return flaky()
        """
    )
    module.turn(fails=True)
    with pytest.raises(ValueError, match="not now"):
        module.once()
    module.turn(fails=False)
    assert module.once() == 1


OUTRUN = (
    HEAD
    + """
import pathlib, subprocess, sys

@materialize("demo://src")
def src() -> str:
    if not pathlib.Path("theirs.done").exists():
        pathlib.Path("theirs.done").touch()
        subprocess.run([sys.executable, "-m", "nacre", "build", "-m", "theirs.py"], check=True)
    return "ours"

@materialize("demo://below")
def below(src: str) -> str:
    return src + "!"
"""
)


def test_a_step_that_another_run_was_ahead_of_says_so_and_has_no_number(shell: Shell) -> None:
    folder = shell.project.folder
    source = f"{HEAD}@materialize('demo://src')\ndef src() -> str:\n    return 'theirs'\n"
    shell.write(source.replace("theirs", "first"))
    shell("build")
    shell.write(source, "theirs.py")
    shell.write(OUTRUN)
    built = shell("build").stdout
    theirs = shell.project.record("demo://src").run
    for name in ("src", "below"):
        line = next(line for line in built.splitlines() if line.startswith(f"✓ {name} "))
        assert f"superseded by run {theirs[:12]}; " in line
        assert " v2 " not in line
    assert nacre.load("src") == nacre.load("src", at="v2") == "theirs"
    ours = next(run for run in shell.project.runs() if any(each.superseded_by for each in run.steps))
    assert {(each.step, each.seq, each.superseded_by) for each in ours.steps} == {
        ("demo://src", 0, theirs),
        ("demo://below", 0, theirs),
    }
    (folder / "theirs.done").unlink()
    shell.write(source.replace("theirs", "theirs again"), "theirs.py")
    shell.write(OUTRUN.replace('"ours"', '"ours again"'))
    step = next(row for row in shell.rows("build", "src") if row["event"] == "step")
    assert (step["action"], step["version"]) == ("built", 0)
    assert step["superseded_by"] == shell.project.record("demo://src").run != theirs
