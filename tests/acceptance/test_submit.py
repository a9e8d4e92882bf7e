"""Tasks in parallel: futures, map, states, and what one failure means for the rest."""

from __future__ import annotations

import threading

import pytest

import nacre
from nacre.errors import UpstreamFailed, UsageError
from nacre.futures import PrefectFuture, PrefectFutureList, as_completed, unmapped, wait
from nacre.states import State
from sandbox import Sandbox

TASKS = """
@task
def double(n):
    calls.append(n)
    return 2 * n

@task
def bad(*_): raise ValueError("rain")

@materialize("asset://raw")
def raw():
    calls.append("raw")
    return [3, 1]

@materialize("asset://scaled")
def scaled(raw, n): return [n * each for each in raw]
"""


def test_a_future_holds_the_result(project: Sandbox) -> None:
    module = project.module(TASKS)
    future = module.double.submit(3)
    assert isinstance(future, PrefectFuture)
    assert future.result(timeout=20) == 6
    assert future.state.is_completed()
    assert future.task_run_id
    assert module.double.submit(4, return_state=True).result() == 8


def test_futures_among_arguments_are_waited_for_at_any_depth(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@task
def total(many): return sum(many["all"])
@flow
def run(): return total.submit({"all": [double.submit(1), double.submit(2), 3]}).result()
"""
    )
    assert module.run() == 9


def test_submitted_tasks_run_at_the_same_time(project: Sandbox) -> None:
    module = project.module("""
        import threading
        both = threading.Barrier(2)
        @task
        def meet(n): return both.wait(20) is not None
        @flow
        def run():
            futures = [meet.submit(n) for n in range(2)]
            return [future.result() for future in futures]
    """)
    assert module.run() == [True, True]


def test_a_failed_future_leaves_what_needs_it_undone(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@flow
def run():
    failed = bad.submit()
    needs = double.submit(failed)
    waits = double.submit(1, wait_for=[failed])
    beside = double.submit(2)
    return [needs.state if needs.wait() is None else 0, waits.state if waits.wait() is None else 0], beside.result()
"""
    )
    (needs, waits), beside = module.run()
    for state in (needs, waits):
        assert (state.type, state.name) == ("PENDING", "NotReady")
        with pytest.raises(UpstreamFailed, match="double was not run because bad failed"):
            state.result()
    assert beside == 4
    assert module.calls == [2]
    actions = [(step.step.rsplit(".")[-1], step.action) for step in project.runs()[-1].steps]
    assert sorted(actions) == [
        ("bad", "failed"),
        ("double", "built"),
        ("double", "skipped"),
        ("double", "skipped"),
    ]


def test_a_failure_is_raised_where_its_result_is_asked_for(project: Sandbox) -> None:
    module = project.module(TASKS)
    future = module.bad.submit()
    with pytest.raises(ValueError, match="rain"):
        future.result()
    assert isinstance(future.result(raise_on_failure=False), ValueError)
    assert future.state.name == "Failed"


def test_wait_for_orders_calls(project: Sandbox) -> None:
    module = project.module("""
        import threading
        release = threading.Event()
        @task
        def first():
            release.wait(20)
            calls.append("first")
        @task
        def second(): calls.append("second")
        @flow
        def run():
            one = first.submit()
            two = second.submit(wait_for=[one])
            release.set()
            two.result()
            second(wait_for=one)
    """)
    module.run()
    assert module.calls == ["first", "second", "second"]


def test_the_same_asset_submitted_eight_times_is_made_once(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@flow
def run(): return [future.result() for future in [raw.submit() for _ in range(8)]]
"""
    )
    assert module.run() == [[3, 1]] * 8
    assert module.calls == ["raw"]


def test_what_eight_submits_miss_is_made_once(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@flow
def run(): return [future.result() for future in [scaled.submit(n=n) for n in range(8)]]
"""
    )
    assert module.run() == [[3 * n, n] for n in range(8)]
    assert module.calls == ["raw"]


def test_the_last_submitted_is_current_whichever_ends_last(project: Sandbox) -> None:
    module = project.module("""
        import threading
        release = threading.Event()
        @materialize("asset://n")
        def number(n):
            if n == 1:
                release.wait(20)
            return n
        @flow
        def run():
            first, last = number.submit(1), number.submit(2)
            last.result()
            release.set()
            first.result()
    """)
    module.run()
    assert nacre.load("asset://n") == 2


