"""The port of formats: how one kind of value becomes bytes and comes back as it was."""

from __future__ import annotations

from typing import BinaryIO, Protocol


class Format(Protocol):
    """One way to store values. Stateless; loading what was dumped gives a value of the same data version.

    ``name`` is kept in every record and is never renamed; ``extension`` is that of a file in this format.
    """

    @property
    def name(self) -> str:
        """What records call the format."""
        ...

    @property
    def extension(self) -> str:
        """``.json`` and the like; empty where the bytes may be anything."""
        ...

    def accepts(self, value: object) -> bool:
        """Say by its type whether the value can be stored so. Cheap; dumping may still refuse a part of it."""
        ...

    def is_exact(self, value: object) -> bool:
        """Say whether an accepted value certainly comes back as it was; else it is loaded back and compared."""
        ...

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Write an accepted value.

        Raises:
            UnserialisableValue: A part of the value cannot be stored; the text names it.
        """
        ...

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Read a value.

        Args:
            source: A seekable stream of what ``dump`` wrote.
            as_type: The type to give, or None for the one that was saved.

        Raises:
            TypeMismatch: What is stored cannot become that type.
        """
        ...
