"""The text of code is kept once for each version of a file, beside what it made, and only where that is wanted."""

from __future__ import annotations

from nacre.store.codec import decode
from nacre.store.records import Sources
from sandbox import Sandbox

PIPELINE = """
LIMIT = 2
API_TOKEN = "hunter2"

def below(n):
    return n < LIMIT

@materialize("demo://numbers")
def numbers() -> list[int]:
    return [1, 2, 3]

@materialize("demo://small")
def small(numbers: list[int]) -> list[int]:
    return [n for n in numbers if below(n) and API_TOKEN]
"""


def texts(project: Sandbox) -> list[dict[str, str]]:
    found = project.workspace.records.scan("sources/")
    return [decode(stored.data, Sources, stored.path).texts for stored in found]


def test_the_text_of_a_file_is_kept_once_for_each_version_of_it(project: Sandbox) -> None:
    module = project.module(PIPELINE)
    project.build(module)
    (kept,) = texts(project)
    assert "LIMIT = 2" in kept.values()
    assert any(text.startswith("def below(n):") for text in kept.values())
    module = project.edit(module, "LIMIT = 2", "LIMIT = 3")
    project.build(module)
    assert len(texts(project)) == 2
    assert set(project.record("demo://small").sources) == {f"{module.__name__}.py"}
    project.build(project.edit(module, "LIMIT = 3", "LIMIT = 2"))
    assert len(texts(project)) == 2


def test_a_secret_at_the_top_level_is_not_kept(project: Sandbox) -> None:
    project.build(project.module(PIPELINE))
    (kept,) = texts(project)
    assert "API_TOKEN = •••" in kept.values()
    assert "hunter2" not in str(kept)


def test_a_setting_keeps_no_text_at_all(project: Sandbox) -> None:
    (project.folder / "nacre.toml").write_text("keep_sources = false\n")
    project.reopen()
    project.build(project.module(PIPELINE))
    assert texts(project) == []
    assert project.record("demo://small").sources == {}
