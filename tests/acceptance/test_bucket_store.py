"""A store in a bucket: works as one on a disk, machines share it, and what is wrong is said before a step runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import nacre
from buckets import Asked, Lake, Relay, closed_port
from nacre.errors import StoreReadOnly, StoreUnavailable, UsageError
from nacre.store.codec import R, decode
from nacre.store.records import Action, Head, Run
from sandbox import Sandbox
from shell import SHOP, Shell

PIPELINE = """
@materialize("demo://numbers")
def numbers() -> list:
    calls.append("numbers")
    return [1, 2, 3]

@materialize("demo://large")
def large(numbers: list) -> bytes:
    calls.append("large")
    return bytes(numbers) * 50_000

@materialize("demo://total")
def total(numbers: list, large: bytes) -> int:
    calls.append("total")
    return sum(numbers) + len(large)
"""
WIDE = """
@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

def asset(n):
    @materialize(f"demo://part/p{n}")
    def part(numbers: list) -> int:
        return n + sum(numbers)
    return part

parts = [asset(n) for n in range(40)]
"""
BUILDER = """
import sys, nacre
sys.dont_write_bytecode = True
from nacre import materialize

@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

def asset(n):
    @materialize(f"demo://part/p{n}")
    def part(numbers: list) -> dict:
        return {"n": n, "sum": sum(numbers)}
    return part

parts = [asset(n) for n in range(12)]

if __name__ == "__main__":
    result = nacre.build("*", modules=["pipeline.py"])
    result.raise_for_failure()
"""


@pytest.fixture
def store(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"{lake.url}/team"
    monkeypatch.setenv("NACRE_STORE", url)
    return url


@pytest.fixture
def sandbox(project: Sandbox, store: str) -> Sandbox:
    project.reopen()
    return project


@pytest.fixture
def other(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Another project directory, as on another machine, that shares nothing but the bucket."""
    other = Sandbox(tmp_path_factory.mktemp("other"))
    yield other
    other.close()
    other.forget_modules()


def actions(result: nacre.RunResult) -> dict[str, str]:
    return {step.name: "checked" if step.checked else step.action for step in result.steps}


def index_file(sandbox: Sandbox) -> Path:
    (file,) = (sandbox.folder / ".nacre").glob("*.sqlite")
    return file


def test_a_pipeline_is_stored_in_the_bucket_and_reused(sandbox: Sandbox, lake: Lake) -> None:
    module = sandbox.module(PIPELINE)
    assert set(actions(sandbox.build(module)).values()) == {"built"}
    assert nacre.load("demo://total") == 6 + 150_000
    sandbox.reopen()
    result = sandbox.build(module)
    assert actions(result) == {"numbers": "checked", "large": "reused", "total": "reused"}
    assert module.calls == ["numbers", "large", "total", "numbers"]
    areas = {key.split("/")[1] + "/" + key.split("/")[2] for key in lake.names()}
    assert areas == {
        "records/format",
        "records/ac",
        "records/sources",
        "records/heads",
        "records/leases",
        "records/runs",
        "objects/data",
    }
    assert not (sandbox.folder / "store").exists()


