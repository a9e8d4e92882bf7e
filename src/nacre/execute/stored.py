"""What is stored of the slots of a run: looked up when a step wants it, never read before."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nacre.errors import CorruptRecord, NotMaterialized
from nacre.execute.made import Made
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, partition_of
from nacre.planning.decide import Decision
from nacre.planning.facts import HeadFact
from nacre.store.records import Output
from nacre.store.use import touched
from nacre.survey.gather import Versions, output_of
from nacre.version.fingerprint import InputVersion

Heads = Mapping[str, HeadFact]


class Stored:
    """Finds stored versions for the steps of a run.

    Args:
        workspace: Where they are stored.
        versions: Their records.
    """

    def __init__(self, workspace: Workspace, versions: Versions) -> None:
        self._workspace = workspace
        self._versions = versions

    def whole(
        self, decision: Decision, heads: Heads, anew: Mapping[str, Output] = MappingProxyType({})
    ) -> dict[str, Output]:
        """Collect what is current and whole; an object is read only where a fresh result was asked for.

        Args:
            decision: Of a step.
            heads: What is current.
            anew: What the step stored just now: where it has an object of its own, the one before is looked at.
        """
        contents = self._workspace.contents
        found = {}
        for made in decision.recipe.assets:
            head = heads.get(made)
            output = self._versions.output(head.fingerprint, made, head.data_version) if head else None
            is_looked_at = output is not None and (decision.overwrites or bool(output.inline))
            if output is None or (is_looked_at and contents.is_damaged(output)):
                continue
            if made not in anew or anew[made].object == output.object or contents.is_there(output):
                found[made] = output
        return found

    def earlier(self, made: str, data_version: str) -> Output | None:
        """Find the same content among the versions before, whose bytes can stand for this one too.

        One that could be collected just now is left alone, and so is one whose bytes are gone: its content is stored
        anew, and may be recorded in the place of the latter.
        """
        for row in self._workspace.catalog.recent(self._workspace.env, key_of(made), partition_of(made)):
            if row.data_version != data_version:
                continue
            action = self._versions.made(row.fingerprint, made, data_version)
            output = output_of(action, made) if action is not None else None
            if action is None or output is None or not output.object:
                continue
            if not self._workspace.contents.is_there(output):
                self._versions.damaged.add(row.fingerprint)
            elif touched(action, self._workspace.clock.now()) is None:
                return output
            return None
        return None

    def look_up(self, decision: Decision, heads: Heads) -> dict[str, Made]:
        """Find what is stored of a known result."""
        made: dict[str, Made] = {}
        for each in decision.recipe.assets:
            head = heads.get(each)
            if decision.moves_head or head is None:
                made[each] = self.at(each, decision.fingerprint, head.seq + 1 if head else 1)
            else:
                made[each] = self.at(each, head.fingerprint, head.seq, head.data_version)
        return made

    def current(self, asset: str, heads: Heads) -> Made:
        """Find the current version of an asset that this run does not make.

        Raises:
            NotMaterialized: There is none.
        """
        head = heads.get(asset)
        if head is None:
            facts = {"asset": asset, "store": self._workspace.location}
            raise NotMaterialized(
                f"{asset} has no version yet", facts, "nobody here makes it: materialize it first"
            )
        return self.at(asset, head.fingerprint, head.seq, head.data_version)

    def at(self, asset: str, fingerprint: str, seq: int = 0, data_version: str = "") -> Made:
        """Find the version that a recipe made of an asset.

        Raises:
            CorruptRecord: There is no such record.
        """
        output = self._versions.output(fingerprint, asset, data_version)
        if output is None:
            facts = {"asset": asset, "record": f"ac/{fingerprint[:16]}…", "store": self._workspace.location}
            raise CorruptRecord(
                "A version has no record", facts, f"make it again: nacre build {asset} --refresh"
            )
        return Made(InputVersion("", asset, output.data_version, seq), output)
