"""Every row of the acceptance table of code versions, end to end: what ran, what did not, and why.

Each row is another process as far as nacre can tell: another checkout, fresh modules, a store that is opened again.
"""

from __future__ import annotations

import linecache
import os
import shutil
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

import nacre
from code_project import Project
from identity_edits import EDITS, Edit
from identity_project import FILES
from nacre.errors import SourceDrift, UnknownCode
from sandbox import SOURCES, Sandbox

ASSETS = """
import pipeline
from nacre import materialize


@materialize("asset://raw")
def raw() -> dict:
    return {"a": 1}


report = materialize("asset://report")(pipeline.report)
"""


def build(project: Sandbox, files: dict[str, str], module: str = "assets") -> dict[str, tuple[str, str]]:
    """Build a project as a new process would; asset to what happened and why."""
    project.reopen()
    with Project(project.folder, files) as code:
        result = nacre.build(["*"], modules=[code.load(module)])
    return {step.asset: (step.action, step.reason) for step in result.steps}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a project that was built once, before any edit."""
    folder = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NACRE_STORE", str(folder / "store"))
        patch.setenv("NACRE_QUIET", "1")
        sandbox = Sandbox(folder)
        built = build(sandbox, FILES | {"assets.py": ASSETS})
        sandbox.close()
    assert built["asset://report"] == ("built", "not made yet")
    return folder / "store"


@pytest.mark.parametrize("edit", EDITS, ids=[edit.claim for edit in EDITS])
def test_an_edit_runs_what_it_concerns_and_nothing_else(edit: Edit, stored: Path, project: Sandbox) -> None:
    project.close()
    shutil.copytree(stored, project.store)
    found = build(project, edit.applied() | {"assets.py": ASSETS})
    assert found["asset://raw"] == ("built", "checked: content unchanged")
    if edit.reason:
        assert found["asset://report"] == ("built", edit.reason)
    else:
        assert found["asset://report"] == ("reused", "inputs and code unchanged")


def test_row_14_a_helper_moved_to_another_module_runs_nothing(project: Sandbox) -> None:
    asset = "from nacre import materialize\nfrom {} import clean\n\n@materialize('asset://a', cache_policy=INPUTS)\n"
    asset = (
        asset.replace("@", "from nacre.cache_policies import INPUTS\n\n@") + "def a():\n    return clean(1)\n"
    )
    helper = "def clean(x):\n    return x + 1\n"
    first = build(project, {"assets.py": asset.format("here"), "here.py": helper})
    moved = build(project, {"assets.py": asset.format("there"), "there.py": "LATER = 1\n\n" + helper})
    assert first["asset://a"][0] == "built"
    assert moved["asset://a"] == ("reused", "inputs and code unchanged")


def test_rows_1_15_and_16_another_process_checkout_and_hash_seed_run_nothing(
    stored: Path, project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.close()
    shutil.copytree(stored, project.store)
    script = (
        "import nacre, assets\nprint([step.action for step in nacre.build(['*'], modules=[assets]).steps])\n"
    )
    with Project(project.folder, FILES | {"assets.py": ASSETS, "main.py": script}):
        path = os.pathsep.join([str(SOURCES), str(project.folder / "site-packages")])
        monkeypatch.setenv("PYTHONHASHSEED", "7")
        monkeypatch.setattr("sandbox.SOURCES", path)
        process = project.python("main.py")
        printed, failed = process.communicate()
    assert process.returncode == 0, failed
    assert printed.splitlines()[-1] == "['built', 'reused']"


DRIFT = """
    @materialize("asset://a", cache_policy=INPUTS)
    def a():
        calls.append("a")
        return 1
"""
INPUTS = "from nacre.cache_policies import INPUTS\n"


def test_row_61_a_file_edited_after_import_is_neither_run_nor_taken_from_the_store(project: Sandbox) -> None:
    module = project.module(INPUTS + dedent(DRIFT))
    project.build(module)
    path = Path(str(module.__file__))
    before = path.read_text()
    path.write_text(before.replace("return 1", "return 2"))
    for _ in range(2):
        with pytest.raises(SourceDrift, match="changed after its code was imported"):
            project.build(module)
    assert module.calls == ["a"]
    assert len(project.history("asset://a")) == 1
    assert len(project.runs()) == 1
    path.write_text(before)
    assert [step.action for step in project.build(module).steps] == ["reused"]


CLIENT = """
    import http.client
    import io

    client = http.client.HTTPConnection("localhost")
    opened = io.StringIO()

    def fetch():
        return client, opened

    @materialize("asset://a")
    def a():
        calls.append("a")
        return fetch() and 1

    @materialize("asset://b")
    def b():
        calls.append("b")
        return client and 2

    @flow
    def everything():
        return a(), b()
