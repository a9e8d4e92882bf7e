"""``make demo``: build the weekly summary and show the user's data first, then what the engine did, then what is next.

Without ``--me`` it serves the bundled sample on this machine and needs no network. With ``--me you.bsky.social`` it
reads the public service; where that cannot be reached it says so in two lines and offers the sample.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper

from reader import BlueskyError, service_url, wanted_handles
from sample import make_sample
from server import XrpcServer

CONNECT_TIMEOUT_S = 10.0
#: With an account of your own, posts of so many days are kept: what the service is asked for.
LIVE_DAYS = 63


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        0, or 1 where there is no network, no such account, or a step failed.
    """
    parser = argparse.ArgumentParser(prog="make demo", description="Engagement per post, by day of the week.")
    parser.add_argument("--me", metavar="HANDLE", help="your account, read from the public service")
    handle = parser.parse_args(arguments).me
    prepare_output()
    if handle:
        os.environ["BLUESKY_HANDLES"] = handle
        os.environ.setdefault(
            "BLUESKY_SINCE", (datetime.now(UTC) - timedelta(days=LIVE_DAYS)).date().isoformat()
        )
        return live()
    network = make_sample()
    with XrpcServer(network) as server:
        os.environ["BLUESKY_SERVICE"] = server.url
        os.environ["BLUESKY_HANDLES"] = ",".join(each.handle for each in network.accounts.values())
        return run()


def prepare_output() -> None:
    """Print any text on any terminal, and each failure once."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Failures are printed below in a line or two; the engine's log of them has the whole traceback.
    engine = logging.getLogger("nacre")
    engine.propagate = False
    engine.addHandler(logging.NullHandler())


def live() -> int:
    """Run on the service and accounts of the environment, if they can be reached."""
    try:
        handle = wanted_handles()[0]
        check_service(handle)
    except BlueskyError as error:
        print(error, file=sys.stderr)
        return 1
    return run()


def check_service(handle: str) -> None:
    """Ask the service for one profile, before the SDK is imported and anything is built.

    Raises:
        BlueskyError: In two lines, that there is no network or no such account.
    """
    actor = urllib.parse.urlencode({"actor": handle})
    url = f"{service_url()}/xrpc/app.bsky.actor.getProfile?{actor}"
    try:
        urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 400:
            raise BlueskyError(f"{service_url()} knows no {handle}.\n  → check the spelling") from error
        # Rate limits and trouble are the pipeline's to wait for and report.
    except OSError as error:
        reason = getattr(error, "reason", error)
        what = f"No network: {service_url()} cannot be reached ({reason})."
        raise BlueskyError(f"{what}\n  → make demo shows the same pipeline on the bundled sample") from error


def run() -> int:
    """Build and print; the pipeline reads which days it is about when it is imported, so that is done last."""
    from nacre.errors import NacreError

    try:
        from printed import build_and_print

        return build_and_print()
    except NacreError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
