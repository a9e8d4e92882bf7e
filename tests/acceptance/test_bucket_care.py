"""Collecting, checking and examining a store in a bucket: as on a disk, and with the requests that were promised."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import nacre
from buckets import Lake, Relay
from nacre import project as roots
from nacre.cli.main import cli
from nacre.curate.checking import CheckResult, check_store
from nacre.errors import CorruptRecord
from nacre.store import bucket_records
from nacre.store.codec import encode
from nacre.store.gc import Retention, collect
from nacre.store.paths import action_path, head_path
from nacre.store.port import Write
from nacre.store.records import Lease
from sandbox import Sandbox

PIPE = """
    @materialize("demo://large")
    def large():
        calls.append("large")
        return str(world.get("n", 0)) * 100_000
    @materialize("demo://small")
    def small(large):
        calls.append("small")
        return large[:3]
    @materialize("demo://copy")
    def copy(large):
        calls.append("copy")
        return large + "!"
"""


@pytest.fixture
def sandbox(project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    # So that also here what is gone through comes in several pieces.
    monkeypatch.setattr(bucket_records, "READ_AT_ONCE", 2)
    project.reopen()
    yield project
    project.close()


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, arguments)
    assert "Traceback" not in done.output
    return done


def check(sandbox: Sandbox, **options: bool) -> CheckResult:
    sandbox.reopen()
    return check_store(roots.current_project(), **options)


def objects(lake: Lake) -> list[str]:
    return [name for name in lake.names() if "/objects/data/" in name]


def key(lake: Lake, name: str) -> str:
    return next(each for each in objects(lake) if f"demo-{name}-" in each)


def index_gone(sandbox: Sandbox) -> None:
    sandbox.close()
    for path in (sandbox.folder / ".nacre").glob("*.sqlite*"):
        path.unlink()
    sandbox.reopen()


def test_versions_beyond_the_limits_go_and_every_index_learns_it(sandbox: Sandbox, lake: Lake) -> None:
    sandbox.clock.advance(3_650 * 86_400)
    module = sandbox.module(PIPE)
    for n in range(5):
        module.turn(n=n)
        sandbox.build(module)
        sandbox.clock.advance(86_400)
    sandbox.clock.advance(100 * 86_400)
    (sandbox.folder / "nacre.toml").write_text("keep_versions = 2\n")
    sandbox.reopen()
    looked = json.loads(run("gc", "--json").output)
    assert len(objects(lake)) == 10
    done = json.loads(run("gc", "--delete", "--json").output)
    assert done["removed"] == looked["removed"]
    assert done["removed"]["versions"]["n"] == 9
    assert len(objects(lake)) == 4
    sandbox.reopen()
    assert len(sandbox.history("demo://large")) == 2
    assert check(sandbox, reads_data=True).ok
    index_gone(sandbox)
    assert len(sandbox.history("demo://large")) == 2
    assert nacre.load("demo://large") == "4" * 100_000
    again = json.loads(run("gc", "--delete", "--json").output)
    assert again["removed"] == {}, "tombstones stay where deleting compares nothing"


def test_a_damaged_store_is_checked_mended_and_built_again(sandbox: Sandbox, lake: Lake) -> None:
    sandbox.build(sandbox.module(PIPE))
    assert check(sandbox, reads_data=True).checked.findings == []
    lake.write(key(lake, "copy"), b"short")
    found = check(sandbox)
    assert [(str(each.problem), each.slot) for each in found.checked.findings] == [
        ("truncated object", "demo://copy")
    ]
    check(sandbox, repair=True)
    assert sandbox.ran(sandbox.module(PIPE), reuse_sources=True) == ["copy"]
    assert check(sandbox, reads_data=True).ok


@pytest.mark.parametrize("data", [b"{}", b"", b'{"fingerprint": 7}\n"01M89TX50MAQ79JF04W256TBW0"'])
def test_a_damaged_record_breaks_no_listing_even_without_the_index(
    sandbox: Sandbox, lake: Lake, data: bytes
) -> None:
    sandbox.build(sandbox.module(PIPE))
    lake.write(f"team/records/{action_path(sandbox.history('demo://copy')[0])}", data)
    index_gone(sandbox)
    assert run("ls").exit_code == 0
    assert nacre.load("demo://small") == "000"
    found = check(sandbox)
    assert ("unreadable record", "demo://copy") in [
        (str(each.problem), each.slot) for each in found.checked.findings
    ]
    check(sandbox, repair=True)
    assert check(sandbox).ok
    assert sandbox.ran(sandbox.module(PIPE), reuse_sources=True) == ["copy"]
    assert nacre.load("demo://copy") == "0" * 100_000 + "!"


def test_a_lost_input_is_made_again_by_the_build_that_finds_it(sandbox: Sandbox, lake: Lake) -> None:
    sandbox.build(sandbox.module(PIPE))
    lake.write(key(lake, "large"), b"x" * 100_000)
    module = sandbox.module(PIPE.replace("large[:3]", "large[:4]"))
    assert sandbox.ran(module, "small", reuse_sources=True) == ["large", "small"]
    assert nacre.load("demo://small") == "0000"


def test_a_collection_costs_what_was_promised(relay: Relay, sandbox: Sandbox) -> None:
    sandbox.build(sandbox.module(PIPE))
    workspace = sandbox.workspace
    relay.asked.clear()
    collect(
        workspace.records,
        workspace.contents.objects,
        now=workspace.clock.now(),
        settings=Retention(),
        delete=False,
    )
    assert relay.counts == {"LIST": 7, "GET": 8}, "three heads, three results, two leases"


def test_what_is_removed_while_it_is_gone_through_is_all_that_is_old(sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    lease = encode(Lease(holder="", renewed_at=workspace.clock.now()))
    workspace.records.batch([Write(f"leases/l{n}-{n:016}", lease) for n in range(7)])
    sandbox.clock.advance(30 * 86_400)
    done = collect(
        workspace.records,
        workspace.contents.objects,
        now=workspace.clock.now(),
        settings=Retention(),
        delete=True,
    )
    assert done.removed["leases"].n == 7
    assert list(workspace.records.scan("leases/")) == []


def test_a_bucket_is_examined(sandbox: Sandbox, lake: Lake) -> None:
    sandbox.build(sandbox.module(PIPE))
    before = lake.names()
    done = run("doctor", "--json")
    found = {line["what"]: line for line in map(json.loads, done.output.splitlines())}
    assert found["conditional writes"]["level"] == "ok"
    assert "multipart" in found["lifecycle"]["hint"]
    assert found["credentials s3://"]["text"]
    assert "clock" in found
    assert lake.names() == before


DAYS = """
    from nacre import StaticPartitions
    @materialize("demo://daily/{day}", partitions=StaticPartitions([f"{n:02}" for n in range(12)], "day"))
    def daily(day: str) -> str:
        return day
