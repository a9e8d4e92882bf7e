"""Edits to a small project: which of them give a function another code version, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from code_project import Project
from nacre.version.code import CodeIdentity

SAME, OTHER = "same", "other"

FILES = {
    "pipeline.py": '''
"""The pipeline."""
import enum
import functools
import os
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial, singledispatch
from typing import TYPE_CHECKING

import fakeframe as ff
import util
from fakeframe import traced
from plugins import PLUGINS, Registry
from steps import LIMIT, clean as tidy
from wrapping import retry

if TYPE_CHECKING:
    from decimal import Decimal

PATTERN = re.compile(r"[a-z]+")
WORDS = {"alpha", "beta", "gamma", "delta"}
SCALE = {"low": 1, "high": 2}
TABLE = {"a": lambda x: x + 1, "b": lambda x: x + 2}
_seen = {}


def make_adder(amount):
    def add(x):
        return x + amount

    return add


add_five = make_adder(5)
halve = partial(util.divide, by=2)


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Base:
    def describe(self):
        return "base"


class Model(Base):
    size = 3

    def run(self, x):
        return x * self.size

    @staticmethod
    def check(x):
        return util.checked(x)

    @cached_property
    def slow(self):
        return 10


@dataclass
class Options:
    depth: int = 2


@singledispatch
def show(x):
    return str(x)


@show.register
def _(x: int):
    return "int"


@retry(times=3)
def fetch(x):
    return x + 7


@traced(level=1)
def framed(x):
    return x + 8


@lru_cache(maxsize=None)
def remembered(x):
    return x * 11


def is_even(n):
    return True if n == 0 else is_odd(n - 1)


def is_odd(n):
    return False if n == 0 else is_even(n - 1)


def lookup(key):
    if key not in _seen:
        _seen[key] = len(key)
    return _seen[key]


def unused(x):
    return x


def report(raw: dict, limit=10, *, width=util.WIDTH):
    """Make the report."""
    from late import RATE

    # a comment
    total = tidy(raw) + util.deep(raw) + LIMIT + util.OFFSET + RATE
    values = [SCALE[k] for k in sorted(SCALE)]
    inner = lambda k: SCALE[k] * 2
    text = f"{total:>10}"
    print("made the report")
    model, options = Model(), Options()
    parts = [fetch(1), framed(2), remembered(3), halve(4), TABLE["a"](5), add_five(6), show(7), is_even(8)]
    parts += [model.run(1), model.describe(), model.check(2), model.slow, options.depth, Level.LOW, lookup("x")]
    parts += [PLUGINS[name](1) for name in PLUGINS] + [PATTERN.match("x"), WORDS, ff.frame(), util.pinned(1)]
    return text, values, inner("low"), parts, os.sep
''',
    "steps.py": '''
from cleaning import strip

LIMIT = 100
IGNORED = 1


def clean(raw):
    """Clean it."""
    return strip(raw) + 1


def untouched():
    return 1
''',
    "cleaning.py": """
def strip(raw, sign=1):
    return len(raw) * sign
""",
    "util.py": """
import nacre.version.code as nacre_code

WIDTH = 80
OFFSET = 5
FACTOR = 2


def deep(raw):
    return deeper(raw) + FACTOR


def deeper(raw):
    return len(raw)


def divide(x, by):
    return x / by


def checked(x):
    return x > 0


@nacre_code.stable(version=1)
def pinned(x):
    return x + 1
""",
    "late.py": "RATE = 0.5\n",
    "plugins.py": """
class Registry(dict):
    pass


PLUGINS = {}


def plugin(function):
    PLUGINS[function.__name__] = function
    return function


@plugin
def first(x):
    return x + 1
""",
    "wrapping.py": """
import functools


def retry(times):
    def decorate(function):
        @functools.wraps(function)
        def call(*args):
            for _ in range(times):
                return function(*args)

        return call

    return decorate
""",
    "site-packages/fakeframe.py": """
import functools


def frame():
    return "frame"


