"""Who we are to S3: where keys, region and endpoint come from, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre.errors import StoreError, StoreReadOnly, StoreUnavailable
from nacre.store.credentials.access import without_user
from nacre.store.credentials.s3 import find_access
from nacre.store.refusals import Site

SITE = Site("s3://lake/bluesky", is_store=True)
KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The two files of the AWS tools, and the variables that name them."""
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = d%d\n"
        "[work]\naws_access_key_id = W\naws_secret_access_key = w\naws_session_token = t\n"
    )
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile work]\nregion = eu-north-1\nendpoint_url = https://s3.example.org/\n"
        "[profile login]\nsso_session = x\nregion = eu-west-3\n"
    )
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }


def no_files(tmp_path: Path) -> dict[str, str]:
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none either"),
    }


def test_variables_win_over_the_files(files: dict[str, str]) -> None:
    given = {**files, **KEYS, "AWS_SESSION_TOKEN": "C", "AWS_DEFAULT_REGION": "us-west-2"}
    access = find_access(SITE, given)
    assert access.endpoint == "https://s3.us-west-2.amazonaws.com"
    assert dict(access.settings) == {
        "access_key_id": "A",
        "secret_access_key": "B",
        "session_token": "C",
        "region": "us-west-2",
        "disable_bulk_delete": True,
    }


def test_the_default_profile_is_read_where_there_are_no_variables(files: dict[str, str]) -> None:
    settings = dict(find_access(SITE, files).settings)
    assert (settings["access_key_id"], settings["secret_access_key"]) == ("D", "d%d")
    assert settings["region"] == "eu-west-1"


def test_a_named_profile_brings_its_keys_region_and_endpoint(files: dict[str, str]) -> None:
    access = find_access(SITE, {**files, "AWS_PROFILE": "work"})
    assert access.endpoint == "https://s3.example.org"
    settings = dict(access.settings)
    assert settings["endpoint"] == access.endpoint
    assert (settings["region"], settings["session_token"]) == ("eu-north-1", "t")


def test_the_endpoint_of_s3_wins_over_that_of_all_services(tmp_path: Path) -> None:
    given = {
        **no_files(tmp_path),
        **KEYS,
        "AWS_ENDPOINT_URL": "http://other:1",
        "AWS_ENDPOINT_URL_S3": "http://s3:2",
    }
    assert find_access(SITE, given).endpoint == "http://s3:2"


def test_without_any_keys_it_says_where_it_looked_and_asks_nobody(tmp_path: Path) -> None:
    given = no_files(tmp_path)
    with pytest.raises(StoreReadOnly) as caught:
        find_access(SITE, given)
    text = str(caught.value)
    assert "no credentials for the bucket lake" in text
    assert given["AWS_SHARED_CREDENTIALS_FILE"] in text
    assert "AWS_ACCESS_KEY_ID" in text
    assert "NACRE_STORE=.nacre" in text
    with pytest.raises(StoreReadOnly, match=r'places = {"s3://lake" = "./lake"}'):
        find_access(SITE._replace(is_store=False), given)


@pytest.mark.parametrize(
    "said",
    [
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"},
        {"AWS_EC2_METADATA_DISABLED": "false"},
    ],
)
def test_a_service_that_hands_out_keys_is_asked_where_something_names_it(
    tmp_path: Path, said: dict[str, str]
) -> None:
    settings = dict(find_access(SITE, {**no_files(tmp_path), **said}).settings)
    assert "access_key_id" not in settings
    assert "skip_signature" not in settings


def test_half_a_pair_of_keys_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreReadOnly, match="AWS_SECRET_ACCESS_KEY is not set"):
        find_access(SITE, {**no_files(tmp_path), "AWS_ACCESS_KEY_ID": "A"})


def test_a_profile_that_needs_a_log_in_says_how_to_export_its_keys(files: dict[str, str]) -> None:
    with pytest.raises(StoreReadOnly, match=r"(?s)profile login.*aws configure export-credentials"):
        find_access(SITE, {**files, "AWS_PROFILE": "login"})


def test_a_profile_that_does_not_exist_is_named(files: dict[str, str]) -> None:
    with pytest.raises(StoreReadOnly, match="no keys for the profile wrok"):
        find_access(SITE, {**files, "AWS_PROFILE": "wrok"})


def test_a_bucket_that_anybody_may_read_needs_no_keys(tmp_path: Path) -> None:
    access = find_access(SITE, {**no_files(tmp_path), "AWS_SKIP_SIGNATURE": "true"})
    assert dict(access.settings) == {
        "skip_signature": True,
        "region": "us-east-1",
        "disable_bulk_delete": True,
    }


def test_an_endpoint_must_be_a_url_and_may_be_kept_encrypted(tmp_path: Path) -> None:
    given = {**no_files(tmp_path), **KEYS}
    with pytest.raises(StoreUnavailable, match=r"(?s)is no URL.*s3\.example\.org:9000.*https://"):
        find_access(SITE, {**given, "AWS_ENDPOINT_URL": "s3.example.org:9000"})
    plain = {**given, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}
    assert find_access(SITE, plain).endpoint == "http://127.0.0.1:9000"
    with pytest.raises(StoreUnavailable, match="AWS_ALLOW_HTTP is off"):
        find_access(SITE, {**plain, "AWS_ALLOW_HTTP": "false"})


def test_a_file_that_cannot_be_read_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"\xff[[broken")
    with pytest.raises(StoreReadOnly, match="no credentials"):
        find_access(SITE, no_files(tmp_path))


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("start", ["http://", "https://"])
def test_a_password_in_the_endpoint_is_neither_shown_nor_sent(name: str, start: str) -> None:
    access = find_access(SITE, {**KEYS, name: f"{start}bob:hunter2@host:9000/p@th"})
    assert access.endpoint == dict(access.settings)["endpoint"] == f"{start}host:9000/p@th"


@pytest.mark.parametrize("password", ["hun/ter2", "/hunter2", "hun/t@/er2", "h@un:/ter2", "hun://ter2"])
@pytest.mark.parametrize("start", ["", "http://"])
def test_a_password_with_a_slash_is_taken_out_of_a_url(start: str, password: str) -> None:
    assert without_user(f"{start}bob:{password}@host:9000") == f"{start}host:9000"


@pytest.mark.parametrize("host", ["host", "host:9000", "[::1]", "[::1]:9000"])
def test_a_sign_in_the_path_of_a_url_begins_no_host(host: str) -> None:
    assert without_user(f"http://bob:hunter2@{host}/a@b") == f"http://{host}/a@b"


def test_no_error_about_an_endpoint_shows_its_password(tmp_path: Path) -> None:
    for given in (
        {**KEYS, "AWS_ENDPOINT_URL": "bob:hunter2@host"},
        {**KEYS, "AWS_ENDPOINT_URL": "http://bob:hunter2@host", "AWS_ALLOW_HTTP": "false"},
        {**no_files(tmp_path), "AWS_ENDPOINT_URL": "https://bob:hunter2@host"},
    ):
        with pytest.raises(StoreError, match="host") as caught:
            find_access(SITE, given)
        assert "bob" not in str(caught.value)
        assert "hunter2" not in str(caught.value)
