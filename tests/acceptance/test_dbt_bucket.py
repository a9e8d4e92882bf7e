"""The whole Bluesky example on a bucket: posts published to S3, marts made by DuckDB from those very objects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from buckets import Lake

EXAMPLE = Path(__file__).parents[2] / "examples" / "bluesky"
sys.path.insert(0, str(EXAMPLE))
from sample import make_sample  # noqa: E402
from server import XrpcServer  # noqa: E402


def build() -> dict[str, int]:
    """Build everything in a process of its own; returns how many steps ended how."""
    modules = [each for name in ("pipeline.py", "marts.py") for each in ("-m", str(EXAMPLE / name))]
    done = subprocess.run(
        [sys.executable, "-m", "nacre", "build", "*", "--json", *modules],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])["counts"]
    return counts


def test_the_example_runs_on_a_bucket_and_its_marts_read_what_was_published(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_sample()
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/store")
    monkeypatch.setenv("NACRE_PLACES", f"s3://lake={lake.url}/lake")
    monkeypatch.setenv("BLUESKY_DUCKDB", str(tmp_path / "bluesky.duckdb"))
    monkeypatch.setenv("BLUESKY_HANDLES", ",".join(each.handle for each in network.accounts.values()))
    with XrpcServer(network) as server:
        monkeypatch.setenv("BLUESKY_SERVICE", server.url)
        first, second = build(), build()
    n_steps = first.pop("built")
    assert first == {}
    assert second == {"checked": 2, "reused": n_steps - 2}

    with duckdb.connect(tmp_path / "bluesky.duckdb") as connection:
        (made,) = connection.execute(
            "select sql from duckdb_views() where view_name = 'stg_posts'"
        ).fetchall()
        (ranked,) = connection.execute("select count(*), min(rank) from posts_ranked").fetchall()
    assert f"{lake.url}/lake/bluesky/posts/date=2026-04-30/posts.parquet" in made[0]
    assert ranked == (363, 1)
