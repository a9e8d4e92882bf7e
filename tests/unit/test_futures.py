"""Futures and states by themselves."""

from __future__ import annotations

import pytest

from nacre.errors import StepError, StepTimedOut, UsageError
from nacre.execute.futures import FutureList, TaskFuture, as_completed, elements, unmapped, wait
from nacre.execute.state import failed_with
from nacre.states import Cancelled, Completed, Crashed, Failed, Pending, Running, State, StateType


def settled(state: State[object], name: str = "step") -> TaskFuture[object]:
    future: TaskFuture[object] = TaskFuture("1", name)
    future.settle(state)
    return future


def test_a_future_is_pending_until_it_is_settled() -> None:
    future: TaskFuture[object] = TaskFuture("1", "step")
    assert future.state.is_pending()
    assert not future.is_done()
    future.wait(0)
    with pytest.raises(TimeoutError, match="step had not ended after 0 s"):
        future.result(timeout=0)
    heard: list[object] = []
    future.add_done_callback(heard.append)
    future.settle(Completed(data=3))
    assert (future.result(), heard, repr(future)) == (3, [future], "<Future step Completed>")


def test_results_of_a_list_come_in_order() -> None:
    futures = FutureList([settled(Completed(data=1)), settled(Failed(data=ValueError("x")))])
    with pytest.raises(ValueError, match="x"):
        futures.result()
    values = futures.result(raise_on_failure=False)
    assert values[0] == 1
    futures.append(TaskFuture("2", "late"))
    with pytest.raises(TimeoutError, match="1 of 3 had not ended"):
        futures.result(timeout=0)


def test_waiting_tells_who_ended() -> None:
    ended, late = settled(Completed()), TaskFuture[object]("2", "late")
    done, not_done = wait([ended, late], timeout=0)
    assert (done, not_done) == ({ended}, {late})
    found = as_completed([late, ended], timeout=0)
    assert next(found) is ended
    with pytest.raises(TimeoutError, match="1 of 2 had not ended"):
        next(found)


def test_states_answer_for_themselves() -> None:
    states = {
        "completed": Completed(),
        "failed": Failed(),
        "crashed": Crashed(),
        "cancelled": Cancelled(),
        "pending": Pending(),
        "running": Running(),
    }
    for name, state in states.items():
        answers = {other for other in states if getattr(state, f"is_{other}")()}
        assert answers == {name}
        assert state.is_final() is (name not in ("pending", "running"))
    assert not Completed().is_scheduled() | Completed().is_paused() | Completed().is_cancelling()
    assert StateType.FAILED == "FAILED"


def test_a_failed_state_raises_what_it_holds() -> None:
    with pytest.raises(StepError, match="The state is Failed"):
        Failed("why").result()
    assert Failed("why").result(raise_on_failure=False) is None
    assert failed_with(StepTimedOut("late")).name == "TimedOut"
    assert failed_with(KeyError("k")).message == "KeyError: 'k'"


def test_map_splits_iterables_and_repeats_the_rest() -> None:
    assert elements(([1, 2], "ab"), {"c": unmapped([3])}) == [
        ((1, "ab"), {"c": [3]}),
        ((2, "ab"), {"c": [3]}),
    ]
    assert elements((iter([1, 2]),), {}) == [((1,), {}), ((2,), {})]
    assert elements(([],), {}) == []
    with pytest.raises(UsageError, match="different lengths"):
        elements(([1], [1, 2]), {})
    with pytest.raises(UsageError, match="at least one iterable"):
        elements(("ab",), {"c": {}})
