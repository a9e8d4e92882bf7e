"""What is Google's own: conditions name generations, which a LIST does not tell, and refusals come in other words."""

from __future__ import annotations

import pytest

from buckets import Asked, Relay
from google_buckets import GoogleLake
from nacre.errors import StoreError, StoreReadOnly, StoreUnavailable
from nacre.store import connect as connecting
from nacre.store.bucket import BucketObjects
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import NO_GENERATION, connect
from nacre.store.publish.bucket import BucketPlace
from nacre.store.services import GOOGLE
from nacre.testing import add_one, write_object
from published import stored


def records_of(lake: GoogleLake) -> BucketRecords:
    return BucketRecords(connect(lake.url, is_store=True), "records")


def test_replacing_a_record_takes_a_look_for_its_generation_and_creating_none(
    google_lake: GoogleLake, google_relay: Relay
) -> None:
    records = records_of(google_lake)
    google_relay.asked.clear()
    token = records.create("runs/1", b"1")
    assert token is not None
    assert google_relay.counts == {"PUT": 1}
    google_relay.asked.clear()
    assert records.replace("runs/1", b"2", token) is not None
    assert [asked.kind for asked in google_relay.asked] == ["HEAD", "PUT"]
    assert int(google_relay.asked[1].headers["x-goog-if-generation-match"]) > 10**9
    google_relay.asked.clear()
    assert records.replace("runs/1", b"3", token) is None
    assert "PUT" not in google_relay.counts, "what has changed already is not asked to be replaced"


def test_a_record_that_changes_between_the_look_and_the_write_is_not_overwritten(
    google_lake: GoogleLake, google_relay: Relay
) -> None:
    records = records_of(google_lake)
    token = records.create("runs/1", b"1")
    assert token is not None
    others = BucketRecords(connect(google_lake.url), "records")
    came: list[Asked] = []

    def meanwhile(asked: Asked) -> str:
        if asked.method == "PUT" and not came:
            came.append(asked)
            assert others.replace("runs/1", b"theirs", token) is not None
        return ""

    google_relay.spoil = meanwhile
    assert records.replace("runs/1", b"ours", token) is None
    stored = records.get("runs/1")
    assert stored is not None
    assert stored.data == b"theirs"


@pytest.mark.whole
@pytest.mark.parametrize("fate", ["lost", "reset", "412 PreconditionFailed", "429 TooManyRequests"])
def test_a_counter_stays_exact_while_answers_are_lost(
    google_lake: GoogleLake, google_relay: Relay, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", -GOOGLE.more_retries)
    records = records_of(google_lake)
    records.create("n", b"0")
    fates = iter([fate, ""] * 100)
    google_relay.spoil = lambda asked: next(fates) if asked.method == "PUT" else ""
    for _ in range(10):
        add_one(records, "n")
    stored = records.get("n")
    assert stored is not None
    assert stored.data == b"10"


def test_checking_a_place_asks_for_a_generation_that_nothing_has(
    google_lake: GoogleLake, google_relay: Relay
) -> None:
    BucketPlace(connect(google_lake.url)).check("posts/a.json")
    assert [asked.method for asked in google_relay.asked] == ["PUT"]
    assert google_relay.asked[0].headers["x-goog-if-generation-match"] == NO_GENERATION
    assert google_lake.names() == []


def test_a_version_in_the_same_bucket_is_copied_by_the_service_whatever_its_size(
    google_lake: GoogleLake, google_relay: Relay
) -> None:
    objects = BucketObjects(connect(google_lake.url), "team/objects")
    write_object(objects, "data/a/1", b"x" * 100_000)
    google_relay.asked.clear()
    BucketPlace(connect(google_lake.url)).put("a.bin", stored(objects, "data/a/1", b"x" * 100_000))
    assert google_relay.counts == {"COPY": 1, "HEAD": 1}
    assert google_lake.read("a.bin") == b"x" * 100_000


REFUSALS = [
    ("403 AccessDenied", StoreReadOnly, "no permission to read the bucket", "storage.objects.get"),
    ("401 AuthenticationRequired", StoreReadOnly, "are not accepted", "GOOGLE_APPLICATION_CREDENTIALS"),
    ("404 NoSuchBucket", StoreUnavailable, "There is no bucket", "gcloud storage buckets create gs://lake"),
    ("429 TooManyRequests", StoreUnavailable, "asks for fewer requests", "a little later"),
    ("503 ServiceUnavailable", StoreUnavailable, "could not do it", "run again"),
]


@pytest.mark.parametrize(("answer", "kind", "what", "hint"), REFUSALS, ids=[each[0] for each in REFUSALS])
def test_each_refusal_is_one_error_with_what_to_do(
    google_lake: GoogleLake,
    google_relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    kind: type[StoreError],
    what: str,
    hint: str,
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", -GOOGLE.more_retries)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "a-very-secret-token")
    google_relay.spoil = lambda asked: answer
    with pytest.raises(kind, match=what) as caught:
        records_of(google_lake)
    assert type(caught.value) is kind
    assert hint in str(caught.value)
    assert google_relay.endpoint in str(caught.value)
    assert "a-very-secret-token" not in str(caught.value)
    with pytest.raises(kind):
        BucketPlace(connect(google_lake.url)).check("a.json")
    assert google_lake.names() == []
