"""What a cache policy, a cache key function and an expiration say counts: what ran, and why."""

from __future__ import annotations

import threading

import pytest

import nacre
from nacre.errors import InvalidOption
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


# ── what counts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_parameter_that_is_left_out_does_not_count(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@materialize("a://report", cache_policy=INPUTS - "verbose")
def report(unit, verbose):
    calls.append((unit, verbose))
    return unit
"""
    )
    module.report("mm", verbose=True)
    assert (
        module.report("mm", verbose=print, return_state=True).message
        == "inputs (but verbose) and code unchanged"
    )
    module.report("inch", verbose=False)
    assert module.calls == [("mm", True), ("inch", False)]


def test_an_asset_that_is_left_out_stays_lineage(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@materialize("a://names")
def names():
    return ["ann"]

@materialize("a://limit")
def limit():
    return world.get("limit", 1)

@materialize("a://report", cache_policy=DEFAULT - "limit")
def report(names, limit):
    calls.append(limit)
    return names[:limit]
"""
    )
    project.build(module)
    module.world["limit"] = 5
    result = project.build(module)
    assert reasons(result)["report"] == ("reused", "inputs (but limit) and code unchanged")
    assert nacre.lineage("a://report").upstream == {"a://names", "a://limit"}
    assert module.calls == [1]
    module = project.edit(module, 'DEFAULT - "limit"', "DEFAULT")
    assert reasons(project.build(module))["report"] == ("built", "option `cache_policy` changed")
    assert module.calls == [1]


def test_a_result_made_under_one_policy_is_not_taken_under_another(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS - "limit")
def first(limit=1):
    calls.append(limit)
    return limit
"""
    )
    assert module.first(limit=5) == 5
    assert module.first() == 5
    assert module.first.with_options(cache_policy=module.INPUTS)() == 1
    assert module.calls == [5, 1]


def test_an_unknown_name_is_refused_with_the_close_ones() -> None:
    from nacre import materialize, task
    from nacre.cache_policies import INPUTS

    def report(unit: str, limit: int) -> None: ...

    for declare in (
        task(cache_policy=INPUTS - "limits"),
        materialize("a://r", cache_policy=INPUTS - "limits"),
    ):
        with pytest.raises(InvalidOption, match=r'no parameter\n(.*\n)*.*did you mean "limit"'):
            declare(report)
    with pytest.raises(InvalidOption, match="by name"):
        INPUTS - 3  # type: ignore[operator]  # what a user may write


def test_code_counts_under_every_policy(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
def double(n): return n * 2

@task(cache_policy=INPUTS)
def by_inputs(n): return double(n)

@task(cache_policy=TASK_SOURCE)
def by_source(n): return double(n)

@task(cache_key_fn=lambda context, parameters: "same")
def by_key(n): return double(n)
"""
    )
    assert [task(3) for task in (module.by_inputs, module.by_source, module.by_key)] == [6, 6, 6]
    module = project.edit(module, "n * 2", "n * 3")
    assert [task(3) for task in (module.by_inputs, module.by_source, module.by_key)] == [9, 9, 9]


def test_the_source_alone_leaves_the_inputs_out(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=TASK_SOURCE)
def first(n):
    calls.append(n)
    return n
"""
    )
    assert [module.first(1), module.first(2)] == [1, 1]
    assert module.calls == [1]
    assert said(project) == [("reused", "made before from the same code (its cache_policy has no INPUTS)")]


def test_run_id_reuses_within_one_run_and_the_flows_it_calls(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=DEFAULT + RUN_ID)
def draw(n):
    calls.append(n)
    return [n]

@materialize("a://drawn", cache_policy=INPUTS + RUN_ID)
def drawn():
    calls.append("asset")
    return 1

@flow
def inner():
    return draw(1)

@flow
def outer():
    return draw(1), inner(), draw.submit(1).result(), drawn(), drawn()
"""
    )
    assert module.outer() == ([1], [1], [1], 1, 1)
    assert module.calls == [1, "asset"]
    module.outer()
    assert module.calls == [1, "asset"] * 2
    why = "made in another run, and its cache_policy has RUN_ID"
    assert planned(module)["drawn"] == ("build", why)
    assert reasons(project.build(module))["drawn"] == ("built", why)


def test_flow_parameters_count_where_a_policy_says_so(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS + FLOW_PARAMETERS)
def fetch(page):
    calls.append(page)
    return [page]

@materialize("a://posts", cache_policy=DEFAULT + FLOW_PARAMETERS)
def posts():
    calls.append("posts")
    return 1

@flow
def inner(region="inner"):
    return fetch(1)

