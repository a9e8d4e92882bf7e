"""What classes, instances and registries hold: made by a call, set from outside, filled while importing."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from class_cases import MADE
from code_project import Project
from nacre.version.code import CodeIdentity
from registry_cases import FILLED, SAME, STATE

COUNTS = MADE | FILLED


def identify(folder: Path, text: str, **others: str) -> CodeIdentity:
    files = {f"{name}.py": dedent(source) for name, source in {"pipe": text, **others}.items()}
    with Project(folder, files) as project:
        return project.identify("pipe", "asset")


@pytest.mark.parametrize("claim", COUNTS)
def test_what_a_class_or_registry_holds_counts(claim: str, tmp_path: Path) -> None:
    text, old, new = COUNTS[claim]
    assert old in text
    before = identify(tmp_path / "a", text)
    again = identify(tmp_path / "b", "\n# above\n" + dedent(text))
    after = identify(tmp_path / "c", text.replace(old, new))
    assert before.digest == again.digest
    assert before.digest != after.digest
    assert before.unknowns == ()
    assert before.warnings == ()
    for part in before.parts:
        if not part.name.startswith("dist "):
            file, _, line = part.place.rpartition(":")
            assert (file, line.isdigit()) == ("pipe.py", True), part


@pytest.mark.parametrize("claim", SAME)
def test_what_says_nothing_does_not_count(claim: str, tmp_path: Path) -> None:
    text, old, new = SAME[claim]
    assert identify(tmp_path / "a", text) == identify(tmp_path / "b", text.replace(old, new))


@pytest.mark.parametrize("claim", STATE)
def test_what_running_changes_in_a_class_does_not_count(claim: str, tmp_path: Path) -> None:
    with Project(tmp_path, {"pipe.py": dedent(STATE[claim])}) as project:
        before = project.identify("pipe", "asset")
        project.load("pipe").asset()
        assert project.identify("pipe", "asset") == before
    assert before.unknowns == ()


def test_an_attribute_set_from_another_module_counts(tmp_path: Path) -> None:
    pipe = "from models import Model\nimport setup\n\ndef asset():\n    return Model.limit\n"
    models = "class Model:\n    pass\n"
    one, two = (
        identify(tmp_path / n, pipe, models=models, setup=f"import models as m\n\nm.Model.limit = {n}\n")
        for n in "34"
    )
    assert one.digest != two.digest


def test_a_class_edited_after_import_is_not_taken_for_what_runs(tmp_path: Path) -> None:
    with Project(
        tmp_path, {"pipe.py": "class Model:\n    size = 3\n\ndef asset():\n    return Model.size\n"}
    ) as project:
        before = project.identify("pipe", "asset")
        path = tmp_path / "pipe.py"
        path.write_text(path.read_text().replace("size = 3", "size = 4"))
        stale = project.identify("pipe", "asset")
    fresh = identify(tmp_path / "new", path.read_text())
    assert len({before.digest, stale.digest, fresh.digest}) == 3
    assert not stale.static


def test_parts_of_one_name_are_told_apart_by_module_then_by_order(tmp_path: Path) -> None:
    text = "import one, two\nkey = lambda x: x\nother = lambda x: -x\ndef asset():\n"
    text += "    return one.process(), two.process(), key(1), other(1)\n"
    process = "def process():\n    return {}\n"
    found = identify(tmp_path, text, one=process.format(1), two=process.format(2))
    assert {part.name: part.place for part in found.parts} == {
        "asset": "pipe.py:4",
        "one.process": "one.py:1",
        "two.process": "two.py:1",
        "pipe.<lambda>": "pipe.py:2",
        "pipe.<lambda> (2)": "pipe.py:3",
    }


PLAIN = {
    "sentinel": "object()",
    "struct": "__import__('struct').Struct('<I')",
    "bytearray": "bytearray(b'x')",
    "chain": "__import__('collections').ChainMap({'a': 1})",
    "template": "__import__('string').Template('$a')",
    "lock": "__import__('threading').Lock()",
    "context variable": "__import__('contextvars').ContextVar('x')",
    "logger": "__import__('logging').getLogger('x')",
    "pyarrow schema": "__import__('pyarrow').schema({'a': 'int64'})",
    "pyarrow table": "__import__('pyarrow').table({'a': [1]})",
    "polars expression": "__import__('polars').col('a') > 1",
    "polars frame": "__import__('polars').DataFrame({'a': [1]})",
    "pandas frame": "__import__('pandas').DataFrame({'a': [1]})",
    "pandas time": "__import__('pandas').Timestamp('2026-01-01')",
    "numpy array": "__import__('numpy').arange(3)",
    "numpy type": "__import__('numpy').dtype('int8')",
    "console": "__import__('rich.console').console.Console()",
    "attribute of a module": "__import__('os').environ.get('HOME')",
}


@pytest.mark.parametrize("case", PLAIN)
def test_a_global_that_is_nothing_but_a_value_is_no_unknown(case: str, tmp_path: Path) -> None:
    found = identify(tmp_path, f"thing = {PLAIN[case]}\ndef asset():\n    return thing\n")
    assert found.unknowns == ()
    assert found == identify(tmp_path / "again", f"thing = {PLAIN[case]}\ndef asset():\n    return thing\n")


VALUES = {
    "pyarrow schema": ("import pyarrow as pa\nthing = pa.schema({'a': 'int64'})", "int64", "int32"),
    "pyarrow table": ("import pyarrow as pa\nthing = pa.table({'a': [1]})", "[1]", "[2]"),
    "polars expression": ("import polars as pl\nthing = pl.col('a') > 1", "> 1", "> 2"),
    "msgspec decoder": ("import msgspec\nthing = msgspec.json.Decoder(int)", "int", "str"),
    "polars frame": ("import polars as pl\nthing = pl.DataFrame({'a': [1]})", "[1]", "[2]"),
    "pandas frame": ("import pandas as pd\nthing = pd.DataFrame({'a': [1]})", "[1]", "[1.0]"),
    "numpy array": ("import numpy as np\nthing = np.array(['a', 1], dtype=object)", "1", "2"),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_of_well_known_libraries_count_by_content(case: str, tmp_path: Path) -> None:
    text, old, new = VALUES[case]
    asset = "\ndef asset():\n    return thing\n"
    one, two = (
        identify(tmp_path / "a", text + asset),
        identify(tmp_path / "b", text.replace(old, new) + asset),
    )
    assert one.digest != two.digest
    assert one.unknowns == ()


UNKNOWN = {
    "client": ("import http.client\nclient = http.client.HTTPConnection('h')", "http.client.HTTPConnection"),
    "open file": ("import io\nclient = io.StringIO()", "_io.StringIO"),
    "database": ("import sqlite3\nclient = sqlite3.connect(':memory:')", "sqlite3.Connection"),
    "random": ("import random\nclient = random.Random(7)", "random.Random"),
    "inside an instance": (
        "import random\nclass Box:\n    def __init__(self, x):\n        self.x = x\nclient = Box(random.Random(7))",
        "random.Random",
    ),
    "in a list": ("import random\nclient = [random.Random(7)]", "random.Random"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_global_that_is_more_than_a_value_is_an_unknown(case: str, tmp_path: Path) -> None:
    text, kind = UNKNOWN[case]
    line = text.count("\n") + 1
    found = identify(tmp_path, f"{text}\ndef asset():\n    return client\n")
    assert found.unknowns == (f"global `client` (pipe.py:{line}) is {kind}",)


def test_what_is_imported_from_a_library_counts_by_the_version_of_that(tmp_path: Path) -> None:
    found = identify(
        tmp_path, "from os import environ\nfrom sys import stderr\ndef asset():\n    return environ, stderr\n"
    )
    assert found.unknowns == ()


def test_an_instance_that_is_called_goes_by_its_class(tmp_path: Path) -> None:
    text = """
        import functools

        class Logged:
            def __init__(self, f):
                functools.update_wrapper(self, f)

            def __call__(self):
                return self.__wrapped__()

        @Logged
        def asset():
            return 1
    """
    found = identify(tmp_path, text)
    assert found.parts[0].name == "Logged instance"
    assert found.parts[0].place.startswith("pipe.py:")
    assert {part.name for part in found.parts} >= {"asset", "Logged", "Logged.__call__"}


SET_BY_COMPUTED_NAME = {
    "loop": """
