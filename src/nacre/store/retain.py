"""Heads, histories and pins as a collection sees them: what they reach, and what histories need not keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from nacre.store.codec import decode, encode
from nacre.store.history import last_of, whole
from nacre.store.lives import is_left, recorded
from nacre.store.port import RecordStore, Stored, Token, Write
from nacre.store.reach import Reached, Retention, dropped, held_seq, trimmed
from nacre.store.records import Head, Materialization, Past, Pin

_SLOTS_AT_ONCE = 500

#: Environment, asset and partition.
Place = tuple[str, str, str]


class Part(NamedTuple):
    """A record of a history as it was read."""

    path: str
    token: Token
    record: Head | Past


class Roots:
    """All heads, parts of histories and pins of a store, brought up to date as often as is asked.

    Those of environments that were removed are none: nobody reads them any more.

    Args:
        records: The store's records.
    """

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._heads: dict[str, Part] = {}
        self._past: dict[str, Part] = {}
        self._pins: dict[str, tuple[Token, Pin]] = {}
        # Which environments ended is read before what is in them: what ended then has ended for ever.
        self._environments = recorded(records)
        self._ended: dict[str, Part] = {}
        self.look()

    def look(self) -> None:
        """Read what changed since the last time.

        Raises:
            CorruptRecord: One of them cannot be read.
        """
        # Heads before histories: what leaves a head is in a history by then. Pins last: who pins a version writes its
        # part of the history again behind the pin, so what is trimmed as it was read has no pin that is not known here.
        self._take(self._heads, "heads/", Head)
        self._take(self._past, "hist/", Past)
        for stored in self._changes("pins/", {path: token for path, (token, _) in self._pins.items()}):
            if stored.data:
                self._pins[stored.path] = stored.token, decode(stored.data, Pin, stored.path)
            else:
                self._pins.pop(stored.path, None)

    def reached(self) -> Reached:
        """Collect the recipes that are named, with the reasons."""
        found = Reached()
        for _, pin in self._pins.values():
            found.add_pin(pin)
        for parts in self.slots().values():
            found.add_history(_whole(parts))
            if isinstance(head := parts[-1].record, Head):
                found.add_head(head)
        return found

    def slots(self) -> dict[Place, list[Part]]:
        """Group the parts of each history, oldest first; the last is the head, where there is one."""
        found: dict[Place, list[Part]] = {}
        for _, part in [*sorted(self._past.items()), *sorted(self._heads.items())]:
            record = part.record
            found.setdefault((record.env, record.asset, record.partition), []).append(part)
        return found

    def trim(self, keep: Retention, now: datetime, *, delete: bool) -> int:
        """Drop from the histories what they need not keep; without ``delete``, only here.

        Args:
            keep: The limits.
            now: Aware UTC.
            delete: True rewrites the records; a history that is changed by somebody else meanwhile is left for later.

        Returns:
            How many versions were dropped, or would be.
        """
        changes = list(self._trims(keep, now))
        if not delete:
            for _, before, after in changes:
                for part, record in zip(before, after, strict=True):
                    kept = self._heads if isinstance(record, Head) else self._past
                    kept[part.path] = part._replace(record=record)
            return sum(n for n, _, _ in changes)
        n_dropped = 0
        for start in range(0, len(changes), _SLOTS_AT_ONCE):
            n_dropped += self._write(changes[start : start + _SLOTS_AT_ONCE])
        if changes:
            self.look()
        return n_dropped

    def sweep(self, *, delete: bool) -> int:
        """Remove what is left of environments that were removed: by a crash, or by a run that was at work in one.

        Args:
            delete: True removes it.

        Returns:
            How many versions went, or would.
        """
        n = 0
        # Of each slot the head goes last, as where an environment is removed.
        for part in sorted(self._ended.values(), key=lambda each: isinstance(each.record, Head)):
            if not delete or self._records.delete(part.path, part.token):
                n += len(part.record.history)
        self._ended.clear()
        return n

    def _trims(self, keep: Retention, now: datetime) -> Iterator[tuple[int, list[Part], list[Head | Past]]]:
        pinned: dict[Place, set[int]] = {}
        for _, pin in self._pins.values():
            pinned.setdefault((pin.env, pin.asset, pin.partition), set()).add(pin.seq)
        for place, parts in self.slots().items():
            head = parts[-1].record
            if not isinstance(head, Head):
                continue
            wanted = {*pinned.get(place, ()), held_seq(head)}
            kept = _whole(parts)
            gone = dropped(kept, wanted, keep, now)
            # What was dropped before, and came back in a part that a writer spilt who did not know, goes again.
            left = {each.seq for each in kept} - gone
            after = trimmed(
                [part.record for part in parts],
                {each.seq for part in parts for each in part.record.history} - left,
            )
            if any(one.record is not other for one, other in zip(parts, after, strict=True)) or not all(
                each.history for each in after
            ):
                yield len(gone), parts, after

    def _write(self, changes: Sequence[tuple[int, list[Part], list[Head | Past]]]) -> int:
        """Rewrite some histories, each from its oldest part on; then remove the parts that are empty."""
        writes: list[Write] = []
        spans: list[tuple[int, int]] = []
        for _, before, after in changes:
            start = len(writes)
            for part, record in zip(before, after, strict=True):
                if record is not part.record:
                    previous = len(writes) - 1 if len(writes) > start else None
                    writes.append(Write(part.path, encode(record), part.token, previous))
            spans.append((start, len(writes)))
        tokens = self._records.batch(writes) if writes else []
        n_dropped = 0
        for (n, before, after), (start, end) in zip(changes, spans, strict=True):
            if any(token is None for token in tokens[start:end]):
                continue  # somebody else changed this history meanwhile: the next collection sees to it
            n_dropped += n
            now = {
                write.path: token for write, token in zip(writes[start:end], tokens[start:end], strict=True)
            }
            for part, record in zip(before, after, strict=True):
                if not record.history:
                    self._records.delete(part.path, now.get(part.path) or part.token)
        return n_dropped

    def _take(self, known: dict[str, Part], prefix: str, kind: type[Head] | type[Past]) -> None:
        for stored in self._changes(prefix, {path: part.token for path, part in known.items()}):
            if stored.data:
                record: Head | Past = decode(stored.data, kind, stored.path)
                part = Part(stored.path, stored.token, record)
                (self._ended if is_left(record.env, self._environments) else known)[stored.path] = part
            else:
                known.pop(stored.path, None)

    def _changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        return self._records.changes(prefix, known)


def _whole(parts: Sequence[Part]) -> list[Materialization]:
    return whole((last_of(part.path, part.record), part.record) for part in parts)
