"""P2: what running changes is state: the code version is the same before, after, and in a process that reuses."""

from __future__ import annotations

import pytest

from nacre.version import code_version
from sandbox import Sandbox

KINDS = {
    "a memo": ("memo = {}", "    memo[raw] = memo.get(raw, 0) + 1\n    return memo[raw] and 1"),
    "a counter": ("n = 0", "    global n\n    n += 1\n    return 1"),
    "a lazy client": (
        "client = None\n\ndef connect():\n    global client\n    client = client or object()\n    return client",
        "    return 1 if connect() else 0",
    ),
    "a list it appends to": ("seen = []", "    seen.append(raw)\n    return 1"),
    "an object that changes itself": (
        "class Meter:\n    def __init__(self): self.n = 0\n    def tick(self): self.n += 1\n\nmeter = Meter()",
        "    meter.tick()\n    return 1",
    ),
}
SOURCE = """
{state}

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report")
def report(raw):
    calls.append("report")
{body}
"""


@pytest.mark.parametrize("kind", KINDS)
def test_state_leaves_the_code_version_as_it_was(kind: str, project: Sandbox) -> None:
    state, body = KINDS[kind]
    module = project.module(SOURCE.format(state=state, body=body))
    before = code_version(module.report)
    project.build(module)
    assert module.calls == ["report"]
    assert code_version(module.report) == before
    for _ in range(
        2
    ):  # in this process, in which the state has changed; the first forgets what the process knows
        project.reopen()
        assert project.build(module)["report"].action == "reused"
    assert code_version(module.report) == before


def test_a_process_that_only_reuses_has_the_version_of_the_one_that_ran(project: Sandbox) -> None:
    assets = [
        f'{state}\n\n@materialize("asset://report{number}")\ndef report{number}(raw):\n{body}\n'
        for number, (state, body) in enumerate(KINDS.values())
    ]
    head = "from nacre.assets import materialize\n\n"
    source = '@materialize("asset://raw")\ndef raw():\n    return 1\n'
    (project.folder / "pipeline.py").write_text("\n\n".join([head + source, *assets]))
    printed = []
    for _ in range(2):
        process = project.python("-m", "nacre", "build")
        output, problem = process.communicate()
        assert process.returncode == 0, problem
        printed.append(output)
    assert f"{len(KINDS) + 1} built" in printed[0]
    assert f"1 checked · {len(KINDS)} reused" in printed[1]