"""


def lines(module: ModuleType) -> dict[str, int]:
    """Number the lines of a module by the name that each binds or decorates."""
    text = Path(str(module.__file__)).read_text().splitlines()
    names = [line.removeprefix('@materialize("asset://').partition(" ")[0].rstrip('")') for line in text]
    return {name: number for number, name in enumerate(names, 1)}


def test_row_62_a_global_client_is_an_error_before_anything_runs(project: Sandbox) -> None:
    module = project.module(CLIENT)
    for ask in (project.build, lambda each: nacre.plan(modules=[each])):
        with pytest.raises(UnknownCode) as caught:
            ask(module)
        place = {name: f"{module.__name__}.py:{line}" for name, line in lines(module).items()}
        assert str(caught.value).splitlines() == [
            "Code reaches what has no identity: nacre could not tell when it changes",
            f"  found       global `client` ({place['client']}) is http.client.HTTPConnection",
            f"              global `opened` ({place['opened']}) is _io.StringIO",
            f"  reached by  a ({place['a']})",
            f"              b ({place['b']})",
            "  → build it inside the function that uses it",
            "  → or say what identifies it: @stable on the function that uses it, or __fp_key__ on its class",
            "  → or leave it out: ignore=[client, opened]",
            '  → or keep the version of the whole function yourself: code="pinned:1"',
        ]
    assert module.calls == []


def test_row_62_a_flow_stops_at_the_asset_that_reaches_a_client(project: Sandbox) -> None:
    module = project.module(CLIENT)
    with pytest.raises(UnknownCode, match="global `client`"):
        module.everything()
    with pytest.raises(UnknownCode, match="global `client`"):
        module.b()
    assert module.calls == []


REMEDIES = {
    "built inside": ("return client and 2", "return http.client.HTTPConnection('localhost') and 2"),
    "stable": ("def b():", "@nacre.stable\ndef b():"),
    "ignored": ('"asset://b"', '"asset://b", ignore=[client]'),
    "pinned": ('"asset://b"', '"asset://b", code="pinned:1"'),
    "key": (
        'client = http.client.HTTPConnection("localhost")',
        "client = http.client.HTTPConnection('localhost')\nclient.__fp_key__ = 'v1'",
    ),
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_row_62_each_remedy_that_is_offered_helps(remedy: str, project: Sandbox) -> None:
    old, new = REMEDIES[remedy]
    text = dedent(CLIENT)
    assert old in text
    module = project.module(text.replace(old, new))
    result = nacre.build(["b"], modules=[module])
    assert [step.action for step in result.steps] == ["built"]


COMPUTED = """
    import tools

    @materialize("asset://a", cache_policy=INPUTS)
    def a():
        name = "one"
        return getattr(tools, name)()
"""


def test_row_63_a_computed_attribute_counts_its_whole_module(project: Sandbox) -> None:
    text = "from nacre import materialize\n" + INPUTS + dedent(COMPUTED)
    tools = "def one():\n    return 1\n\ndef two():\n    return 2\n"
    assert build(project, {"assets.py": text, "tools.py": tools})["asset://a"][0] == "built"
    assert build(project, {"assets.py": text, "tools.py": tools})["asset://a"][0] == "reused"
    edited = build(project, {"assets.py": text, "tools.py": tools.replace("return 2", "return 3")})
    assert edited["asset://a"][0] == "built"
    assert edited["asset://a"][1] == "code changed: `module tools` (tools.py:1) changed (and 1 more change)"
    project.reopen()
    with Project(project.folder, {"assets.py": text, "tools.py": tools}) as code:
        module = code.load("assets")
        warnings = project.workspace.code.of(module.a).warnings
    assert warnings == ("`a` uses module `tools` as a value (assets.py:9), so all of tools counts",)


def test_row_64_another_annotation_of_the_asset_runs_it_again(project: Sandbox) -> None:
    text = """
        import pandas as pd
        import polars as pl

        @materialize("asset://rows")
        def rows() -> pl.DataFrame:
            return pl.DataFrame({"a": [1]})

        @materialize("asset://total")
        def total(rows: pd.DataFrame):
            return type(rows).__module__.partition(".")[0]
    """
    module = project.module(text)
    project.build(module)
    assert nacre.load("asset://total") == "pandas"
    edited = project.edit(module, "rows: pd.DataFrame", "rows: pl.DataFrame")
    step = project.build(edited, "total").steps[-1]
    assert step.action == "built"
    assert step.reason.startswith("code changed: `total` (")
    assert nacre.load("asset://total") == "polars"


def cell(name: str, text: str) -> ModuleType:
    """Run a text as a notebook runs a cell: source in linecache, names in a module without a file."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = ModuleType("__main__")
    exec(compile(text, name, "exec"), vars(module))
    return module


def test_row_66_code_of_a_notebook_cell_is_reused_when_it_moves_to_a_file(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from nacre import materialize\n" + INPUTS + dedent(DRIFT).replace('calls.append("a")', "helper()")
    text += "\ndef helper():\n    return 1\n"
    module = cell("<cell 3>", text)
    monkeypatch.setitem(sys.modules, "__main__", module)
    assert [step.action for step in nacre.build(["*"], modules=[module]).steps] == ["built"]
    assert build(project, {"assets.py": text})["asset://a"] == ("reused", "inputs and code unchanged")
