"""Functions that write their file themselves and return None: what they wrote is the version."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import nacre
from nacre.curate.checking import check_store
from nacre.errors import OutputMismatch, StepFailed, UnserialisableValue
from nacre.project import current_project
from sandbox import Sandbox

PIPELINE = """
import json
import polars as pl
from pathlib import Path
world.update(rain=[1, 2])

def put(path, data):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)

@materialize("s3://lake/raw/rain.json")
def rain() -> None:
    calls.append("rain")
    put(nacre.location("s3://lake/raw/rain.json"), json.dumps(world["rain"]).encode())

@materialize("s3://lake/total.parquet")
def total(rain: list) -> None:
    calls.append("total")
    pl.DataFrame({"mm": [sum(rain)]}).write_parquet(nacre.location("s3://lake/total.parquet"))

@materialize("demo://n")
def n(total: pl.DataFrame) -> int:
    calls.append("n")
    return total["mm"][0]

@flow
def week():
    return n()
"""


@pytest.fixture
def lake(project: Sandbox) -> Path:
    return project.map("s3://lake", "lake")


def test_what_a_function_wrote_is_its_version_and_the_file_stays_as_it_wrote_it(
    project: Sandbox, lake: Path
) -> None:
    module = project.module(PIPELINE)
    project.build(module).raise_for_failure()
    assert nacre.load("n") == 3
    assert nacre.load("rain") == [1, 2]
    output = project.record("s3://lake/total.parquet").outputs[0]
    assert (output.format, output.is_written, output.is_outside) == ("parquet", True, False)
    wrote = (lake / "total.parquet").stat().st_mtime_ns
    head = project.workspace.catalog.heads_of("default", "s3://lake/total.parquet")[0]
    assert (head.seq, head.published) == (1, 1)
    assert project.ran(module) == ["rain"]
    assert (lake / "total.parquet").stat().st_mtime_ns == wrote
    module.turn(rain=[4])
    project.build(module)
    assert nacre.load("n") == 4
    assert sorted(path.name for path in lake.rglob("*") if path.is_file()) == ["rain.json", "total.parquet"]


def test_a_file_that_was_edited_or_deleted_is_put_back_from_the_store(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    good = (lake / "total.parquet").read_bytes()
    for spoil in (lambda path: path.unlink(), lambda path: path.write_bytes(b"edited")):
        spoil(lake / "total.parquet")
        assert project.ran(module) == ["rain"]
        assert (lake / "total.parquet").read_bytes() == good


def test_asking_where_the_file_lies_does_not_make_the_settings_an_input(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module).raise_for_failure()
    assert project.record("s3://lake/total.parquet").reads == ()
    with open(project.folder / "nacre.toml", "a", encoding="utf-8") as settings:
        settings.write("[env.dev]\n")
    assert project.ran(module) == ["rain"]


def test_what_was_written_in_another_environment_is_known_in_this_one(
    project: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(project.folder / "nacre.toml", "a", encoding="utf-8") as settings:
        settings.write('[env.dev]\npublish_root = "./dev"\n')
    monkeypatch.setenv("NACRE_ENV", "dev")
    project.reopen()
    module = project.module(PIPELINE)
    project.build(module).raise_for_failure()
    assert not lake.exists()
    monkeypatch.setenv("NACRE_ENV", "default")
    assert project.ran(module) == ["rain"]
    assert (lake / "total.parquet").read_bytes() == (project.folder / "dev/lake/total.parquet").read_bytes()


@pytest.mark.parametrize("ending", ["txt", "json", "parquet"])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_has_no_place_to_write_to_makes_no_version_that_others_would_take(
    project: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch, ending: str, is_first: bool
) -> None:
    """Else ``None`` would be its value under a recipe that all environments share, published over the file."""
    key = f"s3://lake/own.{ending}"
    module = project.module(f"""
    import polars as pl
    from pathlib import Path
    world.update(n=1)

    @materialize("demo://n")
    def n() -> int:
        return world["n"]

    @materialize("{key}")
    def own(n) -> None:
        if place := nacre.location("{key}"):
            pl.DataFrame({{"n": [n]}}).write_parquet(place)
            if not place.endswith("parquet"):
                Path(place).write_text(str(n))

    @materialize("s3://lake/maybe.json")
    def maybe(n) -> dict | None:
        return None
    """)
    lake.mkdir()
    if not is_first:
        project.build(module).raise_for_failure()
    module.turn(n=2)
    monkeypatch.setenv("NACRE_ENV", "dev")
    project.reopen()
    result = project.build(module)
    assert {each.asset: each.action for each in result.steps} == {
        "demo://n": "built",
        key: "failed",
        "s3://lake/maybe.json": "built",
    }
    with pytest.raises(StepFailed) as raised:
        result.raise_for_failure()
    said = str(raised.value.__cause__)
    assert "own returned nothing, and has no place to write to" in said
    assert "publish_root in [env.dev]" in said
    monkeypatch.setenv("NACRE_ENV", "default")
    project.reopen()
    project.build(module).raise_for_failure()
    assert nacre.load("s3://lake/maybe.json") is None
    if ending == "parquet":
        assert nacre.load(key, as_type=pl.DataFrame)["n"].to_list() == [2]
    else:
        assert (lake / f"own.{ending}").read_text() == "2"
        assert str(nacre.load(key)) == "2"


@pytest.mark.parametrize(
    ("keys", "annotation", "returned"),
    [
        ('"s3://lake/own.json", "demo://stats"', "tuple[None, dict]", 'None, {"n": 1}'),
        ('"s3://lake/own.json"', "dict", "None"),
        ('"s3://lake/own.json"', '"dict"', "None"),
    ],
)
def test_only_an_annotation_that_admits_none_makes_it_a_value(
    project: Sandbox, lake: Path, monkeypatch: pytest.MonkeyPatch, keys: str, annotation: str, returned: str
) -> None:
    module = project.module(f"""
    from pathlib import Path

    @materialize("demo://n")
    def n() -> int:
        return 1

    @materialize({keys})
    def own(n) -> {annotation}:
        Path({str(lake / "own.json")!r}).write_text('{{"real": 1}}')
        return {returned}
    """)
    lake.mkdir()
    monkeypatch.setenv("NACRE_ENV", "dev")
    project.reopen()
    with pytest.raises(StepFailed) as raised:
        project.build(module).raise_for_failure()
    assert "has no place to write to" in str(raised.value.__cause__)
    monkeypatch.setenv("NACRE_ENV", "default")
    project.reopen()
    project.build(module).raise_for_failure()
    assert json.loads((lake / "own.json").read_text()) == {"real": 1}


def test_a_large_file_is_kept_too_and_read_back_as_it_was(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    @materialize("s3://lake/big.bin")
    def big() -> None:
        with open(nacre.location("s3://lake/big.bin"), "wb") as file:
            file.write(b"x" * 300_000)

    @materialize("demo://size")
    def size(big: bytes) -> int:
        return len(big)
    """)
    lake.mkdir()
    project.build(module).raise_for_failure()
    assert nacre.load("size") == 300_000
    assert project.record("s3://lake/big.bin").outputs[0].object
    assert os.stat(lake / "big.bin").st_nlink == 1


