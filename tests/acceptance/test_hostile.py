"""User code that does odd things: one step may fail for it, nothing else does."""

from __future__ import annotations

import logging

import pytest

import nacre
from nacre.errors import InputMutated, StepFailed
from sandbox import Sandbox

BESIDE = """
@materialize("asset://fine")
def fine() -> int:
    return 1

class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no text")
"""

ODD = {
    "leaves": "import sys; sys.exit(0)",
    "leaves with text": "import sys; sys.exit('bye')",
    "StopIteration": "raise StopIteration",
    "GeneratorExit": "raise GeneratorExit",
    "BaseException": "raise BaseException('odd')",
    "surrogate": "raise ValueError('\\ud800')",
    "rude": "raise Rude",
    "metadata": "nacre.Asset('asset://odd').add_metadata({'o': object()})",
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
def test_whatever_a_step_raises_fails_that_step_alone(
    project: Sandbox, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the test runner's own log handlers make of such errors is not the point.
    monkeypatch.setattr(logging.getLogger("nacre.api"), "disabled", True)
    module = project.module(BESIDE + f'\n@materialize("asset://odd")\ndef odd():\n    {body}\n')
    result = project.build(module)
    assert {step.name: step.action for step in result} == {"fine": "built", "odd": "failed"}
    assert not result.ok
    assert result["odd"].error


def test_a_call_that_tries_to_leave_raises_instead_of_ending_the_program(project: Sandbox) -> None:
    module = project.module('import sys\n@materialize("asset://odd")\ndef odd():\n    sys.exit(0)\n')
    with pytest.raises(StepFailed, match=r"tried to end the process: sys\.exit\(0\)"):
        module.odd()


def test_a_log_line_that_cannot_be_made_does_not_fail_its_step(project: Sandbox) -> None:
    """In a process of its own: the test runner's log handlers raise where logging's never do."""
    module = project.module(
        """
        @materialize("asset://odd")
        def odd():
            get_run_logger().info("%d rows", "three")
            return 1
        """
    )
    build = f"import nacre; nacre.build('odd', modules=['{module.__name__}.py']).raise_for_failure()"
    process = project.python("-c", build)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert "Logging error" in err


def test_a_flow_that_returns_a_failure_raises_it(project: Sandbox) -> None:
    module = project.module(
        """
        from nacre.states import Failed

        @flow
        def gives_up():
            return Failed(message="not today")
        """
    )
    with pytest.raises(StepFailed, match="not today"):
        module.gives_up()
    assert module.gives_up(return_state=True).is_failed()


MUTATES = """
@materialize("asset://a")
def a():
    return {"v": [1] * world.get("size", 1)}

@materialize("asset://b")
def b(x):
    x["v"].append(99)
    return sum(x["v"])

@materialize("asset://c")
def c(y):
    return sum(y["v"])

@flow
def both():
    x = a()
    return b(x), c(x)
"""


def test_a_flow_gives_the_same_whether_its_steps_run_or_are_reused(project: Sandbox) -> None:
    """A step that changes what it was passed changes its own copy."""
    module = project.module(MUTATES)
    assert [module.both(), module.both()] == [(100, 1), (100, 1)]


def test_a_step_that_changes_a_large_value_is_named(project: Sandbox) -> None:
    module = project.module(MUTATES)
    module.world["size"] = 100_000
    with pytest.raises(InputMutated, match="b changed x"):
        module.both()


def test_a_derived_input_stays_in_the_lineage_of_a_reused_version(project: Sandbox) -> None:
    module = project.module(
        """
        @materialize("asset://nums")
        def nums():
            return [1, 2]

        @materialize("asset://total")
        def total(x):
            return sum(x)

        @flow
        def adds(k):
            x = nums()
            x.append(k)
            return total(x)
        """
    )
    assert [module.adds(3), module.adds(4), module.adds(3)] == [6, 7, 6]
    assert nacre.lineage("asset://total").upstream == {"asset://nums"}


def test_a_wrong_return_annotation_is_no_trap_for_the_second_call(project: Sandbox) -> None:
    module = project.module(
        """
        from nacre.cache_policies import INPUTS

        @materialize("asset://x", cache_policy=INPUTS)
        def x() -> int:
            return "text"
        """
    )
    assert [module.x(), module.x()] == ["text", "text"]


def test_an_edit_of_a_source_is_told_as_code_not_as_data(project: Sandbox) -> None:
    """The remedy for a field that always differs would hide the user's own change."""
    source = """
    K = 7

    @materialize("asset://raw")
    def raw():
        return {"rate": K, "rows": [1]}
    """
    module = project.module(source)
    project.build(module)
    result = project.build(project.edit(module, "K = 7", "K = 8"))
    assert result["raw"].reason.startswith("code changed: `K`")
    assert result.remedies == ()
