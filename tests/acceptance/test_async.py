"""Asynchronous tasks and flows: awaited on the caller's loop, run to their end elsewhere."""

from __future__ import annotations

import asyncio

import pytest

import nacre
from sandbox import Sandbox

ASSETS = """
import asyncio

@materialize("asset://raw")
async def raw():
    calls.append("raw")
    await asyncio.sleep(0)
    return [3, 1]

@materialize("asset://clean")
def clean(raw): return sorted(raw)

@materialize("asset://report")
async def report(clean): return f"{len(clean)} rows"
"""


def test_an_asynchronous_asset_runs_to_its_end_outside_a_loop(project: Sandbox) -> None:
    module = project.module(ASSETS)
    assert module.raw() == [3, 1]
    assert module.report() == "2 rows"


def test_an_asynchronous_asset_is_awaited_on_a_running_loop(project: Sandbox) -> None:
    module = project.module(ASSETS)

    async def main() -> tuple[object, object]:
        return await module.raw(), await module.report()

    assert asyncio.run(main()) == ([3, 1], "2 rows")


def test_a_synchronous_asset_runs_on_a_loop_too(project: Sandbox) -> None:
    module = project.module(ASSETS)

    async def main() -> object:
        return module.clean()

    assert asyncio.run(main()) == [1, 3]


def test_an_asynchronous_flow_is_a_coroutine(project: Sandbox) -> None:
    module = project.module(
        ASSETS
        + """
@flow
async def run(n: int):
    rows = await raw()
    return clean(rows), await report(), n
"""
    )
    assert asyncio.run(module.run("2")) == ([1, 3], "2 rows", 2)
    assert project.runs()[-1].state == "completed"
    assert project.inputs("asset://clean") == {"raw": ("asset://raw", False)}
    state = asyncio.run(module.run(1, return_state=True))
    assert state.is_completed()


def test_builds_run_asynchronous_assets(project: Sandbox) -> None:
    module = project.module(ASSETS)
    assert project.build(module).ok
    assert nacre.load("asset://report") == "2 rows"
    assert project.build(module).counts == {"checked": 1, "reused": 2}


def test_gathered_assets_run_at_the_same_time_on_one_loop(project: Sandbox) -> None:
    """Two coroutines that wait for each other end only where both run at once."""
    module = project.module("""
        import asyncio
        def declare(n):
            async def step(both):
                await both.wait()
                return n
            return task(step)
        @flow
        async def run():
            both = asyncio.Barrier(2)
            return await asyncio.gather(declare(1)(both), declare(2)(both))
    """)
    assert asyncio.run(module.run()) == [1, 2]


def test_many_gathered_calls_of_one_asset_make_it_once(project: Sandbox) -> None:
    module = project.module(
        ASSETS
        + """
@flow
async def run():
    return await asyncio.gather(*[raw() for _ in range(40)])
"""
    )
    assert asyncio.run(asyncio.wait_for(module.run(), 60)) == [[3, 1]] * 40
    assert module.calls == ["raw"]


def test_many_gathered_calls_share_what_they_miss(project: Sandbox) -> None:
    module = project.module(
        ASSETS
        + """
@materialize("asset://scaled")
async def scaled(clean, n): return [n * each for each in clean]
@flow
async def run():
    return await asyncio.gather(*[scaled(n=n) for n in range(20)])
"""
    )
    assert asyncio.run(asyncio.wait_for(module.run(), 60)) == [[n, 3 * n] for n in range(20)]
    assert module.calls == ["raw"]


def test_an_asynchronous_task_is_retried(project: Sandbox) -> None:
    module = project.module("""
        @task(retries=2)
        async def shaky():
            calls.append(1)
            if len(calls) < 3: raise OSError("not yet")
            return len(calls)
        @flow
        async def run(): return await shaky()
    """)
    assert asyncio.run(module.run()) == 3
    module.calls.clear()
    assert module.shaky() == 3


def test_a_submitted_coroutine_function_has_a_result(project: Sandbox) -> None:
    module = project.module(
        ASSETS
        + """
@flow
def run(): return clean.submit(raw.submit()).result()
@flow
async def run_async(): return clean.submit(raw.submit()).result()
"""
    )
    assert module.run() == [1, 3]
    assert asyncio.run(module.run_async()) == [1, 3]


def test_an_error_reaches_who_awaits(project: Sandbox) -> None:
    module = project.module("""
        @task
        async def bad(): raise ValueError("rain")
        @flow
        async def run():
            try:
                await bad()
            except ValueError as error:
                return str(error)
    """)
    assert asyncio.run(module.run()) == "rain"


def test_nested_asynchronous_flows_have_a_parent(project: Sandbox) -> None:
    module = project.module("""
        @flow
        async def inner(): return 1
        @flow
        async def outer(): return await inner()
    """)
    assert asyncio.run(module.outer()) == 1
    outer, inner = project.runs()
    assert inner.parent == outer.id


def test_logs_and_prints_of_coroutines_are_kept(project: Sandbox) -> None:
    module = project.module("""
        @task
        async def step():
            print("printed")
            get_run_logger().info("logged")
        @flow(log_prints=True)
        async def run(): await step()
    """)
    asyncio.run(module.run())
    assert project.log() == ["printed", "logged"]


def test_a_cancelled_flow_ends_its_run(project: Sandbox) -> None:
    module = project.module("""
        import asyncio
        @flow
        async def run(): await asyncio.Event().wait()
    """)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(module.run(), 0.05))
    assert project.runs()[-1].state != "running"
