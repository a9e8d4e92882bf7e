"""A catalog of records that lie far away: kept in a local file or in memory, and brought up to date from what changed.

It holds no truth: it can be lost or deleted at any time, and the next command makes it again (all but live events).
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Protocol, TypeVar

from nacre.catalog.history import HistoryRow
from nacre.catalog.index import AREAS, WENT_BACK, apply, apply_readable, put_aside, rebuild
from nacre.catalog.queries import QUERIES, Parameters
from nacre.store.codec import readable
from nacre.store.connect import at_once
from nacre.store.port import RecordStore, Stored, Token
from nacre.store.records import DEFAULT_ENV, Head

T = TypeVar("T")

#: What every command asks of. The others are looked at from when something is first asked of them.
USUAL = ("heads",)
SCHEDULED = ("schedules", "ticks")
#: A table, as the first one of a query, to the records that it is made from.
_MADE_FROM = {
    "runs": "runs",
    "artifacts": "artifacts",
    "schedules": "schedules",
    "ticks": "ticks",
    "materializations": "hist",
    "lineage": "hist",
}
_TABLE = re.compile(r"\b(?:FROM|JOIN) (\w+)")
#: Queries to which the heads, and what this machine wrote itself, say enough.
_KNOWN_HERE = ("recent", "recent_through", "artifact_key")
_IDENTITY = "format"
_HEADS = "heads/"
_KEPT_HEADS = f"{_HEADS}{DEFAULT_ENV}/"
_LAST = chr(0x10FFFF)


class Tables(Protocol):
    """Where the catalog's tables are: ``SqliteRecords`` with the catalog prepared in its file, or ``MemoryIndex``."""

    def read(self, sql: str, parameters: Parameters, make: Callable[..., T], /) -> list[T]:
        """Run one SELECT; ``make`` is called once per row with its columns."""
        ...

    def write(self, action: Callable[[sqlite3.Connection], T], /) -> T:
        """Run an action in one transaction; its exception undoes what it did."""
        ...

    def close(self) -> None:
        """Release what is open. Idempotent."""
        ...


