"""Verifying: reused assets are made once more and compared; what differs is named with a hint, and nothing is kept."""

from __future__ import annotations

import pytest

import nacre
from nacre.curate.verifying import sample_size
from nacre.errors import UsageError
from sandbox import Sandbox
from shell import HEAD, Shell

STEADY = (
    HEAD
    + """
@materialize("demo://numbers")
def numbers() -> list:
    return [3, 1, 2]

@materialize("demo://sorted")
def in_order(numbers: list) -> list:
    return sorted(numbers)

@materialize("demo://count")
def count(numbers: list) -> int:
    return len(numbers)
"""
)
LUCKY = (
    STEADY
    + """
import random

def draw() -> float:
    return random.random()

@materialize("demo://lucky")
def lucky(numbers: list) -> dict:
    return {"n": len(numbers), "draw": draw()}
"""
)


def test_what_is_decided_by_code_and_inputs_is_the_same(shell: Shell) -> None:
    shell.write(STEADY)
    shell("build")
    lines = shell("verify", "--all", "--seed", "7").stdout.splitlines()
    assert lines[0] == "Made 2 of 2 reused once more, and stored nothing · seed 7"
    assert [line.split()[:3] for line in lines[1:]] == [["=", "sorted", "same"], ["=", "count", "same"]]


def test_what_differs_is_named_by_its_fields_with_what_may_be_the_cause(shell: Shell) -> None:
    shell.write(LUCKY)
    shell("build")
    text = " ".join(shell("verify", "lucky", "--all", exits=1).stdout.split())
    assert "✗ lucky differs" in text
    assert "only `draw` of lucky differs" in text
    assert "hint: `draw` (pipeline.py:20) uses random numbers: give them a fixed seed" in text
    (row,) = shell.rows("verify", "lucky", "--all", exits=1)
    assert (row["asset"], row["outcome"]) == ("demo://lucky", "differs")


def test_an_order_that_is_not_fixed_is_told_from_other_content(project: Sandbox) -> None:
    module = project.module(
        """
        world["turn"] = 1

        @materialize("demo://raw")
        def raw() -> list:
            return ["a", "b", "c"]

        @materialize("demo://turned")
        def turned(raw: list) -> list:
            return raw[:: world["turn"]]
        """
    )
    project.build(module)
    module.turn(turn=-1)
    (found,) = nacre.verify("turned", modules=[module], sample="all").checked
    assert found.hint == "only the order differs: sort, or unordered=True"


def test_nothing_is_written_whatever_the_functions_do(project: Sandbox) -> None:
    project.map("s3://lake", "lake")
    module = project.module(
        """
        from nacre.artifacts import create_markdown_artifact
        from nacre.cache_policies import NO_CACHE

        @materialize("demo://raw")
        def raw() -> list:
            return [1]

        @materialize("demo://inner", cache_policy=NO_CACHE)
        def inner() -> list:
            return [7] * 50_000

        @materialize("s3://lake/big.json")
        def big(raw: list) -> list:
            calls.append(1)
            create_markdown_artifact("# Big", key="big")
            Asset("s3://lake/big.json").add_metadata({"n": len(calls)})
            inner()
            return [len(calls)] * 50_000
        """
    )
    nacre.build("big", modules=[module])
    before = {stored.path: stored.token for stored in project.workspace.records.scan("")}
    files = sorted(path for path in project.folder.rglob("*") if "sqlite" not in path.name)
    times = [path.stat().st_mtime_ns for path in files]
    result = nacre.verify("big", modules=[module], sample="all")
    assert [each.outcome for each in result.checked] == ["differs"]
    assert len(module.calls) == 2
    assert {stored.path: stored.token for stored in project.workspace.records.scan("")} == before
    assert sorted(path for path in project.folder.rglob("*") if "sqlite" not in path.name) == files
    assert [path.stat().st_mtime_ns for path in files] == times
    assert nacre.build("big", modules=[module])["big"].action == "reused"


def test_what_fails_now_is_said_and_the_others_are_still_compared(project: Sandbox) -> None:
    module = project.module(
        """
        @materialize("demo://raw")
        def raw() -> list:
            return [1]

        @materialize("demo://shy")
        def shy(raw: list) -> int:
            calls.append(1)
            return 1 // (2 - len(calls))

        @materialize("demo://steady")
        def steady(raw: list) -> int:
            return 7
        """
    )
    project.build(module)
    result = nacre.verify(modules=[module], sample="all")
    assert [(each.name, each.outcome) for each in result.checked] == [("shy", "failed"), ("steady", "same")]
    assert "ZeroDivisionError" in result.checked[0].text
    assert not result.ok


def test_sources_are_not_verified_since_the_world_may_have_changed(project: Sandbox) -> None:
    module = project.module(
        '@materialize("demo://raw")\ndef raw() -> list:\n    calls.append(1)\n    return [1]\n'
    )
    project.build(module)
    assert nacre.verify(modules=[module], sample="all").checked == ()
    assert module.calls == [1]


def test_the_sample_is_that_of_the_seed(project: Sandbox) -> None:
    many = "\n".join(
        f'@materialize("demo://a{n}")\ndef a{n}(raw: int) -> int:\n    return {n}\n' for n in range(30)
    )
    module = project.module(f'@materialize("demo://raw")\ndef raw() -> int:\n    return 1\n{many}')
    project.build(module)

    def names(seed: int | None) -> list[str]:
        return [each.name for each in nacre.verify(modules=[module], seed=seed).checked]

    assert names(1) == names(1)
    assert len(names(1)) == 5
    assert names(1) != names(2)
    assert names(None) == names(int(f"{project.clock.now():%Y%m%d}"))


@pytest.mark.parametrize(
    ("sample", "of", "size"),
    [
        ("5", 40, 5),
        ("5", 3, 3),
        ("1%", 40, 1),
        ("10%", 40, 4),
        ("0.5%", 1_000, 5),
        ("all", 40, 40),
        ("5", 0, 0),
    ],
)
def test_a_sample_is_a_number_or_a_share(sample: str, of: int, size: int) -> None:
    assert sample_size(sample, of) == size


def test_a_sample_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="a number or a share"):
        sample_size("some", 40)