for name, value in {"limit": 3}.items():
    setattr(Model, name, value)
""",
    "function": """
def configure(**given):
    for name in given:
        setattr(Model, name, given[name])

configure(limit=3)
""",
}


@pytest.mark.parametrize("way", SET_BY_COMPUTED_NAME)
def test_an_attribute_set_by_a_computed_name_counts(way: str, tmp_path: Path) -> None:
    pipe = (
        f"class Model:\n    pass\n\n\n{SET_BY_COMPUTED_NAME[way]}\n\ndef asset():\n    return Model.limit\n"
    )
    one = identify(tmp_path / "1", pipe)
    two = identify(tmp_path / "2", pipe.replace("3", "4"))
    again = identify(tmp_path / "3", pipe)
    assert one.digest == again.digest != two.digest


def test_the_default_of_a_context_variable_counts_and_what_it_holds_does_not(tmp_path: Path) -> None:
    pipe = "from contextvars import ContextVar\n\nLIMIT = ContextVar('limit', default=3)\n"
    pipe += "\n\ndef asset():\n    return LIMIT.get()\n"
    with Project(tmp_path / "1", {"pipe.py": pipe}) as project:
        before = project.identify("pipe", "asset")
        project.load("pipe").LIMIT.set(7)
        assert project.identify("pipe", "asset") == before
    assert identify(tmp_path / "2", pipe.replace("3", "4")).digest != before.digest
