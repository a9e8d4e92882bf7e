"""Plain tasks run whenever they are called; where their options ask for it, their results are stored and taken."""

from __future__ import annotations

from datetime import timedelta

import nacre
from nacre.planning.explain import sentence
from sandbox import Sandbox

POLICIES = """
from datetime import timedelta
from nacre.cache_policies import *
"""


def reasons(result: nacre.RunResult) -> dict[str, tuple[str, str]]:
    return {step.name: (step.action, step.reason) for step in result}


def planned(module: object, **options: bool) -> dict[str, tuple[str, str]]:
    return {step.name: (step.action, step.reason) for step in nacre.plan(modules=[module], **options).steps}


def said(project: Sandbox) -> list[tuple[str, str]]:
    """What the latest run that nobody called did to each step, and why."""
    run = [run for run in project.runs() if not run.parent][-1]
    return [(each.action, sentence(each.reason)) for each in run.steps]


def test_a_plain_task_runs_whenever_it_is_called_unless_asked_otherwise(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
def shout(text):
    calls.append(text)
    return text.upper()

plain = task(shout)
kept = task(persist_result=True)(shout)
never = task(cache_policy=NO_CACHE, persist_result=True, cache_expiration=timedelta(days=1))(shout)
by_policy = task(cache_policy=INPUTS, persist_result=True)(shout)
by_age = task(cache_expiration=timedelta(days=1))(shout)
"""
    )
    for name, n_runs in {"plain": 2, "kept": 2, "never": 2, "by_policy": 1, "by_age": 0}.items():
        module.calls.clear()
        assert [getattr(module, name)("a"), getattr(module, name)("a")] == ["A", "A"]
        assert len(module.calls) == n_runs, name


def test_a_known_result_of_a_plain_task_says_where_it_is_from(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@materialize("a://words")
def words():
    return ["ann"]

@task(cache_policy=DEFAULT)
def shout(words) -> list:
    calls.append("shout")
    return [word.upper() for word in words]

@materialize("a://loud")
def loud(text):
    return text

@flow
def daily():
    state = shout(words(), return_state=True)
    return state.name, state.message, loud(state)
"""
    )
    assert module.daily() == ("Completed", "", ["ANN"])
    project.reopen()
    assert module.daily() == ("Cached", "made before from the same inputs and code", ["ANN"])
    assert module.calls == ["shout"]
    assert project.inputs("a://loud") == {"text": ("a://words", True)}
    run = project.runs()[-1]
    step = next(each for each in run.steps if each.step.startswith("task://"))
    assert (step.action, step.assets, step.seq) == ("reused", (), 0)
    assert {row.asset for row in project.workspace.catalog.heads("default")} == {"a://words", "a://loud"}


def test_a_script_and_an_import_of_it_share_the_results_of_plain_tasks(project: Sandbox) -> None:
    source = (
        POLICIES
        + """
@task(cache_policy=INPUTS)
def word(n):
    calls.append(n)
    return f"{len(calls)} of {__name__[:2]}"

if __name__ == "__main__":
    print(word(1))
"""
    )
    module = project.module(source)
    started = project.python(str(module.__file__))
    out, errors = started.communicate(timeout=60)
    assert (out, started.returncode) == ("1 of __\n", 0), errors
    assert module.word(1) == "1 of __"
    assert module.calls == []


def test_results_of_plain_tasks_may_be_large_tables(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
import pyarrow as pa

@task(cache_policy=INPUTS)
def table(n) -> pa.Table:
    calls.append(n)
    return pa.table({"n": list(range(n))})
"""
    )
    first, second = module.table(50_000), module.table(50_000)
    assert first.equals(second)
    assert module.calls == [50_000]


def test_what_one_caller_does_to_a_result_is_not_seen_by_the_next(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def numbers(n):
    return list(range(n))

@flow
def twice(n):
    numbers(n).clear()
    return len(numbers(n))
"""
    )
    assert module.twice(3) == 3
    assert module.twice(50_000) == 50_000


def test_a_result_that_cannot_be_stored_is_said_once_and_given_to_its_call(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def opened(n):
    calls.append(n)
    return open(__file__)
"""
    )
    module.opened(1).close()
    (line,) = [text for text in project.log() if "its result is not kept" in text]
    assert line.startswith("opened: its result is not kept for later calls: ")
    module.opened(1).close()
    assert module.calls == [1, 1]


def test_refreshing_a_plain_task_replaces_what_is_known(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def roll(n):
    calls.append(n)
    return len(calls)

@materialize("a://rolled")
def rolled():
    return roll(1)
"""
    )
    assert [module.roll(1), module.roll(1)] == [1, 1]
    assert module.roll.with_options(refresh_cache=True)(1) == 2
    assert said(project) == [("built", "you asked for a fresh result")]
    project.reopen()
    assert module.roll(1) == 2
    project.build(module)
    assert nacre.load("a://rolled") == 2
    project.build(module, refresh=True)
    assert nacre.load("a://rolled") == 3
    project.build(module, reuse_sources=True)
    assert module.roll(1) == 3


