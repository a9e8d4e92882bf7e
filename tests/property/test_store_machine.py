"""Machines that share a store do anything to it in any order: what is built stays what the code and the world say.

The model is a pure function from both to values; the invariants are those of docs/explanation/commit.md. Over stores in
memory, on a disk and in a bucket. ``NACRE_EXAMPLES`` multiplies how many histories are tried.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import nacre
from branch_rules import Branches
from buckets import KEYS as AWS_KEYS
from buckets import Service
from lake_rules import DEV, Lake
from machine_model import KEYS, MADE, PLACED, SOURCES, Code, Recipe
from nacre import project as roots
from nacre.declare.discover import load_module
from nacre.errors import CorruptObject, StoreError
from nacre.execute.workspace import Workspace
from nacre.store.codec import decode
from nacre.store.contents import Contents
from nacre.store.fsck import check, mend
from nacre.store.gc import Retention, collect
from nacre.store.ids import new_id, time_of
from nacre.store.memory import MemoryObjects
from nacre.store.paths import action_path
from nacre.store.records import DEFAULT_ENV, Action
from nacre.store.use import GRACE_S
from nacre.store.wrap import Call, FaultyObjects, FaultyRecords
from people_rules import People
from sandbox import Sandbox
from stored_history import Seen
from trouble import Killed, Trouble

TIMES = int(os.environ.get("NACRE_EXAMPLES", "1"))
PIPELINE = "shared_pipeline"
DAY_S = 24 * 3600.0


class Machines(Lake, People, Branches, RuleBasedStateMachine):
    """Two machines at most, each with a checkout of its own, one store, one world, two environments."""

    n_machines: ClassVar[int] = 2
    has_network: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(os.path.realpath(self._temporary.name))
        self._before = dict(os.environ)
        self._bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        self._cwd = os.getcwd()
        os.environ |= {
            "NACRE_QUIET": "1",
            "NACRE_STORE": self.store(),
            "NACRE_PLACES": f"s3://lake={self.lake()}",
        }
        self.world = {"numbers": 3, "label": 0, "given": 1}
        self.given()
        self.code = [Code() for _ in range(self.n_machines)]
        self.folders = [self.folder / f"machine-{n}" for n in range(self.n_machines)]
        for folder in self.folders:
            folder.mkdir()
            (folder / "nacre.toml").write_text(f'[env.{DEV}]\npublish_root = "{self.branch()}"\n')
        #: Recipes with a result for certain; and those that a run which ended badly may have recorded.
        self.known: set[Recipe] = set()
        self.maybe: set[Recipe] = set()
        self.seen = Seen(bases={DEV: DEFAULT_ENV})
        self.at, self.env = -1, DEFAULT_ENV
        self.trouble: Trouble | None = None
        self.passed_s = 0.0
        self.sandbox: Sandbox | None = None
        self.use(0)

    # ── what differs between stores ───────────────────────────────────────────────────────────────────────────────

    def store(self) -> str:
        return str(self.folder / "store")

    def damage(self, name: str, data: bytes) -> None:
        path = self.folder / "store" / "objects" / name
        path.chmod(0o600)
        path.write_bytes(data)

    def drop_catalog(self) -> None:
        file = self.folder / "store" / "records.sqlite"
        if file.exists():
            connection = sqlite3.connect(file)
            connection.execute("PRAGMA user_version = 1")
            connection.close()

    # ── machines ──────────────────────────────────────────────────────────────────────────────────────────────────

    def sit_down(self, data: st.DataObject) -> None:
        """Use any machine, and one of the environments."""
        self.use(self._any(data), data.draw(st.sampled_from([DEFAULT_ENV, DEFAULT_ENV, DEV])))

    def use(self, machine: int, env: str = DEFAULT_ENV) -> None:
        """Sit down at a machine and start a new process there."""
        self.env = os.environ["NACRE_ENV"] = env
        if machine != self.at:
            self.at = machine
            os.chdir(self.folders[machine])
            if self.sandbox is not None:
                self.sandbox.close()
            self.sandbox = Sandbox(self.folders[machine])
            self.sandbox.clock.advance(self.passed_s)
        else:
            self.reopen()

    def reopen(self) -> None:
        assert self.sandbox is not None
        self.sandbox.reopen()

    @property
    def workspace(self) -> Workspace:
        return roots.current_project().workspace()

    def load(self) -> ModuleType:
        """Import the project as the next process would."""
        sys.modules.pop(PIPELINE, None)
        path = self.folders[self.at] / f"{PIPELINE}.py"
        path.write_text(self.code[self.at].text())
        module = load_module(path)
        module.world.update(self.world, write=self.write)
        return module

    def write(self, place: str, value: object) -> None:
        """Write a file as a careless function does; a run may end before it begins, in the middle, and after."""
        data = json.dumps(value).encode()
        for part in (b"", data[: len(data) // 2], data):
            if part:
                self.put_at(place, part)
            fault = self.trouble and self.trouble(Call("write", (place,)))
            if fault:
                raise fault.error

    def teardown(self) -> None:
        with self._no_leftovers():
            self.built_at_last()

    @contextmanager
    def _no_leftovers(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.sandbox is not None:
                self.sandbox.close()
            sys.modules.pop(PIPELINE, None)
            for folder in map(str, self.folders):
                while folder in sys.path:
                    sys.path.remove(folder)
            sys.dont_write_bytecode = self._bytecode
            os.chdir(self._cwd)
            for name in os.environ.keys() - self._before.keys():
                del os.environ[name]
            os.environ.update(self._before)
            self._temporary.cleanup()

    # ── the code and the world change ─────────────────────────────────────────────────────────────────────────────

    @rule(data=st.data(), name=st.sampled_from(MADE), constant=st.integers(1, 3))
    def code_is_edited(self, data: st.DataObject, name: str, constant: int) -> None:
        self.code[self._any(data)].constants[name] = constant

    @precondition(lambda self: self.n_machines > 1)
    @rule()
    def code_is_pulled(self) -> None:
        self.code[0].constants = dict(self.code[1].constants)

    @rule(data=st.data(), is_broken=st.booleans())
    def a_function_breaks_or_is_mended(self, data: st.DataObject, is_broken: bool) -> None:
        self.code[self._any(data)].is_broken = is_broken

    @rule(name=st.sampled_from(SOURCES), value=st.integers(0, 5))
    def the_world_changes(self, name: str, value: int) -> None:
        self.world[name] = value

    def _any(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, self.n_machines - 1)) if self.n_machines > 1 else 0

    # ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(data=st.data())
    def all_is_built(self, data: st.DataObject) -> None:
        self.sit_down(data)
        self.built()

    def built(self, *, again: bool = True) -> None:
        """Build everything; what ran, what it gave and what lies at the keys are as the model says."""
        module = self.load()
        code = self.code[self.at]
        recipes = code.recipes(self.world)
        if code.is_broken:
            recipes.pop("total")
        result = nacre.build("*", modules=[module])
        ran = list(module.calls)
        assert len(ran) == len(set(ran)), f"run twice: {ran}"
        must = {name for name, recipe in recipes.items() if recipe not in self.known | self.maybe}
        may = {name for name, recipe in recipes.items() if recipe in self.maybe}
        broken = {"total"} & set(ran) if code.is_broken else set()
        assert must | set(SOURCES) <= set(ran), f"I1: not run: {must - set(ran)}"
        assert set(ran) <= must | may | set(SOURCES) | broken, f"I2: run without need: {ran}"
        assert {each.name for each in result if each.action == "failed"} == broken
        self.known.update(recipes.values())
        self.maybe -= self.known
        self.require_values()
        if again:
            module.calls.clear()
            nacre.build("*", modules=[module])
            assert set(module.calls) == set(SOURCES) | broken, "I2: a second run runs what is known"
        self.looked_at()

    def require_values(self) -> None:
        """I1, I3, I8: everything is worth what the model says, also at its key, where it is the environment's own."""
        code = self.code[self.at]
        values = code.values(self.world)
        for name, value in values.items():
            if name != "total" or not code.is_broken:
                assert nacre.load(KEYS[name]) == value, f"I1: {name}"
        own = {row.asset for row in self.workspace.catalog.own_heads(self.workspace.env)}
        for name in PLACED:
            if KEYS[name] in own:
                file = self.published(name)
                assert file is not None, f"I8: {name} is not at its key"
                assert json.loads(file) == values[name], f"I8: {name} at its key is not what is current"
        assert json.loads(self.file_at(self.place("given")) or b"") == self.world["given"], "a file of others"

    @rule(
        data=st.data(), at=st.integers(1, 30), kind=st.sampled_from(["killed", "killed", "lost", "refused"])
    )
    def a_run_ends_badly(self, data: st.DataObject, at: int, kind: str) -> None:
        """Killed at its n-th request, or left without an answer once; what was true before stays so."""
        self.sit_down(data)
        module = self.load()
        before = [self.published(name) for name in PLACED]
        self.trouble = self.troubled(at, kind)
        recipes = self.code[self.at].recipes(self.world)
        if self.code[self.at].is_broken:
            recipes.pop("total")
        try:
            nacre.build("*", modules=[module])
        except (Killed, StoreError):
            pass
        finally:
            self.trouble = None
            self.maybe |= set(recipes.values()) - self.known
        assert not (again := [name for name in module.calls if recipes.get(name) in self.known]), (
            f"I2: {again} again"
        )
        self.reopen()
        wrote = self.code[self.at].values(self.world)["own"] if "own" in module.calls else None
        self.require_versions(dict(zip(PLACED, before, strict=True)), wrote)
        self.looked_at()

    def troubled(self, at: int, kind: str) -> Trouble:
        """Let the store of this machine's process fail once, or for ever."""
        project, workspace = roots.current_project(), self.workspace
        trouble = Trouble(at, kind)
        project._workspace = workspace._replace(
            records=FaultyRecords(workspace.records, trouble),
            contents=Contents(FaultyObjects(workspace.contents.objects, trouble), new_id),
        )
        return trouble

    @rule(data=st.data())
    def the_catalog_is_dropped(self, data: st.DataObject) -> None:
        """I10: what is made again from the records is what was there."""
        self.sit_down(data)
        before = self.listed()
        assert self.sandbox is not None
        self.sandbox.close()
        self.drop_catalog()
        self.reopen()
        assert self.listed() == before

    @rule(days=st.sampled_from([4, 8, 40]))
    def time_passes(self, days: int) -> None:
        assert self.sandbox is not None
        self.sandbox.clock.advance(days * DAY_S)
        self.passed_s += days * DAY_S

    @rule(data=st.data(), keep_versions=st.sampled_from([0, 0, 1, 2]))
    def garbage_is_collected(self, data: st.DataObject, keep_versions: int) -> None:
        """I9: what is left is reached or young; what any head, history or pin names stays whole."""
        self.use(self._any(data))
        workspace = self.workspace
        records, objects, now = workspace.records, workspace.contents.objects, workspace.clock.now()
        collect(records, objects, now=now, settings=Retention(keep_versions, cache_keep=1), delete=True)
        # A result that no version needs may be gone now; in histories that are cut short, of a known one too.
        if keep_versions or self.was_removed:
            self.seen.keeps_all = self.seen.keeps_all and not keep_versions
            self.maybe |= self.known
            self.known.clear()
        self.looked_at()
        self.require_swept()
        actions = (decode(each.data, Action, each.path) for each in records.scan("ac/"))
        used = {output.object for action in actions for output in action.outputs}
        oldest = now - timedelta(seconds=GRACE_S)
        for each in objects.list("data/"):
            made = time_of(each.name.rpartition("/")[2])
            assert each.name in used or (made is not None and made >= oldest), f"I9: {each.name}"

    @rule(data=st.data())
    def a_byte_of_a_version_flips(self, data: st.DataObject) -> None:
        """I14: it is never taken for the value; once it is noted, it is made again, and only it."""
        self.sit_down(data)
        self.built(again=False)
        head = next(
            row for row in self.workspace.catalog.heads(self.workspace.env) if row.asset == KEYS["bulk"]
        )
        stored = self.workspace.records.get(action_path(head.fingerprint))
        assert stored is not None
        name = decode(stored.data, Action, stored.path).outputs[0].object
        with self.workspace.contents.objects.get(name) as file:
            whole = file.read()
        self.damage(name, b"\xff" + whole[1:])
        with pytest.raises(CorruptObject):
            nacre.load(KEYS["bulk"])
        assert self.mended() == {KEYS["bulk"]}
        self.reopen()
        module = self.load()
        nacre.build("*", modules=[module])
        broken = {"total"} if self.code[self.at].is_broken else set()
        assert set(module.calls) == {"bulk", *SOURCES} | broken
        self.require_values()
        self.looked_at()
        # Where the other environment has that version too, it is noted as lost there until somebody looks again.
        assert self.mended() == set()

    def mended(self) -> set[str]:
        """Check the store and note what is lost and what is whole again; whose versions are damaged."""
        checked = check(self.workspace.records, self.workspace.contents.objects, reads_data=True)
        mend(self.workspace.records, checked, self.workspace.clock.now())
        return {each.slot for each in checked.faults}

    def looked_at(self) -> None:
        """I4, I5, I13, I14: every version of every history is whole, nothing was lost or rewritten."""
        self.seen.look(self.workspace)
        self.pinned()

    def built_at_last(self) -> None:
        """I1: after everything, what is stored equals what a new store makes of it."""
        self.use(0)
        self.code[0].is_broken = False
        self.built(again=False)
        versions = {name: self.version(name) for name in KEYS}
        os.environ["NACRE_STORE"] = "memory://clean"
        os.environ["NACRE_PLACES"] = f"s3://lake={self.folder / 'clean'}"
        path = self.folder / "clean" / self.place("given").removeprefix(f"{self.lake()}/")
        path.parent.mkdir(parents=True)
        path.write_text(str(self.world["given"]))
        self.reopen()
        nacre.build("*", modules=[self.load()]).raise_for_failure()
        assert {name: self.version(name) for name in KEYS} == versions

    def version(self, name: str) -> str:
        return self.workspace.catalog.history(DEFAULT_ENV, KEYS[name])[0].data_version