def test_a_step_may_submit_and_wait_however_many_do(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@task
def outer(n): return double.submit(n).result() + 1
@flow
def inner(n): return double.submit(n).result() + 1
@task
def outer_flow(n): return inner(n)
@flow
def run():
    return outer.map(range(50)).result(), outer_flow.map(range(50)).result()
"""
    )
    expected = [2 * n + 1 for n in range(50)]
    assert module.run() == (expected, expected)


def test_map_submits_once_for_each_element(project: Sandbox) -> None:
    module = project.module("""
        @task
        def add(a, b, c=0): return a + b + sum(c if isinstance(c, list) else [c])
        @materialize("asset://n")
        def n(): return 5
    """)
    add = module.add
    futures = add.map([1, 2, 3], 10)
    assert isinstance(futures, PrefectFutureList)
    assert futures.result() == [11, 12, 13]
    assert add.map([1, 2], [10, 20], c=unmapped([1, 1])).result() == [13, 24]
    assert all(isinstance(state, State) for state in add.map([1], 1, return_state=True))
    with pytest.raises(UsageError, match="different lengths"):
        add.map([1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="at least one iterable"):
        add.map(1, 2)


def test_a_step_that_gets_what_map_gave_is_reused(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@materialize("asset://total")
def total(raw, xs):
    calls.append(("total", type(xs).__name__))
    return sum(xs)

@flow
def run(numbers): return total(xs=double.map(numbers))
"""
    )
    for _ in range(2):
        assert [module.run([1, 2, 3]), module.run([])] == [12, 0]
    assert [each for each in module.calls if isinstance(each, tuple)] == [("total", "list")] * 2


def test_futures_in_a_named_tuple_are_waited_for(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
from typing import NamedTuple

class Point(NamedTuple):
    x: int
    y: list

@task
def area(point): return type(point).__name__, point.x, point.y
@flow
def run(): return area(Point(double.submit(1), double.map([1, 2])))
"""
    )
    assert module.run() == ("Point", 2, [2, 4])


def test_wait_and_as_completed_see_what_ended(project: Sandbox) -> None:
    module = project.module("""
        import threading
        release = threading.Event()
        @task
        def slow():
            release.wait(20)
            return "slow"
        @task
        def fast(): return "fast"
    """)
    slow, fast = module.slow.submit(), module.fast.submit()
    fast.wait()
    done, not_done = wait([slow, fast], timeout=0)
    assert (done, not_done) == ({fast}, {slow})
    with pytest.raises(TimeoutError, match="slow had not ended after 0 s"):
        slow.result(timeout=0)
    ended = as_completed([slow, fast])
    assert next(ended) is fast
    module.release.set()
    assert next(ended) is slow
    assert wait([slow, fast]).not_done == set()


def test_callbacks_hear_of_the_end(project: Sandbox) -> None:
    module = project.module(TASKS)
    future = module.double.submit(1)
    heard: list[object] = []
    future.add_done_callback(heard.append)
    future.wait()
    future.add_done_callback(heard.append)
    for _ in range(2):
        assert heard.pop() is future


def test_a_flow_waits_for_what_it_submitted(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@flow
def run():
    for n in range(5):
        double.submit(n)
"""
    )
    module.run()
    assert sorted(module.calls) == [0, 1, 2, 3, 4]
    assert project.runs()[-1].counts == {"built": 5}


def test_a_flow_that_returns_futures_has_their_results(project: Sandbox) -> None:
    module = project.module(
        TASKS
        + """
@flow
def one(): return double.submit(1)
@flow
def several(): return [double.submit(1), double.submit(2)]
@flow
def broken(): return [double.submit(1), bad.submit()]
"""
    )
    assert module.one() == 2
    assert module.several() == [2, 4]
    assert module.broken(return_state=True).is_failed()


def test_tasks_submitted_outside_a_flow_each_have_a_run(project: Sandbox) -> None:
    module = project.module(TASKS)
    module.raw.submit().wait()
    assert module.scaled.submit(n=2).result() == [6, 2]
    assert [run.kind for run in project.runs()] == ["call", "call"]


def test_one_submit_after_another_needs_no_more_threads(project: Sandbox) -> None:
    """What ended is let go, so that a long-lived process does not gather it."""
    module = project.module("@task\ndef one():\n    return 1\n")
    before = {thread.ident for thread in threading.enumerate()}
    assert [module.one.submit().result() for _ in range(50)] == [1] * 50
    started = [t for t in threading.enumerate() if t.ident not in before and t.name == "nacre-worker"]
    assert len(started) <= 3
