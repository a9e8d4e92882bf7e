"""A run that has ended is let go at once, with all it made: a process that runs many grows with none of them."""

from __future__ import annotations

import gc

import pytest

from sandbox import Sandbox

PIPELINE = """
import weakref
from nacre import context

runs = []

def note():
    runs.append(weakref.ref(context.current_run.get()))

@materialize("asset://first")
def first():
    note()
    return [1]

@materialize("asset://second")
def second(first):
    note()
    return sum(first)

@flow
def inner():
    return second()

@flow
def outer():
    note()
    return inner()
"""


@pytest.mark.parametrize("how", ["build", "call", "flow"])
def test_a_run_that_has_ended_waits_for_no_garbage_collector(project: Sandbox, how: str) -> None:
    module = project.module(PIPELINE)
    gc.disable()
    try:
        if how == "build":
            project.build(module)
        else:
            assert (module.second() if how == "call" else module.outer()) == 1
        assert len(module.runs) >= 2
        assert [run() for run in module.runs] == [None] * len(module.runs)
    finally:
        gc.enable()
