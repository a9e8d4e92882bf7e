"""What a run holds: which object is which asset, and what is lent to whom."""

from __future__ import annotations

import enum
import threading

import pandas as pd
import pytest

from nacre.errors import InputMutated
from nacre.execute.made import Holdings, Made, Shared
from nacre.store.contents import Contents
from nacre.store.ids import new_id
from nacre.store.memory import MemoryObjects
from nacre.values import identify
from nacre.version.fingerprint import InputVersion

A = InputVersion("", "a://a", "1", 1)
B = InputVersion("", "a://b", "1", 1)


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "shared", [None, True, 3, 2.5, 1j, "ok", b"ok", Colour.RED, (), frozenset(), int, ...]
)
def test_objects_that_python_shares_are_never_held(shared: object) -> None:
    holdings = Holdings()
    holdings.hold(shared, [A], is_exact=True)
    assert holdings.exact(shared) is None
    assert holdings.within(shared) == []


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1, 2), pd.DataFrame({"x": [1]}), object(), set()])
def test_other_objects_are_the_version_they_are(value: object) -> None:
    holdings = Holdings()
    holdings.hold(value, [A], is_exact=True)
    assert holdings.exact(value) == A
    assert holdings.within([{"deep": (value,)}]) == [A]


def test_what_was_made_from_an_asset_is_not_the_asset() -> None:
    holdings = Holdings()
    value = [1]
    holdings.hold(value, [A, B], is_exact=False)
    assert holdings.exact(value) is None
    assert holdings.within(value) == [A, B]
    holdings.hold([2], [], is_exact=True)
    assert holdings.within([[2]]) == []


def test_a_container_that_holds_itself_is_walked_once() -> None:
    holdings = Holdings()
    value: list[object] = [1]
    holdings.hold(value, [A], is_exact=True)
    loop: list[object] = [value]
    loop.append(loop)
    assert holdings.within(loop) == [A]


def test_a_container_ten_thousand_deep_is_walked_without_recursion() -> None:
    holdings = Holdings()
    value: list[object] = [1]
    holdings.hold(value, [A], is_exact=True)
    deep: list[object] = value
    for _ in range(10_000):
        deep = [deep]
    assert holdings.within(deep) == [A]


def made(value: object) -> tuple[Made, Contents]:
    contents = Contents(MemoryObjects(), new_id)
    identity = identify(value)
    output = contents.write("a://a", value, identity, identity.digest)
    return Made(A, output, value, identity.digest), contents


def test_a_large_value_is_passed_on_and_looked_at_before_the_next_reader() -> None:
    frame = pd.DataFrame({"x": range(100_000)})
    version, contents = made(frame)
    assert version.load(contents, pd.DataFrame, "first") is frame
    frame["x"] = 0
    with pytest.raises(InputMutated, match="first changed a value that second reads too"):
        version.load(contents, pd.DataFrame, "second")
    version.forget()
    assert version.load(contents, pd.DataFrame, "second")["x"].sum() > 0  # type: ignore[index]


def test_while_one_reader_has_it_others_get_their_own() -> None:
    frame = pd.DataFrame({"x": range(100_000)})
    version, contents = made(frame)
    assert version.lend(contents, pd.DataFrame, "first") is frame
    assert version.lend(contents, pd.DataFrame, "second") is not frame
    version.give_back("second")
    assert version.lend(contents, pd.DataFrame, "third") is not frame
    version.give_back("first")
    assert version.lend(contents, pd.DataFrame, "third") is frame


def test_a_small_value_is_each_readers_own() -> None:
    rows = [1, 2]
    version, contents = made(rows)
    assert version.load(contents, None, "first") == rows
    assert version.load(contents, None, "first") is not rows


def test_the_last_call_decides_not_the_last_to_end() -> None:
    shared = Shared()
    first, second = InputVersion("", "a://a", "1", 1), InputVersion("", "a://a", "2", 1)
    output = made([1])[0].output
    shared.note_call(2, "f2", {"a://a": Made(second, output)})
    shared.note_call(1, "f1", {"a://a": Made(first, output)})
    assert shared.last_calls["a://a"] == (2, "2")
    assert shared.recipes["a://a"] == {"f1", "f2"}
    assert set(shared.versions) == {("a://a", "1"), ("a://a", "2")}


def test_a_claimed_step_is_waited_for() -> None:
    shared = Shared()
    open_steps = {"a", "b"}
    assert shared.claim(lambda: {"a"}) == {"a"}
    claimed: list[set[str]] = []
    waiting = threading.Thread(target=lambda: claimed.append(shared.claim(lambda: set(open_steps))))
    waiting.start()
    open_steps.discard("a")
    shared.release(["a", "a", "never"])
    waiting.join(20)
    assert claimed == [{"b"}]
