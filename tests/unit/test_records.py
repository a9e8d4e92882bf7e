"""Records: their bytes, their paths, and what readers of another version make of them."""

from __future__ import annotations

from datetime import UTC, datetime
from zlib import crc32

import pytest

from nacre.errors import CorruptRecord
from nacre.planning.reason import Cause, Reason
from nacre.store.codec import decode, encode
from nacre.store.ids import new_id
from nacre.store.paths import (
    action_path,
    artifact_path,
    head_path,
    is_record_path,
    lease_path,
    run_path,
    schedule_path,
    tick_path,
)
from nacre.store.records import (
    Action,
    Artifact,
    Head,
    Input,
    Lease,
    Materialization,
    Output,
    Part,
    Read,
    Record,
    Run,
    ScheduleRecord,
    State,
    StepRecord,
    StoreFormat,
    Tick,
)
from nacre.version.outline import Change, Outline

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
OUTPUT = Output(
    asset="asset://a",
    data_version="d",
    format="json",
    size_bytes=2,
    digest="e",
    outline=Outline("dict", 1, {}, {"a": "x"}),
    inline=b"\x00\xff",
)
VERSION = Materialization(
    seq=1, fingerprint="f", data_version="d", run="r", at=NOW, attempt="t", inputs={"x": ("asset://x", 3)}
)
REASON = Reason(Cause.INPUT, "asset://x", change=Change(size=(1, 2), changed=("a",)), also=1)
RECORDS: list[Record] = [
    StoreFormat(created_at=NOW),
    Action(
        fingerprint="f",
        task="t",
        code="c",
        outputs=(OUTPUT,),
        attempt="t",
        run="r",
        started_at=NOW,
        duration_s=0.5,
        inputs=(Input(parameter="x", asset="asset://x", data_version="d", seq=3, derived=True),),
        reads=(Read(kind="env", name="HOME", digest="h"),),
        parts=(Part(name="f", place="p.py:1", digest="p"),),
    ),
    Head(env="default", asset="asset://a", history=(VERSION,), metadata={"owner": "me"}),
    Run(
        id="r",
        name="n",
        kind="build",
        state="done",
        started_at=NOW,
        ended_at=NOW,
        steps=(StepRecord(step="s", action="built", reason=REASON, started_at=NOW),),
        counts={"built": 1},
        process="host/1:2:3",
    ),
    Artifact(id="1", kind="table", created_at=NOW, data="[]", key="k"),
    ScheduleRecord(
        name="daily",
        command=("build", "*"),
        created_at=NOW,
        changed_at=NOW,
        cron="@daily",
        timezone="Asia/Tokyo",
    ),
    ScheduleRecord(
        name="b", command=("run", "p.py:f"), created_at=NOW, changed_at=NOW, interval_s=60, anchor=NOW
    ),
    Tick(
        schedule="daily", nominal="20260102T000000", due_at=NOW, state="started", holder="me", started_at=NOW
    ),
    Lease(holder="me", renewed_at=NOW),
    State(digest="d", entries={"a": "b"}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert decode(encode(record), type(record)) == record


def test_a_head_has_these_bytes() -> None:
    """The format is public: a change here is a change of every store."""
    assert encode(Head(env="default", asset="asset://a", history=(VERSION,))) == (
        b'{"env":"default","asset":"asset://a","history":[{"seq":1,"fingerprint":"f","data_version":"d",'
        b'"run":"r","at":"2026-01-02T03:04:05.000678Z","attempt":"t","inputs":{"x":["asset://x",3]}}],"crc":"9dc25a82"}'
    )


def test_a_run_that_goes_on_has_these_bytes() -> None:
    run = Run(id="r", name="n", kind="build", state="running", started_at=NOW, process="host/1:2:3")
    assert encode(run) == (
        b'{"id":"r","name":"n","kind":"build","state":"running","started_at":"2026-01-02T03:04:05.000678Z",'
        b'"process":"host/1:2:3","crc":"7ddf8dd9"}'
    )
    assert decode(
        b'{"id":"r","name":"n","kind":"build","state":"s","started_at":"2026-01-02T03:04:05Z"}', Run
    ) == (Run(id="r", name="n", kind="build", state="s", started_at=NOW.replace(microsecond=0))), (
        "what an older nacre wrote"
    )


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_flipped_bit_of_a_record_is_noticed_or_changes_nothing(record: Record) -> None:
    data = encode(record)
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        # A bit of the checksum's name leaves a record that has none, and is what it was.
        assert readable(bytes(flipped), type(record)) in (None, record), bit


def readable(data: bytes, kind: type[Record]) -> Record | None:
    try:
        return decode(data, kind)
    except CorruptRecord:
        return None


def test_a_record_without_a_checksum_is_one_of_before_there_were_any() -> None:
    data = b'{"digest":"d","entries":{"a":"b"}}'
    assert decode(data, State) == State(digest="d", entries={"a": "b"})
    assert encode(State(digest="d", entries={"a": "b"})) == data[:-1] + b',"crc":"%08x"}' % crc32(data)


def test_fields_of_a_newer_version_are_ignored() -> None:
    record = decode(b'{"digest":"d","entries":{},"added_later":[1,2]}', State)
    assert record == State(digest="d")


def test_fields_of_an_older_version_get_their_defaults() -> None:
    head = decode(b'{"env":"e","asset":"a","history":[]}', Head)
    assert (head.partition, head.held, head.published) == ("", "", 0)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"digest":1}', b"\xff\xfe", b'{"entries":{}}'])
def test_bytes_that_are_no_such_record_are_named(data: bytes) -> None:
    with pytest.raises(CorruptRecord, match=r"(?s)state/plan.*State.*→ nacre fsck says what is damaged"):
        decode(data, State, "state/plan")


def test_the_current_version_is_the_last_of_the_history() -> None:
    later = Materialization(seq=2, fingerprint="g", data_version="d", run="r", at=NOW, attempt="t")
    assert Head(env="e", asset="a", history=(VERSION, later)).current is later


def test_records_lie_where_the_format_says() -> None:
    assert action_path("f00") == "ac/f00"
    assert run_path("r") == "runs/r"
    assert artifact_path("k", "1") == "artifacts/k/1"
    assert artifact_path("", "1") == "artifacts/-/1"
    assert head_path("dev", "asset://a").startswith("heads/dev/asset-a-")


def test_every_path_of_ours_is_known_as_a_record_and_others_are_not() -> None:
    link = Artifact(id=new_id(), kind="link", created_at=NOW)
    ours = [
        head_path("dev", "s3://lake/.a.parquet"),
        head_path("a/.b", "asset://a", "2026-11-01T00:00"),
        run_path(new_id()),
        artifact_path(link.key, link.id),
        schedule_path("Every day/night"),
        tick_path("Every day/night", "20260102T000000-again"),
        lease_path("a, b"),
        action_path("f00"),
        "format",
    ]
    assert [path for path in ours if not is_record_path(path)] == []
    others = [
        "heads/dev/.DS_Store",
        "heads/dev/Thumbs.db",
        "runs/x",
        "ac/.x",
        "ticks/a",
        f"{run_path(new_id())}.bak",
    ]
    assert [path for path in others if is_record_path(path)] == []


def test_ticks_lie_below_their_schedule_whatever_its_name() -> None:
    assert schedule_path("Every day/night").startswith("schedules/Every-day-night-")
    assert tick_path("Every day/night", "20260102T000000-again").startswith("ticks/Every-day-night-")
    assert tick_path("a", "20260102T000000").endswith("/20260102T000000")
    assert lease_path("a, b").startswith("leases/a-b-")


def test_heads_of_partitions_lie_below_their_asset() -> None:
    whole = head_path("dev", "asset://a")
    part = head_path("dev", "asset://a", "2026-01-01")
    assert part.startswith(whole + "/")
    assert part != head_path("dev", "asset://a", "2026-01-02")
