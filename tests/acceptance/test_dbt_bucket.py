"""The Bluesky example's dbt project on a bucket: DuckDB reads S3 with the extension that pip installed."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import boto3
import duckdb
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from nacre.integrations.dbt.runner import Dbt, asked

PROJECT = Path(__file__).parents[2] / "examples" / "bluesky" / "dbt"
DAYS = [date(2026, 4, 27), date(2026, 4, 28)]


def posts(day: date) -> bytes:
    rows = {
        "handle": ["ann.example.com"] * 2,
        "uri": [f"at://ann/{day}/{number}" for number in range(2)],
        "posted_at": [datetime(day.year, day.month, day.day, 9, tzinfo=UTC)] * 2,
        "text": ["tea", "cake"],
        "is_reply": [False, True],
        **{name: [1, 3] for name in ("likes", "reposts", "replies", "quotes")},
    }
    data = io.BytesIO()
    pl.DataFrame(rows).write_parquet(data)
    return data.getvalue()


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A bucket with a file of posts per day, laid out as the pipeline publishes them; gives their URLs."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ann")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="lake")
    keys = [f"bluesky/posts/date={day}/posts.parquet" for day in DAYS]
    for key, day in zip(keys, DAYS, strict=True):
        client.put_object(Bucket="lake", Key=key, Body=posts(day))
    yield [f"s3://lake/{key}" for key in keys]
    server.stop()


def test_the_marts_are_made_from_files_in_a_bucket(
    lake: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PROJECT, tmp_path / "dbt", ignore=shutil.ignore_patterns("target"))
    monkeypatch.setenv("BLUESKY_DUCKDB", str(tmp_path / "bluesky.duckdb"))
    with asked(Dbt(tmp_path / "dbt", tmp_path / "dbt", "target/nacre", "bucket")) as dbt:
        dbt.environ["NACRE_SOURCE_LAKE_POSTS"] = "[" + ", ".join(f"'{url}'" for url in lake) + "]"
        outcome = dbt.invoke("build")
    assert outcome.success, outcome.exception or [each.message for each in outcome.result.results]
    with duckdb.connect(tmp_path / "bluesky.duckdb") as connection:
        ranked = connection.execute(
            "select rank, text, times_median from posts_ranked order by rank"
        ).fetchall()
    assert [row[0] for row in ranked] == [1, 2, 3, 4]
    assert (ranked[0][1], ranked[0][2]) == ("cake", 1.5)
