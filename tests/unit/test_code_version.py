"""Edits to a small project: which of them give a function another code version, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from code_project import Project
from identity_edits import EDITS, Edit
from identity_project import FILES
from nacre.version.code import CodeIdentity


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> CodeIdentity:
    with Project(tmp_path_factory.mktemp("baseline"), FILES) as project:
        return project.identify("pipeline", "report")


@pytest.mark.parametrize("edit", EDITS, ids=[edit.claim for edit in EDITS])
def test_an_edit_gives_another_code_version_only_where_it_matters(
    edit: Edit, tmp_path: Path, baseline: CodeIdentity
) -> None:
    """Each row of the acceptance table: must it run again?"""
    with Project(tmp_path, edit.applied()) as project:
        edited = project.identify("pipeline", "report")
    assert (edited.digest == baseline.digest) == (not edit.reason)
    if edit.reason:
        assert set(edited.parts) != set(baseline.parts)
