"""What several unit tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex, apply, prepare
from nacre.store.embedded import SqliteRecords
from nacre.store.memory import MemoryRecords
from serving import World


@pytest.fixture(params=["memory", "embedded"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        index = MemoryIndex()
        yield World(MemoryRecords(index.apply), Catalog(index.read))
        index.close()
        return
    records = SqliteRecords(tmp_path / "records.sqlite", apply, prepare=prepare)
    yield World(records, Catalog(records.read))
    records.close()
