"""Stored bytes that are gone or damaged: a build makes them again and goes on; nobody ever gets a wrong value."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from tests.sandbox import Sandbox

import nacre
from nacre import project as roots
from nacre.curate.checking import check_store
from nacre.errors import CorruptObject, CorruptRecord, NacreError, StepFailed
from nacre.store.codec import decode, encode
from nacre.store.paths import action_path
from nacre.store.records import Action

CHAIN = """
    @materialize("asset://raw")
    def raw():
        calls.append("raw")
        return world.get("raw", "x" * 100_000)
    @materialize("asset://big")
    def big(raw):
        calls.append("big")
        return raw.upper() + "y" * 100_000
    @materialize("asset://small", version=world.get("version", "1"))
    def small(big):
        calls.append("small")
        return len(big)
"""
EDITED = CHAIN.replace("return len(big)", "return len(big) + 1")


def remove(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.chmod(path, 0o644)
    path.write_bytes(path.read_bytes()[:-1])


def zero(path: Path) -> None:
    os.chmod(path, 0o644)
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES = [remove, flip, cut, zero]


def objects(project: Sandbox, name: str) -> list[Path]:
    return sorted((project.store / "objects").glob(f"data/asset-{name}-*/*"))


def edited(project: Sandbox) -> ModuleType:
    return project.module(EDITED)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_input_that_cannot_be_read_is_made_again_and_the_build_goes_on(
    project: Sandbox, damage: Callable[[Path], None]
) -> None:
    project.build(project.module(CHAIN))
    damage(objects(project, "big")[0])
    module = edited(project)
    result = project.build(module)
    assert result.ok
    assert module.calls == ["raw", "big", "small"]
    assert nacre.load("asset://small") == 200_001
    assert nacre.load("asset://big") == "X" * 100_000 + "y" * 100_000
    step = next(each for each in result.steps if each.asset == "asset://big")
    assert (step.action, step.reason) == ("built", "its stored result is missing or damaged")
    again = edited(project)
    assert project.build(again).ok
    assert again.calls == ["raw"], "nothing is lost any more"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_load_of_damaged_bytes_is_an_error_that_names_the_command(
    project: Sandbox, damage: Callable[[Path], None]
) -> None:
    project.build(project.module(CHAIN))
    damage(objects(project, "big")[0])
    with pytest.raises(CorruptObject) as raised:
        nacre.load("asset://big")
    assert "asset://big" in str(raised.value)
    assert "data/asset-big" in str(raised.value)
    assert "nacre build asset://big --refresh" in str(raised.value)


def test_inputs_of_a_lost_input_that_are_lost_too_are_made_again_first(project: Sandbox) -> None:
    project.build(project.module(CHAIN))
    remove(objects(project, "big")[0])
    remove(objects(project, "raw")[0])
    module = edited(project)
    assert project.build(module, reuse_sources=True).ok
    assert module.calls == ["raw", "big", "small"]
    assert nacre.load("asset://small") == 200_001
    assert nacre.load("asset://raw") == "x" * 100_000


def test_several_steps_that_want_a_lost_input_wait_for_one_making(project: Sandbox) -> None:
    source = CHAIN + "".join(
        f"""
    @materialize("asset://reader{n}")
    def reader{n}(big): return len(big) + {n}
