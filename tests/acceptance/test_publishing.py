"""Publishing to the file system: the current version lies at its key, is put back, and never blocks what is stored."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import nacre
from nacre.errors import InvalidKey, NotPublished, StoreError, StoreUnavailable, UsageError
from sandbox import Sandbox

PIPELINE = """
import polars as pl
world.update(rain=[1, 2])

@materialize("s3://lake/raw/rain.json")
def rain() -> list:
    calls.append("rain")
    return world["rain"]

@materialize("s3://lake/rain/total.parquet")
def total(rain: list) -> pl.DataFrame:
    calls.append("total")
    return pl.DataFrame({"mm": [sum(rain)]})
"""


@pytest.fixture
def lake(project: Sandbox) -> Path:
    return project.map("s3://lake", "lake")


def test_the_current_version_is_a_plain_file_at_its_key(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    assert json.loads((lake / "raw/rain.json").read_text()) == [1, 2]
    assert duckdb.sql(f"select mm from '{lake}/rain/*.parquet'").fetchall() == [(3,)]
    module.turn(rain=[5])
    project.build(module)
    assert duckdb.sql(f"select mm from '{lake}/rain/*.parquet'").fetchall() == [(5,)]
    assert sorted(path.name for path in lake.rglob("*") if path.is_file()) == ["rain.json", "total.parquet"]
    head = project.workspace.catalog.heads_of("default", "s3://lake/rain/total.parquet")[0]
    assert (head.seq, head.published) == (2, 2)


def test_nothing_is_written_where_nothing_changed(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*")}
    assert project.build(module).counts == {"checked": 1, "reused": 1}
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*")} == before


def test_deleted_and_edited_files_are_put_back_without_running_anything(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    good = (lake / "rain/total.parquet").read_bytes()
    (lake / "rain/total.parquet").write_bytes(b"not parquet")
    (lake / "raw/rain.json").unlink()
    module.calls.clear()
    planned = nacre.plan("total", modules=[module], reuse_sources=True)
    assert "published again" in planned["total"].reason
    result = project.build(module)
    assert module.calls == ["rain"]
    assert result["rain"].checked
    with project.workspace.contents.objects.get(f"logs/{result.id}") as log:
        assert "rain: its published file was not as it was; put again" in log.read().decode()
    assert result["total"].action == "reused"
    assert result["total"].reason == "unchanged; its published file was not, so it is published again"
    assert (lake / "rain/total.parquet").read_bytes() == good
    assert json.loads((lake / "raw/rain.json").read_text()) == [1, 2]
    assert project.build(module)["total"].reason == "inputs and code unchanged"


def test_a_place_that_is_mapped_later_is_filled_from_the_store(project: Sandbox) -> None:
    module = project.module(PIPELINE.replace("s3://lake", "demo://lake"))
    project.build(module)
    lake = project.map("demo://lake", "elsewhere")
    module.calls.clear()
    assert project.build(module).counts == {"checked": 1, "reused": 1}
    assert module.calls == ["rain"]
    assert (lake / "rain/total.parquet").is_file()


def test_a_run_that_ended_between_head_and_file_is_completed_by_the_next(
    project: Sandbox, lake: Path
) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    path = lake / "rain/total.parquet"
    path.unlink()
    path.mkdir()  # the file cannot be put
    module.turn(rain=[7])
    with pytest.raises(StoreError):
        project.build(module)
    assert json.loads((lake / "raw/rain.json").read_text()) == [1, 2]  # found before the first step
    path.rmdir()
    project.build(module)
    assert duckdb.sql(f"select mm from '{lake}/rain/*.parquet'").fetchall() == [(7,)]


def test_a_file_that_cannot_be_put_fails_its_step_and_keeps_its_version(project: Sandbox, lake: Path) -> None:
    module = project.module(
        PIPELINE.replace('calls.append("total")', "import os; os.makedirs(world['path'], exist_ok=True)")
    )
    module.turn(path=str(lake / "rain/total.parquet"))
    result = project.build(module)
    assert not result.ok
    assert result["total"].action == "failed"
    error = result.errors["s3://lake/rain/total.parquet"]
    assert isinstance(error, NotPublished)
    assert "v1 of total could not be published" in str(error)
    assert "the next build publishes it" in str(error)
    assert nacre.load("total")["mm"].to_list() == [3]  # type: ignore[index]  # a frame
    (lake / "rain/total.parquet").rmdir()
    module.calls.clear()
    again = project.build(module)
    assert again["total"].action == "reused"
    assert (lake / "rain/total.parquet").is_file()


def test_flows_and_calls_publish_too_and_raise_where_they_cannot(project: Sandbox, lake: Path) -> None:
    module = project.module(
        PIPELINE
        + """
