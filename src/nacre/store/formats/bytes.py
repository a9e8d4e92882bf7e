"""Bytes, as they are."""

from __future__ import annotations

from typing import BinaryIO, cast

from nacre.store.formats.annotation import label, mismatch


class Bytes:
    """Stores ``bytes``."""

    name = "bytes"
    extension = ""

    def accepts(self, value: object) -> bool:
        """Say whether it is ``bytes``; a bytearray would come back as another type."""
        return type(value) is bytes

    def is_exact(self, value: object) -> bool:
        """Bytes always come back as they were."""
        return True

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Write the bytes."""
        sink.write(cast(bytes, value))

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Read the bytes."""
        if as_type is not None and label(as_type) != "bytes":
            raise mismatch("bytes", as_type)
        return source.read()
