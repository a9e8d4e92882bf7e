"""tools/changelog.py: fragments in, one tidy section out."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tools" / "changelog.py"
_spec = importlib.util.spec_from_file_location("changelog", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
changelog = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(changelog)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one release behind it and two fragments."""
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "8.fixed.md").write_text("A key with a dot was refused.\nIt is accepted.\n")
    (tmp_path / "changes" / "9.added.md").write_text("`nacre why` exists.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n<!-- releases -->\n\n## 0.1.0 (2026-01-01)\n")
    return tmp_path


def test_a_release_goes_on_top_and_takes_its_fragments(project: Path) -> None:
    changelog.main(["--root", str(project), "--release", "0.2.0", "--date", "2026-02-01"])
    assert (project / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n<!-- releases -->\n\n## 0.2.0 (2026-02-01)\n\n"
        "### Added\n\n- `nacre why` exists.\n\n"
        "### Fixed\n\n- A key with a dot was refused.\n  It is accepted.\n\n## 0.1.0 (2026-01-01)\n"
    )
    assert list((project / "changes").iterdir()) == []


def test_a_fragment_of_no_known_kind_is_refused_by_name(project: Path) -> None:
    (project / "changes" / "10.improved.md").write_text("Better.\n")
    with pytest.raises(SystemExit, match=r"10\.improved\.md: a fragment is named"):
        changelog.main(["--root", str(project)])


def test_the_fragments_of_this_project_assemble() -> None:
    shown = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("## Unreleased\n")
