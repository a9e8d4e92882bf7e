"""Runs, logs, artifacts, ticks and leases that are old: removed where the settings say for how long they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from nacre.store.codec import readable
from nacre.store.port import ObjectStore, RecordStore, Token
from nacre.store.reach import Retention, is_over, old_artifacts, old_ticks
from nacre.store.records import Artifact, Lease, Record, Run, Tick
from nacre.store.removed import Report

R = TypeVar("R", bound=Record)


class _Found(NamedTuple):
    """A record as it was read, without what is in it."""

    path: str
    token: Token
    size_bytes: int


class Purge:
    """Removes what is told of long ago. Idempotent; a crash leaves records whose objects are gone, for the next time.

    Args:
        records: The store's records.
        objects: Its objects.
        now: Aware UTC.
        keep: For how long what is kept.
        report: Is told what goes.
    """

    def __init__(
        self, records: RecordStore, objects: ObjectStore, now: datetime, keep: Retention, report: Report
    ) -> None:
        self._records = records
        self._objects = objects
        self._now = now
        self._keep = keep
        self._report = report

    def purge(self) -> None:
        """Remove all of it that is old enough, or count it."""
        self._leases()
        if self._keep.keep_runs:
            self._runs()
            self._ticks()
            self._artifacts()

    def _runs(self) -> None:
        for found, run in self._read("runs/", Run):
            if is_over(run, self._keep, self._now):
                # Its log first: without the record nobody would know whose it was.
                self._remove_object("logs", f"logs/{run.id}")
                self._remove("runs", found)

    def _ticks(self) -> None:
        found = {each.path: (each, tick) for each, tick in self._read("ticks/", Tick)}
        for path in old_ticks(((path, tick) for path, (_, tick) in found.items()), self._keep, self._now):
            self._remove("ticks", found[path][0])

    def _artifacts(self) -> None:
        # Without what they show: all of it may be more than memory holds.
        read = self._read("artifacts/", Artifact)
        found = {place.path: (place, replace(each, data="")) for place, each in read}
        for path in old_artifacts(((path, each) for path, (_, each) in found.items()), self._keep, self._now):
            place, artifact = found[path]
            if artifact.object:
                self._remove_object("images", artifact.object)
            self._remove("artifacts", place)

    def _leases(self) -> None:
        """Remove leases that nobody renewed for a long time; one that is lost is taken anew."""
        limit = timedelta(seconds=self._keep.grace_s)
        for found, lease in self._read("leases/", Lease):
            if self._now - lease.renewed_at > limit:
                self._remove("leases", found)

    def _read(self, prefix: str, kind: type[R]) -> Iterator[tuple[_Found, R]]:
        """Read what can be read: what cannot stays, for somebody to look at, and stops nothing."""
        for stored in self._records.scan(prefix):
            if (record := readable(stored, kind)) is not None:
                yield _Found(stored.path, stored.token, len(stored.data)), record

    def _remove(self, kind: str, found: _Found) -> None:
        if not self._report.deleted or self._records.delete(found.path, found.token):
            self._report.remove(kind, found.size_bytes)

    def _remove_object(self, kind: str, name: str) -> None:
        found = self._objects.head(name)
        if found is not None:
            self._report.remove(kind, found.size_bytes)
            if self._report.deleted:
                self._objects.delete(name)
