"""Wrappers of the ports that count calls or make them fail. They know no driver and decide no outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from io import IOBase
from typing import BinaryIO, NamedTuple, TypeVar

from nacre.store.port import ObjectInfo, ObjectStore, RecordStore, Stored, Token, Write
from nacre.store.publish.port import Content, Place

T = TypeVar("T")


class Fault(NamedTuple):
    """How a call fails.

    Args:
        error: What is raised.
        after: False: before anything happened. True: the call took effect and only its answer is lost.
    """

    error: Exception
    after: bool = False


class Call(NamedTuple):
    """A call about to be made: the method's name and the paths or names it is about."""

    method: str
    paths: tuple[str, ...]


Decide = Callable[[Call], Fault | None]
"""Called once before each call; None lets it through."""


class _Counts:
    """How often each method was called; safe for threads."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def _count(self, method: str) -> None:
        with self._lock:
            self.counts[method] = self.counts.get(method, 0) + 1


class CountingRecords(_Counts):
    """A record store that counts its calls in ``counts``, by method.

    Args:
        inner: The store that does the work.
    """

    def __init__(self, inner: RecordStore) -> None:
        super().__init__()
        self.inner = inner

    @property
    def deletes_atomically(self) -> bool:
        """As the store that does the work."""
        return self.inner.deletes_atomically

    def get(self, path: str) -> Stored | None:
        """Count and pass on."""
        self._count("get")
        return self.inner.get(path)

    def get_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Count one call, however many paths, and pass on."""
        self._count("get_many")
        return self.inner.get_many(paths)

    def create(self, path: str, data: bytes) -> Token | None:
        """Count and pass on."""
        self._count("create")
        return self.inner.create(path, data)

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        """Count and pass on."""
        self._count("replace")
        return self.inner.replace(path, data, token)

    def scan(self, prefix: str) -> Iterator[Stored]:
        """Count and pass on."""
        self._count("scan")
        return self.inner.scan(prefix)

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Count and pass on."""
        self._count("changes")
        return self.inner.changes(prefix, known)

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Count one call, however many writes, and pass on."""
        self._count("batch")
        return self.inner.batch(writes)

    def delete(self, path: str, token: Token) -> bool:
        """Count and pass on."""
        self._count("delete")
        return self.inner.delete(path, token)

    def close(self) -> None:
        """Pass on, uncounted."""
        self.inner.close()


class CountingObjects(_Counts):
    """An object store that counts its calls in ``counts``, by method.

    Args:
        inner: The store that does the work.
    """

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__()
        self.inner = inner

    def put(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Count and pass on."""
        self._count("put")
        return self.inner.put(name)

    def get(self, name: str) -> BinaryIO:
        """Count and pass on."""
        self._count("get")
        return self.inner.get(name)

    def head(self, name: str) -> ObjectInfo | None:
        """Count and pass on."""
        self._count("head")
        return self.inner.head(name)

    def copy(self, source: str, target: str) -> None:
        """Count and pass on."""
        self._count("copy")
        self.inner.copy(source, target)

    def delete(self, name: str) -> None:
        """Count and pass on."""
        self._count("delete")
        self.inner.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Count and pass on."""
        self._count("list")
        return self.inner.list(prefix)

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """Count and pass on."""
        self._count("sweep")
        return self.inner.sweep(before, delete=delete)


def _with_fault(decide: Decide, call: Call, action: Callable[[], T]) -> T:
    fault = decide(call)
    if fault and not fault.after:
        raise fault.error
    result = action()
    if fault:
        if isinstance(result, IOBase):
            result.close()  # nobody else will
        raise fault.error
    return result


class FaultyRecords:
    """A record store whose calls fail when ``decide`` says so.

    Args:
        inner: The store that does the work.
        decide: Says for each call whether and how it fails.
    """

    def __init__(self, inner: RecordStore, decide: Decide) -> None:
        self.inner = inner
        self._decide = decide

    @property
    def deletes_atomically(self) -> bool:
        """As the store that does the work."""
        return self.inner.deletes_atomically

    def get(self, path: str) -> Stored | None:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("get", (path,)), lambda: self.inner.get(path))

    def get_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("get_many", tuple(paths)), lambda: self.inner.get_many(paths))

    def create(self, path: str, data: bytes) -> Token | None:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("create", (path,)), lambda: self.inner.create(path, data))

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        """Pass on, unless it shall fail."""
        call = Call("replace", (path,))
        return _with_fault(self._decide, call, lambda: self.inner.replace(path, data, token))

    def scan(self, prefix: str) -> Iterator[Stored]:
        """Pass on, unless it shall fail; then it fails at the call."""
        return _with_fault(self._decide, Call("scan", (prefix,)), lambda: self.inner.scan(prefix))

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Pass on, unless it shall fail; then it fails at the call."""
        call = Call("changes", (prefix,))
        return _with_fault(self._decide, call, lambda: self.inner.changes(prefix, known))

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Pass on, unless it shall fail; then it fails as a whole."""
        call = Call("batch", tuple(write.path for write in writes))
        return _with_fault(self._decide, call, lambda: self.inner.batch(writes))

    def delete(self, path: str, token: Token) -> bool:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("delete", (path,)), lambda: self.inner.delete(path, token))

    def close(self) -> None:
        """Pass on; closing never fails."""
        self.inner.close()


