"""What acceptance tests get beside the project: a shell in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from sandbox import Sandbox
from shell import SHOP, Shell

ROW = """
@materialize("demo://raw")
def raw() -> list:
    calls.append("raw")
    return list(range(world.get("n", 1)))

@materialize("demo://posts")
def posts(raw: list) -> list:
    calls.append("posts")
    return [n * 10 for n in raw]

@materialize("demo://report")
def report(posts: list) -> int:
    calls.append("report")
    return sum(posts)

@materialize("demo://mail")
def mail(report: int) -> str:
    calls.append("mail")
    return f"sum {report}"

@flow
def daily():
    return mail(report(posts(raw())))
"""


@pytest.fixture
def shell(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    shell = Shell(project)
    shell.write(SHOP)
    yield shell
    shell.forget()


@pytest.fixture
def pipe(project: Sandbox) -> ModuleType:
    """Four assets in a row, each with three versions, of one, two and three rows."""
    module = project.module(ROW)
    for n in (1, 2, 3):
        module.turn(n=n)
        project.build(module).raise_for_failure()
        project.clock.advance(3600)
    module.calls.clear()
    return module
