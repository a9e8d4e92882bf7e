"""The port of publishing: where files lie that people and other programs read by the key's own name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol

from blake3 import blake3

from nacre.errors import CorruptObject
from nacre.store.port import ObjectStore

_COMPARED_BYTES = 8 * 1024 * 1024


class Content(NamedTuple):
    """The bytes of a version, for a place to copy in the cheapest way it knows.

    Args:
        objects: The store the version lies in.
        object: Name of its object there; empty where the bytes are ``inline``.
        inline: The bytes of a small version.
        size_bytes: How many bytes there are.
        digest: Of the bytes that were stored.
    """

    objects: ObjectStore
    object: str
    inline: bytes
    size_bytes: int
    digest: str

    def open(self) -> BinaryIO:
        """Open the bytes for reading.

        Raises:
            FileNotFoundError: The object is gone.
        """
        from io import BytesIO

        return self.objects.get(self.object) if self.object else BytesIO(self.inline)

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """Read the bytes a piece at a time, and fail at their end where they are not the ones that were stored.

        Args:
            size_bytes: How many bytes a piece has, but for the last.

        Raises:
            FileNotFoundError: The object is gone.
            CorruptObject: It is damaged; raised behind the last piece.
        """
        with self.open() as source:
            yield from self.checked(iter(lambda: source.read(size_bytes), b""))

    def checked(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on what was read of the bytes, and fail at its end where they are not the ones that were stored.

        Raises:
            CorruptObject: They are not; raised behind the last piece.
        """
        hasher = blake3()
        for piece in pieces:
            hasher.update(piece)
            yield piece
        if hasher.hexdigest() != self.digest:
            raise self.damaged()

    def damaged(self) -> CorruptObject:
        """Make the error of bytes that are not the ones that were stored."""
        facts = {
            "object": self.object or "inline in its record",
            "problem": "the bytes are not the ones that were stored",
            "expected": f"{self.size_bytes:,} bytes with digest {self.digest[:16]}…",
        }
        return CorruptObject("A stored value cannot be read", facts)

    def is_same(self, size_bytes: int, read: Callable[[int], bytes]) -> bool:
        """Whether a file has these bytes; read only as far as they are equal. No file has those of a damaged version.

        Args:
            size_bytes: How many bytes the file has.
            read: Reads its next bytes, at most as many as it is given; all of them where it can.
        """
        if size_bytes != self.size_bytes:
            return False
        try:
            return all(read(len(piece)) == piece for piece in self.pieces(_COMPARED_BYTES))
        except CorruptObject:
            return False


def is_as_noted(found: str, noted: str) -> bool:
    """Whether a mark that a place gives now is the one that was noted.

    What follows a plus sign was not noted by earlier versions of nacre, so it counts where both have it.
    """
    return found == noted or (bool(noted) and "+" not in noted and found.partition("+")[0] == noted)


class Place(Protocol):
    """One bucket, or the file system. Paths are slash-separated and relative to it, without a leading slash."""

    @property
    def marks_content(self) -> bool:
        """Whether a mark may tell of the content alone, so that the same bytes written again have the same one."""
        ...

    def check(self, path: str) -> None:
        """Find out, before the first step of a run, whether a file could be put here.

        Leaves no file behind; the folders that the file needs may be made.

        Args:
            path: Of a file that shall be put; it need not exist.

        Raises:
            StoreUnavailable: The place cannot be reached, or does not exist.
            StoreReadOnly: It does not let us write, or not without credentials.
        """
        ...

    def set_aside(self, path: str, ours: Iterable[Content]) -> str:
        """Keep what others put at a path, before a file is put over it for the first time.

        Idempotent, and readers of the path see no change; its mark may change.

        Args:
            path: Of the file that shall be put.
            ours: What may lie there without being that of others: a file with the bytes of one of these is not kept.

        Returns:
            What becomes of the file that lies there, for a person; empty where none does, or one of ours.

        Raises:
            StoreError: It could not be kept.
        """
        ...

    def put(self, path: str, content: Content, expect: str | None = None) -> str | None:
        """Put a file, over the one that is there. Atomic for readers, durable on return, idempotent.

        Within one bucket the bytes are copied by the server; within one file system blocks are shared where it can,
        and a file that has the bytes already is left as it is.

        Args:
            path: Where.
            content: Its bytes.
            expect: The mark of what must lie there, empty where nothing may; None for whatever does. A place that
                knows no such condition for the cheapest way puts the file anyhow.

        Returns:
            The mark of this very file, whatever others put there since; None where something else than expected lay
            there and nothing was put, or where it is known that others put theirs over it.

        Raises:
            StoreError: It could not be put; what lay there before is whole.
            CorruptObject: The version is damaged. What passes through this process is found out before it is put; a
                copy within a bucket by its size, afterwards.
            FileNotFoundError: The version's object is gone.
        """
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, seekable.

        Raises:
            FileNotFoundError: There is none.
            StoreError: It cannot be read.
        """
        ...

    def copy_to(self, path: str, objects: ObjectStore, name: str) -> None:
        """Copy a file into a store as a new object: by the server within one bucket, sharing blocks where it can.

        The object is invisible until it is whole, then durable. Who needs to know that the file was one and the same
        all the while compares its mark before and after.

        Raises:
            FileNotFoundError: There is no such file.
            FileExistsError: There is such an object.
            StoreError: It could not be copied.
        """
        ...

    def sweep(self, folders: Iterable[str], before: datetime, *, delete: bool) -> Sequence[int]:
        """List how large what writers that were killed before a moment left in folders is; remove it where asked.

        Raises:
            StoreError: A folder cannot be read, or what lies there not be removed.
        """
        ...

    def marks(self, paths: Sequence[str]) -> dict[str, str]:
        """Say what lies at some paths: each that has a file, with its mark.

        A mark changes when the file does; ``is_as_noted`` compares two. One request for up to 1,000 files below a
        common folder, not one for each.
        """
        ...
