"""External assets: files of others that lie where a key says are looked at on each build, and are never written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import nacre
from browsing import serving
from nacre.curate.checking import check_store
from nacre.curate.promoting import promote_versions
from nacre.errors import CorruptObject, NotMaterialized, UnknownName
from nacre.project import current_project
from nacre.web.figure import asset_href
from sandbox import Sandbox
from shell import HEAD, Shell

PIPELINE = """
import polars as pl

@materialize("demo://total")
def total(rain: Annotated[str, Asset("s3://lake/raw/rain.csv")]) -> int:
    calls.append("total")
    return sum(int(line) for line in rain.splitlines()[1:])
"""


@pytest.fixture
def lake(project: Sandbox) -> Path:
    lake = project.map("s3://lake", "lake")
    (lake / "raw").mkdir(parents=True)
    (lake / "raw/rain.csv").write_text("mm\n1\n2\n")
    return lake


def test_a_file_that_nobody_makes_is_an_input_with_versions_of_its_own(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    first = project.build(module)
    assert first.ok
    assert first["s3://lake/raw/rain.csv"].action == "built"
    assert nacre.load("total") == 3
    assert nacre.load("s3://lake/raw/rain.csv") == "mm\n1\n2\n"
    record = project.record("s3://lake/raw/rain.csv")
    assert (record.task, record.is_source) == ("external", True)
    assert project.inputs("demo://total") == {"rain": ("s3://lake/raw/rain.csv", False)}
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    assert project.ran(module) == ["total"]
    assert nacre.load("total") == 10
    assert len(project.history("s3://lake/raw/rain.csv")) == 2


def test_nothing_is_read_or_written_while_the_file_is_as_it_was(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    result = project.build(module)
    assert result.counts == {"reused": 2}
    assert len(project.history("s3://lake/raw/rain.csv")) == 1
    os.utime(lake / "raw/rain.csv")
    assert project.build(module)["rain"].checked
    assert project.build(module).counts == {"reused": 2}


def test_a_file_that_is_gone_or_was_never_there_fails_what_reads_it_and_says_where(
    project: Sandbox, lake: Path
) -> None:
    (lake / "raw/rain.csv").rename(lake / "away")
    module = project.module(PIPELINE + '\n@materialize("demo://other")\ndef other() -> int: return 1\n')
    result = project.build(module)
    assert module.calls == []
    error = result.errors["s3://lake/raw/rain.csv"]
    assert isinstance(error, NotMaterialized)
    assert str(lake / "raw/rain.csv") in str(error)
    assert [step.action for step in result.steps] == ["failed", "skipped", "built"]
    (lake / "away").rename(lake / "raw/rain.csv")
    assert project.build(module).ok
    (lake / "raw/rain.csv").unlink()
    project.reopen()
    assert not project.build(module).ok
    assert nacre.load("total") == 3


def test_large_files_stay_where_they_are_and_changed_bytes_are_never_a_value(
    project: Sandbox, lake: Path
) -> None:
    (lake / "raw/rain.csv").write_text("mm\n" + "1\n" * 100_000)
    module = project.module(PIPELINE)
    project.build(module)
    output = project.record("s3://lake/raw/rain.csv").outputs[0]
    assert (output.object, output.inline, output.is_outside) == ("", b"", True)
    assert nacre.load("total") == 100_000
    (lake / "raw/rain.csv").write_text("mm\n" + "2\n" * 100_000)
    with pytest.raises(CorruptObject, match="can no longer be read") as raised:
        nacre.load("s3://lake/raw/rain.csv")
    assert "build again" in str(raised.value)
    project.build(module)
    assert nacre.load("total") == 200_000


def test_the_bytes_of_each_version_are_kept_where_that_is_asked_for(project: Sandbox, lake: Path) -> None:
    (lake / "raw/rain.csv").write_text("mm\n" + "1\n" * 100_000)
    settings = project.folder / "nacre.toml"
    settings.write_text("keep_external = true\n" + settings.read_text())
    project.reopen()
    module = project.module(PIPELINE)
    project.build(module)
    (lake / "raw/rain.csv").unlink()
    assert len(nacre.load("s3://lake/raw/rain.csv")) == 200_003  # type: ignore[arg-type]  # a text


def test_the_file_is_never_put_back_or_written_over(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    for text in ("mm\n7\n", "mm\n8\n", "mm\n7\n"):
        (lake / "raw/rain.csv").write_text(text)
        project.build(module)
        assert (lake / "raw/rain.csv").read_text() == text
    assert [path.name for path in (lake / "raw").iterdir()] == ["rain.csv"]
    assert nacre.load("total") == 7


def test_a_key_that_somebody_begins_to_make_keeps_the_file_that_was_there(
    project: Sandbox, lake: Path
) -> None:
    project.build(project.module(PIPELINE))
    module = project.module(
        '@materialize("s3://lake/raw/rain.csv")\ndef rain() -> str: return "mm\\n9\\n"\n' + PIPELINE
    )
    project.reopen()
    project.build(module)
    assert (lake / "raw/rain.csv").read_text() == "mm\n9\n"
    assert (lake / "raw/rain.csv.before-nacre").read_text() == "mm\n1\n2\n"


def test_what_another_module_made_is_taken_as_it_is(project: Sandbox, lake: Path) -> None:
    (lake / "raw/rain.csv").unlink()
    maker = project.module('@materialize("s3://lake/raw/rain.csv")\ndef rain() -> str: return "mm\\n9\\n"\n')
    project.build(maker)
    module = project.module(PIPELINE)
    assert [step.asset for step in project.build(module).steps] == ["demo://total"]
    assert nacre.load("total") == 9


def test_an_asset_may_depend_on_a_file_without_being_passed_it(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    @materialize("demo://total", asset_deps=["s3://lake/raw/rain.csv"])
    def total() -> int:
        calls.append("total")
        return 1
    """)
    project.build(module)
    assert project.ran(module) == []
    (lake / "raw/rain.csv").write_text("mm\n5\n")
    assert project.ran(module) == ["total"]


