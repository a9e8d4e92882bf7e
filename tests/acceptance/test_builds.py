"""P5, ordered: a build makes what is asked for and what it needs, in order, and a failure stays where it is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

import nacre
from nacre import project as roots
from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.errors import CorruptObject, InputMutated, StepFailed, UnknownName, UpstreamFailed
from sandbox import Sandbox

THREE = """
@materialize("asset://raw")
def raw():
    calls.append("raw")
    return world.get("raw", [3, 1, 2])

@materialize("asset://clean")
def clean(raw):
    calls.append("clean")
    return sorted(raw)

@materialize("asset://report")
def report(clean):
    calls.append("report")
    return f"{len(clean)} rows"
"""


def test_a_build_makes_upstream_first(project: Sandbox) -> None:
    module = project.module(THREE)
    result = project.build(module, "report")
    assert [(step.name, step.action) for step in result] == [
        ("raw", "built"),
        ("clean", "built"),
        ("report", "built"),
    ]
    assert module.calls == ["raw", "clean", "report"]
    assert nacre.load("asset://report") == "3 rows"
    assert result.ok


def test_only_what_is_asked_for_and_what_it_needs_is_built(project: Sandbox) -> None:
    module = project.module(THREE)
    assert [step.name for step in project.build(module, "clean")] == ["raw", "clean"]
    assert module.calls == ["raw", "clean"]


def test_a_selection_is_keys_names_assets_tasks_globs_or_tags(project: Sandbox) -> None:
    module = project.module(THREE.replace('"asset://report"', '"asset://report", tags=["weekly"]'))
    for selection in (
        "asset://report",
        "report",
        nacre.Asset("asset://report"),
        module.report,
        ["raw", "report"],
        "+report",
        "raw+",
        "re*",
        "tag:weekly",
        "asset://*",
    ):
        assert [step.name for step in nacre.build(selection, modules=[module])] == ["raw", "clean", "report"]


def test_a_build_loads_the_files_it_is_given(project: Sandbox) -> None:
    path = Path(str(project.module(THREE).__file__))
    assert nacre.build("report", modules=[path.name])["report"].action == "built"
    assert nacre.build("report", modules=str(path))["report"].action == "reused"
    assert nacre.build("report", modules=path.stem)["report"].action == "reused"


def test_without_modules_the_settings_and_then_pipeline_py_are_taken(project: Sandbox) -> None:
    project.module(THREE, name="pipeline")
    assert nacre.build("clean")["clean"].action == "built"
    project.module(THREE.replace("asset://", "asset://other/"), name="others")
    Path("nacre.toml").write_text('modules = ["others.py"]\n', encoding="utf-8")
    assert nacre.build("clean")["asset://other/clean"].action == "built"


def test_a_failed_step_skips_what_needs_it_and_nothing_else(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://a")
        def a(): return 1
        @materialize("asset://bad")
        def bad(a): raise ValueError("no such column: rain")
        @materialize("asset://below")
        def below(bad): return bad
        @materialize("asset://lowest")
        def lowest(below, a): return below
        @materialize("asset://beside")
        def beside(a): return a + 1
    """)
    result = project.build(module)
    found = {step.name: (step.action, step.reason) for step in result}
    assert found["beside"] == ("built", "not made yet")
    assert found["bad"][0] == "failed"
    assert found["below"] == ("skipped", "bad failed")
    assert found["lowest"] == ("skipped", "bad failed")
    assert "no such column: rain" in result["bad"].error
    assert not result.ok
    with pytest.raises(StepFailed, match="bad failed") as raised:
        result.raise_for_failure()
    assert isinstance(raised.value.__cause__, ValueError)
    assert project.history("asset://bad") == []
    assert nacre.load("asset://beside") == 2
    assert project.runs()[-1].state == "failed"


def test_after_a_failure_only_what_is_missing_runs(project: Sandbox) -> None:
    module = project.module(THREE)
    module.world["raw"] = [1, "x"]
    assert project.build(module, "report")["clean"].action == "failed"
    module.world["raw"] = [1, 2]
    module.calls.clear()
    result = project.build(module, "report")
    assert [step.action for step in result] == ["built", "built", "built"]


def test_independent_steps_run_at_the_same_time(project: Sandbox) -> None:
    """Two steps that wait for each other end only where both run at once."""
    module = project.module("""
        import threading
        both = threading.Barrier(2)
        @materialize("asset://a")
        def a(): return both.wait(20) is not None
        @materialize("asset://b")
        def b(): return both.wait(20) is not None
    """)
    assert project.build(module).ok


