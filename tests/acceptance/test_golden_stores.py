"""Stores that earlier versions of nacre wrote, opened by this one: nothing lost, nothing built, nothing to convert."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sqlite3
from base64 import b64decode
from pathlib import Path
from struct import pack
from types import ModuleType
from typing import Any

import pytest
from blake3 import blake3

import nacre
from buckets import Lake
from nacre.catalog.index import SCHEMA_VERSION
from nacre.declare.discover import load_module
from nacre.errors import StoreTooNew
from nacre.keys import key_of, partition_of
from nacre.store.records import FORMAT_VERSION
from nacre.values import data_version
from sandbox import Sandbox

GOLDEN = Path(__file__).parent.parent / "golden" / "stores"
STORES = sorted(path.name for path in GOLDEN.iterdir() if (path / "told.json").exists())


def maker() -> ModuleType:
    """What made the stores; it also says what a store tells."""
    spec = importlib.util.spec_from_file_location("make_golden_store", GOLDEN / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(project: Sandbox) -> dict[str, Any]:
    """What a store tells, as JSON holds it."""
    said: dict[str, Any] = json.loads(json.dumps(maker().told(project.workspace)))
    return said


class Kept:
    """A copy of a store that was kept, in a project with its sources."""

    def __init__(self, name: str, project: Sandbox) -> None:
        self.project = project
        self.folder = project.folder
        self.said: dict[str, Any] = json.loads((GOLDEN / name / "told.json").read_text())
        self.slots: dict[str, Any] = self.said["slots"]
        for file in ("pipeline.py", "nacre.toml"):
            shutil.copy(GOLDEN / name.removesuffix("-bucket") / file, self.folder)
        shutil.copy(GOLDEN / name / "feed.json", self.folder)
        shutil.copytree(GOLDEN / name / "lake", self.folder / "lake")
        for slot, each in self.slots.items():
            if each["mark"]:
                # What tells a published file from others is its size and time, and git keeps no times.
                path = nacre.location(key_of(slot), partition=partition_of(slot))
                os.utime(path, ns=(0, int(each["mark"].rpartition("-")[2])))
        project.clock.advance(30 * 86_400)
        self.reopen()

    def reopen(self) -> None:
        self.project.reopen()
        self.module = load_module(self.folder / "pipeline.py")

    def build(self, *select: str) -> nacre.RunResult:
        return nacre.build(list(select) or ["*"], modules=[self.module])

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "pipeline.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        self.project._modules.append("pipeline")
        self.project.forget_modules()
        self.reopen()


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest, project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Kept:
    name = request.param
    if name.endswith("-bucket"):
        lake: Lake = request.getfixturevalue("lake")
        monkeypatch.setenv("NACRE_STORE", f"{lake.url}/shop")
        for path in sorted((GOLDEN / name / "store").rglob("*")):
            if path.is_file():
                key = f"shop/{path.relative_to(GOLDEN / name / 'store').as_posix()}"
                lake.write(key, path.read_bytes())
    else:
        shutil.copytree(GOLDEN / name / "store", project.store)
    project._modules.append("pipeline")
    return Kept(name, project)


def counts(result: nacre.RunResult) -> dict[str, int]:
    result.raise_for_failure()
    return {name: n for name, n in result.counts.items() if n}


def test_history_lineage_and_runs_are_as_they_were_told(kept: Kept) -> None:
    assert told(kept.project) == kept.said


def test_every_version_is_loaded_as_it_was(kept: Kept) -> None:
    workspace = kept.project.workspace
    n = 0
    for slot, each in kept.slots.items():
        assert (
            data_version(nacre.load(key_of(slot), partition=partition_of(slot)))
            == (each["versions"][0]["data_version"])
        )
        for version in each["versions"]:
            stored = workspace.records.get(f"ac/{version['fingerprint']}")
            assert stored is not None
            (output,) = (each for each in json.loads(stored.data)["outputs"] if each["asset"] == key_of(slot))
            assert output["data_version"] == version["data_version"]
            n += 1
    assert n > 30


def test_every_version_is_compared_with_the_one_before(kept: Kept) -> None:
    compared = 0
    for slot, each in kept.slots.items():
        for version in each["versions"][:-1]:
            found = nacre.diff(key_of(slot), b=version["seq"], partition=partition_of(slot))
            assert found.same or str(found)
            compared += not found.same
    assert compared > 15


def test_nothing_is_to_be_done_while_sources_are_as_they_were(kept: Kept) -> None:
    plan = nacre.plan("*", modules=[kept.module], reuse_sources=True)
    assert {step.action for step in plan.steps} == {"reuse"}
    result = kept.build()
    assert counts(result) == {"checked": 1, "reused": len(result.steps) - 1}
    assert [step.name for step in result.steps if step.checked] == ["feed"]
    assert told(kept.project)["slots"] == kept.slots


def test_a_flow_takes_what_was_stored(kept: Kept) -> None:
    assert kept.module.nightly(digits=2) == 1.8
    assert told(kept.project)["runs"][0][4].get("built", 0) == 0


def test_an_edit_builds_what_it_touches_and_goes_on_counting(kept: Kept) -> None:
    kept.edit("len(feed)]) * 70_000", "len(feed)]) * 70_001")
    result = kept.build()
    assert [step.name for step in result.steps if step.action == "built" and not step.checked] == ["large"]
    slot = "shop://large.bin"
    before, after = kept.slots[slot]["versions"], told(kept.project)["slots"][slot]["versions"]
    assert after[1:] == before
    assert after[0]["seq"] == before[0]["seq"] + 1
    assert len(nacre.load(slot)) == 70_001  # type: ignore[arg-type]  # bytes


def test_what_the_world_brings_is_built_and_published(kept: Kept) -> None:
    feed = json.loads((kept.folder / "feed.json").read_text())
    (kept.folder / "feed.json").write_text(
        json.dumps([*feed, {"item": "bun", "price": 1.0, "day": 4, "tags": []}])
    )
    result = kept.build()
    assert counts(result)["built"] > 10
    assert (kept.folder / "lake/land=de/report.txt").read_text() == "de: 4 orders\n"
    assert told(kept.project)["slots"]["s3://lake/sales.parquet"]["published"] == 4


def test_the_catalog_is_brought_up_to_date_in_place(kept: Kept) -> None:
    file = next(path for path in kept.folder.rglob("*.sqlite")) if kept.project.store.exists() else None
    if file is None:
        assert kept.build().ok  # of a bucket the catalog is an index of this machine, made anew
        return
    with sqlite3.connect(file) as before:
        assert before.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION
        records = before.execute("SELECT path, data FROM records WHERE path NOT LIKE 'state/%'").fetchall()
    kept.build()
    with sqlite3.connect(file) as after:
        assert after.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        left = set(after.execute("SELECT path, data FROM records").fetchall())
    # A build that finds nothing new adds its run, and changes nothing that was there.
    assert set(records) <= left


def test_a_store_of_a_newer_format_is_refused_and_left_as_it_is(
    kept: Kept, request: pytest.FixtureRequest
) -> None:
    record = json.dumps({"version": FORMAT_VERSION + 1, "created_at": "2030-01-01T00:00:00Z"})
    if not kept.project.store.exists():
        lake: Lake = request.getfixturevalue("lake")
        lake.write("shop/records/format", f'{record}\n"{"0" * 26}"'.encode())
        before = {name: lake.read(name) for name in lake.names()}
        with pytest.raises(StoreTooNew):
            kept.build()
        assert {name: lake.read(name) for name in lake.names()} == before
        return
    kept.project.close()
    file = kept.project.store / "records.sqlite"
    with sqlite3.connect(file) as store:
        store.execute("UPDATE records SET data = ? WHERE path = 'format'", (record.encode(),))
    store.close()
    data = file.read_bytes()
    kept.project.reopen()
    with pytest.raises(StoreTooNew):
        kept.build()
    kept.project.close()
    assert file.read_bytes() == data


def encoded(text: str) -> str:
    """A text in a path, as the specification says."""
    slug = re.sub(r"[^A-Za-z0-9_.=-]+", "-", text).strip("-.")[:80]
    data = text.encode()
    return f"{slug}-{blake3(b'n1' + pack('<I', 3) + b'key' + pack('<Q', len(data)) + data).hexdigest()[:16]}"


@pytest.mark.parametrize("name", STORES)
def test_who_knows_the_specification_alone_reads_every_version(name: str) -> None:
    """Nothing of nacre is used: the paths, the records and the promises to readers are those of the page."""
    store = GOLDEN / name / "store"
    if (store / "records.sqlite").exists():
        with sqlite3.connect(f"file:{store}/records.sqlite?mode=ro&immutable=1", uri=True) as database:
            records = dict(database.execute("SELECT path, data FROM records"))
        database.close()
    else:
        files = [path for path in (store / "records").rglob("*") if path.is_file()]
        records = {path.relative_to(store / "records").as_posix(): path.read_bytes() for path in files}
        # In a bucket the id of the write stands on a line of its own.
        records = {path: data.rpartition(b"\n")[0] for path, data in records.items()}
    seen = 0
    for slot, each in json.loads((GOLDEN / name / "told.json").read_text())["slots"].items():
        asset, _, partition = slot.partition("#")
        path = f"heads/default/{encoded(asset)}" + (f"/{encoded(partition)}" if partition else "")
        history = json.loads(records[path])["history"]
        assert [version["seq"] for version in history] == list(range(1, len(history) + 1))
        assert [version["data_version"] for version in reversed(history)] == [
            version["data_version"] for version in each["versions"]
        ]
        for version in history:
            outputs = json.loads(records[f"ac/{version['fingerprint']}"])["outputs"]
            (output,) = [output for output in outputs if output["asset"] == asset]
            assert output["data_version"] == version["data_version"]
            inline = "object" not in output
            data = (
                b64decode(output["inline"]) if inline else (store / "objects" / output["object"]).read_bytes()
            )
            assert (len(data), blake3(data).hexdigest()) == (output["size_bytes"], output["digest"])
            seen += 1
    assert seen > 30


def test_each_format_has_a_store_that_was_kept() -> None:
    assert {f"format-{n}{place}" for n in range(1, FORMAT_VERSION + 1) for place in ("", "-bucket")} <= set(
        STORES
    )
