"""Makes a golden store: ``python make.py PROJECT OUT``, with the nacre whose stores shall be kept on PYTHONPATH.

PROJECT holds the sources; OUT becomes a folder with the store as that nacre writes it, what it published, and
``told.json``: versions, values, lineage and runs as it tells them itself. With a URL in NACRE_STORE the store is in
that bucket, and its objects become files. Names of people and machines are made up, so that a store can be shared.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import nacre
from nacre.curate import accepting
from nacre.execute import process
from nacre.values import data_version

FEED = [
    {"item": "tea", "price": 3.0, "day": 1, "tags": ["hot"]},
    {"item": "cake", "price": 4.5, "day": 2, "tags": []},
]
JAM = {"item": "jam", "price": 2.0, "day": 3, "tags": ["sweet", "red"]}
HOUR = 3_600
ENV = "default"


def told(workspace: object) -> dict[str, object]:
    """Say what a store tells: of each slot its versions with their values and inputs, its neighbours; the runs."""
    catalog = workspace.catalog
    slots = {}
    for head in catalog.heads(ENV):
        versions = []
        for row in catalog.history(ENV, head.asset, head.partition):
            inputs = catalog.inputs(ENV, head.asset, row.seq, head.partition)
            versions.append(
                {
                    "seq": row.seq,
                    "fingerprint": row.fingerprint,
                    "data_version": row.data_version,
                    "run": row.run,
                    "at": row.at,
                    "inputs": sorted([each.parameter, each.upstream, each.upstream_seq] for each in inputs),
                }
            )
        slots[head.slot] = {
            "versions": versions,
            "published": head.published,
            "mark": head.mark,
            "upstream": sorted(catalog.upstream(ENV, head.asset)),
            "downstream": sorted(catalog.downstream(ENV, head.asset)),
        }
    runs = [[run.id, run.name, run.kind, run.state, run.counts] for run in catalog.runs(100)]
    artifacts = sorted([row.key, row.kind, row.asset, row.run] for row in catalog.artifacts())
    return {"slots": slots, "runs": runs, "artifacts": artifacts}


def check_values(workspace: object) -> None:
    """Load what is current, so that a store is only kept if its own nacre reads it."""
    for head in workspace.catalog.heads(ENV):
        loaded = nacre.load(head.asset, partition=head.partition)
        assert data_version(loaded) == head.data_version, head.slot


def history(folder: Path) -> object:
    """Let a project live through a few days: three feeds, one that a step fails on, a flow, an accepted edit."""
    from nacre.declare.discover import load_module
    from sandbox import Sandbox  # tests/sandbox.py of the nacre that writes the store

    sandbox = Sandbox(folder)
    source = folder / "pipeline.py"
    final = source.read_text()

    def turn(feed: list[dict[str, object]], text: str = final) -> object:
        sandbox.clock.advance(6 * HOUR)
        (folder / "feed.json").write_text(json.dumps(feed))
        source.write_text(text)
        sys.modules.pop("pipeline", None)
        sandbox.reopen()
        return load_module(source)

    def build(module: object, *select: str) -> nacre.RunResult:
        return nacre.build(list(select) or ["*"], modules=[module])

    build(turn(FEED)).raise_for_failure()
    build(turn([*FEED, JAM])).raise_for_failure()
    assert not build(turn([*FEED, {**JAM, "price": 0.0}]), "ratio").ok
    edited = turn([*FEED, {**JAM, "price": 2.5}], final.replace("len(feed)]) *", "len(feed)]) * 1 *"))
    build(edited).raise_for_failure()
    nacre.accept("large", "the same bytes", modules=[turn([*FEED, {**JAM, "price": 2.5}])])
    last = turn([*FEED, {**JAM, "price": 2.5}])
    assert last.nightly(digits=2) == 1.8
    build(last).raise_for_failure()
    return sandbox


def export(store: str, out: Path) -> None:
    """Copy a store to a folder: a bucket's objects as files."""
    if "://" not in store:
        # What keeps a store out of git would keep it out of ours.
        shutil.copytree(store, out, ignore=shutil.ignore_patterns(".gitignore"))
        return
    import boto3

    bucket, _, prefix = store.removeprefix("s3://").partition("/")
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for each in page.get("Contents", []):
            target = out / each["Key"].removeprefix(f"{prefix}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())


def main() -> None:
    project, out = map(Path, sys.argv[1:])
    process._host = lambda: "laptop"
    accepting._who = lambda: "ada@laptop"
    folder = Path.cwd()
    for name in ("pipeline.py", "nacre.toml"):
        shutil.copy(project / name, folder)
    # A project is that of the started script.
    sys.modules["__main__"].__file__ = str(folder / "nacre.toml")
    store = os.environ.setdefault("NACRE_STORE", str(folder / "store"))
    sys.path.insert(0, str(folder))
    sandbox = history(folder)
    workspace = sandbox.workspace
    check_values(workspace)
    said = told(workspace)
    sandbox.close()
    out.mkdir(parents=True)
    export(store, out / "store")
    shutil.copytree(folder / "lake", out / "lake")
    shutil.copy(folder / "feed.json", out / "feed.json")
    (out / "told.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
