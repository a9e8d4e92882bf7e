"""Asset keys, artifact keys and the names and paths derived from them. Pure: no clock, no randomness."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nacre.encoding import digest
from nacre.errors import SAFE, InvalidKey

MAX_KEY_LENGTH = 512
#: How nearly all keys are written; one that does not match is judged rule by rule.
_USUAL = re.compile(r"[a-z0-9]+://[A-Za-z0-9_][A-Za-z0-9_.=-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.=-]*)*")
# The rules one by one; compiled when a key first needs them.
_SCHEME = r"[a-z0-9]+://"
#: Control characters, and halves of surrogate pairs: neither buckets nor all file systems take them.
_UNFIT = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"
_NO_NAME = rf"[{_UNFIT}]"
_RESTRICTED = rf"[{_UNFIT} #?&%\"'<>\[\]|\\^`]"
_BRACES = r"[{}]"
_DIMENSION = r"\{([A-Za-z_][A-Za-z0-9_]*)\}"
_ARTIFACT = re.compile(r"[a-z0-9-]*\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.=-]+")
_GENERIC = frozenset({"data", "part", "index"})


def validate_key(key: object) -> str:
    """Check an asset key: a URI by Prefect's rules, with a guard against path traversal.

    Args:
        key: The key as the user wrote it; a partition's dimension may stand in it as ``{name}``.

    Returns:
        The key, unchanged.

    Raises:
        InvalidKey: The key breaks a rule; the text names the rule and offers a key that holds.
    """
    if isinstance(key, str) and len(key) <= MAX_KEY_LENGTH and _USUAL.fullmatch(key):
        return key
    if not isinstance(key, str):
        raise InvalidKey("Key must be a string", {"key": repr(key), "type": type(key).__name__})
    if not re.match(_SCHEME, key):
        bare = _UNSAFE.sub("_", key).strip("_") or "name"
        scheme = "" if "://" in key else f'did you mean "asset://{bare}"?'
        raise InvalidKey(
            "Key must be a valid URI, like scheme://path",
            {"key": repr(key)},
            scheme or "a scheme has lower-case letters and digits only",
        )
    plain = re.sub(_DIMENSION, r"\1", key)
    bad = re.search(_RESTRICTED, plain) or re.search(_BRACES, plain)
    if bad:
        hint = ""
        if bad[0] in "{}":
            hint = "a {dimension} is one name in braces, and only where partitions= declares it"
        raise InvalidKey(f"Asset key cannot contain {bad[0]!r}", {"key": repr(key)}, hint)
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidKey(
            f"Asset key cannot exceed {MAX_KEY_LENGTH} characters",
            {"key": key[:60] + "…", "length": len(key)},
        )
    if any(segment in ("..", ".") for segment in key.split("://", 1)[1].split("/")):
        raise InvalidKey(
            "Asset key cannot contain '.' or '..' as a path segment",
            {"key": repr(key)},
            "a key names one place; write the path it means",
        )
    return key


def odd_segment(path: str) -> str | None:
    """Return the first segment of a path that can name nothing; else None.

    It is ``.``, ``..`` or empty, or has a control character or half of a surrogate pair. One slash at the end is
    nothing odd.

    >>> odd_segment("lake/../raw/")
    '..'
    """
    segments = path.removesuffix("/").split("/") if path else []
    return next((each for each in segments if each in ("", ".", "..") or re.search(_NO_NAME, each)), None)


def dimensions(key: str) -> list[str]:
    """Name the dimensions that stand in braces in a key, in order."""
    return re.findall(_DIMENSION, key) if "{" in key else []


def require_dimensions(keys: Iterable[str], known: str) -> None:
    """Check that what stands in braces in keys is what their partitions are values of.

    Args:
        keys: Of what one function makes.
        known: The dimension of its partitions; empty where it has none.

    Raises:
        InvalidKey: Another name stands there.
    """
    for key in keys:
        for found in dimensions(key):
            if found != known:
                hint = "a {dimension} may stand in a key only where its partitions declare it"
                example = f'partitions=DailyPartitions("2026-11-01", dimension="{found}")'
                raise InvalidKey("Asset key cannot contain '{'", {"key": repr(key)}, (hint, example))


# ── slots: an asset, or one partition of it ───────────────────────────────────────────────────────────────────────────

#: Stands in no key, so that a slot can be taken apart again.
_SLOT = "#"


def slot(key: str, partition: str = "") -> str:
    """Name what has a version of its own: an asset by its key, a partition by key and partition.

    >>> slot("s3://lake/posts/date={date}/posts.parquet", "2026-11-01")
    's3://lake/posts/date={date}/posts.parquet#2026-11-01'
    """
    return f"{key}{_SLOT}{partition}" if partition else key


def key_of(slot: str) -> str:
    """Return the asset key of a slot."""
    return slot.partition(_SLOT)[0]


def partition_of(slot: str) -> str:
    """Return the partition of a slot; empty for the whole asset."""
    return slot.partition(_SLOT)[2]


def resolved(slot: str) -> str:
    """Return the key of a slot with its partition where the dimension stands.

    >>> resolved("s3://lake/posts/date={date}/posts.parquet#2026-11-01")
    's3://lake/posts/date=2026-11-01/posts.parquet'
    """
    key, _, partition = slot.partition(_SLOT)
    return re.sub(_DIMENSION, lambda _: partition, key) if partition else key


def validate_partition(partition: object) -> str:
    """Check a partition: it becomes part of a path and of a slot.

    Raises:
        InvalidKey: It is empty, hidden, or has a character that means something in a path.
    """
    if not isinstance(partition, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:+=@-]*", partition):
        hint = "letters, digits and _ . : + = @ -, the first a letter, digit or _"
        raise InvalidKey("A partition cannot be named that", {"partition": repr(partition)}, hint)
    return partition


def validate_artifact_key(key: object) -> str:
    """Check an artifact key: lower-case letters, digits and dashes, as in Prefect.

    Raises:
        InvalidKey: The key has another character.
    """
    if not isinstance(key, str) or not _ARTIFACT.match(key):
        text = str(key).lower()
        fixed = re.sub(r"[^a-z0-9-]+", "-", text).strip("-")
        raise InvalidKey(
            "Artifact key may contain only lower-case letters, digits and dashes",
            {"key": repr(key)},
            (f'did you mean "{fixed}"?' if fixed else "", SAFE),
        )
    return key


def key_name(key: str) -> str | None:
    """Name an asset by its key: the last segment that says something, without extension.

    Segments that are templated, ``k=v`` or one of data, part, index say nothing.

    >>> key_name("s3://lake/bluesky/posts.parquet")
    'posts'
    >>> key_name("s3://lake/events/date={date}/data.parquet")
    'events'
    """
    last = key.rpartition("/")[2]
    if last.isidentifier() and last not in _GENERIC:
        return last
    for segment in reversed(key.split("://", 1)[-1].split("/")):
        stem = segment.split(".", 1)[0] if not segment.startswith(".") else segment
        if not stem or "{" in segment or "=" in segment or stem in _GENERIC:
            continue
        return stem
    return None


def key_path(key: str) -> str:
    """Encode a key as one path segment, ``slug-digest16``: readable, unique, safe on any file system.

    >>> key_path("pipeline://raw_data")
    'pipeline-raw_data-52a7ddcde3724bd5'
    """
    slug = _UNSAFE.sub("-", key).strip("-.")[:80]
    return f"{slug}-{digest('key', key)[:16]}"
