"""How far a reader has to go: the own files and functions a warm run of two assets passes through.

The budgets are of shape, not of time, so they hold on any machine. Generated code (``<string>``) is not counted.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType, ModuleType

import pytest

import nacre

PACKAGE = str(Path(nacre.__file__).parent) + "/"
# The folders of the design alone make 30 files on this path. Slots, arguments, slices, publishing (two files), what is
# stored and the journal of a run add one each: each is smaller than the file it would otherwise have made too large.
# What a step reads besides its inputs adds one more file and four functions, without which a file it opens could change
# and nobody would know. The settings of a recipe are one more: one place that was three, with two functions fewer.
# The paths of records and the commits of a run are files of their own: what they were part of had outgrown its budget.
# Each brings a constructor and what reaches it: four functions. Environments, files of others and single flight are
# asked for once a run: four. What is stored of a source that brought the same is looked at, so that damage is mended:
# one file more. Links in the names of modules are followed a folder at a time, which is one function and saves the disk
# thousands of questions. What a run knows of the world and what comes of its steps are files of their own, beside its
# life; what is said of a step that was taken went with the latter. So that is one file more, and a function fewer.
# Whether a head cannot be read is asked once a run, and of each record whether it is the one that its path names: a
# machine took what was before, and one record for another, silently. Whether bytes that an unchanged value would name
# again are there is one more: a head pointed into the void.
TARGET_FILES, HARD_FILES = 20, 44
TARGET_FUNCTIONS, HARD_FUNCTIONS = 150, 239
TARGET_CALLS, HARD_CALLS = 800, 1_200
MAX_FRAMES = 4

PIPELINE = """
import sys
from nacre.assets import materialize

frames = []

@materialize("asset://first")
def first() -> dict:
    frame = sys._getframe(1)
    frames.clear()
    while frame is not None:
        frames.append(frame.f_code)
        frame = frame.f_back
    return {"rows": [1, 2, 3]}

@materialize("asset://second")
def second(first: dict) -> int:
    return sum(first["rows"])
"""


class Hops:
    """Counts calls of the package's own functions while active, in all threads."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()

    def _seen(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE) and code.co_name != "<module>":
            self.calls[code.co_filename.removeprefix(PACKAGE), code.co_qualname] += 1

    def __enter__(self) -> Hops:
        threading.setprofile(self._seen)
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    @property
    def files(self) -> set[str]:
        return {file for file, _ in self.calls}


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Two assets, the second made of the first, in a project of their own."""
    file = tmp_path / "pipeline.py"
    file.write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NACRE_STORE", str(tmp_path / ".nacre"))
    spec = importlib.util.spec_from_file_location("hops_pipeline", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "hops_pipeline", module)
    spec.loader.exec_module(module)
    return module


def test_a_warm_run_of_two_assets_passes_through_few_files_and_functions(pipeline: ModuleType) -> None:
    cold = nacre.build("asset://second", modules=[pipeline])
    assert [step.action for step in cold.steps] == ["built", "built"]
    with Hops() as hops:
        warm = nacre.build("asset://second", modules=[pipeline])
    assert warm.steps[-1].action == "reused"
    n_files, n_functions, n_calls = len(hops.files), len(hops.calls), hops.calls.total()
    found = (
        f"{n_files} files (target {TARGET_FILES}), {n_functions} functions (target {TARGET_FUNCTIONS}), "
        f"{n_calls} calls (target {TARGET_CALLS})\n"
        + "\n".join(f"  {file}: {name}" for file, name in sorted(hops.calls))
    )
    print(found)  # shown by `pytest -rP`
    assert 0 < n_files <= HARD_FILES, found
    assert n_functions <= HARD_FUNCTIONS, found
    assert n_calls <= HARD_CALLS, found


def test_few_frames_stand_above_the_function_of_the_user(pipeline: ModuleType) -> None:
    """Between the line that asked for a build and the function that runs: what a traceback could show."""
    nacre.build("asset://second", modules=[pipeline])
    own = [
        f"{code.co_filename.removeprefix(PACKAGE)}: {code.co_qualname}"
        for code in pipeline.frames
        if code.co_filename.startswith(PACKAGE)
    ]
    print("\n".join(own))
    assert 0 < len(own) <= MAX_FRAMES, own
