"""The golden data versions with other Pythons and other versions of every library, in environments of their own."""

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
ENVIRONMENTS = [line.split()[0] for line in LINES if not line.startswith("#")]
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
