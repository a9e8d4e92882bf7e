"""The memo of code versions: what it spares a new process, and what must never come from it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent
from types import FrameType

import pytest

from code_project import Project
from nacre.declare.task import Task
from nacre.errors import UnknownCode
from nacre.store.codec import decode
from nacre.store.memory import MemoryRecords
from nacre.store.records import Sources
from nacre.survey.codes import Codes, RememberedCode

HEAD = "from nacre import materialize\nimport tools\n\n"
TOOLS = "LIMIT = 3\n\ndef helper():\n    return LIMIT\n\nclass Model:\n    size = 1\n"
ASSET = "@materialize('asset://{name}'{options})\ndef {name}():\n    return tools.helper()\n\n"


def module(**options: str) -> dict[str, str]:
    """Write a module with one asset for each name, and its options."""
    text = "".join(
        ASSET.format(name=name, options=f", {given}" * bool(given)) for name, given in options.items()
    )
    return {"pipe.py": HEAD + text, "tools.py": TOOLS}


class Walked:
    """Counts the calls of what walks code while active."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def _seen(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "/nacre/version/" in frame.f_code.co_filename:
            self.calls[frame.f_code.co_qualname] += 1

    def __enter__(self) -> Walked:
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def test_a_warm_project_parses_no_file_and_walks_no_function(tmp_path: Path) -> None:
    names = {f"a{n}": "" for n in range(200)}
    records = MemoryRecords()
    with Project(tmp_path, module(**names)) as project:
        pipe = project.load("pipe")
        tasks = [getattr(pipe, name) for name in names]
        cold, warm = Codes(records, [str(tmp_path)]), Codes(records, [str(tmp_path)])
        with Walked() as first:
            cold.prepare(tasks)
        cold.save()
        with Walked() as second:
            warm.prepare(tasks)
        assert first.calls["SourceFile.__init__"] == 2, "each file is parsed once"
        assert first.calls["Closure._function"] == 201, "each function is walked once, however many use it"
        assert second.calls.total() == 0
        assert all(isinstance(warm.of(task), RememberedCode) for task in tasks)
        assert [warm.of(task).digest for task in tasks] == [cold.of(task).digest for task in tasks]
        assert warm.of(tasks[0]).parts == cold.of(tasks[0]).parts


def test_the_text_of_a_file_is_encoded_once_however_many_steps_bring_it(tmp_path: Path) -> None:
    with Project(tmp_path, module(a="", b="")) as project:
        pipe = project.load("pipe")
        codes = Codes(MemoryRecords(), [str(tmp_path)])
        codes.prepare([pipe.a, pipe.b])
        first = {file: codes.text_record(file) for file in codes.sources(pipe.a)}
        assert set(first) == {"pipe.py", "tools.py"}
        assert all(codes.text_record(file) is first[file] for file in codes.sources(pipe.b))
        assert decode(first["tools.py"], Sources).texts == codes.texts("tools.py")


NEVER_REMEMBERED = {
    "pinned": "code='pinned:1'",
    "deps": "deps=[tools.Model]",
    "ignore": "ignore=[tools.helper]",
}


@pytest.mark.parametrize("case", NEVER_REMEMBERED)
def test_what_options_say_of_code_never_comes_from_the_memo(case: str, tmp_path: Path) -> None:
    records = MemoryRecords()
    with Project(tmp_path, module(plain="", a=NEVER_REMEMBERED[case])) as project:
        pipe = project.load("pipe")
        plain = Task(pipe.a.fn, pipe.plain.options, pipe.a.assets)
        first, second = Codes(records, [str(tmp_path)]), Codes(records, [str(tmp_path)])
        first.prepare([plain, pipe.a])
        first.save()
        second.prepare([plain, pipe.a])
        assert isinstance(second.of(plain), RememberedCode)
        assert second.of(pipe.a) == first.of(pipe.a)
        assert second.of(pipe.a).digest != second.of(plain).digest


def versions(folder: Path, files: dict[str, str]) -> str:
    with Project(folder, files) as project:
        return Codes(MemoryRecords(), [str(folder)]).of(project.load("pipe").a).digest


def test_a_pinned_asset_keeps_its_version_whatever_its_code_becomes(tmp_path: Path) -> None:
    files = module(a="code='pinned:1'")
    edited = files | {"tools.py": TOOLS.replace("3", "4")}
    raised = module(a="code='pinned:2'")
    assert versions(tmp_path / "a", files) == versions(tmp_path / "b", edited)
    assert versions(tmp_path / "a", files) != versions(tmp_path / "c", raised)


def test_a_dependency_counts_as_if_it_were_used(tmp_path: Path) -> None:
    files = module(a="deps=[tools.Model]")
    plain, edited = module(a=""), {"tools.py": TOOLS.replace("size = 1", "size = 2")}
    assert versions(tmp_path / "a", files) != versions(tmp_path / "b", files | edited)
    assert versions(tmp_path / "c", plain) == versions(tmp_path / "d", plain | edited)


def test_what_is_ignored_may_change(tmp_path: Path) -> None:
    files = module(a="ignore=[tools.helper]")
    edited = files | {"tools.py": TOOLS.replace("3", "4")}
    assert versions(tmp_path / "a", files) == versions(tmp_path / "b", edited)


def test_one_error_names_everything_that_has_no_identity(tmp_path: Path) -> None:
    text = """
        import io
        from nacre import materialize
        one, two = io.StringIO(), io.BytesIO()

        @materialize("asset://a")
        def a():
            return one, two

        @materialize("asset://b")
        def b(start=two):
            return one

        @materialize("asset://c")
        def c():
            return 1
    """
    with Project(tmp_path, {"pipe.py": dedent(text)}) as project:
        pipe = project.load("pipe")
        codes = Codes(MemoryRecords(), [str(tmp_path)])
        with pytest.raises(UnknownCode) as caught:
            codes.prepare([pipe.a, pipe.b, pipe.c])
        assert caught.value.facts == {
            "found": "global `one` (pipe.py:4) is _io.StringIO\n"
            "global `two` (pipe.py:4) is _io.BytesIO\n"
            "the default of `start` of b (pipe.py:11) is _io.BytesIO",
            "reached by": "a (pipe.py:6)\nb (pipe.py:10)",
        }
        assert codes.of(pipe.c).digest
        with pytest.raises(UnknownCode):
            codes.of(pipe.b)
