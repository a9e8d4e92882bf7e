"""Where steps run: the port and its in-process drivers, inline and threads.

Work is a function without arguments that returns a receipt and raises only what shall stop the run.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Work that waits longer than this gets another thread, and a result is told after it at the latest.
_MOMENT_S = 0.005


class Executor(Protocol[T]):
    """Runs work and hands back what it returned, in the order it finished."""

    def submit(self, work: Callable[[], T]) -> None:
        """Take work; it may start at once or later."""
        ...

    def wait_any(self, timeout_s: float | None = None) -> list[T]:
        """Wait for at least one result and take all there are; empty when the time is up or nothing runs.

        Raises:
            BaseException: What a piece of work raised.
        """
        ...

    def cancel(self) -> None:
        """Forget work that has not started; what runs goes on and is ignored. Idempotent."""
        ...

    def close(self) -> None:
        """Take no more work and let idle threads end. Never waits. Idempotent."""
        ...


class Inline(Generic[T]):
    """Runs work at once, in the thread that submits it."""

    def __init__(self) -> None:
        self._finished: list[T] = []

    def submit(self, work: Callable[[], T]) -> None:
        """Run the work; what it raises is raised here."""
        self._finished.append(work())

    def wait_any(self, timeout_s: float | None = None) -> list[T]:
        """Take all results there are."""
        finished, self._finished = self._finished, []
        return finished

    def cancel(self) -> None:
        """Nothing can be waiting."""

    def close(self) -> None:
        """Nothing to release."""


_Outcome = tuple[T | None, BaseException | None]


def _outcome(work: Callable[[], T]) -> _Outcome[T]:
    """Run work to what it returned or raised, to be handed to the waiting thread."""
    try:
        return work(), None
    except BaseException as raised:  # the thread that waits raises it
        return None, raised


def _results(taken: list[_Outcome[T]]) -> list[T]:
    """Return what was returned, or raise what was raised first."""
    for _, error in taken:
        if error is not None:
            raise error
    return [result for result, _ in taken]  # type: ignore[misc]  # no error means a result


class Threads(Generic[T]):
    """Runs work in daemon threads, started as needed and at most ``max_workers``; leaving Python never waits for them.

    Args:
        max_workers: How many pieces may run at the same time.
    """

    def __init__(self, max_workers: int) -> None:
        self._max_workers = max_workers
        self._waiting: queue.SimpleQueue[Callable[[], T] | None] = queue.SimpleQueue()
        self._finished: deque[_Outcome[T]] = deque()
        self._changed = threading.Condition()
        self._n_workers = 0
        self._n_open = 0

    def submit(self, work: Callable[[], T]) -> None:
        """Take work; starts a thread when all are busy and there may be more."""
        with self._changed:
            self._n_open += 1
            if self._n_workers < min(self._n_open, self._max_workers):
                self._n_workers += 1
                threading.Thread(target=self._work, name="nacre-worker", daemon=True).start()
        self._waiting.put(work)

    def wait_any(self, timeout_s: float | None = None) -> list[T]:
        """Wait for at least one result and take all there are."""
        with self._changed:
            if not self._finished and self._n_open:
                self._changed.wait(timeout_s)
            taken = list(self._finished)
            self._finished.clear()
            self._n_open -= len(taken)
        return _results(taken)

    def cancel(self) -> None:
        """Forget work that has not started."""
        while True:
            try:
                dropped = self._waiting.get_nowait()
            except queue.Empty:
                return
            if dropped is not None:
                with self._changed:
                    self._n_open -= 1

    def close(self) -> None:
        """Let each thread end after the work it has."""
        with self._changed:
            n_workers, self._n_workers = self._n_workers, 0
        for _ in range(n_workers):
            self._waiting.put(None)

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            outcome = _outcome(work)
            with self._changed:
                self._finished.append(outcome)
                self._changed.notify()


class Growing(Generic[T]):
    """Threads for work that may be tiny: begins with one, and brings in as many again whenever work had to wait.

    Handing work from thread to thread costs as much as a small step does. So one thread takes small steps one after the
    other and wakes the caller once for many of them; what takes longer gets company within milliseconds.

    Args:
        max_workers: How many pieces may run at the same time.
    """

    def __init__(self, max_workers: int) -> None:
        self._max_workers = max_workers
        self._waiting: deque[Callable[[], T]] = deque()
        self._finished: deque[_Outcome[T]] = deque()
        lock = threading.Lock()
        self._has_work = threading.Condition(lock)
        self._has_results = threading.Condition(lock)
        self._n_workers = 0
        self._n_idle = 0
        self._n_open = 0
        self._told_at = 0.0
        self._is_closed = False

    def submit(self, work: Callable[[], T]) -> None:
        """Take work; it starts at once where nothing runs."""
        with self._has_work:
            self._n_open += 1
            self._waiting.append(work)
            if self._n_idle == self._n_workers:
                self._bring_in(1)

    def wait_any(self, timeout_s: float | None = None) -> list[T]:
        """Wait for at least one result and take all there are; brings in threads while work has to wait."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        with self._has_results:
            while self._n_open and not self._finished:
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    break
                is_told = self._has_results.wait(_MOMENT_S if self._waiting else left)
                if not is_told and self._waiting and not self._finished:
                    self._bring_in(self._n_workers - self._n_idle)
            taken = list(self._finished)
            self._finished.clear()
            self._n_open -= len(taken)
            self._told_at = monotonic()
        return _results(taken)

    def cancel(self) -> None:
        """Forget work that has not started."""
        with self._has_work:
            self._n_open -= len(self._waiting)
            self._waiting.clear()

    def close(self) -> None:
        """Let each thread end after the work it has."""
        with self._has_work:
            self._is_closed = True
            self._has_work.notify_all()

    def _bring_in(self, n_wanted: int) -> None:
        for _ in range(min(n_wanted, len(self._waiting))):
            if self._n_idle:
                self._n_idle -= 1
                self._has_work.notify()
            elif self._n_workers < self._max_workers:
                self._n_workers += 1
                threading.Thread(target=self._work, name="nacre-worker", daemon=True).start()

    def _next(self) -> Callable[[], T] | None:
        with self._has_work:
            while not self._waiting:
                if self._is_closed:
                    return None
                self._n_idle += 1
                self._has_work.wait()
            return self._waiting.popleft()

    def _work(self) -> None:
        while (work := self._next()) is not None:
            outcome = _outcome(work)
            with self._has_results:
                self._finished.append(outcome)
                now = monotonic()
                if not self._waiting or now - self._told_at > _MOMENT_S:
                    self._told_at = now
                    self._has_results.notify()
