"""What a store and a place in a bucket must do from end to end, on whichever service the bucket is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Protocol

import pytest

import nacre
from sandbox import Sandbox

PIPELINE = """
@materialize("demo://numbers")
def numbers() -> list:
    calls.append("numbers")
    return [1, 2, 3]

@materialize("demo://large")
def large(numbers: list) -> bytes:
    calls.append("large")
    return bytes(numbers) * 50_000

@materialize("{url}/out/total.json")
def total(numbers: list, large: bytes) -> int:
    calls.append("total")
    return sum(numbers) + len(large)
"""
BUILDER = """
import sys, nacre
sys.dont_write_bytecode = True
from nacre import materialize

@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

def asset(n):
    @materialize(f"demo://part/p{n}")
    def part(numbers: list) -> dict:
        return {"n": n, "sum": sum(numbers)}
    return part

parts = [asset(n) for n in range(8)]

if __name__ == "__main__":
    result = nacre.build("*", modules=["pipeline.py"])
    result.raise_for_failure()
"""


class AnyLake(Protocol):
    """A bucket that one test has to itself, as a program that does not know nacre sees it."""

    @property
    def url(self) -> str: ...

    def names(self) -> list[str]: ...

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, data: bytes) -> None: ...


class CloudStory:
    """Stories of a project whose store and places are in one bucket; a subclass makes the bucket."""

    lake: AnyLake

    @pytest.fixture
    def sandbox(self, project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
        monkeypatch.setenv("NACRE_STORE", f"{self.lake.url}/team")
        project.reopen()
        return project

    @pytest.fixture
    def other(self, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        """Another project directory, as on another machine, that shares nothing but the bucket."""
        other = Sandbox(tmp_path_factory.mktemp("other"))
        yield other
        other.close()
        other.forget_modules()

    def test_what_is_built_is_reused_here_and_elsewhere_and_lies_at_its_key(
        self, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = sandbox.module(PIPELINE.replace("{url}", self.lake.url), "pipe_clouds")
        assert set(actions(sandbox.build(module)).values()) == {"built"}
        assert json.loads(self.lake.read("out/total.json")) == 150_006
        sandbox.reopen()
        assert actions(sandbox.build(module)) == {"numbers": "checked", "large": "reused", "total": "reused"}
        sandbox.close()
        monkeypatch.chdir(other.folder)
        other.reopen()
        shutil.copy(str(module.__file__), other.folder)
        same = other.module(PIPELINE.replace("{url}", self.lake.url), "pipe_clouds")
        assert actions(other.build(same)) == {"numbers": "checked", "large": "reused", "total": "reused"}
        assert same.calls == ["numbers"]
        assert nacre.load("demo://large") == bytes([1, 2, 3]) * 50_000
        assert len(other.history(f"{self.lake.url}/out/total.json")) == 1
        areas = {"/".join(name.split("/")[:3]) for name in self.lake.names() if name.startswith("team/")}
        assert {"team/records/format", "team/records/ac", "team/records/heads", "team/objects/data"} <= areas

    def test_what_changed_is_a_new_version_and_replaces_the_file(self, sandbox: Sandbox) -> None:
        module = sandbox.module(PIPELINE.replace("{url}", self.lake.url))
        sandbox.build(module)
        sandbox.build(sandbox.edit(module, "[1, 2, 3]", "[1, 2, 4]"))
        assert len(sandbox.history(f"{self.lake.url}/out/total.json")) == 2
        assert json.loads(self.lake.read("out/total.json")) == 150_007

    def test_a_file_that_others_changed_is_put_back(self, sandbox: Sandbox) -> None:
        module = sandbox.module(PIPELINE.replace("{url}", self.lake.url))
        sandbox.build(module)
        self.lake.write("out/total.json", b"0")
        assert "published again" in sandbox.build(module)["total"].reason
        assert json.loads(self.lake.read("out/total.json")) == 150_006

    def test_builders_at_the_same_time_do_not_corrupt_each_other(
        self, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        processes = []
        for n in range(2):
            machine = Sandbox.__new__(Sandbox)
            machine.folder = tmp_path_factory.mktemp(f"machine{n}")
            (machine.folder / "pipeline.py").write_text(BUILDER)
            processes.append(machine.python("pipeline.py"))
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        heads = sandbox.workspace.catalog.heads("default")
        assert [row.seq for row in heads] == [1] * 9, "the same content moves a head once"
        assert nacre.load("demo://part/p3") == {"n": 3, "sum": 6}
        assert [run.state for run in sandbox.runs()] == ["completed"] * 2


def actions(result: nacre.RunResult) -> dict[str, str]:
    return {step.name: "checked" if step.checked else step.action for step in result.steps}
