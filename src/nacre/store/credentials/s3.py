"""Who we are to S3: keys, region and endpoint from the usual AWS variables and files.

The metadata service of a cloud machine is asked only where something says that there is one: elsewhere it does not
answer, and a run would hang before its first step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from nacre.errors import StoreUnavailable
from nacre.store.credentials.access import Access, is_off, is_on, pairs, without_user
from nacre.store.refusals import Site, no_credentials

DEFAULT_REGION = "us-east-1"
#: Each of these names a service that hands out credentials; the client library asks it.
_SERVICES = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_EXPORT = 'eval "$(aws configure export-credentials --format env)"'


def find_access(site: Site, environ: Mapping[str, str]) -> Access:
    """Find out how to reach a bucket, without any request.

    Args:
        site: The bucket, for errors.
        environ: Where the AWS variables are.

    Raises:
        StoreReadOnly: No credentials are configured.
        StoreUnavailable: The endpoint is no URL.
    """
    profile = _Profile(environ)
    endpoint = without_user(
        environ.get("AWS_ENDPOINT_URL_S3")
        or environ.get("AWS_ENDPOINT_URL")
        or profile.setting("endpoint_url")
    ).rstrip("/")
    site = site._replace(endpoint=endpoint)
    if endpoint and not endpoint.startswith(("http://", "https://")):
        hint = "write it with its scheme, such as https://s3.example.org"
        raise StoreUnavailable("AWS_ENDPOINT_URL is no URL", site.facts(), hint)
    if endpoint.startswith("http://") and is_off(environ.get("AWS_ALLOW_HTTP", "")):
        hint = "unset AWS_ALLOW_HTTP, or give an endpoint with https://"
        raise StoreUnavailable("The endpoint is not encrypted, and AWS_ALLOW_HTTP is off", site.facts(), hint)
    region = (
        environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or profile.setting("region")
        or DEFAULT_REGION
    )
    is_signed = not is_on(environ.get("AWS_SKIP_SIGNATURE", ""))
    settings: dict[str, str | bool] = {
        **(_keys(site, environ, profile) if is_signed else {}),
        **({} if is_signed else {"skip_signature": True}),
        "region": region,
        "endpoint": endpoint,
        # More requests for many deletes, but one that every service has.
        "disable_bulk_delete": True,
    }
    return Access(endpoint or f"https://s3.{region}.amazonaws.com", pairs(settings))


def _keys(site: Site, environ: Mapping[str, str], profile: _Profile) -> dict[str, str]:
    """Take keys from the environment, else from the profile; none where a service hands them out."""
    given = {name: environ.get(f"AWS_{name.upper()}", "") for name in ("access_key_id", "secret_access_key")}
    if any(given.values()):
        missing = [f"AWS_{name.upper()}" for name, value in given.items() if not value]
        if missing:
            raise no_credentials(site, f"{missing[0]} is not set", f"set {missing[0]} as well")
        return given | {"session_token": environ.get("AWS_SESSION_TOKEN", "")}
    stored = {name: profile.setting(f"aws_{name}") for name in (*given, "session_token")}
    if stored["access_key_id"] and stored["secret_access_key"]:
        return stored
    if any(environ.get(name) for name in _SERVICES) or is_off(environ.get("AWS_EC2_METADATA_DISABLED", "")):
        return {}
    if profile.is_dynamic:
        raise no_credentials(site, f"the profile {profile.name} has no keys of its own", f"run: {_EXPORT}")
    if environ.get("AWS_PROFILE"):
        problem = f"there are no keys for the profile {profile.name} in {profile.file}"
        raise no_credentials(site, problem, "correct AWS_PROFILE, or run: aws configure")
    problem = f"neither the environment nor {profile.file} has keys"
    machine = "; on an EC2 machine with a role: AWS_EC2_METADATA_DISABLED=false"
    hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" + machine
    raise no_credentials(site, problem, hint)


class _Profile:
    """The chosen profile of the two files that AWS tools share; a setting is looked up in either."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.name = environ.get("AWS_PROFILE") or "default"
        self.file = os.path.expanduser(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
        config = os.path.expanduser(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")
        section = self.name if self.name == "default" else f"profile {self.name}"
        self._settings = {**_section(config, section), **_section(self.file, self.name)}

    def setting(self, name: str) -> str:
        """What the profile says; empty where it says nothing."""
        return self._settings.get(name, "")

    @property
    def is_dynamic(self) -> bool:
        """True where a program or a log-in must be asked for keys."""
        return any(
            name.startswith(("sso_", "role_arn", "credential_process", "login_session"))
            for name in self._settings
        )


def _section(path: str, name: str) -> dict[str, str]:
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None, default_section="")
    try:
        parser.read(path, encoding="utf-8")
        return dict(parser[name]) if parser.has_section(name) else {}
    except (Error, UnicodeDecodeError, OSError):
        return {}  # what cannot be read has no keys: the error that follows names the file
