"""Where assets are found: in names, lists and dicts of the modules given, and where those they need are written."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

import nacre
from nacre.declare.discover import load_module
from nacre.errors import InvalidOption, SourceDrift, UnknownName, UsageError
from sandbox import SOURCES, Sandbox


def test_assets_that_a_factory_leaves_in_a_list_or_dict_are_found(project: Sandbox) -> None:
    module = project.module(
        """
        def make(i):
            @materialize(f"asset://s{i}")
            def made():
                return i
            return made

        listed = [make(i) for i in range(3)]
        named = {"three": make(3)}

        @materialize("asset://total")
        def total(s0, s1, s2, s3):
            return s0 + s1 + s2 + s3
        """
    )
    assert project.build(module, "total").ok
    assert nacre.load("asset://total") == 6


def test_an_imported_asset_brings_what_it_needs_and_nothing_else(project: Sandbox) -> None:
    project.module(
        """
        @materialize("asset://mo")
        def mo():
            return [1, 2]

        @materialize("asset://last")
        def last(mo):
            return mo[-1]

        @materialize("asset://unwanted")
        def unwanted():
            return 1
        """,
        name="written_elsewhere",
    )
    module = project.module("from written_elsewhere import last\n")
    assert [step.name for step in project.build(module)] == ["mo", "last"]


def test_a_misspelt_key_in_an_annotation_is_found_before_anything_runs(project: Sandbox) -> None:
    module = project.module(
        """
        @materialize("asset://raw")
        def raw():
            calls.append("raw")
            return 1

        @materialize("asset://out")
        def out(q: Annotated[int, "asset://rww"]):
            return q
        """
    )
    with pytest.raises(UnknownName, match="did you mean 'asset://raw'"):
        project.build(module)
    assert module.calls == []


def test_a_file_of_a_package_is_refused_with_the_module_to_name(project: Sandbox, tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("K = 1\n")
    (package / "assets.py").write_text("from .helper import K\n")
    with pytest.raises(UsageError, match=r"-m shop\.assets"):
        nacre.build("*", modules=[package / "assets.py"])


OLD_TIME_NS = 1_790_000_000 * 10**9


def put(path: Path, text: str) -> None:
    """Write a file and give it the time it had before, as rsync, tar and cp -p do."""
    path.write_text(text)
    os.utime(path, ns=(OLD_TIME_NS, OLD_TIME_NS))


TAX = """
from nacre.assets import materialize
from nacre.cache_policies import INPUTS

class Tax:
    RATE = 19

@materialize("asset://rate", cache_policy=INPUTS)
def rate() -> int:
    return Tax.RATE
"""


def in_a_new_process(project: Sandbox, statement: str) -> str:
    out, err = project.python("-c", f"import nacre\n{statement}").communicate()
    return out + err


def test_a_file_put_back_with_its_old_time_runs_as_it_is_now(project: Sandbox, tmp_path: Path) -> None:
    """Python would take the bytecode of the earlier content: it looks at whole seconds and the size."""
    build = "nacre.build('rate', modules=['taxes.py']); print(nacre.load('rate'))"
    put(tmp_path / "taxes.py", TAX)
    assert in_a_new_process(project, build).endswith("19\n")
    put(tmp_path / "taxes.py", TAX.replace("19", "25"))
    assert in_a_new_process(project, build).endswith("25\n")


def test_a_helper_file_put_back_with_its_old_time_is_told_and_runs_the_next_time(
    project: Sandbox, tmp_path: Path
) -> None:
    """How Python imports a helper is not ours to change; a result of old code under new code is refused."""
    (tmp_path / "main.py").write_text("from taxes import rate\n")
    build = "nacre.build('rate', modules=['main.py']); print(nacre.load('rate'))"
    put(tmp_path / "taxes.py", TAX)
    assert in_a_new_process(project, build).endswith("19\n")
    put(tmp_path / "taxes.py", TAX.replace("19", "25"))
    assert SourceDrift.__name__ in in_a_new_process(project, build)  # and forgets the old bytecode
    assert in_a_new_process(project, build).endswith("25\n")


def test_a_task_can_be_copied(project: Sandbox) -> None:
    module = project.module('@materialize("asset://a")\ndef a():\n    return 1\n')
    assert copy.copy(module.a).key == "asset://a"


def test_an_argument_whose_name_says_secret_is_not_written_anywhere(project: Sandbox, tmp_path: Path) -> None:
    module = project.module("@flow\ndef logs_in(password: str, user: str):\n    return user\n")
    module.logs_in("hunter2hunter2", "ada")
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hunter2" not in stored
    assert b"ada" in stored
    assert sys.modules[module.__name__] is module


@pytest.mark.parametrize("odd", ["", ".", "..", "./"])
def test_a_folder_is_no_module(project: Sandbox, odd: str) -> None:
    with pytest.raises(UsageError, match="No module or file"):
        nacre.build("*", modules=[odd])


def test_a_run_name_that_cannot_be_made_is_told_and_a_missing_argument_first(project: Sandbox) -> None:
    module = project.module('@flow(flow_run_name="for {day:%Y}")\ndef daily(day):\n    return day\n')
    with pytest.raises(InvalidOption, match="run name cannot be made"):
        module.daily("monday")
    with pytest.raises(TypeError, match="day"):
        module.daily()


def test_whatever_lies_among_the_modules_a_file_is_loaded_once(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, file in enumerate((object(), "", "nowhere.zip/x.py", "a\0b", None, b"pipeline.py")):
        monkeypatch.setitem(sys.modules, f"odd_{number}", SimpleNamespace(__file__=file))
    path = project.folder / "loaded_once.py"
    path.write_text(
        'from nacre.assets import materialize\n\n@materialize("asset://x")\ndef x():\n    return 1\n'
    )
    (project.folder / "linked.py").symlink_to(path)
    first = load_module(str(path))
    assert load_module(str(project.folder / "linked.py")) is first
    assert load_module("loaded_once.py", str(project.folder)) is first


def placed_project(folder: Path, where: str) -> Path:
    """A project with a place, in a folder of its own; its asset needs that it is known."""
    (folder / "nacre.toml").write_text('[places]\n"s3://lake" = "lake"\n')
    file = folder / "placed.py"
    file.write_text(
        f"""
import nacre

at_import = nacre.location("s3://lake/x")

@nacre.materialize("demo://where")
def where() -> None:
    assert {where} == {str(folder / "lake/x")!r}
"""
    )
    return file


def test_a_step_sees_the_places_of_the_project_that_is_run(
    project: Sandbox, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", ".nacre")
    file = placed_project(tmp_path_factory.mktemp("other"), 'nacre.location("s3://lake/x")')
    nacre.build("*", modules=[str(file)]).raise_for_failure()


def test_a_command_that_was_installed_and_linked_elsewhere_is_no_script_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("home", "bin"):
        (tmp_path / folder).mkdir()
    venv.create(tmp_path / "tool", with_pip=False, symlinks=True)
    command = tmp_path / "tool/bin/nacre"
    command.write_text(f"#!{tmp_path}/tool/bin/python\nfrom nacre.cli.main import main\nmain()\n")
    command.chmod(0o755)
    (tmp_path / "bin/nacre").symlink_to(command)
    placed_project(tmp_path / "home", "at_import")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(each for each in [str(SOURCES), *sys.path] if each))
    monkeypatch.delenv("NACRE_STORE", raising=False)
    done = subprocess.run(
        [tmp_path / "bin/nacre", "build", "-m", "placed.py"],
        cwd=tmp_path / "home",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
