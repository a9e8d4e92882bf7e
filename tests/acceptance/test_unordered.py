"""``unordered=True`` in builds and flows: another order is no change, another row is one."""

from __future__ import annotations

import nacre
from sandbox import Sandbox

SHOP = """
@materialize("asset://raw")
def raw():
    calls.append("raw")
    return world.get("rows", [{"id": 1, "at": 1}, {"id": 2, "at": 2}])

@materialize("asset://ids")
def ids(raw):
    calls.append("ids")
    return sorted(row["id"] for row in raw)

@flow
def run():
    return ids(raw())
"""


def stored_order(project: Sandbox) -> list[object]:
    rows = nacre.load("asset://raw")
    assert isinstance(rows, list)
    return [row["id"] for row in rows]


def test_another_order_is_no_change_and_another_row_is_one(project: Sandbox) -> None:
    module = project.module(SHOP.replace('"asset://raw"', '"asset://raw", unordered=True'))
    project.build(module)
    module.calls.clear()
    module.turn(rows=[{"id": 2, "at": 2}, {"id": 1, "at": 1}])
    result = project.build(module)
    assert module.calls == ["raw"]
    assert result["raw"].reason == "checked: content unchanged"
    assert stored_order(project) == [1, 2]
    module.turn(rows=[{"id": 2, "at": 2}, {"id": 1, "at": 1}, {"id": 1, "at": 1}])
    project.build(module)
    assert module.calls == ["raw", "raw", "ids"]


def test_switching_it_on_is_itself_no_change(project: Sandbox) -> None:
    module = project.module(SHOP)
    project.build(module)
    module = project.edit(module, '"asset://raw"', '"asset://raw", unordered=True')
    module.turn(rows=[{"id": 2, "at": 2}, {"id": 1, "at": 1}])
    assert project.build(module)["ids"].action == "reused"
    assert module.calls == ["raw"]
    assert len(project.history("asset://raw")) == 1


def test_it_works_on_what_a_rule_leaves(project: Sandbox) -> None:
    module = project.module(
        SHOP.replace('"asset://raw"', '"asset://raw", unordered=True, data_version=without("at")')
    )
    project.build(module)
    module.turn(rows=[{"id": 2, "at": 8}, {"id": 1, "at": 9}])
    assert project.build(module)["ids"].action == "reused"
    module.turn(rows=[{"id": 3, "at": 8}, {"id": 1, "at": 9}])
    assert project.build(module)["ids"].action == "built"


def test_a_flow_takes_the_reused_value_for_the_asset(project: Sandbox) -> None:
    options = '"asset://raw", unordered=True, cache_policy=INPUTS'
    source = SHOP.replace('"asset://raw"', options)
    module = project.module("from nacre.cache_policies import INPUTS\n" + source)
    assert module.run() == [1, 2]
    module.calls.clear()
    assert module.run() == [1, 2]
    assert module.calls == []
    assert nacre.lineage("asset://ids").upstream == {"asset://raw"}


def test_what_has_no_order_fails_with_a_way_out(project: Sandbox) -> None:
    module = project.module('@materialize("asset://a", unordered=True)\ndef a():\n    return "text"\n')
    result = project.build(module)
    assert "asset://a" in str(result["a"].error)
    assert "leave unordered= out" in str(result["a"].error)
