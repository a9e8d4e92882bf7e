"""Golden code versions: the same on every Python, in every process, checkout and hash seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import nacre

# Name to source of ``asset``, and its code version. A changed digest means that every asset runs again: raise FORMAT in
# code.py with it.
GOLDEN = {
    "everything": (
        """
        import math
        import re
        from dataclasses import dataclass

        NAMES = {"b", "a", "c"}
        WORD = re.compile("[a-z]+", re.I)


        @dataclass(frozen=True)
        class Point:
            x: float = 0.5

            def scaled(self, by: int) -> "Point":
                return Point(self.x * by)


        def label(point, *, digits=2):
            '''Write it.'''
            match point:
                case Point(x=0):
                    return f"zero{'!'}"
                case _:
                    return f"x={point.x!r:>{digits}} {point.x=:.3f} {math.pi:g}"


        async def asset(rows: list[dict], start: int = 1):
            seen = [label(Point(row["x"]).scaled(start)) for row in rows if row["x"] not in NAMES]
            pairs = {k: v for k, v in zip(seen, rows)}
            try:
                return sorted(pairs, key=lambda k: (-len(k), WORD.match(k))), 1e-3, 2**70, b"\\x00", "\\u2028 é"
            except* ValueError as group:
                raise group from None
        """,
        "f43605195a60468e73e76f21d2d500b4f9a559e406e36106fdefcd599d7a1f09",
    ),
    "names read in inlined comprehensions": (
        """
        x, limit, names, table = 1, 2, ["a"], {"a": 1}


        def add(y):
            return y + limit


        def asset(rows):
            x = [add(x) for x in rows if x < limit]
            pairs = {name: [table[k] for k in names] for name in names}
            seen = {y for y in rows if (last := y)}
            return x, pairs, seen, last, sum(add(each) for each in rows)
        """,
        "ff9bca63d74a0381d89a1536577f4980f33eb5b5167440fe6f5ffc4a08bc3164",
    ),
    "names read in lambdas and nested functions": (
        """
        offset, scale = 1, 2


        def asset(rows):
            def inner(n, by=offset):
                return (lambda m: m * scale + n)(by)

            def counter():
                nonlocal rows
                rows = [*rows, inner(1)]
                return rows

            return [lambda: inner(each) for each in counter()]
        """,
        "ba9d419658d83990c5813761baec4c3f3476bff2f6c90a81382d515423368fe2",
    ),
    "names read in class bodies": (
        """
        import enum
        from typing import NamedTuple

        sizes = [1, 2]
        factor = 3


        class Model:
            wanted = [size * factor for size in sizes]
            first, *rest = sizes

            class Inner:
                depth = factor

            def of(self, n=factor):
                return super().__eq__(n), __class__, self.Inner.depth


        class Level(enum.IntFlag):
            LOW = 1
            HIGH = LOW << factor


        class Row(NamedTuple):
            a: int
            b: str = "b"


        def asset():
            class Local(Model):
                extra = factor

            return Local().of(), Level.HIGH, Row(1)
        """,
        "6a66bf83772b6d30f718cb7a78bf8c2de28d6cc0f8ba63dedc59255167309726",
    ),
    "names read in match statements": (
        """
        import enum

        key = "kind"


        class Kind(enum.Enum):
            A = "a"
            B = "b"


        def asset(row):
            match row:
                case {"kind": Kind.A, **rest}:
                    return rest
                case [first, *others] if first == key:
                    return others
                case (1 | 2) as found:
                    return found
                case _:
                    return None
        """,
        "c06cebbd150b722a1fe53378d422f34f3ef4676086938bf98a8148919f9219e6",
    ),
    "classes made by calls": (
        """
        from collections import namedtuple
        from dataclasses import make_dataclass
        from enum import Enum
        from typing import TypedDict

        Color = Enum("Color", "RED GREEN")
        Pair = namedtuple("Pair", "a b", defaults=[1])
        Made = make_dataclass("Made", [("a", int), ("b", str, "x")])
        Row = TypedDict("Row", {"a": int}, total=False)


        class Top(TypedDict):
            a: int


        class Below(Top):
            b: list[int]


        def asset():
            return Color.RED, Pair(2), Made(1), Row(a=1), Below(a=1, b=[])
        """,
        "d6a101231a861bb4e67237639e66f211fed88bfdb932265c26beadbced9b3f56",
    ),
}
#: The same for what Python 3.11 cannot parse.
GOLDEN_FROM_3_12 = {
    "type parameters": (
        """
        type Pair[T] = tuple[T, T]
        limit = 3


        class Box[T]:
            size = limit

            def hold[S](self, x: S) -> tuple[S, T]:
                return x, self.size


        def asset[T: (int, str)](rows: list[T]) -> Pair[T]:
            return Box[T]().hold([x for x in rows if x != limit])
        """,
        "a197790e1bdd29d7daf612b8b380ece22852bd35bd25cae6097373b19256c3d6",
    ),
    "quotes inside f-strings": (
        """
        table = {"a": 1}


        def asset(x):
            return f"{table["a"]:>{x}} {f"{x!r}"} {x = }"
        """,
        "3d516f4b8769d563e3940dcba790330f05ae77263619056112972254f554d4e9",
    ),
}
#: Case to an edit of it that must count on every Python.
EDITS = {
    "names read in inlined comprehensions": (
        "x, limit, names, table = 1, 2,",
        "x, limit, names, table = 1, 3,",
    ),
    "names read in lambdas and nested functions": ("offset, scale = 1, 2", "offset, scale = 1, 3"),
    "names read in class bodies": ("factor = 3", "factor = 4"),
    "names read in match statements": ('A = "a"', 'A = "c"'),
    "classes made by calls": ('("b", str, "x")', '("b", str, "y")'),
}
PYTHONS = ("3.11", "3.12", "3.13")
IDENTIFY = """
import sys
from nacre.version.code import CodeVersions
from {module} import asset
found = CodeVersions([{root!r}]).identify(asset)
print(found.digest, *found.unknowns, *found.warnings)
"""


def python(version: str) -> str:
    """Find an interpreter that has what code versions need; the test is skipped where there is none."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"no python{version} on PATH")
    if subprocess.run([found, "-c", "import blake3"], capture_output=True, check=False).returncode:
        pytest.skip(f"python{version} has no blake3")
    return found


