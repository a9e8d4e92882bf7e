"""Effects: one generator, done in a thread or on a loop with the same outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from nacre.errors import StepTimedOut
from nacre.execute.effects import Call, Effects, Pause, Until, call_back, drive, drive_async, is_async
from nacre.testing import ManualClock


def add(a: int, b: int = 0) -> int:
    return a + b


async def add_async(a: int, b: int = 0) -> int:
    await asyncio.sleep(0)
    return a + b


def fail() -> None:
    raise ValueError("as told")


def steps() -> Effects[list[object]]:
    """Call both kinds of functions, pause and survive an error."""
    found: list[object] = [
        (yield Call(add, nullcontext, (1,), {"b": 2})),
        (yield Call(add_async, nullcontext, (3,))),
    ]
    yield Pause(0)
    try:
        yield Call(fail, nullcontext)
    except ValueError as error:
        found.append(str(error))
    return found


def test_both_drivers_give_the_same() -> None:
    expected = [3, 3, "as told"]
    assert drive(steps(), ManualClock()) == expected
    assert asyncio.run(drive_async(steps())) == expected


def test_a_synchronous_driver_on_a_loop_runs_coroutines_elsewhere() -> None:
    async def main() -> list[object]:
        return drive(steps(), ManualClock())

    assert asyncio.run(main()) == [3, 3, "as told"]


def test_a_pause_is_slept_on_the_clock() -> None:
    clock = ManualClock()

    def pauses() -> Effects[None]:
        yield Pause(3)
        yield Pause(4.5)

    drive(pauses(), clock)
    assert clock.slept == [3, 4.5]


def test_what_the_generator_raises_is_passed_on() -> None:
    def raises() -> Effects[None]:
        yield Call(fail, nullcontext)

    for go in (lambda: drive(raises(), ManualClock()), lambda: asyncio.run(drive_async(raises()))):
        with pytest.raises(ValueError, match="as told"):
            go()


def test_a_function_runs_inside_its_context() -> None:
    seen: list[str] = []

    @contextmanager
    def inside() -> Iterator[None]:
        seen.append("in")
        yield
        seen.append("out")

    def once() -> Effects[object]:
        return (yield Call(lambda: seen.append("call"), inside))

    drive(once(), ManualClock())
    assert seen == ["in", "call", "out"]


def test_a_function_past_its_deadline_is_left_behind() -> None:
    release = threading.Event()

    def late() -> Effects[object]:
        return (yield Call(release.wait, nullcontext, (20,), {}, 0.01))

    with pytest.raises(StepTimedOut, match="wait ran past its"):
        drive(late(), ManualClock())
    release.set()


def test_an_event_is_waited_for_on_threads_and_loops() -> None:
    for go in (lambda e: drive(e, ManualClock()), lambda e: asyncio.run(drive_async(e))):
        event = threading.Event()

        def waits(event: threading.Event = event) -> Effects[bool]:
            threading.Thread(target=event.set, daemon=True).start()
            yield Until(event)
            return event.is_set()

        assert go(waits())


def test_hooks_may_be_asynchronous() -> None:
    assert call_back(add, 1, 2) == call_back(add_async, 1, 2) == 3


def test_coroutine_functions_are_told_apart() -> None:
    class Api:
        async def get(self) -> None: ...

    assert is_async(add_async)
    assert is_async(Api().get)
    assert not is_async(add)
    assert not is_async(len)
