"""P4: what a value in a flow came from: no lost lineage, and none that is not there."""

from __future__ import annotations

import pytest

import nacre
from nacre.project import current_project
from nacre.views.neighbours import made_from
from sandbox import Sandbox

BASE = """
from nacre.cache_policies import INPUTS

@materialize("asset://raw")
def raw(): return [1, 2, 3]

@materialize("asset://ok")
def status(): return "ok"

@materialize("asset://below")
def below(value): return str(value)

@materialize("asset://pair")
def pair(left, right): return [left, right]
"""


def run(project: Sandbox, body: str, more: str = "") -> Sandbox:
    module = project.module(BASE + more + "\n@flow\ndef run():\n    " + body.replace("\n", "\n    ") + "\n")
    module.run()
    return project


def test_the_object_an_asset_returned_is_that_asset(project: Sandbox) -> None:
    run(project, "below(raw())")
    assert project.inputs("asset://below") == {"value": ("asset://raw", False)}
    assert nacre.lineage("asset://below").upstream == {"asset://raw"}
    assert nacre.lineage("asset://raw").downstream == {"asset://below"}


def test_a_future_is_its_asset_whatever_it_holds(project: Sandbox) -> None:
    run(project, "below.submit(status.submit()).wait()")
    assert project.inputs("asset://below") == {"value": ("asset://ok", False)}


def test_a_state_is_its_asset_whatever_it_holds(project: Sandbox) -> None:
    run(project, "below(status(return_state=True))")
    assert project.inputs("asset://below") == {"value": ("asset://ok", False)}


def test_an_equal_shared_text_is_no_lineage(project: Sandbox) -> None:
    run(project, 'status()\nbelow("ok")')
    assert project.inputs("asset://below") == {}


def test_an_equal_shared_text_beside_a_future_is_no_lineage(project: Sandbox) -> None:
    run(project, 'pair(status.submit(), "ok")')
    assert project.inputs("asset://pair") == {"left": ("asset://ok", False)}


def test_an_object_inside_containers_is_found_at_any_depth(project: Sandbox) -> None:
    run(project, 'below({"deep": [({"rows": raw()},)]})')
    assert project.inputs("asset://below") == {"value": ("asset://raw", True)}


def test_a_future_inside_containers_is_found_too(project: Sandbox) -> None:
    run(project, 'below({"deep": [raw.submit(), 1]})')
    assert project.inputs("asset://below") == {"value": ("asset://raw", True)}


def test_a_changed_object_is_derived(project: Sandbox) -> None:
    run(project, "rows = raw()\nrows.append(4)\nbelow(rows)")
    assert project.inputs("asset://below") == {"value": ("asset://raw", True)}


def test_a_parameter_named_for_an_asset_of_the_run_came_from_it(project: Sandbox) -> None:
    more = '@materialize("asset://named")\ndef named(raw): return len(raw)\n'
    run(project, "named([each for each in raw()])", more)
    assert project.inputs("asset://named") == {"raw": ("asset://raw", False)}


def test_other_content_by_name_is_derived(project: Sandbox) -> None:
    more = '@materialize("asset://named")\ndef named(raw): return len(raw)\n'
    run(project, "named([each for each in raw() if each > 1])", more)
    assert project.inputs("asset://named") == {"raw": ("asset://raw", True)}


def test_a_name_means_nothing_when_the_asset_is_not_of_this_run(project: Sandbox) -> None:
    more = '@materialize("asset://named")\ndef named(raw): return len(raw)\n'
    run(project, "named([7])", more)
    assert project.inputs("asset://named") == {}


def test_an_annotation_names_an_asset_as_a_name_does(project: Sandbox) -> None:
    more = '@materialize("asset://named")\ndef named(x: Annotated[list, raw]): return len(x)\n'
    run(project, "named(list(raw()))", more)
    assert project.inputs("asset://named") == {"x": ("asset://raw", False)}


def test_plain_tasks_pass_lineage_on(project: Sandbox) -> None:
    more = "@task\ndef double(rows): return [2 * each for each in rows]\n"
    run(project, "below(double(double(raw())))", more)
    assert project.inputs("asset://below") == {"value": ("asset://raw", True)}


def test_submitted_plain_tasks_pass_lineage_on_whatever_they_return(project: Sandbox) -> None:
    more = "@task\ndef count(rows): return 3\n"
    run(project, "below(count.submit(raw.submit()))", more)
    assert project.inputs("asset://below") == {"value": ("asset://raw", True)}


def test_a_plain_task_that_returns_what_it_got_changes_nothing(project: Sandbox) -> None:
    more = "@task\ndef same(rows): return rows\n"
    run(project, "below(same(raw()))", more)
    assert project.inputs("asset://below") == {"value": ("asset://raw", False)}


def test_asset_deps_of_a_plain_task_pass_on_too(project: Sandbox) -> None:
    more = '@task(asset_deps=["asset://raw"])\ndef peek(): return {"n": 1}\n'
    run(project, "raw()\nbelow(peek())", more)
    assert project.inputs("asset://below") == {"value": ("asset://raw", True)}


def test_asset_deps_are_inputs_by_content(project: Sandbox) -> None:
    more = '@materialize("asset://after", asset_deps=["asset://raw", "s3://elsewhere/x"])\ndef after(): return 1\n'
    run(project, "raw()\nafter()", more)
    assert nacre.lineage("asset://after").upstream == {"asset://raw", "s3://elsewhere/x"}


def test_an_asset_cuts_the_lineage_of_what_it_was_made_from(project: Sandbox) -> None:
    more = '@materialize("asset://mid")\ndef mid(raw): return raw[:1]\n'
    run(project, "below(mid(raw()))", more)
    assert project.inputs("asset://below") == {"value": ("asset://mid", False)}


