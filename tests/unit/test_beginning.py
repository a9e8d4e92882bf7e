"""The beginning of a stored value is plain data, whatever it was, and no class that it names is made."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nacre.errors import TypeMismatch
from nacre.store import formats
from nacre.store.formats import read_beginning
from nacre.values import identify

made: list[object] = []


@dataclasses.dataclass
class Bomb:
    fuse: int

    def __post_init__(self) -> None:
        made.append(self)


def stored(value: object, key: str = "x://value") -> tuple[str, io.BytesIO]:
    sink = io.BytesIO()
    name = formats.save(value, identify(value), key, sink)
    return name, io.BytesIO(sink.getvalue())


def test_no_class_that_data_names_is_made() -> None:
    name, source = stored([Bomb(1), Bomb(2)])
    made.clear()
    assert read_beginning(name, source, 20) == [{"fuse": 1}, {"fuse": 2}]
    assert made == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, None, 2.5]}, {"a": [1, None, 2.5]}),
        ({1: "a", (2, 3): "b"}, {"1": "a", "[2, 3]": "b"}),
        ((dt.date(2026, 1, 2), {"x"}), ["2026-01-02", ["x"]]),
        (collections.deque([1, 2]), [1, 2]),
        ({"$nacre": 1}, {"$nacre": 1}),
        ("line\n" * 5, "line\n" * 5),
        (b"\x00\x01", b"\x00\x01"),
    ],
)
def test_values_are_shown_as_what_they_hold(value: object, shown: object) -> None:
    assert read_beginning(*stored(value), 20) == shown


def test_of_a_table_only_the_first_rows_are_read() -> None:
    name, source = stored(pl.DataFrame({"n": range(10_000)}))
    found = read_beginning(name, source, 3)
    assert (type(found).__name__, found.num_rows) == ("Table", 3)  # type: ignore[attr-defined]
    assert read_beginning(*stored(pl.DataFrame({"n": []})), 3).num_rows == 0  # type: ignore[attr-defined]


def test_a_file_is_shown_as_text_where_it_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hé" * 5_000, encoding="utf-8")
    (tmp_path / "b").write_bytes(b"\xff\x00")
    text = read_beginning(*stored(tmp_path / "a.txt"), 20)
    assert isinstance(text, str) and text.startswith("hé")
    assert read_beginning(*stored(tmp_path / "b"), 20) == b"\xff\x00"


def test_an_array_comes_as_it_is_and_unknown_formats_are_named() -> None:
    assert np.array_equal(read_beginning(*stored(np.arange(3)), 20), np.arange(3))  # type: ignore[arg-type]
    with pytest.raises(TypeMismatch, match="does not know"):
        read_beginning("pickle", io.BytesIO(b"x"), 20)


def test_json_too_large_to_look_at_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.store.formats.beginning.MAX_JSON_BYTES", 5, raising=False)
    with pytest.raises(TypeMismatch, match="too large"):
        read_beginning("json", io.BytesIO(b"[1, 2, 3]"), 20)
