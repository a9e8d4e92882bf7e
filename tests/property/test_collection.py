"""Whatever is built, pinned, collected and cut short, in whatever order: an index equals a rebuild, nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.catalog.mirror import Mirror
from nacre.store.codec import encode
from nacre.store.commit import Commit, Committer, Move
from nacre.store.fsck import check
from nacre.store.gc import Retention, collect
from nacre.store.ids import new_id
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.paths import pin_path
from nacre.store.records import Action, Output, Pin
from nacre.store.wrap import Call, Fault, FaultyObjects, FaultyRecords
from nacre.testing import ManualClock, write_object
from nacre.version.outline import Outline

ASSETS = ("a://one", "a://two")
DAY_S = 86_400.0
N_SEEDS = 24


class World:
    """One store, its own index, and the index of another machine that looks at it now and then."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.clock = ManualClock()
        self.index = MemoryIndex()
        self.records = MemoryRecords(self.index.apply)
        self.objects = MemoryObjects()
        self.far = MemoryIndex()
        self.mirror = Mirror(self.far, "identity", self.records)
        self.seqs = dict.fromkeys(ASSETS, 0)
        self.n_pins = 0

    def build(self) -> None:
        asset = self.draw.choice(ASSETS)
        for _ in range(self.draw.choice([1, 1, 3, 40])):
            self._build(asset)

    def _build(self, asset: str) -> None:
        fingerprint = f"{asset[4:]}{self.seqs[asset]}"
        name = f"data/{asset[4:]}/{new_id(lambda: self.clock.now().timestamp())}"
        write_object(self.objects, name, b"bytes")
        output = Output(
            asset=asset,
            data_version=fingerprint,
            format="bytes",
            size_bytes=5,
            digest="",
            outline=Outline("b"),
            object=name,
        )
        action = Action(
            fingerprint=fingerprint,
            task="t",
            code="c",
            outputs=(output,),
            attempt=new_id(),
            run="r",
            started_at=self.clock.now(),
            duration_s=0.0,
        )
        other = ASSETS[asset == ASSETS[0]]
        move = Move("default", asset, fingerprint, {"x": (other, self.seqs[other])}, self.seqs[asset])
        committer = Committer(self.records, self.clock.monotonic)
        committer.add(Commit(fingerprint, "r", action.attempt, self.clock.now(), action, (move,)))
        committer.flush()
        self.seqs[asset] += 1
        self.clock.advance(self.draw.choice([0.0, DAY_S / 4, DAY_S * 3]))

    def pin(self) -> None:
        rows = Catalog(self.index.read).history("default", self.draw.choice(ASSETS))
        if rows:
            row = self.draw.choice(rows)
            asset = next(each for each in ASSETS if row.fingerprint.startswith(each[4:]))
            pin = Pin(
                name=f"p{self.n_pins}",
                env="default",
                asset=asset,
                seq=row.seq,
                fingerprint=row.fingerprint,
                at=self.clock.now(),
            )
            self.records.create(pin_path(pin.name), encode(pin))
            self.n_pins += 1

    def unpin(self) -> None:
        for stored in list(self.records.scan("pins/"))[:1]:
            self.records.delete(stored.path, stored.token)

    def collect(self) -> None:
        keep = Retention(
            self.draw.choice([0, 1, 5, 50]), self.draw.choice([0, 10]), self.draw.choice([0, 30])
        )
        left = [self.draw.choice([0, 0, 5, 20, 60])]

        def die(call: Call) -> Fault | None:
            left[0] -= 1
            return Fault(TimeoutError(), after=self.draw.random() < 0.5) if left[0] == 0 else None

        try:
            collect(
                FaultyRecords(self.records, die),
                FaultyObjects(self.objects, die),
                now=self.clock.now(),
                settings=keep,
                delete=True,
            )
        except TimeoutError:
            return

    def look(self) -> None:
        self.mirror.refresh()
        self.mirror.refresh(["hist"])


def histories(index: MemoryIndex) -> dict[str, list[int]]:
    return {each: [row.seq for row in Catalog(index.read).history("default", each)] for each in ASSETS}


@pytest.mark.parametrize("seed", range(N_SEEDS))
def test_an_index_equals_a_rebuild_and_every_version_is_whole(seed: int) -> None:
    world = World(seed)
    acts: list[Callable[[], None]] = [
        world.build,
        world.build,
        world.pin,
        world.unpin,
        world.collect,
        world.look,
    ]
    for _ in range(25):
        world.draw.choice(acts)()
        anew = MemoryIndex()
        anew.rebuild(world.records.scan(""))
        assert histories(world.index) == histories(anew)
        checked = check(world.records, world.objects)
        assert checked.faults == []
    world.look()
    assert histories(world.far) == histories(world.index)
