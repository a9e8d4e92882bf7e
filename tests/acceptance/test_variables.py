"""P2: environment variables that code looks up count as what it reads; secrets by their names only."""

from __future__ import annotations

from types import ModuleType

import pytest

import nacre
from sandbox import Sandbox


def reason(module: ModuleType, asset: str) -> str:
    return str(nacre.plan("*", modules=[module], reuse_sources=True)[asset].reason)


VARIABLES = """
import os
from os import environ

@materialize("asset://raw")
def raw():
    calls.append("raw")
    return os.environ["RAIN"]

def unit():
    return os.getenv("UNIT", "mm")

@materialize("asset://report")
def report(raw):
    calls.append("report")
    return f"{raw} {unit()} {environ.get('REGION')} {os.environ.get('API_TOKEN')}"
"""


def test_a_variable_that_code_looks_up_by_its_name_counts(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAIN", "3")
    module = project.module(VARIABLES)
    assert project.ran(module) == ["raw", "report"]
    assert project.ran(module) == ["raw"]
    monkeypatch.setenv("UNIT", "inch")
    assert reason(module, "report") == "env UNIT, read by it, changed"
    assert project.ran(module) == ["raw", "report"]
    monkeypatch.setenv("REGION", "eu")
    assert project.ran(module) == ["raw", "report"]
    assert nacre.load("asset://report") == "3 inch eu None"
    monkeypatch.delenv("REGION")
    assert project.ran(module) == ["raw"]  # made before


def test_a_secret_variable_counts_by_its_name_only(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAIN", "3")
    module = project.module(VARIABLES)
    project.ran(module)
    monkeypatch.setenv("API_TOKEN", "a new one")
    assert project.ran(module) == ["raw"]
    assert "env API_TOKEN" not in project.record("asset://report").recipe


def test_a_source_looks_at_its_variables_anyway(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAIN", "3")
    module = project.module(
        "import os\n" + '@materialize("asset://raw")\ndef raw():\n    return len(os.environ["RAIN"])\n'
    )
    project.build(module)
    monkeypatch.setenv("RAIN", "4")
    project.build(module)
    assert len(project.history("asset://raw")) == 1


def test_an_ignored_variable_does_not_count(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    module = project.module("""
import os

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report", ignore=[nacre.Env("LOG_LEVEL")])
def report(raw):
    calls.append("report")
    return os.environ.get("LOG_LEVEL", "")
""")
    assert project.ran(module) == ["report"]
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert project.ran(module) == []


def test_a_variable_looked_up_by_a_computed_name_is_warned_of(project: Sandbox) -> None:
    module = project.module("""
import os

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report")
def report(raw):
    return os.environ.get("A" + str(raw))
""")
    (warning,) = nacre.plan("*", modules=[module])["report"].warnings
    assert "uses variables whose names it computes" in warning


def test_a_flow_and_a_build_count_the_same_variables(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAIN", "3")
    module = project.module(
        VARIABLES
        + """
@flow
def daily():
    return report(raw())
"""
    )
    assert project.ran(module) == ["raw", "report"]
    module.calls.clear()
    assert module.daily() == "3 mm None None"
    assert module.calls == ["raw"]
    monkeypatch.setenv("UNIT", "inch")
    assert module.daily() == "3 inch None None"
