"""Both ports in memory: for tests, notebooks and runs that keep nothing. Shares no state between instances."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from typing import BinaryIO

from nacre.store.ids import check_name
from nacre.store.port import ObjectInfo, Stored, Token, Write, differing

Index = Callable[[Sequence[Stored]], None]


class MemoryRecords:
    """Records in a dictionary, safe for threads.

    Args:
        index: Called with the accepted writes of a batch, before they can be read; its exception undoes the batch.
            A deleted record is passed with empty data.
    """

    deletes_atomically = True

    def __init__(self, index: Index | None = None) -> None:
        self._index = index
        self._records: dict[str, Stored] = {}
        self._version = 0
        self._lock = threading.Lock()

    def get(self, path: str) -> Stored | None:
        """Read one record, or None where there is none."""
        return self._records.get(path)

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
            found = [stored for path, stored in self._records.items() if path.startswith(prefix)]
        return iter(sorted(found))

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Yield the records below a prefix whose token is not the known one, and what is gone, with empty data."""
        return differing(self.scan(prefix), prefix, known)

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Apply writes in order, each by its own condition; one outcome per write, None where refused."""
        outcomes: list[Token | None] = []
        accepted: dict[str, Stored] = {}
        history: list[Stored] = []
        with self._lock:
            for write in writes:
                now = accepted.get(write.path) or self._records.get(write.path)
                orphaned = write.is_orphaned(outcomes)
                if orphaned or (now.token if now else None) != write.expect:
                    outcomes.append(None)
                    continue
                self._version += 1
                stored = Stored(write.path, write.data, str(self._version))
                accepted[write.path] = stored
                history.append(stored)
                outcomes.append(stored.token)
            if self._index and history:
                self._index(history)
            self._records.update(accepted)
        return outcomes

    def delete(self, path: str, token: Token) -> bool:
        """Remove a record that still has ``token``; False when it had not."""
        with self._lock:
            now = self._records.get(path)
            if now is None or now.token != token:
                return False
            if self._index:
                self._index([Stored(path, b"", "")])
            del self._records[path]
        return True

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class _Buffer(BytesIO):
    """A writer that keeps its bytes when the code it was lent to closes it."""

    content: bytes | None = None

    def close(self) -> None:
        if self.content is None:
            self.content = self.getvalue()
        super().close()


class MemoryObjects:
    """Objects in a dictionary, safe for threads."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """Open a writer for a new object; invisible until the block ends without an exception."""
        if check_name(name) in self._objects:
            raise FileExistsError(name)
        buffer = _Buffer()
        yield buffer
        buffer.close()
        self._keep(name, buffer.content or b"")

    def get(self, name: str) -> BinaryIO:
        """Open an object for reading; FileNotFoundError where there is none."""
        try:
            return BytesIO(self._objects[name])
        except KeyError:
            raise FileNotFoundError(name) from None

    def head(self, name: str) -> ObjectInfo | None:
        """Say how large an object is, or None where there is none."""
        data = self._objects.get(name)
        return None if data is None else ObjectInfo(name, len(data))

    def copy(self, source: str, target: str) -> None:
        """Give an object a second name; the bytes are shared."""
        data = self._objects.get(source)
        if data is None:
            raise FileNotFoundError(source)
        self._keep(check_name(target), data)

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens where there is none."""
        self._objects.pop(name, None)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose name starts with the prefix, in name order, as of the call."""
        with self._lock:
            found = [
                ObjectInfo(name, len(data)) for name, data in self._objects.items() if name.startswith(prefix)
            ]
        return iter(sorted(found))

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """List nothing: what is unfinished is gone with its writer."""
        return []

    def _keep(self, name: str, data: bytes) -> None:
        with self._lock:
            if name in self._objects:
                raise FileExistsError(name)
            self._objects[name] = data
