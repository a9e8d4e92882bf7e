"""What Prefect 3.9 gets wrong when it takes known results, found by running it: each of these is right here."""

from __future__ import annotations

import threading

import pytest

import nacre
from nacre.errors import NotYetEffective
from nacre.planning.explain import sentence
from sandbox import Sandbox

POLICIES = "from nacre.cache_policies import *\n"


def said(project: Sandbox) -> list[tuple[str, str]]:
    """What the latest run did to each step, and why."""
    return [(each.action, sentence(each.reason)) for each in project.runs()[-1].steps]


def test_a_changed_helper_is_never_a_stale_result(project: Sandbox) -> None:
    """Defect 1: ``TASK_SOURCE`` hashes the text of the task alone, so a change of ``helper`` was not seen."""
    source = (
        POLICIES
        + """
def helper(n): return n * 2

@task(cache_policy=INPUTS + TASK_SOURCE)
def scaled(n): return helper(n)

@materialize("a://scaled", cache_policy=INPUTS + TASK_SOURCE)
def scaled_asset(n=10): return helper(n)
"""
    )
    module = project.module(source)
    assert (module.scaled(10), module.scaled_asset()) == (20, 20)
    module = project.edit(module, "n * 2", "n * 3")
    reason = nacre.plan(modules=[module])["a://scaled"].reason
    assert reason.startswith("code changed: `")
    assert "helper`" in reason
    assert (module.scaled(10), module.scaled_asset()) == (30, 30)
    assert said(project) == [("built", reason)]


def test_two_tasks_of_one_factory_keep_their_own_results(project: Sandbox) -> None:
    """Defect 2: two closures of one text shared a key, so both gave what the first had made."""
    module = project.module(
        POLICIES
        + """
def times(k):
    @task(cache_policy=INPUTS + TASK_SOURCE)
    def multiplied(n):
        calls.append(k)
        return n * k
    return multiplied

double, triple = times(2), times(3)
"""
    )
    for _ in range(2):
        assert (module.double(21), module.triple(21)) == (42, 63)
    assert module.calls == [2, 3]
    assert said(project) == [("reused", "made before from the same inputs and code")]


def test_a_path_counts_by_the_content_of_its_file(project: Sandbox) -> None:
    """Defect 3: the content of a file that was passed as ``Path`` changed, and the old result was taken."""
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def text(path):
    calls.append("task")
    return path.read_text()

@materialize("a://text", cache_policy=INPUTS)
def text_asset(path):
    calls.append("asset")
    return path.read_text()
"""
    )
    file = project.folder / "input.txt"
    for content in ("AAA", "AAA", "BBB"):
        file.write_text(content)
        assert (module.text(file), module.text_asset(file)) == (content, content)
    assert module.calls == ["task", "asset"] * 2
    assert said(project) == [("built", "parameter `path` changed (and 1 more change)")]  # it was read, too
    elsewhere = project.folder / "copy.txt"
    elsewhere.write_text("BBB")
    assert (module.text(elsewhere), module.text_asset(elsewhere)) == ("BBB", "BBB")
    assert said(project) == [("reused", "inputs and code unchanged")]


def test_a_deleted_output_is_put_back(project: Sandbox) -> None:
    """Defect 4: the next run said ``Cached``, and the file was still missing."""
    file = project.folder / "processed.json"
    module = project.module(
        POLICIES
        + f"""
@materialize("file://{file}", cache_policy=INPUTS)
def processed(n=2):
    calls.append(n)
    return {{"n": n}}
"""
    )
    module.processed()
    file.unlink()
    assert "published again" in nacre.plan(modules=[module]).steps[0].reason
    state = module.processed(return_state=True)
    assert state.name == "Cached"
    assert "published again" in state.message
    assert file.read_text().replace(" ", "") == '{"n":2}'
    assert module.calls == [2]


def test_calls_at_the_same_time_run_once(project: Sandbox) -> None:
    """Defect 5: eight concurrent submits of one cache key ran eight times."""
    module = project.module(
        POLICIES
        + """
import threading
gate = threading.Event()

@task(cache_policy=INPUTS)
def slow(n):
    calls.append("task")
    gate.wait(10)
    return n

@task(cache_key_fn=lambda context, parameters: "one")
def keyed(n):
    calls.append("keyed")
    return n

@materialize("a://slow")
def slow_asset(n):
    calls.append("asset")
    gate.wait(10)
    return n

@flow
def many(task):
    futures = [task.submit(7) for _ in range(8)]
    gate.set()
    states = [future.state for future in futures if not future.wait()]
    return [state.data for state in states], sorted(state.name for state in states)
