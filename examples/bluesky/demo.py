"""``make demo``: build the weekly summary and show the user's data first, then what the engine did, then what is next.

Without ``--me`` it serves the bundled sample on this machine and needs no network. With ``--me you.bsky.social`` it
reads the public service; where that cannot be reached it says so in two lines and offers the sample.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import pipeline
from bars import draw_text
from reader import BlueskyError, service_url, wanted_handles
from sample import make_sample
from server import XrpcServer

import nacre
from nacre.execute.result import StepResult

PIPELINE = Path(pipeline.__file__)
MAX_WIDTH = 100
CONNECT_TIMEOUT_S = 10.0
_GLYPHS = {"built": "✓", "reused": "=", "checked": "=", "skipped": "-", "failed": "✗"}
_ASCII = {"built": "+", "failed": "x"}


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
    """Build the summary, and print it with what the engine did."""
    result = nacre.build("weekly_summary", modules=[PIPELINE])
    shows_blocks = can_show("█▏✓", sys.stdout)
    if result.ok:
        summary = nacre.load(pipeline.weekly_summary_asset.key, as_type=dict)
        print(headline(summary))
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        print(week(summary, width, shows_blocks))
    print()
    for step in result.steps:
        print(step_line(step, shows_blocks))
    if not result.ok:
        for step in result.steps:
            if step.action == "failed":
                print(f"\n{step.asset} failed: {step.error}", file=sys.stderr)
        return 1
    print("\n" + "\n".join(next_steps()))
    return 0


def headline(summary: dict[str, object]) -> str:
    """Say what is shown, of whom and when; a sample says that it is one."""
    if summary["week_start"] is None:
        return "No posts in the last nine weeks."
    accounts = summary["accounts"]
    assert isinstance(accounts, list)
    kind = "Sample data (invented accounts), " if summary["is_sample"] else ""
    whose = str(accounts[0]["handle"]) if len(accounts) == 1 else f"{len(accounts)} accounts"
    running = "" if summary["is_full"] else " (not over yet)"
    dates = f"{summary['week_start']} to {summary['week_end']}{running}"
    return f"{kind}{whose}, week of {dates}\nEngagement per post, by day (UTC)\n"


def week(summary: dict[str, object], width: int, blocks: bool) -> str:
    """Draw the days of the week and add them up in one line, beside the week before."""
    days, before = summary["days"], summary.get("week_before")
    assert isinstance(days, list)
    if not days:
        return ""
    total = f"{summary['posts']} posts, {summary['engagement']} likes, reposts, replies and quotes"
    if summary["engagement_per_post"] is not None:
        total += f": {summary['engagement_per_post']} per post"
    if isinstance(before, dict) and before["engagement_per_post"] is not None:
        total += f" (week before: {before['engagement_per_post']})"
    return f"{draw_text([pipeline.day_bar(day) for day in days], width, blocks=blocks)}\n\n{total}"


def step_line(step: StepResult, unicode: bool) -> str:
    """Say in one line what happened to an asset and why."""
    action = "checked" if step.checked else str(step.action)
    glyph = _GLYPHS[action] if unicode else _ASCII.get(_GLYPHS[action], _ASCII.get(action, "="))
    name = step.asset.removeprefix("bluesky://").partition(".")[0]
    return f"  {glyph} {name:<17}{action:<8} {step.duration_s:6.2f} s  {step.reason}"


def next_steps() -> list[str]:
    """Name what to type next."""
    here = Path.cwd()
    command = shorter(Path(sys.executable).with_name("nacre"), here)
    return [
        "Next",
        f"  {command} why weekly_summary -m {shorter(PIPELINE, here)}",
        "  make demo                       again: what is reused, and why",
        "  make demo ME=you.bsky.social    the same for your own posts",
    ]


def shorter(path: Path, folder: Path) -> Path:
    """Return a path relative to a folder where it lies below it."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def can_show(text: str, stream: TextIO) -> bool:
    """Say whether a stream's encoding has these characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
