"""The whole example on S3, as a team would run it: versions, published days and marts in one bucket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

import nacre
from buckets import Lake

EXAMPLE = Path(__file__).parents[2] / "examples" / "bluesky"
# What the example's modules are called when its folder is on the path, as it is for `python demo.py`.
sys.path.insert(0, str(EXAMPLE))
from sample import make_sample  # noqa: E402
from server import XrpcServer  # noqa: E402

DAYS = 60
SOURCES = {"bluesky://profiles", "bluesky://feed.parquet"}


@pytest.fixture
def on_s3(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """The sample network, and a bucket for the store and for what is published."""
    network = make_sample()
    with XrpcServer(network) as server:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BLUESKY_SERVICE", server.url)
        monkeypatch.setenv("BLUESKY_HANDLES", ",".join(each.handle for each in network.accounts.values()))
        monkeypatch.setenv("BLUESKY_DUCKDB", str(tmp_path / "bluesky.duckdb"))
        monkeypatch.setenv("NACRE_STORE", f"{lake.url}/nacre")
        monkeypatch.setenv("NACRE_PLACES", f"s3://lake={lake.url}/lake")
        yield lake


def build() -> dict[str, Counter[str]]:
    """Build everything, marts included, in a process of its own; count what happened to each asset."""
    modules = [each for name in ("pipeline.py", "marts.py") for each in ("-m", str(EXAMPLE / name))]
    done = subprocess.run(
        [sys.executable, "-m", "nacre", "build", "*", "--json", *modules],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    happened: dict[str, Counter[str]] = {}
    for line in map(json.loads, done.stdout.splitlines()):
        if line["event"] == "step":
            happened.setdefault(line["asset"], Counter())[line["action"]] += 1
    return happened


def read_with_duckdb(lake: Lake, query: str) -> list[tuple[object, ...]]:
    """Ask DuckDB, which knows nothing of nacre, over its own S3 client."""
    package = Path(duckdb_extension_httpfs.__file__).parent
    (extension,) = package.rglob("httpfs.duckdb_extension")
    host = lake.service.endpoint.removeprefix("http://")
    secret = f"TYPE s3, KEY_ID 'test', SECRET 'test', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false"
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"CREATE SECRET ({secret})")
        return connection.execute(query).fetchall()


def published(lake: Lake) -> dict[str, bytes]:
    return {name: lake.read(name) for name in lake.names() if name.startswith("lake/")}


@pytest.mark.whole
def test_the_second_run_checks_the_sources_and_reuses_everything_else(on_s3: Lake, tmp_path: Path) -> None:
    first = build()
    assert all(set(counts) == {"built"} for counts in first.values()), first
    assert sorted(counts["built"] for counts in first.values())[-2:] == [DAYS, DAYS]

    # What is published is there for programs that know nothing of nacre …
    files = f"'{on_s3.url}/lake/bluesky/posts/**/*.parquet', hive_partitioning = true"
    found = read_with_duckdb(
        on_s3, f"SELECT count(*), count(DISTINCT date), sum(likes) FROM read_parquet({files})"
    )
    feed = nacre.load("feed")
    assert found == [(feed.height, DAYS, feed["likes"].sum())]  # type: ignore[attr-defined]  # a frame

    # … and the marts were made from those very objects.
    with duckdb.connect(tmp_path / "bluesky.duckdb") as connection:
        staged = "select sql from duckdb_views() where view_name = 'stg_posts'"
        assert f"{on_s3.url}/lake/bluesky/posts/date=2026-04-30/posts.parquet" in str(
            connection.execute(staged).fetchall()
        )
        ranked = connection.execute("select count(*), min(rank) from posts_ranked").fetchall()
    assert ranked == [(feed.height, 1)]  # type: ignore[attr-defined]  # a frame

    before = published(on_s3)
    second = build()
    assert {asset for asset, counts in second.items() if counts == {"checked": 1}} == SOURCES
    assert all(set(counts) == {"reused"} for asset, counts in second.items() if asset not in SOURCES), second
    assert published(on_s3) == before
