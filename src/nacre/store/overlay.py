"""Both ports over another store that is only read: what is written stays in this process, and is forgotten with it.

For running the user's functions once more without leaving anything behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO

from nacre.store.memory import MemoryObjects
from nacre.store.port import ObjectInfo, ObjectStore, RecordStore, Stored, Token, Write, differing


class OverlayRecords:
    """Records in a dictionary over those of a store, safe for threads.

    Args:
        below: The store that is read, and never written.
    """

    deletes_atomically = True

    def __init__(self, below: RecordStore) -> None:
        self._below = below
        # A deleted record is kept with an empty token, which hides the one below.
        self._records: dict[str, Stored] = {}
        self._version = 0
        self._lock = threading.RLock()

    def get(self, path: str) -> Stored | None:
        """Read one record, or None where there is none."""
        found = self._records.get(path) or self._below.get(path)
        return found if found is not None and found.token else None

    def get_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Read several records, in the order of the paths."""
        return [self.get(path) for path in paths]

    def create(self, path: str, data: bytes) -> Token | None:
        """Write a record that must not exist yet; None when it existed."""
        return self.batch([Write(path, data)])[0]

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        """Overwrite a record that still has ``token``; None when it had not."""
        return self.batch([Write(path, data, token)])[0]

    def scan(self, prefix: str) -> Iterator[Stored]:
        """Yield the records whose path starts with the prefix, in path order, as of the call."""
        with self._lock:
            found = {stored.path: stored for stored in self._below.scan(prefix)}
            found |= {path: stored for path, stored in self._records.items() if path.startswith(prefix)}
        return iter(sorted(stored for stored in found.values() if stored.token))

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Yield the records below a prefix whose token is not the known one, and what is gone, with empty data."""
        return differing(self.scan(prefix), prefix, known)

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Apply writes in order, each by its own condition; one outcome per write, None where refused."""
        outcomes: list[Token | None] = []
        with self._lock:
            for write in writes:
                now = self.get(write.path)
                orphaned = write.is_orphaned(outcomes)
                is_refused = orphaned or (now.token if now else None) != write.expect
                outcomes.append(None if is_refused else self._put(write.path, write.data))
        return outcomes

    def delete(self, path: str, token: Token) -> bool:
        """Hide a record that still has ``token``; False when it had not."""
        with self._lock:
            now = self.get(path)
            if now is None or now.token != token:
                return False
            self._records[path] = Stored(path, b"", "")
        return True

    def close(self) -> None:
        """Do nothing: whoever opened the store below closes it."""

    def _put(self, path: str, data: bytes) -> Token:
        self._version += 1
        token = f"overlay {self._version}"
        self._records[path] = Stored(path, data, token)
        return token


class OverlayObjects:
    """Objects in memory over those of a store, safe for threads.

    Args:
        below: The store that is read, and never written.
    """

    def __init__(self, below: ObjectStore) -> None:
        self._below = below
        self._above = MemoryObjects()
        self._hidden: set[str] = set()

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """Open a writer for a new object; invisible until the block ends without an exception."""
        if self.head(name) is not None:
            raise FileExistsError(name)
        with self._above.put(name) as file:
            yield file

    def get(self, name: str) -> BinaryIO:
        """Open an object for reading; FileNotFoundError where there is none."""
        if self._above.head(name) is not None or name in self._hidden:
            return self._above.get(name)
        return self._below.get(name)

    def head(self, name: str) -> ObjectInfo | None:
        """Say how large an object is, or None where there is none."""
        found = self._above.head(name)
        return found if found is not None or name in self._hidden else self._below.head(name)

    def copy(self, source: str, target: str) -> None:
        """Give an object a second name; its bytes go through memory."""
        with self.get(source) as file, self.put(target) as copy:
            while chunk := file.read(1 << 20):
                copy.write(chunk)

    def delete(self, name: str) -> None:
        """Hide an object; nothing happens where there is none."""
        self._above.delete(name)
        self._hidden.add(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose name starts with the prefix, in name order, as of the call."""
        below = (each for each in self._below.list(prefix) if each.name not in self._hidden)
        return iter(sorted({*below, *self._above.list(prefix)}))

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """List what is unfinished in the store below, and leave it there."""
        return self._below.sweep(before, delete=False)
