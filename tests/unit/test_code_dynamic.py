"""Code that reaches more than its text names: whole modules count, and a sentence says where."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from code_project import Project
from nacre.version.code import CodeIdentity, CodeVersions

TOOLS = {
    "tools.py": "from deeper import deep\n\ndef one():\n    return deep()\n\ndef two():\n    return 2\n",
    "deeper.py": "def deep():\n    return 1\n",
    "unloaded.py": "def late():\n    return 1\n",
}


def identify(folder: Path, text: str, **files: str) -> CodeIdentity:
    others = {f"{name}.py": dedent(source) for name, source in files.items()}
    with Project(folder, TOOLS | others | {"pipe.py": dedent(text)}) as project:
        return project.identify("pipe", "asset")


def changes(folder: Path, text: str, name: str, old: str, new: str) -> bool:
    """Tell whether an edit of another file gives the asset another version."""
    assert old in TOOLS[f"{name}.py"]
    edited = {name: TOOLS[f"{name}.py"].replace(old, new)}
    return identify(folder / "a", text).digest != identify(folder / "b", text, **edited).digest


WHOLE = {
    "computed name": ("import tools\n\ndef asset(name='one'):\n    return getattr(tools, name)()\n", 4),
    "passed on": ("import tools\n\ndef asset():\n    return sorted([tools])\n", 4),
    "imported inside": ("def asset():\n    import tools\n    return vars(tools)\n", 3),
    "its dictionary": ("import tools\n\ndef asset():\n    return tools.__dict__['one']\n", 4),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_module_used_as_a_value_counts_whole_and_is_said_to(case: str, tmp_path: Path) -> None:
    text, line = WHOLE[case]
    found = identify(tmp_path, text)
    assert found.warnings == (
        f"`asset` uses module `tools` as a value (pipe.py:{line}), so all of tools counts",
    )
    assert found.unknowns == ()
    assert not found.static
    assert changes(tmp_path / "own", text, "tools", "return 2", "return 3")
    assert changes(tmp_path / "deep", text, "deeper", "return 1", "return 2")


LITERAL = {
    "getattr": "import tools\n\ndef asset():\n    return getattr(tools, 'one')()\n",
    "getattr with a default": "import tools\n\ndef asset():\n    return getattr(tools, 'one', None)()\n",
    "__import__": "def asset():\n    return __import__('tools').one()\n",
    "import_module": """
        from importlib import import_module

        def asset():
            return import_module('tools').one()
    """,
    "importlib.import_module": """
        import importlib

        def asset():
            return importlib.import_module('tools').one()
    """,
    "imported inside": """
        def asset():
            from importlib import import_module
            return import_module('tools').one()
    """,
}


@pytest.mark.parametrize("case", LITERAL)
def test_a_look_up_by_a_literal_is_exact(case: str, tmp_path: Path) -> None:
    text = LITERAL[case]
    assert identify(tmp_path, text).warnings == ()
    assert changes(tmp_path / "used", text, "deeper", "return 1", "return 2")
    assert not changes(tmp_path / "unused", text, "tools", "return 2", "return 3")


ANYTHING = {
    "eval": ("def asset(x='1'):\n    return eval(x)\n", "eval", 2),
    "exec": ("def asset(x=''):\n    exec(x)\n", "exec", 2),
    "handed on": ("def asset(xs=()):\n    return [*map(eval, xs)]\n", "eval", 2),
    "import_module": (
        "from importlib import import_module\n\ndef asset(x=''):\n    return import_module(x)\n",
        "import_module",
        4,
    ),
    "another name": (
        "from importlib import import_module as load\n\ndef asset(x=''):\n    return load(x)\n",
        "load",
        4,
    ),
    "importlib": (
        "import importlib as il\n\ndef asset(x=''):\n    return il.import_module(x)\n",
        "il.import_module",
        4,
    ),
    "__import__": ("def asset(x=''):\n    return __import__(x)\n", "__import__", 2),
    "inside": (
        "def asset(x=''):\n    import importlib\n    return importlib.import_module(x)\n",
        "importlib.import_module",
        3,
    ),
}


@pytest.mark.parametrize("case", ANYTHING)
def test_what_may_run_anything_counts_every_file_of_the_project(case: str, tmp_path: Path) -> None:
    text, call, line = ANYTHING[case]
    found = identify(tmp_path, text)
    assert found.warnings == (
        f"`asset` calls {call} (pipe.py:{line}), so every source file of the project counts",
    )
    assert not found.static
    assert changes(tmp_path / "unloaded", text, "unloaded", "return 1", "return 2")


def test_comments_do_not_count_where_every_file_does(tmp_path: Path) -> None:
    text = "def asset(x='1'):\n    return eval(x)\n"
    assert not changes(tmp_path, text, "unloaded", "return 1", "return 1  # one")


def test_files_of_an_environment_and_hidden_ones_are_not_the_projects(tmp_path: Path) -> None:
    text = "def asset(x='1'):\n    return eval(x)\n"
    before = identify(tmp_path, text)
    for name in ("venv/lib/pack.py", ".hidden/pack.py", "site-packages/pack.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("x = 1\n")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    assert identify(tmp_path, text).digest == before.digest


def test_globals_count_the_module_they_are_of(tmp_path: Path) -> None:
    text = "from tools import one\n\ndef helper():\n    return 1\n\ndef asset(x='helper'):\n    return globals()[x]()\n"
    found = identify(tmp_path / "a", text)
    assert found.warnings == ("`asset` calls globals (pipe.py:7), so all of its module counts",)
    assert found.digest != identify(tmp_path / "b", text.replace("return 1", "return 2")).digest
    assert changes(tmp_path / "deep", text, "deeper", "return 1", "return 2")
    assert not changes(tmp_path / "other", text, "unloaded", "return 1", "return 2")


def test_a_method_called_eval_runs_no_text(tmp_path: Path) -> None:
    text = (
        "class Model:\n    def eval(self):\n        return 1\n\ndef asset(model=None):\n    model = Model()\n"
    )
    assert identify(tmp_path, text + "    return model.eval()\n").warnings == ()


def test_names_bound_by_a_star_are_exact(tmp_path: Path) -> None:
    text = "from tools import *\n\ndef asset():\n    return one()\n"
    assert identify(tmp_path, text).warnings == ()
    assert changes(tmp_path / "used", text, "deeper", "return 1", "return 2")
    assert not changes(tmp_path / "unused", text, "tools", "return 2", "return 3")


def test_state_behind_a_star_enters_by_what_initialises_it(tmp_path: Path) -> None:
    text = "from state import *\n\ndef asset():\n    SEEN['x'] = 1\n    return SEEN\n"
    one = identify(tmp_path / "a", text, state="SEEN = {}\n")
    two = identify(tmp_path / "b", text, state="SEEN = {'y': 1}\n")
    assert one.digest != two.digest
    assert [part.place for part in one.parts if part.name == "SEEN"] == ["state.py:1"]


def test_a_module_listed_as_a_dependency_counts_whole(tmp_path: Path) -> None:
    def versions(tools: str) -> str:
        files = TOOLS | {"pipe.py": "import tools\n\ndef asset():\n    return 1\n", "tools.py": tools}
        with Project(tmp_path / str(len(tools)), files) as project:
            module = project.load("pipe")
            return project.versions().identify(module.asset, deps=[module.tools]).digest

    text = TOOLS["tools.py"]
    assert versions(text) == versions(text + "# a comment, which says nothing\n")
    assert versions(text) != versions(text + "print()\n")


def test_dependencies_are_parts_in_any_order(tmp_path: Path) -> None:
    text = "def one():\n    return 1\n\nclass Two:\n    size = 2\n\ndef asset():\n    return 1\n"
    with Project(tmp_path, {"pipe.py": text}) as project:
        pipe = project.load("pipe")
        plain = project.versions().identify(pipe.asset)
        found = project.versions().identify(pipe.asset, deps=[pipe.one, pipe.Two])
        assert found.digest == project.versions().identify(pipe.asset, deps=[pipe.Two, pipe.one]).digest
    assert found.digest != plain.digest
    assert {part.name for part in found.parts} == {"asset", "one", "Two"}
    assert not found.static


IGNORED = """
import io
client = io.BytesIO()
def noisy():
    return {value}
