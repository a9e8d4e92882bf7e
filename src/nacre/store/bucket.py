"""Objects in a bucket: streamed up in parts, invisible until they are whole, read in ranges."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import BinaryIO, cast

from nacre.errors import SAFE, StoreUnavailable
from nacre.store.connect import PART_BYTES, Bucket
from nacre.store.ids import check_name
from nacre.store.port import ObjectInfo

#: Objects up to this size are read with one request; larger ones in pieces that grow while reading goes on.
FIRST_BYTES = 1024 * 1024
MAX_WINDOW_BYTES = 16 * 1024 * 1024
#: Smaller writes are collected before they are handed on.
SEND_BYTES = 1024 * 1024


class BucketObjects:
    """Objects below one folder of a bucket.

    Args:
        bucket: Where requests go.
        folder: Belongs to the store alone; empty for the whole bucket.
    """

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self.bucket = bucket
        self._start = f"{folder}/" if folder else ""
        self._etags: dict[str, str] = {}

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """Open a writer for a new object; invisible until the block ends without an exception, then durable.

        Raises:
            FileExistsError: There is such an object.
            StoreError: The bucket refuses it.
        """
        with _Upload(self.bucket, self.path(name)) as upload:
            yield cast(BinaryIO, upload)
        if upload.etag:
            self._etags[name] = upload.etag

    def etag(self, name: str) -> str:
        """Say by which ETag the service knows an object; asked only where it was not put here, at once. Empty: gone."""
        known = self._etags.get(name)
        if known is None:
            found = self.bucket.head(self.path(name))
            known = found.etag if found is not None else ""
        return known

    def get(self, name: str) -> BinaryIO:
        """Open an object, seekable; FileNotFoundError where there is none."""
        try:
            return open_at(self.bucket, self.path(name))
        except FileNotFoundError:
            raise FileNotFoundError(name) from None

    def head(self, name: str) -> ObjectInfo | None:
        """Say how large an object is, or None where there is none."""
        found = self.bucket.head(self.path(name))
        return ObjectInfo(name, found.size_bytes) if found else None

    def copy(self, source: str, target: str) -> None:
        """Copy an object; by the service, without moving its bytes, up to the size it copies at once."""
        check_name(target)
        found = self.head(source)
        if found is None:
            raise FileNotFoundError(source)
        # Names are never reused, so nobody else can be writing this one.
        if self.head(target) is not None:
            raise FileExistsError(target)
        if not self.bucket.copy(self.path(source), self.path(target), found.size_bytes):
            facts = {**self.bucket.site.facts(), "object": target}
            raise StoreUnavailable("A copy is not whole yet", facts, ("run again", SAFE))

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens where there is none."""
        self.bucket.delete(self.path(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose name starts with the prefix, in name order."""
        folder = (self._start + prefix).rpartition("/")[0]
        for page in self.bucket.pages(folder):
            for each in page:
                name = each.path.removeprefix(self._start)
                if name.startswith(prefix):
                    yield ObjectInfo(name, each.size_bytes)

    def sweep(self, before: datetime, *, delete: bool) -> Sequence[ObjectInfo]:
        """List nothing: the parts of an upload that never ended are the service's, which a lifecycle rule removes."""
        return []

    def path(self, name: str) -> str:
        """Where in the bucket an object lies."""
        return self._start + check_name(name)


def open_at(bucket: Bucket, path: str) -> BinaryIO:
    """Open whatever lies at a path of a bucket, seekable; FileNotFoundError where nothing does."""
    return cast(BinaryIO, io.BufferedReader(_Ranges(bucket, path)))


class _Upload(io.RawIOBase):
    """A writer that sends a small object with one conditional request, and a larger one in parts.

    Closing it, as code it was lent to may do, ends nothing: only the block's end does.
    """

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket = bucket
        self._path = path
        self._waiting = bytearray()
        self._parts: BinaryIO | None = None
        self._upload = ExitStack()
        #: What the service answered; empty before the end, and after an upload in parts.
        self.etag = ""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # any buffer, as file objects take
        if self._parts is None and len(self._waiting) + view.nbytes >= PART_BYTES:
            self._begin_parts()
        parts = self._parts
        if parts is not None and view.nbytes >= SEND_BYTES:
            self._send()
            parts.write(view)  # as it is: a copy of it would be the larger part of what writing takes
            return view.nbytes
        self._waiting += view
        if parts is not None and len(self._waiting) >= SEND_BYTES:
            self._send()
        return view.nbytes

    def __enter__(self) -> _Upload:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and self._parts is None:
            etag = self._bucket.write(self._path, bytes(self._waiting), None)
            if etag is None:
                raise FileExistsError(self._path)
            self.etag = etag
            return
        if kind is None:
            self._send()
        self._upload.__exit__(kind, error, trace)  # type: ignore[arg-type]  # the three of a with statement

    def _begin_parts(self) -> None:
        # Uploads in parts know no condition; names are never reused, so asking once is enough.
        if self._bucket.head(self._path) is not None:
            raise FileExistsError(self._path)
        self._parts = self._upload.enter_context(self._bucket.open_writer(self._path))

    def _send(self) -> None:
        if self._parts is not None and self._waiting:
            self._parts.write(bytes(self._waiting))
            self._waiting.clear()


class _Ranges(io.RawIOBase):
    """A reader that fetches a window at a time: small where reading jumps, larger while it goes straight on.

    What was read from the start on is kept in a file of its own: a value is read once to verify it and once to load it,
    and shall cross the network once.
    """

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket = bucket
        self._path = path
        self._at = 0
        self._from = 0
        self._next_bytes = FIRST_BYTES
        # Before the first request: where that finds nothing, Python closes what there is of this reader.
        self._kept: BinaryIO | None = None
        self._window, self._size = bucket.read_start(path, FIRST_BYTES)
        self._n_kept = len(self._window)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a position cannot be negative")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: object, /) -> int:
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any buffer, as file objects take
        if self._at >= self._size or not target:
            return 0
        if not self._from <= self._at < self._from + len(self._window):
            self._window = self._from_kept(len(target)) or self._fetch(len(target))
            self._from = self._at
        skipped = self._at - self._from
        piece = self._window[skipped : skipped + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        super().close()

    def _from_kept(self, wanted: int) -> bytes:
        """Read again what was fetched before; nothing where it was not."""
        if self._kept is None or self._at >= self._n_kept:
            return b""
        self._kept.seek(self._at)
        return self._kept.read(max(wanted, FIRST_BYTES))

    def _fetch(self, wanted: int) -> bytes:
        goes_on = self._at == self._from + len(self._window)
        self._next_bytes = min(self._next_bytes * 2, MAX_WINDOW_BYTES) if goes_on else FIRST_BYTES
        end = min(self._at + max(self._next_bytes, wanted), self._size)
        piece = self._bucket.read_range(self._path, self._at, end)
        if self._at == self._n_kept and (self._kept is not None or self._from == 0):
            self._keep(piece)
        return piece

    def _keep(self, piece: bytes) -> None:
        """Append to what is kept, which begins with the first window; where there is no room, keep nothing."""
        try:
            if self._kept is None:
                from tempfile import TemporaryFile

                self._kept = cast(BinaryIO, TemporaryFile(prefix="nacre-"))  # noqa: SIM115  # closed with the reader
                self._kept.write(self._window)
            self._kept.seek(self._n_kept)
            self._kept.write(piece)
            self._n_kept += len(piece)
        except OSError:
            self._n_kept = -1