def test_a_chain_of_two_thousand_builds_without_recursion(project: Sandbox) -> None:
    lines = ['@materialize("asset://s0")\ndef s0(): return 0']
    lines += [
        f'@materialize("asset://s{i}")\ndef s{i}(s{i - 1}): return s{i - 1} + 1' for i in range(1, 2_000)
    ]
    module = project.module("\n".join(lines))
    project.build(module, "s1999")
    assert nacre.load("asset://s1999") == 1_999
    counts = project.build(module, "s1999").counts
    assert counts == {"checked": 1, "reused": 1_999}


def test_several_assets_of_one_function_are_one_step(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://train", "asset://test")
        def split():
            calls.append("split")
            return [1, 2, 3], [4]
        @materialize("asset://score")
        def score(test): return sum(test)
        @materialize("asset://by", "asset://name")
        def named(): return {"asset://name": "n", "asset://by": "b"}
    """)
    result = project.build(module)
    assert {step.name: step.action for step in result} == dict.fromkeys(
        ["train", "test", "score", "by", "name"], "built"
    )
    assert module.calls == ["split"]
    assert (nacre.load("asset://train"), nacre.load("asset://test")) == ([1, 2, 3], [4])
    assert (nacre.load("asset://by"), nacre.load("asset://name")) == ("b", "n")
    assert nacre.lineage("asset://score").upstream == {"asset://test"}


def test_a_function_of_several_assets_must_return_one_value_for_each(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://a", "asset://b")
        def two(): return [1, 2, 3]
    """)
    result = project.build(module)
    assert [step.action for step in result] == ["failed", "failed"]
    assert "two must return one value for each of its 2 assets" in result["a"].error
    assert "list of 3" in result["a"].error
    assert "asset://a" in result["a"].error


def test_an_asset_that_a_source_gains_does_not_break_its_build(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://a")
        def both(): return 1
    """)
    project.build(module)
    module = project.edit(module, '"asset://a"', '"asset://a", "asset://b"')
    module = project.edit(module, "return 1", "return 1, 2")
    assert project.build(module).ok
    assert nacre.load("asset://b") == 2
    assert project.build(module, reuse_sources=True).counts == {"reused": 2}


def test_a_reader_that_changes_a_large_frame_is_named(project: Sandbox) -> None:
    module = project.module("""
        import pandas as pd
        @materialize("asset://frame")
        def frame(): return pd.DataFrame({"x": range(50_000)})
        @materialize("asset://rude")
        def rude(frame: pd.DataFrame):
            frame["x"] = 0
            return 1
        @materialize("asset://late", asset_deps=["asset://rude"])
        def late(frame: pd.DataFrame): return int(frame["x"].sum())
    """)
    result = project.build(module)
    assert result["rude"].action == "built"
    assert isinstance(result.errors["asset://late"], InputMutated)
    assert "rude changed a value that late reads too" in result["late"].error
    assert nacre.load("asset://frame")["x"].sum() == sum(range(50_000))


def test_readers_at_the_same_time_do_not_share_a_frame_that_one_changes(project: Sandbox) -> None:
    module = project.module("""
        import threading
        import pandas as pd
        both, changed = threading.Barrier(2), threading.Event()
        @materialize("asset://frame")
        def frame(): return pd.DataFrame({"x": range(50_000)})
        @materialize("asset://rude")
        def rude(frame: pd.DataFrame):
            both.wait(20)
            frame["x"] = 0
            changed.set()
            return 1
        @materialize("asset://polite")
        def polite(frame: pd.DataFrame):
            both.wait(20)
            changed.wait(20)
            return int(frame["x"].sum())
    """)
    assert project.build(module).ok
    assert nacre.load("asset://polite") == sum(range(50_000))


def test_small_values_are_each_readers_own(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://rows")
        def rows(): return [1, 2]
        @materialize("asset://rude")
        def rude(rows):
            rows.clear()
            return 0
        @materialize("asset://late", asset_deps=["asset://rude"])
        def late(rows): return len(rows)
    """)
    assert project.build(module).ok
    assert nacre.load("asset://late") == 2


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_object_is_named_harms_nothing_else_and_can_be_made_again(
    project: Sandbox, damage: str
) -> None:
    module = project.module("""
        @materialize("asset://big")
        def big(): return world.get("big", "x" * 100_000)
        @materialize("asset://small", version="1")
        def small(big): return len(big)
    """)
    project.build(module)
    (path,) = (project.store / "objects").glob("data/asset-big-*/*")
    os.chmod(path, 0o644)
    path.unlink() if damage == "missing" else path.write_bytes(b"y" * path.stat().st_size)
    with pytest.raises(CorruptObject, match="A stored value cannot be read") as raised:
        nacre.load("asset://big")
    assert "asset://big" in str(raised.value)
    assert "--refresh" in str(raised.value)
    assert nacre.load("asset://small") == 100_000
    assert project.build(module, "big", refresh=True).ok
    assert nacre.load("asset://big") == "x" * 100_000


