"""Who we are to Azure Blob Storage: what is looked at in which order, and what is said where there is nothing."""

from __future__ import annotations

import pytest

from nacre.errors import StoreReadOnly, StoreUnavailable
from nacre.store.credentials.azure import EMULATOR, EMULATOR_ACCOUNT, find_access
from nacre.store.refusals import Site

SITE = Site("az://lake/bluesky", is_store=True)
ACCOUNT = {"AZURE_STORAGE_ACCOUNT": "ada"}
OWN = {"account_name": "ada", "use_emulator": False}
STRING = "DefaultEndpointsProtocol=https;AccountName=ada;AccountKey=k==;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize("account", ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"])
@pytest.mark.parametrize(
    "key", ["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"]
)
def test_an_account_and_its_key_have_the_names_of_all_tools(account: str, key: str) -> None:
    access = find_access(SITE, {account: "ada", key: "k=="})
    assert access.endpoint == "https://ada.blob.core.windows.net"
    assert dict(access.settings) == {**OWN, "account_key": "k=="}


def test_a_connection_string_wins_over_variables_and_its_key_keeps_its_signs() -> None:
    given = {
        "AZURE_STORAGE_CONNECTION_STRING": STRING,
        "AZURE_STORAGE_ACCOUNT": "bob",
        "AZURE_STORAGE_KEY": "o",
    }
    assert dict(find_access(SITE, given).settings) == {**OWN, "account_key": "k=="}


def test_a_connection_string_may_have_a_signature_an_endpoint_or_another_cloud() -> None:
    said = "BlobEndpoint=https://blobs.example.org/;AccountName=ada;SharedAccessSignature=?sv=1&sig=s%3D"
    access = find_access(SITE, {"AZURE_STORAGE_CONNECTION_STRING": said, "AZURE_STORAGE_KEY": "o"})
    assert access.endpoint == "https://blobs.example.org"
    assert dict(access.settings)["sas_key"] == "sv=1&sig=s%3D"
    assert "account_key" not in dict(access.settings)
    china = STRING.replace("core.windows.net", "core.chinacloudapi.cn")
    access = find_access(SITE, {"AZURE_STORAGE_CONNECTION_STRING": china})
    assert access.endpoint == "https://ada.blob.core.chinacloudapi.cn" == dict(access.settings)["endpoint"]


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=s"}, {"sas_key": "sv=1&sig=s"}),
        ({"AZURE_STORAGE_TOKEN": "t"}, {"token": "t"}),
        ({"AZURE_SKIP_SIGNATURE": "true"}, {"skip_signature": True}),
        ({"AZURE_USE_AZURE_CLI": "true"}, {"use_azure_cli": True}),
        (
            {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_SECRET": "s"},
            {"client_id": "c", "tenant_id": "t", "client_secret": "s"},
        ),
        (
            {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": "/f"},
            {"client_id": "c", "tenant_id": "t", "federated_token_file": "/f"},
        ),
        ({"AZURE_CREDENTIAL_TYPE": "managed_identity"}, {}),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1:1"}, {}),
        ({"MSI_ENDPOINT": "http://127.0.0.1:1", "AZURE_CLIENT_ID": "c"}, {"client_id": "c"}),
    ],
)
def test_other_identities_are_taken_where_there_is_no_key(
    given: dict[str, str], settings: dict[str, object]
) -> None:
    assert dict(find_access(SITE, {**ACCOUNT, **given}).settings) == {**OWN, **settings}


@pytest.mark.parametrize(
    "given",
    [
        {"AZURE_STORAGE_USE_EMULATOR": "true"},
        {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"},
    ],
)
def test_the_emulator_has_an_account_of_its_own(given: dict[str, str]) -> None:
    access = find_access(SITE, {**given, "AZURE_STORAGE_ACCOUNT": "ada", "AZURE_STORAGE_KEY": "real"})
    assert access.endpoint == EMULATOR
    assert dict(access.settings)["account_name"] == EMULATOR_ACCOUNT
    assert "real" not in dict(access.settings).values(), "no real key is shown to an emulator"
    elsewhere = find_access(
        SITE, {**given, "AZURITE_BLOB_STORAGE_URL": "http://127.0.0.1:1/devstoreaccount1"}
    )
    assert elsewhere.endpoint == "http://127.0.0.1:1/devstoreaccount1"


def test_without_an_account_or_an_identity_it_says_what_to_set_and_asks_nobody() -> None:
    with pytest.raises(StoreReadOnly, match="There are no credentials for the container lake") as caught:
        find_access(SITE, {})
    assert "AZURE_STORAGE_CONNECTION_STRING" in str(caught.value)
    assert "NACRE_STORE=.nacre" in str(caught.value)
    with pytest.raises(StoreReadOnly, match="no key, signature or identity") as caught:
        find_access(SITE, ACCOUNT)
    assert "AZURE_USE_AZURE_CLI=true" in str(caught.value)
    assert "https://ada.blob.core.windows.net" in str(caught.value)
    with pytest.raises(StoreReadOnly, match=r'places = {"az://lake" = "./lake"}'):
        find_access(SITE._replace(is_store=False), ACCOUNT)


def test_a_connection_string_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(StoreReadOnly, match="not made of NAME=VALUE parts") as caught:
        find_access(SITE, {"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=secret;oops"})
    assert "secret" not in str(caught.value)


def test_an_endpoint_must_be_a_url() -> None:
    with pytest.raises(StoreUnavailable, match="AZURE_STORAGE_ENDPOINT is no URL"):
        find_access(SITE, {**ACCOUNT, "AZURE_STORAGE_ENDPOINT": "ada.blob.core.windows.net"})


def test_an_access_never_shows_a_secret() -> None:
    access = find_access(SITE, {"AZURE_STORAGE_CONNECTION_STRING": STRING.replace("k==", "very-secret")})
    assert "very-secret" not in repr(access)


@pytest.mark.parametrize("given", [{}, {"AZURE_STORAGE_USE_EMULATOR": "true"}])
def test_a_password_in_the_endpoint_is_neither_shown_nor_sent(given: dict[str, str]) -> None:
    own = {**ACCOUNT, "AZURE_STORAGE_KEY": "a2V5", "AZURE_STORAGE_ENDPOINT": "http://bob:hunter2@host:1/a"}
    access = find_access(SITE, own | given)
    assert access.endpoint == dict(access.settings)["endpoint"] == "http://host:1/a"