"""
        for n in range(6)
    )
    project.build(project.module(source))
    flip(objects(project, "big")[0])
    module = project.module(source.replace("return len(big) +", "return 1 + len(big) +"))
    assert project.build(module).ok
    assert module.calls == ["raw", "big"]
    assert nacre.load("asset://reader5") == 200_006


def test_a_lost_partition_is_made_again(project: Sandbox) -> None:
    source = """
        from nacre import DailyPartitions
        @materialize("asset://part/{date}", partitions=DailyPartitions("2025-12-30"))
        def part(date):
            calls.append(str(date))
            return str(date) * 10_000
        @materialize("asset://all")
        def every(parts: Annotated[dict, Asset("asset://part/{date}")]):
            calls.append("every")
            return [len(each) for each in parts.values()]
    """
    project.build(project.module(source))
    flip(sorted((project.store / "objects").glob("data/asset-part-*/*"))[0])
    module = project.module(source.replace("len(each) for", "len(each) + 1 for"))
    project.build(module).raise_for_failure()
    assert module.calls.count("every") == 1
    assert sorted(module.calls) == ["2025-12-30", "2026-01-01", "every"], (
        "one is lost, and one is not over yet"
    )


def test_what_nobody_here_makes_stays_an_error(project: Sandbox) -> None:
    project.build(project.module(CHAIN))
    flip(objects(project, "big")[0])
    module = project.module("""
        @materialize("asset://here")
        def here(x: Annotated[str, Asset("asset://big")]): return len(x)
    """)
    with pytest.raises(StepFailed) as raised:
        project.build(module).raise_for_failure()
    assert isinstance(raised.value.__cause__, CorruptObject)
    assert "asset://big" in str(raised.value.__cause__)


def test_a_version_that_could_not_be_made_again_stays_known_as_lost(project: Sandbox) -> None:
    source = CHAIN.replace("return raw.upper()", 'return {"good": raw.upper}[world.get("how", "good")]()')
    project.build(project.module(source))
    flip(objects(project, "big")[0])
    broken = project.module(source.replace("return len(big)", "return len(big) + 1"))
    broken.turn(how="bad")
    assert not project.build(broken).ok
    project.reopen()
    plan = {each.asset: each for each in nacre.plan(["*"], modules=[broken], reuse_sources=True).steps}
    assert "missing or damaged" in str(plan["asset://big"].reason)
    broken.turn(how="good")
    assert project.ran(broken) == ["raw", "big", "small"]


def test_a_flow_that_takes_a_lost_result_makes_it_again(project: Sandbox) -> None:
    module = project.module(CHAIN)
    project.build(module)
    flip(objects(project, "big")[0])
    project.reopen()
    module.calls.clear()
    assert module.small.with_options(version="2")() == 200_000
    assert module.calls == ["raw", "big", "small"]
    flip(objects(project, "big")[-1])
    project.reopen()
    module.calls.clear()

    @nacre.flow
    def pipeline() -> int:
        return len(module.big(module.raw()))

    assert pipeline() == 200_000
    assert module.calls == ["raw", "big"]
    assert len(nacre.load("asset://big")) == 200_000


def test_a_record_that_cannot_be_read_counts_as_missing(project: Sandbox) -> None:
    project.build(project.module(CHAIN))
    row = next(each for each in project.workspace.catalog.heads("default") if each.asset == "asset://big")
    spoil(project, action_path(row.fingerprint), b"{")
    module = edited(project)
    assert project.build(module).ok
    assert module.calls == ["raw", "big", "small"]
    assert nacre.load("asset://small") == 200_001
    again = edited(project)
    assert project.build(again).ok
    assert again.calls == ["raw"]


def test_a_record_in_the_place_of_another_is_never_taken(project: Sandbox) -> None:
    project.build(project.module(CHAIN))
    rows = {each.asset: each for each in project.workspace.catalog.heads("default")}
    records = project.workspace.records
    raw = records.get(action_path(rows["asset://raw"].fingerprint))
    assert raw is not None
    action = decode(raw.data, Action)
    poison = Action(**{name: getattr(action, name) for name in action.__struct_fields__})
    poisoned = encode(poison).replace(b"asset://raw", b"asset://big")
    spoil(project, action_path(rows["asset://big"].fingerprint), poisoned)
    with pytest.raises(NacreError):
        nacre.load("asset://big")
    module = edited(project)
    assert project.build(module).ok
    assert nacre.load("asset://small") == 200_001


def spoil(project: Sandbox, path: str, data: bytes) -> None:
    """Change the bytes of a record behind nacre's back."""
    project.close()
    with sqlite3.connect(project.store / "records.sqlite") as connection:
        assert connection.execute("UPDATE records SET data = ? WHERE path = ?", (data, path)).rowcount == 1
    connection.close()
    project.reopen()


