"""Every value comes back as it was saved, or is refused before anything is committed."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import fractions
import io
import pathlib
import typing
import uuid
import zoneinfo
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import duckdb
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from nacre.errors import TypeMismatch, UnserialisableValue
from nacre.store import formats
from nacre.store.formats.json import dumps
from nacre.values import identify

KEY = "asset://thing"
NOW = dt.datetime(2026, 3, 1, 12, 30, 5, 250, tzinfo=dt.UTC)


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


@dataclass
class Shape:
    name: str
    points: list[Point] = field(default_factory=list)
    made_at: dt.datetime = NOW

    def __post_init__(self) -> None:
        self.name = self.name + "!"


class Pair(typing.NamedTuple):
    left: int
    right: str


class Model(pydantic.BaseModel):
    x: int
    tags: tuple[str, ...] = ()


class Shown(typing.TypedDict):
    x: int


class Packed(msgspec.Struct):
    a: int
    b: tuple[int, ...]


def stored(value: object, key: str = KEY) -> tuple[str, bytes]:
    sink = io.BytesIO()
    name = formats.save(value, identify(value), key, sink)
    return name, sink.getvalue()


def back(value: object, key: str = KEY, as_type: object = None) -> object:
    name, data = stored(value, key)
    return formats.load(name, io.BytesIO(data), as_type)


SHARED = [
    None,
    True,
    5,
    -(2**63),
    2**64 + 1,
    1.5,
    -0.0,
    float("inf"),
    "text\r\nand more ✓",
    "\ud800",
    b"\x00\xff",
    bytearray(b"ab"),
    [],
    {},
    (),
    {"a": [1, {"b": None}]},
    (1, "a", [2]),
    {1: "a", (2, 3): "b"},
    {"$": 1, "b": {"$": "tuple"}},
    {"$nacre": "typed/1", "value": 5},
    {"deep": {"$nacre": "typed/1"}},
    {3, 1, 2},
    frozenset({("a", 1)}),
    NOW,
    dt.datetime(2026, 3, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    dt.datetime(2026, 3, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2), "here")),
    dt.datetime(2026, 3, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-2))),
    dt.date(2026, 3, 1),
    dt.time(1, 2, 3),
    dt.timedelta(days=-1, microseconds=5),
    decimal.Decimal("1.20"),
    decimal.Decimal("NaN"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=7),
    1 + 2j,
    range(1, 10, 3),
    pathlib.PurePosixPath("a/b"),
    collections.OrderedDict(b=1, a=2),
    collections.Counter("hello"),
    collections.deque([1, 2], maxlen=5),
    Colour.RED,
    Access.READ | Access.WRITE,
    Point(1, 2),
    [Point(1), {"p": Point(2)}],
    Pair(1, "b"),
    Packed(1, (2, 3)),
    {"m": Model(x=1, tags=("a",))},
    {"mean": np.float64(1.5), "n": np.int32(3), "when": np.datetime64("2026-03-01", "D")},
    {"at": pd.Timestamp("2026-03-01 01:00", tz="Europe/Berlin"), "none": pd.NaT, "d": pd.Timedelta("1s")},
]


@pytest.mark.parametrize("value", SHARED, ids=repr)
def test_a_python_value_comes_back_as_it_was(value: object) -> None:
    found = back(value)
    assert type(found) is type(value)
    assert identify(found).digest == identify(value).digest
    if not (isinstance(value, decimal.Decimal) and value.is_nan()) and "NaT" not in repr(value):
        assert found == value


def test_nan_comes_back_in_a_list() -> None:
    found = back([float("nan"), 1.0])
    assert isinstance(found, list)
    assert found[0] != found[0]


def test_initialisers_do_not_run_again_on_loading() -> None:
    shape = Shape("a", [Point(1)])
    assert back(shape) == shape


def test_plain_data_is_plain_json() -> None:
    assert stored({"v": 5, "items": [1.0, "é"]}) == ("json", '{"v":5,"items":[1.0,"é"]}'.encode())


def test_typed_data_says_so_and_stays_readable() -> None:
    assert dumps((1, 2)) == b'{"$nacre":"typed/1","value":{"$":"tuple","v":[1,2]}}'


def test_text_and_bytes_are_kept_byte_for_byte() -> None:
    assert stored("a\r\n") == ("text", b"a\r\n")
    assert stored(b"\x00") == ("bytes", b"\x00")


FRAME = {
    "id": [1, 2, 3],
    "name": ["a", None, "ccc"],
    "score": [1.5, None, -0.0],
    "at": [NOW, None, NOW],
}


def test_tables_of_every_library_come_back_as_that_library() -> None:
    arrow = pa.table(FRAME)
    for value in (arrow, pl.DataFrame(FRAME), pd.DataFrame(FRAME)):
        found = back(value)
        assert type(found) is type(value)
        assert identify(found).digest == identify(value).digest
    assert isinstance(back(arrow.to_batches()[0]), pa.RecordBatch)
    assert isinstance(back(pl.DataFrame(FRAME).lazy()), pl.DataFrame)


def test_loading_follows_the_annotation() -> None:
    table = pa.table(FRAME)
    assert isinstance(back(table, as_type=pl.DataFrame), pl.DataFrame)
    assert isinstance(back(table, as_type=pl.LazyFrame), pl.LazyFrame)
    assert isinstance(back(table, as_type=pd.DataFrame), pd.DataFrame)
    assert isinstance(back(table, as_type=duckdb.DuckDBPyRelation), duckdb.DuckDBPyRelation)
    assert back(table, as_type=list[dict[str, object]]) == table.to_pylist()
    assert isinstance(back(table, as_type=typing.Annotated[pl.DataFrame | None, "x"]), pl.DataFrame)
    assert isinstance(back(pl.DataFrame(FRAME), as_type=pa.Table), pa.Table)
    assert back({"x": 1}, as_type=Point) == Point(1)
    assert back({"x": 1}, as_type=Point | None) == Point(1)
    assert back({"x": 1}, as_type=Model) == Model(x=1)
    assert back({"x": 1}, as_type=Shown) == {"x": 1}
    assert back(None, as_type=Point | None) is None
    assert back(3, as_type=float) == 3
    assert back([1], as_type=collections.abc.Sequence[int]) == [1]


def test_batches_are_read_one_by_one() -> None:
    asked = typing.Iterator[pa.RecordBatch]
    found = back(pa.table({"a": range(200_000)}), as_type=asked)
    assert formats.streams(asked)
    assert [batch.num_rows for batch in found] == [65_536] * 3 + [3_392]  # type: ignore[attr-defined]


def test_a_path_is_a_private_copy() -> None:
    path = back({"v": 1}, as_type=pathlib.Path)
    assert isinstance(path, pathlib.Path)
    assert path.read_bytes() == b'{"v":1}'
    assert path.suffix == ".json"


def test_a_returned_file_is_kept_byte_for_byte(tmp_path: pathlib.Path) -> None:
    made = tmp_path / "out.csv"
    made.write_bytes(b"a,b\r\n1,2\r\n")
    found = back(made, key="s3://lake/out.csv")
    assert isinstance(found, pathlib.Path)
    assert found.read_bytes() == made.read_bytes()
    assert identify(found).digest == identify(made).digest
    assert back(made, as_type=bytes) == made.read_bytes()


def test_a_returned_directory_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnserialisableValue, match="directory cannot be stored"):
        back(tmp_path)


def test_a_wrong_annotation_names_both_types() -> None:
    with pytest.raises(TypeMismatch, match=r"(?s)stored +dict.*asked for +polars.DataFrame"):
        back({"a": 1}, as_type=pl.DataFrame)
    with pytest.raises(TypeMismatch, match=r"(?s)pyarrow.Table.*asked for +dict"):
        back(pa.table(FRAME), as_type=dict)
    with pytest.raises(TypeMismatch, match="y"):
        back({"x": 1, "y": "no"}, as_type=Point)
    with pytest.raises(TypeMismatch, match="bytes"):
        back("text", as_type=bytes)


def test_the_key_chooses_the_format_where_it_can_hold_the_value() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert formats.choose(rows, "s3://l/a.json").name == "json"
    assert formats.choose(rows, "s3://l/a.parquet").name == "parquet"
    assert formats.choose("text", "s3://l/a.json").name == "json"
    assert formats.choose("text", "s3://l/a.md").name == "text"
    assert formats.choose(b"x", "s3://l/a.json").name == "bytes"
    assert formats.choose({"a": 1}, "asset://a.b").name == "json"
    assert formats.choose(pa.table(FRAME), "asset://a").name == "parquet"
    assert formats.choose(None, "s3://l/a.csv").name == "json"


@pytest.mark.parametrize(
    ("value", "key"),
    [(pa.table(FRAME), "s3://l/a.csv"), ({"a": 1}, "s3://l/a.parquet"), ({"a": 1}, "s3://l/a.txt")],
)
def test_a_key_that_cannot_hold_the_value_names_both(value: object, key: str) -> None:
    with pytest.raises(UnserialisableValue, match=key):
        formats.choose(value, key)


def test_a_list_of_dicts_becomes_parquet_only_where_it_is_exact() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert back(rows, key="s3://l/a.parquet") == rows
    with pytest.raises(UnserialisableValue, match="would not come back"):
        back([{"a": 1}, {"b": 2}], key="s3://l/a.parquet")


def test_no_rows_at_all_come_back_from_parquet() -> None:
    assert back([], key="s3://l/a.parquet") == []
    for frame in (
        pd.DataFrame(),
        pd.DataFrame(columns=["a"]),
        pl.DataFrame(),
        pl.DataFrame(schema={"a": pl.Int8}),
    ):
        found = back(frame, key="s3://l/a.parquet")
        assert type(found) is type(frame)
        assert found.shape == frame.shape  # type: ignore[attr-defined]  # a frame


def test_loaded_relations_do_not_share_a_connection() -> None:
    asked = duckdb.DuckDBPyRelation
    relations = [back(pa.table({"a": range(200_000)}), as_type=asked) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda relation: identify(relation).digest, relations))
    assert len(digests) == 1


def test_loaded_tables_can_be_joined_by_their_names() -> None:
    # DuckDB 1 takes only relations of one connection; Arrow tables belong to none.
    asked = duckdb.DuckDBPyRelation if duckdb.__version__ >= "2" else pa.Table
    first, second = (back(pa.table({"a": range(200_000)}), as_type=asked) for _ in range(2))
    joined = duckdb.sql("select sum(first.a) from first join second using (a)")
    assert joined.fetchall() == [(19_999_900_000,)]
    assert len(first) == len(second)  # type: ignore[arg-type]  # both have rows


def test_queries_on_one_connection_wait_for_each_other() -> None:
    relations = [duckdb.sql(f"select range * {n} as a from range(300000)") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda relation: identify(relation).digest, relations))) == 8


def test_pandas_indexes_and_labels_come_back() -> None:
    frames = [
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 7, name="n")),
        pd.DataFrame({0: [1], 1: [2]}),
        pd.DataFrame({"a": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True)}),
        pd.DataFrame({"a": pd.Categorical([3, 1])}),
        pd.DataFrame({"a": pd.to_datetime(["2026-03-01"]).tz_localize("Europe/Berlin").as_unit("s")}),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", 1)], names=["k", "n"])),
        pd.DataFrame({"a": [1, None]}, dtype="Int64"),
    ]
    for frame in frames:
        found = back(frame)
        pd.testing.assert_frame_equal(found, frame)
        assert identify(found).digest == identify(frame).digest


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None], dtype="UInt8"),
        pd.array([1.5, None], dtype="Float64"),
        pd.array([True, None], dtype="boolean"),
        pd.array(["a", None], dtype="string"),
        pd.array(["a", None], dtype=pd.ArrowDtype(pa.string())),
        pd.array([decimal.Decimal("1.25"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
        pd.Categorical(["b", "a"], categories=["z", "b", "a"]),
        pd.Categorical([2, None], categories=[3, 2, 1], ordered=True),
        pd.period_range("2026-01", periods=2, freq="M"),
        pd.interval_range(0, 2),
    ],
    ids=lambda column: str(column.dtype),
)
def test_dtypes_of_pandas_own_come_back(column: object) -> None:
    plain = pd.DataFrame({"a": column, "b": [1, 2]})
    several = pd.DataFrame({"b": [1, 2]}, index=pd.MultiIndex.from_arrays([pd.Index(column), [1, 2]]))
    for frame in (plain, plain.set_index("a"), several):
        found = back(frame)
        pd.testing.assert_frame_equal(found, frame)
        assert identify(found).digest == identify(frame).digest
    pd.testing.assert_series_equal(back(plain["a"]), plain["a"])


def test_categories_that_are_not_used_come_back_from_many_row_groups() -> None:
    texts = pd.Categorical([str(number % 999) for number in range(200_000)])
    frame = pd.DataFrame(
        {"a": texts.add_categories(["unused"]), **{f"n{n}": 1.0 * n for n in range(60)}}, index=None
    )
    found = back(pd.concat([frame.iloc[::-1]], ignore_index=True))
    assert isinstance(found, pd.DataFrame)
    assert list(found["a"].cat.categories) == list(frame["a"].cat.categories)


def test_series_come_back() -> None:
    pd.testing.assert_series_equal(back(pd.Series([1, 2], name="a")), pd.Series([1, 2], name="a"))
    assert back(pl.Series("a", [1, 2])).equals(pl.Series("a", [1, 2]))  # type: ignore[attr-defined]


def test_polars_types_come_back() -> None:
    frame = pl.DataFrame(
        {
            "cat": pl.Series(["x", "y"], dtype=pl.Categorical),
            "enum": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x"])),
            "list": [[1], []],
            "struct": [{"a": 1, "b": "s"}, {"a": None, "b": None}],
            "time": [dt.time(1), None],
            "span": [dt.timedelta(1), None],
            "money": [decimal.Decimal("1.25"), None],
            "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "null": [None, None],
        }
    )
    found = back(frame)
    assert isinstance(found, pl.DataFrame)
    assert found.schema == frame.schema
    assert found.equals(frame)


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("s"), pa.date64(), pa.time32("s"), pa.float16(), pa.decimal256(50, 2), pa.string_view()],
    ids=str,
)
def test_types_that_parquet_lacks_come_back(kind: pa.DataType) -> None:
    table = pa.table({"a": pa.array([None], pa.null()).cast(kind), "b": pa.nulls(1, kind)})
    assert identify(back(table)).digest == identify(table).digest


def test_a_table_that_parquet_cannot_hold_is_refused_before_it_is_committed() -> None:
    with pytest.raises(UnserialisableValue, match=r"(?s)Parquet.*result\['a'\]: struct"):
        back(pa.table({"fine": [1], "a": pa.array([{}], pa.struct([]))}))
    months = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    with pytest.raises(UnserialisableValue, match=r"(?s)result\['m'\]: month_day_nano"):
        back(pa.table({"fine": [1], "m": months}))
    with pytest.raises(UnserialisableValue, match="labels"):
        back(pd.DataFrame([[1, 2]], columns=["a", 0]))


def test_a_polars_column_without_a_name_comes_back() -> None:
    for frame in (pl.DataFrame({"": [1]}), pl.DataFrame({"b": [1], "": ["x"]})):
        found = back(frame)
        assert isinstance(found, pl.DataFrame)
        assert found.columns == frame.columns
    series = back(pl.Series([1, 2]))
    assert isinstance(series, pl.Series)
    assert series.name == ""


def test_arrays_of_extended_floats_and_raw_bytes_come_back() -> None:
    for array in (
        np.array([1.5, np.nan], "longdouble"),
        np.array([1 + 2j], "clongdouble"),
        np.zeros(2, "V5"),
    ):
        found = back(array)
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, array)


def test_arrays_come_back() -> None:
    for value in (np.arange(6).reshape(2, 3), np.array([1.5, np.nan], dtype=">f4"), np.array(["a", "bc"])):
        found = back(value)
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, value)
    assert stored(np.arange(3))[0] == "npy"


def test_a_table_inside_a_dict_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnserialisableValue, match=r'(?s)result\["a"\]\[1\].*asset of its own'):
        back({"a": [1, pa.table(FRAME)]})


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(UnserialisableValue, match="levels deep"):
        back(value)


def test_values_of_some_depth_come_back() -> None:
    value: list[object] = []
    for _ in range(150):
        value = [value]
    assert back(value) == value


def test_a_class_that_loading_could_not_find_is_refused_when_saving() -> None:
    @dataclass
    class Local:
        a: int

    with pytest.raises(UnserialisableValue, match="top of its module"):
        back(Local(1))


def test_no_module_is_imported_because_data_names_it() -> None:
    data = b'{"$nacre":"typed/1","value":{"$":"record","t":"antigravity:Thing","v":{}}}'
    with pytest.raises(TypeMismatch, match="import antigravity"):
        formats.load("json", io.BytesIO(data))
    hostile = b'{"$nacre":"typed/1","value":{"$":"record","t":"os:system","v":{"command":"true"}}}'
    with pytest.raises(TypeMismatch, match="not there"):
        formats.load("json", io.BytesIO(hostile))


def test_a_class_that_gained_a_field_takes_its_default() -> None:
    name = f"{Point.__module__}:Point"
    data = msgspec.json.encode({"$nacre": "typed/1", "value": {"$": "record", "t": name, "v": {"x": 1}}})
    assert formats.load("json", io.BytesIO(data)) == Point(1, 0)
    lost = msgspec.json.encode({"$nacre": "typed/1", "value": {"$": "record", "t": name, "v": {"z": 1}}})
    with pytest.raises(TypeMismatch, match="no longer fits"):
        formats.load("json", io.BytesIO(lost))


def test_a_query_that_gives_other_rows_the_second_time_is_refused() -> None:
    relation = duckdb.sql("select random() as r from range(100)")
    with pytest.raises(UnserialisableValue, match="other rows"):
        back(relation)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(TypeMismatch, match="pickle"):
        formats.load("pickle", io.BytesIO(b""))
