"""``nacre doctor``: what a project rests on, each with what to do about it; values of secrets are never told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.sandbox import Sandbox

from nacre import project as roots
from nacre.cli.main import cli
from nacre.curate.doctor import Level, examine

ONE = """
    @materialize("asset://one")
    def one(): return 1
"""


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, ["doctor", *arguments])
    assert "Traceback" not in done.output
    return done


def lines(project: Sandbox, **environ: str) -> dict[str, tuple[Level, str, str]]:
    found = examine(roots.current_project(), environ)
    return {each.what: (each.level, each.text, each.hint) for each in found}


def test_a_project_without_a_store_is_well_and_is_given_none(project: Sandbox) -> None:
    done = run()
    assert done.exit_code == 0
    assert "nothing stored yet" in done.output
    assert not project.store.exists()


def test_a_store_is_tried_out_and_left_as_it_was(project: Sandbox) -> None:
    project.build(project.module(ONE))
    before = [stored.path for stored in project.workspace.records.scan("")]
    found = lines(project)
    assert found["conditional writes"] == (Level.OK, "kept", "")
    assert [stored.path for stored in project.workspace.records.scan("")] == before


def test_a_damaged_store_fails_and_says_what_to_do(project: Sandbox) -> None:
    project.build(project.module(ONE))
    project.close()
    (project.store / "records.sqlite").write_bytes(b"no database at all" * 1_000)
    project.reopen()
    done = run("--json")
    assert done.exit_code == 1
    failed = [json.loads(line) for line in done.output.splitlines() if '"fail"' in line]
    assert [each["what"] for each in failed] == ["store"]
    assert "restore" in failed[0]["hint"]


def test_a_place_that_cannot_be_written_fails(project: Sandbox) -> None:
    folder = project.map("s3://lake", "lake")
    folder.write_text("a file in the way")
    level, text, _ = lines(project)[f"place {os.path.realpath(folder)}"]
    assert level is Level.FAIL
    assert text


def test_a_place_where_only_files_of_others_lie_need_not_be_written(project: Sandbox) -> None:
    partner, own = project.folder / "partner", project.folder / "own"
    places = '[places]\n"s3://partner" = "./partner"\n"s3://part" = "./own"\n'
    (project.folder / "nacre.toml").write_text(places)
    project.reopen()
    partner.mkdir()
    (partner / "rain.csv").write_text("1")
    project.build(
        project.module("""
        @materialize("demo://n")
        def n(rain: Annotated[str, Asset("s3://partner/rain.csv")]) -> int:
            return int(rain)
        """)
    ).raise_for_failure()
    found = lines(project)
    places = [each.text for each in examine(roots.current_project(), {}) if each.what == "place"]
    assert places == [os.path.realpath(own)]
    assert found[f"file {os.path.realpath(partner)}/rain.csv"][1] == "made by others; it can be seen"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush"}, "the variables AWS_ACCESS_KEY_ID"),
        ({"AWS_PROFILE": "work"}, "the profile that AWS_PROFILE names"),
        ({}, "the AWS configuration in the home folder"),
    ],
)
def test_where_credentials_come_from_is_told_and_never_what_they_are(
    project: Sandbox, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project.folder / "nacre.toml").write_text('[places]\n"s3://lake" = "s3://other"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    project.reopen()
    found = lines(project, **environ)
    assert found["credentials s3://"][1].startswith(expected)
    assert "hush" not in str(found)
