"""The web application: which addresses there are, and the layers around them."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from nacre.web import pages, pictures
from nacre.web.guard import LOOPBACK, Guard
from nacre.web.live import live
from nacre.web.render import static_files
from nacre.web.site import Site
from nacre.web.token import Token


def static(request: Request) -> Response:
    """Answer with a style sheet or script, found by its name among those read at the start."""
    found = static_files().get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("There is no such file.\n", 404)
    data, media_type = found
    is_dated = "v" in request.query_params
    kept = {"cache-control": "private, max-age=31536000, immutable" if is_dated else "no-cache"}
    return Response(data, 200, kept, media_type)


ROUTES = [
    Route("/", pages.home),
    Route("/a/{key:path}", pages.asset),
    Route("/diff/{key:path}", pages.difference),
    Route("/runs", pages.runs),
    Route("/r/{id:path}", pages.run),
    Route("/artifacts", pictures.artifacts),
    Route("/artifacts/{name:path}", pictures.artifact),
    Route("/image/{id}", pictures.image),
    Route("/live", live),
    Route("/static/{name}", static),
]


def make_app(
    site: Site, token: Token, hosts: Iterable[str] = LOOPBACK, *, takes_addresses: bool = False
) -> Guard:
    """Put the application together: every request passes the guard before anything else looks at it.

    Args:
        site: The project.
        token: What lets a person in.
        hosts: Names the server answers to, without port.
        takes_addresses: Answer to any IP address too.
    """
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(GZipMiddleware, minimum_size=500, compresslevel=6)],
        exception_handlers={404: _missing, Exception: _broken},
    )
    app.router.redirect_slashes = False
    app.state.site = site
    return Guard(app, token, hosts, takes_addresses=takes_addresses)


async def _missing(request: Request, error: Exception) -> Response:
    return await run_in_threadpool(pages.missing, request)


def _broken(request: Request, error: Exception) -> Response:
    """Answer where nacre itself is wrong; the traceback is the server's to print."""
    return PlainTextResponse(
        "This is a bug in nacre. The server printed what happened; stored data is safe.\n", 500
    )
