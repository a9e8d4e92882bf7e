"""Runs, logs, artifacts, ticks and leases that are old: removed where the settings say for how long they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from nacre.store.codec import readable
from nacre.store.port import ObjectStore, RecordStore, Stored
from nacre.store.reach import Retention, is_over, old_artifacts, old_ticks
from nacre.store.records import Artifact, Lease, Record, Run, Tick
from nacre.store.removed import Report

R = TypeVar("R", bound=Record)


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
        for stored, run in self._read("runs/", Run):
            if is_over(run, self._keep, self._now):
                # Its log first: without the record nobody would know whose it was.
                self._remove_object("logs", f"logs/{run.id}")
                self._remove("runs", stored)

    def _ticks(self) -> None:
        found = {stored.path: (stored, tick) for stored, tick in self._read("ticks/", Tick)}
        for path in old_ticks(((path, tick) for path, (_, tick) in found.items()), self._keep, self._now):
            self._remove("ticks", found[path][0])

    def _artifacts(self) -> None:
        found = {stored.path: (stored, each) for stored, each in self._read("artifacts/", Artifact)}
        for path in old_artifacts(((path, each) for path, (_, each) in found.items()), self._keep, self._now):
            stored, artifact = found[path]
            if artifact.object:
                self._remove_object("images", artifact.object)
            self._remove("artifacts", stored)

    def _leases(self) -> None:
        """Remove leases that nobody renewed for a long time; one that is lost is taken anew."""
        limit = timedelta(seconds=self._keep.grace_s)
        for stored, lease in self._read("leases/", Lease):
            if self._now - lease.renewed_at > limit:
                self._remove("leases", stored)

    def _read(self, prefix: str, kind: type[R]) -> Iterator[tuple[Stored, R]]:
        """Read what can be read: what cannot stays, for somebody to look at, and stops nothing."""
        for stored in self._records.scan(prefix):
            if (record := readable(stored, kind)) is not None:
                yield stored, record

    def _remove(self, kind: str, stored: Stored) -> None:
        if not self._report.deleted or self._records.delete(stored.path, stored.token):
            self._report.remove(kind, len(stored.data))

    def _remove_object(self, kind: str, name: str) -> None:
        found = self._objects.head(name)
        if found is not None:
            self._report.remove(kind, found.size_bytes)
            if self._report.deleted:
                self._objects.delete(name)