def test_a_source_that_brings_the_same_again_mends_what_is_stored_of_it(project: Sandbox) -> None:
    """It ran anyway, so its value takes the place of bytes that cannot be read."""
    module = project.module("""
        @materialize("demo://small")
        def small() -> dict:
            return {"n": 12345}
    """)
    project.build(module).raise_for_failure()
    records = project.workspace.records
    (stored,) = records.scan("ac/")
    for damaged in (stored.data.replace(b"eyJu", b"eyJv"), stored.data[:40]):
        (now,) = [each for each in records.scan("ac/") if "/was-" not in each.path]
        assert records.replace(now.path, damaged, now.token)
        project.reopen()
        with pytest.raises((CorruptObject, CorruptRecord)):
            nacre.load("demo://small")
        project.build(module).raise_for_failure()
        assert nacre.load("demo://small") == {"n": 12345}
        records = project.workspace.records


def test_a_lost_version_is_made_again_when_its_recipe_comes_back(project: Sandbox) -> None:
    """Noted as lost, it is no known result any more; made again, it is."""
    source = """
        @materialize("asset://large")
        def large():
            return 1
        @materialize("asset://read")
        def read(large):
            calls.append("read")
            with open("f.txt") as file:
                return file.read() * 100_000
        @materialize("asset://plain")
        def plain(large):
            calls.append("plain")
            return "WORD" * 100_000
    """

    def build(word: str) -> list[str]:
        (project.folder / "f.txt").write_text(word)
        sys.modules.pop("pipe", None)
        return project.ran(project.module(source.replace("WORD", word), "pipe"))

    assert build("one") == build("two") == ["read", "plain"]
    for name in ("read", "plain"):
        for path in objects(project, name):
            if b"two" in path.read_bytes()[:100]:
                remove(path)
    project.reopen()
    check_store(roots.current_project(), repair=True)
    assert build("one") == []
    assert build("two") == ["read", "plain"]
    assert (nacre.load("asset://read")[:3], nacre.load("asset://plain")[:3]) == ("two", "two")
    assert build("one") == build("two") == []
    assert nacre.load("asset://read")[:3] == "two"


@pytest.mark.parametrize("damage", [remove, cut])
def test_content_that_is_made_again_is_stored_anew_where_the_bytes_of_before_are_gone(
    project: Sandbox, damage: Callable[[Path], None]
) -> None:
    """No head points into the void while the right value is in memory: of a source, and of what is made from it."""
    project.build(project.module(CHAIN))
    for name in ("raw", "big"):
        damage(objects(project, name)[0])
    module = project.module(CHAIN.replace('"y" * 100_000', '"yy" * 50_000'))
    assert project.ran(module) == ["raw", "big"]
    assert nacre.load("asset://raw") == "x" * 100_000
    assert nacre.load("asset://big") == "X" * 100_000 + "y" * 100_000
    assert project.ran(module) == ["raw"]


def test_a_source_that_comes_back_to_a_lost_version_stores_its_content_anew(project: Sandbox) -> None:
    module = project.module(CHAIN)
    for word in ("one", "two"):
        module.turn(raw=word * 100_000)
        project.build(module, "raw").raise_for_failure()
    (lost,) = [path for path in objects(project, "raw") if path.read_bytes().startswith((b"one", b'"one'))]
    remove(lost)
    project.reopen()
    check_store(roots.current_project(), repair=True)
    module.turn(raw="one" * 100_000)
    project.build(module, "raw").raise_for_failure()
    assert nacre.load("asset://raw") == "one" * 100_000
    assert project.build(module).ok
    assert nacre.load("asset://small") == 400_000


def test_a_content_from_before_is_found_where_its_recipe_made_another_one_since(project: Sandbox) -> None:
    source = """
        @materialize("asset://least")
        def least(): return 1
        @materialize("asset://feed")
        def feed(least):
            return world["feed"] * 100_000
    """
    module = project.module(source)
    for word, refresh in (("one", False), ("two", True)):
        module.turn(feed=word)
        project.build(module, "feed", refresh=refresh).raise_for_failure()
    first = objects(project, "feed")
    module = project.module(source.replace('world["feed"] * 100_000', '(world["feed"]) * 50_000 * 2'))
    module.turn(feed="one")
    project.build(module, "feed").raise_for_failure()
    assert nacre.load("asset://feed") == "one" * 100_000
    assert objects(project, "feed") == first, "and its bytes stand for this version too"
