"""Where a code version comes from: state, whose code it is, what cannot be seen, and when it holds."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from textwrap import dedent

import pytest

from code_project import Project
from nacre.errors import SourceDrift, UnknownCode
from nacre.version.code import CodeIdentity, CodeVersions, code_version, stable


def identify(tmp_path: Path, text: str, function: str = "asset", **others: str) -> CodeIdentity:
    files = {"pipe.py": dedent(text), **{f"{name}.py": dedent(source) for name, source in others.items()}}
    with Project(tmp_path, files) as project:
        return project.identify("pipe", function)


def test_a_helper_moved_to_another_module_is_the_same_code(tmp_path: Path) -> None:
    here = identify(
        tmp_path / "a", "def helper(x):\n    return x + 1\n\ndef asset():\n    return helper(1)\n"
    )
    there = identify(
        tmp_path / "b",
        "from moved import helper\n\ndef asset():\n    return helper(1)\n",
        moved="LATER = 1\n\ndef helper(x):\n    return x + 1\n",
    )
    assert here.digest == there.digest


def test_the_name_of_the_function_itself_does_not_count(tmp_path: Path) -> None:
    one = identify(tmp_path / "a", "def asset(x):\n    return x\n")
    two = identify(tmp_path / "b", "def renamed(x):\n    return x\n", "renamed")
    three = identify(tmp_path / "c", "def asset(y):\n    return y\n")
    assert one.digest == two.digest != three.digest


REMEMBER = """
def remember(f):
    seen = {}
    def call():
        seen['x'] = 1
        return f(seen)
    return call

@remember
def inner(x):
    return x
