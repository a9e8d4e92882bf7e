"""What a step asks for while it runs, and the two drivers that do it: in this thread, or on the caller's event loop.

The step runner is one generator that yields effects; so retries, time-outs and recording exist once, for synchronous
and asynchronous functions alike.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from types import MappingProxyType
from typing import NamedTuple, TypeVar, cast

from nacre.errors import StepFailed, StepTimedOut, said
from nacre.execute.clock import Clock

T = TypeVar("T")


class Call(NamedTuple):
    """Call a user's function; its result, or its exception, is sent back.

    ``inside`` makes the context the function runs in; it is entered where the function is called, not where the
    generator runs, since the two may be different threads.
    """

    fn: Callable[..., object]
    inside: Callable[[], AbstractContextManager[object]]
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = MappingProxyType({})
    timeout_s: float | None = None


class Pause(NamedTuple):
    """Wait between two attempts."""

    seconds: float


class Until(NamedTuple):
    """Wait until another thread sets an event."""

    event: threading.Event


Effect = Call | Pause | Until
Effects = Generator[Effect, object, T]

CO_COROUTINE = 0x80


def is_async(fn: Callable[..., object]) -> bool:
    """Say whether calling a function gives a coroutine."""
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def drive(effects: Effects[T], clock: Clock) -> T:
    """Do the effects in this thread until the generator returns.

    Args:
        effects: A started or fresh generator.
        clock: Waits for pauses.

    Returns:
        What the generator returns; what it raises is passed on.
    """
    reply: object = None
    error: BaseException | None = None
    while True:
        try:
            effect = effects.throw(error) if error is not None else effects.send(reply)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # the generator's declared return type
        reply = error = None
        if isinstance(effect, Pause):
            clock.sleep(effect.seconds)
            continue
        if isinstance(effect, Until):
            effect.event.wait()
            continue
        try:
            if effect.timeout_s is None and not is_async(effect.fn):
                with effect.inside():  # right here, so that few frames of ours stand above the user's
                    reply = effect.fn(*effect.args, **effect.kwargs)
            else:
                reply = _call(effect)
        except BaseException as raised:  # the user's function may raise anything; the generator decides
            error = _throwable(raised)


async def drive_async(effects: Effects[T]) -> T:
    """Do the effects on the running event loop; the generator's own work runs in threads.

    Args:
        effects: A fresh generator.

    Returns:
        What the generator returns; what it raises is passed on.
    """
    import asyncio

    reply: object = None
    error: BaseException | None = None
    while True:
        effect, stopped = await asyncio.to_thread(_advance, effects, reply, error)
        if effect is None:
            return stopped  # type: ignore[return-value]  # the generator's declared return type
        reply = error = None
        try:
            if isinstance(effect, Pause):
                await asyncio.sleep(effect.seconds)
            elif isinstance(effect, Until):
                await _until(effect.event)
            else:
                reply = await _call_async(effect)
        except BaseException as raised:  # the user's coroutine may raise anything; the generator decides
            error = _throwable(raised)


async def _until(event: threading.Event) -> None:
    """Wait in a thread of its own: one of the loop's few may be what the other side needs to go on."""
    import asyncio

    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait() -> None:
        event.wait()
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, name="nacre-wait", daemon=True).start()
    await ended.wait()


def call_back(fn: Callable[..., object], *args: object) -> object:
    """Call a hook or condition of the user's to its end, be it asynchronous or not."""
    return _call(Call(fn, nullcontext, args))


def _throwable(raised: BaseException) -> BaseException:
    """Wrap the two exceptions that mean something else when they are thrown into a generator."""
    if not isinstance(raised, (StopIteration, GeneratorExit)):
        return raised
    error = StepFailed(f"The function raised {said(raised)}")
    error.__cause__ = raised
    return error


def _advance(
    effects: Effects[T], reply: object, error: BaseException | None
) -> tuple[Effect | None, T | None]:
    try:
        return (effects.throw(error) if error is not None else effects.send(reply)), None
    except StopIteration as stop:
        return None, stop.value


def _call(call: Call) -> object:
    if is_async(call.fn):
        return _complete(call)
    with call.inside():
        if call.timeout_s is None:
            return call.fn(*call.args, **call.kwargs)
        return _call_with_deadline(call, call.timeout_s)


def _complete(call: Call) -> object:
    """Run an asynchronous function to its end on a loop of its own."""
    import asyncio

    async def run() -> object:
        return await _call_async(call)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    # A loop runs in this thread already: a synchronous caller cannot wait on it, so the work moves to a thread.
    return _in_thread(lambda: asyncio.run(run()), None)


async def _call_async(call: Call) -> object:
    import asyncio

    if not is_async(call.fn):
        return await asyncio.to_thread(_call, call)
    with call.inside():
        coroutine = cast("Coroutine[object, object, object]", call.fn(*call.args, **call.kwargs))
        if call.timeout_s is None:
            return await coroutine
        deadline = asyncio.timeout(call.timeout_s)
        try:
            async with deadline:
                return await coroutine
        except TimeoutError:
            if not deadline.expired():
                raise  # the function's own
            raise _timed_out(call, "its coroutine was cancelled") from None


def _call_with_deadline(call: Call, timeout_s: float) -> object:
    return _in_thread(lambda: call.fn(*call.args, **call.kwargs), _Deadline(call, timeout_s))


class _Deadline(NamedTuple):
    call: Call
    timeout_s: float


class _Interrupted(BaseException):
    """Raised inside an abandoned thread at its next bytecode; nobody sees it."""


def _in_thread(work: Callable[[], object], deadline: _Deadline | None) -> object:
    """Run work in a daemon thread and wait; past the deadline it is abandoned and told to stop."""
    result: list[object] = []
    raised: list[BaseException] = []
    inherited = copy_context()

    def target() -> None:
        try:
            result.append(inherited.run(work))
        except BaseException as error:  # handed to the waiting thread
            raised.append(error)

    thread = threading.Thread(target=target, name="nacre-step", daemon=True)
    thread.start()
    thread.join(deadline.timeout_s if deadline else None)
    if thread.is_alive():
        assert deadline is not None
        import ctypes

        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Interrupted)
        )
        raise _timed_out(
            deadline.call,
            "Python cannot stop a thread inside a C call; what it still does is not recorded",
        )
    if raised:
        raise raised[0]
    return result[0]


def _timed_out(call: Call, note: str) -> StepTimedOut:
    name = getattr(call.fn, "__name__", repr(call.fn))
    facts = {"function": name, "timeout_seconds": f"{call.timeout_s:g}", "note": note}
    return StepTimedOut(
        f"{name} ran past its {call.timeout_s:g} s", facts, "raise timeout_seconds= or do less"
    )
