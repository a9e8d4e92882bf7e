"""A small project whose function ``report`` reaches code in every way that the acceptance table names."""

from __future__ import annotations

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
    return repr((text, values, inner("low"), parts, os.sep))
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
    def later():
        return sign

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
