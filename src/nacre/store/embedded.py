"""Records in one SQLite file: durable, safe for threads and processes on one machine.

Writers take turns, each in one transaction; readers have their own connection and are never blocked. Whatever shall be
true together with the records (the catalog) is written by ``index`` inside the same transaction.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import starmap
from pathlib import Path
from typing import TypeVar

from nacre.errors import CorruptRecord, StoreFull, StoreReadOnly, StoreUnavailable
from nacre.store.codec import encode, require_format
from nacre.store.failures import raise_told, store_read_only, translated
from nacre.store.filesystems import network_filesystem
from nacre.store.port import Stored, Token, Write, differing
from nacre.store.records import StoreFormat

log = logging.getLogger(__name__)

T = TypeVar("T")
Index = Callable[[sqlite3.Connection, Sequence[Stored]], None]
Prepare = Callable[[sqlite3.Connection], bool]
Parameters = Sequence[object] | Mapping[str, object]

BUSY_TIMEOUT_S = 30.0
_PROBLEMS = (sqlite3.Error, OSError)
_FORMAT_PATH = "format"
_REINDEX_ROWS = 1_000
_LAST = chr(0x10FFFF)

# Large inline values would make a table without rowid slow to insert into and to search.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS records (path TEXT PRIMARY KEY, data BLOB NOT NULL, version INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS counter (last INTEGER NOT NULL)",
    "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter)",
)
_HAS_RECORDS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'records'"
_ALL_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
_MAX_LISTED = 6
_GET = "SELECT data, version FROM records WHERE path = ?"
_SCAN = "SELECT path, data, version FROM records WHERE path >= ? AND path < ? ORDER BY path"
_CREATE = "INSERT INTO records (path, data, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_REPLACE = "UPDATE records SET data = ?, version = ? WHERE path = ? AND version = ?"
_DELETE = "DELETE FROM records WHERE path = ? AND version = ?"
_SPACE = ("PRAGMA freelist_count", "PRAGMA page_count", "PRAGMA page_size")
# One counter for all paths: a path that is deleted and created again cannot get an old token.
_LAST_VERSION = "SELECT last FROM counter"
_COUNT = "UPDATE counter SET last = ?"


class SqliteRecords:
    """Records in a SQLite file, with a table ``records`` and whatever tables the index keeps.

    Where the file cannot be written, it is opened for reading and only writing raises.

    Args:
        path: The file; made with its directory when missing.
        index: Called with the accepted writes of a batch, inside its transaction: both are kept or neither.
            A deleted record is passed with empty data.
        prepare: Called once at opening, inside a transaction, when the store can be written. True asks for
            ``reindex`` to be called with every record there is.
        reindex: Does for records that are there what ``index`` does for new ones; ``index`` itself by default.
        read_only: Never write, not even the file.

    Raises:
        StoreTooNew: A newer nacre wrote the store.
        CorruptRecord: The file is damaged or no store.
        StoreUnavailable: The file cannot be opened.
        StoreReadOnly: It does not exist and cannot be made.
        StoreFull: It does not exist and there is no room to make it.
    """

    def __init__(
        self,
        path: Path,
        index: Index | None = None,
        *,
        prepare: Prepare | None = None,
        reindex: Index | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self._index = index
        self._reindex = reindex
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._refusal: StoreReadOnly | StoreFull | None = None
        if read_only:
            self._refusal = store_read_only(self.path, "opened for reading")
        else:
            self._open_writer(prepare)
        try:
            self._reader, self._uri = _connect_reader(self.path)
            _check_format(self._reader, self.path)
        except BaseException:
            self.close()
            raise

    deletes_atomically = True

    @property
    def read_only(self) -> bool:
        """Whether every write raises."""
        return self._refusal is not None

    def get(self, path: str) -> Stored | None:
        """Read one record, or None where there is none. Never blocked by a writer."""
        try:
            with self._read_lock:
                row = self._reader.execute(_GET, (path,)).fetchone()
        except _PROBLEMS as error:
            raise_told(error, self.path)
            raise
        return None if row is None else Stored(path, row[0], str(row[1]))

    def get_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Read several records, in the order of the paths."""
        return [self.get(path) for path in paths]

    def create(self, path: str, data: bytes) -> Token | None:
        """Write a record that must not exist yet; None when it existed."""
        return self.batch([Write(path, data)])[0]

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        """Overwrite a record that still has ``token``; None when it had not."""
        return self.batch([Write(path, data, token)])[0]

    def scan(self, prefix: str) -> Iterator[Stored]:
        """Yield the records whose path starts with the prefix, in path order, as of the call."""
        return _Scan(self.path, self._uri, prefix)

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Yield the records below a prefix whose token is not the known one, and what is gone, with empty data."""
        return differing(self.scan(prefix), prefix, known)

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Apply writes in order, each by its own condition, in one durable transaction together with the index.

        Returns:
            One outcome per write: its new token, or None where it was refused.
        """

        def apply(connection: sqlite3.Connection) -> list[Token | None]:
            outcomes, accepted = _apply(connection, writes)
            if accepted and self._index:
                self._index(connection, accepted)
            return outcomes

        return self.write(apply)

    def delete(self, path: str, token: Token) -> bool:
        """Remove a record that still has ``token``; False when it had not."""

        def remove(connection: sqlite3.Connection) -> bool:
            if connection.execute(_DELETE, (path, token)).rowcount == 0:
                return False
            if self._index:
                self._index(connection, [Stored(path, b"", "")])
            return True

        return self.write(remove)

    def read(self, sql: str, parameters: Parameters, make: Callable[..., T]) -> list[T]:
        """Run a query on the tables of the file, the index's included. Never blocked by a writer.

        Args:
            sql: One SELECT.
            parameters: For its placeholders.
            make: Called once per row with its columns, such as a class of rows.
        """
        try:
            with self._read_lock:
                return list(starmap(make, self._reader.execute(sql, parameters)))
        except _PROBLEMS as error:
            raise_told(error, self.path)
            raise

    def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run an action in one durable transaction; its exception undoes what it did.

        Args:
            action: Called once with the connection; it must not commit.
        """
        try:
            with self._write_lock:
                if self._refusal:
                    raise type(self._refusal)(self._refusal.what, self._refusal.facts, self._refusal.hint)
                if self._writer is None:
                    raise sqlite3.ProgrammingError("The store is closed")
                return _transact(self._writer, action)
        except _PROBLEMS as error:
            raise_told(error, self.path)
            raise

    def problems(self) -> list[str]:
        """Let SQLite look through the whole file; what it finds, which is nothing where all is well."""
        found = self.read("PRAGMA integrity_check(20)", (), str)
        return [] if found == ["ok"] else found

    def compact(self) -> int:
        """Give free pages back to the file system, where they are a quarter of the file or more; the bytes gained.

        Nothing happens while another process writes or reads.
        """
        free, pages, size = (self.read(sql, (), int)[0] for sql in _SPACE)
        if free * 4 < pages or self._writer is None:
            return 0
        try:
            with self._write_lock:
                self._writer.execute("VACUUM")
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            return 0  # it is used just now, or there is no room for the copy: the pages are used again later
        return free * size

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._write_lock, self._read_lock:
            # The writer last: the last connection to close folds the write-ahead log into the file.
            for connection in (getattr(self, "_reader", None), self._writer):
                if connection is not None:
                    connection.close()
            self._writer = None

    def __del__(self) -> None:
        # Python 3.13 warns of a connection that is left to the collector.
        for connection in (getattr(self, "_reader", None), getattr(self, "_writer", None)):
            if connection is not None:
                connection.close()

    def _open_writer(self, prepare: Prepare | None) -> None:
        try:
            self._writer = _connect_writer(self.path)
            self.write(lambda connection: self._set_up(connection, prepare))
        except (StoreReadOnly, StoreFull) as error:
            self.close()
            if not self.path.exists():
                raise
            # What is stored can still be read; the reason is told to whoever writes.
            self._refusal = error
        except BaseException:
            self.close()
            raise

    def _set_up(self, connection: sqlite3.Connection, prepare: Prepare | None) -> None:
        if connection.execute(_HAS_RECORDS).fetchone() is None:
            self._require_empty(connection)
            for statement in _TABLES:
                connection.execute(statement)
            first = encode(StoreFormat(created_at=datetime.now(UTC)))
            _apply(connection, [Write(_FORMAT_PATH, first)])
        again = self._reindex or self._index
        if prepare and prepare(connection) and again:
            cursor = connection.execute(_SCAN, ("", _LAST))
            while rows := cursor.fetchmany(_REINDEX_ROWS):
                again(connection, [Stored(path, data, str(version)) for path, data, version in rows])

    def _require_empty(self, connection: sqlite3.Connection) -> None:
        """Refuse to make a store of a file that another program keeps something in."""
        tables = [row[0] for row in connection.execute(_ALL_TABLES)]
        if tables:
            facts = {"file": self.path, "its tables": ", ".join(tables[:_MAX_LISTED])}
            hint = "name another folder: NACRE_STORE=FOLDER"
            raise CorruptRecord("This file is another program's", facts, (hint, "it was left as it is"))


class _Scan(Iterator[Stored]):
    """Records of one snapshot, on a connection of their own: it is taken at the call and delays nobody."""

    def __init__(self, path: Path, uri: str, prefix: str) -> None:
        self._path = path
        with translated(path):
            self._connection = _connect(uri)
            self._rows = self._connection.execute(_SCAN, (prefix, prefix + _LAST))

    def __next__(self) -> Stored:
        with translated(self._path):
            for path, data, version in self._rows:
                return Stored(path, data, str(version))
        self._connection.close()
        # Asking an ended iterator again must keep saying so.
        self._rows = iter(())  # type: ignore[assignment]  # a cursor is only iterated over here
        raise StopIteration

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=True
    )


def _connect_writer(path: Path) -> sqlite3.Connection:
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path.as_uri())
        try:
            # Before anything is changed: a newer store is left exactly as it is.
            _check_format(connection, path)
            _choose_journal(connection, path)
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection


def _choose_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Use a write-ahead log, which nearly every store has already; not where several machines reach its files.

    Its shared memory is not shared between machines: https://sqlite.org/wal.html.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    kind = network_filesystem(path.parent)
    if not kind:
        _use_write_ahead_log(connection)
        return
    log.warning(
        "The store %s is on a network file system (%s): it is slower there, and safe only while one machine uses it. "
        "Keep it on a local disk, or share a bucket: NACRE_STORE=s3://…",
        path.parent,
        kind,
    )


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the journal mode; SQLite does not wait by itself when several processes make the file at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _connect_reader(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open for reading, also where neither the file nor its directory can be written."""
    with translated(path):
        if not path.exists():
            raise StoreUnavailable("There is no store", {"file": path}, "a run makes it: nacre build")
        uri = path.as_uri() + "?mode=ro"
        connection = _connect(uri)
        try:
            connection.execute(_HAS_RECORDS)
            return connection, uri
        except sqlite3.OperationalError:
            connection.close()
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                # Without its log the file alone would show an older state.
                raise
        except BaseException:
            connection.close()
            raise
        # SQLite cannot make its shared-memory file here, and needs none while nobody can write.
        uri = path.as_uri() + "?immutable=1"
        return _connect(uri), uri


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a store of a newer nacre; a file without records passes, it is about to become a store."""
    with translated(path):
        if connection.execute(_HAS_RECORDS).fetchone() is None:
            return
        row = connection.execute(_GET, (_FORMAT_PATH,)).fetchone()
    if row is not None:
        require_format(row[0], str(path))


def _transact(connection: sqlite3.Connection, action: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = action(connection)
        connection.execute("COMMIT")
    except BaseException:
        # Some errors, such as a full disk, have already undone the transaction.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _apply(
    connection: sqlite3.Connection, writes: Sequence[Write]
) -> tuple[list[Token | None], list[Stored]]:
    """Apply writes in order; each one's outcome, and the accepted ones as stored."""
    last = connection.execute(_LAST_VERSION).fetchone()
    if last is None:
        raise sqlite3.DatabaseError("no such row: the counter of versions is gone")
    version: int = last[0]
    outcomes: list[Token | None] = []
    accepted: list[Stored] = []
    execute = connection.execute
    for path, data, expect, after, _, needs in writes:
        token = None
        # As Write.is_orphaned says, without a call for each record.
        if (after is None or outcomes[after] is not None) and (not needs or all(outcomes[n] for n in needs)):
            new = version + 1
            if expect is None:
                changed = execute(_CREATE, (path, data, new)).rowcount
            else:
                changed = execute(_REPLACE, (data, new, path, expect)).rowcount
            if changed:
                version = new
                token = str(new)
                accepted.append(Stored(path, data, token))
        outcomes.append(token)
    if accepted:
        execute(_COUNT, (version,))
    return outcomes, accepted
