"""Builds the weekly summary and prints it: the user's data first, then what the engine did, then what is next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import pipeline
from bars import draw_text

import nacre
from nacre.execute.result import StepResult

PIPELINE = Path(pipeline.__file__)
MARTS = PIPELINE.with_name("marts.py")
MAX_WIDTH = 100
_GLYPHS = {"built": "✓", "reused": "=", "checked": "=", "skipped": "-", "failed": "✗"}
_ASCII = {"built": "+", "failed": "x"}


def build_and_print() -> int:
    """Build the summary and print it, then the marts, with what the engine did; returns the exit code."""
    result = nacre.build("weekly_summary", modules=[PIPELINE])
    shows_blocks = can_show("█▏✓", sys.stdout)
    if result.ok:
        summary = nacre.load(pipeline.weekly_summary_asset.key, as_type=dict)
        print(headline(summary))
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        print(week(summary, width, shows_blocks))
    print()
    print_steps(result.steps, shows_blocks)
    if result.ok:
        # dbt takes seconds to start, so it comes after what is to be seen; the sources have just been asked.
        result = nacre.build("dbt://*", modules=[MARTS], reuse_sources=True)
        print_steps([step for step in result.steps if step.asset.startswith("dbt://")], shows_blocks)
    if result.ok:
        print("\n" + "\n".join(next_steps()))
    return 0 if result.ok else 1


def print_steps(steps: Sequence[StepResult], unicode: bool) -> None:
    """Print a line for each asset, and what failed in full."""
    for group in by_asset(steps):
        print(asset_line(group, unicode))
    for step in steps:
        if step.action == "failed":
            print(f"\n{step.asset} failed: {step.error}", file=sys.stderr)


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


def by_asset(steps: Sequence[StepResult]) -> list[list[StepResult]]:
    """Put the partitions of an asset together that fared alike."""
    found: dict[tuple[str, str], list[StepResult]] = {}
    for step in steps:
        found.setdefault((step.asset, _action(step)), []).append(step)
    return list(found.values())


def asset_line(group: Sequence[StepResult], unicode: bool) -> str:
    """Say in one line what happened to an asset, or to some of its days, and why."""
    first, action = group[0], _action(group[0])
    glyph = _GLYPHS[action] if unicode else _ASCII.get(_GLYPHS[action], _ASCII.get(action, "="))
    name = first.name.partition("[")[0]
    took_s = sum(step.duration_s for step in group)
    days = f"{len(group):>3} days" if first.partition else ""
    return f"  {glyph} {name:<17}{days:<9}{action:<8} {took_s:6.2f} s  {first.reason}"


def _action(step: StepResult) -> str:
    return "checked" if step.checked else str(step.action)


def next_steps() -> list[str]:
    """Name what to type next."""
    here = Path.cwd()
    command = shorter(Path(sys.executable).with_name("nacre"), here)
    return [
        "Next",
        "  make ui                         the same in a browser: lineage, versions, reasons",
        "  make dashboard                  the week, the posts, and whether the data can be trusted",
        "  make demo                       again: what is reused, and why",
        "  make demo ME=you.bsky.social    the same for your own posts",
        f"  {command} why weekly_summary -m {shorter(PIPELINE, here)}",
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
