"""What a run publishes: new versions once they are durable, and files again that are not as they were published.

A version is put where its key says, then noted with its head, on the condition that the head is still what was read.
Refused means that another run moved the head meanwhile: what is current now is put instead. So whoever comes last puts
the newest version, and whatever a crash leaves is seen by the next look at the places.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from nacre.errors import SAFE, CorruptObject, CorruptRecord, NotPublished, StoreError, StoreUnavailable
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, partition_of, slot
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import short
from nacre.planning.facts import HeadFact
from nacre.store.codec import decode, encode
from nacre.store.commit import Committed
from nacre.store.lives import was_removed
from nacre.store.losses import note_lost
from nacre.store.paths import head_path
from nacre.store.port import Stored, Write
from nacre.store.publish.port import Content, is_as_noted
from nacre.store.publish.publisher import PublishedHead, has_drifted
from nacre.store.records import DEFAULT_ENV, Head, Materialization, Output
from nacre.survey.gather import Versions

MAX_TRIES = 8


class Taken(NamedTuple):
    """A file that lies at its place already and whose content a step took as the version: nothing is put.

    Args:
        digest: Of its bytes.
        mark: What its place said of it.
        base: The environment its head is read from, where the own has none. A file of others lies at one place for all
            environments, so what was seen of it is noted there.
    """

    digest: str
    mark: str
    base: str = ""


class _Try(NamedTuple):
    """One version on its way to its place."""

    stored: Stored
    head: Head
    output: Output


class Publishing:
    """The publications of one run. A failed one loses nothing: the version is stored, and the next run publishes it.

    Args:
        workspace: The publisher, the records and the environment.
        versions: Stored versions.
        log: Records a line of the run's log.
    """

    def __init__(self, workspace: Workspace, versions: Versions, log: Callable[[int, str], None]) -> None:
        self._workspace = workspace
        self._log = log
        self._versions = versions
        self._looked_at: set[str] = set()
        self._buckets: set[str] = set()
        #: Slot to the mark of what lies at its place, as far as this run knows; empty for nothing.
        self._seen: dict[str, str] = {}
        #: Slot to its output and the recipe that made it, of the versions that were just committed.
        self._outputs: dict[str, tuple[str, Output]] = {}
        #: Slot to the file that a step took as its version.
        self.taken: dict[str, Taken] = {}
        #: Slots at whose place a step that failed left what is no version.
        self.spoilt: set[str] = set()
        #: Slot to why its version is stored and not published.
        self.errors: dict[str, NotPublished] = {}

    def drifted(self, slots: Sequence[str], heads: Mapping[str, HeadFact]) -> frozenset[str]:
        """Find the slots whose file is not what was published.

        Raises:
            InvalidKey: A key names no file.
            StoreError: A place cannot be reached.
        """
        self._workspace.publisher.require_files(each for each in slots if each not in heads)
        marks = self._workspace.publisher.marks(slots)
        self._seen.update({each: marks.get(each, "") for each in slots})
        # What is read through the base is the base's to publish.
        here = [heads[each] for each in slots if each in heads and not heads[each].base]
        found: list[PublishedHead] = here  # type: ignore[assignment]  # rows of the catalog
        return frozenset(head.slot for head in found if has_drifted(head, marks.get(head.slot, "")))

    def seen(self, made: str) -> str:
        """Say what lay at the place of a slot when the run looked: its mark; empty where nothing did."""
        return self._seen.get(made, "")

    def check(self, slots: Sequence[str]) -> None:
        """Find out, before they are made, whether the files of some slots could be put where they belong.

        Each slot is looked at once in a run. Where buckets hold files and this machine the versions, the log says so.

        Raises:
            StoreError: A place cannot be reached or written.
        """
        publisher, location = self._workspace.publisher, self._workspace.location
        new = [each for each in slots if each not in self._looked_at]
        self._looked_at.update(new)
        if new:
            publisher.check(new)
        buckets = [each for each in publisher.buckets(new) if each not in self._buckets]
        self._buckets.update(buckets)
        if buckets and "://" not in location:
            where = f"values go to {', '.join(buckets)}; their versions are kept on this machine only"
            self._log(logging.INFO, f"{where} ({location}): NACRE_STORE={buckets[0]}/… shares them")

    def committed(self, group: Iterable[Committed]) -> None:
        """Publish the versions that a group of commits made current."""
        heads: dict[str, Stored | None] = {}
        for each in group:
            if each.superseded_by:
                continue
            outputs = each.action.outputs if each.action is not None else ()
            for move in each.commit.moves:
                made = slot(move.asset, move.partition)
                if made in self.taken or self._workspace.publisher.placed([made]):
                    heads[made] = _as_written(each, head_path(move.env, move.asset, move.partition))
                    own = [output for output in outputs if output.asset == move.asset]
                    self._outputs.update((made, (each.commit.fingerprint, output)) for output in own)
        if heads:
            self._publish(heads)

    def again(self, slots: Iterable[str]) -> None:
        """Publish what is current of some slots once more."""
        self._publish(dict.fromkeys(slots))

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _publish(self, waiting: Mapping[str, Stored | None]) -> None:
        """Put and note versions until each is what its head says, or cannot be put.

        Args:
            waiting: Slot to its head as it was just written; None where it must be read.
        """
        workspace = self._workspace
        try:
            # What an environment that was removed publishes would lie in the place of its next life's.
            if workspace.env == DEFAULT_ENV or not was_removed(workspace.records, workspace.env):
                self._try(waiting)
        finally:
            for made in waiting:
                self.taken.pop(made, None)

    def _try(self, waiting: Mapping[str, Stored | None]) -> None:
        has_put: set[str] = set()
        for n_try in range(MAX_TRIES):
            # What lies at the places first, the heads second: a head that is read first may be older than the file.
            unseen = waiting if n_try else [each for each in waiting if not self._is_known(each)]
            if unseen and not self._look_again(unseen):
                return
            tries = self._tries(waiting)
            if n_try:
                done = [each for each, found in tries.items() if self._is_done(each, found.head)]
                for made in set(done) - has_put:
                    del tries[made]
            others = self._set_aside(tries)
            marks = {made: mark for made, found in tries.items() if (mark := self._take(made, found.output))}
            wanted = {
                made: found
                for made, found in tries.items()
                if made not in marks and made not in others and not is_seen_outside(made, found.head.current)
            }
            marks |= self._put(wanted)
            has_put |= marks.keys()
            refused = self._note({made: (tries[made], mark) for made, mark in marks.items()})
            left = {*refused, *others, *(wanted.keys() - marks.keys())} - self.errors.keys()
            if not left:
                return
            waiting = dict.fromkeys(each for each in tries if each in left)
        for made in waiting:
            problem = StoreUnavailable("It is being changed by others all the time", {}, ("run again", SAFE))
            self._fail(made, problem)

    def _is_known(self, made: str) -> bool:
        return made in self._seen or made in self.taken

    def _look_again(self, waiting: Iterable[str]) -> bool:
        placed = self._workspace.publisher.placed(waiting)
        try:
            marks = self._workspace.publisher.marks(placed)
        except StoreError as error:
            for made in waiting:
                self._fail(made, error)
            return False
        self._seen.update({each: marks.get(each, "") for each in placed})
        return True

    def _tries(self, waiting: Mapping[str, Stored | None]) -> dict[str, _Try]:
        """Find what is current of each slot; one whose record is gone, or that is a file of others, is left out."""
        found = {}
        unread = self._heads({made: self._workspace.env for made, known in waiting.items() if known is None})
        absent = [made for made, head in unread.items() if head is None and made in self.taken]
        unread |= self._heads({made: base for made in absent if (base := self.taken[made].base)})
        for made, known in waiting.items():
            stored = known or unread[made]
            if stored is None:
                continue
            try:
                head = decode(stored.data, Head, stored.path)
                if made not in self.taken and is_seen_outside(made, head.current):
                    continue
                output = self._output(made, head.current)
            except CorruptRecord as error:
                self._fail(made, error)
                continue
            if output is not None:
                found[made] = _Try(stored, head, output)
            else:
                problem = CorruptObject("A stored value cannot be read", {"problem": "its record is gone"})
                self._fail(made, problem, head.current.seq)
        return found

    def _heads(self, slots: Mapping[str, str]) -> dict[str, Stored | None]:
        """Read the heads of slots, each in its environment."""
        paths = [head_path(env, key_of(made), partition_of(made)) for made, env in slots.items()]
        return dict(zip(slots, self._workspace.records.get_many(paths), strict=True))

    def _output(self, made: str, current: Materialization) -> Output | None:
        known = self._outputs.pop(made, None)
        if known is not None and known[0] == current.fingerprint and _is_of(known[1], current):
            return known[1]
        output = self._versions.output(current.fingerprint, made, current.data_version)
        if output is None:
            # The result was made anew, with other content, since this run read its record.
            self._versions.forget(current.fingerprint)
            output = self._versions.output(current.fingerprint, made, current.data_version)
        return output

    def _is_done(self, made: str, head: Head) -> bool:
        """Whether another run has put and noted what is current."""
        return head.published == head.current.seq and is_as_noted(self.seen(made), head.mark)

    def _take(self, made: str, output: Output) -> str:
        """Give the mark of a file that a step took as its version, where that is what is current."""
        taken = self.taken.get(made)
        return taken.mark if taken is not None and taken.digest == output.digest else ""

    def _put(self, wanted: Mapping[str, _Try]) -> dict[str, str]:
        """Put versions where they belong; the marks of those that lie there now."""
        contents = {made: self._workspace.contents.content(found.output) for made, found in wanted.items()}
        expected = {made: self._seen.get(made, found.head.mark) for made, found in wanted.items()}
        marks = {}
        for made, outcome in self._workspace.publisher.publish(contents, expected).items():
            if isinstance(outcome, StoreError):
                self._fail(made, outcome, wanted[made].head.current.seq)
            elif outcome is not None:
                marks[made] = self._seen[made] = outcome
        return marks

    def _note(self, marks: Mapping[str, tuple[_Try, str]]) -> list[str]:
        """Keep with the heads what lies at their places; the slots whose head has moved meanwhile."""
        if not marks:
            return []
        writes = []
        for found, mark in marks.values():
            noted = msgspec.structs.replace(found.head, published=found.head.current.seq, mark=mark)
            writes.append(Write(found.stored.path, encode(noted), found.stored.token))
        tokens = self._workspace.records.batch(writes)
        return [made for made, token in zip(marks, tokens, strict=True) if token is None]

    def _set_aside(self, tries: Mapping[str, _Try]) -> set[str]:
        """Keep the files of others where nothing was ever published; the slots whose place must be looked at again."""
        found = {
            made: each
            for made, each in tries.items()
            if self.seen(made) and made not in self.taken and not self._is_ours(made, each.head)
        }
        if not found:
            return set()
        ours = {made: self._ours(made, each.head) for made, each in found.items()}
        kept: dict[str, str] = {}
        again: set[str] = set()
        for made, outcome in self._workspace.publisher.set_aside(ours).items():
            if isinstance(outcome, StoreError):
                self._fail(made, outcome, tries[made].head.current.seq)
                again.add(made)
            elif outcome:
                kept[self._workspace.publisher.location(made)] = outcome
        if kept:
            place, told = next(iter(kept.items()))
            more = f" (and {len(kept) - 1} more files like it)" if len(kept) > 1 else ""
            text = f"There was a file that this store had not put there: {place}; {told}{more}"
            self._log(logging.WARNING, text)
            # A second name changes what the place says of a file.
            if not self._look_again(found):
                again.update(found)
        return again

    def _ours(self, made: str, head: Head) -> Sequence[Content]:
        """List what this store may have put at a place: a run may have ended between putting a file and noting it."""
        own = [each for each in reversed(head.history) if not is_seen_outside(made, each)]
        outputs = [self._versions.output(each.fingerprint, made, each.data_version) for each in own]
        return [self._workspace.contents.content(each) for each in outputs if each is not None]

    @staticmethod
    def _is_ours(made: str, head: Head) -> bool:
        """Whether what was noted of the place of a slot is a file that was put there, and not that of others."""
        noted = [each for each in head.history if each.seq == head.published]
        return bool(head.published) and not any(is_seen_outside(made, each) for each in noted)

    def _fail(self, made: str, problem: StoreError, seq: int = 0) -> None:
        facts = {"asset": made, "place": self._workspace.publisher.location(made), **problem.facts}
        facts.pop("key", None)  # the asset says it
        facts["problem"] = facts.get("problem") or problem.what
        if isinstance(problem, CorruptObject) and seq:
            note_lost(self._workspace.records, self._workspace.env, key_of(made), partition_of(made), [seq])
            hints = (*problem.hint, "the next build makes it again and publishes it: nacre build")
        else:
            hints = (*problem.hint, "the version is stored; the next build publishes it")
        named = f"v{seq} of {short(made)}" if seq else f"What is current of {short(made)}"
        error = NotPublished(f"{named} could not be published", facts, hints)
        error.__cause__ = problem
        self.errors[made] = error


def _as_written(committed: Committed, path: str) -> Stored | None:
    """Give a record as a commit left it; None where that must be read."""
    found = (
        Stored(path, write.data, token) for write, token in committed.written if write.path == path and token
    )
    return next(found, None)


def _is_of(output: Output, current: Materialization) -> bool:
    return output.data_version == current.data_version
