"""The text of definitions: what is kept of a source file, what is hidden, and how two texts differ."""

from __future__ import annotations

from textwrap import dedent

import pytest

from nacre.version.fingerprint import HIDDEN
from nacre.version.snippet import difference, snippets, text_at, value_of

SOURCE = dedent(
    '''\
    import os

    LIMIT = 3
    rate: float = 0.5


    def outer(x):
        def inner(y):
            return y
        return inner(x)


    @decorated
    class Shop:
        """Sells."""

        price = 3

        def sell(self, n):
            total = n * self.price
            return total

    if os.name:
        LATE = [
            1,
        ]
    '''
)


def test_functions_methods_classes_and_constants_are_kept_by_their_line() -> None:
    found = snippets(SOURCE.encode())
    assert found["3"] == "LIMIT = 3"
    assert found["4"] == "rate: float = 0.5"
    assert found["7"].startswith("def outer(x):\n    def inner(y):")
    assert found["19"].endswith("return total")
    assert found["24"] == "    LATE = [\n        1,\n    ]"
    assert set(found) == {"3", "4", "7", "14", "19", "24"}


def test_a_class_is_kept_without_what_is_in_its_methods() -> None:
    shop = snippets(SOURCE.encode())["14"]
    assert shop.startswith("@decorated\nclass Shop:")
    assert "def sell(self, n):\n        ..." in shop
    assert "total" not in shop


@pytest.mark.parametrize(
    "line",
    [
        'API_TOKEN = "abc"',
        'db_password: str = "abc"',
        'SETTINGS = {"api_key": "abc"}',
        'PRIVATE = "abc"',
        f"TABLE = {list(range(1000))}",
    ],
)
def test_what_looks_like_a_secret_or_is_very_long_keeps_its_name_only(line: str) -> None:
    (text,) = snippets(line.encode()).values()
    assert text.endswith(f" = {HIDDEN}")
    assert "abc" not in text
    assert "999" not in text


def test_an_author_is_no_secret() -> None:
    assert snippets(b'AUTHOR = "Ada"') == {"1": 'AUTHOR = "Ada"'}


@pytest.mark.parametrize("data", [b"def (", b"\xff\xfe", b"x = '\x00'", b""])
def test_what_is_no_python_has_no_definitions(data: bytes) -> None:
    assert snippets(data) == {}


def test_a_line_inside_a_definition_gives_the_definition() -> None:
    texts = snippets(SOURCE.encode())
    assert text_at(texts, "8") == texts["7"]
    assert text_at(texts, "3") == "LIMIT = 3"
    assert text_at(texts, "5") == text_at(texts, "1") == text_at(texts, "") == ""


def test_two_texts_are_compared_by_line_whatever_their_indentation() -> None:
    assert difference("    def f():\n        return 1", "def f():\n    return 2") == (
        " def f():\n-    return 1\n+    return 2"
    )
    assert difference("x = 1", "x = 1") == ""
    assert difference("", "x = 1") == "+x = 1"
    far = [f"line {n}" for n in range(20)]
    assert "\n …\n" in difference("\n".join(far), "\n".join(["first", *far[1:-1], "last"]))


def test_what_a_short_statement_assigns_is_its_value() -> None:
    assert value_of("LIMIT = 100") == "100"
    assert value_of("rate: float = 0.5") == "0.5"
    assert value_of("def f(x = 1): return x") == ""
    assert value_of("A = [\n1]") == ""
