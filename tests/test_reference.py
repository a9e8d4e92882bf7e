"""The reference pages against the code: options, errors, settings, records; and no link leads nowhere."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nacre import errors, flow, task
from nacre.config import Settings
from nacre.declare import options
from nacre.store import records

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str) -> dict[str, str]:
    """First cell's names to the second cell, of all the tables in a text."""
    found = {}
    for first, second in re.findall(r"^\| (`.+?) \| ([^|]+?) \|", text, re.MULTILINE):
        found.update(dict.fromkeys(re.findall(r"`(\w+)`", first), second))
    return found


@pytest.mark.parametrize(
    ("heading", "kind"), [("Tasks", options.TaskOptions), ("Flows", options.FlowOptions)]
)
def test_every_option_has_the_status_the_page_gives(heading: str, kind: type) -> None:
    said = rows(re.split(r"^## ", page("options"), flags=re.MULTILINE)[1 + (heading == "Flows")])
    assert said.keys() == kind.__annotations__.keys()
    for name, status in said.items():
        assert (status == "clear error") == (name in options._WAITING), name
        if name in options._FREE - {"asset_deps"}:
            assert status == "accepted", name


@pytest.mark.parametrize(("declare", "kind"), [(task, options.TaskOptions), (flow, options.FlowOptions)])
def test_an_option_without_effect_is_refused(declare: Callable[..., object], kind: type) -> None:
    for name in options._WAITING.keys() & kind.__annotations__.keys():
        with pytest.raises(errors.NotYetEffective, match=name):
            declare(**{name: "something"})(page)


def test_every_error_is_listed_with_its_kind_and_builtin() -> None:
    text = page("errors")
    classes = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len({kind.kind for kind in classes}) == len(classes)
    for kind in classes:
        assert f"`{kind.__name__}`" in text or kind is errors.NacreError, kind
        if kind.__subclasses__() or kind is errors.NacreError:
            continue
        builtin = next((base.__name__ for base in kind.__bases__ if base.__module__ == "builtins"), "")
        (row,) = re.findall(rf"^\| `{kind.__name__}` `{kind.kind}` \| `?(\w*)`? ?\|", text, re.MULTILINE)
        assert row == builtin, kind


def test_every_setting_is_listed_with_its_default() -> None:
    said = rows(page("settings"))
    for field in dataclasses.fields(Settings):
        if field.name != "file":
            assert field.name in said
            is_text = isinstance(field.default, str)
            default = (
                "`true`"
                if field.default is True
                else f'`"{field.default}"`'
                if is_text
                else f"`{field.default}`"
            )
            assert said[field.name] in (default, "none"), field.name


def test_every_record_type_has_its_row() -> None:
    paths = {"StoreFormat", "Action", "Sources", "Head", "Run", "Artifact", "ScheduleRecord", "Tick"}
    paths |= {"Lease", "State", "Past", "Pin", "Environment"}
    parts = {"Input", "Read", "Part", "Output", "Materialization", "StepRecord"}
    parts |= {"Failing", "Accepted"}
    kinds = {kind.__name__ for kind in records.Record.__subclasses__()}
    assert kinds == paths | parts
    listed = re.findall(r"^\| `(\S+)` \| `(\w+)` \|", page("store-format"), re.MULTILINE)
    assert {name for _, name in listed} == paths
    assert f"Format {records.FORMAT_VERSION}." in page("store-format")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [each for each in targets if "://" not in each and not (path.parent / each).exists()] == []


def test_pages_are_short() -> None:
    long = {"docs/reference/api.md", "docs/reference/cli.md", "docs/tutorial/bluesky.md"}
    for path in (ROOT / "docs").rglob("*.md"):
        limit = 40 if path.parent.name == "adr" else 110
        if str(path.relative_to(ROOT)) not in long:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= limit, path
    # The table of promises and a picture of each part take a third of it.
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 185
