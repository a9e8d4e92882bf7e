"""Shows what went wrong: the user's line first, once; what helps; and what is safe.

Never a traceback of ours for bad input. Imports nothing heavy, since every command starts here.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.errors import AmbiguousName, NacreError, NotMaterialized, StepFailed, UnknownName, UsageError
from nacre.frames import Split, UserFrame, hint, shapes, shorter, source_lines, split

FAILED, USAGE = 1, 2
_MAX_MESSAGE_LINES = 6
_MAX_SKIPPED = 6


def report(error: Exception, *, full: bool = False) -> int:
    """Show an error that ended a command, on standard error.

    Args:
        error: What was raised.
        full: Show the whole traceback too.

    Returns:
        The exit code.
    """
    frames = split(error)
    if frames.user and isinstance(error, StepFailed) and isinstance(error.__cause__, Exception):
        return report(error.__cause__, full=full)
    if frames.user:
        _echo(failure(error, full=full))
        return FAILED
    if isinstance(error, NacreError):
        _echo(paint("✗ ", "failed", err=True) + str(error), *_traceback(error, full))
        return (
            USAGE if isinstance(error, (UsageError, UnknownName, AmbiguousName, NotMaterialized)) else FAILED
        )
    if isinstance(error, OSError):
        where = f"  file  {shorter(str(error.filename))}" if error.filename else ""
        text = f"✗ The system refused: {error.strerror or error}"
        _echo(text, *filter(None, [where]), *_traceback(error, full))
        return FAILED
    _echo(
        f"✗ This is a bug in nacre: {_text(error)[0]}",
        "  Stored data is safe: what was committed stays.",
        "  → please report it with the lines below",
        *_traceback(error, True),
    )
    return FAILED


def failure(error: BaseException, name: str = "", skipped: Sequence[str] = (), *, full: bool = False) -> str:
    """Write up a failure in the user's code: their frame, what it held, what it means for other assets.

    Args:
        error: What was raised.
        name: The asset that failed.
        skipped: Assets that were not run because of it.
        full: Show the whole traceback too.
    """
    frames = split(error)
    at = frames.user[-1] if frames.user else None
    what, *more = _text(error)
    place = at.place if at else ""
    lines = [
        "  ".join(filter(None, [paint("✗", "failed", err=True), name, place, what])).replace("✗  ", "✗ ", 1)
    ]
    lines += [f"   {line}" for line in more]
    if at is not None and not isinstance(error, NacreError):
        lines += _where(at, frames)
        advice = hint(error, at)
        lines += [f"   hint: {advice}"] if advice else []
    cause = error.__cause__
    if cause is not None and not isinstance(error, NacreError):
        lines.append(f"   because of {_text(cause)[0]}")
    if not full and not isinstance(error, NacreError):
        lines += _hidden(frames)
    if skipped:
        listed = ", ".join(skipped[:_MAX_SKIPPED])
        more_skipped = len(skipped) - _MAX_SKIPPED
        lines.append(
            f"   skipped downstream: {listed}{f' and {more_skipped:,} more' if more_skipped > 0 else ''}"
        )
    return "\n".join([*lines, *_traceback(error, full)])


def _where(at: UserFrame, frames: Split) -> list[str]:
    """Show the failing line with the one before, what its variables were, and who called it."""
    held = shapes(at)
    lines = []
    for number, text in source_lines(at):
        mark = "❱" if number == at.line else " "
        line = f" {mark} {number:>3} │ {text}"
        if number == at.line:
            line = paint(line, "strong", err=True) + (
                paint(f"      {held}", "quiet", err=True) if held else ""
            )
        lines.append(line)
    callers = [frame for frame in frames.user[:-1] if frame.function != "<module>"]
    if callers and at.function.startswith("<") and callers[-1].line == at.line:
        callers = callers[:-1]  # a comprehension was a frame of its own before Python 3.12
    if callers:
        lines.append(f"   called from {callers[-1].place} in {callers[-1].function}")
    return lines


def _hidden(frames: Split) -> list[str]:
    parts = []
    if frames.n_engine:
        parts.append(f"{frames.n_engine} engine")
    if frames.n_library:
        parts.append(f"{frames.n_library} library")
    n_hidden = frames.n_engine + frames.n_library
    if not n_hidden:
        return []
    return [f"   {' and '.join(parts)} frame{'' if n_hidden == 1 else 's'} hidden (--full)"]


def _text(error: BaseException) -> list[str]:
    """Return type and message; a long message is cut."""
    if isinstance(error, NacreError):
        return str(error).splitlines()
    if isinstance(error, SyntaxError):
        return [f"{type(error).__name__}: {error.msg}"]
    lines = f"{type(error).__name__}: {error}".splitlines()
    if str(error) == "":
        return [type(error).__name__]
    return [*lines[:_MAX_MESSAGE_LINES], "…"] if len(lines) > _MAX_MESSAGE_LINES else lines


def _traceback(error: BaseException, full: bool) -> list[str]:
    return ["", *"".join(traceback.format_exception(error)).splitlines()] if full else []


def _echo(*lines: str) -> None:
    echo("\n".join(lines), err=True)