def test_results_of_assets_and_plain_tasks_expire_alike(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
DAY = timedelta(hours=24)

@task(cache_expiration=DAY)
def rate(of):
    calls.append("task")
    return 1

@materialize("a://rates", cache_expiration=DAY)
def rates():
    calls.append("asset")
    return 2
"""
    )
    module.rate("yen"), module.rates()
    project.clock.advance(timedelta(hours=23).total_seconds())
    module.rate("yen"), module.rates()
    assert module.calls == ["task", "asset"]
    project.clock.advance(timedelta(hours=3).total_seconds())
    assert planned(module)["rates"] == ("build", "made 26 h ago; cache_expiration is 24 h")
    assert planned(module, reuse_sources=True)["rates"] == ("reuse", "inputs and code unchanged")
    module.rate("yen")
    assert said(project) == [("built", "made 26 h ago; cache_expiration is 24 h")]
    module.rates()
    assert said(project) == [("built", "made 26 h ago; cache_expiration is 24 h")]
    module.rate("yen"), module.rates()
    assert module.calls == ["task", "asset"] * 2


def test_plain_tasks_are_reused_below_steps_that_run_in_parallel(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def slow(n):
    calls.append(n)
    return [n]

@materialize("a://one")
def one():
    return slow(1)

@materialize("a://two")
def two():
    return slow(1) + slow.submit(2).result()
"""
    )
    assert project.build(module).ok
    assert sorted(module.calls) == [1, 2]
    project.reopen()
    assert project.build(module).counts == {"checked": 2}
    assert project.runs()[-1].counts == {"checked": 2, "reused": 3}
    assert sorted(module.calls) == [1, 2]


def test_map_and_async_tasks_are_reused_one_by_one(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
async def later(n):
    calls.append(n)
    return n

@flow
async def gathered():
    import asyncio
    return await asyncio.gather(later(1), later(1), later(2))

@task(cache_policy=INPUTS)
def square(n):
    calls.append(n)
    return n * n

@flow
def squares(numbers):
    return [future.result() for future in square.map(numbers)]
"""
    )
    import asyncio

    assert asyncio.run(module.gathered()) == [1, 1, 2]
    assert sorted(module.calls) == [1, 2]
    module.calls.clear()
    assert module.squares([3, 3, 4]) == [9, 9, 16]
    assert module.squares([4, 5]) == [16, 25]
    assert sorted(module.calls) == [3, 4, 5]


def test_a_failed_plain_task_is_tried_again_by_who_waited(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def shaky(n):
    calls.append(n)
    if len(calls) == 1:
        raise OSError("not yet")
    return n

@flow
def three():
    futures = [shaky.submit(1) for _ in range(3)]
    return sorted(future.state.name for future in futures if not future.wait())
"""
    )
    assert module.three() == ["Cached", "Completed", "Failed"]
    assert module.calls == [1, 1]


def test_the_object_that_a_method_belongs_to_counts_as_an_argument(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
from dataclasses import dataclass

@dataclass
class Scale:
    by: int

    @task(cache_policy=INPUTS)
    def times(self, n):
        calls.append(self.by)
        return n * self.by

    @materialize("a://scaled", cache_policy=INPUTS)
    def scaled(self, n):
        calls.append(self.by)
        return n * self.by

class Opaque:
    @task(cache_policy=INPUTS)
    def one(self):
        calls.append("one")
        return 1
"""
    )
    for _ in range(2):
        assert [module.Scale(by).times(10) for by in (2, 3)] == [20, 30]
        assert [module.Scale(by).scaled(10) for by in (2, 3)] == [20, 30]
    assert module.calls == [2, 3, 2, 3]
    assert module.Opaque().one(return_state=True).message == (
        "argument `self` (Opaque) cannot be followed, so it runs"
    )


def test_a_damaged_result_of_a_plain_task_is_made_again(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def text(n):
    calls.append(n)
    return "a" * n
"""
    )
    module.text(100_000)
    for file in (project.store / "objects").rglob("*"):
        if file.is_file() and file.stat().st_size >= 100_000:
            file.write_bytes(b"something else")
    project.reopen()
    assert len(module.text(100_000)) == 100_000
    assert said(project) == [("built", "its stored result is missing or damaged")]
    assert module.text(100_000, return_state=True).name == "Cached"
    assert module.calls == [100_000, 100_000]


def test_lineage_is_that_of_what_the_result_was_made_from(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@materialize("a://old")
def old():
    return ["old"]

@materialize("a://new")
def new():
    return ["new"]

@task(cache_policy=TASK_SOURCE)
def first(rows):
    return list(rows)

@materialize("a://kept")
def kept(text):
    return text

@flow
def by(name):
    kept(first({"old": old, "new": new}[name]()))
"""
    )
    module.by("old")
    assert nacre.lineage("a://kept").upstream == {"a://old"}
    module.by("new")
    assert nacre.load("a://kept") == ["old"]
    module = project.edit(module, "return text", "return text + []")
    module.by("new")
    assert nacre.lineage("a://kept").upstream == {"a://old", "a://new"}


def test_a_plain_task_of_several_assets_passes_all_of_them_on(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@materialize("a://one")
def one():
    return ["one"]

@materialize("a://two")
def two():
    return ["two"]

@task
def both(first, second):
    return first + second

@materialize("a://all")
def everything(rows):
    return rows

@flow
def daily():
    everything(both(one(), two()))
"""
    )
    module.daily()
    assert nacre.lineage("a://all").upstream == {"a://one", "a://two"}
