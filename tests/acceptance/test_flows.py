"""P4: calls inside a flow and alone; what is missing is made or reused first, what is passed wins."""

from __future__ import annotations

import logging

import pytest

import nacre
from nacre.errors import MissingArgument, MissingContext
from nacre.states import State
from sandbox import Sandbox

THREE = """
@materialize("asset://raw")
def raw():
    calls.append("raw")
    return [3, 1, 2]

@materialize("asset://clean")
def clean(raw):
    calls.append("clean")
    return sorted(raw)

@materialize("asset://report")
def report(clean, title="rows"):
    calls.append("report")
    return f"{len(clean)} {title}"
"""


def test_a_call_alone_builds_what_is_missing(project: Sandbox) -> None:
    module = project.module(THREE)
    assert module.report() == "3 rows"
    assert module.calls == ["raw", "clean", "report"]
    module.calls.clear()
    assert module.report() == "3 rows"
    assert module.calls == ["raw"]


def test_a_missing_argument_in_a_flow_is_made_first_and_once(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@materialize("asset://other")
def other(raw, clean): return len(raw)

@flow
def both():
    return report(), other(), raw(), clean()
"""
    )
    assert module.both() == ("3 rows", 3, [3, 1, 2], [1, 2, 3])
    assert module.calls == ["raw", "clean", "report"]


def test_a_passed_value_wins(project: Sandbox) -> None:
    module = project.module(THREE)
    assert module.report([1], title="row") == "1 row"
    assert module.report(clean=[1, 2]) == "2 rows"
    assert module.calls == ["report", "report"]


def test_a_plain_task_gets_missing_assets_too(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@task
def count(clean, factor): return len(clean) * factor
"""
    )
    assert module.count(factor=2) == 6


@pytest.mark.whole
def test_a_call_materializes_a_chain_of_two_thousand(project: Sandbox) -> None:
    lines = ['@materialize("asset://s0")\ndef s0(): return 0']
    lines += [
        f'@materialize("asset://s{i}")\ndef s{i}(s{i - 1}): return s{i - 1} + 1' for i in range(1, 2_000)
    ]
    module = project.module("\n".join(lines) + "\n@flow\ndef last(): return s1999()\n")
    assert module.last() == 1_999
    project.reopen()
    assert module.s1999() == 1_999


def test_an_argument_that_names_nothing_is_an_error_with_the_closest_name(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@materialize("asset://wrong")
def wrong(cleen): return cleen
"""
    )
    with pytest.raises(MissingArgument) as raised:
        module.wrong()
    text = str(raised.value)
    assert "Argument 'cleen' was not given and names no asset" in text
    assert "did you mean 'clean'?" in text
    assert f"{module.__name__}.py:" in text
    assert "wrong(cleen=…)" in text


def test_a_definition_error_runs_nothing(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@materialize("asset://wrong")
def wrong(raw, cleen): return cleen
"""
    )
    with pytest.raises(MissingArgument):
        module.wrong()
    assert module.calls == []


def test_what_upstream_raises_is_what_the_caller_gets(project: Sandbox) -> None:
    module = project.module(THREE.replace("return [3, 1, 2]", 'raise ValueError("no rain")'))
    with pytest.raises(ValueError, match="no rain"):
        module.report()
    state = module.report(return_state=True)
    assert isinstance(state, State)
    assert state.is_failed()
    steps = {step.step: step.action for step in project.runs()[-1].steps}
    assert steps["asset://raw"] == "failed"
    assert steps["asset://report"] == "skipped"


def test_a_task_run_with_other_options_still_finds_what_it_needs(project: Sandbox) -> None:
    module = project.module(THREE)
    assert module.report.with_options(retries=2)() == "3 rows"


def test_with_options_makes_another_asset_with_its_own_lineage(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
weekly = report.with_options(assets=["asset://weekly"])

@flow
def both():
    report()
    weekly(title="weeks")
"""
    )
    module.both()
    assert nacre.load("asset://weekly") == "3 weeks"
    assert nacre.load("asset://report") == "3 rows"
    assert nacre.lineage("asset://weekly").upstream == {"asset://clean"}
    assert [step.name for step in project.build(module)] == ["raw", "clean", "report"]


def test_different_arguments_in_one_flow_warn_once_and_the_last_call_is_current(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://sum")
        def total(n): return n * 10
        @flow
        def many(ns):
            return [total(n) for n in ns]
    """)
    assert module.many([1, 2, 3]) == [10, 20, 30]
    assert nacre.load("asset://sum") == 30
    warnings = [text for text in project.log() if "asset://sum was materialized" in text]
    assert len(warnings) == 1
    assert "3 times with different arguments" in warnings[0]
    assert "with_options(assets=…)" in warnings[0]
    assert len(project.history("asset://sum")) == 1
    module.many([3, 1, 2])
    assert nacre.load("asset://sum") == 20
    assert len(project.history("asset://sum")) == 2
    module.many([1, 3, 2, 2])
    assert nacre.load("asset://sum") == 20


