"""Publishing by several machines, with crashes: whoever comes last puts what is current, and nothing is torn."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buckets import Asked, Lake, Relay
from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.execute.publishing import Publishing
from nacre.execute.workspace import Workspace
from nacre.store.bucket import BucketObjects
from nacre.store.claims import NoClaims
from nacre.store.codec import decode
from nacre.store.commit import Commit, Committer, Move
from nacre.store.connect import connect
from nacre.store.contents import Contents
from nacre.store.directory import DirectoryObjects
from nacre.store.ids import new_id
from nacre.store.memory import MemoryRecords
from nacre.store.paths import head_path
from nacre.store.port import ObjectStore
from nacre.store.publish.bucket import BucketPlace
from nacre.store.publish.files import FilePlace
from nacre.store.publish.port import Place
from nacre.store.publish.publisher import Publisher
from nacre.store.records import Action, Head
from nacre.store.wrap import Call, Fault, FaultyPlace, FaultyRecords
from nacre.survey.gather import Versions
from nacre.testing import ManualClock
from nacre.values import identify

AT = datetime(2026, 11, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here: nothing of ours runs any more."""


class World:
    """One store and one place, and the machines that share them.

    Args:
        objects: Where versions above 64 KiB lie.
        place: Where the file is published.
        key: Of the one asset.
    """

    def __init__(self, objects: ObjectStore, place: Place, key: str) -> None:
        self.index = MemoryIndex()
        self.records = MemoryRecords(self.index.apply)
        self.objects = objects
        self.place = place
        self.key = key
        self.path = key.split("://", 1)[1].lstrip("/") if key.startswith("file") else key.split("/", 3)[3]
        self.committed: set[bytes] = set()

    def head(self) -> Head | None:
        path = head_path("default", self.key)
        stored = self.records.get(path)
        return decode(stored.data, Head, path) if stored else None

    def at_key(self) -> bytes | None:
        try:
            with self.place.open(self.path) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def current(self) -> bytes:
        head = self.head()
        assert head is not None
        versions = Versions(self.records, Catalog(self.index.read), "default")
        output = versions.output(head.current.fingerprint, self.key)
        assert output is not None
        return bytes(Contents(self.objects, new_id).read(output))  # type: ignore[call-overload]  # bytes

    def require_whole(self) -> None:
        """No reader ever sees anything but a version that was committed."""
        found = self.at_key()
        assert found is None or found in self.committed, "a reader saw what nobody committed"

    def machine(self, before: Callable[[Call], Fault | None] = lambda call: None) -> Machine:
        return Machine(self, before)


class Machine:
    """One process with its own view of the store. ``before`` is asked before each of its calls to store and place."""

    def __init__(self, world: World, before: Callable[[Call], Fault | None]) -> None:
        self.world = world
        self.logged: list[str] = []
        records = FaultyRecords(world.records, before)
        self.workspace = Workspace(
            root="/",
            location="memory://",
            env="default",
            records=records,
            contents=Contents(world.objects, new_id),
            catalog=Catalog(world.index.read),
            code=None,  # type: ignore[arg-type]
            reads=None,  # type: ignore[arg-type]
            clock=ManualClock(),
            new_id=new_id,
            append_events=lambda run, events: None,
            publisher=Publisher((), lambda root: FaultyPlace(world.place, before)),
            claims=NoClaims(),
            outside=Publisher((), lambda root: FaultyPlace(world.place, before)),
        )
        self.versions = Versions(records, self.workspace.catalog, "default")
        self.publishing = Publishing(
            self.workspace, self.versions, lambda level, text: self.logged.append(text)
        )

    def look(self) -> None:
        """Survey, and repair what a crash or somebody else left."""
        heads = {row.slot: row for row in self.workspace.catalog.heads("default")}
        self.publishing.again(self.publishing.drifted([self.world.key], heads))

    def make(self, data: bytes) -> None:
        """Make a version as a build does: survey, object, record, head, publication."""
        heads = {row.slot: row for row in self.workspace.catalog.heads("default")}
        self.publishing.drifted([self.world.key], heads)
        surveyed = heads[self.world.key].seq if heads else 0
        identity = identify(data)
        self.world.committed.add(data)
        output = self.workspace.contents.write(self.world.key, data, identity, identity.digest)
        attempt, run = new_id(), new_id()
        fingerprint = identity.digest
        action = Action(
            fingerprint=fingerprint,
            task="t",
            code="c",
            outputs=(output,),
            attempt=attempt,
            run=run,
            started_at=AT,
            duration_s=0.0,
        )
        move = Move("default", self.world.key, identity.digest, {"x": ("asset://x", len(data))}, surveyed)
        committer = Committer(self.workspace.records, lambda: 0.0)
        committer.add(Commit(fingerprint, run, attempt, AT, action, (move,)))
        self.publishing.committed(committer.flush())


