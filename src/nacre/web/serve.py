"""Starts the server of the page: on this machine only, unless it was given a token of its own."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence

import uvicorn

from nacre.config import STORE_FOLDER
from nacre.errors import UsageError
from nacre.web.app import make_app
from nacre.web.guard import LOOPBACK, Guard
from nacre.web.site import Site
from nacre.web.token import token_for

DEFAULT_PORT = 4747
TOKEN_VARIABLE = "NACRE_UI_TOKEN"  # noqa: S105  # a name, no token


def serve(
    modules: Sequence[str], host: str, port: int | None, names: Sequence[str], opened: Callable[[str], None]
) -> None:
    """Serve the page until it is interrupted.

    Args:
        modules: What ``-m`` gave.
        host: The address to listen on.
        port: The port; 0 for any, None for the usual one or, where that is taken, any.
        names: Further names the server answers to.
        opened: Called with the page's address, token included, when it can be opened.

    Raises:
        UsageError: Others could reach the page and there is no token of its own, or the port is taken.
    """
    given = os.environ.get(TOKEN_VARIABLE)
    if not _is_loopback(host) and given is None:
        facts = {"host": host, TOKEN_VARIABLE: "not set"}
        hint = f"{TOKEN_VARIABLE}=$(openssl rand -hex 32) nacre ui --host {host}, behind TLS; or leave --host out"
        raise UsageError("The page would be open to other machines", facts, hint)
    site = Site(modules)
    folder = site.location if site.is_local else os.path.join(site.root, STORE_FOLDER)
    token = token_for(folder, given)
    with listen(host, port) as listener:
        known = {host.lower(), f"[{host.lower()}]", *LOOPBACK, *names}
        if not _is_loopback(host):
            known |= {socket.gethostname(), socket.getfqdn()}
        app = make_app(site, token, known, takes_addresses=not _is_loopback(host))
        site.reader.states()  # begun before the first page asks for it
        opened(f"http://{_shown(host)}:{listener.getsockname()[1]}/?token={token.value}")
        try:
            make_server(app).run(sockets=[listener])
        except KeyboardInterrupt:
            return  # how a person ends it


def make_server(app: Guard) -> uvicorn.Server:
    """Make the server: quiet, for this application only, and gone soon after it is told to end."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int | None) -> socket.socket:
    """Listen on a port, before its address is told.

    Args:
        host: The address.
        port: The port; 0 for any, None for the usual one or, where that is taken, any.

    Raises:
        UsageError: It is taken, or there is no such address here.
    """
    wanted = [DEFAULT_PORT, 0] if port is None else [port]
    for each in wanted:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, each), family=family)
        except OSError as error:
            if each == wanted[-1]:
                facts = {"host": host, "port": each, "problem": error.strerror or error}
                raise UsageError(
                    "The page cannot be served there", facts, "--port 0 takes any port"
                ) from None
        else:
            # Else the second part of each answer waits 40 ms for the first to be acknowledged.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listener
    raise AssertionError("there is at least one port to try")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    """Name a host as a browser takes it; what stands for all addresses is no place to go."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
