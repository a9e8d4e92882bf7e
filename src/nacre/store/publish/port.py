"""The port of publishing: where files lie that people and other programs read by the key's own name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple, Protocol

from nacre.store.port import ObjectStore

_COMPARED_BYTES = 8 * 1024 * 1024


class Content(NamedTuple):
    """The bytes of a version, for a place to copy in the cheapest way it knows.

    Args:
        objects: The store the version lies in.
        object: Name of its object there; empty where the bytes are ``inline``.
        inline: The bytes of a small version.
        size_bytes: How many bytes there are.
    """

    objects: ObjectStore
    object: str
    inline: bytes
    size_bytes: int

    def open(self) -> BinaryIO:
        """Open the bytes for reading.

        Raises:
            FileNotFoundError: The object is gone.
        """
        from io import BytesIO

        return self.objects.get(self.object) if self.object else BytesIO(self.inline)

    def is_same(self, size_bytes: int, read: Callable[[int], bytes]) -> bool:
        """Whether a file has these bytes.

        Args:
            size_bytes: How many bytes the file has.
            read: Reads its next bytes, at most as many as it is given; all of them where it can.
        """
        if size_bytes != self.size_bytes:
            return False
        with self.open() as source:
            while chunk := source.read(_COMPARED_BYTES):
                if read(len(chunk)) != chunk:
                    return False
        return True


class Place(Protocol):
    """One bucket, or the file system. Paths are slash-separated and relative to it, without a leading slash."""

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

    def set_aside(self, path: str, content: Content) -> str:
        """Keep what others put at a path, before a file is put over it for the first time.

        Idempotent, and readers of the path see no change.

        Args:
            path: Of the file that shall be put.
            content: What shall be put; where the same bytes lie there already, there is nothing to keep.

        Returns:
            What becomes of the file that lies there, for a person; empty where none does, or one with the same bytes.

        Raises:
            StoreError: It could not be kept.
        """
        ...

    def put(self, path: str, content: Content) -> str:
        """Put a file, over the one that is there. Atomic for readers, durable on return, idempotent.

        Within one bucket the bytes are copied by the server; within one file system blocks are shared where it can.

        Returns:
            The mark of the file that lies there now.

        Raises:
            StoreError: It could not be put; what lay there before is whole.
        """
        ...

    def marks(self, paths: Sequence[str]) -> dict[str, str]:
        """Say what lies at some paths: each that has a file, with its mark.

        A mark changes when the file does; two marks are compared for equality only. One request for up to 1,000
        files below a common folder, not one for each.
        """
        ...