def test_a_last_call_that_is_reused_is_current_too(project: Sandbox) -> None:
    module = project.module("""
        from nacre.cache_policies import INPUTS
        @materialize("asset://sum", cache_policy=INPUTS)
        def total(n):
            calls.append(n)
            return n * 10
        @flow
        def many(ns):
            return [total(n) for n in ns]
    """)
    module.many([1, 2])
    assert nacre.load("asset://sum") == 20
    module.many([1, 2])
    assert nacre.load("asset://sum") == 20
    module.many([2, 1, 2])
    assert nacre.load("asset://sum") == 20
    module.many([2, 1])
    assert nacre.load("asset://sum") == 10
    assert module.calls == [1, 2]


def test_a_nested_flow_is_a_run_with_a_parent_and_shares_what_was_made(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@flow
def inner(): return report()

@flow(name="outer one")
def outer():
    raw()
    return inner()
"""
    )
    assert module.outer() == "3 rows"
    outer, inner = project.runs()
    assert (outer.name, inner.name) == ("outer one", "inner")
    assert inner.parent == outer.id
    assert outer.parent == ""
    assert outer.state == inner.state == "completed"
    assert module.calls == ["raw", "clean", "report"]


def test_a_flow_that_raises_fails_its_run_and_keeps_what_was_made(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@flow
def breaks():
    clean()
    raise RuntimeError("after the first")
"""
    )
    with pytest.raises(RuntimeError, match="after the first"):
        module.breaks()
    assert project.runs()[-1].state == "failed"
    assert project.runs()[-1].error == "RuntimeError: after the first"
    assert nacre.load("asset://clean") == [1, 2, 3]


def test_a_value_made_in_the_flow_can_be_loaded_in_it(project: Sandbox) -> None:
    module = project.module(
        THREE
        + """
@flow
def reads():
    clean()
    return nacre.load("asset://clean"), nacre.load("clean")
"""
    )
    assert module.reads() == ([1, 2, 3], [1, 2, 3])


def test_several_outputs_come_back_in_the_shape_they_were_returned(project: Sandbox) -> None:
    module = project.module("""
        from nacre.cache_policies import INPUTS
        @materialize("asset://a", "asset://b", cache_policy=INPUTS)
        def pair(): return {"asset://b": 2, "asset://a": 1}
        @materialize("asset://c", "asset://d", cache_policy=INPUTS)
        def both(): return 3, 4
        @flow
        def run(): return pair(), both()
    """)
    first = module.run()
    project.reopen()
    assert module.run() == first == ({"asset://b": 2, "asset://a": 1}, (3, 4))


def test_parameters_of_a_flow_are_converted_as_annotated(project: Sandbox) -> None:
    module = project.module("""
        @flow
        def typed(n: int, names: list[str], other=None): return n, names, other
        @flow(validate_parameters=False)
        def raw(n: int): return n
    """)
    assert module.typed("3", ["a"]) == (3, ["a"], None)
    assert module.raw("3") == "3"
    with pytest.raises(TypeError, match="Flow typed was called with an argument of the wrong type"):
        module.typed("three", [])


def test_a_flow_may_be_retried_and_timed(project: Sandbox) -> None:
    module = project.module("""
        @flow(retries=2, retry_delay_seconds=30)
        def shaky():
            calls.append(1)
            if len(calls) < 3: raise OSError("not yet")
            return len(calls)
    """)
    assert module.shaky() == 3
    assert project.clock.slept == [30.0, 30.0]


def test_the_state_of_a_flow_is_that_of_what_it_returns(project: Sandbox) -> None:
    module = project.module("""
        from nacre.states import Completed, Failed
        @task
        def bad(): raise ValueError("x")
        @flow
        def returned(): return bad(return_state=True)
        @flow
        def fine(): return Completed("all good", 5)
        @flow
        def failed(): return Failed("by hand")
    """)
    assert module.returned(return_state=True).is_failed()
    with pytest.raises(ValueError, match="x"):
        module.returned()
    assert module.fine() == 5
    assert module.failed(return_state=True).message == "by hand"


