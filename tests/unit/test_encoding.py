"""Digests: golden, unambiguous, the same for a stream and its whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nacre.encoding import digest, digest_bytes, digest_chunks, digest_texts

PARTS = st.lists(st.text(max_size=8), max_size=5)


def test_digests_never_change() -> None:
    """A change of any of these invalidates every store: it needs a new FORMAT and a migration note."""
    assert digest("key", "a", b"b") == "a54e9f391022b1c290013172ee87552a744cfa8eafd357fcd44c33fdf5e7555c"
    assert (
        digest_texts("recipe", ["a", "", "é\ud800"])
        == "4a4b12233ae1c696da125ef53579591eb98a82d0e8a62380716449517d20868c"
    )
    assert digest_bytes(b"nacre") == "87ed82cdc5ff1d511b946c3d5eaf618946c8621e942876400ae258502d844698"


@given(PARTS, PARTS)
def test_different_parts_never_share_bytes(one: list[str], other: list[str]) -> None:
    assert (digest("t", *one) == digest("t", *other)) == (one == other)
    assert (digest_texts("t", one) == digest_texts("t", other)) == (one == other)


def test_tags_keep_kinds_apart() -> None:
    assert digest("a", "b") != digest("ab")
    assert digest_texts("a", ["b"]) != digest_texts("b", ["b"])


def test_text_is_its_utf_8_with_lone_surrogates() -> None:
    assert digest("t", "é") == digest("t", "é".encode())
    assert digest("t", "\ud800") != digest("t", "\ud801")


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_a_stream_has_the_digest_of_its_whole(chunks: list[bytes]) -> None:
    assert digest_chunks(chunks) == digest_bytes(b"".join(chunks)) == digest_chunks(map(memoryview, chunks))
