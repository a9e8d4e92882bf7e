"""The golden data versions: the same in this process, in others with other hash seeds, and as once written down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from golden import data_versions

FOLDER = Path(data_versions.__file__).parent
GOLDEN: dict[str, str] = json.loads((FOLDER / "data_versions.json").read_text("utf-8"))
FOUND = data_versions.data_versions()


@pytest.mark.parametrize("name", FOUND)
def test_a_golden_data_version_never_changes(name: str) -> None:
    assert FOUND[name] == GOLDEN[name]


def test_every_golden_data_version_is_of_a_case() -> None:
    others = {name for name in GOLDEN if name.rpartition(",")[0] in data_versions.CHANGED}
    assert set(GOLDEN) - set(FOUND) == others - set(FOUND)


def test_different_golden_values_differ() -> None:
    same = [{"arrow table", "arrow chunks"}, {"arrow string", "arrow large", "arrow view"}]
    same += [{"unordered string", "unordered large", "unordered view"}, {"polars frame", "polars lazy"}]
    by_digest: dict[str, set[str]] = {}
    for name, digest in GOLDEN.items():
        by_digest.setdefault(digest, set()).add(name)
    assert [names for names in by_digest.values() if len(names) > 1 and names not in same] == []


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_and_hash_seed_find_the_same(seed: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed}
    command = [sys.executable, data_versions.__file__]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert json.loads(done.stdout)["digests"] == FOUND
