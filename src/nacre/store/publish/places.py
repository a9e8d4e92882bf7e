"""Where a key's file lies: the key itself, or what ``[places]`` maps its beginning to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

#: Schemes whose keys name a place; values under any other live in the store only.
BUCKET_SCHEMES = ("s3", "gs", "az")
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