def test_an_asset_nobody_here_makes_is_read_as_stored(project: Sandbox) -> None:
    project.build(
        project.module("""
        @materialize("asset://elsewhere")
        def elsewhere(): return 41
    """)
    )
    module = project.module("""
        @materialize("asset://here")
        def here(x: Annotated[int, Asset("asset://elsewhere")]): return x + 1
    """)
    assert project.build(module).ok
    assert nacre.load("asset://here") == 42
    assert nacre.lineage("asset://elsewhere").downstream == {"asset://here"}


def test_an_asset_nobody_makes_and_nothing_stores_is_refused_before_anything_runs(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://here")
        def here(x: Annotated[int, Asset("asset://elsewhere")]): return x + 1
    """)
    with pytest.raises(UnknownName, match="means an asset that nobody makes"):
        project.build(module)


BOTH = """
import sys, nacre
result = nacre.build("total", modules=["shared.py"])
print(result.counts)
sys.exit(0 if result.ok else 1)
"""


def test_two_processes_may_build_the_same_store_at_once(project: Sandbox) -> None:
    lines = [f'@materialize("asset://p{i}")\ndef p{i}(): return list(range({i}, 20_000))' for i in range(12)]
    names = ", ".join(f"p{i}" for i in range(12))
    lines.append(f'@materialize("asset://total")\ndef total({names}): return sum(map(sum, [{names}]))')
    (project.folder / "shared.py").write_text(
        "from nacre import materialize\n" + "\n".join(lines), encoding="utf-8"
    )
    (project.folder / "both.py").write_text(BOTH, encoding="utf-8")
    started = [project.python("both.py") for _ in range(2)]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert nacre.load("asset://total") == sum(sum(range(i, 20_000)) for i in range(12))
    result = nacre.build("total", modules=["shared.py"])
    assert result.counts == {"checked": 12, "reused": 1}
    assert len(project.history("asset://total")) == 1


def test_an_upstream_of_a_call_that_fails_is_an_upstream_failure(project: Sandbox) -> None:
    module = project.module("""
        @task
        def bad(): raise KeyError("gone")
        @task
        def after(x): return x
        @flow
        def both():
            return after.submit(bad.submit())
    """)
    with pytest.raises(UpstreamFailed, match="after was not run because bad failed"):
        module.both()


def test_threads_of_a_build_end_with_it(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://a")
        def a(): return 1
        @materialize("asset://b")
        def b(): return 1
    """)
    before = set(threading.enumerate())
    project.build(module)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_what_runs_below_a_rebuilt_asset_records_the_version_it_read(project: Sandbox) -> None:
    """An asset made again with the same content is a new version all the same, and its reader says so."""
    module = project.module(THREE)
    project.build(module)
    module = project.edit(module, 'calls.append("clean")', 'calls.append("clean again")')
    module = project.edit(module, 'f"{len(clean)} rows"', 'f"{len(clean)} lines"')
    project.build(module)
    catalog = roots.current_project().workspace().catalog
    assert [row.seq for row in catalog.history("default", "asset://clean")] == [2, 1]
    (read,) = catalog.inputs("default", "asset://report", 2)
    assert (read.upstream, read.upstream_seq) == ("asset://clean", 2)


def test_an_entry_of_a_result_reads_as_a_line(project: Sandbox) -> None:
    module = project.module('@materialize("asset://raw")\ndef raw():\n    return 1\n')
    assert [str(step) for step in project.build(module)] == ["raw  built  v1  not made yet"]


@pytest.mark.whole
def test_every_version_stays_in_the_history_however_many_there_are(project: Sandbox) -> None:
    """More than a head holds: the others are in records beside it, from which the catalog can be made again."""
    module = project.module(
        """
        @materialize("demo://count")
        def count() -> int:
            return world["n"]
        """
    )
    for n in range(70):
        module.turn(n=n)
        project.build(module).raise_for_failure()
    history = project.history("demo://count")
    assert len(set(history)) == 70
    index = MemoryIndex()
    index.rebuild(project.workspace.records.scan(""))
    assert [row.fingerprint for row in Catalog(index.read).history("default", "demo://count")] == history
    index.close()
    # What is no longer in the head is found by its recipe, and becomes current again.
    module.turn(n=0)
    project.build(module).raise_for_failure()
    assert project.history("demo://count")[0] == history[-1]
    assert nacre.load("demo://count") == 0
