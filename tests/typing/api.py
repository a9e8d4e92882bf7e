"""The public API as a type checker sees it: decorated functions keep their signatures. Checked, never run."""

from __future__ import annotations

from datetime import date
from typing import assert_type

import nacre
from nacre import Flow, RollbackResult, RunResult, Task, flow, materialize, stable, task
from nacre.assets import Asset
from nacre.declare.task import Future
from nacre.schedules import Cron
from nacre.views.difference import DiffResult

RAW = Asset(key="asset://raw")


@materialize(RAW, retries=2, tags=["a"])
def raw(day: str, limit: int = 10) -> list[int]:
    return [limit]


@materialize("asset://total")
async def total(raw: list[int]) -> int:
    return sum(raw)


@task
def plain(x: int) -> str:
    return str(x)


@task(retries=1, retry_delay_seconds=[1, 2])
def configured(x: int) -> str:
    return str(x)


@flow
def bare(day: str) -> int:
    return len(raw(day))


@flow(name="configured", log_prints=True)
def named(day: str) -> int:
    return bare(day)


@stable
def helper(x: int) -> int:
    return x


@stable(version=2)
def other_helper(x: int) -> int:
    return x


def check() -> None:
    assert_type(raw("today"), list[int])
    assert_type(raw("today", limit=3), list[int])
    assert_type(plain(1), str)
    assert_type(configured.with_options(retries=3)(1), str)
    assert_type(plain.submit(1), Future[str])
    assert_type(plain.submit(1).result(), str)
    assert_type(plain.map([1, 2]), list[Future[str]])
    assert_type(bare("today"), int)
    assert_type(named.with_options(name="x")("today"), int)
    assert_type(helper(other_helper(1)), int)
    assert_type(nacre.build(raw), RunResult)
    assert_type(nacre.diff(raw, "v1", 2, key="id"), DiffResult)
    assert_type(nacre.load("asset://raw", as_type=list), list[object])  # type: ignore[assert-type]  # list[Any]
    assert_type(nacre.load("asset://raw", int, at="v12"), int)
    assert_type(nacre.load("asset://raw", at=date(2026, 11, 1)), object)
    assert_type(nacre.rollback(raw, 12, only=True), RollbackResult)
    assert_type(nacre.history("asset://raw")[0].pins, tuple[str, ...])
    assert_type(nacre.release("asset://raw"), tuple[str, ...])
    assert_type(nacre.promote("dev", "default", raw), nacre.PromoteResult)
    assert_type(nacre.pin(raw, "v1", "good").version, int)
    assert_type([each.name for each in nacre.pins()], list[str])
    assert_type(nacre.unpin("good").by, str)
    nacre.load("asset://raw", at=1.5)  # type: ignore[call-overload]  # neither a number of a version nor a time
    bare.serve("bare", cron="0 7 * * *", timezone="Europe/Berlin", parameters={"day": "today"})
    nacre.serve(bare.to_deployment("a", interval=60), named.to_deployment(schedule=Cron("@daily")))
    bare.serve("bare", crn="0 7 * * *")  # type: ignore[call-arg]  # misspelt
    a: Task[[int], str] = plain
    b: Flow[[str], int] = bare
    assert a is not None and b is not None
    raw(1)  # type: ignore[arg-type]  # the day is a text
    raw("today", lmit=3)  # type: ignore[call-arg]  # misspelt
    materialize("asset://x", retrys=1)  # type: ignore[call-arg]  # misspelt


async def check_async() -> None:
    assert_type(await total([1]), int)
