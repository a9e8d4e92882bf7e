"""Reads a whole store through its ports and compares it with what was seen of it before."""

from __future__ import annotations

from nacre.execute.workspace import Workspace
from nacre.keys import slot
from nacre.store import formats
from nacre.store.paths import action_path
from nacre.store.records import Action, Head, Materialization, Output, Past, decode


class Seen:
    """What was ever seen of the histories of one store."""

    def __init__(self) -> None:
        self.histories: dict[tuple[str, str], dict[int, Materialization]] = {}

    def look(self, workspace: Workspace) -> None:
        """Require that histories only grew (I5), that every version is whole (I4), and made of versions (I13)."""
        now: dict[tuple[str, str], dict[int, Materialization]] = {}
        for stored in workspace.records.scan("hist/"):
            past = decode(stored.data, Past, stored.path)
            found = now.setdefault((past.env, slot(past.asset, past.partition)), {})
            found.update({each.seq: each for each in past.history})
        for stored in workspace.records.scan("heads/"):
            head = decode(stored.data, Head, stored.path)
            found = now.setdefault((head.env, slot(head.asset, head.partition)), {})
            found.update({each.seq: each for each in head.history})
        for name, before in self.histories.items():
            assert before.items() <= now.get(name, {}).items(), f"I5: {name} lost or rewrote a version"
        for (env, made), history in now.items():
            assert sorted(history) == list(range(1, len(history) + 1)), f"I5: {made} has gaps"
            known = self.histories.get((env, made), {})
            for version in history.values():
                output = self.output(workspace, made, version)
                if version.seq not in known:
                    workspace.contents.open(output).close()  # I14: raises where a byte is not as it was
                    for asset, seq in version.inputs.values():
                        assert seq in now.get((env, asset), {}), f"I13: {made} was made from {asset}@v{seq}"
        self.histories = now

    def values(self, workspace: Workspace, made: str) -> list[object]:
        """What an asset was ever worth."""
        history: dict[int, Materialization] = {}
        for stored in workspace.records.scan("heads/"):
            head = decode(stored.data, Head, stored.path)
            if head.asset == made:
                history.update({each.seq: each for each in head.history})
        outputs = [self.output(workspace, made, each) for each in history.values()]
        return [formats.load(each.format, workspace.contents.open(each), None) for each in outputs]

    def output(self, workspace: Workspace, made: str, version: Materialization) -> Output:
        """Find what a version of a history is; there always is such a record."""
        stored = workspace.records.get(action_path(version.fingerprint))
        assert stored is not None, f"I4: v{version.seq} of {made} has no record"
        outputs = decode(stored.data, Action, stored.path).outputs
        found = [each for each in outputs if each.asset == made and each.data_version == version.data_version]
        assert found, f"I4: v{version.seq} of {made} is not what its record says"
        return found[0]
