"""What acceptance tests get beside the project: a shell in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from sandbox import Sandbox
from shell import SHOP, Shell


@pytest.fixture
def shell(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    shell = Shell(project)
    shell.write(SHOP)
    yield shell
    shell.forget()
