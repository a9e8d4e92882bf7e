"""P2 on Python 3.12 and later: code that only running leads to is heard when it runs, and counts from then on."""

from __future__ import annotations

import sys

import pytest

import nacre
from sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.11 cannot hear what runs (PEP 669)"
)

MODEL = """
class Model:
    limit = 3

    def compute(self, x):
        return x + 1
"""
USES = """
@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report")
def report(raw):
    calls.append("report")
    {body}
"""


def write(project: Sandbox, name: str, text: str) -> None:
    (project.folder / name).write_text(text)
    sys.modules.pop(name.removesuffix(".py"), None)


@pytest.mark.parametrize(
    "body",
    [
        "import importlib; return importlib.import_module('model' + '_of_test').Model().compute(raw)",
        "import builtins; return builtins.model_of_test.compute(raw)",
    ],
    ids=["a plugin found by name", "a method of an object that came from elsewhere"],
)
def test_an_edit_of_code_that_only_running_leads_to_runs_it_again(
    project: Sandbox, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "model_of_test.py", MODEL)
    monkeypatch.syspath_prepend(project.folder)
    module = project.module(
        USES.format(body=body) + "import model_of_test, builtins\n"
        "builtins.model_of_test = model_of_test.Model()\ndel model_of_test\n"
    )
    assert project.ran(module) == ["report"]
    assert project.ran(module) == []
    write(project, "model_of_test.py", MODEL.replace("x + 1", "x + 1  # a remark"))
    assert project.ran(module) == []
    write(project, "model_of_test.py", MODEL.replace("x + 1", "x + 2"))
    plan = nacre.plan("*", modules=[module], reuse_sources=True)
    assert "model_of_test.py" in plan["report"].reason
    assert project.ran(module) == ["report"]


def test_code_that_the_code_version_covers_is_no_read(project: Sandbox) -> None:
    module = project.module("""
def outer(x):
    def inner(y):
        return y + 1
    return [inner(each) for each in x]

class Model:
    @property
    def limit(self): return 3
    @staticmethod
    def fixed(): return 4
    def compute(self): return self.limit + self.fixed()

@task
def plain(x): return x

@materialize("asset://raw")
def raw():
    return [1]

@materialize("asset://report")
def report(raw):
    return sum(map(lambda x: x * 2, outer(raw))) + Model().compute() + plain(1)
""")
    project.build(module).raise_for_failure()
    assert project.record("asset://report").reads == ()


def test_steps_that_run_side_by_side_hear_their_own_code_only(project: Sandbox) -> None:
    text = "def helper_{n}(x): return x + {n}\n"
    text += '@materialize("asset://a{n}")\ndef a{n}(raw):\n    time.sleep(0)\n    return helper_{n}(raw)\n'
    names = range(12)
    module = project.module(
        "import time\n"
        '@materialize("asset://raw")\ndef raw():\n    return 1\n' + "".join(text.format(n=n) for n in names)
    )
    project.build(module).raise_for_failure()
    assert [project.record(f"asset://a{n}").reads for n in names] == [()] * 12
