"""What people do to a store beside its runs, as rules of the state machine: go back, release, pin."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule

import nacre
from machine_model import KEYS, MADE
from nacre.curate.rolling_back import end_hold
from nacre.errors import CorruptObject, NotMaterialized
from nacre.execute.workspace import Workspace
from nacre.pinning import pin_version, pins

if TYPE_CHECKING:
    from stored_history import Seen


class People:
    """Rules for a machine that has a store, a model of it and a judge."""

    if TYPE_CHECKING:
        workspace: Workspace
        env: str
        known: set[object]
        seen: Seen

        def sit_down(self, data: st.DataObject) -> None: ...
        def built(self, *, again: bool = ...) -> None: ...
        def looked_at(self) -> None: ...

    @rule(data=st.data(), name=st.sampled_from(MADE), back=st.integers(1, 3))
    def an_asset_goes_back_and_is_released(self, data: st.DataObject, name: str, back: int) -> None:
        """What was, is again, without a run, until the hold ends; then all is as the code and the world say."""
        self.sit_down(data)
        stored = {row.asset for row in self.workspace.catalog.heads(self.workspace.env)}
        rows = nacre.history(KEYS[name]) if KEYS[name] in stored else ()
        if len(rows) <= back:
            return
        wanted = rows[back]
        try:
            done = nacre.rollback(KEYS[name], f"v{wanted.version}")
        except (NotMaterialized, CorruptObject):
            return  # collected, or damaged
        assert done.rolled_back[0].to == wanted.version
        workspace = self.workspace
        now = workspace.catalog.heads_of(workspace.env, KEYS[name])[0]
        then = next(
            row for row in workspace.catalog.history(workspace.env, KEYS[name]) if row.seq == wanted.version
        )
        assert (now.fingerprint, now.data_version) == (then.fingerprint, then.data_version)
        self.looked_at()
        assert end_hold(workspace, KEYS[name])
        self.built(again=False)

    @rule(data=st.data(), name=st.sampled_from(MADE), back=st.integers(0, 2))
    def a_version_is_pinned(self, data: st.DataObject, name: str, back: int) -> None:
        """I15: it is there and whole for as long as its pin is, whatever is collected."""
        self.sit_down(data)
        workspace = self.workspace
        rows = workspace.catalog.history(workspace.env, KEYS[name])
        if len(rows) > back:
            with suppress(NotMaterialized):  # collected
                pin_version(workspace, f"keep-{self.env}-{name}", KEYS[name], "", rows[back], moves=True)

    def pinned(self) -> None:
        """I15: what has a pin is listed."""
        catalog = self.workspace.catalog
        for pin in pins(self.workspace):
            assert pin.seq in {row.seq for row in catalog.history(pin.env, pin.asset)}, f"I15: {pin.name}"
