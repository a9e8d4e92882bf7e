"""What classes, instances and registries hold: made by a call, set from outside, filled while importing."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from code_project import Project
from nacre.version.code import CodeIdentity


def identify(folder: Path, text: str, **others: str) -> CodeIdentity:
    files = {f"{name}.py": dedent(source) for name, source in {"pipe": text, **others}.items()}
    with Project(folder, files) as project:
        return project.identify("pipe", "asset")


# Claim → (text, an edit that must count).
COUNTS = {
    "functional Enum": (
        "from enum import Enum\nColor = Enum('Color', 'RED GREEN')\ndef asset():\n    return Color.RED\n",
        ("RED GREEN", "RED BLUE"),
    ),
    "functional Enum with values": (
        "from enum import Enum\nColor = Enum('Color', {'RED': 1})\ndef asset():\n    return list(Color)\n",
        ("1", "2"),
    ),
    "namedtuple fields": (
        "from collections import namedtuple\nRow = namedtuple('Row', 'a b')\ndef asset():\n    return Row(1, 2)\n",
        ("a b", "b a"),
    ),
    "namedtuple defaults": (
        "from collections import namedtuple\nRow = namedtuple('Row', 'a', defaults=[1])\n"
        "def asset():\n    return Row()\n",
        ("defaults=[1]", "defaults=[2]"),
    ),
    "make_dataclass": (
        "import dataclasses as d\nRow = d.make_dataclass('Row', [('a', int, d.field(default=1))])\n"
        "def asset():\n    return Row()\n",
        ("default=1", "default=2"),
    ),
    "make_dataclass types": (
        "import dataclasses as d\nRow = d.make_dataclass('Row', [('a', int)])\ndef asset():\n    return Row(1)\n",
        ("int", "float"),
    ),
    "class made by type": (
        "Row = type('Row', (), {'size': 1})\ndef asset():\n    return Row.size\n",
        ("1", "2"),
    ),
    "functional TypedDict": (
        "from typing import TypedDict\nRow = TypedDict('Row', {'a': int})\ndef asset():\n    return Row(a=1)\n",
        ("int", "str"),
    ),
    "functional NamedTuple": (
        "from typing import NamedTuple\nRow = NamedTuple('Row', [('a', int)])\ndef asset():\n    return Row(1)\n",
        ("int", "str"),
    ),
    "TypedDict": (
        "from typing import TypedDict\nclass Row(TypedDict):\n    a: int\ndef asset():\n    return Row(a=1)\n",
        ("a: int", "a: str"),
    ),
    "TypedDict total": (
        "from typing import TypedDict\nclass Row(TypedDict, total=False):\n    a: int\ndef asset():\n    return Row()\n",
        ("False", "True"),
    ),
    "inherited TypedDict": (
        "from typing import TypedDict\nclass Top(TypedDict):\n    a: int\nclass Row(Top):\n    b: int\n"
        "def asset():\n    return Row(a=1, b=1)\n",
        ("a: int", "a: str"),
    ),
    "NamedTuple": (
        "from typing import NamedTuple\nclass Row(NamedTuple):\n    a: int = 1\n"
        "    def twice(self):\n        return self.a * 2\ndef asset():\n    return Row().twice()\n",
        ("* 2", "* 3"),
    ),
    "NamedTuple default": (
        "from typing import NamedTuple\nclass Row(NamedTuple):\n    a: int = 1\ndef asset():\n    return Row()\n",
        ("= 1", "= 2"),
    ),
    "argument of a base": (
        "def base(n):\n    return type('Base', (), {'n': n})\nclass Row(base(1)):\n    x = 0\n"
        "def asset():\n    return Row.n\n",
        ("base(1)", "base(2)"),
    ),
    "attribute set on a class": (
        "class Model:\n    size = 1\nModel.limit = 3\ndef asset():\n    return Model.limit\n",
        ("limit = 3", "limit = 4"),
    ),
    "attribute of the body set again": (
        "class Model:\n    size = 1\nModel.size = 3\ndef asset():\n    return Model.size\n",
        ("size = 3", "size = 4"),
    ),
    "attribute set by a function": (
        "class Model:\n    pass\ndef configure(n):\n    Model.limit = n\nconfigure(3)\n"
        "def asset():\n    return Model.limit\n",
        ("configure(3)", "configure(4)"),
    ),
    "attribute set by setattr": (
        "class Model:\n    pass\nsetattr(Model, 'limit', 3)\ndef asset():\n    return Model.limit\n",
        (", 3", ", 4"),
    ),
    "dict filled by a function": (
        "TABLE = {}\ndef fill():\n    TABLE['x'] = 3\nfill()\ndef asset():\n    return TABLE['x']\n",
        ("= 3", "= 4"),
    ),
    "dict filled by a function of a function": (
        "TABLE = {}\ndef put(n):\n    TABLE['x'] = n\ndef fill():\n    put(3)\nfill()\ndef asset():\n    return TABLE['x']\n",
        ("put(3)", "put(4)"),
    ),
    "dict filled in place and changed later": (
        "TABLE = {}\nTABLE['x'] = 3\ndef asset():\n    TABLE['y'] = 1\n    return TABLE['x']\n",
        ("= 3", "= 4"),
    ),
    "dict filled in a loop": (
        "TABLE = {}\nfor n in (1, 2):\n    TABLE[n] = 1\ndef asset():\n    TABLE['y'] = 1\n    return TABLE\n",
        ("(1, 2)", "(1, 3)"),
    ),
    "argument of a registering decorator": (
        "TABLE = {}\ndef plugin(weight):\n    def keep(f):\n        TABLE[f.__name__] = weight\n        return f\n"
        "    return keep\n@plugin(3)\ndef one():\n    return 1\ndef asset():\n    TABLE['y'] = 1\n    return TABLE\n",
        ("plugin(3)", "plugin(4)"),
    ),
    "subclasses": (
        "class Base:\n    pass\nclass One(Base):\n    n = 1\ndef asset():\n"
        "    return [each.n for each in Base.__subclasses__()]\n",
        ("n = 1", "n = 2"),
    ),
    "subclasses of the class that asks": (
        "class Base:\n    @classmethod\n    def every(cls):\n        return cls.__subclasses__()\n"
        "class One(Base):\n    n = 1\ndef asset():\n    return Base.every()\n",
        ("n = 1", "n = 2"),
    ),
    "subclass of a subclass": (
        "class Base:\n    pass\nclass One(Base):\n    pass\nclass Two(One):\n    n = 1\ndef asset():\n"
        "    return Base.__subclasses__()\n",
        ("n = 1", "n = 2"),
    ),
    "subclasses that register themselves": (
        "class Base:\n    known = {}\n    def __init_subclass__(cls):\n        Base.known[cls.__name__] = cls\n"
        "class One(Base):\n    n = 1\ndef asset():\n    return Base.known['One'].n\n",
        ("n = 1", "n = 2"),
    ),
    "instance that says what identifies it": (
        "import io\nclass Client(io.BytesIO):\n    def __fp_key__(self):\n        return 'v1'\nclient = Client()\n"
        "def asset():\n    return client\n",
        ("v1", "v2"),
    ),
    "key set on an instance": (
        "class Client:\n    def __init__(self):\n        self.socket = object()\nclient = Client()\n"
        "client.__fp_key__ = 'v1'\ndef asset():\n    return client\n",
        ("v1", "v2"),
    ),
    "class that says what identifies it": (
        "class Model:\n    __fp_key__ = 'v1'\n    size = 3\ndef asset():\n    return Model.size\n",
        ("v1", "v2"),
    ),
    "class method that says what identifies the class": (
        "class Model:\n    @classmethod\n    def __fp_key__(cls):\n        return 'v1'\ndef asset():\n    return Model\n",
        ("v1", "v2"),
    ),
    "function in a calling object": (
        "import functools\nclass Logged:\n    def __init__(self, f):\n        functools.update_wrapper(self, f)\n"
        "    def __call__(self, x):\n        return self.__wrapped__(x)\n"
        "@Logged\ndef helper(x):\n    return x + 1\ndef asset():\n    return helper(1)\n",
        ("x + 1", "x + 2"),
    ),
    "calling object": (
        "import functools\nclass Logged:\n    def __init__(self, f):\n        functools.update_wrapper(self, f)\n"
        "    def __call__(self, x):\n        return self.__wrapped__(x)\n"
        "@Logged\n@Logged\ndef helper(x):\n    return x + 1\ndef asset():\n    return helper(1)\n",
        ("return self.__wrapped__(x)", "return self.__wrapped__(x) + 1"),
    ),
    "function in a calling object that counts": (
        "import functools\nclass Counted:\n    def __init__(self, f):\n        functools.update_wrapper(self, f)\n"
        "        self.n = 0\n    def __call__(self, x):\n        self.n += 1\n        return self.__wrapped__(x)\n"
        "@Counted\ndef helper(x):\n    return x + 1\ndef asset():\n    return helper(1)\n",
        ("x + 1", "x + 2"),
    ),
    "singledispatchmethod": (
        "import functools\nclass Show:\n    @functools.singledispatchmethod\n    def of(self, x):\n        return 'any'\n"
        "    @of.register\n    def _(self, x: int):\n        return 'int'\ndef asset():\n    return Show().of(1)\n",
        ("'int'", "'integer'"),
    ),
    "singledispatchmethod of anything": (
        "import functools\nclass Show:\n    @functools.singledispatchmethod\n    def of(self, x):\n        return 'any'\n"
        "def asset():\n    return Show().of(1)\n",
        ("'any'", "'all'"),
    ),
    "attrs instance": (
        "import attrs\n@attrs.define\nclass Settings:\n    size: int = 1\nsettings = Settings(2)\n"
        "def asset():\n    return settings.size\n",
        ("Settings(2)", "Settings(3)"),
    ),
    "attrs default": (
        "import attrs\n@attrs.frozen\nclass Settings:\n    size: int = 1\nsettings = Settings()\n"
        "def asset():\n    return settings.size\n",
        ("= 1", "= 2"),
    ),
    "pydantic instance": (
        "import pydantic\nclass Settings(pydantic.BaseModel):\n    size: int = 1\nsettings = Settings(size=2)\n"
        "def asset():\n    return settings.size\n",
        ("size=2", "size=3"),
    ),
    "pydantic constraint": (
        "import pydantic\nclass Settings(pydantic.BaseModel):\n    size: int = pydantic.Field(1, gt=0)\n"
        "def asset():\n    return Settings()\n",
        ("gt=0", "gt=-1"),
    ),
    "wrapped pinned function": (
        "import functools\nfrom nacre.version.code import stable\ndef keep(f):\n    @functools.wraps(f)\n"
        "    def call():\n        return f() + 1\n    return call\n@keep\n@stable\ndef helper():\n    return 1\n"
        "def asset():\n    return helper()\n",
        ("f() + 1", "f() + 2"),
    ),
    "subclass of a pinned class": (
        "from nacre.version.code import stable\n@stable\nclass Top:\n    pass\nclass Model(Top):\n    size = 1\n"
        "def asset():\n    return Model.size\n",
        ("size = 1", "size = 2"),
    ),
}


@pytest.mark.parametrize("claim", COUNTS)
def test_what_a_class_or_registry_holds_counts(claim: str, tmp_path: Path) -> None:
    text, (old, new) = COUNTS[claim]
    assert old in text
    before = identify(tmp_path / "a", text)
    again = identify(tmp_path / "b", "\n# above\n" + text)
    after = identify(tmp_path / "c", text.replace(old, new))
    assert before.digest == again.digest
    assert before.digest != after.digest
    assert before.unknowns == ()
    assert before.warnings == ()
    for part in before.parts:
        if not part.name.startswith("dist "):
            file, _, line = part.place.rpartition(":")
            assert (file, line.isdigit()) == ("pipe.py", True), part


SAME = {
    "class with a key": (
        "class Model:\n    __fp_key__ = 'v1'\n    size = 3\ndef asset():\n    return Model.size\n",
        ("size = 3", "size = 4"),
    ),
    "description of a wrapped function": (
        "import functools\nclass Logged:\n    def __init__(self, f):\n        functools.update_wrapper(self, f)\n"
        "    def __call__(self, x):\n        return self.__wrapped__(x)\n"
        "@Logged\ndef helper(x):\n    'One.'\n    return x + 1\ndef asset():\n    return helper(1)\n",
        ("'One.'", "'Another.'"),
    ),
    "attribute of another class": (
        "class Model:\n    pass\nclass Other:\n    pass\nOther.limit = 3\ndef asset():\n    return Model\n",
        ("limit = 3", "limit = 4"),
    ),
    "a script's own block": (
        "SEEN = {}\ndef fill():\n    SEEN['x'] = 1\ndef asset():\n    return SEEN\nif __name__ == '__main__':\n    fill()\n",
        ("    fill()\n", "    fill()\n    fill()\n"),
    ),
    "a secret": (
        "import pydantic\ntoken = pydantic.SecretStr('a')\ndef asset():\n    return token\n",
        ("'a'", "'b'"),
    ),
}


@pytest.mark.parametrize("claim", SAME)
def test_what_says_nothing_does_not_count(claim: str, tmp_path: Path) -> None:
    text, (old, new) = SAME[claim]
    assert identify(tmp_path / "a", text) == identify(tmp_path / "b", text.replace(old, new))


STATE = {
    "counter of a class": "class Model:\n    n = 0\n    def up(self):\n        type(self).n += 1\n"
    "def asset():\n    Model().up()\n    return Model.n\n",
    "counter on a class": "class Model:\n    n = 0\ndef asset():\n    Model.n += 1\n    return Model.n\n",
    "dict filled at import": "SEEN = {}\ndef fill(n):\n    SEEN[n] = n\nfill(1)\ndef asset():\n    fill(len(SEEN))\n",
    "calling object": "class Counted:\n    def __init__(self, f):\n        self.f, self.n = f, 0\n    def __call__(self):\n"
    "        self.n += 1\n        return self.f()\n@Counted\ndef helper():\n    return 1\ndef asset():\n    return helper()\n",
    "registry of a class": "class Base:\n    known = []\n    def __init__(self):\n        self.known.append(1)\n"
    "def asset():\n    return Base().known\n",
}


@pytest.mark.parametrize("claim", STATE)
def test_what_running_changes_in_a_class_does_not_count(claim: str, tmp_path: Path) -> None:
    with Project(tmp_path, {"pipe.py": STATE[claim]}) as project:
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
