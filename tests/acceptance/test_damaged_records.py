"""Records are damaged behind our back: no value is ever another, and no command ends in a traceback of ours.

``NACRE_DAMAGES`` says how many are tried; which they are differs from run to run, and a failure names its own.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner

import nacre
from buckets import Lake
from nacre import project as roots
from nacre.cli.main import cli
from nacre.errors import CorruptRecord, NacreError
from nacre.store.codec import decode, encode
from nacre.store.lease import Tenure
from nacre.store.lives import left_of
from nacre.store.records import Environment
from sandbox import Sandbox
from shell import Shell

N_DAMAGES = int(os.environ.get("NACRE_DAMAGES", "12"))
PIPELINE = """
from nacre import materialize

@materialize("demo://a")
def a() -> int:
    return 41

@materialize("demo://b")
def b(a: int) -> dict:
    return {"x": a, "y": "text", "z": [1.5, None, True]}

@materialize("demo://c")
def c(b: dict) -> str:
    return str(b)
"""
KEYS = ("demo://a", "demo://b", "demo://c")
COMMANDS = (
    ("ls",), ("ls", "--json"), (), ("history", "c"), ("why", "c"), ("plan",), ("fsck", "--read-data"), ("gc",),
    ("env", "ls"), ("pin",), ("lineage", "c"), ("show", "c"), ("diff", "b", "v1", "v1"), ("doctor",),
    ("artifacts",), ("schedules",), ("build",), ("fsck", "--repair"), ("build",),
)  # fmt: skip


class Records(Protocol):
    """The records of a store, reached without nacre."""

    def read(self) -> dict[str, bytes]: ...
    def restore(self) -> None: ...
    def put(self, path: str, data: bytes) -> None: ...
    def forget_index(self) -> None: ...


class OnDisk:
    def __init__(self, store: Path) -> None:
        self._store = store
        self._kept = store.with_name("kept")
        shutil.copytree(store, self._kept)

    def read(self) -> dict[str, bytes]:
        with closing(sqlite3.connect(self._store / "records.sqlite")) as connection:
            return dict(connection.execute("SELECT path, data FROM records ORDER BY path"))

    def restore(self) -> None:
        shutil.rmtree(self._store)
        shutil.copytree(self._kept, self._store)

    def put(self, path: str, data: bytes) -> None:
        self._change("UPDATE records SET data = ? WHERE path = ?", data, path)

    def forget_index(self) -> None:
        self._change("PRAGMA user_version = 1")

    def _change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self._store / "records.sqlite")) as connection, connection:
            connection.execute(statement, values)


class InBucket:
    def __init__(self, lake: Lake, folder: Path) -> None:
        self._lake = lake
        self._folder = folder
        self._kept = {name: lake.read(name) for name in lake.names()}

    def read(self) -> dict[str, bytes]:
        start = "team/records/"
        return {name.removeprefix(start): data for name, data in self._kept.items() if name.startswith(start)}

    def restore(self) -> None:
        for name in set(self._lake.names()) - self._kept.keys():
            self._lake.service.client.delete_object(Bucket=self._lake.bucket, Key=name)
        for name, data in self._kept.items():
            self._lake.write(name, data)

    def put(self, path: str, data: bytes) -> None:
        self._lake.write(f"team/records/{path}", data)

    def forget_index(self) -> None:
        shutil.rmtree(self._folder / ".nacre", ignore_errors=True)


def flipped(data: bytes, chance: random.Random) -> bytes:
    bit = chance.randrange(len(data) * 8)
    found = bytearray(data)
    found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def zeros(data: bytes, chance: random.Random) -> bytes:
    return bytes(len(data))


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, flipped, flipped, cut, zeros)


def begin(project: Sandbox) -> None:
    """Make a store with many kinds of records: two environments, runs, a pin."""
    shell = Shell(project)
    (project.folder / "nacre.toml").write_text('modules = ["pipeline.py"]\n')
    shell.write(PIPELINE)
    shell("build")
    shell("pin", "c@v1", "best")
    shell.write(PIPELINE.replace("41", "42"))
    shell("build", "--env", "dev")
    shell.write(PIPELINE)
    project.close()


@pytest.fixture
def opened_anew() -> Iterator[Callable[[], None]]:
    """Go on as the next process would."""

    def opened_anew() -> None:
        for each in roots._open_projects.values():
            each.close()
        roots._open_projects.clear()

    yield opened_anew
    opened_anew()


def test_a_damaged_record_is_never_a_value_and_never_a_traceback(
    project: Sandbox, opened_anew: Callable[[], None]
) -> None:
    begin(project)
    require_care(OnDisk(project.store), opened_anew, N_DAMAGES)


@pytest.mark.whole
def test_a_damaged_record_in_a_bucket_is_never_a_value_and_never_a_traceback(
    project: Sandbox, lake: Lake, opened_anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    begin(project)
    require_care(InBucket(lake, project.folder), opened_anew, N_DAMAGES)


def require_care(store: Records, opened_anew: Callable[[], None], n: int) -> None:
    right = {key: nacre.load(key) for key in KEYS}
    opened_anew()
    found = store.read()
    assert {path.partition("/")[0] for path in found} >= {"ac", "heads", "runs", "envs", "pins", "format"}
    chance = random.Random()
    for _ in range(n):
        path, damage = chance.choice([*found]), chance.choice(DAMAGES)
        data = damage(found[path], chance)
        store.restore()
        store.put(path, data)
        if chance.random() < 0.5:
            store.forget_index()
        where = f"{path} is {data!r}"
        for key, value in right.items():
            opened_anew()
            try:
                loaded = nacre.load(key)
            except NacreError:
                continue
            assert loaded == value, where
        for command in COMMANDS:
            opened_anew()
            output = CliRunner().invoke(cli, list(command)).output
            assert "a bug in nacre" not in output, f"{where}: nacre {' '.join(command)}\n{output}"


def flip(lake: Lake, part: str) -> None:
    """Flip a bit of the record whose path has a part."""
    (name,) = [each for each in lake.names() if part in each]
    lake.write(name, flipped(lake.read(name), random.Random(1)))


def test_a_machine_that_never_saw_a_head_that_is_damaged_takes_no_other_for_it(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch, opened_anew: Callable[[], None]
) -> None:
    """Neither what the environment reads through nor a state from before; all that is of others goes on."""
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    begin(project)
    flip(lake, "heads/dev/demo-b")
    shutil.rmtree(project.folder / ".nacre")
    shell = Shell(project)
    for env, is_whole in (("default", True), ("dev", False)):
        monkeypatch.setenv("NACRE_ENV", env)
        opened_anew()
        if is_whole:
            assert nacre.load("demo://b")["x"] == 41
            shell("build")
            continue
        assert nacre.load("demo://a") == 42
        with pytest.raises(CorruptRecord, match="heads/dev/demo-b"):
            nacre.load("demo://b")
        for command in (("build",), ("plan", "c"), ("history", "b"), ("show", "b"), ("rollback", "b@v1")):
            opened_anew()
            assert "heads/dev/demo-b" in shell(*command, exits=1).output, command
        opened_anew()
        assert "heads/dev/demo-b" in shell("ls").stderr
        shell("build", "a")
    opened_anew()
    assert "heads/dev/demo-b" in shell("promote", "dev", "default", exits=1).output


def test_a_head_is_not_put_together_from_an_index_that_knows_less_than_the_runs(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch, opened_anew: Callable[[], None]
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    begin(project)
    shutil.copytree(project.folder / ".nacre", project.folder / "early")
    shell = Shell(project)
    shell.write(PIPELINE.replace("41", "43"))
    shell("build")
    project.close()
    flip(lake, "heads/default/demo-b")
    (project.folder / ".nacre").rename(project.folder / "late")
    (project.folder / "early").rename(project.folder / ".nacre")
    opened_anew()
    output = shell("fsck", "--repair", exits=1).output
    assert (
        "this machine's index knows v1 to v1, and runs made v2: repair it on the machine that made it"
        in output
    )
    with pytest.raises(CorruptRecord):
        nacre.load("demo://b")
    opened_anew()
    shutil.rmtree(project.folder / ".nacre")
    (project.folder / "late").rename(project.folder / ".nacre")
    assert "put together again" in shell("fsck", "--repair", exits=1).output
    opened_anew()
    assert nacre.load("demo://b")["x"] == 43
    shell("fsck")


def test_records_that_were_swapped_are_not_taken_for_each_other(
    project: Sandbox, opened_anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a build in one environment move what another reads."""
    begin(project)
    store = OnDisk(project.store)
    found = store.read()
    pairs = [
        ("heads/default/demo-b", "heads/dev/demo-b"),
        ("heads/default/demo-a", "heads/default/demo-b"),
        ("heads/dev/demo-a", "heads/dev/demo-b"),
    ]
    for one, other in pairs:
        (first,), (second,) = ([path for path in found if path.startswith(each)] for each in (one, other))
        for is_index_new in (False, True):
            store.restore()
            store.put(first, found[second])
            store.put(second, found[first])
            if is_index_new:
                store.forget_index()
            monkeypatch.setenv("NACRE_ENV", "dev")
            opened_anew()
            with suppress(NacreError):
                project.build(project.module(PIPELINE.replace("41", "44")))
            for env, values in (("dev", (42, 44)), ("default", (41,))):
                monkeypatch.setenv("NACRE_ENV", env)
                opened_anew()
                with suppress(NacreError):
                    assert nacre.load("demo://b")["x"] in values, (one, other, is_index_new, env)


