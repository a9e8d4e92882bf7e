"""A project that publishes, in the default environment and in others: what the tests of environments share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from buckets import Lake
from nacre import project as roots
from nacre.curate.promoting import PromoteResult, promote_versions
from nacre.store.codec import decode
from nacre.store.paths import head_path
from nacre.store.records import Head
from sandbox import Sandbox

PIPELINE = """
world.update(rain=[1, 2])

@materialize("s3://lake/raw/rain.json")
def rain() -> list:
    calls.append("rain")
    return world["rain"]

@materialize("s3://lake/sums/total.json")
def total(rain: list) -> int:
    calls.append("total")
    return sum(rain)

@materialize("demo://report")
def report(total: int) -> str:
    calls.append("report")
    return f"{total} mm"
"""
RAIN, TOTAL, REPORT = "s3://lake/raw/rain.json", "s3://lake/sums/total.json", "demo://report"
Use = Callable[[str], None]


@pytest.fixture(params=["embedded", pytest.param("bucket", marks=pytest.mark.whole)])
def home(request: pytest.FixtureRequest, project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A project whose values are published to a folder, with its store in a folder or in a bucket."""
    if request.param == "bucket":
        lake: Lake = request.getfixturevalue("lake")
        monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.map("s3://lake", "lake")
    return project


@pytest.fixture
def use(home: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Go on in another environment, as the next process would."""

    def use(env: str) -> None:
        monkeypatch.setenv("NACRE_ENV", env)
        home.reopen()

    return use


def promote(source: str, target: str, *select: str, **options: bool) -> PromoteResult:
    return promote_versions(roots.current_project(), source, target, select, **options)  # type: ignore[arg-type]  # flags


def heads(env: str) -> dict[str, tuple[int, str]]:
    workspace = roots.current_project().in_environment(env, creates=False)
    rows = workspace.catalog.heads(workspace.env)
    return {row.asset: (row.seq, row.base) for row in rows}


def record(env: str, asset: str) -> Head | None:
    path = head_path(env, asset)
    stored = roots.current_project().workspace().records.get(path)
    return decode(stored.data, Head, path) if stored else None


def files(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): json.loads(path.read_text())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def settings(home: Sandbox, text: str) -> None:
    with open(home.folder / "nacre.toml", "a", encoding="utf-8") as file:
        file.write(text)


def begin(home: Sandbox, use: Use) -> ModuleType:
    """Build in default, then edit one asset and build it in dev."""
    module = home.module(PIPELINE)
    home.build(module).raise_for_failure()
    module = home.edit(module, "return sum(rain)", "return 10 * sum(rain)")
    use("dev")
    home.build(module).raise_for_failure()
    return module
