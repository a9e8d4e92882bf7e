"""Who we are to Google Cloud Storage: a key file, a log-in of gcloud, a token, or an emulator's nobody.

The metadata service of a cloud machine is asked only where something says that there is one: elsewhere it does not
answer, and a run would hang before its first step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from nacre.errors import StoreUnavailable
from nacre.store.credentials.access import Access, first, is_off, is_on, pairs, without_user
from nacre.store.refusals import Site, no_credentials

ENDPOINT = "https://storage.googleapis.com"
#: Google's own libraries set or read these where a metadata service answers.
_MACHINE = ("GCE_METADATA_HOST", "K_SERVICE", "CLOUD_RUN_JOB")
_KINDS = ("service_account", "authorized_user")
_EXPORT = 'export GOOGLE_BEARER_TOKEN="$(gcloud auth print-access-token)"'
_ON_A_MACHINE = "on a Compute Engine machine: GCE_METADATA_HOST=metadata.google.internal"
#: Sent where nobody asks who we are: without any token the client library would ask a metadata service for writes.
_NOBODY = "anonymous"


def find_access(site: Site, environ: Mapping[str, str]) -> Access:
    """Find out how to reach a bucket, without any request.

    Args:
        site: The bucket, for errors.
        environ: Where the variables are.

    Raises:
        StoreReadOnly: No credentials are configured, or they are of a kind that cannot be used.
        StoreUnavailable: The emulator's address is no URL.
    """
    emulator = _emulator(site, environ)
    if emulator:
        token = environ.get("GOOGLE_BEARER_TOKEN") or _NOBODY
        return Access(emulator, pairs({"base_url": emulator, "skip_signature": True, "bearer_token": token}))
    if is_on(environ.get("GOOGLE_SKIP_SIGNATURE", "")):
        return Access(ENDPOINT, pairs({"skip_signature": True, "bearer_token": _NOBODY}))
    if token := environ.get("GOOGLE_BEARER_TOKEN", "").strip():
        return Access(ENDPOINT, pairs({"bearer_token": token}))
    named = first(environ, "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT")
    file = named or _log_in(environ)
    site = site._replace(endpoint=ENDPOINT)
    if named or os.path.isfile(file):
        _require_usable(site, file)
        return Access(ENDPOINT, pairs({"application_credentials": file}))
    if first(environ, *_MACHINE) or is_off(environ.get("NO_GCE_CHECK", "")):
        return Access(ENDPOINT, ())
    hint = "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
    raise no_credentials(
        site, f"GOOGLE_APPLICATION_CREDENTIALS is not set, and there is no {file}", f"{hint}; {_ON_A_MACHINE}"
    )


def _emulator(site: Site, environ: Mapping[str, str]) -> str:
    """The URL of an emulator, which Google's libraries let be written without a scheme; empty where none is named."""
    host = environ.get("STORAGE_EMULATOR_HOST", "").strip().rstrip("/")
    url = without_user(host if not host or "://" in host else f"http://{host}")
    if url and not url.startswith(("http://", "https://")):
        hint = "write it as http://127.0.0.1:9023, or unset it"
        raise StoreUnavailable("STORAGE_EMULATOR_HOST is no URL", site._replace(endpoint=url).facts(), hint)
    return url


def _log_in(environ: Mapping[str, str]) -> str:
    """The file that ``gcloud auth application-default login`` writes."""
    folder = environ.get("CLOUDSDK_CONFIG") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".config", "gcloud"
    )
    return os.path.join(folder, "application_default_credentials.json")


def _require_usable(site: Site, file: str) -> None:
    """Refuse a file that the client library could not use: its own words for that are of its insides."""
    import json  # costs start-up time, and most projects have no such file

    try:
        with open(file, encoding="utf-8") as opened:
            kind = json.load(opened).get("type", "")
    except OSError as error:
        raise no_credentials(
            site, f"{file}: {error.strerror}", "correct GOOGLE_APPLICATION_CREDENTIALS"
        ) from None
    except (ValueError, AttributeError):
        hint = "set GOOGLE_APPLICATION_CREDENTIALS to the JSON file of a service account"
        raise no_credentials(site, f"{file} is no file of credentials", hint) from None
    if kind not in _KINDS:
        problem = f"{file} has credentials of the kind {kind or 'none'}; known are {' and '.join(_KINDS)}"
        raise no_credentials(site, problem, f"for an hour, a token of theirs does: {_EXPORT}")
