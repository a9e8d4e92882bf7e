"""What differs between two values that are no tables: parts by path, lines, bytes, elements."""

from __future__ import annotations

import io
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import UsageError
from nacre.values import identify
from nacre.values.difference import (
    ArrayDifference,
    BytesDifference,
    Fields,
    OtherKind,
    PartsDifference,
    Stream,
    TextDifference,
    difference,
)
from nacre.views.difference_words import told


@dataclass(frozen=True)
class Point:
    x: int
    y: object = None


class SecretKey(str):
    """A text whose type says that it is secret."""


def parts(old: object, new: object, *key: str) -> list[tuple[str, str, str | None, str | None]]:
    found = difference(old, new, key)
    assert isinstance(found, PartsDifference)
    assert found.added + found.removed + found.changed == len(found.parts)
    return [(each.path, each.what, each.old, each.new) for each in found.parts]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": [1, 2, 3, {"b": 1}]}, {"a": [1, 2, 3, {"b": 2}]}, [("$.a[3].b", "changed", "1", "2")]),
        ({"a": 1}, {"b c": 1}, [("$.a", "removed", "1", None), ('$["b c"]', "added", None, "1")]),
        ({1: "x"}, {1: "y"}, [("$[1]", "changed", "'x'", "'y'")]),
        ({"a": 1}, {"a": 1.0}, [("$.a", "changed", "1", "1.0")]),
        ({"a": 1}, {"a": True}, [("$.a", "changed", "1", "True")]),
        ({"a": 0.0}, {"a": -0.0}, [("$.a", "changed", "0.0", "-0.0")]),
        ([1, 2, 3], [0, 1, 2, 3], [("$[0]", "added", None, "0")]),
        ([1, 2, 3], [1, 3], [("$[1]", "removed", "2", None)]),
        ([[1], [2], [3]], [[1], [9], [3]], [("$[1][0]", "changed", "2", "9")]),
        (Point(1, (2,)), Point(1, (3,)), [("$.y[0]", "changed", "2", "3")]),
        ({1, 2}, {2, 3}, [("${}", "removed", "1", None), ("${}", "added", None, "3")]),
        ({"a": []}, {"a": {}}, [("$.a", "changed", "[]", "{}")]),
        (
            {"a": 1, "b": 2},
            {"b": 2, "a": 1},
            [("$", "moved", "keys in the order a, b", "keys in the order b, a")],
        ),
        (3, 4, [("$", "changed", "3", "4")]),
        (None, 4, [("$", "changed", "None", "4")]),
        (deque([1]), deque([2]), [("$[0]", "changed", "1", "2")]),
        (Fields("m:P", {"x": 1}), Fields("m:P", {"x": 2}), [("$.x", "changed", "1", "2")]),
        (Fields("m:P", {"x": 1}), Fields("m:Q", {"x": 1}), [("$", "changed", "P(x=1)", "Q(x=1)")]),
        ([{"k": 1}] * 9, [{"k": 1}] * 8, [("$[8]", "removed", "{'k': 1}", None)]),
    ],
)
def test_parts_are_named_by_path(
    old: object, new: object, expected: list[tuple[str, str, str | None, str | None]]
) -> None:
    assert parts(old, new) == expected


def test_items_of_lists_belong_together_by_key_fields() -> None:
    old = {"rows": [{"id": 1, "n": 1}, {"id": 2, "n": 2}], "tags": [1]}
    new = {"rows": [{"id": 3, "n": 3}, {"id": 2, "n": 5}], "tags": [1]}
    assert parts(old, new, "id") == [
        ("$.rows[id=1]", "removed", "{'id': 1, 'n': 1}", None),
        ("$.rows[id=2].n", "changed", "2", "5"),
        ("$.rows[id=3]", "added", None, "{'id': 3, 'n': 3}"),
    ]
    with pytest.raises(UsageError, match="Nothing can be compared by nope"):
        difference(old, new, ["nope"])


def test_a_deep_value_costs_no_recursion() -> None:
    old: list[object] = [1]
    new: list[object] = [2]
    for _ in range(300):
        old, new = [old], [new]
    ((path, what, *_),) = parts(old, new)
    assert (what, path[:5]) == ("changed", "$[0][")


def test_what_is_secret_stays_hidden() -> None:
    old, new = {"key": SecretKey("s3cr3t-1")}, {"key": SecretKey("s3cr3t-2")}
    found = difference(old, new)
    assert "s3cr3t" not in repr(found)
    assert "•••" in repr(found)
    stored = [{"a": [Fields("pydantic.types:SecretStr", {"_secret_value": word})]} for word in ("one", "two")]
    assert "'one'" not in repr(difference({"x": stored[0]}, {"x": 1}))
    assert parts(*stored) == [("$.a[0]", "changed", "•••", "•••")]


def test_long_values_are_shown_short() -> None:
    ((_, _, old, new),) = parts({"a": "x" * 500}, {"a": list(range(50))})
    assert old is not None and len(old) == 60
    assert new == "list of 50 items"


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "a", "b"])
    | st.floats(-1, 1, width=16),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("xy"), DATA), st.dictionaries(st.sampled_from("xy"), DATA))
def test_values_differ_exactly_where_their_data_versions_do(old: object, new: object) -> None:
    found = difference(old, new, limit=1_000)
    assert isinstance(found, PartsDifference)
    assert bool(found.parts) == (identify(old).digest != identify(new).digest)


