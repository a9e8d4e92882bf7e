"""Where Dagster's data versions call something stale that is not, or fresh that is not: what runs here, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import nacre
from nacre.version.fingerprint import InputVersion, Recipe
from sandbox import Sandbox

CHAIN = """
def scale(n): return n * 1

@materialize("a://root")
def root():
    calls.append("root")
    return scale(world.get("n", 1))

@materialize("a://child")
def child(root):
    calls.append("child")
    return root * 10

@materialize("a://grandchild")
def grandchild(child):
    calls.append("grandchild")
    return child + 1
"""


def found(result: nacre.RunResult | nacre.PlanResult) -> dict[str, tuple[str, str]]:
    return {step.name: (step.action, step.reason) for step in result.steps}


def test_a_root_that_ran_again_and_did_not_change_makes_nothing_stale(project: Sandbox) -> None:
    """Case a: without a code version the run id was the data version, so the child of an equal root was stale."""
    module = project.module(CHAIN)
    project.build(module)
    module.calls.clear()
    module.root()
    assert found(nacre.plan("grandchild", modules=[module], reuse_sources=True)) == {
        "root": ("reuse", "inputs and code unchanged"),
        "child": ("reuse", "inputs and code unchanged"),
        "grandchild": ("reuse", "inputs and code unchanged"),
    }
    assert found(project.build(module, "root", refresh=True))["root"][1] == "checked: content unchanged"
    assert found(project.build(module)) == {
        "root": ("built", "checked: content unchanged"),
        "child": ("reused", "inputs and code unchanged"),
        "grandchild": ("reused", "inputs and code unchanged"),
    }
    assert module.calls == ["root"] * 3


def test_new_data_of_a_root_is_never_called_fresh(project: Sandbox) -> None:
    """Case b: with a code version on the root, its data went from 1 to 2 and the children stayed fresh."""
    module = project.module(
        CHAIN.replace('@materialize("a://root")', '@materialize("a://root", version="1")')
    )
    project.build(module)
    module.turn(n=2)
    module.root()
    module.calls.clear()
    assert found(nacre.plan("grandchild", modules=[module], reuse_sources=True)) == {
        "root": ("reuse", "inputs and code unchanged"),
        "child": ("build", "root changed"),
        "grandchild": ("pending", "depends on what child brings"),
    }
    result = project.build(module)
    assert found(result)["child"] == ("built", "root changed")
    assert found(result)["grandchild"] == ("built", "child changed")
    assert module.calls == ["root", "child", "grandchild"]
    assert nacre.load("a://grandchild") == 21


def test_a_change_of_a_roots_code_is_seen_by_all_below_it_before_it_runs(project: Sandbox) -> None:
    """Case c: all descendants of a root whose code version was raised stayed fresh until it had run."""
    module = project.module(CHAIN)
    project.build(module)
    module = project.edit(module, "n * 1", "n * 2")
    assert found(nacre.plan("grandchild", modules=[module])) == {
        "root": ("check", "checked on every run"),
        "child": ("pending", "depends on what root brings"),
        "grandchild": ("pending", "depends on what child brings"),
    }
    result = project.build(module)
    assert found(result)["root"][1].startswith("code changed: `")
    assert "scale`" in found(result)["root"][1]
    assert found(result)["child"] == ("built", "root changed")
    assert module.calls == ["root", "child", "grandchild"]
    assert nacre.load("a://grandchild") == 21


def test_inputs_enter_by_name_and_cannot_run_together(project: Sandbox) -> None:
    """Case d: versions ("a", "bc") and ("ab", "c") gave one data version, and so did parents of other names."""

    def fingerprint(*inputs: tuple[str, str]) -> str:
        return Recipe(
            ["a://x"], "code", [InputVersion(name, f"a://{name}", version) for name, version in inputs]
        ).fingerprint()

    assert fingerprint(("p", "a"), ("q", "bc")) != fingerprint(("p", "ab"), ("q", "c"))
    assert fingerprint(("p", "a"), ("q", "b")) != fingerprint(("p", "a"), ("r", "b"))
    module = project.module("""
        @materialize("a://left")
        def left():
            return 1
        @materialize("a://right")
        def right():
            return 1
        @materialize("a://total")
        def total(left):
            calls.append("total")
            return left
    """)
    project.build(module)
    module = project.edit(module, "def total(left):", "def total(right):")
    module = project.edit(module, "return left", "return right")
    action, reason = found(nacre.plan("total", modules=[module], reuse_sources=True))["total"]
    assert (action, reason.endswith("changed (and 2 more changes)")) == ("build", True)
    assert found(project.build(module))["total"] == ("built", reason)
    assert module.calls == ["total"]


def test_a_partitioned_asset_is_as_fresh_as_its_partitions(project: Sandbox) -> None:
    """Case e: after a code change it was fresh when asked without a key, and stale with one."""
    module = project.module("""
        from nacre import DailyPartitions
        DAYS = DailyPartitions("2026-01-01")
        @materialize("a://posts/{date}", partitions=DAYS)
        def posts(date: str):
            return [date]
        @materialize("a://counts/{date}", partitions=DAYS)
        def counts(posts, date: str):
            calls.append(date)
            return len(posts)
        @materialize("a://total")
        def total(counts):
            calls.append("total")
            return 1
    """)
    project.move_to(datetime(2026, 1, 3, 12, tzinfo=UTC))
    project.build(module)
    assert sorted(module.calls) == ["2026-01-01", "2026-01-02", "2026-01-03", "total"]
    module = project.edit(module, "return len(posts)", "return len(posts) + 0")
    plan = nacre.plan("counts", modules=[module], reuse_sources=True)
    stale = {(step.action, step.partition) for step in plan.steps if step.asset.startswith("a://counts")}
    assert stale == {("build", day) for day in ("2026-01-01", "2026-01-02", "2026-01-03")}
    assert {step.reason[:13] for step in plan.steps if step.action == "build"} == {"code changed:"}
    one = nacre.plan("counts", modules=[module], partition="2026-01-02", reuse_sources=True)
    assert [step.action for step in one.steps if step.asset.startswith("a://counts")] == ["build"]
    result = project.build(module)
    assert sorted(module.calls) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert result["total"].action == "reused"
