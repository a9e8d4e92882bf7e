"""P2: what a step reads besides its inputs counts too: files, folders, variables, and assets it loads or calls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import nacre
from sandbox import Sandbox

QUERY = """
from pathlib import Path

@materialize("asset://raw")
def raw():
    return dict(world) or {"rain": 3}

@materialize("asset://report")
def report(raw):
    calls.append("report")
    with open(Path(__file__).parent / "queries" / "top.sql") as file:
        return f"{file.read()} {raw['rain']}"
"""


def write(project: Sandbox, name: str, text: str) -> Path:
    path = project.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def reason(project: Sandbox, module: object, asset: str) -> str:
    return str(nacre.plan("*", modules=[module], reuse_sources=True)[asset].reason)  # type: ignore[list-item]


def test_row_65_a_file_that_a_step_opens_counts_from_then_on(project: Sandbox) -> None:
    write(project, "queries/top.sql", "select 1")
    module = project.module(QUERY)
    assert project.ran(module) == ["report"]
    assert project.ran(module) == []
    write(project, "queries/top.sql", "select 2")
    assert reason(project, module, "report") == "file queries/top.sql, read by it, changed"
    assert project.ran(module) == ["report"]
    assert nacre.load("asset://report") == "select 2 3"
    assert project.ran(module) == []
    read = project.record("asset://report").reads
    assert [(each.kind, each.name) for each in read] == [("file", "queries/top.sql")]


def test_going_back_to_an_earlier_content_of_a_file_takes_the_version_made_from_it(project: Sandbox) -> None:
    path = write(project, "queries/top.sql", "select 1")
    module = project.module(QUERY)
    project.ran(module)
    path.write_text("select 2")
    assert project.ran(module) == ["report"]
    path.write_text("select 1")
    assert project.ran(module) == []
    assert nacre.load("asset://report") == "select 1 3"


def test_the_same_content_written_again_is_no_change(project: Sandbox) -> None:
    path = write(project, "queries/top.sql", "select 1")
    module = project.module(QUERY)
    project.ran(module)
    path.unlink()
    path.write_text("select 1")
    assert project.ran(module) == []


def test_a_file_that_was_looked_for_in_vain_counts_when_it_appears(project: Sandbox) -> None:
    module = project.module("""
import os
from nacre.cache_policies import INPUTS

@materialize("asset://settings", cache_policy=INPUTS)
def settings():
    calls.append("settings")
    try:
        with open(os.path.join(os.path.dirname(__file__), "local.ini")) as file:
            return file.read()
    except FileNotFoundError:
        return "standard"
""")
    assert project.ran(module) == ["settings"]
    assert project.ran(module) == []
    write(project, "local.ini", "mine")
    assert project.ran(module) == ["settings"]
    assert nacre.load("asset://settings") == "mine"


def test_a_new_file_in_a_listed_folder_counts(project: Sandbox) -> None:
    write(project, "inbox/a.txt", "a")
    module = project.module("""
from pathlib import Path
from nacre.cache_policies import INPUTS

@materialize("asset://letters", cache_policy=INPUTS)
def letters():
    calls.append("letters")
    return [path.read_text() for path in sorted((Path(__file__).parent / "inbox").glob("*.txt"))]
""")
    assert project.ran(module) == ["letters"]
    assert project.ran(module) == []
    write(project, "inbox/b.txt", "b")
    assert project.ran(module) == ["letters"]
    assert nacre.load("asset://letters") == ["a", "b"]


def test_what_a_step_writes_is_no_read_of_it(project: Sandbox) -> None:
    module = project.module("""
from pathlib import Path

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://count")
def count(raw):
    calls.append("count")
    path = Path(__file__).parent / "log.txt"
    seen = len(path.read_text().splitlines()) if path.exists() else 0
    with open(path, "a") as file:
        file.write("line\\n")
    return raw
""")
    assert project.ran(module) == ["count"]
    assert project.ran(module) == []
    assert project.record("asset://count").reads == ()


def test_a_file_that_changes_while_it_is_read_never_holds(project: Sandbox) -> None:
    write(project, "data.txt", "old")
    module = project.module("""
import os
from pathlib import Path