"""
    )
    for task, name in ((module.slow, "task"), (module.keyed, "keyed"), (module.slow_asset, "asset")):
        module.gate.clear()
        module.calls.clear()
        assert module.many.with_options(validate_parameters=False)(task) == (
            [7] * 8,
            ["Cached"] * 7 + ["Completed"],
        )
        assert module.calls == [name]
        assert sorted(said(project)) == sorted(
            [("built", "not made yet")] + [("reused", "already made in this run")] * 7
        )


def test_a_storage_key_is_refused_rather_than_taken_for_an_identity(project: Sandbox) -> None:
    """Defect 6: with ``result_storage_key`` the policy counted no more: ``w(2)`` gave what ``w(1)`` had made."""
    from nacre.cache_policies import INPUTS

    with pytest.raises(NotYetEffective, match="give the asset the key you want"):
        nacre.task(cache_policy=INPUTS, result_storage_key="w.json")(print)
    module = project.module(POLICIES + "@task(cache_policy=INPUTS)\ndef w(x):\n    return {'x': x}\n")
    assert (module.w(1), module.w(2)) == ({"x": 1}, {"x": 2})


def test_a_task_without_arguments_is_reused(project: Sandbox) -> None:
    """Defect 7: the key of ``INPUTS`` was None without parameters, so sources, which have none, always ran."""
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def fetch():
    calls.append("task")
    return [1]

@materialize("a://source", cache_policy=INPUTS)
def source():
    calls.append("asset")
    return [1]
"""
    )
    for _ in range(2):
        assert (module.fetch(return_state=True).data, module.source()) == ([1], [1])
        project.reopen()
    assert module.calls == ["task", "asset"]
    assert nacre.plan(modules=[module])["source"].action == "reuse"


def test_an_argument_without_identity_is_said_and_never_silent(project: Sandbox) -> None:
    """Defect 8: an unhashable input logged a traceback, ran again, and nothing else said that nothing was kept."""
    module = project.module(
        POLICIES
        + """
@task(cache_policy=INPUTS)
def count(lock, n):
    calls.append(n)
    return n

without = count.with_options(cache_policy=INPUTS - "lock")
"""
    )
    reason = "argument `lock` (lock) cannot be followed, so it runs"
    for _ in range(2):
        state = module.count(threading.Lock(), 1, return_state=True)
        assert (state.name, state.message, state.data) == ("Completed", reason, 1)
        assert project.log() == [f"count: {reason}"]
        assert said(project) == [("built", reason)]
    assert module.calls == [1, 1]
    assert list(project.workspace.records.scan("ac/")) == []
    assert [module.without(threading.Lock(), 1) for _ in range(2)] == [1, 1]
    assert module.calls == [1, 1, 1]


@pytest.mark.parametrize("shared", ['"ok"', "7", "None", "True", '""', "()"])
def test_equal_values_make_no_lineage(project: Sandbox, shared: str) -> None:
    """Defect 9: a task that returned ``"ok"`` became an upstream of another that was given the literal ``"ok"``."""
    module = project.module(f"""
        @materialize("a://first")
        def first():
            return {shared}
        @materialize("a://second")
        def second(status):
            return [status]
        @flow
        def both():
            first()
            second({shared})
    """)
    module.both()
    assert nacre.lineage("a://second").upstream == set()


def test_lineage_survives_what_happens_between_tasks(project: Sandbox) -> None:
    """Defect 10: lineage was lost for changed values, small ones, nested ones, and for everything outside a flow."""
    module = project.module("""
        @materialize("a://word")
        def word():
            return "tern"
        @materialize("a://count")
        def count():
            return 7
        @materialize("a://flag")
        def flag():
            return True
        @materialize("a://empty")
        def empty():
            return None
        @materialize("a://rows")
        def rows():
            return [1, 2]
        @materialize("a://by_name")
        def by_name(word, count, flag, empty):
            return [word, count, flag, empty]
        @materialize("a://nested")
        def nested(data):
            return len(data)
        @flow
        def all_of_them():
            by_name(word().upper(), count(), flag(), empty())
            nested({"deep": [[{"er": rows()}]]})
    """)
    module.all_of_them()
    assert project.inputs("a://by_name") == {
        "word": ("a://word", True),
        "count": ("a://count", False),
        "flag": ("a://flag", False),
        "empty": ("a://empty", False),
    }
    assert project.inputs("a://nested") == {"data": ("a://rows", True)}
    module = project.edit(module, "return [word,", "return [1, word,")
    assert module.by_name()[1:] == ["tern", 7, True, None]
    assert project.inputs("a://by_name")["word"] == ("a://word", False)


def test_prints_of_an_asset_reach_the_log_of_its_flow(project: Sandbox) -> None:
    """Defect 11: ``@materialize`` did not inherit ``log_prints=True`` from the flow."""
    module = project.module("""
        @materialize("a://x")
        def x():
            print("said by x")
            return 1
        @flow(log_prints=True)
        def daily():
            x()
    """)
    module.daily()
    assert "said by x" in project.log()
