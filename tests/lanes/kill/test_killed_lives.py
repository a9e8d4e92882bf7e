"""Processes on one store, killed at random, at each system call, and failed at each: nothing is lost or damaged.

``NACRE_KILLS`` says how many are killed at random (2,000 by default): seven of ten on a disk, the others on a bucket.
What was done how often is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from buckets import KEYS, Service

N_KILLS = int(os.environ.get("NACRE_KILLS", "2000"))
HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def said(folder: Path, script: str, *arguments: str, **environ: str) -> dict[str, Any]:
    """Run one of the programs beside this file to its end; what it counted."""
    environ = {
        **os.environ,
        "NACRE_QUIET": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # what is compiled is no concern of the store
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        "NACRE_STORE": str(folder / "store"),
        "NACRE_PLACES": f"s3://lake={folder / 'lake'}",
        **environ,
    }
    with open(folder / "errors", "w+", encoding="utf-8") as errors:
        done = subprocess.run(
            [sys.executable, str(HERE / script), str(folder), *arguments],
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        errors.seek(0)
        assert done.returncode == 0, "".join(errors.readlines()[-60:])
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{script} {' '.join(arguments)}: {counts}")
    return counts


def test_processes_killed_at_random_on_a_disk_lose_and_damage_nothing(tmp_path: Path) -> None:
    n_kills = -(-N_KILLS * 7 // 10)
    counts = said(tmp_path, "lives.py", str(n_kills), "20261130")
    assert counts["kills"] == n_kills
    assert counts["reported"]


def test_processes_killed_at_random_on_a_bucket_lose_and_damage_nothing(
    tmp_path: Path, s3_service: Service
) -> None:
    bucket = s3_service.new_bucket()
    n_kills = -(-N_KILLS * 3 // 10)
    places = {"NACRE_STORE": f"s3://{bucket}/store", "NACRE_PLACES": f"s3://lake=s3://{bucket}/lake"}
    endpoint = {**KEYS, "AWS_ENDPOINT_URL": s3_service.endpoint}
    counts = said(tmp_path, "lives.py", str(n_kills), "20261201", **places, **endpoint)
    assert counts["kills"] == n_kills


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
def test_a_build_ended_or_failed_at_any_system_call_loses_and_damages_nothing(tmp_path: Path) -> None:
    counts = said(tmp_path, "syscalls.py")
    assert counts["killed"].keys() == counts["calls"].keys()
    assert sum(counts["failed"].values()) > 100
