"""P2 and P3: nothing runs whose result is known, and one sentence says why for everything."""

from __future__ import annotations

from datetime import timedelta

import pytest

import nacre
from sandbox import Sandbox

THREE = """
def shorten(text): return text[:3]

@materialize("asset://raw")
def raw():
    calls.append("raw")
    return dict(world) or {"rain": 3, "fetched_at": "10:00"}

@materialize("asset://clean")
def clean(raw):
    calls.append("clean")
    return {"rain": max(raw["rain"], 0)}

@materialize("asset://report")
def report(clean, unit="mm"):
    calls.append("report")
    return shorten(f"{clean['rain']} {unit}")
"""


def found(result: nacre.RunResult) -> dict[str, tuple[str, str]]:
    return {step.name: (step.action, step.reason) for step in result}


def test_a_second_run_checks_the_source_and_reuses_the_rest(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module.calls.clear()
    result = project.build(module)
    assert found(result) == {
        "raw": ("built", "checked: content unchanged"),
        "clean": ("reused", "inputs and code unchanged"),
        "report": ("reused", "inputs and code unchanged"),
    }
    assert result.counts == {"checked": 1, "reused": 2}
    assert module.calls == ["raw"]
    assert len(project.history("asset://raw")) == 1


def test_a_step_whose_content_came_out_the_same_stops_the_change(project: Sandbox) -> None:
    module = project.module(THREE)
    module.world.update(rain=-1)
    project.build(module)
    module.world.update(rain=-2)
    module.calls.clear()
    result = project.build(module)
    assert module.calls == ["raw", "clean"]
    assert found(result)["clean"] == ("built", "only `rain` of raw differs")
    assert found(result)["report"] == ("reused", "inputs and code unchanged")


def test_a_changed_source_says_what_changed_and_how_to_not_count_it(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module.world.update(rain=3, fetched_at="10:01")
    result = project.build(module)
    assert found(result)["raw"] == ("built", "only `fetched_at` of raw differs")
    assert found(result)["clean"] == ("built", "only `fetched_at` of raw differs")
    assert 'data_version=without("fetched_at")' in result.remedies[0]


def test_the_remedy_makes_the_change_not_count(project: Sandbox) -> None:
    source = THREE.replace(
        '@materialize("asset://raw")', '@materialize("asset://raw", data_version=without("fetched_at"))'
    )
    module = project.module(source)
    project.build(module)
    module.world.update(rain=3, fetched_at="10:01")
    assert project.build(module).counts == {"checked": 1, "reused": 2}


def test_an_edited_helper_rebuilds_what_uses_it_and_is_named(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module = project.edit(module, "text[:3]", "text[:4]")
    result = project.build(module)
    assert [step.action for step in result] == ["built", "reused", "built"]
    assert "code changed: `" in result["report"].reason
    assert "shorten`" in result["report"].reason
    assert f"{module.__name__}.py:" in result["report"].reason


def test_a_comment_rebuilds_nothing(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module = project.edit(
        module, "def shorten(text): return text[:3]", "# say less\ndef shorten(text):\n    return text[:3]"
    )
    assert project.build(module).counts == {"checked": 1, "reused": 2}


def test_going_back_takes_the_version_made_before(project: Sandbox) -> None:
    module = project.module(THREE)
    module.world.update(rain=1)
    project.build(module)
    module.world.update(rain=2)
    project.build(module)
    module.world.update(rain=1)
    module.calls.clear()
    result = project.build(module)
    assert module.calls == ["raw"]
    assert found(result)["clean"] == ("reused", "made before from the same inputs and code")
    assert found(result)["report"] == ("reused", "made before from the same inputs and code")
    assert nacre.load("asset://report") == "1 m"
    assert result["report"].version == 3
    assert project.build(module).counts == {"checked": 1, "reused": 2}


def test_another_version_option_is_another_recipe(project: Sandbox) -> None:
    module = project.module(THREE.replace('"asset://clean"', '"asset://clean", version="1"'))
    project.build(module)
    module = project.edit(module, 'version="1"', 'version="2"')
    assert found(project.build(module))["clean"] == ("built", "option `version` changed: 1 → 2")


def test_a_new_input_is_named(project: Sandbox) -> None:
    module = project.module(THREE + '\n@materialize("asset://more")\ndef more(): return 1\n')
    project.build(module)
    module = project.edit(module, "def clean(raw):", "def clean(raw, more):")
    reason = project.build(module)["clean"].reason
    assert reason.startswith("code changed: ")
    assert reason.endswith("(and 1 more change)")


def test_a_plan_says_beforehand_what_a_build_will_do(project: Sandbox) -> None:
    module = project.module(THREE)
    plan = nacre.plan(modules=[module])
    assert {step.name: (step.action, step.reason) for step in plan.steps} == {
        "raw": ("check", "not made yet"),
        "clean": ("pending", "depends on what raw brings"),
        "report": ("pending", "depends on what clean brings"),
    }
    assert module.calls == []
    assert not project.store.exists()
    project.build(module)
    module = project.edit(module, "text[:3]", "text[:4]")
    plan = nacre.plan("report", modules=[module], reuse_sources=True)
    assert [step.action for step in plan.steps] == ["reuse", "reuse", "build"]
    assert "shorten" in plan["report"].reason
    assert "shorten" in str(plan)
    with pytest.raises(KeyError):
        plan["nothing"]


def test_refresh_runs_what_was_asked_for_and_says_so(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module.calls.clear()
    result = project.build(module, "report", refresh=True)
    assert found(result)["clean"] == ("reused", "inputs and code unchanged")
    assert found(result)["report"] == ("built", "you asked for a fresh result")
    assert module.calls == ["raw", "report"]


def test_sources_are_left_alone_when_told(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module.calls.clear()
    assert project.build(module, reuse_sources=True).counts == {"reused": 3}
    assert module.calls == []


def test_what_looks_at_the_world_below_a_source_is_left_alone_too(project: Sandbox) -> None:
    module = project.module("""
        from nacre.cache_policies import NO_CACHE

        @materialize("a://accounts")
        def accounts():
            return ["ann"]

        @materialize("a://posts", cache_policy=NO_CACHE)
        def posts(accounts):
            calls.append("posts")
            return len(accounts)

        @materialize("a://report")
        def report(posts):
            return posts
    """)
    project.build(module)
    plan = nacre.plan("report", modules=[module], reuse_sources=True)
    assert [step.action for step in plan.steps] == ["reuse", "reuse", "reuse"]
    module = project.edit(module, "return len(accounts)", "return len(accounts) + 1")
    assert project.build(module, reuse_sources=True)["posts"].reason.startswith("code changed: `posts`")
    assert module.calls == ["posts"]


def test_a_result_expires(project: Sandbox) -> None:
    module = project.module("""
        from datetime import timedelta
        @materialize("asset://rate", cache_expiration=timedelta(hours=1))
        def rate():
            calls.append("rate")
            return 7
        @materialize("asset://price")
        def price(rate): return rate * 2
    """)
    project.build(module)
    project.clock.advance(3_599)
    assert project.build(module).counts == {"reused": 2}
    project.clock.advance(1)
    result = project.build(module)
    assert found(result)["rate"] == ("built", "made 1 h ago; cache_expiration is 1 h")
    assert found(result)["price"] == ("reused", "inputs and code unchanged")
    assert project.build(module).counts == {"reused": 2}
    assert module.calls == ["rate", "rate"]
    project.clock.advance(timedelta(days=1).total_seconds())
    assert project.build(module, "price")["rate"].action == "built"


def test_no_cache_runs_every_time_and_stops_at_equal_content(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
from nacre.cache_policies import NO_CACHE

@materialize("asset://always", cache_policy=NO_CACHE)
def always(clean):
    calls.append("always")
    return 1

@materialize("asset://below")
def below(always):
    calls.append("below")
    return 2
"""
    )
    project.build(module)
    module.calls.clear()
    result = project.build(module)
    assert module.calls == ["raw", "always"]
    assert found(result)["always"] == ("built", "checked: content unchanged")
    assert found(result)["below"] == ("reused", "inputs and code unchanged")
    assert len(project.history("asset://always")) == 1


def test_inputs_as_cache_policy_makes_a_source_reusable(project: Sandbox) -> None:
    module = project.module("""
        from nacre.cache_policies import INPUTS
        @materialize("asset://fixed", cache_policy=INPUTS)
        def fixed():
            calls.append("fixed")
            return 1
    """)
    project.build(module)
    assert project.build(module).counts == {"reused": 1}
    assert module.calls == ["fixed"]


def test_a_call_and_a_build_reuse_each_others_results(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module.calls.clear()
    assert module.report() == "3 m"
    assert module.calls == ["raw"]
    assert project.build(module).counts == {"checked": 1, "reused": 2}
    module = project.edit(module, "text[:3]", "text[:4]")
    assert module.report() == "3 mm"
    assert project.build(module).counts == {"checked": 1, "reused": 2}


def test_a_default_given_by_hand_is_the_default(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    module.calls.clear()
    assert module.report(unit="mm") == "3 m"
    assert module.calls == ["raw"]
    assert module.report(unit="inch") == "3 i"
    assert module.calls == ["raw", "raw", "report"]


def test_a_function_redefined_in_the_same_process_counts_as_changed(project: Sandbox) -> None:
    module = project.module(THREE)
    project.build(module)
    scope = vars(module)
    source = (
        '@materialize("asset://clean")\ndef clean(raw):\n    calls.append("clean")\n    return {"rain": 99}\n'
    )
    exec(compile(source, "<cell 2>", "exec"), scope)  # as a notebook runs a cell
    import linecache

    linecache.cache["<cell 2>"] = (len(source), None, source.splitlines(keepends=True), "<cell 2>")
    assert project.build(module)["clean"].action == "built"
    assert nacre.load("asset://report") == "99 "


def test_a_lost_store_is_made_again(project: Sandbox) -> None:
    import shutil

    module = project.module(THREE)
    project.build(module)
    shutil.rmtree(project.store)
    assert found(project.build(module))["report"] == ("built", "not made yet")


def test_an_argument_known_by_its_key_is_compared(project: Sandbox) -> None:
    module = project.module(
        """
        from nacre.cache_policies import INPUTS

        class Grid:
            def __init__(self, size): self.size = size

        @materialize("asset://area", cache_policy=INPUTS)
        def area(grid):
            calls.append(grid.size)
            return grid.size ** 2

        @flow
        def measure(size):
            return area(Grid(size))
        """
    )
    assert [module.measure(3), module.measure(3)] == [9, 9]
    assert module.calls == [3, 3]
    nacre.data_key(module.Grid, lambda grid: grid.size)
    assert [module.measure(3), module.measure(3), module.measure(4), module.measure(3)] == [9, 9, 16, 9]
    assert module.calls == [3, 3, 3, 4]
