"""Data versions: equal content gives equal digests, different content different ones, and the bytes never change."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import struct
import subprocess
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from nacre.errors import InvalidOption, UnserialisableValue
from nacre.values import identify, preview, settle, without

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Point:
    x: int
    y: object = 0


@dataclass
class Loose:
    x: int


class Model(pydantic.BaseModel):
    model_config = {"extra": "allow"}
    x: int


class Keyed:
    def __init__(self, name: str) -> None:
        self.name = name

    def __data_key__(self) -> object:
        return self.name


# Class names count, and pytest has its own name for this module.
for named in (Colour, Point, Loose, Model, Keyed):
    named.__module__ = "shapes"


def digest(value: object) -> str:
    return identify(value).digest


GOLDEN: list[tuple[Callable[[], object], str]] = [
    (lambda: None, "3c4d6d726da19fcc1cb6acec716b89aa"),
    (lambda: 5, "e05ef39758ebfc05f1b4039f517b2bd7"),
    (lambda: -(2**70), "1a0325d6f92980476c35f702d63fd5c1"),
    (lambda: 1.5, "1928505c328297f224db4131e1a9a411"),
    (lambda: float("nan"), "1886e654dce66a6bc09640db5f174c86"),
    (lambda: "é", "df976f5cee8e72072b7ad1094054c023"),
    (lambda: "\ud800", "7df76db010516f9236a8919ed2983723"),
    (lambda: b"\x00", "6d6ca8a61acccb3e750030704e81d69f"),
    (lambda: [1, [True, None], {"a": ()}], "f3f4ff43b2f392487b281e0bb0e620ea"),
    (lambda: {"v": 5}, "217c8e7a5f21f44d325a3cdaac6f4dda"),
    (lambda: {"a": 1, "b": [1.0]}, "9f55310fc7b3e46b5d2d7a3a5d7e6350"),
    (lambda: {1, "a"}, "b11e6e7fb5e368d067880471d31bfd49"),
    (lambda: "a" * 70_000, "a11a3786bf8da0800d3cba1713a71d5b"),
    (lambda: [NOW, NOW.date(), NOW.time(), dt.timedelta(1, 2, 3)], "4a2a1b913b19fc79f0ed577e60d7e8e9"),
    (lambda: NOW.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), "71bda2568323a0f4721936359ab74972"),
    (lambda: decimal.Decimal("1.20"), "26ab5316a78819743dd5757f34d5f32a"),
    (lambda: uuid.UUID(int=7), "16145bca5edb2d7f77697c53615acc45"),
    (lambda: [1 + 2j, range(1, 9, 2), Colour.RED], "94136df99eeb96004aae4a36ff1aade7"),
    (lambda: Point(1, "b"), "07cb663e1c1ca8556cc7c1e89a55d806"),
    (lambda: Model(x=1), "cf4d6a9015a97d43f84faa787652b3d4"),
    (lambda: Keyed("a"), "b7afce2d8247925092d1a4545a0c8fd6"),
    (lambda: pd.Timestamp("2026-03-01", tz="UTC"), "faf94b4a380e06a388b5d6e71b6cdb20"),
    (lambda: np.float64(1.5), "221645394977e915d3c37b0a4fe5ae3f"),
    (lambda: np.arange(6, dtype="i4").reshape(2, 3), "906990843b18e8adc3fff03e4627fc0b"),
    (lambda: pa.table(COLUMNS), "e55f54e60d78a61eed2cbbe1fc465f8b"),
    (lambda: nested(), "91f5e339d41a8cf49b514d956aa83c63"),
    (lambda: pa.table({"a": pa.array([], pa.int8())}), "4ff646919a1aa81baef68d21b25578d1"),
    (
        lambda: pl.DataFrame({"e": pl.Series(["x"], dtype=pl.Enum(["x", "y"])), "t": [dt.time(1)]}),
        "e22a26101508bb8d085b2433283ccd25",
    ),
    (lambda: pl.Series("a", [1, None]), "afcb82db608ce4ed441cabf52115f318"),
    (lambda: pd.DataFrame({"a": [1]}, index=pd.Index(["k"], name="i")), "4bb24dccca38623bb15baa4b69e59d26"),
    (lambda: pd.Series(["x"], name="s"), "81bd69622cce8d8d2fbfe05c035d662f"),
]


@pytest.mark.parametrize(("make", "expected"), GOLDEN)
def test_a_data_version_never_changes(make: Callable[[], object], expected: str) -> None:
    assert digest(make())[:32] == expected


DIFFERENT = [
    None,
    True,
    1,
    1.0,
    np.int64(1),
    np.float64(1),
    decimal.Decimal(1),
    decimal.Decimal("1.0"),
    "1",
    b"1",
    bytearray(b"1"),
    0.0,
    -0.0,
    float("nan"),
    2**64,
    [],
    (),
    {},
    set(),
    frozenset(),
    [1],
    [[1]],
    [1, 1],
    (1,),
    {1},
    frozenset({1}),
    {"a": 1},
    {"a": 1.0},
    {"a": "1"},
    {"b": 1},
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    [["a"], "b"],
    [["a", "b"]],
    ["ab"],
    "a" * 70_000,
    b"a" * 70_000,
    "a" * 70_001,
    Colour.RED,
    Colour.BLUE,
    Point(1),
    Point(1, 1),
    Loose(1),
    Model(x=1),
    Model(x=1, z=2),  # type: ignore[call-arg]  # an extra field
    Keyed("a"),
    Keyed("b"),
    NOW,
    NOW.replace(tzinfo=None),
    NOW.replace(tzinfo=zoneinfo.ZoneInfo("UTC")),
    NOW.replace(fold=1),
    NOW.date(),
    NOW.time(),
    dt.timedelta(1),
    uuid.UUID(int=1),
    1 + 0j,
    range(1),
    pd.Timestamp("2026-03-01"),
    pd.NaT,
    pd.NA,
    np.array([1]),
    np.array([[1]]),
    np.array([1.0]),
    np.array(["a"]),
    np.array([1, "a"], dtype=object),
    pa.table({"a": [1]}),
    pa.table({"b": [1]}),
    pa.table({"a": [1.0]}),
    pa.table({"a": pa.array([1], pa.int32())}),
    pa.table({"a": [None]}),
    pa.table({"a": pa.array([None], pa.int64())}),
    pa.table({"a": [float("nan")]}),
    pa.table({"a": ["x"]}),
    pa.table({"a": pa.array(["x"]).dictionary_encode()}),
    pa.table({"a": [b"x"]}),
    pa.table({"a": [["x"]]}),
    pa.table({"a": [[], ["x"]]}),
    pa.table({"a": [["x"], []]}),
    pa.table({"a": [None, ["x"]]}),
    pa.table({"a": [{"b": 1}]}),
    pa.table({"a": [{"b": None}]}),
    pa.table({"a": pa.array([None], pa.struct([("b", pa.int64())]))}),
    pa.table({"a": ["ab", "c"]}),
    pa.table({"a": ["a", "bc"]}),
    pa.table({"a": [1], "b": [2]}),
    pa.table({"b": [2], "a": [1]}),
    pa.table({}),
    pl.Series("a", [1]),
    pl.Series("b", [1]),
    pd.Series([1]),
    pd.Series([1], name="a"),
    pd.DataFrame({"a": [1]}, index=[5]),
    pd.DataFrame({"a": [1]}, index=pd.Index([0], name="n")),
    pd.DataFrame({0: [1]}),
    pd.DataFrame({"0": [1]}),
]


def test_different_values_differ() -> None:
    seen: dict[str, object] = {}
    for value in DIFFERENT:
        found = digest(value)
        assert found not in seen, (value, seen[found])
        seen[found] = value


def test_sets_have_no_order() -> None:
    assert digest({"a", "b", "c"}) == digest({"c", "a", "b"})


def test_there_is_one_nan() -> None:
    odd = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]
    assert math.isnan(odd)
    assert digest([odd]) == digest([float("nan")])
    assert digest(np.array([odd])) == digest(np.array([np.nan]))
    assert digest(pa.table({"a": [odd, 1.0]})) == digest(pa.table({"a": [float("nan"), 1.0]}))
    infinite = pa.table({"a": [float("inf"), -float("inf")]})
    assert digest(infinite) != digest(pa.table({"a": [float("nan"), float("nan")]}))


COLUMNS = {
    "id": [1, 2, 3],
    "name": ["a", None, "ccc"],
    "score": [1.5, None, -0.0],
    "ok": [True, False, None],
    "at": [NOW, None, NOW],
    "day": [NOW.date(), None, None],
}


def test_a_table_is_the_same_in_every_library() -> None:
    arrow = pa.table({**COLUMNS, "at": pa.array(COLUMNS["at"], pa.timestamp("us", "UTC"))})
    expected = digest(arrow)
    assert digest(pl.from_arrow(arrow)) == expected
    assert digest(pl.from_arrow(arrow).lazy()) == expected  # type: ignore[union-attr]  # a frame
    assert digest(duckdb.from_arrow(arrow.select(["id", "name", "score", "ok", "day"]))) == digest(
        arrow.select(["id", "name", "score", "ok", "day"])
    )
    assert digest(pd.DataFrame({"id": [1, 2], "s": ["a", "b"]})) == digest(
        pa.table({"id": [1, 2], "s": ["a", "b"]})
    )


def nested() -> pa.Table:
    rows = 1_000
    return pa.table(
        {
            "s": [None if i % 7 == 0 else f"x{i}" * (i % 3) for i in range(rows)],
            "l": [None if i % 5 == 0 else [None if j % 2 else j for j in range(i % 4)] for i in range(rows)],
            "m": pa.array(
                [None if i % 3 == 0 else [(str(i), i)] for i in range(rows)], pa.map_(pa.string(), pa.int64())
            ),
            "f": pa.array([None if i % 3 == 0 else [i, i] for i in range(rows)], pa.list_(pa.int16(), 2)),
            "t": [None if i % 4 == 0 else {"a": i, "b": None if i % 2 else [str(i)]} for i in range(rows)],
            "d": pa.array([None if i % 9 == 0 else str(i % 5) for i in range(rows)]).dictionary_encode(),
            "b": [None if i % 6 == 0 else i % 2 == 0 for i in range(rows)],
            "u": pa.array([None if i % 8 == 0 else bytes([i % 256]) * 16 for i in range(rows)], pa.uuid()),
            "c": [None if i % 8 == 0 else decimal.Decimal(i) for i in range(rows)],
            "h": pa.array([i / 2 for i in range(rows)], pa.float16()),
        }
    )


def test_chunks_slices_and_encodings_do_not_count() -> None:
    table = nested()
    expected = digest(table)
    assert digest(pa.concat_tables([table.slice(0, 333), table.slice(333, 1), table.slice(334)])) == expected
    padded = pa.concat_tables([table.slice(5, 9), table, table.slice(1, 3)]).combine_chunks()
    assert digest(padded.slice(9, 1_000)) == expected
    assert digest(table.replace_schema_metadata({"a": "b"})) == expected
    views = table.set_column(0, "s", table["s"].cast(pa.string_view()))
    large = table.set_column(0, "s", table["s"].cast(pa.large_string()))
    lists = table.set_column(1, "l", table["l"].cast(pa.large_list(pa.int64())))
    assert {digest(views), digest(large), digest(lists)} == {expected}


def test_dictionary_order_and_run_ends_do_not_count() -> None:
    first = pa.DictionaryArray.from_arrays([0, 1, None], ["x", "y"])
    second = pa.DictionaryArray.from_arrays([1, 0, None], ["y", "x"])
    assert digest(pa.table({"a": first})) == digest(pa.table({"a": second}))
    ordered = pa.DictionaryArray.from_arrays([0, 1, None], ["x", "y"], ordered=True)
    turned = pa.DictionaryArray.from_arrays([1, 0, None], ["y", "x"], ordered=True)
    assert digest(pa.table({"a": ordered})) != digest(pa.table({"a": turned}))
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "y"])
    assert digest(pa.table({"a": runs})) == digest(pa.table({"a": ["x", "x", "y"]}))


def test_bytes_under_nulls_do_not_count() -> None:
    valid = pa.py_buffer(b"\x05")
    arrays = [
        pa.Array.from_buffers(pa.int32(), 3, [valid, pa.py_buffer(struct.pack("<iii", 1, junk, 3))])
        for junk in (0, 77)
    ]
    assert digest(pa.table({"a": arrays[0]})) == digest(pa.table({"a": arrays[1]}))
    offsets = pa.py_buffer(struct.pack("<iiii", 0, 1, 3, 4))
    texts = [
        pa.Array.from_buffers(pa.string(), 3, [valid, offsets, pa.py_buffer(data)])
        for data in (b"a??c", b"axyc")
    ]
    assert digest(pa.table({"a": texts[0]})) == digest(pa.table({"a": ["a", None, "c"]}))
    assert digest(pa.table({"a": texts[0]})) == digest(pa.table({"a": texts[1]}))


def test_array_layout_does_not_count() -> None:
    array = np.arange(12.0).reshape(3, 4)
    assert digest(np.asfortranarray(array)) == digest(array)
    assert digest(array.astype(">f8")) == digest(array)
    assert digest(np.repeat(array, 2, axis=0)[::2]) == digest(array)
    packed = np.array([(1, 2.0)], dtype=np.dtype([("a", "i1"), ("b", "f8")]))
    aligned = packed.astype(np.dtype([("a", "i1"), ("b", "f8")], align=True))
    assert digest(packed) == digest(aligned)


def test_a_file_is_its_bytes_and_a_directory_its_names_and_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "a.txt").write_text("a")
        (folder / "b.txt").write_text("b")
    assert digest(one) == digest(two)
    assert digest(one / "b.txt") == digest(two / "b.txt")
    assert set(identify(one).outline.paths) == {"b.txt", "sub/a.txt"}
    (two / "b.txt").rename(two / "c.txt")
    assert digest(one) != digest(two)
    assert digest(one)[:32] == "0cc2ea5b39d91cf99c75aa5ab1fe0b1b"
    assert digest(one / "b.txt")[:32] == "8c34cc547ffeaf6b0feda46a3f040182"
    with pytest.raises(UnserialisableValue, match="missing"):
        identify(tmp_path / "missing")


def test_an_unknown_type_is_named_with_its_place() -> None:
    value = {"a": [1, 2, {"b c": (0, object())}]}
    with pytest.raises(UnserialisableValue, match=r'result\["a"\]\[2\]\["b c"\]\[1\]') as caught:
        identify(value)
    assert "builtins.object" in str(caught.value)
    with pytest.raises(UnserialisableValue, match=r"result\[0\]\.y"):
        identify([Point(1, object())])
    with pytest.raises(UnserialisableValue, match=r"a key of result\[0\]"):
        identify([{object(): 1}])
    with pytest.raises(UnserialisableValue, match="return list"):
        identify(x for x in "ab")
    with pytest.raises(UnserialisableValue, match=r"result\['mixed'\]"):
        identify(pd.DataFrame({"fine": [1, 2], "mixed": [1, "a"]}))


def test_an_odd_time_zone_is_refused_with_its_place() -> None:
    class Odd(dt.tzinfo):
        pass

    with pytest.raises(UnserialisableValue, match=r"(?s)result\[0\].*in place of Odd"):
        identify([dt.datetime(2026, 3, 1, tzinfo=Odd())])


def test_a_table_inside_a_value_counts_by_its_content() -> None:
    one, two = pa.table({"a": [1, 2]}), pa.table({"a": pa.chunked_array([[1], [2]])})
    assert digest({"t": one}) == digest({"t": two})
    assert digest({"t": one}) != digest({"t": one.slice(1)})
    assert identify({"t": one}).outline.paths == {"t": digest(one)[:16]}


def test_a_cycle_is_named_with_its_place() -> None:
    inner: list[object] = [1]
    inner.append({"again": inner})
    with pytest.raises(UnserialisableValue, match=r'(?s)contains itself.*result\["x"\]'):
        identify({"x": inner})


def test_depth_needs_no_recursion() -> None:
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    assert digest(value) != digest([value])
    sets: object = frozenset()
    for _ in range(10_000):
        sets = frozenset({sets})
    with pytest.raises(UnserialisableValue, match="too deeply"):
        identify(sets)


def test_shared_parts_are_no_cycle() -> None:
    shared = [1, 2]
    assert digest([shared, shared]) == digest([[1, 2], [1, 2]])


def test_the_started_script_is_named_by_its_file(tmp_path: Path) -> None:
    script = tmp_path / "shapes.py"
    script.write_text(
        "from dataclasses import dataclass\nfrom nacre.values import identify\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "if __name__ == '__main__':\n    print(identify(Point(1)).digest)\n"
    )
    code = "import shapes\nprint(shapes.identify(shapes.Point(1)).digest)"
    paths = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    runs = [[sys.executable, str(script)], [sys.executable, "-c", code], [sys.executable, "-m", "shapes"]]
    found = {
        subprocess.run(run, env=paths, capture_output=True, check=True, text=True).stdout for run in runs
    }
    assert len(found) == 1


def test_identifying_plain_data_imports_no_data_library() -> None:
    code = (
        "import sys\nfrom nacre.values import identify\nidentify({'v': [1, None]})\n"
        "print([m for m in ('pyarrow', 'pandas', 'polars', 'numpy', 'duckdb', 'decimal') if m in sys.modules])"
    )
    paths = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, check=True, text=True)
    assert "pyarrow" not in done.stdout
    assert "pandas" not in done.stdout


def test_mutable_says_whether_a_consumer_could_change_the_value() -> None:
    frozen = [1, "a", (1, "b"), frozenset({1}), Point(1), NOW, pa.table({"a": [1]}), np.float64(1)]
    loose = [[1], {"a": 1}, ([1],), Point(1, [2]), Loose(1), np.array([1]), pd.DataFrame({"a": [1]}), {1}]
    assert not any(identify(value).mutable for value in frozen)
    assert all(identify(value).mutable for value in loose)


def test_an_outline_names_leaves_and_columns() -> None:
    outline = identify({"a": [1, {"b c": 2}], "n": None, "e": []}).outline
    assert (outline.type, outline.size) == ("dict", 3)
    assert list(outline.paths) == ["a[0]", 'a[1]["b c"]', "n", "e"]
    outline = identify(pa.table({"a": [1], "b": ["x"]})).outline
    assert (outline.type, outline.size) == ("table", 1)
    assert [(name, kind) for name, (kind, _) in outline.columns.items()] == [("a", "int64"), ("b", "string")]
    frame = identify(pl.DataFrame({"a": [1], "b": ["y"]})).outline
    assert frame.columns["a"] == outline.columns["a"]
    assert frame.columns["b"] != outline.columns["b"]


def test_an_outline_stays_small() -> None:
    values = [
        {f"key {i} " + "ü" * 50: i for i in range(5_000)},
        [{"a": i, "b": str(i)} for i in range(5_000)],
        pa.table({f"column {i}": [i] for i in range(3_000)}),
        {"\ud800" * 100 + str(i): i for i in range(2_000)},
    ]
    for value in values:
        outline = identify(value).outline
        assert outline.truncated
        assert len(msgspec.json.encode(outline)) <= 16 * 1024


def test_settling_runs_a_query_once() -> None:
    assert isinstance(settle(pl.LazyFrame({"a": [1]})), pl.DataFrame)
    assert isinstance(settle(duckdb.sql("select 1 as a")), pa.Table)
    value = {"a": 1}
    assert settle(value) is value


def test_without_leaves_fields_out() -> None:
    drop = without("fetched_at", "n")
    assert repr(drop) == 'without("fetched_at", "n")'
    assert drop.fields == ("fetched_at", "n")
    value = {"a": 1, "fetched_at": "now"}
    assert drop(value) == {"a": 1}
    assert value == {"a": 1, "fetched_at": "now"}
    assert drop([value, {"n": 1}]) == [{"a": 1}, {}]
    assert without("y")(Point(1)) == {"x": 1}
    for table in (pa.table(COLUMNS), pl.DataFrame(COLUMNS), pd.DataFrame(COLUMNS)):
        found = without("at", "gone")(table)
        assert digest(found) == digest(
            table.drop(columns=["at"]) if hasattr(table, "loc") else table.drop(["at"])
        )
    assert without("a")("text") == "text"
    assert without("a") == without("a")
    with pytest.raises(InvalidOption, match="fetched_at"):
        without()


def test_a_preview_shows_the_beginning() -> None:
    table = preview([{"a": 1, "b": "x"}, {"a": 2}], rows=1)
    assert (table.kind, table.columns, table.rows, table.total) == ("table", ("a", "b"), (("1", "x"),), 2)
    assert not table.complete
    for value in (pa.table(COLUMNS), pl.DataFrame(COLUMNS), pd.DataFrame(COLUMNS)):
        shown = preview(value, rows=2)
        assert shown.columns == tuple(COLUMNS)
        assert shown.rows[0][:2] == ("1", "a")
        assert (len(shown.rows), shown.total) == (2, 3)
    assert preview("a\nb\nc", rows=2).text == "a\nb"
    assert preview({"a": 1}).text == "a: 1"
    assert preview(b"\x01").text == "01"
    assert preview(5).text == "5"
