"""Reads a whole store through its ports and compares it with what was seen of it before."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nacre.errors import StoreError
from nacre.execute.workspace import Workspace
from nacre.keys import slot
from nacre.store import formats
from nacre.store.codec import decode
from nacre.store.history import last_of, whole
from nacre.store.lives import is_left, recorded
from nacre.store.paths import action_path, env_name
from nacre.store.records import Action, Head, Materialization, Output, Past


class Seen:
    """What was ever seen of the histories of one store.

    Args:
        keeps_all: False where a collection may drop the oldest versions.
        bases: Environment to what it reads through; what was removed with an environment counts no more.
    """

    def __init__(self, *, keeps_all: bool = True, bases: Mapping[str, str] = MappingProxyType({})) -> None:
        self.keeps_all = keeps_all
        self._bases = bases
        self.histories: dict[tuple[str, str], dict[int, Materialization]] = {}

    def look(self, workspace: Workspace) -> None:
        """Require that histories only grew (I5), that every version is whole (I4), and made of versions (I13)."""
        now = self._read(workspace)
        lives = recorded(workspace.records)
        for name, before in self.histories.items():
            if is_left(name[0], lives):
                continue
            first = 1 if self.keeps_all else min(now.get(name, {0: None}))
            kept = {seq: version for seq, version in before.items() if seq >= first}
            there = now.get(name, {})
            changed = [
                (version, there.get(seq)) for seq, version in kept.items() if there.get(seq) != version
            ]
            assert not changed, f"I5: {name} lost or rewrote versions, of {sorted(there)}: {changed}"
        for (env, made), history in now.items():
            first = 1 if self.keeps_all else min(history)
            assert sorted(history) == list(range(first, first + len(history))), f"I5: {made} has gaps"
            known = self.histories.get((env, made), {})
            for version in history.values():
                if version.seq not in known:
                    try:
                        self._require_whole(workspace, now, env, made, version)
                    except (AssertionError, StoreError):
                        # Others go on meanwhile: what was collected since is no loss, what was made since is there.
                        again = self._read(workspace)
                        if version.seq in again[env, made]:
                            self._require_whole(workspace, again, env, made, version)
        self.histories = now

    def _read(self, workspace: Workspace) -> dict[tuple[str, str], dict[int, Materialization]]:
        """All histories; heads first, so that what leaves one meanwhile is found behind it.

        A version that a part does not list, though it tells of its number, was dropped, wherever it stands besides.
        """
        lives = recorded(workspace.records)
        parts: dict[tuple[str, str], list[tuple[int, Head | Past]]] = {}
        for area, kind in (("heads/", Head), ("hist/", Past)):
            for stored in workspace.records.scan(area):
                part = decode(stored.data, kind, stored.path)
                if is_left(part.env, lives):
                    continue
                name = part.env, slot(part.asset, part.partition)
                parts.setdefault(name, []).append((last_of(stored.path, part), part))
        return {name: {each.seq: each for each in whole(found)} for name, found in parts.items()}

    def _require_whole(
        self,
        workspace: Workspace,
        now: dict[tuple[str, str], dict[int, Materialization]],
        env: str,
        made: str,
        version: Materialization,
    ) -> None:
        action, output = self._record(workspace, made, version)
        workspace.contents.open(output).close()  # I14: raises where a byte is not as it was
        read = {slot(each.asset, each.partition): each.data_version for each in action.inputs}
        for asset, seq in version.inputs.values():
            # What was read through the base has its number there; an own version may have the same number.
            above = [
                now.get((each, asset), {})
                for each in dict.fromkeys((env, self._bases.get(env_name(env), env)))
            ]
            found = [each[seq].data_version for each in above if seq in each]
            is_dropped = not self.keeps_all and any(seq < min(each, default=0) for each in above)
            assert read.get(asset, "nothing") in found or (is_dropped and not found), (
                f"I13: {made} in {env} was made from {asset}@v{seq} as {read.get(asset)}, which is {found}"
            )

    def values(self, workspace: Workspace, env: str, made: str) -> list[object]:
        """What an asset was ever worth in an environment."""
        history = self._read(workspace).get((env, made), {}).values()
        outputs = [self.output(workspace, made, each) for each in history]
        return [formats.load(each.format, workspace.contents.open(each), None) for each in outputs]

    def output(self, workspace: Workspace, made: str, version: Materialization) -> Output:
        """Find what a version of a history is."""
        return self._record(workspace, made, version)[1]

    def _record(self, workspace: Workspace, made: str, version: Materialization) -> tuple[Action, Output]:
        """Find the record of a version of a history, and what it says of that; there always is one."""
        stored = workspace.records.get(action_path(version.fingerprint))
        assert stored is not None, f"I4: v{version.seq} of {made} has no record"
        # Where a result was made anew with other content, the one before lies below it.
        below = workspace.records.scan(f"{stored.path}/was-")
        actions = [decode(each.data, Action, each.path) for each in (stored, *below)]
        outputs = [(action, output) for action in actions for output in action.outputs]
        wanted = made, version.data_version
        found = [each for each in outputs if (each[1].asset, each[1].data_version) == wanted]
        told = [(each.run, each.started_at, each.used_at, each.buried_at) for each in actions]
        assert found, f"I4: v{version.seq} of {made} is not what its record says: {version}, {told}"
        return found[0]