HERE = Path(__file__).parent

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://copy")
def copy(raw):
    calls.append("copy")
    with open(HERE / "data.txt") as file:
        text = file.read()
        if len(calls) == 1 and not world:
            world["once"] = True
            os.system(f"printf newer > '{HERE / 'data.txt'}'")
    return text
""")
    assert project.ran(module) == ["copy"]
    assert nacre.load("asset://copy") == "old"
    assert project.ran(module) == ["copy"]
    assert nacre.load("asset://copy") == "newer"
    assert project.ran(module) == []


def test_threads_that_a_step_starts_are_heard(project: Sandbox) -> None:
    path = write(project, "data.txt", "old")
    module = project.module("""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://copy")
def copy(raw):
    calls.append("copy")
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(Path.read_text, [Path(__file__).parent / "data.txt"]))
""")
    assert project.ran(module) == ["copy"]
    path.write_text("new")
    assert project.ran(module) == ["copy"]


def test_a_declared_variable_and_file_count_before_the_step_ever_ran(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION", "eu")
    write(project, "limits.toml", "a = 1")
    module = project.module("""
import os
from pathlib import Path

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report", deps=[nacre.Env("REGION"), Path("limits.toml"), Path("queries")])
def report(raw):
    calls.append("report")
    return os.environ["REGION"]
""")
    assert project.ran(module) == ["report"]
    assert project.ran(module) == []
    monkeypatch.setenv("REGION", "us")
    assert reason(project, module, "report") == "env REGION, read by it, changed"
    assert project.ran(module) == ["report"]
    write(project, "limits.toml", "a = 2")
    assert reason(project, module, "report") == "file limits.toml, read by it, changed"
    assert project.ran(module) == ["report"]
    write(project, "queries/new.sql", "select 1")
    assert project.ran(module) == ["report"]
    monkeypatch.setenv("REGION", "us")
    assert project.ran(module) == []
    assert "us" not in project.record("asset://report").recipe["env REGION"]


LOADS = """
@materialize("asset://raw")
def raw():
    calls.append("raw")
    return dict(world) or {"rain": 3}

@materialize("asset://other")
def other(raw):
    return raw["rain"]

@materialize("asset://report")
def report(factor):
    calls.append("report")
    return nacre.load("asset://other") * factor

@materialize("asset://factor")
def factor():
    return 2
"""


def test_an_asset_that_is_loaded_inside_a_step_counts_by_its_content(project: Sandbox) -> None:
    module = project.module(LOADS)
    project.ran(module, "other")
    assert project.ran(module, "report") == ["report"]
    assert project.ran(module, "report") == [
        "raw"
    ]  # what it loaded is looked at first, though nobody passed it
    module.world["rain"] = 5
    project.reopen()
    result = project.build(module, "report")
    assert result["report"].reason == "asset other, read by it, changed"
    assert nacre.load("asset://report") == 10
    assert nacre.lineage("asset://report").upstream == {"asset://factor", "asset://other"}


def test_an_asset_that_is_called_inside_a_step_counts_by_its_content(project: Sandbox) -> None:
    module = project.module("""
@materialize("asset://raw")
def raw():
    calls.append("raw")
    return dict(world) or {"rain": 3, "at": 1}

@materialize("asset://other")
def other(raw):
    calls.append("other")
    return raw["rain"]

@materialize("asset://factor")
def factor():
    return 2

@materialize("asset://report")
def report(factor):
    calls.append("report")
    return other() * factor
""")
    assert project.ran(module, "report") == ["report", "raw", "other"]
    assert project.ran(module, "report") == ["raw"]
    module.world.update(rain=3, at=2)
    assert project.ran(module, "report") == ["raw", "other"]
    module.world.update(rain=4)
    assert project.ran(module, "report") == ["raw", "other", "report"]
    assert nacre.load("asset://report") == 8


def test_a_plain_task_called_in_an_asset_reads_for_it(project: Sandbox) -> None:
    path = write(project, "data.txt", "old")
    module = project.module("""
from pathlib import Path

@task
def fetch():
    return (Path(__file__).parent / "data.txt").read_text()

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://copy")
def copy(raw):
    calls.append("copy")
    return fetch()
