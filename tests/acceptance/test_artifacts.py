"""Artifacts: what a person looks at, stored, versioned per key, and kept when its file is gone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import nacre
from nacre.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from nacre.errors import InvalidKey, InvalidOption, UsageError
from nacre.project import current_project
from sandbox import Sandbox

WEEK = """
from nacre.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact

@materialize("asset://week")
def week():
    create_markdown_artifact("# Week 1", key="week", description="the week")
    return 1

@flow
def report():
    create_markdown_artifact("from the flow")
    week()
"""


def test_an_artifact_belongs_to_its_run_step_and_asset(project: Sandbox) -> None:
    project.module(WEEK).report()
    loose, week = project.artifacts()
    (run,) = project.runs()
    assert (week.kind, week.data, week.key, week.description) == ("markdown", "# Week 1", "week", "the week")
    assert (week.run, week.asset) == (run.id, "asset://week")
    assert week.step
    assert (loose.run, loose.step, loose.asset, loose.key) == (run.id, "", "", "")


def test_every_creation_is_a_version_of_its_key(project: Sandbox) -> None:
    module = project.module(WEEK)
    project.build(module)
    project.clock.advance(60)
    project.build(module)
    first, second = project.artifacts()
    assert first.key == second.key == "week"
    assert first.created_at < second.created_at


def test_what_is_reused_makes_no_artifact_again(project: Sandbox) -> None:
    module = project.module(
        WEEK.replace('"asset://week"', '"asset://week", cache_policy=nacre.cache_policies.INPUTS').replace(
            "from nacre.artifacts", "import nacre.cache_policies\nfrom nacre.artifacts", 1
        )
    )
    project.build(module)
    project.build(module)
    assert len(project.artifacts()) == 1


def test_outside_a_run_an_artifact_is_kept_with_a_warning(
    project: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    identifier = create_markdown_artifact("alone", key="alone")
    (artifact,) = project.artifacts()
    assert (artifact.id, artifact.run) == (identifier, "")
    assert "outside a run" in caplog.text


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ({"day": ["mo", "tu"], "mm": [1.5, math.nan]}, [{"day": "mo", "mm": 1.5}, {"day": "tu", "mm": None}]),
        ({"day": ["mo", "tu"], "mm": [1]}, [{"day": "mo", "mm": 1}, {"day": "tu", "mm": None}]),
        ([{"a": 1}, {"a": math.inf}], [{"a": 1}, {"a": None}]),
        ([["a", 1], ["b", [math.nan]]], [["a", 1], ["b", [None]]]),
        ([], []),
        ([{"a": Path("x")}], [{"a": "x"}]),
    ],
)
def test_a_table_is_columns_or_rows(project: Sandbox, table: object, rows: object) -> None:
    create_table_artifact(table, key="table")  # type: ignore[arg-type]
    (artifact,) = project.artifacts()
    assert artifact.kind == "table"
    assert json.loads(artifact.data) == rows


def test_a_table_of_something_else_is_refused(project: Sandbox) -> None:
    with pytest.raises(InvalidOption, match="a DataFrame converts with"):
        create_table_artifact("a,b")  # type: ignore[arg-type]


def test_a_link_may_have_a_text(project: Sandbox) -> None:
    create_link_artifact("https://example.org/x", key="a")
    create_link_artifact("https://example.org/x", "the page", key="b")
    assert [artifact.data for artifact in project.artifacts()] == [
        "[https://example.org/x](https://example.org/x)",
        "[the page](https://example.org/x)",
    ]


def test_the_file_of_an_image_is_kept(project: Sandbox) -> None:
    file = project.folder / "rain map.png"
    file.write_bytes(b"\x89PNG picture")
    create_image_artifact(str(file), key="map")
    create_image_artifact(file.as_uri(), key="map-2")
    file.unlink()
    for artifact in project.artifacts():
        assert artifact.media_type == "image/png"
        with project.workspace.contents.objects.get(artifact.object) as kept:
            assert kept.read() == b"\x89PNG picture"


def test_the_address_of_an_image_is_only_named(project: Sandbox) -> None:
    create_image_artifact("https://example.org/map.png", key="map")
    (artifact,) = project.artifacts()
    assert (artifact.data, artifact.object) == ("https://example.org/map.png", "")


def test_an_image_that_is_not_there_is_named(project: Sandbox) -> None:
    with pytest.raises(UsageError, match="The image cannot be read") as raised:
        create_image_artifact("nowhere.png")
    assert "nowhere.png" in str(raised.value)
    assert project.artifacts() == []


def test_progress_moves_on(project: Sandbox) -> None:
    identifier = create_progress_artifact(10, key="load", description="loading")
    project.clock.advance(5)
    update_progress_artifact(identifier, 55.5)
    (artifact,) = project.artifacts()
    assert (artifact.data, artifact.description) == ("55.5", "loading")
    assert artifact.updated_at == project.clock.now()
    update_progress_artifact(identifier, 250, description="done")
    (artifact,) = project.artifacts()
    assert (artifact.data, artifact.description) == ("100", "done")


def test_progress_is_clamped_and_must_be_a_number(project: Sandbox) -> None:
    create_progress_artifact(-3, key="a")
    assert project.artifacts()[0].data == "0"
    for wrong in ("half", None, True, math.nan):
        with pytest.raises(InvalidOption, match="progress must be a number"):
            create_progress_artifact(wrong)  # type: ignore[arg-type]


def test_only_progress_can_be_updated(project: Sandbox) -> None:
    identifier = create_markdown_artifact("text")
    with pytest.raises(UsageError, match="Only a progress artifact can be updated"):
        update_progress_artifact(identifier, 1)
    with pytest.raises(UsageError, match="There is no such artifact"):
        update_progress_artifact("none", 1)


def test_a_bad_key_stores_nothing(project: Sandbox) -> None:
    with pytest.raises(InvalidKey, match='did you mean "my-week"'):
        create_markdown_artifact("x", key="My Week")
    assert project.artifacts() == []


def test_artifacts_of_a_build_lie_in_the_store_of_the_build(
    project: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline of another project, built from here, leaves nothing here."""
    project.module(
        """
        from nacre.artifacts import create_markdown_artifact
        @materialize("asset://report")
        def report() -> str:
            create_markdown_artifact("# hello", key="hello")
            return "done"
        """,
        name="elsewhere_pipeline",
    )
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    (tmp_path / "elsewhere_pipeline.py").rename(elsewhere / "elsewhere_pipeline.py")
    (elsewhere / "nacre.toml").touch()
    project.forget_modules()
    monkeypatch.delenv("NACRE_STORE")
    monkeypatch.chdir(here)
    assert nacre.build("report", modules=[elsewhere / "elsewhere_pipeline.py"]).ok
    assert not list(here.iterdir())
    catalog = current_project(str(elsewhere)).workspace().catalog
    assert [(found.key, found.asset) for found in catalog.artifacts()] == [("hello", "asset://report")]
