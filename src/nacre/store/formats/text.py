"""Text as UTF-8, byte for byte: no line end is translated."""

from __future__ import annotations

from typing import BinaryIO

from nacre.store.formats.annotation import label, mismatch


class Text:
    """Stores ``str``."""

    name = "text"
    extension = ".txt"

    def accepts(self, value: object) -> bool:
        """Say whether it is text that UTF-8 can hold."""
        if type(value) is not str:
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True

    def is_exact(self, value: object) -> bool:
        """Text always comes back as it was."""
        return True

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Write the text."""
        sink.write(str(value).encode())

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Read the text."""
        if as_type is not None and label(as_type) != "str":
            raise mismatch("str", as_type)
        return source.read().decode()
