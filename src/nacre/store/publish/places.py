"""Where a key's file lies: the key itself, or what ``[places]`` maps its beginning to; and what is no file. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nacre.errors import InvalidKey
from nacre.keys import dimensions, key_of, partition_of
from nacre.store.services import SERVICES

#: Schemes whose keys name a place; values under any other live in the store only.
BUCKET_SCHEMES = tuple(SERVICES)
FILE_SCHEME = "file"
SCHEMES = tuple(f"{scheme}://" for scheme in (*BUCKET_SCHEMES, FILE_SCHEME))

Places = Sequence[tuple[str, str]]


def location(key: str, places: Places = ()) -> str:
    """Say where the file of a key lies.

    Args:
        key: A key without open dimensions, such as ``s3://lake/posts/date=2026-11-01/posts.parquet``.
        places: Beginnings of keys, each with the absolute folder or URL it stands for; the longest that fits counts.

    Returns:
        An absolute path, or a URL of a bucket; empty where the key names no place.

    >>> location("s3://lake/posts.parquet", [("s3://lake", "/home/ada/lake")])
    '/home/ada/lake/posts.parquet'
    >>> location("s3://lake/posts.parquet")
    's3://lake/posts.parquet'
    >>> location("demo://posts")
    ''
    """
    entry = entry_of(key, places)
    if entry is not None:
        rest = key.removeprefix(entry[0])
        return f"{entry[1].rstrip('/')}/{rest.lstrip('/')}" if rest else entry[1]
    scheme, _, path = key.partition("://")
    if scheme == FILE_SCHEME:
        return "/" + path.lstrip("/")
    return key if scheme in BUCKET_SCHEMES else ""


def entry_of(key: str, places: Places) -> tuple[str, str] | None:
    """Find the entry of places that says where a key lies; None where the key itself says it."""
    for start, place in sorted(places, key=lambda each: -len(each[0])):
        rest = key.removeprefix(start)
        if key.startswith(start) and (not rest or rest.startswith("/") or start.endswith("/")):
            return start, place
    return None


def require_file(slot: str, where: str, store: str = "") -> None:
    """Refuse a slot that could be no file of its own.

    Args:
        slot: An asset, or a partition of it.
        where: Its location.
        store: Where versions are kept: a folder or URL.

    Raises:
        InvalidKey: All partitions would be one file, the path has an empty part or none, or it lies in the store.
    """
    key, facts = key_of(slot), {"key": key_of(slot), "place": where}
    path = where.partition("://")[2] if "://" in where else where.removeprefix("/")
    if partition_of(slot) and not dimensions(key):
        hint = "let the dimension stand in it, such as s3://lake/posts/date={date}/posts.parquet"
        raise InvalidKey("All partitions of this key would be one file", {"key": key}, hint)
    if key.startswith(f"{FILE_SCHEME}://") and not key.startswith(f"{FILE_SCHEME}:///"):
        hint = f"three slashes begin a path: {FILE_SCHEME}:///home/ada/rain.json"
        raise InvalidKey("A file key names a whole path", facts, hint)
    if not all(path.split("/")) or ("://" in where and "/" not in path):
        hint = "name a file in a bucket or folder, such as s3://lake/rain.parquet"
        raise InvalidKey("A key that is a place must name a file, with no empty part", facts, hint)
    inside = [f"{store}/records/", f"{store}/objects/"] if "://" in store else [f"{store}/"]
    if store and where.startswith(tuple(inside)):
        raise InvalidKey(
            "A value cannot be published into the store itself", {**facts, "store": store}, "use another key"
        )