def test_unpacked_outputs_carry_their_own_asset(project: Sandbox) -> None:
    more = """
@materialize("asset://train", "asset://test")
def split(raw): return [raw[:2], raw[2:]]
"""
    for _ in range(2):
        run(project, "train, test = split()\npair(left=test, right=1)\nbelow(train)", more)
        assert project.inputs("asset://pair") == {"left": ("asset://test", False)}
        assert project.inputs("asset://below") == {"value": ("asset://train", False)}
        project.reopen()


def test_an_earlier_version_of_the_run_is_still_that_asset(project: Sandbox) -> None:
    more = '@materialize("asset://part")\ndef part(n): return [n]\n'
    run(project, "first = part(1)\npart(2)\nbelow(first)", more)
    assert project.inputs("asset://below") == {"value": ("asset://part", False)}


def test_lineage_is_the_same_when_everything_is_reused(project: Sandbox) -> None:
    more = """
@materialize("asset://mid", data_version=without("at"))
def mid(raw): return {"n": len(raw), "at": len(calls)}
"""
    module = project.module(BASE + more + "\n@flow\ndef run(): return below(mid())\n")
    module.run()
    before = project.history("asset://below")
    project.reopen()
    module.run()
    assert project.history("asset://below") == before
    assert project.inputs("asset://below") == {"value": ("asset://mid", False)}


def test_frames_have_lineage_too(project: Sandbox) -> None:
    more = """
import pandas as pd
@materialize("asset://frame")
def frame(): return pd.DataFrame({"x": range(20_000)})
@task
def tail(rows): return rows.tail(3)
@materialize("asset://sum")
def total(n, rows): return n + int(rows["x"].sum())
"""
    run(project, "whole = frame()\ntotal(len(whole), tail(whole))\nbelow(whole)", more)
    assert project.inputs("asset://sum") == {"rows": ("asset://frame", True)}
    assert project.inputs("asset://below") == {"value": ("asset://frame", False)}


def test_lineage_needs_something_stored(project: Sandbox) -> None:
    with pytest.raises(LookupError, match="Nothing is stored yet") as raised:
        nacre.lineage("asset://nothing")
    assert str(project.store) in str(raised.value)
    project.build(project.module(BASE), "raw")
    with pytest.raises(LookupError, match="did you mean 'raw'"):
        nacre.lineage("rew")


def test_lineage_of_a_build_is_that_of_the_graph(project: Sandbox) -> None:
    module = project.module("""
        @materialize("asset://a")
        def a(): return 1
        @materialize("asset://b", asset_deps=["asset://a"])
        def b(): return 2
        @materialize("asset://c")
        def c(a, b): return 3
    """)
    project.build(module)
    assert nacre.lineage("c").upstream == {"asset://a", "asset://b"}
    assert nacre.lineage(nacre.Asset("asset://a")).downstream == {"asset://b", "asset://c"}


def test_what_a_flow_loads_is_that_asset(project: Sandbox) -> None:
    module = project.module("""
@materialize("asset://raw", data_version=without("at"))
def raw():
    return {"rain": 3, "at": 1}

@materialize("asset://report")
def report(weather, factor=1):
    calls.append("report")
    return weather["rain"] * factor

@flow
def direct():
    return report(nacre.load("asset://raw"))

@flow
def changed():
    loaded = nacre.load("asset://raw")
    loaded["rain"] = 5
    return report(loaded)
""")
    project.build(module, "asset://raw")
    assert module.direct() == 3
    assert project.inputs("asset://report") == {"weather": ("asset://raw", False)}
    assert module.direct() == 3
    assert module.calls == ["report"]
    assert module.changed() == 5
    assert project.inputs("asset://report") == {"weather": ("asset://raw", True)}


CALLS = """
@materialize("asset://counted")
def counted(n: int): return [n]
"""


def numbers(asset: str) -> dict[str, int]:
    """What the current version was made from, by parameter, as its history says: the number."""
    workspace = current_project().workspace()
    head = workspace.catalog.heads_of("default", asset)[0]
    return {row.parameter: row.upstream_seq for row in workspace.catalog.inputs("default", asset, head.seq)}


def test_what_was_made_from_an_earlier_call_names_no_version(project: Sandbox) -> None:
    """The head moves to the last call alone; the number that it gets is never said of other content."""
    run(project, "below(counted(1))\ncounted(2)", CALLS)
    assert nacre.load("asset://counted") == [2]
    assert nacre.load("asset://below") == "[1]"
    assert numbers("asset://below") == {"value": 0}
    assert nacre.lineage("asset://below").upstream == {"asset://counted"}
    catalog = current_project().workspace().catalog
    assert made_from(catalog.inputs("default", "asset://below", 1)) == "counted (no version)"


def test_what_was_made_from_the_last_call_names_its_version(project: Sandbox) -> None:
    run(project, "counted(1)\nbelow(counted(2))", CALLS)
    assert numbers("asset://below") == {"value": 1}


def test_an_earlier_call_of_equal_content_is_the_version_of_the_last(project: Sandbox) -> None:
    run(project, "below(counted(1))\ncounted(2)\ncounted(1)", CALLS)
    assert nacre.load("asset://counted") == [1]
    assert numbers("asset://below") == {"value": 1}


def test_a_call_that_is_not_the_last_beside_one_that_is_current_names_no_version(project: Sandbox) -> None:
    run(project, "counted(1)", CALLS)
    run(project, "below(counted(2))\ncounted(1)", CALLS)
    assert nacre.load("asset://counted") == [1]
    assert numbers("asset://below") == {"value": 0}
