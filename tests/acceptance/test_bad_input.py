"""Bad input: one clear error that names asset, place and next step; and what is stored stays."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import nacre
from nacre.errors import (
    AmbiguousName,
    CyclicAssets,
    DefinitionErrors,
    DuplicateAsset,
    InvalidKey,
    InvalidOption,
    MissingArgument,
    NotMaterialized,
    NotYetEffective,
    StoreReadOnly,
    StoreTooNew,
    UnknownName,
    UnserialisableValue,
    UsageError,
)
from nacre.store.codec import decode, encode
from nacre.store.records import StoreFormat
from sandbox import Sandbox

GOOD = """
@materialize("asset://posts")
def posts():
    calls.append("posts")
    return [1, 2]
"""


def test_everything_wrong_is_told_at_once_and_nothing_runs(project: Sandbox) -> None:
    first = project.module('@materialize("asset://lake/authors")\ndef authors(): return 1\n')
    second = project.module('@materialize("asset://old/authors")\ndef old_authors(): return 1\n')
    module = project.module(
        GOOD
        + """
@materialize("asset://posts")
def posts_again(): return 2

@materialize("asset://misspelt")
def misspelt(postz): return 1

@materialize("asset://missing")
def missing(nothing_like_it): return 1

@materialize("asset://unclear")
def unclear(authors): return 1

@materialize("asset://one")
def one(two): return 1

@materialize("asset://two")
def two(one): return 1

@materialize("asset://self")
def itself(itself): return 1
"""
    )
    with pytest.raises(DefinitionErrors) as raised:
        nacre.build("*", modules=[first, second, module])
    found = [type(error) for error in raised.value.errors]
    assert found == [
        DuplicateAsset,
        AmbiguousName,
        MissingArgument,
        MissingArgument,
        CyclicAssets,
        CyclicAssets,
    ]
    text = str(raised.value)
    place = f"{module.__file__}:"
    for part in (
        "6 definition errors; nothing was run",
        "Two functions materialize asset://posts",
        "Argument 'postz' names no asset",
        "did you mean 'posts'?  asset://posts at ",
        "Argument 'nothing_like_it' names no asset",
        "Parameter 'authors' could mean several assets",
        f"asset://lake/authors at {first.__file__}:",
        f"asset://old/authors at {second.__file__}:",
        "Annotated[",
        "asset://two → asset://one → asset://two",
        "asset://self → asset://self",
    ):
        assert part in text, part
    assert text.count(place) >= 8
    assert module.calls == []
    assert project.runs() == []


def test_only_what_is_needed_is_judged_apart_from_duplicates(project: Sandbox) -> None:
    module = project.module(GOOD + '@materialize("asset://bad")\ndef bad(nothing): return 1\n')
    assert project.build(module, "posts").ok
    with pytest.raises(MissingArgument, match="'nothing' names no asset"):
        project.build(module)


def test_a_misspelt_selection_offers_the_closest_name(project: Sandbox) -> None:
    module = project.module(GOOD)
    with pytest.raises(UnknownName, match="did you mean 'posts'"):
        project.build(module, "post")
    with pytest.raises(UnknownName, match="No asset has the tag 'weekly'"):
        project.build(module, "tag:weekly")


@pytest.mark.parametrize("given", [None, 5, ["posts", None]])
def test_what_can_name_no_asset_is_told_with_what_is_expected(project: Sandbox, given: Any) -> None:
    module = project.module(GOOD)
    project.build(module, "posts")
    for select in (nacre.build, nacre.plan):
        with pytest.raises(UsageError, match=r"(?s)selects no asset.*(None|5).*give a key, a name"):
            select(given, modules=[module])
    for name in (nacre.load, nacre.lineage, nacre.location):
        with pytest.raises(UsageError, match=r"(?s)names no asset.*(None|5).*give a key"):
            name(given)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("posts", 'did you mean "asset://posts"'),
        ("S3://lake", "valid URI"),
        ("s3://lake/a b", "cannot contain ' '"),
        ("s3://lake/{date}", "cannot contain '{'"),
        ("s3://lake/../etc", "path segment"),
        ("s3://" + "x" * 600, "cannot exceed 512"),
        (7, "must be a string"),
    ],
)
def test_a_bad_key_is_refused_where_it_is_written(key: str, problem: str) -> None:
    with pytest.raises(InvalidKey) as raised:
        nacre.materialize(key)
    assert problem in str(raised.value)
    assert isinstance(raised.value, ValueError)


def test_a_wrong_option_offers_the_closest(project: Sandbox) -> None:
    with pytest.raises(InvalidOption, match="did you mean retries="):
        project.module("@task(retrys=3)\ndef step(): pass\n")
    with pytest.raises(InvalidOption, match="whole number"):
        project.module("@task(retries=-1)\ndef step(): pass\n")
    with pytest.raises(NotYetEffective, match="Option result_storage= has no effect in nacre yet"):
        project.module('@task(result_storage="s3/x")\ndef step(): pass\n')
    with pytest.raises(TypeError, match="requires at least one asset"):
        project.module("@materialize()\ndef step(): pass\n")
    with pytest.raises(TypeError, match="needs the key of what it makes"):
        project.module("@materialize\ndef step(): pass\n")


def test_options_of_assets_are_not_options_of_flows(project: Sandbox) -> None:
    for option in ("cache_policy=None", "refresh_cache=True", "data_version=None", "run_name='x'"):
        with pytest.raises(InvalidOption, match="Unknown option"):
            project.module(f"@flow({option})\ndef run(): pass\n")
    for option in ("validate_parameters=False", "flow_run_name='x'", "run_name='x'", "task_runner=None"):
        with pytest.raises(InvalidOption, match="Unknown option"):
            project.module(f"@task({option})\ndef run(): pass\n")


def test_a_value_no_format_can_keep_fails_its_step_alone(project: Sandbox) -> None:
    module = project.module(
        GOOD
        + """
