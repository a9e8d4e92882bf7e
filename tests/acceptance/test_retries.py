"""Retries, their delays and conditions, and time-outs; the clock is the test's own."""

from __future__ import annotations

import pytest

import nacre
from nacre.declare.task import Task
from nacre.errors import StepTimedOut
from nacre.execute.step import StepRun, retry_delay
from sandbox import Sandbox

SHAKY = """
def shaky():
    calls.append(1)
    if len(calls) <= world.get("failures", 2):
        raise OSError(f"try {len(calls)}")
    return len(calls)
"""


def shaky(project: Sandbox, options: str, failures: int = 2) -> object:
    module = project.module(f"{SHAKY}\nshaky = task({options})(shaky)")
    module.world["failures"] = failures
    return module


def test_a_task_is_tried_once_more_than_its_retries(project: Sandbox) -> None:
    module = shaky(project, "retries=2")
    assert module.shaky() == 3  # type: ignore[attr-defined]
    module = shaky(project, "retries=1")
    with pytest.raises(OSError, match="try 2"):
        module.shaky()  # type: ignore[attr-defined]
    assert project.clock.slept == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("delays", "slept"),
    [
        ("5", [5.0, 5.0, 5.0]),
        ("[1, 2]", [1.0, 2.0, 2.0]),
        ("[1, 2, 3, 4]", [1.0, 2.0, 3.0]),
        ("lambda n: [10 * 2**i for i in range(n)]", [10.0, 20.0, 40.0]),
        ("None", [0.0, 0.0, 0.0]),
    ],
)
def test_delays_are_a_number_a_list_or_a_function(project: Sandbox, delays: str, slept: list[float]) -> None:
    module = shaky(project, f"retries=3, retry_delay_seconds={delays}", failures=3)
    assert module.shaky() == 4  # type: ignore[attr-defined]
    assert project.clock.slept == slept


def test_jitter_lengthens_a_delay_by_up_to_its_factor(project: Sandbox) -> None:
    module = shaky(project, "retries=3, retry_delay_seconds=10, retry_jitter_factor=0.5")
    declared = module.shaky  # type: ignore[attr-defined]
    assert isinstance(declared, Task)
    step = StepRun(declared, "1", None, project.clock.now())  # type: ignore[arg-type]  # the run is not asked
    step.run_count = 1
    assert [retry_delay(step, lambda drawn=drawn: drawn) for drawn in (0.0, 0.5, 1.0)] == [10.0, 12.5, 15.0]


def test_a_condition_decides_what_is_tried_again(project: Sandbox) -> None:
    module = project.module("""
        seen = []
        def only_os(task, run, state):
            seen.append((task.name, state.name))
            return isinstance(state.data, OSError)
        @task(retries=5, retry_condition_fn=only_os)
        def step():
            calls.append(1)
            raise OSError("again") if len(calls) == 1 else KeyError("never again")
    """)
    with pytest.raises(KeyError, match="never again"):
        module.step()
    assert module.calls == [1, 1]
    assert module.seen == [("step", "Failed"), ("step", "Failed")]


def test_an_asynchronous_condition_counts(project: Sandbox) -> None:
    module = project.module("""
        async def never(task, run, state): return False
        @task(retries=5, retry_condition_fn=never)
        def step():
            calls.append(1)
            raise OSError("once")
    """)
    with pytest.raises(OSError, match="once"):
        module.step()
    assert module.calls == [1]


def test_a_condition_that_raises_means_no(project: Sandbox) -> None:
    module = project.module("""
        def broken(task, run, state): raise RuntimeError("condition")
        @task(retries=5, retry_condition_fn=broken)
        def step():
            calls.append(1)
            raise OSError("once")
    """)
    with pytest.raises(OSError, match="once"):
        module.step()
    assert module.calls == [1]


def test_each_retry_is_a_line_of_the_log(project: Sandbox) -> None:
    shaky(project, "retries=2, retry_delay_seconds=[1, 60]").shaky()  # type: ignore[attr-defined]
    assert project.log() == [
        "shaky raised OSError: try 1; try 2 of 3 in 1 s",
        "shaky raised OSError: try 2; try 3 of 3 in 60 s",
    ]
    assert project.runs()[-1].steps[0].attempts == 3


def test_an_asset_is_retried_in_a_build(project: Sandbox) -> None:
    module = project.module(
        SHAKY + '\nshaky = materialize("asset://shaky", retries=2, retry_delay_seconds=7)(shaky)\n'
    )
    assert project.build(module).ok
    assert nacre.load("asset://shaky") == 3
    assert project.clock.slept == [7.0, 7.0]


HANGS = """
import threading
release = threading.Event()
ended = []

@materialize("asset://slow", timeout_seconds=0.02, retries=1)
def slow():
    calls.append(1)
    release.wait(20)
    ended.append(1)
    return 1

@materialize("asset://below")
def below(slow): return slow
"""


def test_a_step_past_its_time_fails_at_once_and_is_tried_again(project: Sandbox) -> None:
    module = project.module(HANGS)
    try:
        result = project.build(module)
    finally:
        module.release.set()
    assert module.calls == [1, 1]
    assert isinstance(result.errors["asset://slow"], StepTimedOut)
    assert isinstance(result.errors["asset://slow"], TimeoutError)
    assert "slow ran past its 0.02 s" in result["slow"].error
    assert result["below"].action == "skipped"
    assert project.history("asset://slow") == []


def test_the_state_of_a_late_task_says_so(project: Sandbox) -> None:
    module = project.module(HANGS)
    try:
        state = module.slow(return_state=True)
    finally:
        module.release.set()
    assert (state.name, state.type) == ("TimedOut", "FAILED")


def test_a_late_coroutine_is_cancelled(project: Sandbox) -> None:
    module = project.module("""
        import asyncio
        @task(timeout_seconds=0.02)
        async def slow():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                calls.append("cancelled")
                raise
    """)
    with pytest.raises(StepTimedOut, match="slow ran past its"):
        module.slow()
    assert module.calls == ["cancelled"]


def test_a_timeout_of_the_functions_own_is_its_own(project: Sandbox) -> None:
    module = project.module("""
        @task(timeout_seconds=20)
        def own(): raise TimeoutError("the server")
    """)
    with pytest.raises(TimeoutError, match="the server") as raised:
        module.own()
    assert not isinstance(raised.value, StepTimedOut)


def test_a_flow_has_a_time_out_too(project: Sandbox) -> None:
    module = project.module("""
        import threading
        release = threading.Event()
        @flow(timeout_seconds=0.02)
        def slow(): release.wait(20)
    """)
    try:
        with pytest.raises(TimeoutError, match="slow ran past"):
            module.slow()
    finally:
        module.release.set()
