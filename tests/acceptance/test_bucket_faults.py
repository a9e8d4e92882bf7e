"""Trouble with a bucket: faults 18 to 27 of the catalogue, through a relay that spoils what a real service answers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import nacre
from buckets import Asked, Lake, Relay
from nacre.errors import CorruptObject, StoreError, StoreReadOnly, StoreUnavailable
from nacre.store import connect as connecting
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import connect
from nacre.testing import read_object, write_object
from sandbox import Sandbox

PIPELINE = """
@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

@materialize("demo://large")
def large(numbers: list) -> bytes:
    calls.append("large")
    return b"x" * 200_000

@materialize("demo://total")
def total(large: bytes) -> int:
    calls.append("total")
    return len(large)
"""


@pytest.fixture
def sandbox(project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    monkeypatch.setattr(connecting, "MAX_RETRIES", 1)
    monkeypatch.setattr(connecting, "RETRY_TIMEOUT_S", 1)
    project.reopen()
    return project


def actions(result: nacre.RunResult) -> dict[str, str]:
    return {step.name: "checked" if step.checked else step.action for step in result.steps}


def some(fate: str, kind: str, part: str, times: int = 1) -> Callable[[Asked], str]:
    """Spoil the first requests of a kind whose path has a part."""
    left = iter(range(times))

    def spoil(asked: Asked) -> str:
        hit = asked.kind == kind and part in asked.path and next(left, None) is not None
        return fate if hit else ""

    return spoil


# ── 18, 19, 21: what happened is not known ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fate", ["lost", "reset", "412 PreconditionFailed", "409 ConditionalRequestConflict"]
)
@pytest.mark.parametrize("area", ["/runs/", "/ac/", "/heads/", "objects/data"])
def test_an_unknown_outcome_of_any_write_is_settled_and_nothing_is_made_twice(
    sandbox: Sandbox, relay: Relay, fate: str, area: str
) -> None:
    module = sandbox.module(PIPELINE)
    relay.spoil = some(fate, "PUT", area)
    assert actions(sandbox.build(module)) == {"numbers": "built", "large": "built", "total": "built"}
    assert module.calls == ["large", "total"]
    sandbox.reopen()
    assert [row.seq for row in sandbox.workspace.catalog.heads("default")] == [1, 1, 1]
    assert nacre.load("demo://large") == b"x" * 200_000


# ── 20: slow down ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_service_that_asks_to_slow_down_is_obeyed_and_told_of_once(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(PIPELINE)
    relay.spoil = lambda asked: "503 SlowDown"
    with pytest.raises(StoreUnavailable, match="could not do it") as caught:
        sandbox.build(module)
    assert "SlowDown" in str(caught.value.facts["problem"])
    assert len(relay.asked) <= 1 + connecting.MAX_RETRIES, (
        "it asks again as often as it may, and then gives up"
    )
    relay.spoil = some("503 SlowDown", "PUT", "", times=3)
    sandbox.reopen()
    sandbox.build(module).raise_for_failure()


# ── 22 and 23: answers that break off ─────────────────────────────────────────────────────────────────────────────────


def test_an_answer_that_breaks_off_is_asked_for_again(sandbox: Sandbox, relay: Relay) -> None:
    sandbox.build(sandbox.module(PIPELINE)).raise_for_failure()
    sandbox.reopen()
    relay.spoil = some("cut", "GET", "objects/data")
    assert nacre.load("demo://large") == b"x" * 200_000


def test_an_answer_that_always_breaks_off_is_an_error_and_never_a_value(
    sandbox: Sandbox, relay: Relay
) -> None:
    sandbox.build(sandbox.module(PIPELINE)).raise_for_failure()
    sandbox.reopen()
    relay.spoil = lambda asked: "cut" if "objects/data" in asked.path else ""
    with pytest.raises(StoreUnavailable) as caught:
        nacre.load("demo://large")
    assert "bucket" in caught.value.facts


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda data: data[:-7],
        lambda data: data[:50] + b"?" + data[51:],
        lambda data: b"<Error><Code>InternalError</Code></Error>",
    ],
    ids=["short", "flipped", "error page"],
)
def test_other_bytes_than_were_stored_are_never_a_value(
    sandbox: Sandbox, relay: Relay, spoiled: Callable[[bytes], bytes]
) -> None:
    sandbox.build(sandbox.module(PIPELINE)).raise_for_failure()
    sandbox.reopen()
    relay.rewrite = lambda asked, data: spoiled(data) if "objects/data" in asked.path else data
    with pytest.raises(StoreError) as caught:
        nacre.load("demo://large")
    assert isinstance(caught.value, (CorruptObject, StoreUnavailable))
    relay.rewrite = lambda asked, data: data
    assert nacre.load("demo://large") == b"x" * 200_000


@pytest.mark.parametrize("area", ["/ac/", "/heads/"])
def test_a_record_that_comes_as_an_error_page_is_an_error_and_never_a_record(
    sandbox: Sandbox, lake: Lake, relay: Relay, area: str
) -> None:
    sandbox.build(sandbox.module(PIPELINE)).raise_for_failure()
    records = BucketRecords(connect(f"{lake.url}/team", is_store=True), "team/records")
    path = next(name for name in lake.names() if area in name).removeprefix("team/records/")
    relay.spoil = lambda asked: "200 InternalError" if area in asked.path else ""
    with pytest.raises(StoreError):
        records.get(path)
    relay.spoil = lambda asked: "200 InternalError" if asked.kind == "PUT" and "/ac/" in asked.path else ""
    assert records.get("ac/never") is None


PART = 5 * 1024 * 1024


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.store.bucket.PART_BYTES", PART)
    monkeypatch.setattr(connecting, "PART_BYTES", PART)
    monkeypatch.setattr(connecting, "MAX_RETRIES", 1)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize(
    ("step", "fate"),
    [
        ("partNumber=2", "500 InternalError"),
        ("uploads", "500 InternalError"),
        ("POST ", "500 InternalError"),
        # S3 may say after all that it could not put the parts together: in an answer that began well.
        ("POST ", "200 InternalError"),
    ],
)
def test_an_upload_of_which_a_part_is_lost_leaves_no_object(
    lake: Lake, relay: Relay, fate: str, step: str
) -> None:
    objects = BucketObjects(connect(lake.url), "objects")

    def spoil(asked: Asked) -> str:
        hit = step in f"{asked.method} {asked.path}" and (step != "POST " or "uploadId" in asked.path)
        return fate if hit else ""

    relay.spoil = spoil
    with pytest.raises(StoreError):
        write_object(objects, "data/a", b"x" * (3 * PART))
    relay.spoil = lambda asked: ""
    assert objects.head("data/a") is None
    assert lake.names() == []
    write_object(objects, "data/b", b"y" * (2 * PART))
    assert read_object(objects, "data/b") == b"y" * (2 * PART)


@pytest.mark.usefixtures("_small_parts")
def test_a_part_that_fails_once_is_sent_again(lake: Lake, relay: Relay) -> None:
    objects = BucketObjects(connect(lake.url), "objects")
    relay.spoil = some("503 SlowDown", "PART", "partNumber=2")
    data = bytes(range(256)) * (3 * PART // 256)
    write_object(objects, "data/a", data)
    assert read_object(objects, "data/a") == data


# ── 24 and 25: a service that is behind ───────────────────────────────────────────────────────────────────────────────


def hiding(part: str) -> Callable[[Asked, bytes], bytes]:
    """Leave what has a part in its name out of every LIST, as one that is behind would."""

    def rewrite(asked: Asked, data: bytes) -> bytes:
        if asked.kind != "LIST":
            return data
        return re.sub(
            rb"<Contents>(?:(?!</Contents>).)*" + part.encode() + rb".*?</Contents>", b"", data, flags=re.S
        )

    return rewrite


def test_a_list_that_is_behind_costs_work_and_never_a_version(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(PIPELINE)
    sandbox.build(module).raise_for_failure()
    for index in (sandbox.folder / ".nacre").glob("*.sqlite*"):
        index.unlink()
    relay.rewrite = hiding("heads/default/large")
    sandbox.reopen()
    behind = sandbox.build(module)
    behind.raise_for_failure()
    relay.rewrite = lambda asked, data: data
    sandbox.reopen()
    (large,) = sandbox.workspace.catalog.heads_of("default", "demo://large")
    assert large.seq == 1, "the head that was not seen was not written over"
    assert nacre.load("demo://large") == b"x" * 200_000
    assert set(actions(sandbox.build(module)).values()) <= {"checked", "reused"}


def test_keys_with_signs_that_urls_escape_are_listed_and_read(sandbox: Sandbox) -> None:
    module = sandbox.module("""
        @materialize("demo://a+b/c=d/e@f.json")
        def odd() -> int:
            return 1
    """)
    sandbox.build(module).raise_for_failure()
    sandbox.reopen()
    assert [row.asset for row in sandbox.workspace.catalog.heads("default")] == ["demo://a+b/c=d/e@f.json"]
    assert nacre.load("demo://a+b/c=d/e@f.json") == 1


def test_a_record_that_is_not_there_right_after_it_was_written_is_settled_or_told(
    sandbox: Sandbox, relay: Relay
) -> None:
    """A store that answers 404 for what it just took: what is lost is an answer, never a record."""
    module = sandbox.module(PIPELINE)
    relay.spoil = some("404 NoSuchKey", "GET", "/ac/", times=3)
    sandbox.build(module).raise_for_failure()
    assert module.calls == ["large", "total"]
    sandbox.reopen()
    assert [row.seq for row in sandbox.workspace.catalog.heads("default")] == [1, 1, 1]


# ── 27: credentials and clocks ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "kind", "what"),
    [
        ("ExpiredToken", StoreReadOnly, "credentials"),
        ("RequestTimeTooSkewed", StoreUnavailable, "clock"),
    ],
)
def test_what_ends_a_run_in_its_middle_is_told_and_the_next_goes_on(
    sandbox: Sandbox, relay: Relay, code: str, kind: type[StoreError], what: str
) -> None:
    module = sandbox.module(PIPELINE)
    relay.spoil = lambda asked: f"403 {code}" if "objects/data" in asked.path else ""
    failed = sandbox.build(module)
    assert actions(failed) == {"numbers": "built", "large": "failed", "total": "skipped"}
    error = failed.errors["demo://large"]
    assert isinstance(error, kind)
    assert what in error.what
    assert code in str(error.facts["problem"])
    relay.spoil = lambda asked: ""
    sandbox.reopen()
    assert actions(sandbox.build(module)) == {"numbers": "checked", "large": "built", "total": "built"}


# ── 29: what others do to a bucket ────────────────────────────────────────────────────────────────────────────────────


def test_a_bucket_that_keeps_versions_of_its_own_works_as_any_other(sandbox: Sandbox, lake: Lake) -> None:
    lake.service.client.put_bucket_versioning(
        Bucket=lake.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    module = sandbox.module(PIPELINE)
    sandbox.build(module).raise_for_failure()
    sandbox.reopen()
    assert set(actions(sandbox.build(module)).values()) == {"checked", "reused"}
