"""A history lies in several records: which versions it has is one answer, whoever wrote which of them last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.store import history
from nacre.store.codec import decode, encode
from nacre.store.fsck import check
from nacre.store.gc import Retention, collect
from nacre.store.history import fitted, last_of, whole
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.paths import head_path, past_path
from nacre.store.reach import trimmed
from nacre.store.records import Head, Materialization, Past
from nacre.store.spill import spill

ASSET = "asset://a"
HEAD = head_path("default", ASSET)
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def versions(seqs: Sequence[int]) -> tuple[Materialization, ...]:
    return tuple(
        Materialization(
            seq=seq, fingerprint=f"f{seq}", data_version=f"d{seq}", run="r", at=NOW, attempt=str(seq)
        )
        for seq in seqs
    )


def head(*seqs: int, first: int = 0) -> Head:
    return Head(env="default", asset=ASSET, history=versions(seqs), first=first)


def past(*seqs: int, first: int = 0) -> Past:
    return Past(env="default", asset=ASSET, history=versions(seqs), first=first)


def stored(*parts: Head | Past) -> MemoryRecords:
    records = MemoryRecords()
    for part in parts:
        path = HEAD if isinstance(part, Head) else past_path("default", ASSET, "", part.history[-1].seq)
        records.create(path, encode(part))
    return records


def listed(records: MemoryRecords) -> list[int]:
    found = [(each.path, Head if each.path == HEAD else Past) for each in records.scan("h")]
    parts = [(path, decode(records.get(path).data, kind)) for path, kind in found]  # type: ignore[union-attr]
    return [each.seq for each in whole((last_of(path, part), part) for path, part in parts)]


#: Parts of a history, and the versions it has.
HISTORIES: dict[str, tuple[list[Head | Past], list[int]]] = {
    "one head": ([head(1, 2)], [1, 2]),
    "an older part": ([past(1), head(2, 3)], [1, 2, 3]),
    "in both, after a crash": ([past(1), head(1, 2)], [1, 2]),
    "spilt by a writer that did not know": ([past(1), head(2, first=1)], [2]),
    "spilt late, behind another spill": ([past(1), past(2, first=1), head(3, 4)], [2, 3, 4]),
    "dropped from the middle": ([past(1), past(2, 3), head(4, 6, first=4)], [1, 2, 3, 4, 6]),
    "dropped from both": ([past(2, first=1), head(1, 2, 3)], [2, 3]),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_version_counts_where_every_part_that_tells_of_it_lists_it(name: str) -> None:
    parts, expected = HISTORIES[name]
    assert listed(stored(*parts)) == expected


@pytest.mark.parametrize("name", HISTORIES)
def test_an_index_says_the_same_in_whichever_order_it_hears_of_the_parts(name: str) -> None:
    parts, expected = HISTORIES[name]
    for order in permutations(stored(*parts).scan("h")):
        index = MemoryIndex()
        for each in order:
            index.apply([each])
        assert [row.seq for row in Catalog(index.read).history("default", ASSET)] == expected[::-1]


def test_a_collection_removes_what_a_late_writer_spilt() -> None:
    records = stored(past(1), head(2, first=1))
    collect(records, MemoryObjects(), now=NOW, settings=Retention(), delete=True)
    assert records.get(past_path("default", ASSET, "", 1)) is None
    assert listed(records) == [2]


def test_a_check_does_not_miss_what_was_dropped() -> None:
    records = stored(past(1), head(2, first=1))
    assert {each.version for each in check(records, MemoryObjects()).faults} == {"v2"}


def test_a_part_that_is_there_already_is_joined_with_what_leaves_the_head() -> None:
    """Each may have been trimmed since the other was written; what either dropped stays dropped."""
    for there, ours, expected in [
        (past(1, 2, 3), past(1, 2, 3), past(1, 2, 3)),
        (past(1, 2, 3), past(2, 3, first=1), past(2, 3, first=1)),
        (past(3, first=1), past(1, 2, 3), past(3, first=1)),
        (past(1, 3, first=1), past(2, 3, first=2), past(1, 3, first=1)),
    ]:
        records = stored(there)
        path = past_path("default", ASSET, "", 3)
        spill(records, history.Write(path, encode(ours)))
        found = records.get(path)
        assert found is not None
        assert decode(found.data, Past) == expected


def test_a_part_of_a_removed_environment_is_replaced() -> None:
    other = replace(past(1), history=(replace(versions([1])[0], fingerprint="another"),))
    records = stored(other)
    path = past_path("default", ASSET, "", 1)
    spill(records, history.Write(path, encode(past(1))))
    found = records.get(path)
    assert found is not None
    assert decode(found.data, Past) == past(1)


def test_a_head_that_spills_goes_on_telling_what_was_dropped_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "MAX_HISTORY", 3)
    monkeypatch.setattr(history, "SPILLED", 1)
    left, spilt = fitted(head(2, 4, 5, 6, first=1))
    assert spilt is not None
    assert decode(spilt.data, Past) == past(2, first=1)
    assert left == head(4, 5, 6, first=3)
    assert fitted(head(3, 4, 5, 6, first=1)).head == head(4, 5, 6)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.sets(st.integers(1, 60)),
)
def test_whatever_leaves_a_head_every_version_is_in_one_part(weights: list[int], gone: set[int]) -> None:
    """Versions are made from few or many others, and a collection drops some of them on the way."""
    parts: list[Head | Past] = []
    now = head()
    limits = history.MAX_HISTORY, history.SPILLED, history.MAX_INPUTS
    history.MAX_HISTORY, history.SPILLED, history.MAX_INPUTS = 8, 4, 40
    try:
        for seq, weight in enumerate(weights, 1):
            (version,) = versions([seq])
            inputs = {f"p{n}": ("asset://x", n) for n in range(weight)}
            left, spilt = fitted(replace(now, history=(*now.history, replace(version, inputs=inputs))))
            named = sum(len(each.inputs) for each in left.history)
            assert len(left.history) <= 8
            assert named <= 40 or len(left.history) <= history.KEPT
            parts += [decode(spilt.data, Past)] if spilt is not None else []
            *parts, kept = trimmed([*parts, left], gone & {seq - 3})
            assert isinstance(kept, Head)
            now = kept
    finally:
        history.MAX_HISTORY, history.SPILLED, history.MAX_INPUTS = limits
    kept_seqs = [seq for seq in range(1, len(weights) + 1) if seq not in gone or seq + 3 > len(weights)]
    assert listed(stored(*[each for each in parts if each.history], now)) == kept_seqs
