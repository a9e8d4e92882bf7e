"""The token that opens the page: minted once, kept beside the store for its owner alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass

from nacre.errors import UsageError

FILE = "ui-token"
MIN_LENGTH = 16
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """What lets a person in, and what their browser keeps of it.

    Args:
        value: The token.
    """

    value: str

    def opens(self, given: str) -> bool:
        """Whether this is the token; takes the same time for any other."""
        return hmac.compare_digest(self.value.encode(), given.encode(errors="replace"))

    def is_session(self, given: str) -> bool:
        """Whether this is what a browser got for the token."""
        return hmac.compare_digest(self.session.encode(), given.encode(errors="replace"))

    @property
    def session(self) -> str:
        """What a browser keeps: it ends with the token, and tells nobody the token."""
        return hmac.new(self.value.encode(), b"nacre ui session", hashlib.sha256).hexdigest()

    @property
    def cookie(self) -> str:
        """Name of the cookie: one for each token, since the pages of all ports of a machine share their cookies."""
        return f"nacre-{hashlib.sha256(b'name' + self.value.encode()).hexdigest()[:8]}"


def token_for(folder: str, given: str | None = None) -> Token:
    """Take the token that was given, else the one kept in a folder, else mint one and keep it there.

    Args:
        folder: The store's folder, else ``.nacre``. Where it does not exist, nothing is made, and the token
            lasts as long as the process.
        given: What ``NACRE_UI_TOKEN`` says.

    Raises:
        UsageError: The given token is too short to be safe.
    """
    if given is not None:
        if len(given) < MIN_LENGTH:
            facts = {"characters": len(given), "needed": MIN_LENGTH}
            raise UsageError("NACRE_UI_TOKEN is too short", facts, "openssl rand -hex 32 makes one")
        return Token(given)
    path = os.path.join(folder, FILE)
    return Token(_kept(path) or _mint(path))


def _kept(path: str) -> str:
    """Read the token; one that others could read counts as lost, and is replaced."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with open(descriptor, encoding="ascii", errors="replace") as file:
        status = os.fstat(descriptor)
        value = file.read(1_000).strip()
    is_private = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077 and status.st_uid == os.geteuid()
    return value if is_private and len(value) >= MIN_LENGTH else ""


def _mint(path: str) -> str:
    value = secrets.token_urlsafe(_BYTES)
    unfinished = f"{path}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(value + "\n")
        os.replace(unfinished, path)
    except OSError:
        return value  # no folder, or not ours to write: the token lasts as long as this process
    return value
