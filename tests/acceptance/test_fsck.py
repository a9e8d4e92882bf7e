"""What a check of a store finds, and what mending does about it; on a folder and in a bucket."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from tests.sandbox import Sandbox

import nacre
from buckets import Lake
from nacre import project as roots
from nacre.cli.main import cli
from nacre.curate.checking import CheckResult, check_store
from nacre.errors import CorruptRecord, UsageError
from nacre.store.codec import decode, encode
from nacre.store.fsck import Problem
from nacre.store.paths import action_path, head_path
from nacre.store.records import Head
from shell import Shell

SHOP = """
    @materialize("shop://orders")
    def orders():
        calls.append("orders")
        return "x" * 100_000
    @materialize("shop://total")
    def total(orders):
        calls.append("total")
        return len(orders)
    @materialize("shop://copy")
    def copy(orders):
        calls.append("copy")
        return orders + "!"
"""


SHOP_KEYS = ["shop://copy", "shop://orders", "shop://total"]


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    project.build(project.module(SHOP))
    project.reopen()
    return project


def check(project: Sandbox, **options: bool) -> CheckResult:
    project.reopen()
    return check_store(roots.current_project(), **options)


def told(result: CheckResult) -> list[tuple[str, str, str]]:
    return [(str(each.problem), each.slot, each.version) for each in result.checked.findings]


def object_of(project: Sandbox, name: str) -> Path:
    (path,) = (project.store / "objects").glob(f"data/shop-{name}-*/*")
    os.chmod(path, 0o644)
    return path


def sql(project: Sandbox, *statements: str, data: tuple[object, ...] = ()) -> None:
    project.close()
    connection = sqlite3.connect(project.store / "records.sqlite")
    for each in statements:
        connection.execute(each, data if "?" in each else ())
    connection.commit()
    connection.close()
    project.reopen()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_store_that_nobody_touched_is_well(shop: Sandbox) -> None:
    result = check(shop, reads_data=True)
    assert result.ok
    assert result.checked.findings == []
    assert (result.checked.n_versions, result.checked.n_objects) == (3, 2)


@pytest.mark.parametrize(
    ("damage", "problem", "reads_data"),
    [
        (lambda path: path.unlink(), "missing object", False),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated object", False),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "damaged bytes", False),
        (lambda path: path.write_bytes(b"y" * path.stat().st_size), "damaged bytes", True),
    ],
)
def test_damaged_bytes_are_found_noted_and_made_again(
    shop: Sandbox, damage: Callable[[Path], None], problem: str, reads_data: bool
) -> None:
    path = object_of(shop, "copy")
    damage(path)
    found = check(shop, reads_data=reads_data)
    assert not found.ok
    assert told(found) == [(problem, "shop://copy", "v1")]
    assert str(path).endswith(found.checked.findings[0].place)
    mended = check(shop, reads_data=reads_data, repair=True)
    assert "1 lost version noted" in mended.repaired[0]
    assert check(shop, reads_data=reads_data).ok, "it is known now"
    plan = {
        each.asset: each for each in nacre.plan(["*"], modules=[shop.module(SHOP)], reuse_sources=True).steps
    }
    assert (plan["shop://copy"].action, plan["shop://copy"].reason) == (
        "build",
        "its stored result is missing or damaged",
    )
    module = shop.module(SHOP)
    assert shop.ran(module, reuse_sources=True) == ["copy"]
    assert nacre.load("shop://copy") == "x" * 100_000 + "!"
    assert check(shop, reads_data=True).ok
    assert shop.ran(module, reuse_sources=True) == []


def test_a_lost_source_is_made_again_although_sources_are_taken_as_they_are(shop: Sandbox) -> None:
    object_of(shop, "orders").unlink()
    check(shop, repair=True)
    assert shop.ran(shop.module(SHOP), reuse_sources=True) == ["orders"]
    assert nacre.load("shop://orders") == "x" * 100_000


@pytest.mark.parametrize("data", [b"{", b"null", b'{"fingerprint": 7}', b""])
def test_a_record_that_cannot_be_read_breaks_no_listing_and_is_mended(shop: Sandbox, data: bytes) -> None:
    fingerprint = shop.history("shop://copy")[0]
    sql(
        shop,
        "UPDATE records SET data = ? WHERE path LIKE 'ac/%' AND path = '" + action_path(fingerprint) + "'",
        data=(data,),
    )
    assert run("ls").exit_code == 0
    found = check(shop)
    assert ("unreadable record", "shop://copy", "v1") in told(found)
    check(shop, repair=True)
    assert check(shop).ok
    assert shop.ran(shop.module(SHOP), reuse_sources=True) == ["copy"]
    assert nacre.load("shop://copy") == "x" * 100_000 + "!"


def test_a_record_in_the_place_of_another_is_found_and_never_taken(shop: Sandbox) -> None:
    records = shop.workspace.records
    theirs = records.get(action_path(shop.history("shop://orders")[0]))
    path = action_path(shop.history("shop://copy")[0])
    assert theirs is not None
    poison = theirs.data.replace(b"shop://orders", b"shop://copy")
    sql(shop, f"UPDATE records SET data = ? WHERE path = '{path}'", data=(poison,))
    with pytest.raises(nacre.errors.NacreError):
        nacre.load("shop://copy")
    assert ("unreadable record", "shop://copy", "v1") in told(check(shop, repair=True))
    assert shop.ran(shop.module(SHOP), reuse_sources=True) == ["copy"]
    assert nacre.load("shop://copy") == "x" * 100_000 + "!"


def test_a_head_that_cannot_be_read_stops_nobody_and_is_put_together_again(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    module = project.module(SHOP)
    project.build(module).raise_for_failure()
    project.build(project.edit(module, "len(orders)", "len(orders) + 1")).raise_for_failure()
    before = nacre.history("shop://total")
    (key,) = [each for each in lake.names() if "heads/default/shop-total" in each]
    lake.write(key, b'{"env": "defa')
    project.reopen()
    assert [row.asset for row in project.workspace.catalog.heads("default")] == SHOP_KEYS[:-1]
    assert nacre.load("shop://copy")
    with pytest.raises(CorruptRecord, match="heads/default/shop-total"):
        nacre.load("shop://total")
    assert told(check(project)) == [("unreadable record", "", "")]
    failed = project.build(project.edit(module, "len(orders)", "len(orders) + 2"), "copy")
    failed.raise_for_failure()
    result = check(project, repair=True)
    assert "the head of total was put together again from this machine's index" in result.repaired
    assert check(project).ok
    project.reopen()
    assert nacre.history("shop://total") == before
    again = project.build(project.edit(module, "len(orders)", "len(orders) + 3"))
    assert again["shop://total"].version == 3


def test_a_head_that_cannot_be_read_on_disk_is_put_together_again(shop: Sandbox) -> None:
    shop.build(shop.edit(shop.module(SHOP), "len(orders)", "len(orders) + 1")).raise_for_failure()
    before = nacre.history("shop://total")
    stored = shop.workspace.records.get(head_path("default", "shop://total"))
    assert stored is not None
    sql(
        shop,
        f"UPDATE records SET data = replace(CAST(data AS TEXT), '\"seq\":2', '\"seQ\":2') WHERE path = '{stored.path}'",
    )
    assert told(check(shop)) == [("unreadable record", "", "")]
    assert check(shop, repair=True).repaired
    assert check(shop).ok
    shop.reopen()
    assert nacre.history("shop://total") == before


def test_a_head_that_somebody_deleted_is_missed(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    module = project.module(SHOP)
    project.build(module).raise_for_failure()
    project.build(project.edit(module, "len(orders)", "len(orders) + 1")).raise_for_failure()
    assert check(project).ok
    project.close()
    for index in (project.folder / ".nacre").glob("*.sqlite"):
        shutil.copy(index, index.with_name(index.name + ".kept"))
    (key,) = [each for each in lake.names() if "heads/default/shop-total" in each]
    lake.service.client.delete_object(Bucket=lake.bucket, Key=key)
    assert told(check(project)) == [("missing head", "shop://total", "v2")]
    # Another machine, which knows nothing of it, begins it anew.
    project.clock.advance(60)
    project.close()
    for index in (project.folder / ".nacre").glob("*.sqlite"):
        index.unlink()
    project.reopen()
    project.build(project.edit(module, "len(orders)", "len(orders) + 2")).raise_for_failure()
    assert [each.version for each in nacre.history("shop://total")] == [1]
    known = check(project, repair=True)
    assert [each.is_noted for each in known.checked.findings] == [True], "nobody can bring it back here"
    project.close()
    for index in (project.folder / ".nacre").glob("*.kept"):
        index.replace(index.with_name(index.name.removesuffix(".kept")))
    check(project, repair=True)
    project.reopen()
    assert [each.version for each in nacre.history("shop://total")] == [3, 2, 1]
    assert check(project).ok


def test_an_index_that_differs_is_found_and_made_anew(shop: Sandbox) -> None:
    sql(shop, "DELETE FROM materializations", "UPDATE heads SET seq = 7 WHERE asset = 'shop://total'")
    found = check(shop)
    assert {problem for problem, _, _ in told(found)} == {"index differs"}
    assert "made anew" in check(shop, repair=True).repaired[0]
    assert check(shop).ok
    assert len(shop.history("shop://total")) == 1


def test_an_index_that_lost_a_table_says_what_to_do_and_is_made_anew(shop: Sandbox) -> None:
    sql(shop, "DROP TABLE heads")
    told_by_ls = run("ls")
    assert told_by_ls.exit_code == 1
    assert "nacre fsck --repair" in told_by_ls.output
    done = run("fsck", "--repair")
    assert done.exit_code == 1
    assert "made anew" in done.output
    assert run("fsck").exit_code == 0
    assert run("ls").exit_code == 0


def test_a_file_of_records_that_was_cut_off_is_named(shop: Sandbox) -> None:
    shop.close()
    path = shop.store / "records.sqlite"
    path.write_bytes(path.read_bytes()[:5_000])
    shop.reopen()
    with pytest.raises(CorruptRecord, match="The file of the store is damaged") as raised:
        check(shop)
    assert "restore" in str(raised.value)
    done = run("fsck")
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_what_others_left_among_the_objects_is_listed_and_no_fault(shop: Sandbox) -> None:
    (shop.store / "objects" / "notes.txt").write_text("theirs")
    result = check(shop)
    assert told(result) == [("not ours", "", "")]
    assert result.ok


def test_a_published_file_that_was_changed_is_found_and_published_again(project: Sandbox) -> None:
    folder = project.map("s3://lake", "lake")
    module = project.module("""
        @materialize("s3://lake/table.txt")
        def table(): return "good"
    """)
    project.build(module)
    (folder / "table.txt").write_text("bad")
    found = check(project)
    assert told(found) == [("stale publication", "s3://lake/table.txt", "v1")]
    check(project, repair=True)
    assert (folder / "table.txt").read_text() == "good"
    assert check(project).ok


def test_versions_that_are_found_again_are_no_longer_lost(shop: Sandbox) -> None:
    path = object_of(shop, "copy")
    data = path.read_bytes()
    path.unlink()
    head = shop.workspace.records.get(head_path("default", "shop://copy"))
    assert head is not None
    shop.workspace.records.replace(head.path, encode(replace(decode(head.data, Head), lost=(1,))), head.token)
    path.write_bytes(data)
    check(shop, repair=True)
    assert shop.ran(shop.module(SHOP), reuse_sources=True) == []


def test_bytes_that_come_back_from_a_backup_are_a_version_again(shop: Sandbox) -> None:
    """Nothing that could tell them is thrown away when they are noted as lost."""
    path = object_of(shop, "copy")
    data = path.read_bytes()
    shop.build(shop.edit(shop.module(SHOP), 'orders + "!"', 'orders + "?"'))
    path.unlink()
    assert told(check(shop, repair=True)) == [("missing object", "shop://copy", "v1")]
    known = run("fsck")
    assert (known.exit_code, "known to be lost" in known.stdout) == (0, True)
    assert "but for 1 version" in known.stdout
    path.write_bytes(data)
    assert run("gc", "--grace", "0", "--delete").exit_code == 0
    assert check(shop, repair=True).repaired == ("1 version noted as lost, and whole again",)
    shop.reopen()
    assert str(nacre.load("shop://copy", at="v1")).endswith("!")


@pytest.mark.parametrize("days", ["nan", "inf", "1e400", "-1"])
def test_gc_takes_no_grace_that_is_no_number_of_days(shop: Sandbox, days: str) -> None:
    done = run("gc", "--grace", days)
    assert (done.exit_code, "Traceback" in done.output) == (2, False)


def test_there_is_nothing_to_check_where_nothing_is_stored(project: Sandbox) -> None:
    with pytest.raises(UsageError, match="no store yet"):
        check(project)


def test_findings_are_told_to_programs(shop: Sandbox) -> None:
    object_of(shop, "copy").unlink()
    done = run("fsck", "--json")
    (line,) = [json.loads(each) for each in done.output.splitlines()]
    assert done.exit_code == 1
    assert (line["problem"], line["slot"], line["version"], line["is_fault"]) == (
        Problem.MISSING,
        "shop://copy",
        "v1",
        True,
    )


def test_the_log_of_a_killed_writer_may_be_gone(shop: Sandbox) -> None:
    """Without its write-ahead log the file is as it was some commits ago: older, and whole."""
    module = shop.module(SHOP)
    held = sqlite3.connect(shop.store / "records.sqlite")
    held.execute("BEGIN")
    held.execute("SELECT count(*) FROM records").fetchone()
    shop.build(module, refresh=True)
    copy = shop.folder / "copied"
    copy.mkdir()
    (copy / "records.sqlite").write_bytes((shop.store / "records.sqlite").read_bytes())
    held.close()
    shop.close()
    for name in ("records.sqlite", "records.sqlite-wal", "records.sqlite-shm"):
        (shop.store / name).unlink(missing_ok=True)
    (copy / "records.sqlite").rename(shop.store / "records.sqlite")
    assert check(shop, reads_data=True).ok
    assert [row.seq for row in shop.workspace.catalog.heads("default")] == [1, 1, 1]


def test_a_result_that_a_refresh_replaced_is_followed_and_kept(project: Sandbox) -> None:
    module = project.module("""
        @materialize("shop://orders")
        def orders(): return str(world.get("n", 1)) * 100_000
        @materialize("shop://seen")
        def seen(orders): return orders + str(world.get("m", 1))
    """)
    project.build(module)
    module.turn(m=2)
    project.build(module, "shop://seen", refresh=True, reuse_sources=True)
    assert check(project, reads_data=True).checked.findings == []
    project.clock.advance(4_000 * 86_400)
    assert run("gc", "--delete").exit_code == 0
    assert check(project, reads_data=True).checked.findings == []
    assert nacre.load("shop://seen", at="v1")[-1] == "1"
    assert nacre.load("shop://seen")[-1] == "2"
    for path in (project.store / "objects").glob("data/shop-seen-*/*"):
        path.unlink()
    assert sorted(told(check(project))) == [
        ("missing object", "shop://seen", "v1"),
        ("missing object", "shop://seen", "v2"),
    ]


@pytest.mark.parametrize("is_empty", [True, False])
def test_records_that_are_gone_beside_objects_are_no_new_store(shop: Sandbox, is_empty: bool) -> None:
    shop.close()
    for each in shop.store.glob("records.sqlite*"):
        each.unlink()
    if is_empty:
        (shop.store / "records.sqlite").touch()
    module = shop.module(SHOP)
    shop.reopen()
    with pytest.raises(CorruptRecord, match="The records of the store are gone"):
        shop.build(module)
    assert run("fsck").exit_code != 0
    assert len(list((shop.store / "objects").glob("data/*/*"))) == 2


def test_a_file_of_another_program_becomes_no_store(project: Sandbox) -> None:
    project.close()
    project.store.mkdir()
    with sqlite3.connect(project.store / "records.sqlite") as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    project.reopen()
    with pytest.raises(CorruptRecord, match="another program's") as caught:
        project.build(project.module(SHOP))
    assert caught.value.facts["its tables"] == "songs"


@pytest.mark.parametrize(
    "command", [(), ("ls",), ("plan",), ("show", "big"), ("fsck",), ("gc",), ("doctor",), ("build",)]
)
def test_every_command_says_that_the_records_are_gone(shell: Shell, command: tuple[str, ...]) -> None:
    """Nothing stored yet would be told of a store that is there."""
    shell.write(
        "from nacre import materialize\n\n@materialize('demo://big')\ndef big() -> str:\n    return 'x' * 70_000\n"
    )
    shell("build")
    shell.project.close()
    for file in shell.project.store.glob("records.sqlite*"):
        file.unlink()
    output = shell(*command, exits=1).output
    assert "The records of the store are gone" in output
    assert "restore it from a backup" in output
