"""The golden data versions, and the suites, with other Pythons and library versions, in environments of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LANE = ROOT / ".lanes" / "versions"
CASES = ROOT / "tests" / "golden" / "data_versions.py"
GOLDEN: dict[str, str] = json.loads(CASES.with_suffix(".json").read_text("utf-8"))
LINES = (Path(__file__).parent / "environments.txt").read_text("utf-8").splitlines()
_NAMES = [line.split()[0] for line in LINES if not line.startswith("#")]
ENVIRONMENTS = [name for name in _NAMES if not name.startswith("suites-")]
PYTHONS = [name for name in _NAMES if name.startswith("suites-")]
#: What needs dbt, Streamlit or the ATProto SDK, which the newest Pythons do not all have.
NOT_THERE = ("test_dbt", "test_bluesky", "test_bluesky_on_s3", "test_dashboard", "test_quickstart")
#: What the oldest Arrow does not have: half floats to be made from floats, and views.
MAY_LACK = {"arrow half", "arrow view", "unordered half", "unordered view"}


@pytest.mark.parametrize("seed", ["0", "1"])
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_other_versions_find_the_golden_data_versions(name: str, seed: str) -> None:
    python = LANE / name / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [str(python), str(CASES)], env=environment, capture_output=True, check=True, text=True
    )
    said = json.loads(done.stdout)
    found: dict[str, str] = said["digests"]
    assert {case: digest for case, digest in found.items() if digest != GOLDEN[case]} == {}
    missing = set(GOLDEN) - set(found)
    changed = {case for case in missing if case.startswith("pandas inferred times")}
    assert len(changed) == 1
    assert missing - changed <= MAY_LACK
    versions = ", ".join(f"{library} {version}" for library, version in said["versions"].items())
    print(f"{name}, seed {seed}: {len(found)} of {len(GOLDEN)} data versions as golden ({versions})")


@pytest.mark.parametrize("name", PYTHONS)
def test_the_suites_pass_on_other_pythons(name: str) -> None:
    python = LANE / name / "bin" / "python"
    left_out = [f"--ignore=tests/acceptance/{each}.py" for each in NOT_THERE]
    suites = ["tests/unit", "tests/property", "tests/contract", "tests/acceptance", *left_out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    # From 3.13 on SQLite tells of connections that tests leave to the garbage collector, at whatever test it runs in.
    quiet = ["-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
    command = [str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *quiet, *suites]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5_000:]
    print(f"{name}: {done.stdout.splitlines()[-1]}")