""")
    assert project.ran(module) == ["copy"]
    assert project.ran(module) == []
    path.write_text("new")
    assert project.ran(module) == ["copy"]


def test_a_flow_looks_at_what_an_asset_read_when_it_last_ran(project: Sandbox) -> None:
    path = write(project, "queries/top.sql", "select 1")
    module = project.module(
        QUERY
        + """
@flow
def daily():
    return report(raw())
"""
    )
    assert module.daily() == "select 1 3"
    module.calls.clear()
    assert module.daily() == "select 1 3"
    assert module.calls == []
    path.write_text("select 2")
    assert module.daily() == "select 2 3"


def test_a_flow_makes_what_an_asset_loaded_before_it_decides(project: Sandbox) -> None:
    module = project.module(
        LOADS
        + """
@flow
def daily():
    return report(factor())
"""
    )
    project.ran(module, "other")
    assert module.daily() == 6
    module.world["rain"] = 5
    assert module.daily() == 10


def test_imports_and_installed_packages_are_no_reads(project: Sandbox) -> None:
    write(project, "late_module.py", "X = 1\n")
    module = project.module("""
@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report")
def report(raw):
    import late_module, json.tool, zoneinfo
    zoneinfo.ZoneInfo("Europe/Berlin")
    return raw + late_module.X
""")
    project.build(module).raise_for_failure()
    assert project.record("asset://report").reads == ()


def test_what_nobody_can_see_is_said(project: Sandbox) -> None:
    module = project.module("""
import subprocess

@materialize("asset://raw")
def raw():
    subprocess.run(["true"], check=True)
    return 1

@materialize("asset://report")
def report(raw):
    subprocess.run(["true"], check=True)
    return raw
""")
    project.build(module).raise_for_failure()
    assert project.record("asset://raw").unknowns == ()  # a source is looked at on every run
    (unknown,) = project.record("asset://report").unknowns
    assert unknown.startswith("it starts a program (true)")
    project.reopen()
    planned = nacre.plan("*", modules=[module])
    assert planned["report"].warnings == (unknown,)
    assert planned["raw"].warnings == ()
    assert nacre.why("report", modules=[module]).warnings == (unknown,)


def test_why_names_what_was_read(project: Sandbox) -> None:
    write(project, "queries/top.sql", "select 1")
    module = project.module(QUERY)
    project.ran(module)
    told = nacre.why("report", modules=[module])
    assert told.reads == ("file queries/top.sql",)
    assert "  read    file queries/top.sql" in str(told).splitlines()


def test_a_step_that_connects_somewhere_says_so(project: Sandbox) -> None:
    module = project.module("""
import socket

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report")
def report(raw):
    calls.append("report")
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()):
            return raw
""")
    assert project.ran(module) == ["report"]
    assert project.ran(module) == []
    (warning,) = nacre.plan("*", modules=[module])["report"].warnings
    assert warning.startswith("it connects to 127.0.0.1")


def test_a_folder_of_many_files_counts_file_by_file(project: Sandbox) -> None:
    folder = project.folder / "many"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}.txt").write_text(str(number))
    old = os.stat(folder / "0.txt").st_mtime_ns - 10_000_000_000
    for number in range(300):
        os.utime(folder / f"{number}.txt", ns=(old, old))
    module = project.module("""
from pathlib import Path

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://total")
def total(raw):
    calls.append("total")
    return sum(int(path.read_text()) for path in (Path(__file__).parent / "many").iterdir())
""")
    assert project.ran(module) == ["total"]
    assert len(project.record("asset://total").reads) == 301
    assert project.ran(module) == []


def test_what_tools_keep_in_hidden_folders_is_no_read_and_a_hidden_file_is(project: Sandbox) -> None:
    write(project, ".cache/model.bin", "1")
    path = write(project, ".env", "A=1")
    module = project.module("""
from pathlib import Path

HERE = Path(__file__).parent

@materialize("asset://raw")
def raw():
    return 1

@materialize("asset://report")
def report(raw):
    calls.append("report")
    return (HERE / ".cache" / "model.bin").read_text() + (HERE / ".env").read_text()
""")
    assert project.ran(module) == ["report"]
    write(project, ".cache/model.bin", "2")
    assert project.ran(module) == []
    path.write_text("A=2")
    assert project.ran(module) == ["report"]
