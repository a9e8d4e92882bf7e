"""The executor for parallel steps: grows with what waits, and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nacre.execute.executor import Growing


@pytest.fixture
def growing() -> Iterator[Growing[int]]:
    executor: Growing[int] = Growing(4)
    yield executor
    executor.cancel()
    executor.close()


def collect(executor: Growing[int], n: int) -> list[int]:
    found: list[int] = []
    while len(found) < n:
        found += executor.wait_any(timeout_s=0.05)
    return found


def test_every_piece_of_work_comes_back_once(growing: Growing[int]) -> None:
    for number in range(500):
        growing.submit(lambda number=number: number)  # type: ignore[misc]  # the default binds the number
    assert sorted(collect(growing, 500)) == list(range(500))
    assert growing.wait_any() == []


def test_work_that_waits_gets_threads_up_to_the_limit(growing: Growing[int]) -> None:
    """Four pieces that end only together can end only in four threads."""
    together = threading.Barrier(4, timeout=30)
    for _ in range(4):
        growing.submit(together.wait)
    assert sorted(collect(growing, 4)) == [0, 1, 2, 3]


def test_no_more_threads_than_allowed_run_at_once(growing: Growing[int]) -> None:
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(4, timeout=30)

    def work() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return 1

    for _ in range(12):
        growing.submit(work)
    assert sum(collect(growing, 12)) == 12
    assert most == 4


def test_a_short_result_is_told_while_long_work_goes_on(growing: Growing[int]) -> None:
    go_on = threading.Event()

    def long() -> int:
        go_on.wait(30)
        return 2

    growing.submit(lambda: 1)
    for _ in range(5):
        growing.submit(long)
    assert collect(growing, 1) == [1]
    go_on.set()
    assert collect(growing, 5) == [2] * 5


def test_work_that_comes_after_a_pause_is_done(growing: Growing[int]) -> None:
    for number in range(50):
        growing.submit(lambda number=number: number)  # type: ignore[misc]  # the default binds the number
        assert collect(growing, 1) == [number]


def test_cancelled_work_is_forgotten_and_not_waited_for(growing: Growing[int]) -> None:
    started, go_on = threading.Event(), threading.Event()

    def first() -> int:
        started.set()
        go_on.wait(30)
        return 1

    growing.submit(first)
    assert started.wait(30)
    growing.submit(lambda: pytest.fail("cancelled work ran"))
    growing.cancel()
    go_on.set()
    assert collect(growing, 1) == [1]
    assert growing.wait_any() == []


def test_what_work_raises_is_raised_by_the_wait(growing: Growing[int]) -> None:
    def broken() -> int:
        raise KeyboardInterrupt

    growing.submit(broken)
    with pytest.raises(KeyboardInterrupt):
        growing.wait_any()


def test_a_wait_ends_when_its_time_is_up(growing: Growing[int]) -> None:
    go_on = threading.Event()
    growing.submit(lambda: int(go_on.wait(30)))
    assert growing.wait_any(timeout_s=0.01) == []
    go_on.set()
    assert collect(growing, 1) == [1]


def test_threads_end_when_the_executor_is_closed() -> None:
    before = set(threading.enumerate())
    executor: Growing[int] = Growing(2)
    executor.submit(lambda: 1)
    assert collect(executor, 1) == [1]
    executor.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
