"""The reference pages against the code: options, errors, settings, records; and no link leads nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import msgspec.inspect
import pytest

from nacre import errors, flow, task
from nacre.config import Settings
from nacre.declare import options
from nacre.planning.reason import Cause, Reason
from nacre.store import records
from nacre.version.outline import Outline

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
    for field in msgspec.structs.fields(Settings):
        if field.name not in ("file", "environments"):  # the last are the tables of env
            assert field.name in said
            is_text = isinstance(field.default, str)
            plain = {True: "`true`", False: "`false`"} if isinstance(field.default, bool) else {}
            default = plain.get(field.default) or (
                f'`"{field.default}"`' if is_text else f"`{field.default}`"
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


def test_every_field_of_a_record_is_listed_with_its_type() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.+?)(?=^## |\Z)", page("records"), re.MULTILINE | re.DOTALL))
    kinds = records.Record.__subclasses__()
    assert {kind.__name__ for kind in kinds} <= sections.keys()
    for kind in (*kinds, Outline, Reason):
        listed = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", sections[kind.__name__], re.MULTILINE)
        assert listed == [_row(field) for field in msgspec.inspect.type_info(kind).fields], kind.__name__  # type: ignore[attr-defined]  # records and dataclasses have fields
    causes = re.search(r"one of: (.+?) \|", sections["Reason"])
    assert causes is not None
    assert causes[1].split(", ") == [cause.value for cause in Cause]


def _row(field: msgspec.inspect.Field) -> tuple[str, str, str]:
    """A field as its page lists it: name, type and default as JSON has them."""
    default = "required"
    if not field.required:
        made = field.default_factory() if field.default is msgspec.NODEFAULT else field.default  # type: ignore[operator, misc]  # one of both is there
        default = '""' if made == b"" else json.dumps(made)
    return field.encode_name, _spelt(field.type), default


def _spelt(kind: msgspec.inspect.Type) -> str:
    """A type as a reader of the JSON meets it."""
    names = {"str": "text", "int": "integer", "float": "number", "bool": "boolean", "bytes": "base64"}
    names |= {"datetime": "time", "none": "null", "enum": "text"}
    if isinstance(kind, msgspec.inspect.UnionType):
        return " or ".join(map(_spelt, kind.types))
    if isinstance(kind, msgspec.inspect.DictType):
        return f"map of {_spelt(kind.value_type)}"
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return f"list of {_spelt(kind.item_type)}"
    if isinstance(kind, msgspec.inspect.TupleType):
        return f"[{', '.join(map(_spelt, kind.item_types))}]"
    if isinstance(kind, msgspec.inspect.StructType | msgspec.inspect.DataclassType):
        return f"`{kind.cls.__name__}`"
    return names[type(kind).__name__.removesuffix("Type").lower()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [each for each in targets if "://" not in each and not (path.parent / each).exists()] == []


def test_pages_are_short() -> None:
    long = {
        "docs/reference/api.md",
        "docs/reference/cli.md",
        "docs/reference/records.md",
        "docs/tutorial/bluesky.md",
    }
    for path in (ROOT / "docs").rglob("*.md"):
        limit = 40 if path.parent.name == "adr" else 110
        if str(path.relative_to(ROOT)) not in long:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= limit, path
    # The table of promises and a picture of each part take a third of it.
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 185
