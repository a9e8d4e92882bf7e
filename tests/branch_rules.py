"""A second environment, as rules of the state machine: what it made is promoted, or all that is in the way is named."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

import nacre
from lake_rules import DEV
from machine_model import KEYS, MADE, PLACED, Code, Recipe
from nacre import project as roots
from nacre.environments import remove, require_known
from nacre.errors import PromotionConflict, StoreError, UsageError
from nacre.execute.workspace import Workspace
from nacre.pinning import pins
from nacre.store.records import DEFAULT_ENV
from trouble import Killed

if TYPE_CHECKING:
    from stored_history import Seen

#: Asset to its recipe, its content and its number.
Standing = dict[str, tuple[str, str, int]]


def current(standing: dict[str, Standing], env: str) -> Standing:
    """What is read in an environment, its own or its base's."""
    return standing[DEFAULT_ENV] | standing[env]


class Branches:
    """Rules for a machine that has two environments, one of which reads through the other."""

    #: Whether the second environment was ever removed, and with it versions that nothing else names.
    was_removed = False

    if TYPE_CHECKING:
        workspace: Workspace
        env: str
        code: list[Code]
        seen: Seen
        at: int
        has_network: ClassVar[bool]
        known: set[Recipe]
        maybe: set[Recipe]

        def use(self, machine: int, env: str = ...) -> None: ...
        def reopen(self) -> None: ...
        def built(self, *, again: bool = ...) -> None: ...
        def looked_at(self) -> None: ...
        def troubled(self, at: int, kind: str) -> object: ...
        def place(self, name: str, env: str = ...) -> str: ...
        def file_at(self, place: str) -> bytes | None: ...
        def _any(self, data: st.DataObject) -> int: ...

    @rule(data=st.data(), force=st.booleans())
    def what_dev_made_is_promoted(self, data: st.DataObject, force: bool) -> None:
        self.use(self._any(data))
        self.promoted(DEV, DEFAULT_ENV, force=force)

    def promoted(self, source: str, target: str, *, force: bool) -> bool:
        """Nothing runs; the target has what the source made, also at its keys, or nothing moved.

        Returns:
            Whether nothing was in the way.
        """
        before, n_runs = self.standing(), len(self.workspace.catalog.runs())
        try:
            nacre.promote(source, target, force=force)
        except PromotionConflict:
            assert self.standing() == before, "a promotion with a conflict moved something"
            return False
        finally:
            assert len(self.workspace.catalog.runs()) == n_runs, "a promotion ran something"
        now = self.standing()
        assert now[source] == before[source]
        was, there = current(before, target), current(now, target)
        for key in KEYS.values():
            if wanted := before[source].get(key):
                assert there[key][:2] == wanted[:2], f"{key} is not what was promoted"
            else:
                assert there.get(key) == was.get(key), f"{key} was not promoted, and moved"
        if not force and self.seen.keeps_all:
            self.require_known(source, before[target], now[target])
        self.require_published(target, before[target], now[target])
        self.looked_at()
        return True

    def require_known(self, source: str, before: Standing, now: Standing) -> None:
        """What was promoted over is something that the source had, too: nobody's work is lost unseen."""
        for key, (*was, seq) in before.items():
            if now[key][2] != seq:
                rows = self.workspace.catalog.history(self.folder_of(source), key)
                assert was in [[row.fingerprint, row.data_version] for row in rows], (
                    f"{key} was promoted over"
                )

    def require_published(self, target: str, before: Standing, now: Standing) -> None:
        """I8: what moved lies at its key."""
        for name in PLACED:
            if now.get(KEYS[name]) != before.get(KEYS[name]):
                file = self.file_at(self.place(name, target))
                assert file is not None, f"I8: {name} is not at its key"
                if target == self.env:
                    assert json.loads(file) == nacre.load(KEYS[name]), f"I8: {name} at its key is not current"

    @rule(data=st.data(), at=st.integers(1, 12), kind=st.sampled_from(["killed", "killed", "lost"]))
    def a_promotion_ends_badly(self, data: st.DataObject, at: int, kind: str) -> None:
        """What was in the way before is after; else the next goes on where this one ended."""
        self.use(self._any(data))
        is_free = True
        try:
            nacre.promote(DEV, DEFAULT_ENV, dry_run=True)
        except PromotionConflict:
            is_free = False
        before = self.standing()
        self.troubled(at, kind)
        with suppress(Killed, StoreError, PromotionConflict):
            nacre.promote(DEV, DEFAULT_ENV)
        self.reopen()
        self.looked_at()
        assert is_free or self.standing() == before, "a promotion with a conflict moved something"
        assert self.promoted(DEV, DEFAULT_ENV, force=False) == is_free

    @rule(data=st.data(), name=st.sampled_from(MADE), constant=st.integers(1, 3))
    def dev_goes_on_from_what_is_current(self, data: st.DataObject, name: str, constant: int) -> None:
        """Then nothing is in the way of what it makes, and nothing is left to run where that is promoted to."""
        machine = self._any(data)
        self.code[machine].is_broken = False
        self.use(machine)
        self.built(again=False)
        assert self.promoted(DEFAULT_ENV, DEV, force=True)
        self.code[machine].constants[name] = constant
        self.use(machine, DEV)
        self.built(again=False)
        self.use(machine)
        assert self.promoted(DEV, DEFAULT_ENV, force=False), "what dev went on from is in its way"
        self.built(again=False)

    def standing(self) -> dict[str, Standing]:
        """What is current and its own in each environment."""
        catalog = self.workspace.catalog
        return {
            env: {
                row.asset: (row.fingerprint, row.data_version, row.seq)
                for row in catalog.own_heads(self.folder_of(env))
            }
            for env in (DEFAULT_ENV, DEV)
        }

    def listed(self) -> object:
        """All that the catalog says of versions."""
        catalog = self.workspace.catalog
        found: list[object] = []
        for env in (DEFAULT_ENV, self.folder_of(DEV)):
            histories = {key: catalog.history(env, key) for key in KEYS.values()}
            inputs = {
                key: [catalog.inputs(env, key, row.seq) for row in rows] for key, rows in histories.items()
            }
            found += [catalog.heads(env), histories, inputs, sorted(catalog.edges(env))]
        return found

    def folder_of(self, env: str) -> str:
        """Where the heads of an environment lie, in its present life."""
        return roots.current_project().in_environment(env, creates=False).env

    @rule(data=st.data(), at=st.integers(0, 9))
    def dev_is_removed(self, data: st.DataObject, at: int) -> None:
        """It has nothing of its own from then on, also where the removal was killed, and what it made is not lost."""
        self.use(self._any(data))
        before = self.folder_of(DEV)
        workspace, project = self.workspace, roots.current_project()
        is_begun = require_known(workspace, project.settings, DEV).is_begun
        self.was_removed = True
        if self.has_network:
            # What talks to a bucket reads, and what reads is known by histories: nobody has this one any more.
            self.maybe |= {each for each in self.known if each[0] == "own"}
            self.known -= self.maybe
        if at:
            self.troubled(at, "killed")
        try:
            remove(project.workspace(), project.settings, DEV)
        except UsageError:
            assert any(pin.env == before for pin in pins(workspace))
            return
        except Killed:
            pass
        self.reopen()
        self.looked_at()
        if self.folder_of(DEV) != before:
            assert self.standing()[DEV] == {}
        else:
            assert at or not is_begun, "it was not removed"

    def require_swept(self) -> None:
        """Nothing is left of lives that ended, once the store was collected."""
        records = self.workspace.records
        now = self.folder_of(DEV)
        for area in ("heads", "hist"):
            for stored in records.scan(f"{area}/{DEV}"):
                assert stored.path.split("/")[1] == now, f"{stored.path} is left of an environment"