def traced(level):
    def decorate(function):
        @functools.wraps(function)
        def call(*args):
            return function(*args)

        return call

    return decorate
""",
    "site-packages/fakeframe-3.1.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: fakeframe\nVersion: 3.1.4\n",
}

P, S, C, U, R, W = "pipeline.py", "steps.py", "cleaning.py", "util.py", "plugins.py", "wrapping.py"
FRAME = "site-packages/fakeframe.py"
META = "site-packages/fakeframe-3.1.4.dist-info/METADATA"

EDITS = [
    # number and claim of the acceptance table, expectation, file, old text, new text
    ("1 nothing", SAME, P, "", ""),
    ("2 comment in asset", SAME, P, "# a comment", "# another comment"),
    ("3 docstring of asset", SAME, P, '"""Make the report."""', '"""Report, made."""'),
    ("3 docstring removed", SAME, P, '"""Make the report."""', "pass"),
    ("4 docstring of helper", SAME, S, '"""Clean it."""', '"""Cleaner."""'),
    ("5 reformatting", SAME, P, "fetch(1), framed(2)", "fetch(\n        1\n    ),\n\n    framed(2)"),
    ("6 quote style", SAME, P, 'print("made the report")', "print('made the report')"),
    ("6 redundant parentheses", SAME, P, "return x * 11", "return (x * (11))"),
    ("7 lines inserted above", SAME, P, "PATTERN =", "\n\n# more\n\nPATTERN ="),
    ("8 unused helper", SAME, P, "def unused(x):\n    return x", "def unused(x):\n    return x + 1"),
    ("9 unused constant of an imported module", SAME, S, "IGNORED = 1", "IGNORED = 2"),
    (
        "10 new function in helper module",
        SAME,
        S,
        "def untouched",
        "def added():\n    return 2\n\n\ndef untouched",
    ),
    ("11 unused import", SAME, P, "import enum\n", "import enum\nimport json\n"),
    ("11 imports reordered", SAME, P, "import enum\nimport functools", "import functools\nimport enum"),
    (
        "12 annotation on a helper",
        SAME,
        C,
        "def strip(raw, sign=1):",
        "def strip(raw: dict, sign: int = 1) -> int:",
    ),
    ("12 annotated local", SAME, P, "text = f", "text: str = f"),
    ("13 TYPE_CHECKING block", SAME, P, "from decimal import Decimal", "from fractions import Fraction"),
    (
        "17 body of a pinned helper",
        SAME,
        U,
        "def pinned(x):\n    return x + 1",
        "def pinned(x):\n    return x + 2",
    ),
    ("18 third-party patch release", SAME, META, "3.1.4\n", "3.1.5\n"),
    ("19 third-party source at the same version", SAME, FRAME, '"frame"', '"other"'),
    ("20 asset body", OTHER, P, "+ LIMIT + util", "- LIMIT + util"),
    ("21 asset default argument", OTHER, P, "limit=10", "limit=11"),
    ("22 local variable renamed", OTHER, P, "inner", "within"),
    ("23 direct helper", OTHER, S, "strip(raw) + 1", "strip(raw) + 2"),
    ("24 helper of helper", OTHER, C, "len(raw) * sign", "len(raw) + sign"),
    ("25 helper by module attribute", OTHER, U, "deeper(raw) + FACTOR", "deeper(raw) - FACTOR"),
    ("25 helper of that helper", OTHER, U, "    return len(raw)", "    return len(raw) + 1"),
    ("25 constant of that helper", OTHER, U, "FACTOR = 2", "FACTOR = 3"),
    ("26 constant by from-import", OTHER, S, "LIMIT = 100", "LIMIT = 101"),
    ("27 constant by module attribute", OTHER, U, "OFFSET = 5", "OFFSET = 6"),
    ("28 constant imported inside", OTHER, "late.py", "0.5", "0.6"),
    ("29 module dict read by an inner lambda", OTHER, P, '"low": 1', '"low": 3'),
    ("30 default bound to a global", OTHER, U, "WIDTH = 80", "WIDTH = 81"),
    ("30 helper default", OTHER, C, "sign=1", "sign=2"),
    ("31 method of a used class", OTHER, P, "x * self.size", "x + self.size"),
    ("32 method of a base class", OTHER, P, '"base"', '"basis"'),
    ("33 class attribute", OTHER, P, "size = 3", "size = 4"),
    ("34 function called by a static method only", OTHER, U, "x > 0", "x > 1"),
    ("35 dataclass field default", OTHER, P, "depth: int = 2", "depth: int = 3"),
    ("36 dataclass field annotation", OTHER, P, "depth: int = 2", "depth: float = 2"),
    ("37 enum member value", OTHER, P, "LOW = 1", "LOW = 9"),
    ("38 regex global", OTHER, P, "[a-z]+", "[a-z]*"),
    ("39 decorator argument", OTHER, P, "times=3", "times=4"),
    ("40 message text", OTHER, P, "made the report", "made a report"),
    ("41 decorator body", OTHER, W, "return function(*args)", "return function(*args) + 1"),
    ("42 decorated function body", OTHER, P, "x + 7", "x + 70"),
    ("43 decorator removed", OTHER, P, "@retry(times=3)\n", ""),
    ("44 lru_cache helper", OTHER, P, "x * 11", "x * 12"),
    ("45 partial keyword", OTHER, P, "by=2", "by=3"),
    ("46 one of two lambdas on a line", OTHER, P, "lambda x: x + 2", "lambda x: x + 3"),
    ("47 closure cell", OTHER, P, "make_adder(5)", "make_adder(6)"),
    ("48 closure function", OTHER, P, "return x + amount", "return x - amount"),
    ("49 partner in mutual recursion", OTHER, P, "False if n == 0", "False if n == 1"),
    ("50 f-string format", OTHER, P, "{total:>10}", "{total:>11}"),
    ("51 async added", OTHER, C, "def strip", "async def strip"),
    ("51 yield added", OTHER, C, "return len(raw)", "yield len(raw)"),
    ("52 third-party minor release", OTHER, META, "3.1.4\n", "3.2.0\n"),
    ("53 pinned version", OTHER, U, "version=1", "version=2"),
    ("54 literal 1 to 1.0", OTHER, S, "strip(raw) + 1", "strip(raw) + 1.0"),
    ("55 singledispatch implementation", OTHER, P, '"int"', '"integer"'),
    (
        "56 plugin in a registry",
        OTHER,
        R,
        "def first(x):\n    return x + 1",
        "def first(x):\n    return x + 2",
    ),
    ("57 function under a third-party decorator", OTHER, P, "x + 8", "x + 9"),
    ("58 third-party decorator argument", OTHER, P, "level=1", "level=2"),
    ("59 cached_property", OTHER, P, "return 10", "return 12"),
    ("60 new plugin", OTHER, R, "@plugin", "@plugin\ndef second(x):\n    return x\n\n\n@plugin"),
    ("64 annotation of the asset", OTHER, P, "raw: dict", "raw: list"),
    ("initial value of state", OTHER, P, "_seen = {}", "_seen = {'x': 1}"),
    ("set constant", OTHER, P, '"delta"}', '"epsilon"}'),
]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> CodeIdentity:
    with Project(tmp_path_factory.mktemp("baseline"), FILES) as project:
        return project.identify("pipeline", "report")


@pytest.mark.parametrize(("claim", "expected", "file", "old", "new"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_gives_another_code_version_only_where_it_matters(
    claim: str, expected: str, file: str, old: str, new: str, tmp_path: Path, baseline: CodeIdentity
) -> None:
    """Each row of the acceptance table: must it run again?"""
    assert old in FILES[file], claim
    with Project(tmp_path, FILES | {file: FILES[file].replace(old, new)}) as project:
        edited = project.identify("pipeline", "report")
    assert (edited.digest == baseline.digest) == (expected == SAME)
    if expected == OTHER:
        assert set(edited.parts) != set(baseline.parts)