@flow
def daily(region, lock=None):
    fetch(1), posts(), inner()
"""
    )
    module.daily("north")
    module.daily("north")
    assert module.calls == [1, "posts", 1]
    module.daily(region="south")
    assert module.calls == [1, "posts", 1, 1, "posts"]
    assert said(project)[1] == ("built", "parameter `flow.region` changed")
    module.daily("north", lock=threading.Lock())
    assert ("built", "parameter `lock` (lock) of the flow cannot be followed, so it runs") in said(project)
    assert module.calls[-2:] == [1, "posts"]
    assert planned(module)["posts"][0] == "build"


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────

KEYED = """
def by_day(context, parameters):
    calls.append("key")
    assert context.task.name == "report"
    assert context.flow_run.id and context.task_run.flow_run_id == context.flow_run.id
    if "broken" in world:
        return world["no such fact"]
    return world.get("key", parameters["day"])

@materialize("a://day")
def day():
    return world.get("day", "Mon")

@materialize("a://weather")
def weather():
    return world.get("weather", "rain")

@materialize("a://report", cache_key_fn=by_day)
def report(day, weather):
    calls.append("report")
    return [day, weather]
"""


def test_a_key_stands_for_the_inputs_in_builds_and_in_calls(project: Sandbox) -> None:
    module = project.module(KEYED)
    project.build(module)
    module.world["weather"] = "sun"
    assert reasons(project.build(module))["report"] == ("reused", "cache key unchanged")
    assert module.report() == ["Mon", "rain"]
    assert module.report("Mon", "snow", return_state=True).message == "cache key unchanged"
    module.world["day"] = "Tue"
    module.calls.clear()
    result = project.build(module)
    assert reasons(result)["report"] == ("built", "cache key changed: Mon → Tue")
    assert module.calls == ["key", "report"]
    module.world["day"] = "Mon"
    assert reasons(project.build(module))["report"] == ("reused", "made before under the cache key Mon")
    assert nacre.load("a://report") == ["Mon", "rain"]
    assert planned(module, reuse_sources=True)["report"] == ("reuse", "cache key unchanged")


def test_a_step_is_pending_while_its_key_may_change(project: Sandbox) -> None:
    module = project.module(KEYED)
    project.build(module)
    module.calls.clear()
    assert planned(module)["report"] == ("pending", "depends on what day brings")
    assert module.calls == []


def test_a_key_function_loads_only_what_it_looks_at(project: Sandbox) -> None:
    module = project.module(KEYED)
    project.build(module)
    for fact in project.workspace.records.scan("ac/"):
        if b'"a://weather"' in fact.data and b'"task":"weather"' in fact.data:
            project.workspace.records.replace(fact.path, b"damaged", fact.token)
    project.reopen()
    assert planned(module, reuse_sources=True)["report"] == ("reuse", "cache key unchanged")
    with pytest.raises(nacre.errors.CorruptRecord):
        nacre.load("a://weather")


def test_a_key_function_sees_what_is_taken_again_and_what_is_read_whole(project: Sandbox) -> None:
    module = project.module("""
        from nacre import StaticPartitions
        CITIES = StaticPartitions(["oslo", "rome"], "city")

        @materialize("a://n")
        def n():
            return world.get("n", 1)

        @materialize("a://doubled")
        def doubled(n):
            return n * 2

        @materialize("a://visits/{city}", partitions=CITIES)
        def visits(doubled, city: str):
            return city + str(doubled)

        @materialize(
            "a://noted/{city}", partitions=CITIES,
            cache_key_fn=lambda context, parameters: parameters["city"] + parameters["visits"][:4],
        )
        def noted(visits, city: str):
            calls.append(city)
            return visits

        @materialize(
            "a://all", cache_key_fn=lambda c, parameters: f"{parameters['doubled']} {parameters['visits']}"
        )
        def everything(doubled, visits, extra=1):
            calls.append("all")
            return [doubled, visits]
    """)
    for number in (1, 2):
        module.turn(n=number)
        project.build(module)
    module.turn(n=1)
    project.reopen()
    result = project.build(module)
    assert sorted(module.calls) == ["all", "all", "oslo", "rome"]
    key = "2 {'oslo': 'oslo2', 'rome': 'rome2'}"
    assert {step.reason for step in result if step.asset == "a://all"} == {
        f"made before under the cache key {key}"
    }
    assert {step.reason for step in result if step.asset.startswith("a://noted")} == {"cache key unchanged"}


def test_without_a_key_a_step_runs_and_its_result_is_not_taken(project: Sandbox) -> None:
    module = project.module(KEYED)
    module.world["key"] = None
    project.build(module)
    module.calls.clear()
    result = project.build(module)
    assert module.calls == ["key", "report"]
    assert reasons(result)["report"] == ("built", "checked: content unchanged")
    assert planned(module, reuse_sources=True)["report"][1] == "cache_key_fn gave no key, so it runs"
    assert module.report("Mon", "rain") == module.report("Mon", "rain")
    assert module.calls.count("report") == 3


def test_what_a_key_function_raises_fails_the_step(project: Sandbox) -> None:
    module = project.module(KEYED)
    module.world["broken"] = True
    result = project.build(module)
    assert result["report"].action == "failed"
    assert result["report"].reason == "cache_key_fn failed: KeyError: 'no such fact'"
    assert "no such fact" in result["report"].error
    record = next(step for step in project.runs()[-1].steps if step.step == "a://report")
    assert record.failing is not None
    assert record.failing.function == "by_day"
    with pytest.raises(KeyError, match="no such fact"):
        module.report()
    assert "report" not in module.calls


def test_a_key_must_be_a_text(project: Sandbox) -> None:
    module = project.module("""
        @task(cache_key_fn=lambda context, parameters: parameters["n"])
        def square(n):
            return n * n
    """)
    with pytest.raises(nacre.errors.TypeMismatch, match="must return a text or None"):
        module.square(3)


def test_a_long_key_is_shown_cut_and_kept_as_a_digest(project: Sandbox) -> None:
    module = project.module("""
        @materialize("a://x", cache_key_fn=lambda context, parameters: "token " + world["token"])
        def x():
            return 1
    """)
    module.turn(token="a" * 60 + "1")
    project.build(module)
    module.turn(token="a" * 60 + "2")
    reason = project.build(module)["x"].reason
    shown = "token " + "a" * 33 + "…"
    assert reason == f"cache key changed: {shown} → {shown}"
    assert "a" * 40 not in str(project.record("a://x").recipe)


def test_prefects_own_key_functions_work(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
from nacre.tasks import task_input_hash

class Monthly(CachePolicy):
    def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
        return inputs["day"][:7] + str(flow_parameters.get("region"))

@task(cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
def hashed(value):
    calls.append("hashed")
    return value

@task(cache_policy=CacheKeyFnPolicy(cache_key_fn=lambda context, parameters: "k") + INPUTS)
def both(value):
    calls.append("both")
    return value

@task(cache_policy=Monthly())
def monthly(day):
    calls.append("monthly")
    return day

@flow
def regional(region):
    return monthly("2026-11-03")
"""
    )
    assert [module.hashed({"a": 1}), module.hashed({"a": 1}), module.hashed({"a": 2})] == [
        {"a": 1},
        {"a": 1},
        {"a": 2},
    ]
    assert [module.both(1), module.both(1), module.both(2)] == [1, 1, 2]
    assert [module.monthly("2026-11-01"), module.monthly("2026-11-02"), module.monthly("2026-12-01")] == [
        "2026-11-01",
        "2026-11-01",
        "2026-12-01",
    ]
    assert module.calls == ["hashed"] * 2 + ["both"] * 2 + ["monthly"] * 2
    assert module.regional("north") == "2026-11-03"
    assert module.hashed(threading.Lock) is threading.Lock
    with pytest.raises(AttributeError):
        nacre.tasks.nothing  # noqa: B018  # asking is the point


# ── age and identity ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_becomes_current_again_is_as_old_as_it_is(project: Sandbox) -> None:
    module = project.module("""
        from datetime import timedelta
        @materialize("a://source")
        def source():
            return world.get("n", 1)
        @materialize("a://below", cache_expiration=timedelta(hours=24))
        def below(source):
            calls.append(source)
            return source
    """)
    project.build(module)
    module.turn(n=2)
    project.build(module)
    project.clock.advance(20 * 3_600)
    module.turn(n=1)
    assert reasons(project.build(module))["below"][0] == "reused"
    project.clock.advance(6 * 3_600)
    assert reasons(project.build(module))["below"] == ("built", "made 26 h ago; cache_expiration is 24 h")


def test_an_argument_without_identity_is_said_of_assets_too(project: Sandbox) -> None:
    module = project.module("""
        @materialize("a://x")
        def x(lock):
            calls.append("x")
            return 1
    """)
    lock, reason = threading.Lock(), "argument `lock` (lock) cannot be followed, so it runs"
    state = module.x(lock, return_state=True)
    assert (state.name, state.message) == ("Completed", reason)
    assert project.log() == [f"x: {reason}"]
    module.x(lock)
    assert said(project) == [("built", reason)]
    assert module.calls == ["x", "x"]
