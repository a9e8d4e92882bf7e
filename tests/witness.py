"""Watches every change of a store and judges it by the invariants of the commit protocol.

It reads what is stored with the product's own records and knows nothing of the code that writes them. The numbers are
those of docs/explanation/commit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from interleaving import Violation
from nacre.encoding import digest_bytes
from nacre.keys import slot
from nacre.store.codec import decode
from nacre.store.paths import env_name
from nacre.store.records import Action, Environment, Head, Materialization, Output, Past, Pin, Record

KINDS: dict[str, type[Record]] = {
    "heads": Head,
    "hist": Past,
    "ac": Action,
    "pins": Pin,
    "envs": Environment,
}


class Witness:
    """What a store holds at this instant, and what it ever held.

    Args:
        may_drop: Says of a version that left a history, and of when it ceased to be current, whether that is right.
    """

    def __init__(self, may_drop: Callable[[Head, Materialization, datetime], bool]) -> None:
        self._may_drop = may_drop
        self.heads: dict[str, Head] = {}
        self.pasts: dict[str, Past] = {}
        self.pins: dict[str, Pin] = {}
        self.actions: dict[str, Action] = {}
        self.objects: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        #: Path of a head and seq to the version that became current then; never changes once it is there.
        self.versions: dict[tuple[str, int], Materialization] = {}
        self._dropped: set[tuple[str, int]] = set()
        self._adopted: dict[str, str] = {}
        self._contents: dict[str, set[str]] = {}
        #: Path of a file to the slot it belongs to.
        self.owners: dict[str, str] = {}
        self.n_changes = 0
        #: Pins that were reported: their versions are listed for as long as they are.
        self._confirmed: dict[str, Pin] = {}
        #: Attempts that may replace a record by one with other content.
        self.refreshes: set[str] = set()
        #: Recipe to its records by path: the one that holds, and those that a refresh replaced.
        self._by_recipe: dict[str, dict[str, Action]] = {}
        #: What an environment began with although its base had dropped it: path of a head and seq.
        self._late: set[tuple[str, int]] = set()
        self._environments: dict[str, Environment] = {}

    def saw(self, area: str, name: str, data: bytes | None) -> None:
        """Take one change, and judge it.

        Raises:
            Violation: An invariant does not hold any more.
        """
        self.n_changes += 1
        if area == "object":
            self._object(name, data)
        elif area == "file":
            self._file(name, data)
        elif (folder := name.partition("/")[0]) in KINDS:
            record = decode(data, KINDS[folder], name) if data is not None else None
            if folder == "envs":
                self._environment(name, record)
            elif not self._has_ended(name):
                {"heads": self._head, "hist": self._past, "ac": self._action, "pins": self._pin}[folder](
                    name, record
                )  # type: ignore[operator]

    def reported(self, path: str, seq: int, fingerprint: str) -> None:
        """Judge what a commit says of itself: that a version is current, or was since."""
        if self._has_ended(path):
            return
        found = self.versions.get((path, seq))
        if found is None or found.fingerprint != fingerprint:
            raise Violation(
                f"reported as durable, and lost: v{seq} of {path} by {fingerprint}, there is {found}"
            )

    def current(self, made: str) -> Output | None:
        """What is current of a slot, as its action record says."""
        for head in self.heads.values():
            if slot(head.asset, head.partition) == made and head.env == "default":
                return self.output(head, head.current)
        return None

    def output(self, head: Head | Past | Pin, version: Materialization) -> Output | None:
        """The output that a version of a history is."""
        for action in self._by_recipe.get(version.fingerprint, {}).values():
            for each in action.outputs:
                if each.asset == head.asset and each.data_version == version.data_version:
                    return each
        return None

    def pinned(self, pin: Pin) -> None:
        """Judge what a pin says of itself: that its version is there, and stays."""
        if pin in self.pins.values():
            self._confirmed[pin.name] = pin
            for path, head in self.heads.items():
                self._require_pinned(path, head)

    def listed(self) -> Iterator[tuple[str, Head | Past, Materialization]]:
        """All versions that histories list, also those that an environment should not have begun with."""
        for path, head in (*self.heads.items(), *self.pasts.items()):
            for version in head.history:
                if not self._is_hidden(path, version.seq):
                    yield path, head, version

    def _require_pinned(self, path: str, head: Head) -> None:
        for pin in self._confirmed.values():
            if (pin.env, pin.asset, pin.partition) == (head.env, head.asset, head.partition):
                seqs = {each.seq for _, part in self._parts(path) for each in part.history}
                if pin.seq not in seqs or self._is_hidden(path, pin.seq):
                    raise Violation(
                        f"I15: v{pin.seq} of {path} is pinned as {pin.name}, and not there any more"
                    )

    def kept(self) -> Iterator[tuple[str, Head | Past, Materialization]]:
        """All versions that histories list: none that a part of its history tells of without listing it."""
        for path, head in (*self.heads.items(), *self.pasts.items()):
            for version in head.history:
                at = path if path in self.heads else _head_of(path)
                if not self._is_hidden(path, version.seq) and (at, version.seq) not in self._late:
                    yield path, head, version

    def unreachable(self, is_old: float, age_s: dict[str, float]) -> list[str]:
        """Objects that nothing leads to though they are old enough to be collected."""
        used = {output.object for action in self.actions.values() for output in action.outputs}
        return [name for name in self.objects if name not in used and age_s[name] > is_old]

    # ── one kind of change each ───────────────────────────────────────────────────────────────────────────────────

    def _head(self, path: str, head: Head | None) -> None:
        before = self.heads.get(path)
        if head is None:
            raise Violation(f"I5: {path} was deleted")
        if before is None and head.env != "default":
            self._begun(path, head)
        current, last = head.current.seq, before.current.seq if before else 0
        if current not in (last, last + 1) and before is not None:
            raise Violation(f"I5: {path} went from v{last} to v{current}")
        for version in head.history:
            known = self.versions.setdefault((path, version.seq), version)
            if known != version:
                raise Violation(
                    f"I5: v{version.seq} of {path} was {known.fingerprint}, is {version.fingerprint}"
                )
        self.heads[path] = head
        self._require_history(path, head)
        new = [each for each in head.history if before is None or each.seq > last]
        for version in new:
            if (path, version.seq) in self._late:
                continue
            self._require_whole(path, head, version)
            if before is not None or version is head.current:
                self._require_closed(path, head, version)
            output = self.output(head, version)
            if output is not None:
                self._contents.setdefault(slot(head.asset, head.partition), set()).add(output.digest)

    def _past(self, path: str, past: Past | None) -> None:
        if past is None:
            self.pasts.pop(path, None)
        else:
            self.pasts[path] = past
            if past.env != "default" and _head_of(path) not in self.heads:
                self._copied(_head_of(path), past)
            for version in past.history:
                if not self._is_hidden(path, version.seq) and (_head_of(path), version.seq) not in self._late:
                    self._require_whole(path, past, version)
        if _head_of(path) in self.heads:
            self._require_history(_head_of(path), self.heads[_head_of(path)])

    def _pin(self, path: str, pin: Pin | None) -> None:
        if pin is None:
            self.pins.pop(path, None)
        else:
            self.pins[path] = pin
        self._confirmed = {each.name: each for each in self._confirmed.values() if each in self.pins.values()}

    def _action(self, path: str, action: Action | None) -> None:
        fingerprint = path.removeprefix("ac/").partition("/was-")[0]
        records = self._by_recipe.setdefault(fingerprint, {})
        if action is None:
            self.actions.pop(path, None)
            records.pop(path, None)
            self._adopted.pop(path, None)
        else:
            self.actions[path] = records[path] = action
            if action.buried_at is not None:
                self._adopted.pop(path, None)
            else:
                versions = " ".join(each.data_version for each in action.outputs)
                known = self._adopted.setdefault(path, versions)
                if known != versions and action.attempt not in self.refreshes:
                    raise Violation(f"I6: two values under {path}: {known} and {versions}")
                self._adopted[path] = versions
        for head_path, head, version in self.kept():
            if version.fingerprint == fingerprint:
                self._require_whole(head_path, head, version)

    def _object(self, name: str, data: bytes | None) -> None:
        if data is not None:
            self.objects[name] = digest_bytes(data)
            return
        self.objects.pop(name, None)
        for path, head, version in self.kept():
            output = self.output(head, version)
            if output is not None and output.object == name:
                raise Violation(f"I4: {name} was deleted, and v{version.seq} of {path} needs it")

    def _file(self, path: str, data: bytes | None) -> None:
        if data is None:
            raise Violation(f"I7: the file {path} was deleted")
        self.files[path] = data
        owner = self.owners.get(path, "")
        if digest_bytes(data) not in self._contents.get(owner, ()):
            raise Violation(f"I7: {path} holds what never was a version of {owner}")

    # ── what must hold of one version ─────────────────────────────────────────────────────────────────────────────

    def _require_history(self, path: str, head: Head) -> None:
        kept = {
            each.seq
            for _, part in self._parts(path)
            for each in part.history
            if not self._is_hidden(path, each.seq)
        }
        for seq in range(1, head.current.seq):
            if seq not in kept and (path, seq) not in self._dropped:
                version = self.versions[path, seq]
                later = (self.versions.get((path, n)) for n in range(seq + 1, head.current.seq + 1))
                after = next(filter(None, later))
                if not self._may_drop(head, version, after.at):
                    raise Violation(f"I5: {path} lost v{seq}")
                self._dropped.add((path, seq))

        if self._confirmed:
            self._require_pinned(path, head)

    def _parts(self, path: str) -> list[tuple[int, Head | Past]]:
        """The parts of a history, each with the number up to which it tells."""
        at = path if path.startswith("heads/") else _head_of(path)
        start = f"hist/{at.removeprefix('heads/')}/"
        found: list[tuple[int, Head | Past]] = [
            (int(name.removeprefix(start)), past)
            for name, past in self.pasts.items()
            if name.startswith(start)
        ]
        head = self.heads.get(at)
        return [*found, (head.current.seq, head)] if head is not None else found

    def _is_hidden(self, path: str, seq: int) -> bool:
        """Whether a part of a history tells of a number, and does not list it."""
        return any(
            part.first and part.first <= seq <= last and all(each.seq != seq for each in part.history)
            for last, part in self._parts(path)
            if not (isinstance(part, Past) and seq > last)
        )

    def _require_whole(self, path: str, head: Head | Past, version: Materialization) -> None:
        output = self.output(head, version)
        what = f"v{version.seq} of {path}"
        if output is None:
            raise Violation(f"I4: {what} has no record: ac/{version.fingerprint}")
        if output.object and self.objects.get(output.object) != output.digest:
            raise Violation(f"I4: {what} has no bytes: {output.object}")

    def _require_closed(self, path: str, head: Head, version: Materialization) -> None:
        """I13: what a version was made from was a version of its input, with that very content."""
        records = self._by_recipe[version.fingerprint].values()
        action = next(
            each
            for each in records
            if any(output.data_version == version.data_version for output in each.outputs)
        )
        read = {slot(each.asset, each.partition): each.data_version for each in action.inputs}
        for asset, seq in version.inputs.values():
            # A number is that of the environment, or of what it reads through.
            envs = {head.env, "default"}
            above = [p for p, each in self.heads.items() if each.asset == asset and each.env in envs]
            found = [each for p in above if (each := self.versions.get((p, seq))) is not None]
            if not any(each.data_version == read.get(asset, each.data_version) for each in found):
                raise Violation(
                    f"I13: v{version.seq} of {path} was made from {asset}@v{seq} as {read.get(asset)}, "
                    f"which is {', '.join(each.data_version for each in found) or 'not there'}"
                )

    # ── environments ──────────────────────────────────────────────────────────────────────────────────────────────

    def _environment(self, path: str, record: Environment | None) -> None:
        """An environment is begun or removed; from the latter on nobody reads what lies in its folder."""
        if record is None:
            raise Violation(f"{path} was deleted: an environment of its name would have its heads")
        before = self._environments.get(record.name)
        if before is not None and before.has_left(before.folder) and record.folder == before.folder:
            raise Violation(f"{record.name} was begun anew with the heads of {before.folder}")
        self._environments[record.name] = record
        for kept in (self.heads, self.pasts):
            for each in [each for each in kept if self._has_ended(each)]:
                del kept[each]

    def _has_ended(self, path: str) -> bool:
        area, _, rest = path.partition("/")
        folder = rest.partition("/")[0]
        known = self._environments.get(env_name(folder))
        return area in ("heads", "hist") and known is not None and known.has_left(folder)

    def _begun(self, path: str, head: Head) -> None:
        """A head begins with its base's history: what the base has dropped of it since is known to be gone."""
        listed = {each.seq for each in head.history}
        self._dropped.update((path, seq) for seq in range(1, head.current.seq) if seq not in listed)
        self._copied(path, head)

    def _copied(self, path: str, part: Head | Past) -> None:
        base = f"heads/default/{path.split('/', 2)[2]}"
        there = {
            each.seq
            for _, part in self._parts(base)
            for each in part.history
            if not self._is_hidden(base, each.seq)
        }
        own = part.current.seq if isinstance(part, Head) else 0
        self._late.update(
            (path, each.seq) for each in part.history if each.seq not in there and each.seq != own
        )


def _head_of(path: str) -> str:
    """The path of the head that a record of the past belongs to."""
    return f"heads/{path.removeprefix('hist/').rpartition('/')[0]}"
