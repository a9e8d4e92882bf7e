"""Canonical bytes and digests: the one place where identity is computed.

Every preimage starts with a type tag and length-prefixes each part, so no two different inputs share bytes.
The format is versioned by ``FORMAT``; a change of any byte written here invalidates every store and needs a new
number, new golden digests in ``tests/unit/test_encoding.py`` and a migration note.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from blake3 import blake3

FORMAT = "n1"
_PACK = struct.Struct("<I").pack


def digest(tag: str, *parts: bytes | str) -> str:
    """Digest tagged parts, unambiguously.

    Args:
        tag: What kind of thing this is; part of the preimage.
        parts: Bytes, or text taken as UTF-8 (lone surrogates kept).

    Returns:
        BLAKE3-256 as 64 hexadecimal digits. Linear in the length of the parts.
    """
    chunks = [FORMAT.encode(), _PACK(len(tag)), tag.encode()]
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        chunks.append(len(data).to_bytes(8, "little"))
        chunks.append(data)
    return blake3(b"".join(chunks)).hexdigest()


def digest_texts(tag: str, texts: Iterable[str]) -> str:
    """Digest a sequence of texts, unambiguously; for the many small identities of a plan.

    Each text is preceded by its length, as a netstring; the tag keeps kinds apart.
    """
    body = "".join([f"{len(text)}:{text}" for text in texts])
    return blake3(f"{FORMAT}:{tag}:{body}".encode("utf-8", "surrogatepass")).hexdigest()


def digest_bytes(data: bytes | memoryview) -> str:
    """Digest raw bytes with no tag: the physical digest of stored bytes."""
    return blake3(data).hexdigest()


def digest_chunks(chunks: Iterable[bytes | memoryview]) -> str:
    """Digest a stream; equal to ``digest_bytes`` of the chunks joined."""
    hasher = blake3()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()