class InMemory(Machines):
    """One machine whose store lives as long as this process: what the first project held is what the next ones open."""

    n_machines = 1
    _held: Workspace | None = None

    def store(self) -> str:
        return "memory://"

    def reopen(self) -> None:
        super().reopen()
        if os.environ["NACRE_STORE"] == "memory://":
            project = roots.current_project()
            if self._held is None:
                self._held = project.workspace()
            held, project._is_kept = self._held, True
            project._workspace = project._put_together(
                held.records, held.contents.objects, held.catalog, held.append_events, held.claims
            )

    def damage(self, name: str, data: bytes) -> None:
        objects = self.workspace.contents.objects
        assert isinstance(objects, MemoryObjects)
        objects._objects[name] = data

    def drop_catalog(self) -> None:
        """Its index is as much in memory as its records."""

    the_catalog_is_dropped = None  # type: ignore[assignment]


class OnDisk(Machines):
    """Two checkouts beside each other, one store on the disk."""


class InBucket(Machines):
    """Two machines and a bucket, which also holds the files of the keys."""

    service: ClassVar[Service]
    bucket: ClassVar[str] = ""
    has_network = True
    n_stores: ClassVar[int] = 0

    def __init__(self) -> None:
        type(self).n_stores += 1
        super().__init__()

    def store(self) -> str:
        return f"s3://{self.bucket}/store-{self.n_stores}"

    def lake(self) -> str:
        return f"s3://{self.bucket}/lake-{self.n_stores}"

    def branch(self) -> str:
        return f"s3://{self.bucket}/dev-{self.n_stores}"

    def file_at(self, place: str) -> bytes | None:
        client = self.service.client
        try:
            data: bytes = client.get_object(**self._object(place))["Body"].read()
        except client.exceptions.NoSuchKey:
            return None
        return data

    def put_at(self, place: str, data: bytes | None) -> None:
        if "://" not in place:  # that of the clean store
            super().put_at(place, data)
        elif data is None:
            self.service.client.delete_object(**self._object(place))
        else:
            self.service.client.put_object(**self._object(place), Body=data)

    def _object(self, place: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": place.removeprefix(f"s3://{self.bucket}/")}

    def damage(self, name: str, data: bytes) -> None:
        key = f"store-{self.n_stores}/objects/{name}"
        self.service.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def drop_catalog(self) -> None:
        shutil.rmtree(self.folders[self.at] / ".nacre", ignore_errors=True)


def run(machine: type[Machines], max_examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max_examples * TIMES,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_store_in_memory_holds_what_the_model_says() -> None:
    run(InMemory, 10, 12)


def test_two_machines_and_a_store_on_disk_hold_what_the_model_says() -> None:
    run(OnDisk, 8, 12)


@pytest.mark.whole
def test_two_machines_and_a_bucket_hold_what_the_model_says(
    s3_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**AWS_KEYS, "AWS_ENDPOINT_URL": s3_service.endpoint}.items():
        monkeypatch.setenv(name, value)
    InBucket.service, InBucket.bucket = s3_service, s3_service.new_bucket()
    run(InBucket, 5, 10)
