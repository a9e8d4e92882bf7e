"""Assemble CHANGELOG.md from the fragments in changes/.

A fragment is ``changes/<id>.<kind>.md``: the issue or a short slug, and one of the kinds below. It says what was
wrong in the past tense and how it behaves now in the present, for the person who uses nacre.

usage: python tools/changelog.py                       show what has changed since the last release
       python tools/changelog.py --release 0.2.0 --date 2026-12-01   write it into CHANGELOG.md, remove the fragments
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

KINDS = {
    "security": "Security",
    "removed": "Removed",
    "changed": "Changed",
    "added": "Added",
    "fixed": "Fixed",
}
MARK = "<!-- releases -->\n"


def fragments(folder: Path) -> list[tuple[str, Path]]:
    """List the fragments as (kind, file), by kind and then by id.

    Raises:
        SystemExit: A file has no known kind or says nothing.
    """
    found = []
    for path in sorted(folder.glob("*.md")):
        kind = path.stem.rpartition(".")[2]
        if kind not in KINDS:
            sys.exit(f"{path}: a fragment is named <id>.<kind>.md, kind one of {', '.join(KINDS)}")
        if not path.read_text(encoding="utf-8").strip():
            sys.exit(f"{path}: says nothing")
        found.append((kind, path))
    return sorted(found, key=lambda item: (list(KINDS).index(item[0]), item[1].name))


def section(title: str, found: list[tuple[str, Path]]) -> str:
    """Write one release: a heading, and a list of its changes under each kind."""
    lines = [f"## {title}", ""]
    for kind, heading in KINDS.items():
        texts = [path.read_text(encoding="utf-8").strip() for k, path in found if k == kind]
        if texts:
            lines += [f"### {heading}", ""]
            lines += ["- " + text.replace("\n", "\n  ") for text in texts]
            lines.append("")
    return "\n".join(lines)


def release(root: Path, version: str, date: str) -> None:
    """Put the release on top of CHANGELOG.md and remove its fragments."""
    found = fragments(root / "changes")
    log = root / "CHANGELOG.md"
    before, mark, after = log.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        sys.exit(f"{log}: the line {MARK.strip()!r} is missing")
    log.write_text(f"{before}{mark}\n{section(f'{version} ({date})', found)}{after}", encoding="utf-8")
    for _, path in found:
        path.unlink()


def main(arguments: list[str] | None = None) -> None:
    """Show or write the changes."""
    parser = argparse.ArgumentParser(description="Assemble CHANGELOG.md from changes/.")
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--release", metavar="VERSION")
    parser.add_argument("--date", metavar="YYYY-MM-DD")
    given = parser.parse_args(arguments)
    if not given.release:
        print(section("Unreleased", fragments(given.root / "changes")), end="")
    elif not given.date:
        parser.error("--release needs --date")
    else:
        release(given.root, given.release, given.date)


if __name__ == "__main__":
    main()