def test_tables_are_read_as_the_parameter_wants_them(project: Sandbox, lake: Path) -> None:
    import polars as pl

    pl.DataFrame({"mm": range(50_000)}).write_parquet(lake / "raw/big.parquet")
    (lake / "raw/few.json").write_text('[{"mm": 3}]')
    module = project.module("""
    import polars as pl
    from pathlib import Path

    @materialize("demo://n")
    def n(
        big: Annotated[pl.DataFrame, Asset("s3://lake/raw/big.parquet")],
        few: Annotated[list, Asset("s3://lake/raw/few.json")],
        rain: Annotated[Path, Asset("s3://lake/raw/rain.csv")],
    ) -> list:
        return [len(big), few[0]["mm"], rain.read_text()]
    """)
    project.build(module).raise_for_failure()
    assert nacre.load("n") == [50_000, 3, "mm\n1\n2\n"]
    (lake / "raw/big.parquet").write_bytes(b"PAR1 half of it")
    result = project.build(module)
    assert "it is no Parquet" in str(result.errors["s3://lake/raw/big.parquet"])


ROOTS = ["", '[env.test]\npublish_root = "./test"\n']


def in_environment(project: Sandbox, root: str) -> None:
    """Let an environment be the one in use, which publishes nowhere or below a folder of its own."""
    settings = project.folder / "nacre.toml"
    settings.write_text(settings.read_text() + root)
    project.reopen()


