"""Parsed source files take much room; letting go of them changes no code version."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from nacre.encoding import digest
from nacre.version.code import CodePart, CodeVersions

BEFORE = "def one():\n    return 1\n\n\ndef two():\n    return one() + 1\n"


def test_forgotten_trees_are_parsed_again_from_the_bytes_that_were_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "asked_late.py"
    file.write_text(BEFORE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("asked_late")
    monkeypatch.delitem(sys.modules, "asked_late")
    expected = CodeVersions([str(tmp_path)]).identify(module.two)

    versions = CodeVersions([str(tmp_path)])
    versions.identify(module.one)
    versions.forget_trees()
    file.write_text("def one():\n    return 2\n")

    assert versions.identify(module.two) == expected


def test_code_in_another_language_is_what_it_says_it_consists_of() -> None:
    class Query:
        def __init__(self, sql: str) -> None:
            self.__nacre_code__ = (CodePart("orders", "models/orders.sql", digest("sql", sql)),)

        def __call__(self) -> None: ...

    one, same, other = (CodeVersions([]).identify(Query(sql)) for sql in ("select 1", "select 1", "select 2"))
    assert one == same
    assert one.digest != other.digest
    assert [(part.name, part.place) for part in other.parts] == [("orders", "models/orders.sql")]
