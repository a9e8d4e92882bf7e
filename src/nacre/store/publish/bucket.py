"""Published files in a bucket: each replaced at once, copied by the service where the version lies there too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO

from nacre.errors import StoreUnavailable
from nacre.store.bucket import BucketObjects, open_at
from nacre.store.connect import NO_ETAG, PART_BYTES, Bucket, Listed, at_once
from nacre.store.ids import new_id
from nacre.store.port import ObjectStore
from nacre.store.publish.port import Content


class BucketPlace:
    """One bucket. A mark is the ETag of an object.

    Args:
        bucket: Where requests go.
    """

    #: An ETag mostly is a digest; where a service gives each write another one, nothing is lost by it.
    marks_content = True

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def check(self, path: str) -> None:
        """Find out whether a file could be put here, with one request that never writes anything.

        It asks to replace an object that nobody has, if its ETag is one that no object has. Who may write is told that
        it is not so; who may not, or comes to the wrong bucket, is told that instead. No object appears, so nothing
        that listens to the bucket is woken, and no right to delete is needed.
        """
        probe = f"{path.rpartition('/')[0]}/.nacre-{new_id()}".lstrip("/")
        outcome = self.bucket.try_write(probe, b"", NO_ETAG)
        if isinstance(outcome, str):
            # A service that ignores conditions wrote it. Publishing needs none, so that is no reason to refuse.
            self.bucket.delete(probe)
        elif outcome is not None:
            raise outcome

    def set_aside(self, path: str, ours: Iterable[Content]) -> str:
        """Say that an object will be lost here: a copy under another name would be found by all who list the folder."""
        found = self.bucket.head(path)
        if found is None or any(self._may_be(found, each) for each in ours):
            return ""
        return "it was replaced; the bucket's own versioning may have it"

    def put(self, path: str, content: Content, expect: str | None = None) -> str | None:
        """Put a file over the one that is there; readers see the one or the other.

        A copy by the service and an upload in parts know no condition: others may put another file over it before it is
        asked for its mark. So it must have the ETag of the version, or its bytes; of a large one the size is enough.
        """
        objects = content.objects
        if content.object and isinstance(objects, BucketObjects) and self.bucket.is_same(objects.bucket):
            return self._copy(path, content, objects)
        pieces = content.pieces(PART_BYTES)
        if expect is None or content.size_bytes >= PART_BYTES:
            return self.bucket.put(path, pieces, content.size_bytes) or None
        data = b"".join(pieces)
        outcome = self.bucket.try_write(path, data, expect or None)
        if isinstance(outcome, str):
            return outcome
        # Refused, or nobody knows. After an answer that was lost, what lies there is ours.
        found = self.bucket.head(path)
        if found is not None and self._is_same(found, content):
            return found.etag
        if outcome is not None:
            raise outcome
        return None

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, in ranges; FileNotFoundError where there is none."""
        try:
            return open_at(self.bucket, path)
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.bucket.site.url}/{path}") from None

    def _copy(self, path: str, content: Content, objects: BucketObjects) -> str | None:
        source, size = objects.path(content.object), content.size_bytes
        if not self.bucket.copies_at_once(size):
            _require_size(content)
            return self.bucket.put(path, content.checked(self.bucket.pieces(source, size)), size) or None
        try:
            etag = self.bucket.copy(source, path, size)
        except FileNotFoundError:
            raise FileNotFoundError(content.object) from None
        if etag and self._is_copy(Listed(path, size, etag), objects, content):
            return etag
        # Others put a file there at the same moment, unless it is the version that is not what it was.
        _require_size(content)
        if size < PART_BYTES:
            b"".join(content.pieces(PART_BYTES))  # fails where it is damaged
        return None

    def _is_copy(self, found: Listed, objects: BucketObjects, content: Content) -> bool:
        if found.size_bytes != content.size_bytes:
            return False
        # Encryption, and services whose ETags count writes, give a copy another one.
        is_told = found.size_bytes >= PART_BYTES or found.etag == objects.etag(content.object)
        return is_told or self._is_same(found, content)

    def _may_be(self, found: Listed, content: Content) -> bool:
        """Whether a file has the bytes of a version; one whose own are gone is nobody's."""
        try:
            return self._is_same(found, content)
        except FileNotFoundError:
            return False

    def _is_same(self, found: Listed, content: Content) -> bool:
        done = 0

        def read(size_bytes: int) -> bytes:
            nonlocal done
            done += size_bytes
            try:
                return self.bucket.read_range(found.path, done - size_bytes, done)
            except FileNotFoundError:
                return b""  # somebody removed it meanwhile

        return content.is_same(found.size_bytes, read)

    def copy_to(self, path: str, objects: ObjectStore, name: str) -> None:
        """Copy a file into a store as a new object; by the service where both lie in this bucket."""
        found = self.bucket.head(path)
        if found is None:
            raise FileNotFoundError(path)
        if isinstance(objects, BucketObjects) and self.bucket.is_same(objects.bucket):
            # Names are never reused, so nobody else can be writing this one.
            if objects.head(name) is not None:
                raise FileExistsError(name)
            if not self.bucket.copy(path, objects.path(name), found.size_bytes):
                facts = {"object": path, "problem": "it was another one while it was copied"}
                raise StoreUnavailable("A file changed while it was read", facts, "run again")
            return
        with self.open(path) as source, objects.put(name) as file:
            while chunk := source.read(PART_BYTES):
                file.write(chunk)

    def sweep(self, folders: Iterable[str], before: datetime, *, delete: bool) -> Sequence[int]:
        """List nothing: the parts of an upload that never ended are the service's, which a lifecycle rule removes."""
        return []

    def marks(self, paths: Sequence[str]) -> dict[str, str]:
        """Say which of the paths have a file: a LIST of what lies between them, at most as many as there are paths."""
        wanted = set(paths)
        if not wanted:
            return {}
        found: dict[str, str] = {}
        seen = ""
        pages = self.bucket.pages(_folder_of(wanted), _before(min(wanted))) if len(wanted) > 1 else ()
        for n_pages, page in enumerate(pages, 1):
            found.update((each.path, each.etag) for each in page if each.path in wanted)
            seen = page[-1].path
            if seen >= max(wanted) or n_pages >= len(wanted):
                break
        else:
            seen = max(wanted) if pages else ""
        # One file, or few among very many others: asking for each is cheaper.
        left = sorted(path for path in wanted if path > seen)
        return found | {each.path: each.etag for each in at_once(self.bucket.head, left) if each}


def _require_size(content: Content) -> None:
    """Refuse a version whose object is gone, or has another size than what was stored."""
    found = content.objects.head(content.object)
    if found is None:
        raise FileNotFoundError(content.object)
    if found.size_bytes != content.size_bytes:
        raise content.damaged()


def _folder_of(paths: set[str]) -> str:
    """The deepest folder that all paths lie below; empty for the whole bucket."""
    return os.path.commonpath([f"/{path.rpartition('/')[0]}" for path in paths]).strip("/")


def _before(path: str) -> str:
    """A path that sorts before another, with nothing but its own beginnings between them."""
    return path[:-1]
