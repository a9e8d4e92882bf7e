"""Records in a bucket: one small object each, written on conditions that the service keeps.

A record's last line is an id of its own, drawn for each write: no two writes have the same ETag, and a write whose
answer was lost is recognised by reading it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain

from nacre.errors import SAFE, StoreUnavailable
from nacre.store.codec import encode, require_format
from nacre.store.connect import Bucket, at_once
from nacre.store.ids import new_id
from nacre.store.paths import is_record_path
from nacre.store.port import Stored, Token, Write
from nacre.store.probe import broken_promise
from nacre.store.records import StoreFormat
from nacre.store.refusals import odd_answer

Index = Callable[[Sequence[Stored]], None]

#: So many records are held at a time while they are gone through; with its values inline, one may have 100 kB and more.
READ_AT_ONCE = 256
#: Stands before the bytes of what lies at a record's path and is none.
_FOREIGN = b"not a record: "
_FORMAT_PATH = "format"
#: Records of which a refused one means that another machine was faster; the text of code was only there already.
_OF_OTHERS = ("ac/", "heads/")
_ID_LENGTH = len(new_id())
_MARK_LENGTH = _ID_LENGTH + len('\n""')


class BucketRecords:
    """Records below one folder of a bucket, safe for threads, processes and machines.

    Opening makes one request, and several once in the life of a store.

    Args:
        bucket: Where requests go.
        folder: Belongs to the store alone; empty for the whole bucket.
        creates: False never begins a store: ``identity`` then says whether there is one.

    Raises:
        StoreTooNew: A newer nacre wrote the store.
        StoreReadOnly: There is no permission, or there are no credentials.
        StoreUnavailable: It cannot be reached, or its service ignores conditions.
    """

    #: The service cannot compare while it deletes.
    deletes_atomically = False

    def __init__(self, bucket: Bucket, folder: str, *, creates: bool = True) -> None:
        self.bucket = bucket
        self._start = f"{folder}/" if folder else ""
        #: Called with the accepted writes of a batch when the bucket has them; for a deleted record, with empty data.
        self.index: Index | None = None
        #: Called where a result or a head was refused: others wrote what that index does not know.
        self.outrun: Callable[[], None] | None = None
        #: Names this store; empty where there is none. One that is begun anew at the same place has another.
        self.identity = _check_format(self.get(_FORMAT_PATH), bucket)
        if creates and not self.identity:
            self.identity = self._begin()

    def get(self, path: str) -> Stored | None:
        """Read one record, or None where there is none."""
        found = self.bucket.read(self._start + path)
        if found is None:
            return None
        if found[0].lstrip().startswith(b"<"):
            raise odd_answer(self.bucket.site, f"it sent a web page for the record {path}")
        return Stored(path, _unmarked(found[0]), found[1])

    def get_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Read several records, in the order of the paths, several at the same time: a GET for each."""
        return at_once(self.get, paths)

    def create(self, path: str, data: bytes) -> Token | None:
        """Write a record that must not exist yet; None when it existed."""
        return self.batch([Write(path, data)])[0]

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        """Overwrite a record that still has ``token``; None when it had not."""
        return self.batch([Write(path, data, token)])[0]

    def scan(self, prefix: str) -> Iterator[Stored]:
        """Yield the records whose path starts with the prefix, in path order: those there are at the call."""
        return self.changes(prefix, {})

    def changes(self, prefix: str, known: Mapping[str, Token]) -> Iterator[Stored]:
        """Yield what differs from the known tokens: one LIST for 1,000 records, and a GET for each that changed.

        The first are read at the call, the others as they are yielded, some at a time: all of a store's results are
        more than memory holds. One that is replaced meanwhile is yielded as it is then, one that is removed is not.
        """
        listed = dict(self._listed(prefix))
        gone = {path for path in known if path.startswith(prefix) and path not in listed}
        changed = [path for path, token in listed.items() if known.get(path) != token]
        paths = sorted([*changed, *gone])

        def read(start: int) -> list[Stored]:
            some = paths[start : start + READ_AT_ONCE]
            found = self.get_many([path for path in some if path not in gone])
            removed = [Stored(path, b"", "") for path in some if path in gone]
            return sorted([*filter(None, found), *removed])

        return chain(read(0), chain.from_iterable(map(read, range(READ_AT_ONCE, len(paths), READ_AT_ONCE))))

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        """Apply writes, each by its own condition; those at the same time that do not wait for each other.

        What was accepted stays where a later write fails: each record is true by itself.
        """
        outcomes: list[Token | None] = [None] * len(writes)

        def apply(n: int) -> None:
            path, data, expect = writes[n][:3]
            if not writes[n].is_orphaned(outcomes):
                outcomes[n] = self.bucket.write(self._start + path, _marked(data), expect)

        try:
            for wave in _waves(writes):
                at_once(apply, wave)
        finally:
            accepted = [
                Stored(write.path, write.data, token)
                for write, token in zip(writes, outcomes, strict=True)
                if token is not None
            ]
            if self.index and accepted:
                self.index(accepted)
            refused = (write.path for write, token in zip(writes, outcomes, strict=True) if token is None)
            if self.outrun and any(path.startswith(_OF_OTHERS) for path in refused):
                self.outrun()
        return outcomes

    def delete(self, path: str, token: Token) -> bool:
        """Remove a record that still has ``token``; False when it had not.

        The service cannot compare while it deletes: a record that is replaced between the two requests is lost.
        """
        found = self.bucket.head(self._start + path)
        if found is None or found.etag != token:
            return False
        self.bucket.delete(self._start + path)
        if self.index:
            self.index([Stored(path, b"", "")])
        return True

    def location(self, path: str) -> str:
        """Where in the bucket a record lies."""
        return self._start + path

    def close(self) -> None:
        """Do nothing: connections are shared, and end with the process."""

    def _listed(self, prefix: str) -> Iterator[tuple[str, Token]]:
        folder = (self._start + prefix).rpartition("/")[0]
        for page in self.bucket.pages(folder):
            for each in page:
                path = each.path.removeprefix(self._start)
                if path.startswith(prefix) and is_record_path(path):
                    yield path, each.etag

    def _begin(self) -> Token:
        """Write the ``format`` record, by which a store is known, on a service that is seen to keep its promises."""
        now = datetime.now(UTC)
        if broken := broken_promise(self.bucket, self._start.rstrip("/")):
            raise _not_to_be_shared(broken, self.bucket)
        data = _marked(encode(StoreFormat(created_at=now, probed_at=now)))
        # Refused where somebody else began it at this moment, which is as good.
        self.bucket.write(self._start + _FORMAT_PATH, data, None)
        return _check_format(self.get(_FORMAT_PATH), self.bucket)


