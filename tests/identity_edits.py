"""Edits of the small project, and why each must or must not have its asset ``report`` made again."""

from __future__ import annotations

from typing import NamedTuple

from identity_project import FILES

P, S, C, U, R, W = "pipeline.py", "steps.py", "cleaning.py", "util.py", "plugins.py", "wrapping.py"
FRAME = "site-packages/fakeframe.py"
META = "site-packages/fakeframe-3.1.4.dist-info/METADATA"


class Edit(NamedTuple):
    """One row of the acceptance table.

    Args:
        claim: Its number and what is edited.
        file: Where.
        old: Text of the file.
        new: What stands there instead.
        reason: Why the asset must be made again; empty where it must not.
    """

    claim: str
    file: str
    old: str
    new: str
    reason: str = ""

    def applied(self) -> dict[str, str]:
        """Give the files of the edited project; a release of a library is another folder, as pip makes it."""
        assert self.old in FILES[self.file], self.claim
        edited = FILES | {self.file: FILES[self.file].replace(self.old, self.new)}
        if self.file == META:
            edited[META.replace("3.1.4", self.new.strip())] = edited.pop(META)
        return edited


EDITS = [
    Edit("1 nothing", P, "", ""),
    Edit("2 comment in asset", P, "# a comment", "# another comment"),
    Edit("3 docstring of asset", P, '"""Make the report."""', '"""Report, made."""'),
    Edit("3 docstring removed", P, '"""Make the report."""', "pass"),
    Edit("4 docstring of helper", S, '"""Clean it."""', '"""Cleaner."""'),
    Edit("5 reformatting", P, "fetch(1), framed(2)", "fetch(\n        1\n    ),\n\n    framed(2)"),
    Edit("6 quote style", P, 'print("made the report")', "print('made the report')"),
    Edit("6 redundant parentheses", P, "return x * 11", "return (x * (11))"),
    Edit("7 lines inserted above", P, "PATTERN =", "\n\n# more\n\nPATTERN ="),
    Edit("8 unused helper", P, "def unused(x):\n    return x", "def unused(x):\n    return x + 1"),
    Edit("9 unused constant of an imported module", S, "IGNORED = 1", "IGNORED = 2"),
    Edit(
        "10 new function in helper module",
        S,
        "def untouched",
        "def added():\n    return 2\n\n\ndef untouched",
    ),
    Edit("11 unused import", P, "import enum\n", "import enum\nimport json\n"),
    Edit("11 imports reordered", P, "import enum\nimport functools", "import functools\nimport enum"),
    Edit(
        "12 annotation on a helper",
        C,
        "def strip(raw, sign=1):",
        "def strip(raw: dict, sign: int = 1) -> int:",
    ),
    Edit("12 annotated local", P, "text = f", "text: str = f"),
    Edit("13 TYPE_CHECKING block", P, "from decimal import Decimal", "from fractions import Fraction"),
    Edit(
        "17 body of a pinned helper",
        U,
        "def pinned(x):\n    return x + 1",
        "def pinned(x):\n    return x + 2",
    ),
    Edit("18 third-party patch release", META, "3.1.4\n", "3.1.5\n"),
    Edit("19 third-party source at the same version", FRAME, '"frame"', '"other"'),
    Edit(
        "20 asset body",
        P,
        "+ LIMIT + util",
        "- LIMIT + util",
        "code changed: `report` (pipeline.py:112) changed",
    ),
    Edit(
        "21 asset default argument",
        P,
        "limit=10",
        "limit=11",
        "code changed: `report` (pipeline.py:112) changed",
    ),
    Edit(
        "22 local variable renamed", P, "inner", "within", "code changed: `report` (pipeline.py:112) changed"
    ),
    Edit(
        "23 direct helper",
        S,
        "strip(raw) + 1",
        "strip(raw) + 2",
        "code changed: `clean` (steps.py:8) changed",
    ),
    Edit(
        "24 helper of helper",
        C,
        "len(raw) * sign",
        "len(raw) + sign",
        "code changed: `strip` (cleaning.py:2) changed",
    ),
    Edit(
        "25 helper by module attribute",
        U,
        "deeper(raw) + FACTOR",
        "deeper(raw) - FACTOR",
        "code changed: `deep` (util.py:9) changed",
    ),
    Edit(
        "25 helper of that helper",
        U,
        "    return len(raw)",
        "    return len(raw) + 1",
        "code changed: `deeper` (util.py:13) changed",
    ),
    Edit(
        "25 constant of that helper",
        U,
        "FACTOR = 2",
        "FACTOR = 3",
        "code changed: `FACTOR` (util.py:6) changed",
    ),
    Edit(
        "26 constant by from-import",
        S,
        "LIMIT = 100",
        "LIMIT = 101",
        "code changed: `LIMIT` (steps.py:4) changed",
    ),
    Edit(
        "27 constant by module attribute",
        U,
        "OFFSET = 5",
        "OFFSET = 6",
        "code changed: `OFFSET` (util.py:5) changed",
    ),
    Edit("28 constant imported inside", "late.py", "0.5", "0.6", "code changed: `RATE` (late.py:1) changed"),
    Edit(
        "29 module dict read by an inner lambda",
        P,
        '"low": 1',
        '"low": 3',
        "code changed: `SCALE` (pipeline.py:23) changed",
    ),
    Edit(
        "30 default bound to a global",
        U,
        "WIDTH = 80",
        "WIDTH = 81",
        "code changed: `report` (pipeline.py:112) changed",
    ),
    Edit("30 helper default", C, "sign=1", "sign=2", "code changed: `strip` (cleaning.py:2) changed"),
    Edit(
        "31 method of a used class",
        P,
        "x * self.size",
        "x + self.size",
        "code changed: `Model.run` (pipeline.py:52) changed",
    ),
    Edit(
        "32 method of a base class",
        P,
        '"base"',
        '"basis"',
        "code changed: `Base.describe` (pipeline.py:45) changed",
    ),
    Edit("33 class attribute", P, "size = 3", "size = 4", "code changed: `Model` (pipeline.py:49) changed"),
    Edit(
        "34 function called by a static method only",
        U,
        "x > 0",
        "x > 1",
        "code changed: `checked` (util.py:21) changed",
    ),
    Edit(
        "35 dataclass field default",
        P,
        "depth: int = 2",
        "depth: int = 3",
        "code changed: `Options` (pipeline.py:65) changed",
    ),
    Edit(
        "36 dataclass field annotation",
        P,
        "depth: int = 2",
        "depth: float = 2",
        "code changed: `Options` (pipeline.py:65) changed",
    ),
    Edit("37 enum member value", P, "LOW = 1", "LOW = 9", "code changed: `Level` (pipeline.py:39) changed"),
    Edit("38 regex global", P, "[a-z]+", "[a-z]*", "code changed: `PATTERN` (pipeline.py:21) changed"),
    Edit(
        "39 decorator argument",
        P,
        "times=3",
        "times=4",
        "code changed: `fetch` (pipeline.py:80) changed (and 1 more change)",
    ),
    Edit(
        "40 message text",
        P,
        "made the report",
        "made a report",
        "code changed: `report` (pipeline.py:112) changed",
    ),
    Edit(
        "41 decorator body",
        W,
        "return function(*args)",
        "return function(*args) + 1",
        "code changed: `retry` (wrapping.py:5) changed (and 1 more change)",
    ),
    Edit(
        "42 decorated function body", P, "x + 7", "x + 70", "code changed: `fetch` (pipeline.py:80) changed"
    ),
    Edit(
        "43 decorator removed",
        P,
        "@retry(times=3)\n",
        "",
        "code changed: `fetch` (pipeline.py:79) changed (and 2 more changes)",
    ),
    Edit("44 lru_cache helper", P, "x * 11", "x * 12", "code changed: `remembered` (pipeline.py:90) changed"),
    Edit("45 partial keyword", P, "by=2", "by=3", "code changed: `halve` (pipeline.py:36) changed"),
    Edit(
        "46 one of two lambdas on a line",
        P,
        "lambda x: x + 2",
        "lambda x: x + 3",
        "code changed: `pipeline.<lambda> (2)` (pipeline.py:24) changed",
    ),
    Edit(
        "47 closure cell",
        P,
        "make_adder(5)",
        "make_adder(6)",
        "code changed: `make_adder.<locals>.add` (pipeline.py:29) changed",
    ),
    Edit(
        "48 closure function",
        P,
        "return x + amount",
        "return x - amount",
        "code changed: `make_adder.<locals>.add` (pipeline.py:29) changed",
    ),
    Edit(
        "49 partner in mutual recursion",
        P,
        "False if n == 0",
        "False if n == 1",
        "code changed: `is_odd` (pipeline.py:98) changed",
    ),
    Edit(
        "50 f-string format",
        P,
        "{total:>10}",
        "{total:>11}",
        "code changed: `report` (pipeline.py:112) changed",
    ),
    Edit(
        "51 async added", C, "def later", "async def later", "code changed: `strip` (cleaning.py:2) changed"
    ),
    Edit("51 yield added", C, "return sign", "yield sign", "code changed: `strip` (cleaning.py:2) changed"),
    Edit("52 third-party minor release", META, "3.1.4\n", "3.2.0\n", "fakeframe changed: 3.1 → 3.2"),
    Edit(
        "53 pinned version", U, "version=1", "version=2", "code changed: `stable pinned` (util.py:26) changed"
    ),
    Edit(
        "54 literal 1 to 1.0",
        S,
        "strip(raw) + 1",
        "strip(raw) + 1.0",
        "code changed: `clean` (steps.py:8) changed",
    ),
    Edit(
        "55 singledispatch implementation",
        P,
        '"int"',
        '"integer"',
        "code changed: `_` (pipeline.py:75) changed",
    ),
    Edit(
        "56 plugin in a registry",
        R,
        "def first(x):\n    return x + 1",
        "def first(x):\n    return x + 2",
        "code changed: `first` (plugins.py:15) changed",
    ),
    Edit(
        "57 function under a third-party decorator",
        P,
        "x + 8",
        "x + 9",
        "code changed: `framed` (pipeline.py:85) changed",
    ),
    Edit(
        "58 third-party decorator argument",
        P,
        "level=1",
        "level=2",
        "code changed: `framed` (pipeline.py:85) changed",
    ),
    Edit(
        "59 cached_property",
        P,
        "return 10",
        "return 12",
        "code changed: `Model.slow` (pipeline.py:60) changed",
    ),
    Edit(
        "60 new plugin",
        R,
        "@plugin",
        "@plugin\ndef second(x):\n    return x\n\n\n@plugin",
        "code changed: `PLUGINS` (plugins.py:6) changed (and 1 more change)",
    ),
    Edit(
        "64 annotation of the asset",
        P,
        "raw: dict",
        "raw: object",
        "code changed: `report` (pipeline.py:112) changed",
    ),
    Edit(
        "initial value of state",
        P,
        "_seen = {}",
        "_seen = {'x': 1}",
        "code changed: `_seen` (pipeline.py:25) changed",
    ),
    Edit("set constant", P, '"delta"}', '"epsilon"}', "code changed: `WORDS` (pipeline.py:22) changed"),
]
