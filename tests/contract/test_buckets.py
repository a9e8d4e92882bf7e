"""What the drivers of buckets promise beyond the contract: lost answers, unable services, requests, large objects."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable

import pytest

from buckets import Asked, Lake, Relay
from nacre.errors import (
    CorruptRecord,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from nacre.store import bucket_records
from nacre.store import connect as connecting
from nacre.store.bucket import FIRST_BYTES, BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.codec import decode, encode
from nacre.store.connect import connect
from nacre.store.ids import new_id
from nacre.store.paths import head_path, run_path
from nacre.store.port import Stored, Write
from nacre.store.records import FORMAT_VERSION, State, StoreFormat
from nacre.testing import add_one, read_object, write_object

PART = 5 * 1024 * 1024


def records_of(lake: Lake) -> BucketRecords:
    return BucketRecords(connect(lake.url, is_store=True), "records")


def objects_of(lake: Lake) -> BucketObjects:
    return BucketObjects(connect(lake.url, is_store=True), "objects")


def spoiling(fate: str, method: str, path: str, times: int) -> Callable[[Asked], str]:
    """Spoil the first requests of a kind."""
    left = [fate] * times

    def spoil(asked: Asked) -> str:
        return left.pop() if left and asked.method == method and path in asked.path else ""

    return spoil


# ── records ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_begun_once_and_known_by_its_format(lake: Lake, relay: Relay) -> None:
    assert not BucketRecords(connect(lake.url), "records", creates=False).identity
    assert lake.names() == []
    first = records_of(lake)
    assert lake.names() == ["records/format"]
    relay.asked.clear()
    assert records_of(lake).identity == first.identity
    assert relay.counts == {"GET": 1}


def test_a_store_of_a_newer_nacre_is_refused_and_left_as_it_is(lake: Lake) -> None:
    records = records_of(lake)
    stored = records.get("format")
    assert stored is not None
    newer = encode(StoreFormat(version=FORMAT_VERSION + 1, created_at=_created(stored)))
    assert records.replace("format", newer, stored.token) is not None
    before = lake.read("records/format")
    with pytest.raises(StoreTooNew, match=rf"(?s)upgrade nacre.*s3://{lake.bucket}"):
        records_of(lake)
    assert lake.read("records/format") == before


def test_a_record_is_its_json_and_the_id_of_its_write(lake: Lake) -> None:
    records_of(lake).create("runs/1", b'{"id": "1"}')
    text, mark = lake.read("records/runs/1").decode().splitlines()
    assert text == '{"id": "1"}'
    assert len(mark) == len('"01M89TX50MAQ79JF04W256TBW0"')


def test_a_record_that_somebody_else_wrote_is_damaged(lake: Lake) -> None:
    records = records_of(lake)
    lake.write("records/state/1", b'{"digest":"d"}')
    stored = records.get("state/1")
    assert stored is not None
    with pytest.raises(CorruptRecord, match="state/1"):
        decode(stored.data, State, stored.path)


@pytest.mark.parametrize("times", [1, 3])
def test_a_write_whose_answer_was_lost_is_recognised_as_our_own(lake: Lake, relay: Relay, times: int) -> None:
    records = records_of(lake)
    relay.spoil = spoiling("lost", "PUT", "/runs/1", times)
    token = records.create("runs/1", b"1")
    assert token is not None
    relay.spoil = spoiling("lost", "PUT", "/runs/1", times)
    second = records.replace("runs/1", b"2", token)
    assert records.get("runs/1") == ("runs/1", b"2", second)


def test_an_error_that_says_nothing_is_asked_again_until_it_is_known(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", 0)
    records = records_of(lake)
    relay.spoil = spoiling("500 InternalError", "PUT", "/runs/1", 3)
    assert records.create("runs/1", b"1") is not None
    relay.spoil = lambda asked: "500 InternalError" if asked.method == "PUT" else ""
    with pytest.raises(StoreUnavailable, match="could not do it"):
        records.create("runs/2", b"1")
    assert records.get("runs/2") is None


def test_a_counter_stays_exact_while_answers_are_lost(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", 0)
    records = records_of(lake)
    records.create("n", b"0")
    fates = iter(["lost", "", "500 InternalError", ""] * 100)
    relay.spoil = lambda asked: next(fates) if asked.method == "PUT" else ""
    for _ in range(20):
        add_one(records, "n")
    stored = records.get("n")
    assert stored is not None
    assert stored.data == b"20"


def test_what_is_accepted_is_heard_even_where_a_later_write_fails(lake: Lake, relay: Relay) -> None:
    records = records_of(lake)
    heard: list[Stored] = []
    records.index = heard.extend
    relay.spoil = lambda asked: "500 InternalError" if "runs/2" in asked.path else ""
    with pytest.raises(StoreUnavailable):
        records.batch([Write("runs/1", b"1"), Write("runs/2", b"2"), Write("runs/3", b"3", after=1)])
    assert [stored.path for stored in heard] == ["runs/1"]
    assert lake.names() == ["records/format", "records/runs/1"]


def test_a_write_is_begun_when_what_it_tells_of_is_settled(lake: Lake, relay: Relay) -> None:
    records = records_of(lake)
    relay.asked.clear()
    writes = [Write("ac/1", b"1"), Write("ac/2", b"2"), Write("ac/3", b"3", waits=(0, 1))]
    assert None not in records.batch([*writes, Write("ac/4", b"4", after=2)])
    assert [asked.path[-4:] for asked in relay.asked][2:] == ["ac/3", "ac/4"]
    relay.spoil = lambda asked: "500 InternalError" if asked.path.endswith("ac/5") else ""
    with pytest.raises(StoreUnavailable):
        records.batch([Write("ac/5", b"5"), Write("ac/6", b"6", waits=(0,))])
    assert records.get("ac/6") is None


def test_changes_cost_a_list_and_a_get_for_each_that_changed(lake: Lake, relay: Relay) -> None:
    records = records_of(lake)
    paths = [head_path("default", f"demo://{n}") for n in range(20)]
    tokens = records.batch([Write(path, b"1") for path in paths])
    known = {path: token for path, token in zip(paths, tokens, strict=True) if token is not None}
    records.replace(paths[7], b"2", known[paths[7]])
    relay.asked.clear()
    assert [stored.path for stored in records.changes("heads/", known)] == [paths[7]]
    assert relay.counts == {"LIST": 1, "GET": 1}


def test_a_scan_holds_some_records_at_a_time_and_reads_on_while_it_is_gone_through(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All results of a store, with their values inline, would take gigabytes."""
    monkeypatch.setattr(bucket_records, "READ_AT_ONCE", 4)
    records = records_of(lake)
    paths = sorted(head_path("default", f"demo://{n}") for n in range(10))
    tokens = dict(zip(paths, records.batch([Write(path, b"1") for path in paths]), strict=True))
    relay.asked.clear()
    found = records.scan("heads/")
    assert relay.counts == {"LIST": 1, "GET": 4}
    assert [next(found).path for _ in range(5)] == paths[:5]
    assert relay.counts == {"LIST": 1, "GET": 8}
    for path in (paths[5], paths[8]):
        assert records.delete(path, tokens[path] or "")
    assert records.replace(paths[9], b"2", tokens[paths[9]] or "")
    records.create(head_path("default", "demo://later"), b"3")
    assert [(each.path, each.data) for each in found] == [
        (paths[5], b"1"),
        (paths[6], b"1"),
        (paths[7], b"1"),
        (paths[9], b"2"),
    ]
    known = dict.fromkeys(paths, "") | {"heads/default/a": "gone"}
    assert [each.path for each in records.changes("heads/", known)] == sorted(
        {*known, head_path("default", "demo://later")}
    )


