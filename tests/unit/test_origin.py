"""Whose code a file is, and which distribution a module comes from, without asking the disk more than needed."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from nacre.version.origin import Origins, real_path


def test_a_file_belongs_to_where_its_links_lead(tmp_path: Path) -> None:
    project, installed = tmp_path / "project", tmp_path / "lib" / "site-packages"
    (project / "package").mkdir(parents=True)
    installed.mkdir(parents=True)
    for file in (project / "own.py", project / "package" / "part.py", installed / "theirs.py"):
        file.touch()
    (installed / "package").symlink_to(project / "package")
    (installed / "own.py").symlink_to(project / "own.py")
    (project / "theirs.py").symlink_to(installed / "theirs.py")
    (project / "lib").symlink_to(installed)
    origins = Origins([str(project)], ["nacre"])
    own = {
        str(file.relative_to(tmp_path))
        for file in (
            *(project / "own.py", project / "package" / "part.py", project / "theirs.py"),
            *(
                project / "lib" / "theirs.py",
                project / "lib" / "own.py",
                project / "lib" / "package" / "part.py",
            ),
            *(installed / "theirs.py", installed / "own.py", installed / "package" / "part.py"),
            project / "package" / ".." / "own.py",
        )
        if origins.owns_file(str(file))
    }
    assert own == {
        *("project/own.py", "project/package/part.py", "project/package/../own.py"),
        *("project/lib/own.py", "project/lib/package/part.py"),
        *("lib/site-packages/own.py", "lib/site-packages/package/part.py"),
    }


def test_links_are_followed_as_realpath_does_whatever_the_name(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "file.py").touch()
    (tmp_path / "real" / "other.py").symlink_to("file.py")
    (tmp_path / "linked").symlink_to("real/deep")
    (tmp_path / "turns").symlink_to("turns")
    base, folders = str(tmp_path), dict[str, str]()
    names = [
        *("/real/file.py", "/real/other.py", "/linked/../other.py", "/linked", "/linked/", "/linked/."),
        *("/linked/..", "/missing/x.py", "/turns", "/linked/x.py", "/./real/file.py"),
    ]
    loaded = [file for each in list(sys.modules.values()) if (file := getattr(each, "__file__", None))]
    for name in (*(base + each for each in names), "relative.py", "../x.py", "/", "", *loaded):
        assert real_path(name, folders) == os.path.realpath(name), name


def test_a_module_named_unlike_its_distribution_is_found_as_importlib_finds_it() -> None:
    origins = Origins([], ["nacre"])
    installed = {each.metadata["Name"].lower() for each in metadata.distributions()}
    found = {
        top: sorted(set(names))
        for top, names in metadata.packages_distributions().items()
        if top.isidentifier() and top.lower().replace("_", "-") not in installed
    }
    assert "yaml" in found
    for top in [*sorted(found)[:: max(1, len(found) // 25)], "yaml"]:
        assert [name for name, _ in origins.distributions(top)] == found[top], top
    assert origins.distributions("no_such_thing") == (("no_such_thing", "?"),)