@pytest.fixture(params=ROOTS, ids=["publishes nowhere", "publishes elsewhere"])
def elsewhere(
    request: pytest.FixtureRequest, project: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    monkeypatch.setenv("NACRE_ENV", "test")
    in_environment(project, request.param)
    return project


def test_an_environment_finds_them_where_they_lie_wherever_it_publishes_itself(
    elsewhere: Sandbox, lake: Path
) -> None:
    module = elsewhere.module(PIPELINE)
    elsewhere.build(module).raise_for_failure()
    assert nacre.load("total") == 3
    assert elsewhere.build(module).counts == {"reused": 2}
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    assert elsewhere.ran(module) == ["total"]
    assert nacre.load("total") == 10
    elsewhere.reopen()
    assert elsewhere.build(module).counts == {"reused": 2}
    assert nacre.location("s3://lake/raw/rain.csv") == str(lake / "raw/rain.csv")
    assert check_store(current_project()).ok
    assert not (elsewhere.folder / "test").exists()


def test_an_environment_reads_on_from_what_its_base_has_seen(
    project: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    monkeypatch.setenv("NACRE_ENV", "test")
    in_environment(project, ROOTS[1])
    assert project.build(module).counts == {"reused": 2}
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    assert project.ran(module) == ["total"]
    assert project.build(module).counts == {"reused": 2}
    monkeypatch.setenv("NACRE_ENV", "default")
    project.reopen()
    assert nacre.load("total") == 3
    assert check_store(current_project()).ok


def test_what_an_environment_sees_touched_and_equal_is_read_once(
    project: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    monkeypatch.setenv("NACRE_ENV", "test")
    project.reopen()
    os.utime(lake / "raw/rain.csv", (5, 5))
    assert project.build(module).counts == {"checked": 1, "reused": 1}
    assert project.build(module).counts == {"reused": 2}
    assert len(project.history("s3://lake/raw/rain.csv")) == 1


def test_a_call_in_a_flow_reads_them_in_an_environment_and_tries_no_place(
    elsewhere: Sandbox, lake: Path
) -> None:
    module = elsewhere.module(PIPELINE + "\n@flow\ndef week(): return total()\n")
    assert module.week() == 3
    assert module.week() == 3
    assert module.calls == ["total"]
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    elsewhere.reopen()
    assert module.week() == 10
    assert not (elsewhere.folder / "test").exists()


def test_one_that_is_rolled_back_is_held_and_its_file_is_left_alone(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    project.ran(module)
    nacre.rollback("rain", "v1")
    result = project.build(module)
    assert result.counts == {"reused": 2}
    assert result["rain"].reason.startswith("held at v1")
    assert nacre.load("total") == 3
    assert (lake / "raw/rain.csv").read_text() == "mm\n5\n5\n"
    assert [path.name for path in (lake / "raw").iterdir()] == ["rain.csv"]
    nacre.release("rain")
    assert project.ran(module) == []  # made before, from that content
    assert nacre.load("total") == 10


def test_a_promoted_version_of_one_is_neither_put_nor_read_again(
    elsewhere: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = elsewhere.module(PIPELINE)
    elsewhere.build(module)
    lake.joinpath("raw").chmod(0o555)
    try:
        done = promote_versions(current_project(), "test", "default")
    finally:
        lake.joinpath("raw").chmod(0o755)
    assert [each.asset for each in done.promoted] == ["s3://lake/raw/rain.csv", "demo://total"]
    monkeypatch.setenv("NACRE_ENV", "default")
    elsewhere.reopen()
    assert elsewhere.build(module).counts == {"reused": 2}
    assert [path.name for path in (lake / "raw").iterdir()] == ["rain.csv"]


def test_a_call_in_a_flow_finds_the_file_that_its_parameter_names(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE + "\n@flow\ndef week(): return total()\n")
    assert module.week() == 3
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    project.reopen()
    assert module.week() == 10


def test_a_plan_says_what_would_be_looked_at_and_a_key_without_place_is_still_unknown(
    project: Sandbox, lake: Path
) -> None:
    module = project.module(PIPELINE)
    assert nacre.plan("total", modules=[module])["rain"].action == "check"
    other = project.module(PIPELINE.replace("s3://lake/raw", "demo://raw"))
    with pytest.raises(UnknownName, match="nobody makes"):
        project.build(other)


def test_one_can_be_asked_for_by_its_key_and_by_its_name(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    seen = "observed, not made here:"
    assert nacre.why("rain", modules=[module]).reason == f"{seen} not seen before"
    result = project.build(module, "s3://lake/raw/rain.csv")
    assert [(step.asset, step.action) for step in result.steps] == [("s3://lake/raw/rain.csv", "built")]
    at = f"{project.clock.now():%Y-%m-%d %H:%M} UTC"
    assert nacre.plan("rain", modules=[module])["rain"].reason == f"{seen} last seen {at}, unchanged"
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n6\n")
    answer = nacre.why("rain", modules=[module])
    assert (answer.action, answer.reason) == ("check", f"{seen} last seen {at}, changed")
    assert str(answer).splitlines()[0].endswith(str(lake / "raw/rain.csv"))
    assert (answer.code, answer.n_parts) == ((), 0)
    project.reopen()
    changed = project.build(module, "rain")["rain"]
    assert (changed.version, changed.reason) == (2, "rain changed: +2 bytes")
    assert module.calls == []


def test_what_is_made_from_one_can_be_selected_by_it(project: Sandbox, lake: Path) -> None:
    other = '\n@materialize("demo://other")\ndef other() -> int: return 1\n'
    module = project.module(PIPELINE + other)
    assert {step.name for step in project.build(module, "rain+").steps} == {"rain", "total"}
    with pytest.raises(UnknownName, match="rian") as raised:
        nacre.plan("rian", modules=[module])
    assert "'rain'" in str(raised.value)


def test_a_hold_on_one_ends_when_it_is_built_by_its_name(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    (lake / "raw/rain.csv").write_text("mm\n5\n5\n")
    project.ran(module)
    nacre.rollback("rain", "v1")
    project.ran(module, "rain")
    assert nacre.load("rain") == "mm\n5\n5\n"
    assert not any(entry.held for entry in nacre.history("rain"))


def test_a_refreshed_one_is_read_again(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    assert project.build(module, "rain", refresh=True)["rain"].checked
    assert len(project.history("s3://lake/raw/rain.csv")) == 1


def test_the_page_and_show_say_where_one_lies(shell: Shell, project: Sandbox, lake: Path) -> None:
    shell.write(
        HEAD
        + "from typing import Annotated\n"
        + PIPELINE.replace("import polars as pl", "").replace('    calls.append("total")\n', "")
    )
    shell("build")
    assert f"lies at   {lake / 'raw/rain.csv'}" in shell("show", "rain").stdout
    assert "made by others, and only looked at" in shell("show", "rain").stdout
    assert "observed, not made here: last seen" in shell("ls").stdout + shell("plan").stdout
    with serving() as served:
        page = served.page(asset_href("s3://lake/raw/rain.csv")).text
        assert str(lake / "raw/rain.csv") in page
        assert "Others make it; it is only looked at." in page
