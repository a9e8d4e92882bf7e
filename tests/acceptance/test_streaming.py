"""A large table is stored and read piece by piece: what that takes does not grow with the table.

Each peak is that of a process of its own. ``STREAM_MB=1000`` asks for a table of a gigabyte.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from buckets import KEYS, Service
from sandbox import SOURCES

SIZE_MB = int(os.environ.get("STREAM_MB", "110"))
#: What saving may take beside the writer of Parquet, and what reading batch by batch may take beside its reader.
LIMIT_MB = 64
SCRIPT = f"""
import sys
from collections.abc import Iterator
import numpy, pyarrow, pyarrow.parquet as parquet
sys.dont_write_bytecode = True
import nacre
from nacre import materialize

ROWS = {SIZE_MB} * 1024 * 1024 // 16

def table():
    draw = numpy.random.default_rng(0)
    columns = [pyarrow.array(draw.integers(0, 1 << 60, ROWS)), pyarrow.array(draw.random(ROWS))]
    return pyarrow.table(columns, names=["a", "b"])

@materialize("demo://large.parquet")
def large() -> pyarrow.Table:
    return table()

def write():
    parquet.write_table(table(), "plain.parquet", compression="zstd", compression_level=1)

def read():
    file = parquet.ParquetFile("plain.parquet")
    found = (file.iter_batches(65_536, row_groups=[group]) for group in range(file.num_row_groups))
    assert sum(batch.num_rows for batches in found for batch in batches) == ROWS

def save():
    nacre.build("large", modules=["pipeline.py"]).raise_for_failure()

def load():
    found = nacre.load("demo://large.parquet", as_type=Iterator[pyarrow.RecordBatch])
    assert sum(batch.num_rows for batch in found) == ROWS

if __name__ == "__main__":
    globals()[sys.argv[1]]()
    # Not that of getrusage, which on Linux begins with that of the process before.
    with open("/proc/self/status") as status:
        print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
"""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one process")


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.whole)])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    found = {**os.environ, "PYTHONPATH": str(SOURCES), "NACRE_QUIET": "1"}
    if request.param == "bucket":
        service: Service = request.getfixturevalue("s3_service")
        url = f"s3://{service.new_bucket()}/team"
        found |= {**KEYS, "AWS_ENDPOINT_URL": service.endpoint, "NACRE_STORE": url}
    return found


def test_the_peak_of_storing_and_reading_a_large_table_is_that_of_parquet_itself(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    peaks = {name: peak(name, environ, tmp_path) for name in ("write", "save", "read", "load")}
    print(peaks)
    assert peaks["write"] > SIZE_MB, "the table itself is in memory"
    assert peaks["save"] <= peaks["write"] + LIMIT_MB
    assert peaks["load"] <= peaks["read"] + LIMIT_MB


def peak(name: str, environ: dict[str, str], folder: Path) -> int:
    """The most memory that a process ever had, in MB."""
    done = subprocess.run(
        [sys.executable, "pipeline.py", name],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])