def test_texts_are_compared_line_by_line() -> None:
    old = "".join(f"line {i}\n" for i in range(100))
    found = difference(old, old.replace("line 50\n", "line fifty\nand more\n"))
    assert isinstance(found, TextDifference)
    assert (found.old_lines, found.new_lines, found.added, found.removed) == (100, 101, 2, 1)
    assert found.lines[0] == "@@ -48,7 +48,8 @@"
    assert found.lines[4:7] == ("-line 50", "+line fifty", "+and more")
    short = difference(old, "", limit=5)
    assert isinstance(short, TextDifference)
    assert (len(short.lines), short.complete, short.removed) == (5, False, 100)


def test_texts_that_differ_in_their_line_ends_only_say_so() -> None:
    found = difference("a\r\nb\n", "a\nb\n")
    assert isinstance(found, TextDifference)
    assert "1 of them ended by CR LF" in found.lines[0]


def test_long_texts_are_compared_in_bounded_time() -> None:
    found = difference("a\nb\n" * 30_000, "b\na\n" * 30_000)
    assert isinstance(found, TextDifference)
    assert (found.added, found.removed, found.complete) == (60_000, 60_000, False)


def test_bytes_are_compared_to_the_first_that_differs() -> None:
    old = b"\0" * (1 << 20) + b"abc"
    found = difference(old, old[:-1] + b"d!")
    assert isinstance(found, BytesDifference)
    assert (found.old_size, found.new_size, found.first) == (len(old), len(old) + 1, len(old) - 1)
    assert (found.old, found.new) == ("63", "64 21")
    end = difference(b"\0a", b"\0ab")
    assert isinstance(end, BytesDifference)
    assert (end.first, end.old, end.new) == (2, "", "62")
    assert told(end)[-1][1] == "First    at byte 2: the end → 62"


def test_a_stream_that_gives_less_than_asked_for_is_read_whole() -> None:
    class Slow(io.BytesIO):
        def read(self, n: int | None = -1, /) -> bytes:
            return super().read(min(n or 0, 7) if n and n > 0 else n)

    found = difference(Stream(Slow(b"\0" * 100 + b"a"), 101), Stream(io.BytesIO(b"\0" * 100 + b"b"), 101))
    assert isinstance(found, BytesDifference) and found.first == 100


def test_bytes_that_are_text_are_compared_as_text() -> None:
    assert isinstance(difference(b"a\n", b"b\n"), TextDifference)
    assert isinstance(difference(b"a\n", b"\xff"), BytesDifference)


def test_arrays_are_compared_element_by_element() -> None:
    old = np.array([[1.0, np.nan], [0.0, 5.0]])
    found = difference(old, np.array([[1.0, np.nan], [-0.0, 7.5]]))
    assert isinstance(found, ArrayDifference)
    assert (found.changed, found.first, found.old, found.new, found.most) == (2, (1, 0), "0.0", "-0.0", "2.5")
    other = difference(old, np.zeros((3, 1), "i4"))
    assert isinstance(other, ArrayDifference)
    assert (other.new_shape, other.new_dtype, other.changed) == ((3, 1), "int32", None)
    texts = difference(np.array(["a", "b"]), np.array(["a", "c"]))
    assert isinstance(texts, ArrayDifference)
    assert (texts.changed, texts.old, texts.most) == (1, "b", None)
    whole = np.array([1, 2], "u1")
    assert difference(whole, np.array([1, 255], "u1")).most == "253"  # type: ignore[union-attr]  # arrays


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("abc", [1], "text of 3 characters became list of 1 item"),
        (np.zeros(2), {"a": 1}, "array of 2 float64 became dict of 1 item"),
        (b"\0", "a", "bytes of 1 byte became text of 1 character"),
        ([1], np.zeros(()), "list of 1 item became array of one float64"),
        ([1], pa.table({"a": [1]}), "list of 1 item became table of 1 row"),
        (pa.table({"a": [1]}), "abc", "table of 1 row became text of 3 characters"),
    ],
)
def test_values_of_other_kinds_are_said_to_be(old: object, new: object, says: str) -> None:
    found = difference(old, new)
    assert isinstance(found, OtherKind)
    assert told(found) == [("", f"Another kind of value: {says}")]


def test_counters_and_their_like_are_compared_as_data() -> None:
    assert parts(Counter("aab"), Counter("ab")) == [("$.a", "changed", "2", "1")]


def test_stored_text_cannot_steer_a_terminal() -> None:
    table = [pa.table({"\x1b[2Ja": [word]}) for word in ("x\x1b[31m", "y")]
    for old, new in (("a\x1b[31m\n", "b\n"), ({"\x1b[2J": 1}, {"\x1b[2J": 2}), ({"a": "\x1b"}, {}), table):
        lines = "".join(line for _, line in told(difference(old, new)))
        assert "\x1b" not in lines
        assert "\\x1b" in lines


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (np.array(["a"]), np.array([1.0]), 1),
        (np.zeros(1, [("a", "i4")]), np.zeros(1, [("b", "i4")]), None),
        (np.zeros(2, [("a", "i4")]), np.ones(2, [("a", "i4")]), 2),
        (np.array(["NaT", "2026-01-01"], "M8[D]"), np.array(["NaT", "2026-01-02"], "M8[D]"), 1),
        (np.array([1, 2]), np.array([1.0, 2.5]), 1),
        (np.array([1j, 2j]), np.array([1j, 3j]), 1),
        (np.zeros(()), np.ones(()), 1),
        (np.zeros((0, 3)), np.zeros((0, 3), "f4"), 0),
    ],
)
def test_arrays_of_any_types_compare(old: np.ndarray, new: np.ndarray, changed: int | None) -> None:
    found = difference(old, new)
    assert isinstance(found, ArrayDifference)
    assert found.changed == changed
    assert told(found)
