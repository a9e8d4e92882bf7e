"""Keys: which are valid, how they name an asset, and where they lie in a store."""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import InvalidKey
from nacre.keys import (
    dimensions,
    key_name,
    key_of,
    key_path,
    odd_segment,
    partition_of,
    resolved,
    slot,
    validate_artifact_key,
    validate_key,
    validate_partition,
)


@pytest.mark.parametrize(
    "key",
    [
        "s3://",
        "1://x",
        "file:///x",
        "s3://a//b/",
        "s3://é",
        "s3://*",
        "s3://a,;=b",
        "s3://@:",
        "asset://x.parquet",
    ],
)
def test_keys_that_prefect_takes_are_taken(key: str) -> None:
    assert validate_key(key) == key


@pytest.mark.parametrize("key", ["S3://x", "s3+x://y", "my-db://y", "my_db://y", "x", "", "s3:/x", "://x"])
def test_a_key_needs_a_scheme(key: str) -> None:
    with pytest.raises(InvalidKey, match="valid URI"):
        validate_key(key)


@pytest.mark.parametrize("character", "\n\r\t\0 #?&%\"'<>[]|\\^`{}")
def test_characters_that_break_addresses_are_refused(character: str) -> None:
    with pytest.raises(InvalidKey, match="cannot contain"):
        validate_key(f"s3://a{character}b")


def test_no_control_character_and_no_half_of_a_surrogate_pair_is_taken() -> None:
    characters = map(chr, range(0x110000))
    for character in (each for each in characters if category(each) in ("Cc", "Cs")):
        with pytest.raises(InvalidKey, match="cannot contain"):
            validate_key(f"s3://a/{character}b")
        with pytest.raises(InvalidKey, match="cannot be named"):
            validate_partition(f"a{character}")
        assert odd_segment(f"lake/{character}b/") == f"{character}b"


@pytest.mark.parametrize("key", ["s3://../../etc", "s3://a/../b", "s3://a/./b", "s3://.."])
def test_a_key_cannot_leave_its_place(key: str) -> None:
    with pytest.raises(InvalidKey, match="path segment"):
        validate_key(key)


def test_a_dimension_may_stand_in_a_key_in_braces() -> None:
    assert validate_key("s3://a/date={date}/{region}.csv") == "s3://a/date={date}/{region}.csv"
    assert dimensions("s3://a/date={date}/{region}.csv") == ["date", "region"]
    for key in ("s3://a/{a b}.csv", "s3://a/{.csv", "s3://a/}.csv", "s3://a/{}.csv", "s3://a/{0}.csv"):
        with pytest.raises(InvalidKey, match="cannot contain"):
            validate_key(key)


def test_a_slot_can_be_taken_apart_again() -> None:
    key = "s3://a/date={date}/b.csv"
    assert key_of(slot(key, "2026-11-01")) == key
    assert partition_of(slot(key, "2026-11-01")) == "2026-11-01"
    assert resolved(slot(key, "2026-11-01")) == "s3://a/date=2026-11-01/b.csv"
    assert (slot("s3://a/b"), key_of("s3://a/b"), partition_of("s3://a/b"), resolved("s3://a/b")) == (
        "s3://a/b",
        "s3://a/b",
        "",
        "s3://a/b",
    )


@pytest.mark.parametrize("partition", ["", ".", "..", "a/b", "a#b", "a b", "{a}", "a\\b", "é", 7])
def test_a_partition_is_one_plain_segment_of_a_path(partition: object) -> None:
    with pytest.raises(InvalidKey, match="partition cannot be named"):
        validate_partition(partition)


def test_the_longest_key_has_512_characters() -> None:
    assert validate_key("s3://" + "x" * 507)
    with pytest.raises(InvalidKey, match="512"):
        validate_key("s3://" + "x" * 508)


def test_a_bare_name_is_offered_as_a_key() -> None:
    with pytest.raises(InvalidKey, match='did you mean "asset://my_data"'):
        validate_key("my data")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("s3://lake/bluesky/posts.parquet", "posts"),
        ("s3://lake/events/date={date}/data.parquet", "events"),
        ("s3://lake/events/year=2026/part.0.parquet", "events"),
        ("asset://raw_data", "raw_data"),
        ("s3://lake/x/index.html", "x"),
        ("s3://", None),
        ("s3://data/part", None),
        ("s3://lake/.hidden", ".hidden"),
    ],
)
def test_a_key_names_its_asset_by_the_last_segment_that_says_something(key: str, name: str | None) -> None:
    assert key_name(key) == name


@given(st.text(max_size=60), st.text(max_size=60))
def test_paths_of_different_keys_differ_and_are_safe(one: str, other: str) -> None:
    first, second = key_path(one), key_path(other)
    assert (first == second) == (one == other)
    assert all(c.isascii() and (c.isalnum() or c in "_.=-") for c in first)
    assert len(first) <= 97


def test_paths_never_change() -> None:
    assert key_path("pipeline://raw_data") == "pipeline-raw_data-52a7ddcde3724bd5"


def test_artifact_keys_are_lower_case_letters_digits_and_dashes() -> None:
    for key in ("", "a-1", "0"):
        assert validate_artifact_key(key) == key
    for key in ("A", "a_b", "a b", "é", "a\n", None):
        with pytest.raises(InvalidKey):
            validate_artifact_key(key)
