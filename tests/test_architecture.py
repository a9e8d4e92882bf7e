"""ARCHITECTURE.md matches the tree: what it names exists, and what exists it names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "nacre"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\s]+)`", PAGE))
MAX_LINES = 120


def row(package: str) -> set[str]:
    """The names in the line of the table about a package."""
    (line,) = re.findall(rf"^\| `{package}` .*$", PAGE, re.MULTILINE)
    return set(re.findall(r"`([^`\s]+)`", line))


def test_the_page_names_every_package_and_module() -> None:
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        if len(parts) == 1:
            missing += [] if parts[0] in NAMED else [parts[0]]
        elif path.name != "__init__.py":
            folder = "/".join(parts[:-1]) + "/"
            missing += [] if path.stem in row(folder) else [folder + path.name]
    assert missing == [], "name them in the table of ARCHITECTURE.md"


def test_every_path_the_page_names_exists() -> None:
    paths = {name for name in NAMED if "/" in name and "://" not in name} | {
        target for target in re.findall(r"\]\(([^)#]+)\)", PAGE) if "://" not in target
    }
    assert len(paths) > 30
    assert [
        path for path in sorted(paths) if not (PACKAGE / path).exists() and not (ROOT / path).exists()
    ] == []


def test_the_page_names_no_module_that_is_gone() -> None:
    gone = []
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}):
        name = folder.relative_to(PACKAGE).as_posix() + "/"
        modules = {word for word in row(name) if re.fullmatch(r"[a-z_]+", word)} - {"nacre"}
        gone += [f"{name}{module}" for module in sorted(modules) if not (folder / f"{module}.py").exists()]
    assert gone == []


def test_the_page_can_be_read_in_one_sitting() -> None:
    assert len(PAGE.splitlines()) <= MAX_LINES