"""


@pytest.mark.whole
def test_many_heads_are_put_together_with_a_read_and_a_write_for_each(
    relay: Relay, sandbox: Sandbox, lake: Lake
) -> None:
    sandbox.build(sandbox.module(DAYS)).raise_for_failure()
    for name in lake.names():
        if "/heads/" in name:
            lake.write(name, b"{")
    sandbox.reopen()
    sandbox.workspace.catalog.heads("default")
    relay.asked.clear()
    told = check_store(roots.current_project(), repair=True).repaired
    assert sum("put together again" in each for each in told) == 12
    assert relay.counts["PUT"] == 12
    assert relay.counts["LIST"] < 20, "the areas of the store, and none of a head"
    assert check(sandbox).ok


RAW = """
world.update(raw=1)

@materialize("demo://raw")
def raw() -> int:
    return world["raw"]
"""


@pytest.mark.parametrize("how", ["begun again", "put back", "gone on"])
def test_a_machine_goes_on_from_no_head_that_went_back(
    sandbox: Sandbox, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Deleted and made again by a machine that has no index, or put back as it was in a backup."""

    def head() -> str:
        return next(each for each in lake.names() if "/heads/" in each)

    module = sandbox.module(RAW, "pipe_back")
    sandbox.build(module).raise_for_failure()
    backup = lake.read(head())
    for n in (2, 3):
        module.turn(raw=n)
        sandbox.build(module).raise_for_failure()
    index = tmp_path / "index"
    sandbox.close()
    shutil.copytree(sandbox.folder / ".nacre", index)
    right = 1
    if how == "put back":
        lake.write(head(), backup)
    else:
        lake.service.client.delete_object(Bucket=lake.bucket, Key=head())
        shutil.rmtree(sandbox.folder / ".nacre")
        for right in (7, 8, 9) if how == "gone on" else (9,):
            module.turn(raw=right)
            sandbox.build(module).raise_for_failure()
        sandbox.close()
    # The machine that did not look in between:
    shutil.rmtree(sandbox.folder / ".nacre")
    index.rename(sandbox.folder / ".nacre")
    sandbox.reopen()
    if how != "gone on":
        for _ in range(2):
            with pytest.raises(CorruptRecord, match="A record of the store went back"):
                nacre.load("demo://raw")
            sandbox.reopen()
        assert "went back, and what it is of is left out: nacre fsck" in run("ls").stderr
        assert not check(sandbox).ok
        for delete in ((), ("--delete",)):
            assert "A record of the store went back" in run("gc", *delete).output
        records = sandbox.workspace.records
        path = head_path("default", "demo://raw")
        (stored,) = records.scan(path)
        records.replace(path, stored.data, stored.token)
        with pytest.raises(CorruptRecord, match="went back"):
            nacre.load("demo://raw")
        assert "put together again" in check(sandbox, repair=True).repaired[0]
        sandbox.reopen()
    assert nacre.load("demo://raw") == right
    rows = sandbox.workspace.catalog.history("default", "demo://raw")
    assert [each.seq for each in rows] == ([3, 2, 1] if how == "gone on" else [4, 3, 2, 1])
    assert check(sandbox).ok
    module.turn(raw=6)
    result = sandbox.build(module)
    assert (result["raw"].action, nacre.load("demo://raw")) == ("built", 6)
