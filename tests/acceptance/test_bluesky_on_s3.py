"""The whole example on S3, as a team would run it: versions, published days and marts in one bucket."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

import nacre
from buckets import Lake
from nacre.project import _open_projects

EXAMPLE = Path(__file__).parents[2] / "examples" / "bluesky"
# What the example's modules are called when its folder is on the path, as it is for `python demo.py`.
sys.path.insert(0, str(EXAMPLE))
from sample import make_sample  # noqa: E402
from server import XrpcServer  # noqa: E402

DAYS = 60


@pytest.fixture
def on_s3(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[XrpcServer]:
    """The sample network, and a bucket for the store and for what is published."""
    network = make_sample()
    with XrpcServer(network) as server:
        monkeypatch.setenv("BLUESKY_SERVICE", server.url)
        monkeypatch.setenv("BLUESKY_HANDLES", ",".join(each.handle for each in network.accounts.values()))
        monkeypatch.setenv("NACRE_STORE", f"{lake.url}/nacre")
        monkeypatch.setenv("NACRE_PLACES", f"s3://lake={lake.url}/lake")
        monkeypatch.setenv("NACRE_QUIET", "1")
        yield server
    for project in _open_projects.values():
        project.close()
    _open_projects.clear()


def build() -> dict[str, Counter[str]]:
    """Build everything; count what happened to each asset."""
    result = nacre.build("*", modules=[EXAMPLE / "pipeline.py"])
    result.raise_for_failure()
    happened: dict[str, Counter[str]] = {}
    for step in result:
        action = "checked" if step.checked else step.action
        happened.setdefault(step.name.partition("[")[0], Counter())[action] += 1
    return happened


def read_with_duckdb(lake: Lake, query: str) -> list[tuple[object, ...]]:
    """Ask DuckDB, which knows nothing of nacre, over its own S3 client."""
    package = Path(duckdb_extension_httpfs.__file__).parent
    (extension,) = package.rglob("httpfs.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        host = lake.service.endpoint.removeprefix("http://")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false)"
        )
        return connection.execute(query).fetchall()


def test_the_second_run_checks_the_sources_and_reuses_everything_else(on_s3: XrpcServer, lake: Lake) -> None:
    first = build()
    assert all(set(counts) == {"built"} for counts in first.values()), first
    assert first["posts"] == first["daily_engagement"] == {"built": DAYS}

    found = read_with_duckdb(
        lake,
        "SELECT count(*), count(DISTINCT date), sum(likes) "
        f"FROM read_parquet('{lake.url}/lake/bluesky/posts/**/*.parquet', hive_partitioning = true)",
    )
    feed = nacre.load("feed")
    assert found == [(feed.height, DAYS, feed["likes"].sum())]  # type: ignore[attr-defined]  # a frame

    before = {name: lake.read(name) for name in lake.names() if name.startswith("lake/")}
    second = build()
    for source in ("profiles", "feed"):
        assert second.pop(source) == {"checked": 1}
    assert all(set(counts) == {"reused"} for counts in second.values()), second
    assert second["posts"] == {"reused": DAYS}
    assert {name: lake.read(name) for name in lake.names() if name.startswith("lake/")} == before
