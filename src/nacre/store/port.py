"""The two ports of the store: small mutable records with conditional writes, and large immutable objects.

Every driver passes the contract suites in ``nacre.testing``. Retry, counting, latency and fault injection are
wrappers with the same methods, never flags in a driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol

Token = str
"""Names one content of one record; compared for equality only."""


class Stored(NamedTuple):
    """A record as it lies in the store."""

    path: str
    data: bytes
    token: Token


class Write(NamedTuple):
    """One conditional write of a batch.

    Args:
        path: Where, slash-separated, no leading slash.
        data: The whole new content.
        expect: None to create (refused when the path exists), else the token it must still have.
        after: Index of an earlier write of the batch that must have been accepted, else this one is refused too.
        waits: Indices of earlier writes that must be settled before this one is begun, whatever came of them: it says
            what came of them, so after a crash it must not be there without them.
        needs: Indices of earlier writes that must all have been accepted, as that of ``after``.
    """

    path: str
    data: bytes
    expect: Token | None = None
    after: int | None = None
    waits: tuple[int, ...] = ()
    needs: tuple[int, ...] = ()

    def is_orphaned(self, outcomes: Sequence[Token | None]) -> bool:
        """Whether a write that it comes after was refused."""
        return (self.after is not None and outcomes[self.after] is None) or any(
            outcomes[n] is None for n in self.needs
        )


class ObjectInfo(NamedTuple):
    """What ``head`` and ``list`` say of an object."""

    name: str
    size_bytes: int


def differing(found: Iterable[Stored], prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
    """Do what ``RecordStore.changes`` does, from a scan: for drivers to which reading everything is cheap.

    Args:
        found: All records below the prefix.
        prefix: What known paths must begin with to count.
        known: Path to token.
    """
    there: set[str] = set()
    changed: list[Stored] = []
    for stored in found:
        there.add(stored.path)
        if known.get(stored.path) != stored.token:
            changed.append(stored)
    gone = [Stored(path, b"", "") for path in known if path.startswith(prefix) and path not in there]
    return iter(sorted([*changed, *gone]) if gone else changed)


class RecordStore(Protocol):
    """Small records by path. Reads see every accepted write; an accepted write is durable."""

    @property
    def deletes_atomically(self) -> bool:
        """Whether ``delete`` compares and removes in one step, so that nobody's write in between is lost."""
        ...

    def get(self, path: str) -> Stored | None:
        """Read one record, or None where there is none."""
        ...

    def get_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Read several records, as ``get`` each, in the order of the paths; not all as of one moment.

        A driver that is far away asks for several at the same time.
        """
        ...

    def create(self, path: str, data: bytes) -> Token | None:
        """Write a record that must not exist yet. Atomic; None when it existed and nothing was written."""
        ...

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        """Overwrite a record that still has ``token``. Atomic; None when it had not and nothing was written."""
        ...

    def scan(self, prefix: str) -> Iterator[Stored]:
        """Yield the records below a prefix, in path order, as of the call.

        A driver that is far away reads most of them only as they are yielded: each as it is then, without those that
        are gone by then.
        """
        ...

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Yield the records below a prefix whose token is not the known one, in path order, as of the call.

        A known path below the prefix that has no record any more is yielded with empty data and token. A driver that
        is far away reads only what it yields, and as ``scan`` does.
        """
        ...

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Apply writes in order, each by its own condition; one outcome per write, None where refused.

        A driver with transactions makes the accepted ones durable together: after a crash all are there or none.
        One without may apply those at the same time that neither come after nor wait for each other.
        """
        ...

    def delete(self, path: str, token: Token) -> bool:
        """Remove a record that still has ``token``; False when it had not. For garbage collection, and pins."""
        ...

    def close(self) -> None:
        """Release files and connections. Idempotent."""
        ...


class ObjectStore(Protocol):
    """Immutable bytes by name. Names are unique and never reused, so no write can hurt a reader."""

    def put(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a writer for a new object; invisible until the block ends without an exception, then durable.

        An exception in the block discards what was written. Writing a name that exists raises FileExistsError.
        """
        ...

    def get(self, name: str) -> BinaryIO:
        """Open an object for reading, seekable; reads fetch only the ranges asked for.

        Raises:
            FileNotFoundError: There is no such object.
        """
        ...

    def head(self, name: str) -> ObjectInfo | None:
        """Say how large an object is, or None where there is none."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy within the store, without moving bytes through this process where possible. Atomic at the target."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens where there is none. Only garbage collection calls this."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects below a prefix, in name order. Correctness never rests on this being complete."""
        ...

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """List what writers that were killed before a moment left unfinished; with ``delete``, remove it. Idempotent.

        A driver in which the service keeps such leftovers to itself lists none.
        """
        ...
