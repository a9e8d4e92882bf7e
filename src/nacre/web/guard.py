"""The one layer that every request and every websocket passes: nothing is open unless it is allowed here.

Host first (a name that an attacker's page resolved to this machine), then where the request comes from, then the token,
then the method. Whatever is answered, refusals included, carries the same headers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nacre.web.token import Token

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_METHODS = ("GET", "HEAD")
_ENTER = "This page needs its token.\nOpen the address that `nacre ui` printed: it ends in ?token=…\n"


class Guard:
    """Lets through what has the token and comes from a page of ours, and refuses everything else.

    Args:
        app: What is guarded.
        token: What lets a person in.
        hosts: Names the server answers to, without port.
        takes_addresses: Answer to any IP address too. A page elsewhere can make a name mean this machine, but not a
            number.
    """

    def __init__(
        self, app: ASGIApp, token: Token, hosts: Iterable[str] = LOOPBACK, *, takes_addresses: bool = False
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = {host.lower() for host in hosts}
        self._takes_addresses = takes_addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            # There is no websocket here, so whoever opens one is nobody we know.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = self._refusal(scope) or self._app
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Say no where there is a reason to, or let a browser in that brings the token; None lets the request pass."""
        headers = Headers(scope=scope)
        if not self._knows(headers):
            return PlainTextResponse("This server does not answer to that name.\n", 421)
        if _is_foreign(headers):
            return PlainTextResponse("Other sites may not ask for anything here.\n", 403)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if given:
            return self._let_in(scope, query) if self._token.opens(given[-1]) else _unknown()
        if not self._is_known(headers):
            return _unknown()
        if scope["method"] not in _METHODS:
            return PlainTextResponse("Nothing can be changed here.\n", 405, {"allow": ", ".join(_METHODS)})
        return None

    def _knows(self, headers: Headers) -> bool:
        """Whether the request names a host this server answers to, exactly once."""
        named = headers.getlist("host")
        if len(named) != 1:
            return False
        name, colon, port = named[0].lower().rpartition(":")
        host = name if colon and port.isdigit() else named[0].lower()
        return host in self._hosts or (self._takes_addresses and _is_address(host))

    def _is_known(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._token.opens(given.strip())
        return any(self._token.is_session(each) for each in _cookies(headers, self._token.cookie))

    def _let_in(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """Exchange the token for a cookie, and lead to the same page without it."""
        if scope["method"] not in _METHODS:
            return PlainTextResponse("Nothing can be changed here.\n", 405, {"allow": ", ".join(_METHODS)})
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        # Always one slash: two would lead to another host.
        path = "/" + quote(scope["path"].lstrip("/"), safe="/")
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303, {"cache-control": "no-store"})
        is_secure = scope.get("scheme") == "https"
        answer.set_cookie(
            self._token.cookie, self._token.session, httponly=True, samesite="strict", secure=is_secure
        )
        return answer


def _unknown() -> Response:
    return PlainTextResponse(_ENTER, 401, {"www-authenticate": "Bearer", "cache-control": "no-store"})


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site asks: its browser says so in one of two ways. A link that was followed is fine."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower():
        return True
    is_followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_followed


def _cookies(headers: Headers, name: str) -> list[str]:
    found = []
    for line in headers.getlist("cookie"):
        try:
            morsel = SimpleCookie(line).get(name)
        except CookieError:
            continue
        found += [morsel.value] if morsel is not None else []
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    """Put the headers on whatever is answered; a page may only make its policy stricter, by one of its own."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = _headed(message)
        await send(message)

    return sending


def _headed(message: Message) -> MutableMapping[str, Any]:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")
    return message