class FaultyObjects:
    """An object store whose calls fail when ``decide`` says so.

    Args:
        inner: The store that does the work.
        decide: Says for each call whether and how it fails.
    """

    def __init__(self, inner: ObjectStore, decide: Decide) -> None:
        self.inner = inner
        self._decide = decide

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """Pass on, unless it shall fail: before the block, or after the object is stored."""
        fault = self._decide(Call("put", (name,)))
        if fault and not fault.after:
            raise fault.error
        with self.inner.put(name) as file:
            yield file
        if fault:
            raise fault.error

    def get(self, name: str) -> BinaryIO:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("get", (name,)), lambda: self.inner.get(name))

    def head(self, name: str) -> ObjectInfo | None:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("head", (name,)), lambda: self.inner.head(name))

    def copy(self, source: str, target: str) -> None:
        """Pass on, unless it shall fail."""
        call = Call("copy", (source, target))
        _with_fault(self._decide, call, lambda: self.inner.copy(source, target))

    def delete(self, name: str) -> None:
        """Pass on, unless it shall fail."""
        _with_fault(self._decide, Call("delete", (name,)), lambda: self.inner.delete(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Pass on, unless it shall fail; then it fails at the call."""
        return _with_fault(self._decide, Call("list", (prefix,)), lambda: self.inner.list(prefix))

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("sweep", ()), lambda: self.inner.sweep(before, delete=delete))


class FaultyPlace:
    """A place of published files whose calls fail when ``decide`` says so.

    Args:
        inner: The place that does the work.
        decide: Says for each call whether and how it fails.
    """

    def __init__(self, inner: Place, decide: Decide) -> None:
        self.inner = inner
        self._decide = decide

    @property
    def marks_content(self) -> bool:
        """As the place that does the work."""
        return self.inner.marks_content

    def check(self, path: str) -> None:
        """Pass on, unless it shall fail."""
        _with_fault(self._decide, Call("check", (path,)), lambda: self.inner.check(path))

    def set_aside(self, path: str, ours: Iterable[Content]) -> str:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("set_aside", (path,)), lambda: self.inner.set_aside(path, ours))

    def put(self, path: str, content: Content, expect: str | None = None) -> str | None:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("put", (path,)), lambda: self.inner.put(path, content, expect))

    def open(self, path: str) -> BinaryIO:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("open", (path,)), lambda: self.inner.open(path))

    def copy_to(self, path: str, objects: ObjectStore, name: str) -> None:
        """Pass on, unless it shall fail."""
        _with_fault(
            self._decide, Call("copy_to", (path, name)), lambda: self.inner.copy_to(path, objects, name)
        )

    def sweep(self, folders: Iterable[str], before: datetime, *, delete: bool) -> Sequence[int]:
        """Pass on, unless it shall fail."""
        call = Call("sweep", ())
        return _with_fault(self._decide, call, lambda: self.inner.sweep(folders, before, delete=delete))

    def marks(self, paths: Sequence[str]) -> dict[str, str]:
        """Pass on, unless it shall fail."""
        return _with_fault(self._decide, Call("marks", tuple(paths)), lambda: self.inner.marks(paths))