@pytest.fixture(params=["files", "bucket", "copies in a bucket"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "files":
        yield World(DirectoryObjects(tmp_path / "objects"), FilePlace(), f"file://{tmp_path}/lake/a.bin")
        return
    lake: Lake = request.getfixturevalue("lake")
    bucket = connect(lake.url)
    world = World(BucketObjects(bucket, "team"), BucketPlace(bucket), f"{lake.url}/a.bin")
    yield world


def version(n: int, *, is_large: bool) -> bytes:
    """The bytes of a version: large ones lie in objects. No two are of one length, as the copies of a bucket need."""
    return b"%d" % n * ((70_000 if is_large else 10) + n)


@pytest.fixture
def is_large(request: pytest.FixtureRequest) -> bool:
    return "bucket" not in request.node.name or "copies" in request.node.name


def test_whatever_a_killed_run_leaves_the_next_look_puts_right(world: World, is_large: bool) -> None:
    for n_seen in range(40):
        left = n_seen

        def dies(call: Call) -> Fault | None:
            nonlocal left
            left -= 1
            world.require_whole()
            return Fault(Killed()) if left < 0 else None  # type: ignore[arg-type]  # as a kill: nothing catches it

        try:
            world.machine(dies).make(version(n_seen, is_large=is_large))
            assert n_seen >= 5, "it was never killed"
            break
        except Killed:
            pass
        if world.head() is None:
            continue
        repairer = world.machine()
        repairer.look()
        assert world.at_key() == world.current()
        assert not any("before-nacre" in text for text in repairer.logged)
    else:
        raise AssertionError("it was always killed")
    assert world.at_key() == world.current()


def test_a_killed_first_publication_is_never_taken_for_the_file_of_others(
    world: World, is_large: bool
) -> None:
    def dies_at_the_note(call: Call) -> Fault | None:
        is_note = call.method == "batch" and world.at_key() is not None
        return Fault(Killed()) if is_note else None  # type: ignore[arg-type]

    with pytest.raises(Killed):
        world.machine(dies_at_the_note).make(version(1, is_large=is_large))
    head = world.head()
    assert head is not None
    assert head.published == 0
    second = world.machine()
    second.make(version(2, is_large=is_large))
    assert second.logged == []
    assert world.at_key() == version(2, is_large=is_large)


@pytest.mark.parametrize("at", ["put", "note"])
def test_a_machine_that_puts_late_leaves_the_version_of_the_one_that_was_ahead(
    world: World, is_large: bool, at: str
) -> None:
    world.machine().make(version(1, is_large=is_large))
    has_waited = False

    def waits(call: Call) -> Fault | None:
        nonlocal has_waited
        is_note = call.method == "batch" and world.at_key() == version(2, is_large=is_large)
        if not has_waited and (call.method == "put" if at == "put" else is_note):
            has_waited = True
            world.machine().make(version(3, is_large=is_large))
        return None

    world.machine(waits).make(version(2, is_large=is_large))
    assert has_waited
    assert world.at_key() == version(3, is_large=is_large)
    head = world.head()
    assert head is not None
    assert (head.current.seq, head.published) == (3, 3)


def test_a_mark_that_was_taken_of_a_late_copy_is_put_right_by_the_machine_that_was_late(
    lake: Lake, relay: Relay
) -> None:
    bucket = connect(lake.url)
    world = World(BucketObjects(bucket, "team"), BucketPlace(bucket), f"{lake.url}/a.bin")
    first, late, newest = (
        b"%d" % n * 70_000 for n in (1, 2, 3)
    )  # of one size, so that nothing tells them apart
    world.machine().make(first)
    has_waited = has_landed = False

    def lands(asked: Asked) -> str:
        """Let the late machine's copy take effect between the other's copy and its look at what lies there."""
        nonlocal has_landed
        if not has_landed and asked.kind == "HEAD" and lake.read("a.bin") == newest:
            has_landed = True
            (source,) = (
                name for name in lake.names() if name.startswith("team/") and lake.read(name) == late
            )
            client = lake.service.client
            client.copy_object(
                Bucket=lake.bucket, Key="a.bin", CopySource={"Bucket": lake.bucket, "Key": source}
            )
        return ""

    def waits(call: Call) -> Fault | None:
        nonlocal has_waited
        if call.method == "put" and not has_waited:
            has_waited = True
            relay.spoil = lands
            world.machine().make(newest)
        return None

    world.machine(waits).make(late)
    assert has_waited
    assert has_landed
    assert world.at_key() == newest
    head = world.head()
    assert head is not None
    assert (head.current.seq, head.published) == (3, 3)


class InTurn:
    """Runs machines in threads, one call at a time, in an order drawn from a seed; kills some at a drawn call."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.waiting: dict[int, threading.Event] = {}
        self.dead: set[int] = set()
        self.arrived = threading.Condition()
        self.ended: set[int] = set()

    def run(self, world: World, works: list[Callable[[Machine], None]], *, n_kills: int = 0) -> None:
        errors: list[BaseException] = []
        threads = []
        for n, work in enumerate(works):
            machine = world.machine(lambda call, n=n: self._wait(n))  # type: ignore[misc]  # bound at once
            thread = threading.Thread(target=self._work, args=(n, work, machine, errors))
            threads.append(thread)
        for thread in threads:
            thread.start()
        while len(self.ended) < len(works):
            with self.arrived:
                self.arrived.wait_for(lambda: len(self.waiting) + len(self.ended) == len(works), 60)
                if len(self.ended) == len(works):
                    break
                chosen = self.random.choice(sorted(self.waiting))
                if n_kills and self.random.random() < 0.08:
                    n_kills -= 1
                    self.dead.add(chosen)
                turn = self.waiting.pop(chosen)
            world.require_whole()
            turn.set()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _work(
        self, n: int, work: Callable[[Machine], None], machine: Machine, errors: list[BaseException]
    ) -> None:
        try:
            work(machine)
        except Killed:
            pass
        except BaseException as error:
            errors.append(error)
        finally:
            with self.arrived:
                self.ended.add(n)
                self.arrived.notify_all()

    def _wait(self, n: int) -> Fault | None:
        turn = threading.Event()
        with self.arrived:
            self.waiting[n] = turn
            self.arrived.notify_all()
        turn.wait()
        return Fault(Killed()) if n in self.dead else None  # type: ignore[arg-type]


def test_a_reader_at_the_key_sees_whole_committed_versions_only(world: World, is_large: bool) -> None:
    world.machine().make(version(1, is_large=is_large))
    n_versions = 40 if isinstance(world.place, FilePlace) else 8
    ended = threading.Event()
    seen: list[bytes | None] = []

    def read() -> None:
        while not ended.is_set():
            seen.append(world.at_key())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for n in range(2, n_versions):
            world.machine().make(version(n, is_large=is_large))
    finally:
        ended.set()
        reader.join()
    assert len(seen) > n_versions / 2
    assert set(seen) <= world.committed
    assert world.at_key() == world.current()


def _schedules(world: World) -> range:
    return range(150 if isinstance(world.place, FilePlace) else 12)


@pytest.mark.whole
def test_machines_that_publish_at_once_leave_the_newest_version(world: World, is_large: bool) -> None:
    for seed in _schedules(world):
        datas = [version(10 * seed + n, is_large=is_large) for n in (1, 2, 3)]
        InTurn(seed).run(world, [lambda machine, data=data: machine.make(data) for data in datas])  # type: ignore[misc]
        head = world.head()
        assert head is not None
        assert world.at_key() == world.current(), f"seed {seed}"
        assert head.published == head.current.seq, f"seed {seed}"


def test_what_machines_leave_that_die_while_others_publish_is_put_right(world: World, is_large: bool) -> None:
    world.machine().make(version(1, is_large=is_large))
    for seed in _schedules(world):
        datas = [version(10 * seed + n, is_large=is_large) for n in (2, 3, 4)]
        works: list[Callable[[Machine], None]] = [
            *(lambda machine, data=data: machine.make(data) for data in datas),  # type: ignore[misc]
            lambda machine: machine.look(),
        ]
        InTurn(seed).run(world, works, n_kills=2)
        repairer = world.machine()
        repairer.look()
        assert world.at_key() == world.current(), f"seed {seed}"
        assert repairer.publishing.errors == {}
        assert not any("had not put" in text for text in repairer.logged)