def test_hooks_run_and_a_failing_hook_fails_nothing(
    project: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    module = project.module("""
        seen = []
        def note(kind):
            return lambda what, run, state: seen.append((kind, what.name, state.name))
        def broken(*_): raise RuntimeError("hook")
        @task(on_running=[note("running")], on_completion=[broken, note("done")], on_failure=[note("failed")])
        def step(ok):
            if not ok: raise ValueError("no")
        @flow(on_running=[note("running")], on_completion=[note("done")], on_failure=[note("failed")])
        def works(ok=True): step(ok)
        @step.on_completion
        def late(task, run, state): seen.append(("late", task.name, state.name))
    """)
    module.works()
    assert module.seen == [
        ("running", "works", "Running"),
        ("running", "step", "Running"),
        ("done", "step", "Completed"),
        ("late", "step", "Completed"),
        ("done", "works", "Completed"),
    ]
    module.seen.clear()
    with pytest.raises(ValueError, match="no"):
        module.works(ok=False)
    assert module.seen[2:] == [("failed", "step", "Failed"), ("failed", "works", "Failed")]


def test_asynchronous_hooks_run_too(project: Sandbox) -> None:
    module = project.module("""
        seen = []
        async def note(task, run, state): seen.append(state.name)
        @task(on_completion=[note])
        def step(): return 1
        @flow(on_completion=[note])
        def works(): return step()
    """)
    assert module.works() == 1
    assert module.seen == ["Completed", "Completed"]


def test_logs_and_prints_are_kept_with_the_run(project: Sandbox) -> None:
    module = project.module("""
        @task
        def plain(): print("from a task")
        @task(log_prints=False)
        def silent(): print("not kept")
        @materialize("asset://a")
        def made():
            print("from an asset")
            get_run_logger().warning("%d rows", 3)
        @flow(log_prints=True)
        def talk():
            get_run_logger().info("hello")
            print("from the flow", 1)
            plain()
            silent()
            made()
    """)
    module.talk()
    assert project.log() == ["hello", "from the flow 1", "from a task", "from an asset", "3 rows"]


def test_prints_stay_prints_without_log_prints(project: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    module = project.module("""
        @flow
        def talk(): print("to the terminal")
    """)
    module.talk()
    assert capsys.readouterr().out == "to the terminal\n"


def test_the_run_logger_needs_a_run() -> None:
    with pytest.raises(MissingContext, match="There is no active flow or task run context"):
        nacre.get_run_logger()


def test_tags_reach_every_run_inside_the_block(project: Sandbox) -> None:
    module = project.module("""
        @flow
        def inner(): pass
        @flow
        def outer(): inner()
        def start():
            with tags("nightly"), tags("eu"):
                outer()
    """)
    module.start()
    assert [run.tags for run in project.runs()] == [("eu", "nightly")] * 2


def test_a_flow_run_takes_the_name_it_is_given(project: Sandbox) -> None:
    module = project.module("""
        @flow(flow_run_name="for {day}")
        def named(day): return day
        @flow(flow_run_name=lambda: "by hand")
        def called(): return 1
    """)
    module.named("monday")
    module.called()
    assert [run.name for run in project.runs()] == ["for monday", "by hand"]


def test_a_method_may_be_a_task(project: Sandbox) -> None:
    module = project.module("""
        class Api:
            base = 2
            @task
            def get(self, n): return self.base * n
        def ask(): return Api().get(3)
    """)
    assert module.ask() == 6


def test_an_artifact_of_a_flow_and_its_parameters_are_shown(project: Sandbox) -> None:
    module = project.module("""
        @flow
        def show(n, text): return n
    """)
    module.show(3, text="x" * 200)
    assert project.runs()[-1].parameters == {"n": "3", "text": "str, 202 characters"}


def test_metadata_is_kept_with_the_asset_and_only_its_own(project: Sandbox) -> None:
    module = project.module("""
        from nacre.assets import add_asset_metadata
        asset = Asset("asset://a")
        @materialize(asset)
        def made():
            asset.add_metadata({"rows": 3, "source": "api"})
            add_asset_metadata("asset://a", {"rows": 4})
            return 1
        @materialize("asset://b")
        def other():
            asset.add_metadata({"rows": 3})
        @task
        def plain(): add_asset_metadata(asset, {"x": 1})
    """)
    module.made()
    metadata = project.workspace.catalog.heads("default")[0]
    from nacre.store.codec import decode
    from nacre.store.paths import head_path
    from nacre.store.records import Head

    stored = project.workspace.records.get(head_path("default", "asset://a"))
    assert stored is not None
    assert decode(stored.data, Head).metadata == {"rows": "4", "source": "api"}
    assert metadata.asset == "asset://a"
    with pytest.raises(ValueError, match="other materializes asset://b"):
        module.other()
    with pytest.raises(ValueError, match="plain materializes no asset"):
        module.plain()
    with pytest.raises(RuntimeError, match="works only inside a task"):
        module.asset.add_metadata({"x": 1})


def test_a_quiet_project_prints_nothing(project: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    project.module(THREE).report()
    assert capsys.readouterr() == ("", "")


def test_without_quiet_each_step_is_a_line(
    project: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NACRE_QUIET")
    project.module(THREE).report()
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if "not made yet" in line]
    assert [line.split()[1] for line in lines] == ["raw", "clean", "report"]


def test_the_user_sees_their_own_frame_first(project: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    import traceback

    module = project.module(THREE.replace("return [3, 1, 2]", "return 1 / 0"))
    with pytest.raises(ZeroDivisionError) as raised:
        module.raw()
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert str(module.__file__) in frames[-1].filename
    with caplog.at_level(logging.ERROR):
        project.build(module, "raw")
    assert "ZeroDivisionError" in caplog.text
