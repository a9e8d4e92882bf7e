"""Keys that are buckets: published as plain objects, and every trouble with them told before the first step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

import nacre
from buckets import Lake, Relay, closed_port
from nacre.errors import StoreError, StoreReadOnly, StoreUnavailable
from sandbox import Sandbox

PIPELINE = """
@materialize("demo://rain")
def rain() -> list:
    calls.append("rain")
    return world.setdefault("rain", [1, 2])

@materialize("{url}/rain/total.json")
def total(rain: list) -> int:
    calls.append("total")
    return sum(rain)

@flow
def week():
    return total(rain())
"""


def nothing_answers(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    return lake.url


def no_such_bucket(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> str:
    return f"{lake.url}-misspelt"


def no_credentials(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return lake.url


def no_permission(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in lake.service.user_who_may("s3:GetObject", "s3:ListBucket").items():
        monkeypatch.setenv(name, value)
    lake.service.check_permissions(True)
    return lake.url


TROUBLES: dict[Callable[[Lake, pytest.MonkeyPatch], str], type[StoreError]] = {
    nothing_answers: StoreUnavailable,
    no_such_bucket: StoreUnavailable,
    no_credentials: StoreReadOnly,
    no_permission: StoreReadOnly,
}


@pytest.mark.parametrize("is_flow", [False, True], ids=["build", "flow"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_trouble_with_a_place_is_one_error_before_its_first_step_and_offers_a_folder(
    project: Sandbox,
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Lake, pytest.MonkeyPatch], str],
    is_flow: bool,
) -> None:
    try:
        url = trouble(lake, monkeypatch)
        module = project.module(PIPELINE.replace("{url}", url))
        with pytest.raises(TROUBLES[trouble]) as raised:
            module.week() if is_flow else project.build(module)
    finally:
        lake.service.check_permissions(False)
    text = str(raised.value)
    # A flow finds out about its steps as it goes: what is published there has not run.
    assert module.calls == (["rain"] if is_flow else [])
    assert url in text
    assert f'places = {{"{url}" = "./{url.removeprefix("s3://")}"}}' in text
    assert lake.names() == []


def test_the_line_that_the_error_offers_makes_it_work(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = nothing_answers(lake, monkeypatch)
    module = project.module(PIPELINE.replace("{url}", url))
    with pytest.raises(StoreUnavailable) as raised:
        project.build(module)
    line = next(hint for hint in raised.value.hint if "places = " in hint)
    (project.folder / "nacre.toml").write_text(line.partition("nacre.toml: ")[2])
    project.reopen()
    assert project.build(module).ok
    assert json.loads((project.folder / lake.bucket / "rain/total.json").read_text()) == 3


@pytest.mark.parametrize("is_variable", [False, True], ids=["nacre.toml", "NACRE_PLACES"])
def test_trouble_where_a_key_was_mapped_names_the_key_and_the_entry_to_change(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch, is_variable: bool
) -> None:
    if is_variable:
        monkeypatch.setenv("NACRE_PLACES", "s3://rivers=s3://no-such-lake/z")
        project.reopen()
    else:
        project.map("s3://rivers", "s3://no-such-lake/z")
    with pytest.raises(StoreUnavailable, match="There is no bucket no-such-lake") as raised:
        project.build(project.module(PIPELINE.replace("{url}", "s3://rivers")))
    assert raised.value.facts["key"] == "s3://rivers/rain/total.json"
    entry = (
        "NACRE_PLACES: s3://rivers=s3://no-such-lake/z"
        if is_variable
        else 'nacre.toml: "s3://rivers" = "s3://no-such-lake/z"'
    )
    assert f"→ or change its entry of places, in {entry}" in str(raised.value)
    assert "places = {" not in str(raised.value)


def test_trouble_while_files_are_looked_at_names_a_key(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module)
    nothing_answers(lake, monkeypatch)
    project.reopen()
    with pytest.raises(StoreUnavailable) as raised:
        nacre.plan(modules=[module])
    assert raised.value.facts["key"] == f"{lake.url}/rain/total.json"


def test_the_current_version_is_an_object_at_its_key(project: Sandbox, lake: Lake) -> None:
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module)
    assert json.loads(lake.read("rain/total.json")) == 3
    module.turn(rain=[7])
    module.week()
    assert json.loads(lake.read("rain/total.json")) == 7
    assert lake.names() == ["rain/total.json"]


def test_the_run_warns_where_it_replaced_an_object_of_others(project: Sandbox, lake: Lake) -> None:
    lake.write("rain/total.json", b"precious")
    project.build(project.module(PIPELINE.replace("{url}", lake.url)))
    assert json.loads(lake.read("rain/total.json")) == 3
    assert lake.names() == ["rain/total.json"]
    said = [text for text in project.log() if "had not put there" in text]
    assert len(said) == 1
    assert f"{lake.url}/rain/total.json; it was replaced; the bucket's own versioning may have it" in said[0]


def test_a_run_with_nothing_new_asks_once_and_writes_nothing(
    project: Sandbox, lake: Lake, relay: Relay
) -> None:
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module)
    relay.asked.clear()
    assert project.build(module).counts == {"checked": 1, "reused": 1}
    methods = [each.method for each in relay.asked]
    # One look at the file, and one probe of whether it could be put; with many files the look is a LIST.
    assert sorted(methods) == ["HEAD", "PUT"]


def test_a_deleted_or_edited_object_is_put_back(project: Sandbox, lake: Lake) -> None:
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module)
    lake.service.client.put_object(Bucket=lake.bucket, Key="rain/total.json", Body=b"0")
    result = project.build(module)
    assert result["total"].reason == "unchanged; its published file was not, so it is published again"
    assert json.loads(lake.read("rain/total.json")) == 3


def test_the_run_says_once_that_versions_are_kept_on_this_machine_only(project: Sandbox, lake: Lake) -> None:
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module)
    runs = project.workspace.catalog.runs()
    with project.workspace.contents.objects.get(f"logs/{runs[0].id}") as log:
        said = log.read().decode()
    assert said.count("kept on this machine only") == 1
    assert f"NACRE_STORE={lake.url}" in said


def test_versions_and_files_in_one_bucket_are_copied_there(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/nacre")
    project.reopen()
    module = project.module(
        f"""