class Mirror:
    """Keeps a catalog like the records of a store.

    Args:
        tables: Where it is kept.
        identity: Names the store; one that was begun anew at the same place has another, and is read from the start.
        records: The store it mirrors.
    """

    def __init__(self, tables: Tables, identity: Token, records: RecordStore) -> None:
        self._tables = tables
        self._identity = identity
        self._records = records
        self._lock = threading.Lock()
        #: The areas that are kept up to date from now on.
        self._areas = [*USUAL]
        #: True when others are known to have written since the last look.
        self.is_behind = False
        tables.write(lambda connection: connection.execute(QUERIES["make_mirrored"]))
        if self._known(_IDENTITY).get(_IDENTITY) != identity:
            self._forget()

    def read(self, sql: str, parameters: Parameters, make: Callable[..., T]) -> list[T]:
        """Run a query; the first of a process that asks of more than heads looks at what that is made from.

        Raises:
            StoreError: The store did not answer.
        """
        if any(area not in self._areas for area in _areas(sql)):
            with self._lock:
                new = [area for area in _areas(sql) if area not in self._areas]
                self.refresh(new)
                self._areas += new
        return self._tables.read(sql, parameters, make)

    def apply(self, stored: Sequence[Stored]) -> None:
        """Index records that were just written, with their tokens; all or none of them."""
        self._index(stored, apply)

    def fall_behind(self) -> None:
        """Note that others have written what is not known here."""
        self.is_behind = True

    def _index(
        self, stored: Sequence[Stored], put: Callable[[sqlite3.Connection, Sequence[Stored]], None]
    ) -> None:
        def note(connection: sqlite3.Connection) -> None:
            put(connection, stored)
            rows = [(each.path, each.token) for each in stored if each.path.partition("/")[0] in AREAS]
            connection.executemany(QUERIES["put_mirrored"], rows)

        self._tables.write(note)

    def refresh(self, areas: Sequence[str] = ()) -> None:
        """Bring the catalog up to date: reads what changed since the last time, and nothing else.

        Args:
            areas: The first parts of the paths that are looked at; by default heads and what was asked of before.
        """
        records = self._records
        self.is_behind = self.is_behind and bool(areas)
        prefixes = [f"{area}/" for area in areas or self._areas]
        known = {prefix: self._known(prefix) for prefix in prefixes}
        changed = at_once(lambda prefix: list(records.changes(prefix, known[prefix])), prefixes)
        heads = changed[prefixes.index(_HEADS)] if _HEADS in prefixes else []
        if any(not stored.token and stored.path.startswith(_KEPT_HEADS) for stored in heads):
            # Only a removed environment's heads are deleted. Else somebody emptied the store: nothing known counts.
            self._forget()
            changed = at_once(lambda prefix: list(records.changes(prefix, {})), prefixes)
            del self._areas[len(USUAL) :]
        elif heads and known[_HEADS]:
            changed[prefixes.index(_HEADS)] = self._followed(heads, known[_HEADS])
        for found in changed:
            if found:
                # One that cannot be read hides nothing else: fsck tells of it.
                self._index(found, apply_readable)

    def _followed(self, heads: Sequence[Stored], known: Mapping[str, Token]) -> list[Stored]:
        """Pick the heads to index: of those that others began again or put back from a backup, nobody goes on.

        One that is at an older version than is known here is put aside, with what is known, until somebody mends it.
        Of one that went on from there by itself what is known is forgotten.

        Args:
            heads: As they changed.
            known: Path to the token that was known before.
        """
        odd = {each.path for each in heads if self._contradicts(each) is not None}
        if not odd:
            return [*heads]
        # Read once more: meanwhile this machine may have moved them itself.
        found = [each for each in heads if each.path not in odd]
        for each in self._records.get_many(sorted(odd)):
            if each is None or (is_behind := self._contradicts(each)) is None:
                found += [each] if each else []
            elif is_behind:
                self._put_aside(each, known.get(each.path, ""))
            else:
                # With its parts that lie beside it, which are read again when they are asked for.
                parts = self._known(each.path.replace(_HEADS, "hist/", 1) + "/")
                self._index([Stored(path, b"", "") for path in (each.path, *parts)], apply)
                found.append(each)
        return found

    def _contradicts(self, stored: Stored) -> bool | None:
        """Say whether a head is not what is known of it: True for an older version, False for others of one number."""
        head = readable(stored, Head) if stored.data else None
        if head is None:
            return None
        rows = self._tables.read(QUERIES["history"], (head.env, head.asset, head.partition), HistoryRow)
        if rows and head.current.seq < rows[0].seq:
            return True
        known = {row.seq: (row.fingerprint, row.data_version) for row in rows}
        made = [(each.seq, (each.fingerprint, each.data_version)) for each in head.history]
        return False if any(known.get(n, of) != of for n, of in made) else None

    def _put_aside(self, stored: Stored, known: Token) -> None:
        def note(connection: sqlite3.Connection) -> None:
            (token,) = connection.execute(QUERIES["mirrored_token"], (stored.path,)).fetchone() or ("",)
            if token != known:
                return  # another process of this machine moved it since it was read
            put_aside(connection, [stored.path], WENT_BACK)
            connection.execute(QUERIES["put_mirrored"], (stored.path, stored.token))

        self._tables.write(note)

    def renew(self) -> None:
        """Make the catalog anew from the records of the store."""
        self._forget()
        del self._areas[len(USUAL) :]
        self.refresh()

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._tables.close()

    def _known(self, prefix: str) -> dict[str, Token]:
        return dict(self._tables.read(QUERIES["mirrored"], (prefix, prefix + _LAST), _pair))

    def _forget(self) -> None:
        def forget(connection: sqlite3.Connection) -> None:
            rebuild(connection, ())
            connection.execute(QUERIES["make_mirrored"])
            connection.execute(QUERIES["put_mirrored"], (_IDENTITY, self._identity))

        self._tables.write(forget)


@cache
def _areas(sql: str) -> tuple[str, ...]:
    """Name the areas of records, besides heads, that a query asks of."""
    if any(sql == QUERIES[name] for name in _KNOWN_HERE):
        return ()
    tables = set(_TABLE.findall(sql))
    if "heads" in tables:
        # What a current version was made from is in its head.
        tables.discard("lineage")
    return tuple(sorted({_MADE_FROM[table] for table in tables & _MADE_FROM.keys()}))


def _pair(path: str, token: Token) -> tuple[str, Token]:
    return path, token
