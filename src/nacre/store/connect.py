"""From the URL of a bucket and the environment to requests: the only module that speaks to obstore.

Every request has a time-out and a bounded number of retries. A conditional write whose answer says "no", "conflict",
"error" or nothing at all may have taken effect: it is settled by reading back (docs/adr/0011).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar, cast

from nacre.errors import SAFE, StoreError, StoreUnavailable, UsageError
from nacre.keys import odd_segment
from nacre.store.credentials import Access, find_access
from nacre.store.refusals import Site, answered, from_client, not_s3, read_off, says_no_bucket

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import S3Config, S3Store

A = TypeVar("A")
B = TypeVar("B")

SCHEME = "s3"
CONNECT_TIMEOUT_S, TIMEOUT_S, RETRY_TIMEOUT_S = 5, 60, 60
MAX_RETRIES = 4
MAX_BACKOFF_S = 2
MAX_TRIES = 4
#: A part of a large upload; its own buffers are all the memory that writing takes.
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 3
MAX_COPY_BYTES = 5 * 1024**3
LIST_ROWS = 1_000
REQUESTS_AT_ONCE = 16
#: No object has this ETag: a write that asks for it is refused wherever conditions are kept.
NO_ETAG = "0" * 32


class Address(NamedTuple):
    """A bucket and where in it: ``prefix`` has no slash at either end."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """As a person writes it."""
        return f"{SCHEME}://{self.bucket}/{self.prefix}".rstrip("/")


class Listed(NamedTuple):
    """One object as a LIST tells it."""

    path: str
    size_bytes: int
    etag: str


def parse(url: str) -> Address:
    """Split the URL of a bucket.

    Args:
        url: ``s3://bucket`` or ``s3://bucket/prefix``.

    Raises:
        UsageError: It has another scheme, no bucket, or a part that is empty or dots only.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise UsageError("That is not the URL of a bucket", {"url": url}, "give s3://bucket/prefix")
    if scheme != SCHEME:
        hint = ("other services that speak S3 are reached by AWS_ENDPOINT_URL", Site(url).elsewhere)
        raise UsageError(f"There is no driver for {scheme}:// buckets", {"url": url}, hint)
    if (odd := odd_segment(rest)) is not None:
        meant = "write the path that is meant, such as s3://bucket/prefix"
        raise UsageError(f"The URL of a bucket cannot have the part {odd!r}", {"url": url}, meant)
    return Address(bucket, prefix.rstrip("/"))


class Bucket:
    """One bucket, to which requests are sent. Paths are those of objects in it.

    Args:
        site: How errors name it.
        client: The connection of the client library, shared by all that goes to the same bucket.
    """

    def __init__(self, site: Site, client: S3Store) -> None:
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

        # Without the key `version`, which the client refuses as None, and the ETag bare: Ceph refuses it quoted.
        mode = cast("PutMode", "create" if expect is None else {"e_tag": expect})
        try:
            with answered(self.site):
                try:
                    put = obstore.put(self.client, path, data, mode=mode, use_multipart=False)
                    return _bare(put["e_tag"])
                except (AlreadyExistsError, PreconditionError) as error:
                    if says_no_bucket(error):
                        raise
                    return None
                except GenericError as error:
                    return from_client(error, self.site)
        except FileNotFoundError:
            return None

    @contextmanager
    def open_writer(self, path: str) -> Iterator[BinaryIO]:
        """Open a writer that uploads in parts and replaces what is there at its end; an exception discards it."""
        import obstore

        with answered(self.site):
            writer = obstore.open_writer(
                self.client, path, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
            with writer:
                yield cast(BinaryIO, writer)

    def put(self, path: str, source: BinaryIO) -> str:
        """Put a file over what is there, all at once; its ETag."""
        import obstore

        start = source.read(PART_BYTES)
        with answered(self.site):
            if len(start) < PART_BYTES:
                return _bare(obstore.put(self.client, path, start, use_multipart=False)["e_tag"])
        with self.open_writer(path) as writer:
            while start:
                writer.write(start)
                start = source.read(PART_BYTES)
        return self.etag(path)

    def copy(self, source: str, target: str) -> None:
        """Let the service copy an object over what is there.

        Raises:
            FileNotFoundError: There is no such object.
        """
        import obstore

        with answered(self.site):
            obstore.copy(self.client, source, target)

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens where there is none."""
        import obstore

        with answered(self.site):
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

    def etag(self, path: str) -> str:
        """The ETag of an object that must be there."""
        found = self.head(path)
        if found is None:
            facts = {**self.site.facts(), "object": path}
            raise StoreUnavailable("An object that was just written is gone", facts, "run again")
        return found.etag

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
            raise not_s3(self.site, "an answer without an ETag, which every object has")
        return _bare(etag)

    def is_same(self, other: Bucket) -> bool:
        """Whether both send to the same bucket as the same user, so that the service can copy between them."""
        return self.client is other.client


def connect(url: str, *, is_store: bool = False, environ: Mapping[str, str] = os.environ) -> Bucket:
    """Connect to the bucket of a URL; makes no request.

    Args:
        url: ``s3://bucket`` or ``s3://bucket/prefix``.
        is_store: True for the store, False for a place that a key names: errors advise accordingly.
        environ: Where the AWS variables are.

    Raises:
        UsageError: That is no URL of a bucket.
        StoreReadOnly: No credentials are configured.
        StoreUnavailable: The endpoint cannot be one.
    """
    address = parse(url)
    site = Site(address.url, is_store=is_store)
    access = find_access(site, environ)
    site = site._replace(endpoint=access.endpoint or f"https://s3.{access.region}.amazonaws.com")
    key = (address.bucket, access)
    client = _clients.get(key)
    if client is None:
        client = _clients[key] = _client(address.bucket, access)
    return Bucket(site, client)


#: One connection for each bucket and identity, so that what goes to the same one is known to.
_clients: dict[tuple[str, Access], S3Store] = {}


def _client(bucket: str, access: Access) -> S3Store:
    from obstore.store import S3Store

    settings: dict[str, object] = {
        **dict(access.keys),
        "region": access.region,
        "skip_signature": not access.is_signed,
        # More requests for many deletes, but one that every service has.
        "disable_bulk_delete": True,
    }
    if access.endpoint:
        settings["endpoint"] = access.endpoint
    return S3Store(
        bucket,
        config=cast("S3Config", settings),
        client_options={
            "allow_http": access.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
            "timeout": timedelta(seconds=TIMEOUT_S),
        },
        retry_config={
            "max_retries": MAX_RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S),
            "backoff": {
                "init_backoff": timedelta(milliseconds=50),
                "max_backoff": timedelta(seconds=MAX_BACKOFF_S),
                "base": 2,
            },
        },
    )


def at_once(action: Callable[[A], B], arguments: Sequence[A]) -> list[B]:
    """Call an action with each argument, several at a time; results in order, or the first error."""
    if len(arguments) < 2:
        return [action(each) for each in arguments]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(arguments), REQUESTS_AT_ONCE), "nacre-bucket") as pool:
        return list(pool.map(action, arguments))


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')
