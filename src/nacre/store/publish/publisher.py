"""Publishes versions at the places their keys name, and sees where a file is no longer what was published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from nacre.errors import InvalidKey, StoreError
from nacre.keys import key_of, resolved
from nacre.store.publish.places import SCHEMES, Places, location, require_file
from nacre.store.publish.port import Content, Place

_AT_ONCE = 8


class PublishedHead(Protocol):
    """What is recorded of the file that was published for a slot."""

    @property
    def slot(self) -> str:
        """The slot."""
        ...

    @property
    def seq(self) -> int:
        """The version that is current."""
        ...

    @property
    def published(self) -> int:
        """The version that was published; 0 for none."""
        ...

    @property
    def mark(self) -> str:
        """What its place said of the file."""
        ...


class _File(NamedTuple):
    """A file: the place it lies at, and its path there."""

    place: str
    path: str


class Publisher:
    """Puts versions where their keys say, for one environment.

    Args:
        places: Beginnings of keys and what they stand for.
        open_place: Opens a place by its root: ``""`` for the file system, else a URL such as ``s3://lake``.
        store: Where versions are kept, a folder or URL; nothing is published there.
        is_active: False for an environment that publishes nowhere.
    """

    def __init__(
        self,
        places: Places,
        open_place: Callable[[str], Place],
        *,
        store: str = "",
        is_active: bool = True,
    ) -> None:
        self._store = store
        self._places = places
        self._starts = tuple(start for start, _ in places) + SCHEMES
        self._open = open_place
        self._is_active = is_active
        self._opened: dict[str, Place] = {}

    def location(self, slot: str) -> str:
        """Say where the file of a slot lies: an absolute path or a URL; empty where it has none."""
        return location(resolved(slot), self._places) if self._is_active else ""

    def placed(self, slots: Iterable[str]) -> list[str]:
        """List those of some slots that belong somewhere; nearly always none or all, so this is quick."""
        if not self._is_active:
            return []
        return [slot for slot in slots if slot.startswith(self._starts) and self.location(slot)]

    def check(self, slots: Iterable[str]) -> None:
        """Find out, before anything runs, whether the files of some slots could be put where they belong.

        Each folder that the slots have in common is tried once.

        Raises:
            InvalidKey: A key names no file, or one of the store's own; or all partitions of an asset would be one file.
            StoreError: A place cannot be reached or written.
        """
        tried: dict[tuple[str, str], str] = {}
        for slot in self.placed(slots):
            key = key_of(slot)
            require_file(slot, self.location(slot), self._store)
            file = self._file(slot)
            folder = location(key.partition("{")[0].rpartition("/")[0], self._places)
            tried.setdefault((file.place, folder), file.path)
        for (place, _), path in tried.items():
            self._place(place).check(path)

    def require_distinct(self, slots: Iterable[str]) -> None:
        """Refuse slots that would be one file, or of which one would be a folder of another; linear but for sorting.

        Raises:
            InvalidKey: There are two such; names both.
        """
        found = sorted((self.location(slot), slot) for slot in self.placed(slots))
        for (where, slot), (other, next_slot) in pairwise(found):
            if other == where or other.startswith(f"{where}/"):
                facts = {"keys": f"{resolved(slot)}\n{resolved(next_slot)}", "place": where}
                what = "be one file" if other == where else "be a file and a folder of one name"
                raise InvalidKey(f"Two assets would {what}", facts, "give one of them another key")

    def publish(self, contents: Mapping[str, Content]) -> dict[str, str | StoreError]:
        """Put versions where they belong, several at a time; each is atomic and durable by itself.

        Args:
            contents: Slot to the bytes of its version.

        Returns:
            Slot to the mark of the file that lies there now, or to why it could not be put.
        """

        def put(slot: str) -> str | StoreError:
            file = self._file(slot)
            try:
                return self._place(file.place).put(file.path, contents[slot])
            except StoreError as error:
                return error

        if len(contents) == 1:
            return {slot: put(slot) for slot in contents}
        from concurrent.futures import (
            ThreadPoolExecutor,  # costs start-up time, and most runs publish nothing
        )

        with ThreadPoolExecutor(_AT_ONCE, "nacre-publish") as threads:
            return dict(zip(contents, threads.map(put, contents), strict=True))

    def drifted(self, heads: Iterable[PublishedHead]) -> frozenset[str]:
        """Find the slots whose file is gone, was changed by others, or was never put.

        Args:
            heads: What is current of slots that belong somewhere.

        Returns:
            Those of them that do not lie there as they were published.

        Raises:
            StoreError: A place cannot be reached.
        """
        files = {head.slot: (head, self._file(head.slot)) for head in heads}
        by_place: dict[str, list[str]] = {}
        for _, file in files.values():
            by_place.setdefault(file.place, []).append(file.path)
        marks = {place: self._place(place).marks(paths) for place, paths in by_place.items()}
        return frozenset(
            slot
            for slot, (head, file) in files.items()
            if head.published != head.seq or marks[file.place].get(file.path) != head.mark
        )

    def buckets(self, slots: Sequence[str]) -> list[str]:
        """List the buckets that some slots are published to."""
        found = (self._file(slot).place for slot in self.placed(slots))
        return list(dict.fromkeys(place for place in found if place))

    def _file(self, slot: str) -> _File:
        where = self.location(slot)
        scheme, separator, rest = where.partition("://")
        if not separator:
            return _File("", where.lstrip("/"))
        bucket, _, path = rest.partition("/")
        return _File(f"{scheme}://{bucket}", path)

    def _place(self, root: str) -> Place:
        place = self._opened.get(root)
        if place is None:
            place = self._opened[root] = self._open(root)
        return place