def test_what_others_leave_among_the_records_is_passed_over(lake: Lake) -> None:
    records = records_of(lake)
    head, run = head_path("default", "demo://a"), run_path(new_id())
    records.batch([Write(head, b"1"), Write(run, b"2")])
    for stray in (
        "heads/default/.DS_Store",
        "heads/notes.txt",
        "runs/.x/y",
        "runs/copy",
        "heads/default/",
        "ac/.x",
    ):
        lake.write(f"records/{stray}", b"x")
    assert [stored.path for stored in records.scan("")] == ["format", head, run]
    assert [stored.path for stored in records.changes("heads/", {})] == [head]


@pytest.mark.parametrize("folder", ["records", "etag/records"])
def test_an_endpoint_that_is_any_web_server_is_told_as_such(web_server: str, lake: Lake, folder: str) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer as S3 does") as caught:
        BucketRecords(connect(lake.url, is_store=True), folder)
    assert web_server in str(caught.value)
    assert "AWS_ENDPOINT_URL" in str(caught.value)


REFUSALS = [
    ("403 AccessDenied", StoreReadOnly, "no permission to read", "s3:GetObject"),
    ("403 RequestTimeTooSkewed", StoreUnavailable, "The clock of this machine", "NTP"),
    ("403 InvalidAccessKeyId", StoreReadOnly, "credentials .* are not accepted", "AWS_ACCESS_KEY_ID"),
    ("403 SignatureDoesNotMatch", StoreReadOnly, "credentials .* are not accepted", "AWS_SECRET_ACCESS_KEY"),
    ("400 ExpiredToken", StoreReadOnly, "credentials .* are not accepted", "AWS_SESSION_TOKEN"),
    ("401 Unauthorized", StoreReadOnly, "credentials .* are not accepted", "AWS_PROFILE"),
    ("404 NoSuchBucket", StoreUnavailable, "There is no bucket", "aws s3 mb"),
    ("301 PermanentRedirect", StoreUnavailable, "served elsewhere", "AWS_REGION"),
    ("400 AuthorizationHeaderMalformed", StoreUnavailable, "served elsewhere", "AWS_REGION"),
    ("403 QuotaExceeded", StoreFull, "No space is left", "free some space"),
    ("501 NotImplemented", StoreUnavailable, "could not do it", "run again"),
    ("503 SlowDown", StoreUnavailable, "could not do it", "run again"),
]