LIMITS = [{value}, 2]
class Settings:
    size = {value}
def asset(by=client):
    return client, noisy(), LIMITS, Settings, by
"""


def test_what_is_ignored_counts_as_its_name_only(tmp_path: Path) -> None:
    found = []
    for value in ("1", "3"):
        with Project(tmp_path / value, {"pipe.py": IGNORED.format(value=value)}) as project:
            pipe = project.load("pipe")
            versions = project.versions()
            ignored = [pipe.client, pipe.noisy, pipe.LIMITS, pipe.Settings]
            found.append(versions.identify(pipe.asset, ignored=ignored))
            assert versions.identify(pipe.asset).unknowns, "nobody else ignores it"
    assert found[0] == found[1]
    assert found[0].unknowns == ()
    assert not found[0].static


def test_a_pinned_version_takes_the_place_of_the_code(tmp_path: Path) -> None:
    with Project(
        tmp_path, {"pipe.py": "def asset():\n    return 1\n\ndef other():\n    return 2\n"}
    ) as project:
        pipe = project.load("pipe")
        versions = CodeVersions([str(tmp_path)])
        one, same, two = (
            versions.pinned(pipe.asset, "1"),
            versions.pinned(pipe.other, "1"),
            versions.pinned(pipe.asset, "2"),
        )
    assert one.digest == same.digest != two.digest
    assert [(part.name, part.place, part.digest) for part in one.parts] == [("pinned", "pipe.py:1", "1")]


def test_a_module_without_source_counts_by_its_bytes(tmp_path: Path) -> None:
    import types

    found = []
    for data in (b"one", b"two"):
        (tmp_path / "fast.so").write_bytes(data)
        fast = types.ModuleType("fast")
        fast.__file__ = str(tmp_path / "fast.so")
        sys.modules["fast"] = fast
        with Project(tmp_path, {"pipe.py": "import fast\n\ndef asset():\n    return fast\n"}) as project:
            found.append(project.identify("pipe", "asset").digest)
        del sys.modules["fast"]
    assert found[0] != found[1]


READ_AS_VALUES = {
    "an attribute set by a computed name": (
        'class C: pass\nfor k, v in {"limit": 3}.items(): setattr(C, k, v)\ndef asset(): return C.limit\n',
        "3",
        "4",
    ),
    "a docstring of a function": (
        'def f(): "one"; return f.__doc__\ndef asset(): return f()\n',
        "one",
        "two",
    ),
    "a docstring of a class": (
        'class A:\n    "one"\n    def go(self): return self.__doc__\ndef asset(): return A().go()\n',
        "one",
        "two",
    ),
    "a docstring of the module": ('"one"\ndef asset(): return __doc__\n', "one", "two"),
    "a docstring that a library may read": (
        'import pydantic\nclass M(pydantic.BaseModel):\n    "one"\n    x: int\ndef asset(): return M\n',
        "one",
        "two",
    ),
}


@pytest.mark.parametrize("case", READ_AS_VALUES)
def test_what_code_reads_as_a_value_counts(case: str, tmp_path: Path) -> None:
    text, old, new = READ_AS_VALUES[case]
    before = identify(tmp_path / "before", text)
    after = identify(tmp_path / "after", text.replace(old, new))
    assert before.digest != after.digest
    assert before.warnings == ()


def test_a_name_that_a_package_gives_on_demand_is_followed(tmp_path: Path) -> None:
    files = {
        "pipe.py": "import lazy_pk\ndef asset(): return lazy_pk.g()\n",
        "lazy_pk/__init__.py": "def __getattr__(n):\n    from lazy_pk.b import g\n    return g\n",
        "lazy_pk/b.py": "def g(): return 1\n",
    }
    digests = set()
    for number in (1, 2):
        files["lazy_pk/b.py"] = f"def g(): return {number}\n"
        with Project(tmp_path / str(number), files) as project:
            digests.add(project.identify("pipe", "asset").digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    "use", ['dict(os.environ)["X"]', "os.environ.copy()", "{**os.environ}", "os.environ['A' + 'B' * n]"]
)
def test_the_environment_as_a_whole_is_warned_of(use: str, tmp_path: Path) -> None:
    found = identify(tmp_path, f"import os\ndef asset(n=1): return {use}\n")
    assert "uses variables whose names it computes" in found.warnings[0]


def test_variables_looked_up_one_by_one_are_named(tmp_path: Path) -> None:
    text = 'import os\ndef asset():\n    os.environ["W"] = "1"\n    return (os.environ["A"], os.getenv("B", "x"), '
    text += '"C" in os.environ, os.environ.get("D"), os.environ.pop("E", ""))\n'
    found = identify(tmp_path, text)
    assert sorted(found.variables) == ["A", "B", "C", "D", "E"]
    assert found.warnings == ()