@flow
def week():
    return total(rain())
"""
    )
    module.week()
    assert duckdb.sql(f"select mm from '{lake}/rain/*.parquet'").fetchall() == [(3,)]
    (lake / "raw/rain.json").unlink()
    module.rain()
    assert (lake / "raw/rain.json").is_file()
    (lake / "rain/total.parquet").unlink()
    (lake / "rain/total.parquet").mkdir()
    module.calls.clear()
    module.turn(rain=[9])
    with pytest.raises(StoreError, match="folder of that name"):
        module.week()
    assert "total" not in module.calls


def test_a_file_that_others_put_at_a_key_is_kept_and_the_run_warns_once(project: Sandbox, lake: Path) -> None:
    (lake / "raw").mkdir(parents=True)
    (lake / "raw/rain.json").write_text("precious")
    module = project.module(PIPELINE)
    project.build(module)
    assert json.loads((lake / "raw/rain.json").read_text()) == [1, 2]
    assert (lake / "raw/rain.json.before-nacre").read_text() == "precious"
    said = [text for text in project.log() if "had not put there" in text]
    assert len(said) == 1
    assert f"{lake}/raw/rain.json; it is kept as {lake}/raw/rain.json.before-nacre" in said[0]
    # From here on the file is ours, and what others make of it is not kept.
    (lake / "raw/rain.json").write_text("edited")
    module.turn(rain=[3])
    project.build(module)
    assert sorted(path.name for path in (lake / "raw").iterdir()) == ["rain.json", "rain.json.before-nacre"]


def test_a_file_with_the_very_bytes_is_taken_over_and_a_later_mapping_keeps_others(project: Sandbox) -> None:
    module = project.module(PIPELINE.replace("s3://lake", "demo://lake"))
    project.build(module)
    (project.folder / "elsewhere/raw").mkdir(parents=True)
    (project.folder / "elsewhere/raw/rain.json").write_text("precious")
    lake = project.map("demo://lake", "elsewhere")
    project.build(module)
    assert (lake / "raw/rain.json.before-nacre").read_text() == "precious"
    # Another store, to which all files here are those of others, with the same bytes.
    project.close()
    shutil.rmtree(project.store)
    project.reopen()
    project.build(module)
    assert sorted(path.name for path in lake.rglob("*") if path.is_file()) == [
        "rain.json",
        "rain.json.before-nacre",
        "total.parquet",
    ]


def test_calls_at_the_same_time_each_put_their_own_file_back(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    import threading
    world["met"] = threading.Barrier(2, timeout=30)

    @materialize("s3://lake/a.json")
    def a() -> int:
        world["met"].wait()  # both have looked at their places before either ends
        return 1

    @materialize("s3://lake/b.json")
    def b() -> int:
        world["met"].wait()
        return 2

    @flow
    def both():
        return [future.result() for future in [a.submit(), b.submit()]]
    """)
    assert module.both() == [1, 2]
    for name in ("a.json", "b.json"):
        (lake / name).unlink()
    assert module.both() == [1, 2]
    assert [json.loads((lake / name).read_text()) for name in ("a.json", "b.json")] == [1, 2]


def test_several_outputs_and_partitions_each_have_their_file(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    from nacre import StaticPartitions
    regions = StaticPartitions(["north", "south"], "region")

    @materialize("s3://lake/a/{region}.json", "s3://lake/b/region={region}/b.json", partitions=regions)
    def both(region: str):
        return {"a": region}, [region]
    """)
    project.build(module)
    assert json.loads((lake / "a/north.json").read_text()) == {"a": "north"}
    assert json.loads((lake / "b/region=south/b.json").read_text()) == ["south"]
    assert nacre.location("s3://lake/a/{region}.json", partition="south") == str(lake / "a/south.json")


def test_partitions_that_would_be_one_file_are_refused(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    from nacre import DailyPartitions

    @materialize("s3://lake/rain.json", partitions=DailyPartitions("2026-11-01", "2026-11-02"))
    def rain(date: str) -> str:
        calls.append(date)
        return date
    """)
    project.move_to(datetime(2026, 11, 20, tzinfo=UTC))
    with pytest.raises(InvalidKey, match="would be one file"):
        project.build(module)
    assert module.calls == []


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("s3://lake", "must name a file"),
        ("s3://lake/", "must name a file"),
        ("s3://lake/x//b.json", "no empty part"),
        ("file://relative/b.json", "names a whole path"),
        ("store://records.sqlite", "into the store itself"),
        ("store://objects/data/x", "into the store itself"),
    ],
)
def test_a_key_that_could_be_no_file_of_its_own_is_refused_before_anything_runs(
    project: Sandbox, key: str, problem: str
) -> None:
    (project.folder / "nacre.toml").write_text('places = {"store://" = "./store", "s3://lake/a" = "./a"}')
    project.reopen()
    module = project.module(f"""
    @materialize("{key}")
    def boom() -> str:
        calls.append("boom")
        return "boom"
    """)
    with pytest.raises(InvalidKey, match=problem):
        project.build(module)
    with pytest.raises(InvalidKey, match=problem):
        module.boom()
    assert module.calls == []


