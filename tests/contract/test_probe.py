"""What a service must keep is tried before a store is begun on it: one that does not is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest

from buckets import Asked, Lake, Relay
from nacre.errors import StoreUnavailable
from nacre.store import connect as connecting
from nacre.store import probe
from nacre.store.bucket_records import BucketRecords
from nacre.store.connect import NO_ETAG, connect


def records_of(lake: Lake) -> BucketRecords:
    return BucketRecords(connect(lake.url, is_store=True), "records")


def only_the_first(condition: str) -> Callable[[Asked], str]:
    """Keep a condition for one writer at a time only, as a service that looks and writes in two steps."""
    met: set[str] = set()

    def spoil(asked: Asked) -> str:
        value = asked.headers.get(condition, "0" * 32)
        if asked.method != "PUT" or value.strip('"') == "0" * 32 or len(met) > probe.RACERS - 2:
            return ""
        met.add(f"{value} {len(met)}")
        return "unconditional"

    return spoil


def ignoring(condition: str) -> Callable[[Asked], str]:
    return lambda asked: "unconditional" if condition in asked.headers else ""


def refusing(asked: Asked) -> str:
    return "412 PreconditionFailed" if "if-match" in asked.headers else ""


def stale(method: str) -> Callable[[Asked], str]:
    """Show what was there before: nothing."""
    empty = "200 <ListBucketResult></ListBucketResult>" if method == "LIST" else "404 NoSuchKey"
    return lambda asked: (
        empty if asked.kind == method and ".probe" in asked.path + "?.probe" * (method == "LIST") else ""
    )


BROKEN = {
    probe.IF_MATCH: ignoring("if-match"),
    probe.IF_NONE_MATCH: ignoring("if-none-match"),
    probe.ONE_CREATES: only_the_first("if-none-match"),
    probe.ONE_REPLACES: only_the_first("if-match"),
    probe.REPLACES: refusing,
    probe.READS: stale("GET"),
    probe.LISTS: stale("LIST"),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_service_that_breaks_a_promise_is_refused_by_name_and_nothing_stays(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch, promise: str
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", 0)
    relay.spoil = BROKEN[promise]
    with pytest.raises(StoreUnavailable, match="does not keep what sharing a store rests on") as caught:
        records_of(lake)
    assert promise in str(caught.value)
    assert relay.endpoint in str(caught.value)
    assert "use a service that keeps them" in str(caught.value)
    assert lake.names() == []


def without_what_is_below(asked: Asked, answer: bytes) -> bytes:
    """List an object, and not what lies below its name."""
    listed = re.findall(rb"<Contents>.*?</Contents>", answer, re.DOTALL) if asked.kind == "LIST" else ()
    for each in listed:
        answer = answer.replace(each, b"") if b"below" in each else answer
    return answer


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_service_that_keeps_nothing_below_the_name_of_an_object_is_refused(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch, is_listed: bool
) -> None:
    """A collection would not see the results there, and remove what they are made of."""
    monkeypatch.setattr(connecting, "MAX_RETRIES", 0)
    if is_listed:
        relay.spoil = lambda asked: "400 XMinioParentIsObject" if "/below" in unquote(asked.path) else ""
    else:
        relay.rewrite = without_what_is_below
    with pytest.raises(StoreUnavailable, match="does not keep what sharing a store rests on") as caught:
        records_of(lake)
    assert probe.BELOW in str(caught.value)
    assert lake.names() == []


@pytest.mark.parametrize("fate", ["lost", "reset", "503 SlowDown"])
def test_a_service_of_which_an_answer_is_lost_while_it_is_tried_is_accused_of_nothing(
    lake: Lake, relay: Relay, fate: str
) -> None:
    left = [fate]
    relay.spoil = lambda asked: left.pop() if left and asked.path.endswith("/below") else ""
    assert records_of(lake).identity
    assert not left


@pytest.mark.parametrize("times", [probe.RACERS, probe.RACERS + 1])
def test_a_service_that_is_only_busy_is_accused_of_nothing(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(connecting, "MAX_RETRIES", 0)
    left = [""] * times

    def busy(asked: Asked) -> str:
        expects = asked.headers.get("if-match", NO_ETAG)
        return "503 SlowDown" if expects != NO_ETAG and left and left.pop() == "" else ""

    relay.spoil = busy
    if times == probe.RACERS:
        assert records_of(lake).identity
    else:
        with pytest.raises(StoreUnavailable, match="could not do it"):
            records_of(lake)
        assert lake.names() == []


def test_a_service_is_tried_once_in_the_life_of_a_store(lake: Lake, relay: Relay) -> None:
    records_of(lake)
    assert relay.counts == {"GET": 2 + 2, "PUT": 1 + 8 + 1 + 8 + 1 + 1 + 1, "LIST": 3, "DELETE": 2}
    stored = records_of(lake).get("format")
    assert stored is not None
    assert b'"probed_at"' in stored.data
    assert sum(asked.kind == "PUT" for asked in relay.asked) == 21


def test_where_nothing_may_be_deleted_a_store_is_begun_all_the_same(lake: Lake, relay: Relay) -> None:
    relay.spoil = lambda asked: "403 AccessDenied" if asked.method == "DELETE" else ""
    records = records_of(lake)
    (*probed, begun) = lake.names()
    assert begun == "records/format"
    assert [".probe-" in each for each in probed] == [True, True]
    assert [each.path for each in records.scan("")] == ["format"]