def test_another_project_directory_on_the_bucket_builds_nothing(
    sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sandbox.module(PIPELINE, "pipe_shared")
    sandbox.build(module)
    before = sandbox.runs()
    sandbox.close()
    monkeypatch.chdir(other.folder)
    other.reopen()
    shutil.copy(str(module.__file__), other.folder)
    same = other.module(PIPELINE, "pipe_shared")
    assert actions(other.build(same)) == {"numbers": "checked", "large": "reused", "total": "reused"}
    assert same.calls == ["numbers"]
    assert nacre.load("demo://large") == bytes([1, 2, 3]) * 50_000
    assert len(other.history("demo://total")) == 1
    assert [run.id for run in other.runs()][:1] == [before[0].id]


def test_the_index_can_be_deleted_and_is_made_again(sandbox: Sandbox) -> None:
    module = sandbox.module(PIPELINE)
    sandbox.build(module)
    rows = sandbox.workspace.catalog.heads("default")
    runs = sandbox.workspace.catalog.runs()
    sandbox.close()
    shutil.rmtree(sandbox.folder / ".nacre")
    sandbox.reopen()
    assert nacre.load("demo://total") == 150_006
    assert not (sandbox.folder / ".nacre").exists(), "only a run makes it"
    assert actions(sandbox.build(module))["total"] == "reused"
    assert sandbox.workspace.catalog.heads("default") == rows
    assert sandbox.workspace.catalog.runs()[1:] == runs
    assert index_file(sandbox).exists()


def test_a_damaged_index_is_made_again(sandbox: Sandbox) -> None:
    module = sandbox.module(PIPELINE)
    sandbox.build(module)
    sandbox.close()
    index_file(sandbox).write_bytes(b"no database at all, but long enough to be looked at" * 100)
    sandbox.reopen()
    assert actions(sandbox.build(module))["total"] == "reused"


def test_a_project_whose_folder_takes_no_index_works_without(sandbox: Sandbox) -> None:
    (sandbox.folder / ".nacre").write_text("in the way")
    module = sandbox.module(PIPELINE)
    sandbox.build(module)
    sandbox.reopen()
    assert actions(sandbox.build(module))["total"] == "reused"
    assert (sandbox.folder / ".nacre").read_text() == "in the way"


def test_a_store_may_be_a_whole_bucket(sandbox: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/")
    sandbox.reopen()
    sandbox.build(sandbox.module(PIPELINE))
    assert {name.partition("/")[0] for name in lake.names()} == {"records", "objects"}
    assert sandbox.workspace.location == lake.url


def test_a_bucket_that_was_emptied_is_built_anew(sandbox: Sandbox, lake: Lake) -> None:
    module = sandbox.module(PIPELINE)
    sandbox.build(module)
    sandbox.close()
    for key in lake.names():
        lake.service.client.delete_object(Bucket=lake.bucket, Key=key)
    sandbox.reopen()
    assert set(actions(sandbox.build(module)).values()) == {"built"}
    assert len(sandbox.history("demo://total")) == 1


def test_heads_that_somebody_deleted_are_not_believed(sandbox: Sandbox, lake: Lake) -> None:
    module = sandbox.module(PIPELINE)
    sandbox.build(module)
    sandbox.close()
    for key in lake.names():
        if "/heads/" in key:
            lake.service.client.delete_object(Bucket=lake.bucket, Key=key)
    sandbox.reopen()
    assert sandbox.workspace.catalog.heads("default") == []


def test_what_others_built_is_seen_by_a_process_that_goes_on(sandbox: Sandbox, other: Sandbox) -> None:
    module = sandbox.module(PIPELINE)
    sandbox.build(module)
    workspace = sandbox.workspace
    from nacre.config import read_settings
    from nacre.project import Project

    elsewhere = Project(str(other.folder), read_settings(str(other.folder)), sandbox.clock)
    seen = elsewhere.workspace(creates=False)
    sandbox.clock.advance(60)
    sandbox.edit(module, "[1, 2, 3]", "[1, 2, 3, 4]")
    sandbox.build(sandbox.edit(module, "[1, 2, 3, 4]", "[1, 2, 3, 5]"))
    assert elsewhere.workspace(creates=False) is seen
    sandbox.clock.advance(60)
    elsewhere._clock = sandbox.clock
    assert [row.seq for row in elsewhere.workspace(creates=False).catalog.heads("default")] == [2, 2, 2]
    assert workspace is not seen
    elsewhere.close()


def test_a_warm_build_that_has_nothing_to_do_makes_these_requests(sandbox: Sandbox, relay: Relay) -> None:
    sandbox.reopen()
    module = sandbox.module(WIDE)
    assert len(sandbox.build(module, reuse_sources=True).steps) == 41
    sandbox.reopen()
    relay.asked.clear()
    assert {step.action for step in sandbox.build(module, reuse_sources=True).steps} == {"reused"}
    # Its format, what changed of heads, and the run's own record at its start and end.
    assert relay.counts == {"GET": 1, "LIST": 1, "PUT": 2}


def run_of(sandbox: Sandbox, module: object) -> Exception:
    with pytest.raises((StoreUnavailable, StoreReadOnly)) as caught:
        sandbox.build(module)  # type: ignore[arg-type]
    assert module.calls == [], "a step ran"  # type: ignore[attr-defined]
    assert not (sandbox.folder / ".nacre").exists()
    return caught.value


def test_a_store_that_nothing_answers_for_is_told_before_any_step(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    sandbox.reopen()
    error = run_of(sandbox, sandbox.module(PIPELINE))
    assert isinstance(error, StoreUnavailable)
    assert "cannot be reached" in str(error)
    assert endpoint in str(error)
    assert "AWS_ENDPOINT_URL" in str(error)


def test_a_store_in_a_bucket_that_is_not_there_is_told_before_any_step(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", "s3://no-such-lake/team")
    sandbox.reopen()
    error = run_of(sandbox, sandbox.module(PIPELINE))
    assert isinstance(error, StoreUnavailable)
    assert "There is no bucket no-such-lake" in str(error)
    assert "aws s3 mb s3://no-such-lake" in str(error)


def test_a_store_without_credentials_is_told_before_any_step_or_request(
    sandbox: Sandbox, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    sandbox.reopen()
    error = run_of(sandbox, sandbox.module(PIPELINE))
    assert isinstance(error, StoreReadOnly)
    assert "There are no credentials" in str(error)
    assert "AWS_PROFILE" in str(error)
    assert relay.asked == []


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_store_that_may_only_be_read_is_told_before_any_step(
    sandbox: Sandbox, lake: Lake, other: Sandbox, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    module = sandbox.module(PIPELINE)
    if is_begun:
        sandbox.build(module)
        module.calls.clear()
    for name, value in lake.service.user_who_may("s3:GetObject", "s3:ListBucket").items():
        monkeypatch.setenv(name, value)
    sandbox.reopen()
    lake.service.check_permissions(True)
    try:
        with pytest.raises(StoreReadOnly) as caught:
            sandbox.build(module)
        if is_begun:
            assert nacre.load("demo://total") == 150_006
    finally:
        lake.service.check_permissions(False)
    assert module.calls == []
    assert f"no permission to write to the bucket {lake.bucket}" in str(caught.value)
    assert "s3:PutObject" in str(caught.value)


def test_a_store_that_must_not_even_be_read_is_told_before_any_step(
    sandbox: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in lake.service.user_who_may().items():
        monkeypatch.setenv(name, value)
    sandbox.reopen()
    lake.service.check_permissions(True)
    try:
        error = run_of(sandbox, sandbox.module(PIPELINE))
    finally:
        lake.service.check_permissions(False)
    assert f"no permission to read the bucket {lake.bucket}" in str(error)


def test_builders_at_the_same_time_do_not_corrupt_each_other(
    sandbox: Sandbox, lake: Lake, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folders = [tmp_path_factory.mktemp(f"machine{n}") for n in range(3)]
    processes: list[subprocess.Popen[str]] = []
    for folder in folders:
        (folder / "pipeline.py").write_text(BUILDER)
        machine = Sandbox.__new__(Sandbox)
        machine.folder = folder
        processes.append(machine.python("pipeline.py"))
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    heads = sandbox.workspace.catalog.heads("default")
    assert len(heads) == 13
    assert {row.seq for row in heads} == {1}, "the same content moves a head once"
    assert nacre.load("demo://part/p3") == {"n": 3, "sum": 6}
    assert [run.state for run in sandbox.runs()] == ["completed"] * 3
    assert len([key for key in lake.names() if "/ac/" in key]) == 13
    runs: list[Run] = sandbox.runs()
    assert len({run.id for run in runs}) == 3


def test_a_build_goes_on_where_the_service_went_away(
    sandbox: Sandbox, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nacre.store.connect.MAX_RETRIES", 0)
    sandbox.reopen()
    module = sandbox.module(PIPELINE)
    relay.spoil = lambda asked: "503 SlowDown" if "objects/data" in asked.path else ""
    result = sandbox.build(module)
    assert actions(result) == {"numbers": "built", "large": "failed", "total": "skipped"}
    assert "could not do it" in result["demo://large"].error
    relay.spoil = lambda asked: "503 SlowDown" if asked.method == "PUT" and "/ac/" in asked.path else ""
    with pytest.raises(StoreUnavailable, match="could not do it") as caught:
        sandbox.build(module)
    assert caught.value.facts["asset"] == "demo://large"
    relay.spoil = lambda asked: ""
    sandbox.reopen()
    assert actions(sandbox.build(module)) == {"numbers": "checked", "large": "built", "total": "built"}
    assert len(sandbox.history("demo://large")) == 1
    assert [run.state for run in sandbox.runs()] == ["failed", "failed", "completed"]


#: Of 50 writes: while the service is tried, while the store is begun, at the run's record, among those of the steps.
KILLED_AT = (5, 19, 21, 26, 38)


@pytest.mark.parametrize("n_writes", KILLED_AT)
@pytest.mark.whole
def test_a_build_killed_at_a_write_leaves_a_store_that_is_whole_and_goes_on(
    sandbox: Sandbox, lake: Lake, relay: Relay, n_writes: int
) -> None:
    (sandbox.folder / "pipeline.py").write_text(BUILDER)
    left = iter(range(n_writes))
    process = sandbox.python("pipeline.py")

    def kill(asked: Asked) -> str:
        if asked.method == "PUT" and next(left, None) is None:
            process.kill()
        return ""

    relay.spoil = kill
    process.communicate(timeout=60)
    assert process.returncode == -9
    relay.spoil = lambda asked: ""
    assert_whole(lake)
    again = sandbox.python("pipeline.py")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert_whole(lake)
    sandbox.reopen()
    assert [row.seq for row in sandbox.workspace.catalog.heads("default")] == [1] * 13


def assert_whole(lake: Lake) -> None:
    """Each head has its record, and each version the ones it was made from; told by reading the bucket alone."""
    names = lake.names()
    heads = [_record(lake, name, Head) for name in names if "/heads/" in name]
    actions = {name.rpartition("/")[2]: _record(lake, name, Action) for name in names if "/ac/" in name}
    seqs = {head.asset: head.current.seq for head in heads}
    for head in heads:
        assert head.current.fingerprint in actions
        assert all(seqs.get(asset, 0) >= seq for asset, seq in head.current.inputs.values())
    for action in actions.values():
        assert all(seqs.get(each.asset, 0) >= each.seq for each in action.inputs)
        assert all(f"team/objects/{out.object}" in names for out in action.outputs if out.object)


def _record(lake: Lake, name: str, kind: type[R]) -> R:
    return decode(lake.read(name).rpartition(b"\n")[0], kind, name.partition("records/")[2])


def test_progress_that_moves_on_costs_two_requests(sandbox: Sandbox, relay: Relay) -> None:
    sandbox.reopen()
    with_bar = sandbox.module(
        """
        from nacre.artifacts import create_progress_artifact, update_progress_artifact

        @flow
        def load():
            bars = [create_progress_artifact(0.0, key=f"bar-{n}") for n in range(5)]
            turn(bar=bars[2])

        @flow
        def move():
            update_progress_artifact(world["bar"], 50.0)
        """
    )
    with_bar.load()
    relay.asked.clear()
    with_bar.move()
    about_bars = [asked.kind for asked in relay.asked if "/artifacts/bar-" in asked.path]
    assert about_bars == ["GET", "PUT"]


def test_commands_work_on_a_bucket_as_on_a_folder(
    sandbox: Sandbox, shell: Shell, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.write(SHOP)
    assert lake.url in shell("show", "sales", exits=2).output
    assert lake.names() == [], "looking begins no store"
    shell("build")
    assert {row["state"] for row in shell.rows("ls")} == {"fresh", "check"}
    assert "7" in shell("show", "sales").output
    assert "v1" in shell("history", "sales").output
    assert "orders" in shell("why", "sales").output
    assert "words" in shell("artifacts").output
    assert "Sales" in shell("artifacts", "words").output
    assert "reused" in shell("build").output
    assert os.listdir(sandbox.folder / ".nacre")


def test_a_store_whose_url_names_no_folder_is_refused_with_the_part(
    lake: Lake, project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, part in ((f"{lake.url}/../q", "'..'"), (f"{lake.url}/./x", "'.'"), (f"{lake.url}//x", "''")):
        monkeypatch.setenv("NACRE_STORE", url)
        project.reopen()
        with pytest.raises(UsageError, match=f"cannot have the part {part}"):
            nacre.plan(modules=[project.module(PIPELINE)])


def test_the_text_of_code_costs_one_put_for_each_version_of_a_file(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(WIDE)
    sandbox.build(module)
    assert [asked.method for asked in relay.asked if "/sources/" in asked.path] == ["PUT"]
    sandbox.reopen()
    relay.asked.clear()
    sandbox.build(sandbox.edit(module, "calls = []", "calls = []  # nothing yet"))
    assert [asked.method for asked in relay.asked if "/sources/" in asked.path] == []


def test_a_password_in_the_endpoint_is_no_part_of_the_name_of_the_index(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL"].replace("://", "://bob:hunter2@")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    sandbox.reopen()
    assert sandbox.build(sandbox.module(PIPELINE)).ok
    assert "hunter2" not in index_file(sandbox).name
