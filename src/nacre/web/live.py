"""Tells open pages that there is something new, as server-sent events: who sees one asks for the page again.

An event's id says what the page would show. A browser that comes back sends the last one it got, and so does a page
when it opens, so nothing that happened in between is missed and nothing is told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from nacre.web.site import Site

#: At most four events a second, and as many looks at a store on this machine.
INTERVAL_S = 0.25
REMOTE_INTERVAL_S = 5.0
_KEEP_ALIVE_S = 15


async def live(request: Request) -> Response:
    """Answer with the stream of changes."""
    site: Site = request.app.state.site
    seen = request.headers.get("last-event-id") or request.query_params.get("since", "")
    return EventSourceResponse(changes(site, seen), ping=_KEEP_ALIVE_S, headers={"cache-control": "no-store"})


async def changes(site: Site, seen: str) -> AsyncIterator[ServerSentEvent]:
    """Yield an event whenever a page would show something else than what was seen last."""
    interval = INTERVAL_S if site.is_local else REMOTE_INTERVAL_S
    while True:
        mark = await run_in_threadpool(site.mark)
        if mark != seen:
            seen = mark
            yield ServerSentEvent(mark, event="changed", id=mark)
        await asyncio.sleep(interval)