def cut_off(store: Records, area: str) -> str:
    (path,) = [each for each in store.read() if each.startswith(area)]
    store.put(path, store.read()[path][:20])
    return path


def test_a_damaged_pin_can_be_removed(project: Sandbox, opened_anew: Callable[[], None]) -> None:
    begin(project)
    store, shell = OnDisk(project.store), Shell(project)
    cut_off(store, "pins/")
    opened_anew()
    assert "No pins" in shell("pin").output
    shell("history", "c")
    shell("env", "ls")
    shell("gc", exits=1)  # nobody knows what it keeps
    assert "pins/best: free it: nacre pin --remove best" in shell("fsck", "--repair", exits=1).output
    assert "could not be read" in shell("pin", "--remove", "best").output
    shell("gc")
    shell("fsck")


@pytest.fixture
def in_dev(
    project: Sandbox, opened_anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], object]:
    """A store in which dev was removed and begun anew twice; says what a value is there."""
    begin(project)
    shell = Shell(project)
    for _ in range(2):
        shell("env", "rm", "dev", "--yes")
        shell.write(PIPELINE.replace("41", "42"))
        shell("build", "--env", "dev")
        shell.write(PIPELINE)
    project.close()

    def value() -> object:
        with monkeypatch.context() as inside:
            inside.setenv("NACRE_ENV", "dev")
            opened_anew()
            found = nacre.load("demo://a")
        opened_anew()
        return found

    return value


