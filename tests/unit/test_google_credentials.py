"""Who we are to Google Cloud Storage: what is looked at in which order, and what is said where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nacre.errors import StoreReadOnly, StoreUnavailable
from nacre.store.credentials.google import ENDPOINT, find_access
from nacre.store.refusals import Site

SITE = Site("gs://lake/bluesky", is_store=True)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A home without any log-in."""
    return {"HOME": str(tmp_path)}


def key_file(path: Path, kind: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": kind, "private_key": "very secret"}))
    return str(path)


def test_a_key_file_that_a_variable_names_is_used(home: dict[str, str], tmp_path: Path) -> None:
    file = key_file(tmp_path / "key.json", "service_account")
    access = find_access(SITE, {**home, "GOOGLE_APPLICATION_CREDENTIALS": file})
    assert access == (ENDPOINT, (("application_credentials", file),))


def test_else_the_log_in_of_gcloud_is_used(home: dict[str, str], tmp_path: Path) -> None:
    file = key_file(tmp_path / ".config/gcloud/application_default_credentials.json", "authorized_user")
    assert dict(find_access(SITE, home).settings) == {"application_credentials": file}
    elsewhere = key_file(tmp_path / "cloud/application_default_credentials.json", "authorized_user")
    access = find_access(SITE, {**home, "CLOUDSDK_CONFIG": str(tmp_path / "cloud")})
    assert dict(access.settings) == {"application_credentials": elsewhere}


def test_a_token_wins_over_files(home: dict[str, str], tmp_path: Path) -> None:
    file = key_file(tmp_path / "key.json", "service_account")
    given = {**home, "GOOGLE_APPLICATION_CREDENTIALS": file, "GOOGLE_BEARER_TOKEN": "t"}
    assert dict(find_access(SITE, given).settings) == {"bearer_token": "t"}


@pytest.mark.parametrize("host", ["127.0.0.1:9023", "http://127.0.0.1:9023", "http://127.0.0.1:9023/"])
def test_an_emulator_is_asked_as_nobody_and_no_metadata_service_is(home: dict[str, str], host: str) -> None:
    access = find_access(SITE, {**home, "STORAGE_EMULATOR_HOST": host})
    assert access.endpoint == "http://127.0.0.1:9023"
    settings = dict(access.settings)
    assert settings["base_url"] == access.endpoint
    assert settings["skip_signature"] is True
    assert settings["bearer_token"], (
        "without a token the client library asks a metadata service before it writes"
    )


def test_an_emulator_must_be_a_url(home: dict[str, str]) -> None:
    with pytest.raises(StoreUnavailable, match="STORAGE_EMULATOR_HOST is no URL"):
        find_access(SITE, {**home, "STORAGE_EMULATOR_HOST": "unix:///tmp/x"})


def test_without_anything_it_says_where_it_looked_and_asks_nobody(home: dict[str, str]) -> None:
    with pytest.raises(StoreReadOnly, match="There are no credentials for the bucket lake") as caught:
        find_access(SITE, home)
    text = str(caught.value)
    assert "application_default_credentials.json" in text
    assert "gcloud auth application-default login" in text
    assert "GCE_METADATA_HOST=metadata.google.internal" in text
    assert "NACRE_STORE=.nacre" in text
    with pytest.raises(StoreReadOnly, match=r'places = {"gs://lake" = "./lake"}'):
        find_access(SITE._replace(is_store=False), home)


@pytest.mark.parametrize(
    "said",
    [
        {"GCE_METADATA_HOST": "metadata.google.internal"},
        {"K_SERVICE": "nacre"},
        {"CLOUD_RUN_JOB": "nacre"},
        {"NO_GCE_CHECK": "false"},
    ],
)
def test_the_metadata_service_is_asked_where_something_names_it(
    home: dict[str, str], said: dict[str, str]
) -> None:
    assert find_access(SITE, {**home, **said}) == (ENDPOINT, ())


def test_a_bucket_that_anybody_may_read_needs_no_credentials(home: dict[str, str]) -> None:
    settings = dict(find_access(SITE, {**home, "GOOGLE_SKIP_SIGNATURE": "true"}).settings)
    assert settings["skip_signature"] is True


@pytest.mark.parametrize("content", ["", "[]", "no json", '{"type": "external_account"}', "{}"])
def test_a_file_that_cannot_be_used_is_named_and_nothing_of_it_shown(
    home: dict[str, str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(StoreReadOnly, match="There are no credentials") as caught:
        find_access(SITE, {**home, "GOOGLE_APPLICATION_CREDENTIALS": str(file)})
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(StoreReadOnly, match=r"none\.json: No such file"):
        find_access(SITE, {**home, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")})


def test_an_access_never_shows_a_secret() -> None:
    access = find_access(SITE, {"GOOGLE_BEARER_TOKEN": "very secret"})
    assert "very secret" not in repr(access)
    assert "very secret" not in f"{access}"


@pytest.mark.parametrize("start", ["http://", ""])
def test_a_password_in_the_address_of_an_emulator_is_neither_shown_nor_sent(start: str) -> None:
    access = find_access(SITE, {"STORAGE_EMULATOR_HOST": f"{start}bob:hunter2@host:1"})
    assert access.endpoint == dict(access.settings)["base_url"] == "http://host:1"
