"""Garbage collection: removes what no head, history or pin reaches. Safe beside writers, and after a crash anywhere.

A record is replaced only as it was read, and an object goes only when it is old and no record names it. There is no
lock and no pause: docs/explanation/garbage-collection.md tells why this holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from nacre.store.codec import decode, encode
from nacre.store.paths import action_path, source_path
from nacre.store.port import ObjectStore, RecordStore, Stored, Token, Write
from nacre.store.purge import Purge
from nacre.store.reach import (
    RECENT,
    YOUNG,
    Reached,
    Retention,
    is_forgotten,
    is_past_grace,
    is_spent,
    objects_of,
    strength,
    tombstone,
)
from nacre.store.records import Action
from nacre.store.removed import Report, Tally
from nacre.store.retain import Roots
from nacre.store.use import GRACE_S

__all__ = ["GRACE_S", "Report", "Retention", "Tally", "collect"]

#: So many records are buried before it is looked whether a head came to name one of them meanwhile.
_BURIED_AT_ONCE = 1_000


def collect(
    records: RecordStore, objects: ObjectStore, *, now: datetime, settings: Retention, delete: bool
) -> Report:
    """Remove what nothing reaches, or say what that would be. Idempotent; may be killed, and run again, at any time.

    In a bucket it costs a LIST for each 1,000 records and objects, a GET for each environment, head, part of a history,
    pin, result and lease, and a GET and a PUT for each result that goes; with ``keep_runs`` a GET for each run, tick
    and artifact.

    Args:
        records: The store's records.
        objects: Its objects.
        now: Aware UTC.
        settings: How long what is kept.
        delete: False only looks.

    Returns:
        What was removed or would be, and what stays.

    Raises:
        CorruptRecord: A record cannot be read, so that nobody can tell what it reaches; no object was removed.
        StoreError: The store refused; running again removes the rest.
    """
    return _Collection(records, objects, now, settings, Report(delete)).run()


class _Result(NamedTuple):
    """What is remembered of an action record while the store is looked through."""

    path: str
    fingerprint: str
    token: Token
    size_bytes: int
    objects: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    is_doomed: bool = False
    is_buried: bool = False
    is_spent: bool = False


class _Collection:
    def __init__(
        self, records: RecordStore, objects: ObjectStore, now: datetime, keep: Retention, report: Report
    ) -> None:
        self._records = records
        self._objects = objects
        self._now = now
        self._keep = keep
        self._report = report

    def run(self) -> Report:
        report, delete = self._report, self._report.deleted
        roots = Roots(self._records)
        report.remove("left", n=roots.sweep(delete=delete))
        report.remove("versions", n=roots.trim(self._keep, self._now, delete=delete))
        live = roots.reached()
        results = {each.path: self._result(each, live) for each in self._records.scan("ac/")}
        if delete:
            self._bury([each for each in results.values() if each.is_doomed], roots)
        sizes = {each.name: each.size_bytes for each in self._objects.list("")}
        # Only now it is known who was faster: who took an old result meanwhile, or made another one of its object.
        left = self._marked_again(results, roots.reached())
        self._count(results, left, sizes, roots.reached())
        self._remove_objects(sizes, {name for each in left.values() for name in each.objects})
        for each in self._objects.sweep(self._now - timedelta(seconds=self._keep.grace_s), delete=delete):
            report.remove("unfinished", each.size_bytes)
        self._remove_texts(results, left)
        self._drop_tombstones(results)
        Purge(self._records, self._objects, self._now, self._keep, report).purge()
        return report

    def _result(self, stored: Stored, live: Reached) -> _Result:
        action = decode(stored.data, Action, stored.path)
        is_buried = action.buried_at is not None
        is_reached = live.names(action, was_replaced=stored.path != action_path(action.fingerprint))
        return _Result(
            stored.path,
            action.fingerprint,
            stored.token,
            len(stored.data),
            objects_of(action),
            tuple(action.sources.values()),
            not is_buried and not is_reached and is_forgotten(action, self._keep, self._now),
            is_buried,
            not is_reached and is_spent(action, self._keep, self._now),
        )

    def _bury(self, doomed: list[_Result], roots: Roots) -> None:
        """Put tombstones in the place of results; who took one of them since it was read keeps it."""
        for start in range(0, len(doomed), _BURIED_AT_ONCE):
            before: dict[str, Stored] = {}
            writes: list[Write] = []
            some = doomed[start : start + _BURIED_AT_ONCE]
            for each, stored in zip(some, self._records.get_many([each.path for each in some]), strict=True):
                if stored is None or stored.token != each.token:
                    continue
                before[stored.path] = stored
                grave = tombstone(decode(stored.data, Action, stored.path), self._now)
                writes.append(Write(stored.path, encode(grave), stored.token))
            tokens = self._records.batch(writes)
            # Writers say that they take an old result before they name it. One that does not, such as an older nacre,
            # is found here; its result is put back as it was.
            roots.look()
            named = roots.reached().reasons
            for write, token in zip(writes, tokens, strict=True):
                if token is not None and write.path.partition("/was-")[0].removeprefix("ac/") in named:
                    self._records.replace(write.path, before[write.path].data, token)

    def _marked_again(self, results: Mapping[str, _Result], live: Reached) -> dict[str, _Result]:
        """Say which results there are now; of a collection that only looks, which there would be."""
        if not self._report.deleted:
            return {path: each for path, each in results.items() if not each.is_doomed}
        found = dict(results)
        known = {path: each.token for path, each in results.items()}
        for stored in self._records.changes("ac/", known):
            if stored.data:
                found[stored.path] = self._result(stored, live)
            else:
                del found[stored.path]
        return found

    def _count(
        self,
        results: Mapping[str, _Result],
        left: Mapping[str, _Result],
        sizes: Mapping[str, int],
        live: Reached,
    ) -> None:
        """Count the results that go, and those that stay: an object of several with the strongest reason."""
        for path, each in results.items():
            now = left.get(path)
            if not each.is_buried and (now is None or now.is_buried):
                self._report.remove("results", each.size_bytes)
        counted: set[str] = set()
        kept = [
            (live.reasons.get(each.fingerprint, RECENT), each) for each in left.values() if not each.is_buried
        ]
        for reason, each in sorted(kept, key=lambda pair: strength(pair[0])):
            own = [name for name in each.objects if name not in counted]
            counted.update(own)
            self._report.keep(reason, each.size_bytes + sum(sizes.get(name, 0) for name in own))

    def _remove_objects(self, sizes: Mapping[str, int], named: set[str]) -> None:
        """Remove the objects that no record names and that no writer can be about to name."""
        idle = [name for name in sizes if name not in named and name.startswith("data/")]
        images = [name for name in sizes if name.startswith("artifacts/") and self._is_past_grace(name)]
        if images:
            shown = {each.path.rpartition("/")[2] for each in self._records.scan("artifacts/")}
            idle += [name for name in images if name.removeprefix("artifacts/") not in shown]
        for name in idle:
            if self._is_past_grace(name):
                self._report.remove("objects", sizes[name])
                if self._report.deleted:
                    self._objects.delete(name)
            else:
                self._report.keep(YOUNG, sizes[name])

    def _is_past_grace(self, name: str) -> bool:
        return is_past_grace(name, self._keep, self._now)

    def _remove_texts(self, results: Mapping[str, _Result], left: Mapping[str, _Result]) -> None:
        """Remove the texts of code of results that go, where no other result names them: only people miss them."""
        named = {text for each in left.values() for text in each.texts}
        for text in sorted(
            {text for each in results.values() if each.is_doomed for text in each.texts} - named
        ):
            stored = self._records.get(source_path(text))
            if stored is not None:
                self._remove("texts", [stored])

    def _drop_tombstones(self, results: Mapping[str, _Result]) -> None:
        """Remove tombstones that nobody needs; where deleting compares nothing they stay, small as they are."""
        if self._records.deletes_atomically:
            spent = ((path, each) for path, each in results.items() if each.is_spent)
            self._remove(
                "tombstones", (Stored(path, b" " * each.size_bytes, each.token) for path, each in spent)
            )

    def _remove(self, kind: str, found: Iterable[Stored]) -> None:
        for stored in found:
            if not self._report.deleted or self._records.delete(stored.path, stored.token):
                self._report.remove(kind, len(stored.data))
