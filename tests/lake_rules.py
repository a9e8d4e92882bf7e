"""The files at the keys' places, as rules of the state machine: others change what was put there, and put their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule

from machine_model import KEYS, PLACED
from nacre.execute.workspace import Workspace
from nacre.store.records import DEFAULT_ENV

if TYPE_CHECKING:
    from stored_history import Seen

#: An environment that reads through the default one and publishes in a folder of its own.
DEV = "dev"


class Lake:
    """Rules for a machine that has a world, and places in folders."""

    if TYPE_CHECKING:
        folder: Path
        env: str
        world: dict[str, int]
        workspace: Workspace
        seen: Seen

    # ── where files lie ───────────────────────────────────────────────────────────────────────────────────────────

    def lake(self) -> str:
        """What stands for the beginning of the keys."""
        return str(self.folder / "lake")

    def branch(self) -> str:
        """Where the second environment publishes."""
        return str(self.folder / DEV)

    def place(self, name: str, env: str = DEFAULT_ENV) -> str:
        """Where the file of an asset lies."""
        start = self.lake() if env == DEFAULT_ENV else f"{self.branch()}/lake"
        return f"{start}/{KEYS[name].removeprefix('s3://lake/')}"

    def file_at(self, place: str) -> bytes | None:
        path = Path(place)
        return path.read_bytes() if path.exists() else None

    def put_at(self, place: str, data: bytes | None) -> None:
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(data)

    def published(self, name: str) -> bytes | None:
        """The file of an asset in the environment that is used."""
        return self.file_at(self.place(name, self.env))

    def require_versions(self, before: dict[str, bytes | None], wrote: object) -> None:
        """I7: what a run left at a key is a version; or what its function wrote itself, up to where that ended."""
        for name in PLACED:
            now = self.published(name)
            if now != before[name]:
                assert now is not None, f"I7: the file of {name} is gone"
                is_written = (
                    name == "own" and wrote is not None and json.dumps(wrote).encode().startswith(now)
                )
                versions = self.seen.values(self.workspace, self.workspace.env, KEYS[name])
                assert is_written or json.loads(now) in versions, f"I7: {name} in {self.env} is {now!r}"

    # ── what others do to them ────────────────────────────────────────────────────────────────────────────────────

    @rule(
        data=st.sampled_from([None, b"{}", b'{"label": 99}']),
        name=st.sampled_from(PLACED),
        env=st.sampled_from([DEFAULT_ENV, DEFAULT_ENV, DEV]),
    )
    def a_published_file_is_changed_by_others(self, data: bytes | None, name: str, env: str) -> None:
        self.put_at(self.place(name, env), data)

    @rule(value=st.integers(0, 5))
    def a_file_of_others_is_written_over(self, value: int) -> None:
        """Also by the very bytes that were there."""
        self.world["given"] = value
        self.given()

    def given(self) -> None:
        """Let the file of others be what the world says."""
        self.put_at(self.place("given"), json.dumps(self.world["given"]).encode())
