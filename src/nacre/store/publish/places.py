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
    for start, place in sorted(places, key=lambda each: -len(each[0])):
        rest = key.removeprefix(start)
        if key.startswith(start) and (not rest or rest.startswith("/") or start.endswith("/")):
            return f"{place.rstrip('/')}/{rest.lstrip('/')}" if rest else place
    scheme, _, path = key.partition("://")
    if scheme == FILE_SCHEME:
        return "/" + path.lstrip("/")
    return key if scheme in BUCKET_SCHEMES else ""