def repaired(shell: Shell, opened_anew: Callable[[], None]) -> str:
    """Mend a store of which the record of dev is damaged; what was said of it."""
    opened_anew()
    shell("env", "ls")
    shell("build")
    assert "envs/dev" in shell("fsck", exits=1).output
    output = shell("fsck", "--repair", exits=1).output
    shell("fsck")
    return next(line for line in output.splitlines() if "the environment dev was recorded anew" in line)


def test_an_environment_of_which_nothing_tells_that_it_goes_on_is_recorded_as_removed(
    project: Sandbox, opened_anew: Callable[[], None], in_dev: Callable[[], object]
) -> None:
    store, shell = OnDisk(project.store), Shell(project)
    for is_gone in (False, True):
        assert in_dev() == 42
        if is_gone:
            with closing(sqlite3.connect(project.store / "records.sqlite")) as connection, connection:
                connection.execute("DELETE FROM records WHERE path = 'envs/dev'")
        else:
            cut_off(store, "envs/")
        told = repaired(shell, opened_anew)
        assert "as removed, since nothing tells that it was not: nacre build --env dev begins it anew" in told
        assert in_dev() == 41
        shell.write(PIPELINE.replace("41", "42"))
        assert "2 reused" in shell("build", "--env", "dev").output, (
            "all but the source, which is asked each time"
        )
        shell.write(PIPELINE)
    shell("env", "rm", "dev", "--yes")