@pytest.mark.parametrize(("answer", "kind", "what", "hint"), REFUSALS, ids=[each[0] for each in REFUSALS])
def test_each_refusal_is_one_error_with_what_to_do(
    lake: Lake,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    kind: type[StoreError],
    what: str,
    hint: str,
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", 0)
    relay.spoil = lambda asked: answer
    with pytest.raises(kind, match=what) as caught:
        records_of(lake)
    assert type(caught.value) is kind
    assert caught.value.facts["store"] == lake.url
    assert caught.value.facts["endpoint"] == relay.endpoint
    assert hint in " ".join(caught.value.hint)
    assert str(caught.value).count("\n") < 9
    if answer not in ("404 NoSuchBucket", "301 PermanentRedirect"):
        with pytest.raises(kind, match=what):
            list(objects_of(lake).list("data/"))
    with pytest.raises(kind):
        write_object(objects_of(lake), "data/a/1", b"x")
    assert lake.names() == []


def test_a_service_that_never_answers_is_given_up(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(connecting, "RETRY_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
            records_of(lake)
    assert caught.value.facts["problem"] == "no answer in time"


def test_a_conflict_is_settled_like_a_refusal(lake: Lake, relay: Relay) -> None:
    records = records_of(lake)
    relay.spoil = spoiling("409 ConditionalRequestConflict", "PUT", "/runs/1", 1)
    token = records.create("runs/1", b"1")
    assert records.get("runs/1") == ("runs/1", b"1", token)


# ── objects ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.store.bucket.PART_BYTES", PART)
    monkeypatch.setattr(connecting, "PART_BYTES", PART)


@pytest.mark.usefixtures("_small_parts")
def test_a_large_object_goes_up_in_parts_and_appears_at_once(lake: Lake, relay: Relay) -> None:
    objects = objects_of(lake)
    piece = bytes(range(256)) * 4096
    with objects.put("data/a/1") as file:
        for _ in range(12):
            file.write(piece)
        assert objects.head("data/a/1") is None
        file.close()
    assert relay.counts["PART"] == 2 + 3
    assert objects.head("data/a/1") == ("data/a/1", 12 * len(piece))
    assert read_object(objects, "data/a/1") == piece * 12
    with pytest.raises(FileExistsError):
        write_object(objects, "data/a/1", piece * 12)


@pytest.mark.usefixtures("_small_parts")
def test_a_large_object_that_is_given_up_leaves_no_parts(lake: Lake) -> None:
    objects = objects_of(lake)
    with pytest.raises(KeyError), objects.put("data/a/1") as file:
        file.write(b"x" * (3 * PART))
        raise KeyError("the step failed")
    assert lake.names() == []
    assert lake.unfinished() == []


def test_reading_goes_on_in_growing_pieces_and_jumps_in_small_ones(lake: Lake, relay: Relay) -> None:
    objects = objects_of(lake)
    data = bytes(range(251)) * (10 * FIRST_BYTES // 251)
    write_object(objects, "data/a/1", data)
    relay.asked.clear()
    with objects.get("data/a/1") as file:
        assert file.read() == data
        assert relay.counts == {"GET": 4}, "1 + 2 + 4 + the rest"
        file.seek(5)
        assert file.read() == data[5:]
    assert relay.counts == {"GET": 4}, "what was read to verify it is not fetched again"
    relay.asked.clear()
    with objects.get("data/a/1") as file:
        file.seek(-8, io.SEEK_END)
        assert file.read() == data[-8:]
        file.seek(5 * FIRST_BYTES)
        assert file.read(4) == data[5 * FIRST_BYTES : 5 * FIRST_BYTES + 4]
        file.seek(10)
        assert file.read(4) == data[10:14]
    assert sum(int(asked.headers["range"].partition("-")[2]) > 0 for asked in relay.asked) == 4
    assert relay.counts == {"GET": 4}


def test_reading_here_and_there_gives_the_bytes_of_there(lake: Lake) -> None:
    objects = objects_of(lake)
    data = bytes(range(251)) * (6 * FIRST_BYTES // 251)
    write_object(objects, "data/a/1", data)
    with objects.get("data/a/1") as file:
        for start in (0, 4 * FIRST_BYTES, FIRST_BYTES, 0, 100, 3 * FIRST_BYTES, 2 * FIRST_BYTES, 0):
            file.seek(start)
            assert file.read(FIRST_BYTES + 1) == data[start : start + FIRST_BYTES + 1]
        file.seek(0)
        assert file.read() == data
        file.seek(-1, io.SEEK_CUR)
        assert file.read(10) == data[-1:]
        with pytest.raises(ValueError, match="negative"):
            file.seek(-1)


def test_a_small_object_is_one_request_to_write_and_one_to_read(lake: Lake, relay: Relay) -> None:
    objects = objects_of(lake)
    write_object(objects, "logs/1", b"x" * 100_000)
    with objects.get("logs/1") as file:
        assert len(file.read()) == 100_000
        file.seek(0)
        assert len(file.read()) == 100_000
    assert relay.counts == {"PUT": 1, "GET": 1}


def test_an_object_whose_answer_was_lost_is_kept(lake: Lake, relay: Relay) -> None:
    objects = objects_of(lake)
    relay.spoil = spoiling("lost", "PUT", "logs/1", 2)
    write_object(objects, "logs/1", b"x")
    assert read_object(objects, "logs/1") == b"x"


def _created(stored: Stored) -> object:
    import msgspec

    return msgspec.json.decode(stored.data, type=StoreFormat).created_at