"""
STATE = {
    "counter": ("count = 0", "global count\n    count += 1\n    return count"),
    "memo": ("memo = {}", "memo['x'] = 1\n    return memo"),
    "appended": ("memo = []", "memo.append(1)\n    return memo"),
    "deleted": ("memo = {'x': 1}", "memo.pop('x')\n    return memo"),
    "lazy client": ("client = None", "global client\n    client = client or object()\n    return client"),
    "attribute": ("import types\nbox = types.SimpleNamespace(n=0)", "box.n += 1\n    return box"),
    "instance": (
        "class Counter:\n    n = 0\n    def up(self):\n        self.n += 1\ncounter = Counter()",
        "counter.up()\n    return counter.n",
    ),
    "lru_cache": (
        "import functools\n@functools.lru_cache\ndef twice(x):\n    return x * 2",
        "return twice(4)",
    ),
    "default": ("", "return [default.append(1), default]"),
    "closure": (REMEMBER, "return inner()"),
}


@pytest.mark.parametrize("case", STATE)
def test_what_running_changes_does_not_change_the_version(case: str, tmp_path: Path) -> None:
    """State enters by what initialises it, so the version before a run is the version after it."""
    head, body = STATE[case]
    text = f"{head}\n\ndef asset(default=[]):\n    {body}\n"
    with Project(tmp_path, {"pipe.py": text}) as project:
        before = project.identify("pipe", "asset")
        project.load("pipe").asset()
        assert project.identify("pipe", "asset") == before
    assert not before.unknowns


def test_state_changed_from_another_module_is_state(tmp_path: Path) -> None:
    files = {
        "settings.py": "LEVEL = 1\nSEEN = {}\n",
        "pipe.py": "import settings\nfrom settings import SEEN\n\ndef asset():\n    return settings.LEVEL, SEEN\n",
        "other.py": "import settings\nfrom settings import SEEN as s\n\ndef run():\n    settings.LEVEL = 2\n"
        "    s.update(a=1)\n",
    }
    with Project(tmp_path, files) as project:
        project.load("pipe")
        other = project.load("other")
        before = project.identify("pipe", "asset")
        other.run()
        assert project.identify("pipe", "asset") == before


def test_what_initialises_state_counts_with_its_helpers(tmp_path: Path) -> None:
    text = (
        "def first():\n    return {}\n\nseen = first()\n\ndef asset():\n    seen['x'] = 1\n    return seen\n"
    )
    before = identify(tmp_path / "a", text)
    after = identify(tmp_path / "b", text.replace("return {}", "return {'y': 2}"))
    assert before.digest != after.digest


DEEP = {
    "lists": "deep = [deep]",
    "dicts": "deep = {'in': deep}",
    "frozen sets": "deep = frozenset([deep])",
    "instances": "deep = Box(deep)",
    "partials": "deep = functools.partial(print, deep)",
}


@pytest.mark.parametrize("case", DEEP)
def test_a_value_nested_very_deeply_cannot_be_followed(case: str, tmp_path: Path) -> None:
    text = """
        import functools

        class Box:
            def __init__(self, inside):
                self.inside = inside

        deep = ()
        for _ in range(900):
            {step}

        def asset():
            return deep
    """
    found = identify(tmp_path, text.replace("{step}", DEEP[case]))
    assert found.unknowns == ("global `deep` (pipe.py:8) is nested more than 200 levels deep",)


def test_a_value_of_some_depth_is_followed(tmp_path: Path) -> None:
    text = "deep = {n}\nfor _ in range(190):\n    deep = [deep]\n\ndef asset():\n    return deep\n"
    one, two = (identify(tmp_path / str(n), text.replace("{n}", f"({n},)")) for n in (1, 2))
    assert one.unknowns == ()
    assert one.digest != two.digest


def test_a_file_edited_after_import_is_refused(tmp_path: Path) -> None:
    with Project(tmp_path, {"pipe.py": "def asset():\n    return 1\n"}) as project:
        project.load("pipe")
        (tmp_path / "pipe.py").write_text("def asset():\n    return 2\n")
        with pytest.raises(SourceDrift, match=r"pipe\.py:1") as caught:
            project.identify("pipe", "asset")
    assert "run again in a new process" in str(caught.value)


def test_a_file_broken_after_import_is_refused(tmp_path: Path) -> None:
    with Project(tmp_path, {"pipe.py": "def asset():\n    return 1\n"}) as project:
        project.load("pipe")
        (tmp_path / "pipe.py").write_text("def asset(:\n")
        with pytest.raises(SourceDrift):
            project.identify("pipe", "asset")


def test_a_comment_written_after_import_is_no_drift(tmp_path: Path) -> None:
    with Project(tmp_path, {"pipe.py": "def asset():\n    return 1\n"}) as project:
        project.load("pipe")
        (tmp_path / "pipe.py").write_text("def asset():\n    return   1  # one\n")
        assert project.identify("pipe", "asset").unknowns == ()


def test_an_open_thing_is_named_with_its_place(tmp_path: Path) -> None:
    text = "import io\n\nclient = io.BytesIO()\n\ndef asset():\n    return client.read()\n"
    found = identify(tmp_path / "a", text)
    assert found.unknowns == ("global `client` (pipe.py:3) is _io.BytesIO",)
    assert not found.static
    assert found.digest != identify(tmp_path / "b", text.replace("BytesIO()", "BytesIO(b'x')")).digest


def test_locks_and_loggers_say_nothing(tmp_path: Path) -> None:
    text = "import logging, threading\nlog = logging.getLogger('a')\nlock = threading.Lock()\n"
    text += "def asset():\n    with lock:\n        log.info('x')\n"
    assert identify(tmp_path, text).unknowns == ()


def test_a_class_can_say_what_identifies_its_instances(tmp_path: Path) -> None:
    text = "class Client:\n    def __init__(self, url):\n        self.url, self.socket = url, object()\n"
    text += "    def __fp_key__(self):\n        return self.url\n\nclient = Client('a')\n\ndef asset():\n"
    text += "    return client\n"
    found = identify(tmp_path / "a", text)
    assert found.unknowns == ()
    assert found.digest != identify(tmp_path / "b", text.replace("Client('a')", "Client('b')")).digest


def test_a_module_used_as_a_value_counts_whole(tmp_path: Path) -> None:
    text = "import tools\n\ndef asset(name='a'):\n    return getattr(tools, name)()\n"
    one = identify(tmp_path / "a", text, tools="def a():\n    return 1\n")
    two = identify(tmp_path / "b", text, tools="def a():\n    return 2\n")
    assert one.digest != two.digest


def test_a_function_without_source_is_identified_by_its_bytecode() -> None:
    def made(text: str) -> CodeIdentity:
        space: dict[str, types.FunctionType] = {}
        exec(compile(text, "<made>", "exec"), space)
        return CodeVersions([]).identify(space["asset"])

    one, again, two = (
        made("def asset(): return 1"),
        made("def asset(): return 1"),
        made("def asset(): return 2"),
    )
    assert one == again
    assert one.digest != two.digest
    assert one.unknowns == ()
    assert one.warnings == ("`asset` (<made>:1) has no source, so its bytecode counts",)
    assert not one.static


def test_a_cell_has_the_version_of_the_same_code_in_a_file(tmp_path: Path) -> None:
    import linecache

    text = "def helper(x):\n    return x + 1\n\ndef asset():\n    '''A cell.'''\n    return helper(1)\n"
    name = "<cell 1 of a notebook>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, types.FunctionType] = {"__name__": "__main__"}  # type: ignore[dict-item]
    exec(compile(text, name, "exec"), space)
    cell = CodeVersions([str(tmp_path)]).identify(space["asset"])
    assert cell.unknowns == ()
    assert cell.digest == identify(tmp_path, text).digest


LITERAL = (
    "LIMIT = 3\n\ndef helper(x, by=2):\n    return x * by\n\ndef asset(x: dict):\n    return helper(LIMIT)\n"
)


def test_sources_alone_decide_what_is_bound_once_by_literals_and_definitions(tmp_path: Path) -> None:
    assert identify(tmp_path / "a", LITERAL).static
    split = "from tools import LIMIT, helper\nimport tools as t\n\ndef asset():\n    return helper(LIMIT), t.LIMIT\n"
    assert identify(tmp_path / "b", split, tools=LITERAL).static
    made = "import logging, re\nlog = logging.getLogger(__name__)\nword = re.compile('a+')\nseen = {}\n"
    made += "def asset():\n    seen['x'] = log, word\n"
    assert identify(tmp_path / "d", made).static
    decorated = "import functools\n" + LITERAL.replace("def helper", "@functools.lru_cache\ndef helper")
    assert identify(tmp_path / "c", decorated).static


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "import os\nLIMIT = len(os.environ)"),
        ("LIMIT = 3", "LIMIT = 3\nLIMIT = 4"),
        ("LIMIT = 3", "import sys\nif sys.platform:\n    LIMIT = 3"),
        ("LIMIT = 3", "for LIMIT in (1, 3):\n    print"),
        ("LIMIT = 3", "import datetime\nLIMIT = datetime.datetime.now()"),
        ("LIMIT = 3", "import logging\nLIMIT = logging.getLogger(str(1))"),
        ("by=2", "by=LIMIT"),
        ("def helper", "def keep(f):\n    return f\n\n@keep\ndef helper"),
        ("def asset", "helper = (lambda x: x)\n\ndef asset"),
        ("def asset", "import io\nopened = io.StringIO()\nLIMIT = opened\n\ndef asset"),
        ("return helper", "import json\n    return helper"),
    ],
)
def test_what_more_than_the_sources_decides_is_not_static(old: str, new: str, tmp_path: Path) -> None:
    assert old in LITERAL
    assert not identify(tmp_path, LITERAL.replace(old, new)).static


def test_what_lies_outside_the_roots_counts_but_is_not_static(tmp_path: Path) -> None:
    found = []
    for name, text in [("a", LITERAL), ("b", LITERAL.replace("x * by", "x + by"))]:
        root = tmp_path / name
        main = "from tools import helper\n\ndef asset():\n    return helper(1)\n"
        with Project(root, {"own/pipe.py": main, "tools.py": text}) as project:
            sys.path.insert(0, str(root / "own"))
            found.append(CodeVersions([str(root / "own")]).identify(project.load("pipe").asset))
    assert found[0].digest != found[1].digest
    assert not found[0].static


def test_the_framework_says_nothing_about_what_a_function_computes(tmp_path: Path) -> None:
    plain = "def asset(x):\n    return x\n"
    decorated = "from nacre.version.code import stable as materialize\n\n@materialize(version={})\n" + plain
    framework = ("nacre",)
    found = []
    for name, text in [("a", plain), ("b", decorated.format(1)), ("c", decorated.format(2))]:
        with Project(tmp_path / name, {"pipe.py": text}) as project:
            asset = project.load("pipe").asset
            asset.__dict__.pop("__nacre_stable__", None)
            found.append(CodeVersions([str(tmp_path / name)], framework=framework).identify(asset).digest)
    assert len(set(found)) == 1


def test_an_asset_called_as_a_function_brings_its_code_and_one_annotated_does_not(tmp_path: Path) -> None:
    frame = "class Asset:\n    def __init__(self, fn):\n        self.fn = fn\n    def __call__(self):\n"
    frame += "        return self.fn()\n"
    text = "import frame\nfrom typing import Annotated\n@frame.Asset\ndef raw():\n    return 1\n\n"
    called, annotated = (
        "def asset():\n    return raw()\n",
        "def asset(x: Annotated[dict, raw]):\n    return x\n",
    )
    found = {}
    for use, body in [("called", called), ("annotated", annotated)]:
        for value in ("1", "2"):
            directory = tmp_path / f"{use}{value}"
            files = {"frame.py": frame, "pipe.py": text.replace("1", value) + body}
            with Project(directory, files) as project:
                versions = CodeVersions([str(directory)], framework=("frame",))
                found[use + value] = versions.identify(project.load("pipe").asset).digest
    assert found["called1"] != found["called2"]
    assert found["annotated1"] == found["annotated2"]


def test_parts_name_what_is_reached_where_it_is(tmp_path: Path) -> None:
    found = identify(tmp_path, LITERAL)
    assert [(part.name, part.place) for part in found.parts] == [
        ("asset", "pipe.py:6"),
        ("LIMIT", "pipe.py:1"),
        ("helper", "pipe.py:3"),
    ]


def test_each_file_is_read_once_through_the_reader(tmp_path: Path) -> None:
    class Reader:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def read(self, path: str) -> bytes:
            self.seen.append(path)
            return Path(path).read_bytes()

    reader = Reader()
    files = {
        "pipe.py": "from tools import LIMIT, helper\n\ndef asset():\n    return helper(LIMIT)\n",
        "tools.py": LITERAL,
    }
    with Project(tmp_path, files) as project:
        module = project.load("pipe")
        versions = CodeVersions([str(tmp_path)], reader)
        versions.identify(module.asset)
        versions.identify(module.helper)
    assert sorted(set(reader.seen)) == sorted(reader.seen)
    assert {str(tmp_path / "pipe.py"), str(tmp_path / "tools.py")} <= set(versions.files())


def test_a_code_version_can_be_asked_of_a_function_or_whatever_holds_one(tmp_path: Path) -> None:
    with Project(tmp_path, {"pipe.py": LITERAL}) as project:
        asset = project.load("pipe").asset
        found = code_version(asset)
        assert found == code_version(types.SimpleNamespace(fn=asset))
    assert len(found) == 64
    with pytest.raises(UnknownCode):
        code_version(3)


def test_stable_returns_what_it_decorates() -> None:
    @stable(version="a")
    def function() -> int:
        return 1

    assert function() == 1


def test_code_as_deep_as_python_compiles_has_a_version(tmp_path: Path) -> None:
    branches = "".join(f"    elif x == {n}:\n        return {n}\n" for n in range(600))
    text = (
        f"def asset(x):\n    if x is None:\n        return 0\n{branches}    return {'+'.join(['x'] * 900)}\n"
    )
    assert identify(tmp_path, text).static


def test_a_long_chain_of_calls_is_no_deeper_than_the_stack(tmp_path: Path) -> None:
    links = "".join(f"def f{n}():\n    return f{n - 1}()\n\n" for n in range(1, 1500))
    text = f"def f0():\n    return 0\n\n{links}def asset():\n    return f1499()\n"
    assert len(identify(tmp_path, text).parts) == 1501


def test_stable_works_with_and_without_parentheses() -> None:
    @stable
    def plain() -> int:
        return 1

    @stable()
    def called() -> int:
        return 1

    @stable(version="2")
    def versioned() -> int:
        return 1

    assert (plain(), called(), versioned()) == (1, 1, 1)
    pins = [vars(each)["__nacre_stable__"] for each in (plain, called, versioned)]
    assert pins == [1, 1, "2"]