def identify(executable: str, folder: Path, texts: dict[str, str], seed: str = "0") -> dict[str, str]:
    """Identify ``asset`` of each text in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    script = ""
    for at, text in enumerate(texts.values()):
        (folder / f"golden_{at}.py").write_text(dedent(text), encoding="utf-8")
        script += IDENTIFY.format(module=f"golden_{at}", root=str(folder))
    source = str(Path(nacre.__file__).parent.parent)
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{source}{os.pathsep}{folder}"}
    command = [executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(texts, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("version", PYTHONS)
def test_the_version_is_the_same_on_every_python(version: str, tmp_path: Path) -> None:
    cases = GOLDEN | (GOLDEN_FROM_3_12 if version != "3.11" else {})
    found = identify(python(version), tmp_path, {name: text for name, (text, _) in cases.items()})
    assert found == {name: digest for name, (_, digest) in cases.items()}


@pytest.mark.parametrize("version", PYTHONS)
def test_a_name_that_is_read_counts_on_every_python(version: str, tmp_path: Path) -> None:
    edited = {name: GOLDEN[name][0].replace(*edit) for name, edit in EDITS.items()}
    assert all(edited[name] != GOLDEN[name][0] for name in EDITS)
    found = identify(python(version), tmp_path, edited)
    assert [name for name in EDITS if found[name] == GOLDEN[name][1]] == []


def test_the_version_is_the_same_in_another_checkout_and_hash_seed(tmp_path: Path) -> None:
    texts = {name: text for name, (text, _) in GOLDEN.items()}
    one = identify(sys.executable, tmp_path / "one", texts, seed="1")
    assert one == identify(sys.executable, tmp_path / "other" / "deeper", texts, seed="2")


def test_the_version_is_the_same_in_a_script(tmp_path: Path) -> None:
    text = dedent(GOLDEN["everything"][0])
    script = "from nacre.version.code import CodeVersions\nprint(CodeVersions([{!r}]).identify(asset).digest)"
    main = f"if __name__ == '__main__':\n    exec({script.format(str(tmp_path))!r})\n"
    (tmp_path / "script.py").write_text(f"{text}\n\n{main}", encoding="utf-8")
    source = str(Path(nacre.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == GOLDEN["everything"][1]
