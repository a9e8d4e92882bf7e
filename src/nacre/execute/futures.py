"""Futures: what ``submit`` returns, and the functions that wait for several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar, cast

from nacre.errors import UsageError
from nacre.execute.state import Pending, State
from nacre.version.fingerprint import InputVersion

R = TypeVar("R")


class TaskFuture(Generic[R]):
    """A step that may still be running.

    Args:
        task_run_id: The id of what was submitted.
        name: The task's name.
    """

    def __init__(self, task_run_id: str, name: str) -> None:
        self.task_run_id = task_run_id
        self.name = name
        self.lineage: tuple[InputVersion, ...] = ()
        self._state: State[object] = Pending()
        self._done = threading.Event()
        self._callbacks: list[Callable[[TaskFuture[R]], object]] = []
        self._lock = threading.Lock()

    @property
    def state(self) -> State[object]:
        """How the step stands now."""
        return self._state

    def wait(self, timeout: float | None = None) -> None:
        """Block until the step ended, at most ``timeout`` seconds."""
        self._done.wait(timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait and return the value.

        Args:
            timeout: Seconds to wait at most; None for ever.
            raise_on_failure: False returns the exception instead of raising it.

        Raises:
            TimeoutError: The step had not ended in time.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"{self.name} had not ended after {timeout:g} s")
        return cast(R, self._state.result(raise_on_failure))

    def add_done_callback(self, fn: Callable[[TaskFuture[R]], object]) -> None:
        """Call a function with this future when the step ended; at once when it has."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(fn)
                return
        fn(self)

    def settle(self, state: State[object], lineage: Iterable[InputVersion] = ()) -> None:
        """Set the final state and wake who waits; called once, by the engine."""
        with self._lock:
            self._state = state
            self.lineage = tuple(lineage)
            self._done.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def is_done(self) -> bool:
        """True when the step ended."""
        return self._done.is_set()

    def __repr__(self) -> str:
        return f"<Future {self.name} {self._state.name}>"


class FutureList(list[TaskFuture[R]]):
    """The futures of a ``map``, in the order of its elements."""

    def wait(self, timeout: float | None = None) -> None:
        """Block until all ended, at most ``timeout`` seconds in all."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[R]:
        """Wait for all and return the values in order."""
        _, late = wait(self, timeout)
        if late:
            raise TimeoutError(f"{len(late)} of {len(self)} had not ended after {timeout:g} s")
        return [future.result(raise_on_failure=raise_on_failure) for future in self]


class DoneAndNotDone(NamedTuple, Generic[R]):
    """What ``wait`` found."""

    done: set[TaskFuture[R]]
    not_done: set[TaskFuture[R]]


def wait(futures: Iterable[TaskFuture[R]], timeout: float | None = None) -> DoneAndNotDone[R]:
    """Wait for all futures, at most ``timeout`` seconds in all.

    Args:
        futures: What to wait for.
        timeout: Seconds; None for ever.

    Returns:
        Those that ended and those that had not.
    """
    listed = list(futures)
    if timeout is None:
        for future in listed:
            future.wait()
    else:
        _wait_until(listed, timeout)
    done = {future for future in listed if future.is_done()}
    return DoneAndNotDone(done, set(listed) - done)


def as_completed(futures: Iterable[TaskFuture[R]], timeout: float | None = None) -> Iterator[TaskFuture[R]]:
    """Yield futures as they end.

    Args:
        futures: What to wait for.
        timeout: Seconds to wait for the next one; None for ever.

    Raises:
        TimeoutError: None ended in time.
    """
    import queue

    listed = list(futures)
    ended: queue.SimpleQueue[TaskFuture[R]] = queue.SimpleQueue()
    for future in listed:
        future.add_done_callback(ended.put)
    for n_left in range(len(listed), 0, -1):
        try:
            yield ended.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"{n_left} of {len(listed)} had not ended after {timeout:g} s") from None


def _wait_until(futures: list[TaskFuture[R]], timeout: float) -> None:
    left = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: left.release())
    from time import monotonic

    deadline = monotonic() + timeout
    for _ in futures:
        if not left.acquire(timeout=max(0.0, deadline - monotonic())):
            return


class unmapped(Generic[R]):  # Prefect's name
    """Marks an argument of ``map`` that every element gets whole.

    Args:
        value: The value.
    """

    def __init__(self, value: R) -> None:
        self.value = value


def elements(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> list[tuple[tuple[object, ...], dict[str, object]]]:
    """Split the arguments of a ``map`` into one call each.

    Raises:
        UsageError: Nothing is iterable, or lengths differ.
    """
    named = [(str(i), value) for i, value in enumerate(args)] + list(kwargs.items())
    spread = {name: list(cast("Iterable[object]", value)) for name, value in named if _is_spread(value)}
    if not spread:
        raise UsageError("map needs at least one iterable argument", hint="use submit for a single call")
    lengths = {name: len(values) for name, values in spread.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError("The iterables given to map have different lengths", dict(lengths))

    def at(name: str, value: object, position: int) -> object:
        if name in spread:
            return spread[name][position]
        return value.value if isinstance(value, unmapped) else value

    return [
        (
            tuple(at(str(i), value, position) for i, value in enumerate(args)),
            {name: at(name, value, position) for name, value in kwargs.items()},
        )
        for position in range(next(iter(lengths.values())))
    ]


def _is_spread(value: object) -> bool:
    if isinstance(value, (unmapped, str, bytes, dict)):
        return False
    return (hasattr(value, "__iter__") and hasattr(value, "__len__")) or hasattr(value, "__next__")