class Thing: pass

@materialize("asset://thing")
def thing(posts): return {"a": [1, Thing()]}
"""
    )
    result = project.build(module)
    assert isinstance(result.errors["asset://thing"], UnserialisableValue)
    assert "asset://thing" in result["thing"].error
    assert "Thing" in result["thing"].error
    assert "→" in result["thing"].error
    assert project.history("asset://thing") == []
    assert nacre.load("asset://posts") == [1, 2]


def test_an_argument_nobody_can_identify_runs_and_says_so(project: Sandbox) -> None:
    module = project.module(
        """
        class Client: pass
        @materialize("asset://got")
        def got(client):
            calls.append("got")
            return 1
    """
    )
    client = module.Client()
    assert [module.got(client), module.got(client)] == [1, 1]
    assert module.calls == ["got", "got"]
    reason = project.runs()[-1].steps[0].reason
    assert (reason.cause, reason.subject) == ("unknown", "argument `client` (Client)")


def test_a_wrong_call_says_what_the_function_takes(project: Sandbox) -> None:
    module = project.module(GOOD)
    with pytest.raises(TypeError) as raised:
        module.posts(1, 2)
    assert "posts()" in str(raised.value)
    assert f"{module.__file__}:" in str(raised.value)


def test_loading_what_is_not_there_says_where_it_looked(project: Sandbox) -> None:
    with pytest.raises(NotMaterialized) as raised:
        nacre.load("asset://posts")
    assert str(project.store) in str(raised.value)
    assert "nacre build" in str(raised.value)
    assert not project.store.exists()
    project.build(project.module(GOOD))
    with pytest.raises(LookupError, match="did you mean 'asset://posts'"):
        nacre.load("asset://post")


def test_two_stored_assets_of_one_name_need_the_key(project: Sandbox) -> None:
    project.build(project.module(GOOD))
    project.build(project.module(GOOD.replace("asset://", "asset://other/")))
    with pytest.raises(NotMaterialized, match="'posts' could mean several stored assets") as raised:
        nacre.load("posts")
    assert "asset://other/posts" in str(raised.value)


def test_a_type_it_cannot_become_is_refused(project: Sandbox) -> None:
    import pandas as pd

    project.build(project.module(GOOD))
    assert nacre.load("asset://posts", as_type=list) == [1, 2]
    with pytest.raises(TypeError) as raised:
        nacre.load("asset://posts", as_type=pd.DataFrame)
    assert "asset://posts" in str(raised.value)
    assert "pandas.DataFrame" in str(raised.value)


def test_a_module_that_is_not_there_says_so(project: Sandbox) -> None:
    with pytest.raises(UsageError, match="No such file: nowhere"):
        nacre.build("*", modules="nowhere.py")
    with pytest.raises(UsageError, match="No module named"):
        nacre.build("*", modules="no_such_module")
    with pytest.raises(UsageError, match="No assets to build: no module was given"):
        nacre.build("*")
    empty = project.module("")
    with pytest.raises(UsageError, match="No assets are declared"):
        nacre.build("*", modules=[empty])


def test_what_a_module_raises_is_its_own(project: Sandbox) -> None:
    Path("broken.py").write_text("import no_such_thing\n", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        nacre.build("*", modules="broken.py")


def test_a_store_from_a_newer_version_is_left_alone(project: Sandbox) -> None:
    module = project.module(GOOD)
    project.build(module)
    project.close()
    (path,) = project.store.glob("records.sqlite")
    with sqlite3.connect(path) as connection:
        data = connection.execute("SELECT data FROM records WHERE path = 'format'").fetchone()[0]
        newer = encode(replace(decode(data, StoreFormat), version=99))
        connection.execute("UPDATE records SET data = ? WHERE path = 'format'", (newer,))
    connection.close()
    before = path.read_bytes()
    project.reopen()
    with pytest.raises(StoreTooNew) as raised:
        project.build(module)
    assert str(project.store) in str(raised.value)
    assert path.read_bytes() == before


@pytest.fixture
def sealed_project(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project that every user can reach, to be sealed by the test."""
    folder = Path(tempfile.mkdtemp(prefix="nacre-test-"))
    folder.chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NACRE_STORE", str(folder / "store"))
    sandbox = Sandbox(folder)
    yield sandbox
    sandbox.close()
    sandbox.forget_modules()
    shutil.rmtree(folder)


@contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """Take away the right to write; no permission stops the superuser, who becomes somebody else for a while."""
    places = [folder, *folder.rglob("*")]
    modes = {place: place.stat().st_mode for place in places}
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for place, mode in modes.items():
            place.chmod(mode)


def test_a_read_only_store_can_be_read_and_refuses_before_anything_runs(sealed_project: Sandbox) -> None:
    project = sealed_project
    module = project.module(GOOD)
    project.build(module)
    project.reopen()
    nacre.plan(modules=[module])
    module.calls.clear()
    project.reopen()
    with sealed(project.folder):
        assert nacre.load("asset://posts") == [1, 2]
        assert nacre.plan(modules=[module])["posts"].reason == "checked on every run"
        with pytest.raises(StoreReadOnly) as raised:
            project.build(module)
        with pytest.raises(StoreReadOnly):
            module.posts()
        project.close()
    assert str(project.store) in str(raised.value)
    assert "→" in str(raised.value)
    assert module.calls == []
    project.reopen()
    assert project.build(module).counts == {"checked": 1}


def test_read_only_is_an_error_of_its_own() -> None:
    assert issubclass(StoreReadOnly, PermissionError)


def test_an_unknown_place_for_the_store_names_those_there_are(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", "ftp://server/x")
    with pytest.raises(UsageError, match="No store driver for ftp://"):
        project.build(project.module(GOOD))
