"""What a plain task reads by itself counts for its result, and for the asset that calls it."""

from __future__ import annotations

import pytest

import nacre
from nacre.planning.explain import sentence
from sandbox import Sandbox

POLICIES = """
from datetime import timedelta
from nacre.cache_policies import *
"""


def said(project: Sandbox) -> list[tuple[str, str]]:
    """What the latest run that nobody called did to each step, and why."""
    run = [run for run in project.runs() if not run.parent][-1]
    return [(each.action, sentence(each.reason)) for each in run.steps]


def test_a_file_that_a_plain_task_opens_counts_in_the_same_run_too(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
from pathlib import Path
FILE = Path(__file__).parent / "words.txt"

@task(cache_policy=INPUTS)
def words():
    calls.append("words")
    return FILE.read_text()

@flow
def edited():
    first = words()
    FILE.write_text("two")
    return first, words(), words()
"""
    )
    file = project.folder / "words.txt"
    file.write_text("one")
    assert module.edited() == ("one", "two", "two")
    assert module.words() == "two"
    assert module.calls == ["words", "words"]
    file.write_text("one")
    project.reopen()
    assert module.words() == "one"
    assert said(project) == [("reused", "made before from the same inputs and code")]
    assert module.words.with_options(refresh_cache=True)() == "one"
    file.write_text("three")
    assert module.words() == "three"
    assert module.calls == ["words"] * 4


def test_what_a_reused_plain_task_had_read_counts_for_the_asset_that_calls_it(project: Sandbox) -> None:
    module = project.module(
        POLICIES
        + """
from pathlib import Path
FILE = Path(__file__).parent / "words.txt"

@task(cache_policy=INPUTS)
def words():
    calls.append("words")
    return FILE.read_text()

@task(cache_policy=INPUTS, deps=[nacre.Env("SHOP")])
def shop():
    import os
    return os.environ.get("SHOP", "")

@materialize("a://n")
def n():
    return 1

@materialize("a://said")
def all_said(n):
    calls.append("asset")
    return words() + shop()
"""
    )
    file = project.folder / "words.txt"
    file.write_text("one")
    project.build(module)
    module = project.edit(module, "return words() + shop()", "return words() + shop() + '!'")
    project.build(module)
    assert module.calls == ["asset"]
    assert project.build(module).counts == {"checked": 1, "reused": 1}
    file.write_text("two")
    assert nacre.plan("a://said", modules=[module], reuse_sources=True)["a://said"].reason == (
        "file words.txt, read by it, changed"
    )
    project.build(module)
    assert nacre.load("a://said") == "two!"
    assert module.calls == ["asset", "asset", "words"]


def test_a_variable_that_a_plain_task_declares_counts_for_the_asset_too(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = project.module(
        POLICIES
        + """
import os

@task(cache_policy=INPUTS, deps=[nacre.Env("SHOP")])
def shop():
    return os.environ.get("SHOP", "")

@materialize("a://n")
def n():
    return 1

@materialize("a://shop")
def in_shop(n):
    return shop()
"""
    )
    project.build(module)
    monkeypatch.setenv("SHOP", "north")
    assert project.build(module)["a://shop"].reason == "env SHOP, read by it, changed"
    assert nacre.load("a://shop") == "north"
