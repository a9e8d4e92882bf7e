"""From the URL of a bucket and the environment to requests: the only module that sends them.

Every request has a time-out and a bounded number of retries. A conditional write whose answer says "no", "conflict",
"error" or nothing at all may have taken effect: it is settled by reading back (docs/adr/0011). The services differ in
little but what a condition names (docs/adr/0026).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar, cast

from nacre.errors import SAFE, StoreError, StoreUnavailable
from nacre.store.address import parse
from nacre.store.clients import Patience, connected
from nacre.store.credentials import azure, google, s3
from nacre.store.refusals import Site, answered, from_client, no_bucket, odd_answer, read_off, says_no_bucket

if TYPE_CHECKING:
    from obstore import PutMode

    from nacre.store.clients import Client

A = TypeVar("A")
B = TypeVar("B")

CONNECT_TIMEOUT_S, TIMEOUT_S, RETRY_TIMEOUT_S = 5, 60, 60
MAX_RETRIES = 4
MAX_BACKOFF_S = 2
MAX_TRIES = 4
#: A part of a large upload; its own buffers are all the memory that writing takes.
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 3
#: The services take at most 10,000 parts.
MAX_PARTS = 9_000
LIST_ROWS = 1_000
REQUESTS_AT_ONCE = 16
#: No object has this ETag: a write that asks for it is refused wherever conditions are kept.
NO_ETAG = "0" * 32
#: Nor this generation: they are times in microseconds.
NO_GENERATION = "1"
_FINDERS = {"s3": s3.find_access, "gs": google.find_access, "az": azure.find_access}


class Listed(NamedTuple):
    """One object as a LIST tells it."""

    path: str
    size_bytes: int
    etag: str


class Bucket:
    """One bucket, to which requests are sent. Paths are those of objects in it.

    Args:
        site: How errors name it.
        client: The connection of the client library, shared by all that goes to the same bucket.
    """

    def __init__(self, site: Site, client: Client) -> None:
        self.site = site
        self.client = client

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Read an object with its ETag, or None where there is none."""
        import obstore

        try:
            with answered(self.site):
                found = obstore.get(self.client, path)
                return bytes(found.bytes()), self._etag_of(found.meta["e_tag"])
        except FileNotFoundError:
            return None

    def read_start(self, path: str, size_bytes: int) -> tuple[bytes, int]:
        """Read the first bytes of an object, and say how many it has.

        Raises:
            FileNotFoundError: There is no such object.
        """
        import obstore
        from obstore.exceptions import GenericError

        with answered(self.site):
            try:
                found = obstore.get(self.client, path, options={"range": (0, size_bytes)})
                size = found.meta["size"]
                return self._whole(path, bytes(found.bytes()), min(size_bytes, size)), size
            except GenericError as error:
                # An empty object has no first byte, which a range must have.
                if read_off(error).status != 416:
                    raise
        return b"", 0

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Read the bytes of an object from one position to another.

        Raises:
            FileNotFoundError: There is no such object.
        """
        import obstore

        with answered(self.site):
            found = bytes(obstore.get_range(self.client, path, start=start, end=end))
        return self._whole(path, found, end - start)

    def head(self, path: str) -> Listed | None:
        """Say what is at a path without reading it, or None where nothing is."""
        import obstore

        try:
            with answered(self.site):
                found = obstore.head(self.client, path)
                return Listed(path, found["size"], self._etag_of(found["e_tag"]))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes, expect: str | None) -> str | None:
        """Write an object on a condition, and find out whether that worked even where the answer was lost.

        Args:
            path: Where.
            data: The whole content; must differ from what anybody else writes there.
            expect: The ETag that must be there; None where nothing may be.

        Returns:
            The new ETag; None where the condition was not met and nothing was written.

        Raises:
            StoreError: Nothing could be found out, or somebody changes the object all the time.
        """
        error: StoreError = StoreUnavailable(
            "An object is being changed by others all the time",
            {**self.site.facts(), "object": path},
            ("run again", SAFE),
        )
        for _ in range(MAX_TRIES):
            outcome = self.try_write(path, data, expect)
            if isinstance(outcome, str):
                return outcome
            error = outcome or error
            present = self.read(path)
            if present is not None and present[0] == data:
                return present[1]
            if (present[1] if present else None) != expect:
                return None
            # The condition still holds, so the write did not take effect.
        raise error

    def try_write(self, path: str, data: bytes, expect: str | None) -> str | StoreError | None:
        """Send one conditional write.

        Returns:
            The new ETag; None where the service said no, which after a retry may be a no to our own write; an error
            where nobody knows.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, GenericError, PreconditionError

        try:
            with answered(self.site):
                try:
                    mode = self._condition(path, expect)
                    if mode is None:
                        return None
                    put = obstore.put(self.client, path, data, mode=mode, use_multipart=False)
                    return _bare(put["e_tag"])
                except (AlreadyExistsError, PreconditionError) as error:
                    if says_no_bucket(error):
                        raise
                    return None
                except GenericError as error:
                    return from_client(error, self.site)
        except FileNotFoundError as error:
            # An object that shall be created cannot be missing, so its bucket is.
            return None if expect else no_bucket(self.site, error)

    def _condition(self, path: str, expect: str | None) -> PutMode | None:
        """What makes the service refuse a write to an object that has changed; None where it has, as one look told."""
        import obstore

        service = self.site.service
        if expect is None:
            return "create"
        # Without the keys that are None, which the client refuses.
        if not service.has_generations:
            return cast("PutMode", {"e_tag": f'"{expect}"' if service.quotes_etags else expect})
        if expect == NO_ETAG:
            return cast("PutMode", {"version": NO_GENERATION})
        # A LIST does not tell generations, so tokens cannot be these; an ETag stands for one as long as it is there.
        found = obstore.head(self.client, path)
        is_there = _bare(found["e_tag"]) == expect
        return cast("PutMode", {"version": found["version"]}) if is_there else None

    @contextmanager
    def open_writer(self, path: str, size_bytes: int = 0) -> Iterator[BinaryIO]:
        """Open a writer that uploads in parts and replaces what is there at its end; an exception discards it.

        Args:
            path: Where.
            size_bytes: How much will come, where that is known: parts of what is very large must be larger.
        """
        import obstore

        part_bytes = max(PART_BYTES, -(-size_bytes // MAX_PARTS))
        with answered(self.site):
            writer = obstore.open_writer(
                self.client, path, buffer_size=part_bytes, max_concurrency=PARTS_AT_ONCE
            )
            with writer:
                yield cast(BinaryIO, writer)

    def put(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> str:
        """Put bytes over what is there, all at once; an exception of the pieces leaves what is there.

        Args:
            path: Where.
            pieces: The bytes.
            size_bytes: How many there are.

        Returns:
            The ETag; empty where a file of another size lies there, which others put at the same moment.
        """
        import obstore

        if size_bytes < PART_BYTES:
            data = b"".join(pieces)
            with answered(self.site):
                return _bare(obstore.put(self.client, path, data, use_multipart=False)["e_tag"])
        with self.open_writer(path, size_bytes) as writer:
            for piece in pieces:
                writer.write(piece)
        return self._etag_of_size(path, size_bytes)

    def copy(self, source: str, target: str, size_bytes: int) -> str:
        """Copy an object over what is there: by the service, without moving its bytes, where it is not too large.

        Atomic at the target. What is larger passes through this process, a part at a time: the client library cannot
        ask for a copy in parts.

        Args:
            source: What is copied.
            target: Where to.
            size_bytes: How large it is.

        Returns:
            The ETag of the copy; empty where a file of another size lies there: that of others who put theirs at the
            same moment, or a copy that is still going on, as Azure may leave it.

        Raises:
            FileNotFoundError: There is no such object.
        """
        import obstore

        if not self.copies_at_once(size_bytes):
            return self.put(target, self.pieces(source, size_bytes), size_bytes)
        with answered(self.site):
            obstore.copy(self.client, source, target)
        return self._etag_of_size(target, size_bytes)

    def copies_at_once(self, size_bytes: int) -> bool:
        """Whether the service copies so much itself, without the bytes passing through this process."""
        limit = self.site.service.max_copy_bytes
        return not limit or size_bytes <= limit

    def pieces(self, path: str, size_bytes: int) -> Iterator[bytes]:
        """Read an object of a known size, a part at a time."""
        for start in range(0, size_bytes, PART_BYTES):
            yield self.read_range(path, start, min(start + PART_BYTES, size_bytes))

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens where there is none."""
        import obstore

        with suppress(FileNotFoundError), answered(self.site):
            obstore.delete(self.client, path)

    def pages(self, folder: str, after: str = "") -> Iterator[list[Listed]]:
        """List what is below a folder, in the order of paths, a request and up to 1,000 objects at a time.

        Args:
            folder: Without a slash at its end; empty for the whole bucket.
            after: Begin behind this path.
        """
        import obstore

        with answered(self.site):
            stream = obstore.list(self.client, folder or None, offset=after or None, chunk_size=LIST_ROWS)
        while True:
            with answered(self.site):
                page = next(stream, None)
            if page is None:
                return
            yield [Listed(each["path"], each["size"], _bare(each["e_tag"])) for each in page]

    def _etag_of_size(self, path: str, size_bytes: int) -> str:
        found = self.head(path)
        return found.etag if found is not None and found.size_bytes == size_bytes else ""

    def _whole(self, path: str, data: bytes, size_bytes: int) -> bytes:
        """Refuse an answer that is shorter than it says: reading on behind it would never end."""
        if len(data) == size_bytes:
            return data
        facts = {
            **self.site.facts(),
            "object": path,
            "asked for": f"{size_bytes:,} bytes",
            "came": f"{len(data):,}",
        }
        raise StoreUnavailable("An answer of the bucket broke off", facts, ("run again", SAFE))

    def _etag_of(self, etag: str | None) -> str:
        if not etag:
            raise odd_answer(self.site, "an answer without an ETag, which every object has")
        return _bare(etag)

    def is_same(self, other: Bucket) -> bool:
        """Whether both send to the same bucket as the same user, so that the service can copy between them."""
        return self.client is other.client


def connect(url: str, *, is_store: bool = False, environ: Mapping[str, str] = os.environ) -> Bucket:
    """Connect to the bucket of a URL; makes no request.

    Args:
        url: ``s3://bucket``, ``gs://bucket/prefix`` or ``az://container/prefix``.
        is_store: True for the store, False for a place that a key names: errors advise accordingly.
        environ: Where the variables of its service's tools are.

    Raises:
        UsageError: That is no URL of a bucket.
        StoreReadOnly: No credentials are configured.
        StoreUnavailable: The endpoint cannot be one.
    """
    address = parse(url)
    site = Site(address.url, is_store=is_store)
    access = _FINDERS[address.scheme](site, environ)
    site = site._replace(endpoint=access.endpoint)
    patience = Patience(CONNECT_TIMEOUT_S, TIMEOUT_S, RETRY_TIMEOUT_S, MAX_BACKOFF_S, MAX_RETRIES)
    with answered(site):
        return Bucket(site, connected(site.service, address.bucket, access, patience))


def at_once(action: Callable[[A], B], arguments: Sequence[A]) -> list[B]:
    """Call an action with each argument, several at a time; results in order, or the first error."""
    if len(arguments) < 2:
        return [action(each) for each in arguments]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(arguments), REQUESTS_AT_ONCE), "nacre-bucket") as pool:
        return list(pool.map(action, arguments))


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')