@materialize("{lake.url}/rain/large.bin")
def large() -> bytes:
    return {os.urandom(4)!r} * 50_000
"""
    )
    result = nacre.build("*", modules=[module])
    assert result.ok
    assert len(lake.read("rain/large.bin")) == 200_000
    assert nacre.load("large") == lake.read("rain/large.bin")


LARGE = """
world.update(salt=1)

@materialize("{url}/rain/large.bin")
def large() -> bytes:
    return b"%d" % world["salt"] * 100_000
"""


def test_publishing_a_version_takes_exactly_the_requests_that_are_budgeted(
    project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/nacre")
    project.reopen()
    module = project.module(LARGE.replace("{url}", lake.url))
    project.build(module)
    for salt in (22, 333):
        module.turn(salt=salt)
        relay.asked.clear()
        project.build(module).raise_for_failure()
        about = [(each.kind, each.path) for each in relay.asked]
        public = [kind for kind, path in about if "/rain/" in path]
        assert lake.read("rain/large.bin") == b"%d" % salt * 100_000
        # The look at the place, the probe whether it may be written, the copy, and what the place says of it.
        assert public == ["HEAD", "PUT", "COPY", "HEAD"]
        # What a version is in the store, and the note of where it lies.
        puts = [path.partition("?")[0].split("/nacre/")[-1] for kind, path in about if kind == "PUT"]
        areas = ["/".join(each.split("/")[:2]) for each in puts]
        heads = [kind for kind, path in about if kind == "GET" and "/records/heads/" in path]
        assert len(heads) <= 1, "the commit may read it, and the publication goes on from what was written"
        own = [area for area in areas if area in ("objects/data", "records/ac", "records/heads")]
        assert sorted(own) == ["objects/data", "records/ac", "records/heads", "records/heads"]


def test_publishing_what_is_inline_asks_nothing_of_the_place_but_to_take_it(
    project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/nacre")
    project.reopen()
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module)
    module.turn(rain=[9])
    relay.asked.clear()
    project.build(module).raise_for_failure()
    public = [(each.kind, each.headers.get("if-match", "")) for each in relay.asked if "/rain/" in each.path]
    assert [kind for kind, _ in public] == ["HEAD", "PUT", "PUT"]
    assert public[2][1], "it is put on the condition of what lies there"
    assert json.loads(lake.read("rain/total.json")) == 9


def test_looking_at_many_published_files_takes_one_request_for_a_thousand(
    project: Sandbox, lake: Lake, relay: Relay
) -> None:
    lines = [
        f'@materialize("{lake.url}/many/a{n:02}.json")\ndef a{n:02}() -> int: return {n}\n' for n in range(30)
    ]
    module = project.module("\n".join(lines))
    project.build(module)
    relay.asked.clear()
    project.build(module, reuse_sources=True)
    assert relay.counts == {"LIST": 1}


def test_what_a_function_writes_to_a_bucket_is_copied_into_the_store_by_the_service(
    project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/nacre")
    project.reopen()
    module = project.module(
        f"""
@materialize("{lake.url}/big.bin")
def big() -> None:
    world["write"]("big.bin", b"y" * 300_000)
"""
    )
    module.turn(write=lake.write)
    relay.asked.clear()
    project.build(module).raise_for_failure()
    copies = [each.path for each in relay.asked if each.kind == "COPY"]
    assert len(copies) == 1
    assert "/nacre/objects/data/" in copies[0]
    assert nacre.load("big", as_type=bytes) == b"y" * 300_000
    lake.write("big.bin", b"edited")
    project.build(module, reuse_sources=True)
    assert lake.read("big.bin") == b"y" * 300_000


WRITES = """
@materialize("{url}/own.{ending}")
def own() -> None:
    world["write"]("text 1")
"""


@pytest.mark.parametrize("ending", ["bin", "json"])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_killed_run_had_written_and_the_next_writes_again_is_the_version(
    project: Sandbox, lake: Lake, ending: str, is_first: bool
) -> None:
    """The same bytes have the same mark there: nobody sees that they were written anew."""

    def write(text: str) -> None:
        lake.write(f"own.{ending}", json.dumps(text).encode())

    module = project.module(WRITES.format(url=lake.url, ending=ending))
    module.turn(write=write)
    if not is_first:
        project.build(module).raise_for_failure()
        module = project.edit(module, "text 1", "text 2")
        module.turn(write=write)
    text = "text 1" if is_first else "text 2"
    write(text)
    project.build(module).raise_for_failure()
    stored = nacre.load("own", as_type=str if ending == "json" else bytes)
    assert stored == (text if ending == "json" else json.dumps(text).encode())
    assert json.loads(lake.read(f"own.{ending}")) == text
