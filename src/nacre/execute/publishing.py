"""What a run publishes: new versions once they are durable, and files again that are not as they were published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from nacre.errors import NotPublished, StoreError
from nacre.execute.workspace import Workspace
from nacre.keys import key_of, partition_of, slot
from nacre.planning.explain import short
from nacre.planning.facts import HeadFact
from nacre.store.commit import Committed
from nacre.store.paths import head_path
from nacre.store.port import Write
from nacre.store.publish.port import Content
from nacre.store.publish.publisher import PublishedHead
from nacre.store.records import Head, Output, decode, encode
from nacre.survey.gather import Versions


class _Version(NamedTuple):
    """One version to publish."""

    seq: int
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
        #: Slots of which nothing was ever published by this store, as far as this run has seen.
        self._never: set[str] = set()
        self._versions = versions
        self._looked_at: set[str] = set()
        self._buckets: set[str] = set()
        #: Slot to why its version is stored and not published.
        self.errors: dict[str, NotPublished] = {}

    def drifted(self, slots: Iterable[str], heads: Mapping[str, HeadFact]) -> frozenset[str]:
        """Find the slots whose file is not what was published.

        Raises:
            StoreError: A place cannot be reached.
        """
        found: list[PublishedHead] = [heads[each] for each in slots if each in heads]  # type: ignore[misc]  # rows of the catalog
        self._never.update(head.slot for head in found if not head.published)
        return self._workspace.publisher.drifted(found)

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
        versions: dict[str, _Version] = {}
        for each in group:
            if each.superseded_by:
                continue
            for move in each.commit.moves:
                made = slot(move.asset, move.partition)
                if self._workspace.publisher.placed([made]):
                    output = self._output(each, move.asset)
                    if output is not None:
                        versions[made] = _Version(each.seqs[move.asset], output)
        self._never.update(made for made, version in versions.items() if version.seq == 1)
        self._publish(versions)

    def again(self, slots: Iterable[str], heads: Mapping[str, HeadFact]) -> None:
        """Publish the current versions of some slots once more."""
        versions: dict[str, _Version] = {}
        for each in slots:
            output = self._versions.output(heads[each].fingerprint, each, heads[each].data_version)
            if output is not None:
                versions[each] = _Version(heads[each].seq, output)
        self._publish(versions)

    def _output(self, each: Committed, asset: str) -> Output | None:
        action = each.action or self._versions.action(each.commit.fingerprint)
        outputs = action.outputs if action is not None else ()
        return next((output for output in outputs if output.asset == asset), None)

    def _publish(self, versions: Mapping[str, _Version]) -> None:
        if not versions:
            return
        contents = self._workspace.contents
        wanted = {made: contents.content(version.output) for made, version in versions.items()}
        for made, problem in self._set_aside(wanted).items():
            del wanted[made]
            self.errors[made] = self._not_published(made, versions[made].seq, problem)
        marks: dict[str, str] = {}
        for made, outcome in self._workspace.publisher.publish(wanted).items():
            if isinstance(outcome, StoreError):
                self.errors[made] = self._not_published(made, versions[made].seq, outcome)
            else:
                marks[made] = outcome
        writes = [
            write for made, mark in marks.items() if (write := self._noted(made, versions[made].seq, mark))
        ]
        if writes:
            # A refused one means that another run moved the head on, and publishes what it moved it to.
            self._workspace.records.batch(writes)

    def _set_aside(self, wanted: Mapping[str, Content]) -> dict[str, StoreError]:
        """Keep the files of others that versions are about to be put over; the slots where that failed, and why."""
        first = {made: content for made, content in wanted.items() if made in self._never}
        failed: dict[str, StoreError] = {}
        kept: dict[str, str] = {}
        for made, outcome in self._workspace.publisher.set_aside(first).items():
            if isinstance(outcome, StoreError):
                failed[made] = outcome
            elif outcome:
                kept[self._workspace.publisher.location(made)] = outcome
        if kept:
            place, outcome = next(iter(kept.items()))
            others = f" (and {len(kept) - 1} more files like it)" if len(kept) > 1 else ""
            text = f"There was a file that this store had not put there: {place}; {outcome}{others}"
            self._log(logging.WARNING, text)
        self._never.difference_update(first.keys() - failed.keys())
        return failed

    def _noted(self, made: str, seq: int, mark: str) -> Write | None:
        """Make the write that keeps with a head what lies at its place; None where the head has moved on."""
        path = head_path(self._workspace.env, key_of(made), partition_of(made))
        stored = self._workspace.records.get(path)
        head = decode(stored.data, Head, path) if stored else None
        if stored is None or head is None or head.current.seq != seq:
            return None
        return Write(path, encode(msgspec.structs.replace(head, published=seq, mark=mark)), stored.token)

    def _not_published(self, made: str, seq: int, problem: StoreError) -> NotPublished:
        facts = {"asset": made, "place": self._workspace.publisher.location(made), **problem.facts}
        facts.pop("key", None)  # the asset says it
        facts["problem"] = facts.get("problem") or problem.what
        hints = (*problem.hint, "the version is stored; the next build publishes it")
        error = NotPublished(f"v{seq} of {short(made)} could not be published", facts, hints)
        error.__cause__ = problem
        return error
