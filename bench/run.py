"""Measure nacre against the floor and a peer, in interleaved rounds, and print the tables of docs/performance.md.

CPU seconds (user + system, with all descendants) of whole processes, medians; ratios need no particular machine.
Every round runs each contender once, so a machine that drifts hits them all. Results are checked, and so is how many
assets really ran.

usage: python bench/run.py [import] [cold] [noop] [hashing] [--rounds 5] [--n N]
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SCRIPTS = Path(sysconfig.get_path("scripts"))
GRAPH_PEERS = {"floor": "floor.py", "doit": "peer_doit.py", "nacre": "peer_nacre.py"}
# What no engine above a module of decorated functions gets below: Python, that module, and the engine's own modules.
IMPORTS = "nacre, imports only"
IMPORT_PEERS = {
    "`python -c pass`": [sys.executable, "-c", "pass"],
    "`import json, asyncio`": [sys.executable, "-c", "import json, asyncio"],
    "`import doit.doit_cmd`": [sys.executable, "-c", "import doit.doit_cmd"],
    "`from nacre import flow, materialize`": [sys.executable, "-c", "from nacre import flow, materialize"],
    "`doit --version`": [str(SCRIPTS / "doit"), "--version"],
    "`nacre --version`": [str(SCRIPTS / "nacre"), "--version"],
    "`nacre --help`": [str(SCRIPTS / "nacre"), "--help"],
}


class Sample(NamedTuple):
    """One process: CPU seconds with descendants, wall seconds are left out on purpose, and peak memory."""

    cpu_s: float
    peak_mb: float


def environment() -> dict[str, str]:
    """The person's own, without what would change the figures."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NACRE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # with it every start compiles its imports again
    return kept


def spawn(command: list[str], folder: Path, variables: dict[str, str]) -> Sample:
    """Run one process to its end.

    Raises:
        SystemExit: It failed; its output is shown.
    """
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{log.read_text()[-2_000:]}")
    unit = 1 if sys.platform == "darwin" else 1_024
    return Sample(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1_000_000)


def interleave(contenders: dict[str, Callable[[], Sample]], rounds: int) -> dict[str, Sample]:
    """Run all contenders in turn, once to warm up and then ``rounds`` times; returns medians."""
    taken: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, once in contenders.items():
            sample = once()
            if turn:
                taken[name].append(sample)
    return {
        name: Sample(
            statistics.median(s.cpu_s for s in samples), statistics.median(s.peak_mb for s in samples)
        )
        for name, samples in taken.items()
    }


def modules(command: list[str]) -> int:
    """How many modules a ``python -c`` imports."""
    program = command[2] + "\nimport sys; print(len(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def bench_import(rounds: int, work: Path, _: int | None) -> str:
    """Start-up: what every command and every script pays."""
    contenders = {
        name: (lambda command=command: spawn(command, work, {})) for name, command in IMPORT_PEERS.items()
    }
    medians = interleave(contenders, rounds)
    floor = medians["`import json, asyncio`"].cpu_s
    rows = []
    for name, sample in medians.items():
        command = IMPORT_PEERS[name]
        count = str(modules(command)) if command[1] == "-c" else ""
        rows.append(
            [name, f"{sample.cpu_s:.3f}", f"{sample.cpu_s / floor:.2f}", f"{sample.peak_mb:.0f}", count]
        )
    return table(["start-up", "CPU s", "÷ json + asyncio", "peak MB", "modules"], rows)


class GraphBench:
    """The contenders on one layered graph, each in a folder of its own."""

    def __init__(self, work: Path, n: int) -> None:
        self.work, self.n = work, n

    def once(self, name: str, ran: int, fresh: bool) -> Sample:
        """Build the graph once.

        Args:
            name: The contender.
            ran: How many assets must run, no more and no fewer.
            fresh: Whether to begin with nothing stored.
        """
        folder = self.work / f"{name}-{self.n}"
        script = GRAPH_PEERS.get(name, GRAPH_PEERS["nacre"])
        # A project of its own: what is started lies in it, and so does what that imports.
        command = [sys.executable, script, str(self.n)]
        variables = {"BENCH_SRC": "1", "BENCH_COUNT": str(folder / "count")}
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in (script, "graphs.py"):
                shutil.copy(HERE / file, folder)
            if script == GRAPH_PEERS["nacre"]:
                spawn([*command, "--prepare"], folder, variables)
        if name == IMPORTS:
            command.append("--imports")
        (folder / "count").write_bytes(b"")
        sample = spawn(command, folder, variables)
        counted = (folder / "count").stat().st_size
        if counted != ran:
            raise SystemExit(f"{name}: {counted} assets ran where {ran} should have")
        return sample

    def table(self, medians: dict[str, Sample]) -> str:
        """Write the medians, with their ratios to the floor and the peer."""
        cells = [
            [
                name,
                f"{sample.cpu_s:.3f}",
                f"{sample.cpu_s / medians['floor'].cpu_s:.2f}",
                f"{sample.cpu_s / medians['doit'].cpu_s:.2f}",
                f"{sample.peak_mb:.0f}",
            ]
            for name, sample in medians.items()
        ]
        return table(["", "CPU s", "÷ floor", "÷ doit", "peak MB"], cells)


def bench_cold(rounds: int, work: Path, n: int | None) -> str:
    """A first build: everything runs and is stored."""
    bench = GraphBench(work, n or 961)
    contenders = {name: (lambda name=name: bench.once(name, bench.n, fresh=True)) for name in GRAPH_PEERS}
    contenders[IMPORTS] = lambda: bench.once(IMPORTS, 0, fresh=True)
    return f"Cold build, {bench.n:,} assets in layers\n\n" + bench.table(interleave(contenders, rounds))


def bench_noop(rounds: int, work: Path, n: int | None) -> str:
    """A build with nothing to do, in a new process; nacre looks at its one source, so one asset runs."""
    bench = GraphBench(work, n or 10_000)
    for name in GRAPH_PEERS:
        bench.once(name, bench.n, fresh=True)
    contenders = {
        name: (lambda name=name: bench.once(name, int(name == "nacre"), fresh=False)) for name in GRAPH_PEERS
    }
    bench.once(IMPORTS, 0, fresh=True)
    contenders[IMPORTS] = lambda: bench.once(IMPORTS, 0, fresh=False)
    return f"Nothing to do, {bench.n:,} assets in layers\n\n" + bench.table(interleave(contenders, rounds))


def bench_hashing(rounds: int, work: Path, _: int | None) -> str:
    """Data versions of tables and values, and what they add to writing; in a process that has the libraries."""
    command = [sys.executable, str(HERE / "hashing.py"), "--rounds", str(rounds)]
    done = subprocess.run(command, cwd=work, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.rstrip()


BENCHES = {"import": bench_import, "cold": bench_cold, "noop": bench_noop, "hashing": bench_hashing}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="*", help=f"{', '.join(BENCHES)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n", type=int, help="assets of the graph, a square number")
    given = parser.parse_args()
    if unknown := set(given.what) - BENCHES.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(BENCHES)}")
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, medians of {given.rounds}\n"
    )
    with tempfile.TemporaryDirectory() as work:
        for what in given.what or BENCHES:
            print(BENCHES[what](given.rounds, Path(work), given.n) + "\n", flush=True)


if __name__ == "__main__":
    main()