def _marked(data: bytes) -> bytes:
    return b'%b\n"%b"' % (data, new_id().encode())


def _unmarked(data: bytes) -> bytes:
    """Take the id of its write from a record; what has none, others wrote, and nobody takes it for a record."""
    mark = data[-_MARK_LENGTH:]
    is_whole = len(mark) == _MARK_LENGTH and mark.startswith(b'\n"') and mark.endswith(b'"')
    return data[:-_MARK_LENGTH] if is_whole else _FOREIGN + data


def _waves(writes: Sequence[Write]) -> list[list[int]]:
    """Group writes, by number, into waves: each waits only for earlier waves, and is sent all at once."""
    numbers: list[int] = []
    last: dict[str, int] = {}
    waves: dict[int, list[int]] = {}
    for n, write in enumerate(writes):
        before = [*write.waits, *write.needs]
        before += [m for m in (write.after, last.get(write.path)) if m is not None]
        number = max((numbers[m] + 1 for m in before), default=0)
        numbers.append(number)
        last[write.path] = n
        waves.setdefault(number, []).append(n)
    return list(waves.values())


def _check_format(stored: Stored | None, bucket: Bucket) -> Token:
    """Return the token of the ``format`` record, empty where there is none; refuse that of a newer nacre."""
    if stored is None:
        return ""
    require_format(stored.data, bucket.site.url)
    return stored.token


def _not_to_be_shared(broken: str, bucket: Bucket) -> StoreUnavailable:
    facts = bucket.site.facts(broken)
    hint = (
        "use a service that keeps them, as Amazon S3, Google Cloud Storage, Azure Blob Storage and Ceph do",
        bucket.site.elsewhere,
        SAFE,
    )
    what = "This service does not keep what sharing a store rests on: versions would be lost"
    return StoreUnavailable(what, facts, hint)
