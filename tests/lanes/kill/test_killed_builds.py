"""Builds ended by kill -9 at random moments: what was reported stays done, and the store stays whole.

``NACRE_KILLS`` says how often processes are killed in the whole lane (2,000 by default), of which one in forty here. A
step counts as finished once its line is printed, so no step printed before a kill may ever run again.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import sqlite3
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path

N_KILLS = -(-int(os.environ.get("NACRE_KILLS", "2000")) // 40)
LAYERS, WIDTH = 4, 6
NACRE = str(Path(sysconfig.get_path("scripts")) / "nacre")
NAMES = [f"a{layer}{i}" for layer in range(LAYERS) for i in range(WIDTH)]

HEAD = """
import hashlib
import os

from nacre.assets import materialize
from nacre.cache_policies import INPUTS


def work(name, upstream):
    digest = name.encode()
    for _ in range(10_000):
        digest = hashlib.sha256(digest).digest()
    trace = os.open("trace", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(trace, name.encode() + b"\\n")
    os.close(trace)
    # Every other value is too large for a record, so it becomes an object.
    return {"sum": 1 + sum(u["sum"] for u in upstream), "pad": digest.hex() * (2_000 if name[-1] in "135" else 1)}
"""


def source() -> str:
    """Each asset is made of two of the layer before; sources are reusable, so that no step runs without need."""
    parts = [HEAD]
    for layer in range(LAYERS):
        for i in range(WIDTH):
            name, upstream = (
                f"a{layer}{i}",
                [f"a{layer - 1}{(i + k) % WIDTH}" for k in range(2)] if layer else [],
            )
            policy = "" if layer else ", cache_policy=INPUTS"
            signature = ", ".join(f"{u}: dict" for u in upstream)
            parts.append(f'\n\n@materialize("kill://{name}"{policy})\ndef {name}({signature}) -> dict:\n')
            parts.append(f'    return work("{name}", [{", ".join(upstream)}])\n')
    return "".join(parts)


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pipeline.py").write_text(source())
    (folder / "nacre.toml").touch()
    (folder / "printed").touch()
    return folder


def start(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "printed").open("ab") as out:
        return subprocess.Popen(
            [NACRE, "build", *NAMES[-WIDTH:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def finish(folder: Path) -> None:
    process = start(folder)
    assert process.wait(timeout=120) == 0, (folder / "printed").read_text()


def reported(folder: Path) -> set[str]:
    """The steps whose line was printed whole, as built."""
    lines = (folder / "printed").read_text().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n") and ("built" in line or "✓" in line)]
    return {name for line in whole for name in re.findall(r"\ba\d\d\b", line)[:1]}


def executions(folder: Path) -> Counter[str]:
    trace = folder / "trace"
    return Counter(trace.read_text().split() if trace.exists() else [])


def assert_the_database_is_whole(folder: Path) -> None:
    for path in (folder / ".nacre").rglob("*"):
        if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3":
            connection = sqlite3.connect(path)
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
            connection.close()


def assert_every_value_is_right(folder: Path) -> None:
    """Loaded in a process of its own; digests are verified on every read."""
    right = {name: 2 ** (int(name[1]) + 1) - 1 for name in NAMES}
    program = f"import nacre; print({{n: nacre.load('kill://' + n)['sum'] for n in {NAMES}}})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(right)


def assert_none_ran_again(done: set[str], before: Counter[str], after: Counter[str]) -> None:
    again = {name for name in done if after[name] > before[name]}
    assert not again, f"reported as built, and yet run again: {sorted(again)}"


def is_killed_after(limit_s: float, process: subprocess.Popen[bytes]) -> bool:
    """Give a process its time, then kill it; False when it had finished."""
    try:
        process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def test_a_build_killed_at_any_moment_is_resumed_and_nothing_is_corrupt(tmp_path: Path) -> None:
    finish(project(tmp_path / "first"))  # compiles what later starts find compiled
    begun = time.monotonic()
    finish(project(tmp_path / "second"))
    whole_s = time.monotonic() - begun
    chance = random.Random(20_261_122)
    kills = n_reported = 0
    for number in itertools.count():
        if kills >= N_KILLS:
            break
        folder = project(tmp_path / f"build-{number}")
        before = kills
        for limit_s in [chance.uniform(0.2, 1.0) * whole_s for _ in range(3)]:
            done, counts = reported(folder), executions(folder)
            kills += is_killed_after(limit_s, start(folder))
            assert_the_database_is_whole(folder)
            assert_none_ran_again(done, counts, executions(folder))
        done, counts = reported(folder), executions(folder)
        n_reported += len(done)
        finish(folder)
        assert_none_ran_again(done, counts, executions(folder))
        counts = executions(folder)
        assert all(1 <= counts[name] <= 1 + kills - before for name in NAMES)
        finish(folder)
        assert executions(folder) == counts
        assert_every_value_is_right(folder)
    print(f"{kills} kills, {n_reported} steps had been reported before one")
    assert n_reported > 0
