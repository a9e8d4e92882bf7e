"""What values are read as to be compared: columns one by one, bytes as they come, records without their class.

So no more than two columns are in memory, and no code that data names is imported or run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol


class Columns(Protocol):
    """A table whose columns are read when they are asked for."""

    @property
    def schema(self) -> Any:
        """Its ``pyarrow.Schema``."""
        ...

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        ...

    def column(self, i: int) -> Any:
        """Read one column as a ``pyarrow.ChunkedArray``, by its position."""
        ...


class Fields(dict[str, object]):
    """The fields of a record whose class is known by name only.

    Args:
        name: The class, as ``module:qualname``.
        fields: Field to value.
    """

    def __init__(self, name: str, fields: dict[str, object]) -> None:
        super().__init__(fields)
        self.name = name

    def __data_key__(self) -> object:
        return (self.name, dict(self))

    def __hash__(self) -> int:  # type: ignore[override]  # a record that was frozen may be in a set
        return hash((self.name, tuple(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.name == other.name and dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __str__(self) -> str:
        return (
            f"{self.name.rpartition(':')[2]}({', '.join(f'{name}={what!r}' for name, what in self.items())})"
        )

    __repr__ = __str__


class Member:
    """A member of an enumeration whose class is known by name only.

    Args:
        name: The class, as ``module:qualname``.
        member: Its name; of flags the number.
    """

    def __init__(self, name: str, member: object) -> None:
        self.name = name
        self.member = member

    def __data_key__(self) -> object:
        return (self.name, self.member)

    def __hash__(self) -> int:
        return hash((self.name, self.member))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self.__data_key__() == other.__data_key__()

    def __str__(self) -> str:
        return f"{self.name.rpartition(':')[2]}.{self.member}"

    __repr__ = __str__


class Stream:
    """Bytes that are read as they come.

    Args:
        source: Where they are, seekable, at its start.
        size: How many there are.
        label: What a person calls them: file or bytes.
    """

    #: As many bytes are taken for text where they are text.
    TEXT_BYTES = 16 << 20
    _BLOCK = 1 << 20

    def __init__(self, source: BinaryIO, size: int, label: str = "bytes") -> None:
        self.source = source
        self.size = size
        self.label = label

    def blocks(self) -> Iterator[bytes]:
        """Read them from the start, in blocks."""
        self.source.seek(0)
        while True:
            wanted, found = self._BLOCK, b""
            # A source may give less than was asked for; blocks of both sides must end at the same places.
            while len(found) < wanted and (more := self.source.read(wanted - len(found))):
                found += more
            if not found:
                return
            yield found

    def text(self) -> str | None:
        """Read them as text; None where they are none, or too many."""
        if self.size > self.TEXT_BYTES:
            return None
        try:
            found = b"".join(self.blocks()).decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in found else found
