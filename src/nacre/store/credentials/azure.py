"""Who we are to Azure Blob Storage: an account with a key, a signature, an identity of Entra, or the emulator's own.

The metadata service of a cloud machine is asked only where something says that there is one: elsewhere it does not
answer, and a run would hang before its first step.
"""

from __future__ import annotations

from collections.abc import Mapping

from nacre.errors import StoreUnavailable
from nacre.store.credentials.access import Access, first, is_on, pairs, without_user
from nacre.store.refusals import Site, no_credentials

EMULATOR = "http://127.0.0.1:10000/devstoreaccount1"
#: Not secret: the emulator's documentation prints them, and no account of the service has them.
EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
#: Told to the client library, which reads the variable too, and then its own endpoint instead of ours.
_NOT_BY_ITSELF: dict[str, str | bool] = {"use_emulator": False}
_ACCOUNT = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
_KEY = (
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
)
_SIGNATURE = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY")
#: Set on machines of Azure where a service hands out tokens.
_MACHINE = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_MSI_ENDPOINT")
_HINT = (
    "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or log in with az login and set AZURE_USE_AZURE_CLI=true; "
    "on a machine with a managed identity: AZURE_CREDENTIAL_TYPE=managed_identity"
)


def find_access(site: Site, environ: Mapping[str, str]) -> Access:
    """Find out how to reach a container, without any request.

    Args:
        site: The container, for errors.
        environ: Where the variables are.

    Raises:
        StoreReadOnly: No account or no credentials are configured.
        StoreUnavailable: The endpoint is no URL.
    """
    said = _connection_string(site, environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    if is_on(environ.get("AZURE_STORAGE_USE_EMULATOR", "")) or is_on(said.get("usedevelopmentstorage", "")):
        written = first(environ, "AZURE_STORAGE_ENDPOINT", "AZURITE_BLOB_STORAGE_URL")
        endpoint = without_user(written).rstrip("/") or EMULATOR
        account: dict[str, str | bool] = {
            "account_name": EMULATOR_ACCOUNT,
            "account_key": EMULATOR_KEY,
            "endpoint": endpoint,
        }
        return Access(endpoint, pairs(account | _NOT_BY_ITSELF))
    account_name = said.get("accountname") or first(environ, *_ACCOUNT)
    endpoint = _endpoint(said, environ)
    if endpoint and not endpoint.startswith(("http://", "https://")):
        hint = "write it with its scheme, such as https://account.blob.core.windows.net"
        facts = site._replace(endpoint=endpoint).facts()
        raise StoreUnavailable("AZURE_STORAGE_ENDPOINT is no URL", facts, hint)
    if not account_name:
        hint = "set AZURE_STORAGE_ACCOUNT, or AZURE_STORAGE_CONNECTION_STRING for account and key together"
        raise no_credentials(site._replace(endpoint=endpoint), "no storage account is named", hint)
    settings: dict[str, str | bool] = {"account_name": account_name, "endpoint": endpoint}
    shown = endpoint or f"https://{account_name}.blob.core.windows.net"
    identity = _identity(site._replace(endpoint=shown), said, environ)
    return Access(shown, pairs(settings | identity | _NOT_BY_ITSELF))


def _identity(site: Site, said: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str | bool]:
    """Take the first of what can prove who we are; a connection string is looked at before all variables."""
    if key := said.get("accountkey") or ("" if said.get("sharedaccesssignature") else first(environ, *_KEY)):
        return {"account_key": key}
    if signature := said.get("sharedaccesssignature") or first(environ, *_SIGNATURE):
        return {"sas_key": signature.removeprefix("?")}
    if token := environ.get("AZURE_STORAGE_TOKEN", "").strip():
        return {"token": token}
    if is_on(environ.get("AZURE_SKIP_SIGNATURE", "")):
        return {"skip_signature": True}
    names = ("client_id", "tenant_id", "client_secret", "federated_token_file")
    entra: dict[str, str | bool] = {name: environ.get(f"AZURE_{name.upper()}", "") for name in names}
    if (
        entra["client_id"]
        and entra["tenant_id"]
        and (entra["client_secret"] or entra["federated_token_file"])
    ):
        return entra
    if is_on(environ.get("AZURE_USE_AZURE_CLI", "")):
        return {"use_azure_cli": True}
    if environ.get("AZURE_CREDENTIAL_TYPE") == "managed_identity" or first(environ, *_MACHINE):
        return {"client_id": entra["client_id"]}
    raise no_credentials(site, "there is no key, signature or identity for the account", _HINT)


def _endpoint(said: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Where the account's blobs are served; empty for the public cloud's own address."""
    written = said.get("blobendpoint") or first(environ, "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
    suffix = said.get("endpointsuffix", "core.windows.net")
    if not written and suffix != "core.windows.net":
        return f"{said.get('defaultendpointsprotocol', 'https')}://{said.get('accountname')}.blob.{suffix}"
    return without_user(written).rstrip("/")


def _connection_string(site: Site, text: str) -> dict[str, str]:
    """Split what ``az storage account show-connection-string`` prints; names in lower case."""
    parts = [part.partition("=") for part in text.strip().split(";") if part.strip()]
    if any(not separator for _, separator, _ in parts):
        problem = "AZURE_STORAGE_CONNECTION_STRING is not made of NAME=VALUE parts with semicolons between"
        raise no_credentials(site, problem, "copy it whole: az storage account show-connection-string")
    return {name.strip().lower(): value.strip() for name, _, value in parts}