def test_a_step_that_wrote_nothing_this_time_keeps_the_version_it_wrote(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    module = project.edit(module, 'calls.append("total")', 'calls.append("total"); return')
    project.build(module).raise_for_failure()
    assert "total" in module.calls
    assert nacre.load("n") == 3


@pytest.mark.parametrize("name", ["x.parquet", "x.png", "x.csv"])
def test_a_function_that_returns_none_and_writes_nothing_is_told_so(
    project: Sandbox, lake: Path, name: str
) -> None:
    module = project.module(f"""
    @materialize("s3://lake/{name}")
    def nothing():
        calls.append("nothing")
    """)
    error = project.build(module).errors[f"s3://lake/{name}"]
    assert isinstance(error, OutputMismatch)
    assert "returned nothing and wrote no file" in str(error)
    assert f"nacre.location('s3://lake/{name}')" in str(error)
    assert not (lake / name).exists()


def test_none_is_a_value_where_the_file_can_hold_it(project: Sandbox, lake: Path) -> None:
    module = project.module('@materialize("s3://lake/x.json")\ndef nothing(): return None\n')
    project.build(module).raise_for_failure()
    assert (lake / "x.json").read_text() == "null"
    assert nacre.load("x") is None


def test_half_a_table_is_no_version(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    @materialize("s3://lake/half.parquet")
    def half() -> None:
        with open(nacre.location("s3://lake/half.parquet"), "wb") as file:
            file.write(b"PAR1 and no more")
    """)
    error = project.build(module).errors["s3://lake/half.parquet"]
    assert isinstance(error, UnserialisableValue)
    assert "it is no Parquet" in str(error)


def test_several_files_are_written_by_one_function_or_all_are_returned(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    from pathlib import Path
    world.update(names=["a", "b"])

    @materialize("s3://lake/a.json", "s3://lake/b.json")
    def both():
        for name in world["names"]:
            Path(nacre.location(f"s3://lake/{name}.json")).write_text(f'"{name}"')
    """)
    project.build(module).raise_for_failure()
    assert [nacre.load("s3://lake/a.json"), nacre.load("s3://lake/b.json")] == ["a", "b"]
    other = project.module('@materialize("s3://lake/c.json", "s3://lake/d.json")\ndef pair(): return None\n')
    error = project.build(other).errors["s3://lake/c.json"]
    assert "must return one value for each of its 2 assets" in str(error)


def test_partitions_each_write_their_own_file(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    from pathlib import Path
    from nacre import StaticPartitions

    @materialize("s3://lake/{region}.txt", partitions=StaticPartitions(["north", "south"], "region"))
    def regions(region: str) -> None:
        Path(nacre.location("s3://lake/{region}.txt", partition=region)).write_text(region)
    """)
    project.build(module).raise_for_failure()
    assert nacre.load("s3://lake/{region}.txt", partition="south") == "south"


def test_calls_in_flows_take_what_was_written_and_give_none_as_the_function_does(
    project: Sandbox, lake: Path
) -> None:
    module = project.module(PIPELINE)
    assert module.week() == 3
    assert module.rain() is None
    assert module.rain() is None
    (lake / "raw/rain.json").unlink()
    assert module.week() == 3
    assert json.loads((lake / "raw/rain.json").read_text()) == [1, 2]


def test_the_same_bytes_written_again_are_no_new_version(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    first = project.history("s3://lake/raw/rain.json")
    for _ in range(2):
        assert project.ran(module) == ["rain"]
        assert (
            nacre.plan("rain", modules=[module], reuse_sources=True)["rain"].reason
            == "inputs and code unchanged"
        )
    assert project.history("s3://lake/raw/rain.json") == first


def test_a_rule_for_the_data_version_is_given_the_file(project: Sandbox, lake: Path) -> None:
    module = project.module("""
    from pathlib import Path
    world.update(at=1)

    @materialize("s3://lake/x.txt", data_version=lambda path: path.read_text().split()[0])
    def x() -> None:
        Path(nacre.location("s3://lake/x.txt")).write_text(f"same {world['at']}")

    @materialize("demo://below")
    def below(x: str) -> str:
        calls.append("below")
        return x
    """)
    lake.mkdir()
    project.build(module).raise_for_failure()
    module.turn(at=2)
    module.calls.clear()
    project.build(module).raise_for_failure()
    assert module.calls == []


def test_it_is_a_table_for_those_who_read_it(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    assert nacre.load("total", as_type=pl.DataFrame)["mm"].to_list() == [3]


def test_verifying_does_not_run_what_would_write_its_file(project: Sandbox, lake: Path) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    module.calls.clear()
    found = {each.name: each.outcome for each in nacre.verify(modules=[module], sample="all").checked}
    assert found == {"total": "not run", "n": "same"}
    assert module.calls == ["n"]


WRITES = """
from pathlib import Path
world.update(data=b'{"a": 1}')

@materialize("s3://lake/x.NAME")
def x() -> None:
    file = Path(nacre.location("s3://lake/x.NAME"))
    data = world["data"]
    if data is None:
        file.unlink()
    elif data == b"folder":
        file.unlink()
        file.mkdir()
    else:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)

@materialize("demo://below")
def below(x: Path) -> int:
    calls.append("below")
    return x.stat().st_size
"""


def table() -> bytes:
    sink = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(sink)
    return sink.getvalue()


def array() -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.arange(3))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "good", "bad", "problem"),
    [
        ("json", b'{"a": 1}', b"{oops", "it is no JSON"),
        ("json", b'{"a": 1}', b"", "it is no JSON"),
        ("json", b'{"a": 1}', b'{"$nacre": "typed/1"}', "it is no JSON"),
        ("parquet", table(), b"PAR1 and then nothing PAR1", "it is no Parquet"),
        ("parquet", table(), b"", "it is no Parquet"),
        ("csv", b"a\n1\n", b"a\n\xff\xfe\n", "it is no UTF-8 text"),
        ("npy", array(), array()[:-3], "it is no NumPy array"),
    ],
)
def test_what_is_not_what_its_key_says_is_no_version_and_the_file_of_before_is_put_back(
    project: Sandbox, lake: Path, name: str, good: bytes, bad: bytes, problem: str
) -> None:
    module = project.module(WRITES.replace("NAME", name))
    module.turn(data=good)
    project.build(module).raise_for_failure()
    first = project.history(f"s3://lake/x.{name}")
    module.turn(data=bad)
    module.calls.clear()
    error = project.build(module).errors[f"s3://lake/x.{name}"]
    assert isinstance(error, UnserialisableValue)
    assert problem in str(error)
    assert error.facts["function"].startswith("x at ")  # type: ignore[attr-defined]  # a text
    assert error.facts["place"] == str(lake / f"x.{name}")
    assert module.calls == []
    assert project.history(f"s3://lake/x.{name}") == first
    assert (lake / f"x.{name}").read_bytes() == good
    module.turn(data=good)
    assert project.build(module)["x"].checked


def test_a_first_file_that_is_no_value_is_no_version_and_stays_to_be_looked_at(
    project: Sandbox, lake: Path
) -> None:
    module = project.module(WRITES.replace("NAME", "json"))
    module.turn(data=b"{oops")
    assert not project.build(module).ok
    assert project.history("s3://lake/x.json") == []
    assert (lake / "x.json").read_bytes() == b"{oops"


@pytest.mark.parametrize("name", ["json", "txt"])
def test_a_function_that_removes_its_file_fails_and_the_file_of_before_is_put_back(
    project: Sandbox, lake: Path, name: str
) -> None:
    module = project.module(WRITES.replace("NAME", name))
    project.build(module).raise_for_failure()
    module.turn(data=None)
    for _ in range(2):
        result = project.build(module)
        error = result.errors[f"s3://lake/x.{name}"]
        assert isinstance(error, OutputMismatch)
        assert "x returned nothing, and its file is gone" in str(error)
        assert (lake / f"x.{name}").read_bytes() == b'{"a": 1}'
    project.reopen()
    assert check_store(current_project()).ok


def test_a_folder_in_the_place_of_the_file_is_an_error_too(project: Sandbox, lake: Path) -> None:
    module = project.module(WRITES.replace("NAME", "json"))
    project.build(module).raise_for_failure()
    module.turn(data=b"folder")
    error = project.build(module).errors["s3://lake/x.json"]
    assert "its file is gone" in str(error)
    assert any("there is a folder of that name" in line for line in project.log())
    assert nacre.load("s3://lake/x.json") == {"a": 1}
    (lake / "x.json").rmdir()
    module.turn(data=b'{"a": 2}')
    project.build(module).raise_for_failure()
    assert nacre.load("s3://lake/x.json") == {"a": 2}


def test_a_call_in_a_flow_puts_the_file_of_before_back_as_well(project: Sandbox, lake: Path) -> None:
    module = project.module(WRITES.replace("NAME", "json") + "\n@flow\ndef week(): return below()\n")
    assert module.week() == 8
    module.turn(data=b"{oops")
    with pytest.raises(UnserialisableValue, match="it is no JSON"):
        module.week()
    assert (lake / "x.json").read_bytes() == b'{"a": 1}'
