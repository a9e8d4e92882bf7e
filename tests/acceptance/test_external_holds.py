"""External assets that are held: builds and flows leave their files alone, and use the version they are held at."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import nacre
from nacre.curate.checking import check_store
from nacre.errors import CorruptObject
from nacre.project import current_project
from nacre.views.session import Session
from nacre.views.standing import standings
from sandbox import Sandbox

PIPELINE = """
@materialize("demo://total")
def total(rain: Annotated[str, Asset("s3://lake/raw/rain.csv")]) -> int:
    calls.append("total")
    return sum(int(line) for line in rain.splitlines()[1:])

@flow
def week():
    return total()
"""


@pytest.fixture
def lake(project: Sandbox) -> Path:
    lake = project.map("s3://lake", "lake")
    (lake / "raw").mkdir(parents=True)
    return lake


def rolled_back(project: Sandbox, lake: Path, n_lines: int = 1) -> ModuleType:
    """Let a file be good, then bad, be rolled back, and get worse."""
    file = lake / "raw/rain.csv"
    module = project.module(PIPELINE)
    for each in ("1", "2"):
        file.write_text("mm\n" + f"{each}\n" * n_lines)
        project.ran(module)
    nacre.rollback("rain", "v1")
    file.write_text("mm\n" + "3\n" * n_lines)
    return project.edit(module, "sum(", "100 + sum(")


def test_what_is_made_from_a_held_one_is_made_from_the_version_it_is_held_at(
    project: Sandbox, lake: Path
) -> None:
    module = rolled_back(project, lake)
    plan = nacre.plan("*", modules=[module])
    assert (plan["rain"].action, plan["total"].action) == ("reuse", "build")
    assert plan["rain"].reason.startswith("held at v1")
    (lake / "raw/rain.csv").unlink()
    result = project.build(module)
    result.raise_for_failure()
    assert result["rain"].action == "reused"
    assert (result["total"].action, result["total"].version) == ("built", 4)
    assert nacre.load("total") == 101
    assert project.workspace.contents.objects.head(f"logs/{result.id}") is None  # nothing to warn of
    assert project.inputs("demo://total") == {"rain": ("s3://lake/raw/rain.csv", False)}


def test_a_call_in_a_flow_is_made_from_the_held_version_too(project: Sandbox, lake: Path) -> None:
    module = rolled_back(project, lake)
    (lake / "raw/rain.csv").unlink()
    assert module.week() == 101
    assert nacre.load("total") == 101


def test_a_list_says_that_one_is_held(project: Sandbox, lake: Path) -> None:
    module = rolled_back(project, lake)
    standing = {each.asset: each for each in standings(Session((str(module.__file__),)))[0]}
    rain = standing["s3://lake/raw/rain.csv"]
    assert (rain.state, rain.reason[:10]) == ("held", "held at v1")
    assert standing["demo://total"].state == "stale"


def test_a_held_version_whose_bytes_were_not_kept_stops_a_build_before_anything_runs(
    project: Sandbox, lake: Path
) -> None:
    module = rolled_back(project, lake, n_lines=100_000)
    assert nacre.load("total") == 100_000
    n_runs = len(project.runs())
    for go in (lambda: project.build(module), module.week):
        module.calls.clear()
        with pytest.raises(CorruptObject, match="keep_external = true in nacre") as raised:
            go()
        assert "nacre rollback rain --release" in str(raised.value)
        assert module.calls == []
    assert len(project.runs()) == n_runs + 1  # the flow's own, which began before it asked for anything
    assert nacre.load("total") == 100_000
    assert check_store(current_project()).ok


def test_a_held_version_whose_bytes_were_kept_is_read_from_the_store(project: Sandbox, lake: Path) -> None:
    settings = project.folder / "nacre.toml"
    settings.write_text("keep_external = true\n" + settings.read_text())
    project.reopen()
    module = rolled_back(project, lake, n_lines=100_000)
    project.build(module).raise_for_failure()
    assert nacre.load("total") == 100_100
