"""How a bucket is reached: what each finder of credentials finds, and the reading of variables that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

#: A name or an address, with a port or without.
_HOST = r"(\[[^]]*\]|[^:]*)(:[0-9]+)?"


class Access(NamedTuple):
    """How to reach a service, and as whom.

    Args:
        endpoint: URL of the service, for errors.
        settings: Those of the client library; secrets among them, so this is never shown.
    """

    endpoint: str
    settings: tuple[tuple[str, str | bool], ...]

    def __repr__(self) -> str:
        return f"Access({self.endpoint!r}, {[name for name, _ in self.settings]})"


def pairs(settings: Mapping[str, str | bool]) -> tuple[tuple[str, str | bool], ...]:
    """Settings without the texts that are empty, in order, so that equal ones are equal."""
    return tuple((name, value) for name, value in settings.items() if value != "")


def first(environ: Mapping[str, str], *names: str) -> str:
    """The value of the first of some variables that is set; empty where none is."""
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def without_user(url: str) -> str:
    """The URL of a service without a user and password in it: the client never sends them, and nobody shall see them.

    A password may have slashes that nobody escaped: what comes before the first one is no host then.

    >>> without_user("https://bob:hunter2@s3.example.org/lake")
    'https://s3.example.org/lake'
    >>> without_user("http://bob:hun/ter2@host:9000")
    'http://host:9000'
    """
    begun = re.match(r"\w+://", url)
    scheme = begun[0] if begun is not None else ""
    host, slash, path = url.removeprefix(scheme).partition("/")
    host = host.rpartition("@")[2]
    if "@" in path and not re.fullmatch(_HOST, host):
        host, slash, path = path.rpartition("@")[2].partition("/")
    return f"{scheme}{host}{slash}{path}"


def is_on(text: str) -> bool:
    """Whether a variable says yes."""
    return text.strip().lower() in ("1", "true", "yes", "on")


def is_off(text: str) -> bool:
    """Whether a variable says no, which an unset one does not."""
    return text.strip().lower() in ("0", "false", "no", "off")