def test_an_environment_whose_damaged_record_or_pin_tells_that_it_goes_on_stays(
    project: Sandbox, opened_anew: Callable[[], None], in_dev: Callable[[], object]
) -> None:
    store, shell = OnDisk(project.store), Shell(project)
    whole = store.read()["envs/dev"]
    store.put("envs/dev", whole.replace(b'"crc":"', b'"crc":"0')[:-3] + b'"}')
    assert "over default, as the settings say" in repaired(shell, opened_anew)
    assert in_dev() == 42
    shell("pin", "a@v1", "tried", "--env", "dev")
    for damaged in (whole[:20], whole.replace(b'"life":3', b'"life":7')):
        store.put("envs/dev", damaged)
        assert "over default, as the settings say" in repaired(shell, opened_anew)
        assert in_dev() == 42


def test_an_environment_that_had_ended_never_comes_back_by_mending(
    project: Sandbox, opened_anew: Callable[[], None], in_dev: Callable[[], object]
) -> None:
    """A removal is killed behind its one deciding write: all heads are there still."""
    store, shell = OnDisk(project.store), Shell(project)
    begun = decode(store.read()["envs/dev"], Environment)
    ended = encode(begun.ended(project.clock.now()))
    for bit in range(len(ended) * 8):
        damaged = bytearray(ended)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not left_of(bytes(damaged)).goes_on, bytes(damaged)
    store.put("envs/dev", ended.replace(b'"base":"default"', b'"base":"defaulu"'))
    assert "as removed, as its record still says" in repaired(shell, opened_anew)
    assert in_dev() == 41
    assert "dev" not in shell("env", "ls").stdout


def test_a_damaged_lease_is_taken_as_free(project: Sandbox) -> None:
    begin(project)
    records = project.workspace.records
    claims = [Tenure(records, "this", name, project.clock) for name in ("one", "two")]
    assert claims[0].hold()
    stored = records.get(claims[0].path)
    assert stored is not None
    assert records.replace(stored.path, stored.data[:20], stored.token)
    assert claims[1].hold()
    project.close()
    Shell(project)("gc")


def test_a_flow_does_not_begin_where_a_head_cannot_be_read(
    project: Sandbox, opened_anew: Callable[[], None]
) -> None:
    begin(project)
    store = OnDisk(project.store)
    cut_off(store, "heads/default/demo-b")
    store.forget_index()
    opened_anew()
    module = project.module(
        PIPELINE + "\nfrom nacre import flow\n\n@flow\ndef all_of_it():\n    return c(b(a()))\n"
    )
    with pytest.raises(CorruptRecord, match="heads/default/demo-b"):
        module.all_of_it()


def test_a_head_is_not_put_together_from_an_index_that_missed_a_rollback(
    project: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch, opened_anew: Callable[[], None]
) -> None:
    """No run tells of it: else another machine would have another version of the same number."""
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    begin(project)
    shell = Shell(project)
    shell.write(PIPELINE.replace("41", "43"))
    shell("build")
    project.close()
    shutil.copytree(project.folder / ".nacre", project.folder / "early")
    opened_anew()
    shell("rollback", "b@v1")
    project.close()
    (name,) = [each for each in lake.names() if "heads/default/demo-b" in each]
    data = bytearray(lake.read(name))
    data[40] ^= 1
    lake.write(name, bytes(data))
    shutil.rmtree(project.folder / ".nacre")
    (project.folder / "early").rename(project.folder / ".nacre")
    opened_anew()
    output = shell("fsck", "--repair", exits=1).output
    assert (
        "this machine's index knows v1 to v2, and it lists v3: repair it on the machine that made it"
        in output
    )
    opened_anew()
    with pytest.raises(CorruptRecord):
        nacre.load("demo://b")
