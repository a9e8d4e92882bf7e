"""Every snippet of the README and of docs/ is executed, so none can be wrong for long.

A page is one project: its files, its Python snippets (in order, in one namespace) and its console lines share one
directory. Comments, which no reader sees, say how::

    <!-- file: pipeline.py -->      the next block is written there (a Python block: and not executed otherwise)
    <!-- not run: installation -->  the next block is not run, for one of the reasons below

    <!-- with: a bucket -->         at the top: the page is run with services that have a bucket ``lake``

In a console block, lines that start with ``$ `` are run; ``# exit 1`` at the end says what they exit with; the other
lines are what a reader would see, and are not compared.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
# What may stay unrun, and what such a block may hold: .ci/run does the first two from a clean clone.
REASONS = {
    "installation": re.compile(r"\$ (pip|uv|git clone|cd|apt|python3? -m (pip|venv)|source|brew) ?"),
    "make": re.compile(r"\$ make\b"),
    "serves until it is stopped": re.compile(r"\$ (NACRE_UI_TOKEN=\$\(.+\) )?nacre (ui|serve)\b"),
}
COMMENT = re.compile(r"<!-- (file|not run): (\S.*?) -->\s*$")
FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
WITH_A_BUCKET = "<!-- with: a bucket -->"
EXIT = re.compile(r"\s+# exit (\d+)\s*$")


@dataclass(frozen=True)
class Snippet:
    """One fenced block: its language, its text, its first line, and what the comment before it says."""

    language: str
    text: str
    line: int
    file: str = ""
    reason: str = ""


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(page: Path) -> Iterator[Snippet]:
    lines = page.read_text(encoding="utf-8").splitlines()
    said: dict[str, str] = {}
    number = 0
    while number < len(lines):
        if comment := COMMENT.search(lines[number]):
            said[comment[1]] = comment[2]
        elif fence := FENCE.match(lines[number]):
            start = number + 1
            number = start
            while not re.match(rf"^{fence[1]}```\s*$", lines[number]):
                number += 1
            text = "\n".join(line.removeprefix(fence[1]) for line in lines[start:number]) + "\n"
            yield Snippet(fence[2], text, start + 1, said.get("file", ""), said.get("not run", ""))
            said = {}
        elif lines[number].strip():
            said = {}
        number += 1


def run_console(snippet: Snippet, project: Path, page: str) -> None:
    environment = dict(os.environ, NO_COLOR="1", COLUMNS="110")
    environment["PATH"] = sysconfig.get_path("scripts") + os.pathsep + environment["PATH"]
    for offset, line in enumerate(snippet.text.splitlines()):
        if not line.startswith("$ "):
            continue
        wanted = int(found[1]) if (found := EXIT.search(line)) else 0
        command = EXIT.sub("", line.removeprefix("$ "))
        if shlex.split(command, comments=True)[0] == "python":
            command = f"{shlex.quote(sys.executable)} {command.removeprefix('python')}"
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        told = f"{page}:{snippet.line + offset}: {command}\n{done.stdout}{done.stderr}"
        assert done.returncode == wanted, told
        assert "Traceback (most recent call last)" not in done.stderr or wanted, told


def run_page(page: Path, project: Path) -> None:
    name = str(page.relative_to(ROOT))
    # A real module, since engines look up where a function comes from.
    module = ModuleType(f"snippets_{re.sub(r'[^a-z0-9]', '_', name.lower())}")
    sys.modules[module.__name__] = module
    module.__file__ = str(project / "snippets.py")
    for snippet in snippets(page):
        if snippet.reason:
            assert snippet.reason in REASONS, f"{name}:{snippet.line}: not run for no known reason"
            commands = [line for line in snippet.text.splitlines() if line.startswith("$ ")]
            assert all(map(REASONS[snippet.reason].match, commands)), (
                f"{name}:{snippet.line}: more than {snippet.reason}"
            )
        elif snippet.file:
            target = project / snippet.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(snippet.text, encoding="utf-8")
        elif snippet.language in ("python", "py"):
            # Compiled under a real file, so that what reads source (code versions, tracebacks) finds it.
            source = project / f"line_{snippet.line}.py"
            source.write_text("\n" * (snippet.line - 1) + snippet.text, encoding="utf-8")
            # As an import would: without this file's own future imports, which the snippet does not have.
            code = compile(source.read_text(encoding="utf-8"), str(source), "exec", dont_inherit=True)
            exec(code, vars(module))
        elif snippet.language in ("console", "bash", "sh", "shell"):
            run_console(snippet, project, name)


def in_turn() -> list[object]:
    """What a newcomer reads first is run always; the other pages, which are many, where there is time."""
    found: list[object] = []
    for page in pages():
        name = str(page.relative_to(ROOT))
        is_first = name.startswith(("README", "docs/tutorial"))
        found.append(pytest.param(page, id=name, marks=() if is_first else pytest.mark.whole))
    return found


@pytest.mark.parametrize("page", in_turn())
def test_every_snippet_of_the_page_works(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if WITH_A_BUCKET in page.read_text(encoding="utf-8"):
        request.getfixturevalue("lake").service.client.create_bucket(Bucket="lake")
        if "gs://" in page.read_text(encoding="utf-8"):
            request.getfixturevalue("google_lake").service.new_bucket("lake")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    try:
        run_page(page, tmp_path)
    finally:
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(tmp_path)):
                del sys.modules[name]


def test_a_shell_block_has_something_to_run() -> None:
    """A block whose lines all lack ``$ `` would silently not be run."""
    idle = [
        f"{page.relative_to(ROOT)}:{snippet.line}"
        for page in pages()
        for snippet in snippets(page)
        if snippet.language in ("console", "bash", "sh", "shell")
        and not snippet.reason
        and "$ " not in snippet.text
    ]
    assert idle == []
