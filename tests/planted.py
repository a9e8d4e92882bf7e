"""Bugs of the commit protocol, planted in the real code from outside: each must be noticed by the invariants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from commit_history import Planted
from nacre.execute.publishing import Publishing
from nacre.store.codec import decode
from nacre.store.commit import Commit, Committer
from nacre.store.gc import Report, Retention, _Collection
from nacre.store.port import Write
from nacre.store.records import Action

if TYPE_CHECKING:
    from commit_history import History


class Bug(NamedTuple):
    """A planted bug.

    Args:
        planted: What stands in for the product's own.
        breaks: The invariants by which it may be noticed.
        within: In how many histories it is found.
    """

    planted: Planted
    breaks: tuple[str, ...]
    within: int


class Later:
    """Objects that are sent only after the records that name them."""

    def __init__(self, history: History, inner: Any) -> None:
        self._history = history
        self._inner = inner
        self.waiting: dict[object, list[tuple[str, bytes]]] = {}

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        buffer = BytesIO()
        yield buffer
        self.waiting.setdefault(self._history.process, []).append((name, buffer.getvalue()))

    def send(self) -> None:
        for name, data in self.waiting.pop(self._history.process, []):
            with self._inner.put(name) as file:
                file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class RecordFirst:
    """Records whose batches send the objects behind them."""

    def __init__(self, history: History, inner: Any) -> None:
        self._history = history
        self._inner = inner

    def batch(self, writes: Any) -> Any:
        outcomes = self._inner.batch(writes)
        self._history.objects.send()  # type: ignore[attr-defined]  # planted together
        return outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class LastWins(Committer):
    """The last record of a fingerprint stays, not the first."""

    def add(self, commit: Commit) -> None:
        super().add(commit._replace(overwrites=True))


class NoTouch(Committer):
    """An old result is taken without a word."""

    def add(self, commit: Commit) -> None:
        super().add(commit._replace(taken=None))


class Deleting:
    """Records as a collection gets them that deletes results where it should bury them."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def batch(self, writes: Any) -> Any:
        return [self._deleted(each) for each in writes]

    def _deleted(self, write: Write) -> str | None:
        if write.path.startswith("ac/") and decode(write.data, Action, write.path).buried_at is not None:
            return "gone" if self._inner.delete(write.path, write.expect) else None
        outcome: str | None = self._inner.batch([write._replace(after=None, waits=())])[0]
        return outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class MarkedOnce(_Collection):
    """A collection that does not look again, behind the list of objects, at what records name."""

    def _marked_again(self, results: Any, live: Any) -> Any:
        return {path: each for path, each in results.items() if not each.is_doomed}


def collect_marking_once(
    records: Any, objects: Any, *, now: datetime, settings: Retention, delete: bool
) -> Report:
    return MarkedOnce(records, objects, now, settings, Report(delete)).run()


class NoSecondLook(Publishing):
    """Whoever finds that the head has moved meanwhile leaves the file as it is."""

    def _note(self, marks: Any) -> list[str]:
        super()._note(marks)
        return []


BUGS: dict[str, Bug] = {
    "record before data": Bug(Planted(objects=Later, records=RecordFirst), ("I4",), 100),
    "last writer wins": Bug(Planted(committer=LastWins), ("I4", "I6"), 1_000),
    "head without a condition": Bug(
        Planted(takes_blindly=lambda path: "/heads/" in path), ("I5", "reported"), 1_000
    ),
    "publication without a second look": Bug(Planted(publishing=NoSecondLook), ("I8",), 10_000),
    "no touch": Bug(Planted(committer=NoTouch), ("I4",), 10_000),
    "no second marking": Bug(Planted(collect=collect_marking_once), ("I4",), 10_000),
    "delete instead of tombstone": Bug(Planted(collected=Deleting), ("I4",), 10_000),
}
