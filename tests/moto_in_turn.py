"""moto's server, one request at a time.

By itself it looks at a condition and writes in two steps, so that of two writers who meet in between both win, which no
real service lets happen.

usage: python moto_in_turn.py        says on standard error where it listens
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

_turn = threading.Lock()
_app = DomainDispatcherApplication(create_backend_app)


def in_turn(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request while no other is being answered."""
    with _turn:
        return list(_app(environ, start_response))


if __name__ == "__main__":
    run_simple("127.0.0.1", 0, in_turn, threaded=True)