@pytest.mark.parametrize(
    ("key", "problem"), [("a/2026-11-02.json", "be one file"), ("a", "be a file and a folder of one name")]
)
def test_two_assets_that_would_be_one_file_are_refused(
    project: Sandbox, lake: Path, key: str, problem: str
) -> None:
    project.move_to(datetime(2026, 11, 20, tzinfo=UTC))
    module = project.module(f"""
    from nacre import DailyPartitions

    @materialize("s3://lake/a/{{date}}.json", partitions=DailyPartitions("2026-11-01", "2026-11-03"))
    def days(date: str) -> str: return date

    @materialize("s3://lake/{key}")
    def other() -> str: return "other"

    @materialize("s3://lake/a-b.json")
    def between() -> str: return "sorts between a and a/"
    """)
    with pytest.raises(InvalidKey, match=problem) as raised:
        project.build(module)
    assert f"s3://lake/{key}" in str(raised.value)
    assert not lake.exists()


def test_only_the_default_environment_publishes(project: Sandbox, lake: Path) -> None:
    settings = project.folder / "nacre.toml"
    settings.write_text('env = "test"\n' + settings.read_text())
    project.reopen()
    project.build(project.module(PIPELINE))
    assert not lake.exists()
    assert nacre.location("s3://lake/raw/rain.json") == ""


def test_a_place_that_is_no_folder_is_found_before_the_first_step(project: Sandbox, lake: Path) -> None:
    lake.write_text("a file")
    module = project.module(PIPELINE)
    with pytest.raises(StoreUnavailable, match="file where a folder is needed"):
        project.build(module)
    assert module.calls == []


def test_trouble_with_a_mapped_folder_names_the_key_and_the_entry_to_change(
    project: Sandbox, lake: Path
) -> None:
    lake.write_text("a file")
    with pytest.raises(StoreUnavailable, match="The place of published files") as raised:
        project.build(project.module(PIPELINE))
    assert raised.value.facts["key"] == "s3://lake/raw/rain.json"
    assert f'in nacre.toml: "s3://lake" = "{lake}"' in str(raised.value)
    assert "places = {" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('places = "lake"', "'places' must be a table"),
        ('[places]\n"lake" = "./lake"', "maps the beginning of keys"),
        ('[places]\n"s3://lake" = 7', "maps the beginning of keys"),
        ('[places]\n"s3://lake" = "s3://other/../x"', "URL of a place cannot have the part '..'"),
        ('[places]\n"s3://lake" = "s3://other//x"', "URL of a place cannot have the part ''"),
    ],
)
def test_places_that_say_nothing_are_refused_with_an_example(
    project: Sandbox, line: str, problem: str
) -> None:
    (project.folder / "nacre.toml").write_text(line)
    with pytest.raises(UsageError, match=problem) as raised:
        project.reopen()
    assert '"s3://lake" = "./lake"' in str(raised.value)


def test_a_function_that_makes_another_key_leaves_the_old_file_and_the_run_says_so_once(
    project: Sandbox, lake: Path
) -> None:
    project.move_to(datetime(2026, 11, 20, tzinfo=UTC))
    source = """
    from nacre import DailyPartitions

    @materialize("s3://lake/rain.json")
    def rain() -> str:
        return "all"

    @materialize("s3://lake/other.json")
    def other() -> int:
        return 1
    """
    module = project.module(source)
    project.build(module)
    module = project.edit(
        module,
        '@materialize("s3://lake/rain.json")\ndef rain() -> str:\n    return "all"',
        '@materialize("s3://lake/rain/{date}.json", partitions=DailyPartitions("2026-11-01", "2026-11-02"))\n'
        "def rain(date: str) -> str:\n    return date",
    )
    project.build(module, "rain")
    said = [text for text in project.log() if "before" in text]
    assert said == [
        f"s3://lake/rain/{{date}}.json was s3://lake/rain.json before: the file there stays, {lake}/rain.json"
    ]
    assert json.loads((lake / "rain.json").read_text()) == "all"
    project.build(module, refresh=True)
    assert project.workspace.contents.objects.head(f"logs/{project.runs()[-1].id}") is None
