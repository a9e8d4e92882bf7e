"""Publishes versions at the places their keys name, and sees where a file is no longer what was published."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import BinaryIO, NamedTuple, Protocol
from unicodedata import normalize

from nacre.errors import CorruptObject, InvalidKey, NacreError, StoreError
from nacre.keys import key_of, resolved
from nacre.store.port import ObjectStore
from nacre.store.publish.places import SCHEMES, Places, entry_of, location, require_file
from nacre.store.publish.port import Content, Place, is_as_noted
from nacre.store.refusals import MAPPING

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


def has_drifted(head: PublishedHead, mark: str) -> bool:
    """Whether the file of a slot is gone, was changed by others, or was never put.

    Args:
        head: What is current of the slot.
        mark: What its place says of the file now; empty where there is none.
    """
    return head.published != head.seq or not mark or not is_as_noted(mark, head.mark)


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
        said_in: Where the places were read from, for errors.
        not_at: Where somebody else publishes a slot, which therefore is no place for it here.
    """

    def __init__(
        self,
        places: Places,
        open_place: Callable[[str], Place],
        *,
        store: str = "",
        is_active: bool = True,
        said_in: str = "nacre.toml",
        not_at: Callable[[str], str] | None = None,
    ) -> None:
        self._store = store
        self._not_at = not_at
        self._said_in = said_in
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
            InvalidKey: A key names no file, or one of the store's own; or all partitions of an asset would be one file;
                or it is where another environment publishes.
            StoreError: A place cannot be reached or written.
        """
        tried: dict[tuple[str, str], tuple[str, _File]] = {}
        for slot in self.placed(slots):
            key, where = key_of(slot), self.location(slot)
            require_file(slot, where, self._store)
            if self._not_at is not None and self._not_at(slot) == where:
                facts = {"key": resolved(slot), "place": where, "said in": self._said_in}
                hint = "let publish_root be another folder or URL"
                raise InvalidKey("The environment would publish over the file of 'default'", facts, hint)
            file = self._file(slot)
            folder = location(key.partition("{")[0].rpartition("/")[0], self._places)
            tried.setdefault((file.place, folder), (slot, file))
        for slot, file in tried.values():
            with self._told(slot):
                self._place(file.place).check(file.path)

    def require_files(self, slots: Iterable[str]) -> None:
        """Refuse slots of places that could be no file of their own.

        Raises:
            InvalidKey: A key names no file, or one of the store's own; or all partitions of an asset would be one file.
        """
        for slot in slots:
            require_file(slot, self.location(slot), self._store)

    def require_distinct(self, slots: Iterable[str]) -> None:
        """Refuse slots that would be one file, or of which one would be a folder of another; linear but for sorting.

        Raises:
            InvalidKey: There are two such; names both.
        """
        # A folder's files come right behind a file of its name, whatever else begins like it.
        found = sorted(
            ((_folded(where := self.location(slot)), where, slot) for slot in self.placed(slots)),
            key=lambda each: each[0].replace("/", "\0"),
        )
        for (folded, where, slot), (other, elsewhere, next_slot) in pairwise(found):
            if other == folded or other.startswith(f"{folded}/"):
                facts = {"keys": f"{resolved(slot)}\n{resolved(next_slot)}", "place": where}
                what = "be one file" if other == folded else "be a file and a folder of one name"
                if not elsewhere.startswith(where):
                    what += " where capital letters, or ways to write an accent, are not told apart"
                raise InvalidKey(f"Two assets would {what}", facts, "give one of them another key")

    def publish(
        self, contents: Mapping[str, Content], expected: Mapping[str, str]
    ) -> dict[str, str | StoreError | None]:
        """Put versions where they belong, several at a time; each is atomic and durable by itself.

        Args:
            contents: Slot to the bytes of its version.
            expected: Slot to the mark of what must lie there, empty where nothing may.

        Returns:
            Slot to the mark of the file that was put; to None where something else lay there; or to why it could not
            be put.
        """
        return self._at_each(
            contents, lambda place, path, slot: place.put(path, contents[slot], expected.get(slot))
        )

    def set_aside(self, ours: Mapping[str, Sequence[Content]]) -> dict[str, str | StoreError | None]:
        """Keep the files of others where versions are about to be put for the first time.

        Args:
            ours: Slot to the bytes that may lie there without being those of others.

        Returns:
            Slot to what becomes of the file there, empty where none is in question, or to why it could not be kept.
        """
        return self._at_each(ours, lambda place, path, slot: place.set_aside(path, ours[slot]))

    def _at_each(
        self, slots: Collection[str], action: Callable[[Place, str, str], str | None]
    ) -> dict[str, str | StoreError | None]:
        def act(slot: str) -> str | StoreError | None:
            file = self._file(slot)
            try:
                with self._told(slot):
                    return action(self._place(file.place), file.path, slot)
            except FileNotFoundError as error:
                facts = {"object": str(error), "problem": "the object is gone"}
                return CorruptObject("A stored value cannot be read", facts)
            except StoreError as error:
                return error

        if len(slots) < 2:
            return {slot: act(slot) for slot in slots}
        from concurrent.futures import (
            ThreadPoolExecutor,  # costs start-up time, and most runs publish nothing
        )

        with ThreadPoolExecutor(_AT_ONCE, "nacre-publish") as threads:
            return dict(zip(slots, threads.map(act, slots), strict=True))

    def marks(self, slots: Iterable[str]) -> dict[str, str]:
        """Say what lies at the places of some slots now: each that has a file, with its mark.

        Raises:
            StoreError: A place cannot be reached.
        """
        by_place: dict[str, dict[str, str]] = {}
        for slot in slots:
            file = self._file(slot)
            by_place.setdefault(file.place, {})[file.path] = slot
        marks: dict[str, str] = {}
        for place, files in by_place.items():
            with self._told(next(iter(files.values()))):
                found = self._place(place).marks(list(files))
            marks.update((files[path], mark) for path, mark in found.items())
        return marks

    def marks_content(self, slot: str) -> bool:
        """Whether the mark of a slot's file may be the same where somebody wrote the same bytes again."""
        return self._place(self._file(slot).place).marks_content

    def open(self, slot: str) -> BinaryIO:
        """Open the file of a slot for reading.

        Raises:
            FileNotFoundError: There is none.
            StoreError: It cannot be read.
        """
        file = self._file(slot)
        with self._told(slot):
            return self._place(file.place).open(file.path)

    def copy_to(self, slot: str, objects: ObjectStore, name: str) -> None:
        """Copy the file of a slot into a store as a new object, in the cheapest way its place knows.

        Raises:
            FileNotFoundError: There is none.
            StoreError: It could not be copied.
        """
        file = self._file(slot)
        with self._told(slot):
            self._place(file.place).copy_to(file.path, objects, name)

    def sweep(
        self, slots: Iterable[str], before: datetime, *, delete: bool
    ) -> tuple[list[int], list[StoreError]]:
        """List how large what killed writers left beside the files of some slots is; each folder is read once.

        In buckets there is nothing of the kind, so none is asked.

        Args:
            slots: Whose folders are looked at.
            before: When these writers began, at the latest.
            delete: True removes it.

        Returns:
            The sizes; and of each folder that cannot be read, or where something cannot be removed, why.
        """
        files = (self._file(slot) for slot in self.placed(slots))
        sizes: list[int] = []
        errors: list[StoreError] = []
        for folder in dict.fromkeys(file.path.rpartition("/")[0] for file in files if not file.place):
            try:
                sizes += self._place("").sweep([folder], before, delete=delete)
            except StoreError as error:
                errors.append(error)
        return sizes, errors

    def buckets(self, slots: Sequence[str]) -> list[str]:
        """List the buckets that some slots are published to."""
        found = (self._file(slot).place for slot in self.placed(slots))
        return list(dict.fromkeys(place for place in found if place))

    @contextmanager
    def _told(self, slot: str) -> Iterator[None]:
        """Run a block whose errors then name the key and, where an entry of places was followed, that entry."""
        try:
            yield
        except NacreError as error:
            entry = entry_of(resolved(slot), self._places)
            if entry is not None:
                shown = "{}={}" if self._said_in == "NACRE_PLACES" else '"{}" = "{}"'
                change = f"or change its entry of places, in {self._said_in}: {shown.format(*entry)}"
                # The drivers know their own URL only, and an entry for that would not be looked at.
                error.advise([change if hint.startswith(MAPPING) else hint for hint in error.hint])
            error.about("key", key_of(slot))
            raise

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


def _folded(where: str) -> str:
    """Give a location as those file systems see it that tell neither case nor composed letters apart."""
    if "://" in where:
        return where
    return where.lower() if where.isascii() else normalize("NFC", normalize("NFC", where).casefold())
