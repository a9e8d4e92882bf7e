"""Finds the lines of the user's code in a traceback, and what they held: types and lengths, never values."""

from __future__ import annotations

import linecache
import os
import re
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_WORD = re.compile(r"[A-Za-z_]\w*")
_MAX_LOCALS = 6


class UserFrame(NamedTuple):
    """One line of the user's code that was being executed.

    Args:
        file: Its file, as given.
        line: Its number.
        function: The function it is in.
        frame: The frame, for its locals.
        position: Index of the instruction, for the part of the line that failed.
    """

    file: str
    line: int
    function: str
    frame: FrameType | None = None
    position: int = -1

    @property
    def place(self) -> str:
        """``pipeline.py:63``, relative to here where that is shorter."""
        return f"{shorter(self.file)}:{self.line}"


class Split(NamedTuple):
    """A traceback, told apart.

    Args:
        user: The user's frames, outermost first.
        n_engine: How many frames are nacre's.
        n_library: How many are of installed packages and the standard library.
    """

    user: tuple[UserFrame, ...]
    n_engine: int
    n_library: int


def split(error: BaseException) -> Split:
    """Tell the frames of an exception apart. A syntax error counts as a frame at its own place."""
    user, n_engine, n_library = [], 0, 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        # What Python writes for a dataclass of ours is in no file, but runs among our names.
        is_ours = os.path.abspath(file).startswith(_OWN) or (
            file == "<string>" and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("nacre.")
        )
        if is_ours or os.sep + "click" + os.sep in file:
            n_engine += 1
        elif file.startswith(("<frozen", _STANDARD)) or "-packages" + os.sep in file:
            n_library += 1
        else:
            name = trace.tb_frame.f_code.co_name
            user.append(UserFrame(file, trace.tb_lineno, name, trace.tb_frame, trace.tb_lasti))
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        user.append(UserFrame(error.filename, error.lineno, ""))
    elif isinstance(error, SyntaxError | ValueError) and (file := _unreadable(error.__traceback__)):
        user.append(UserFrame(file, _nul_line(file), ""))
    return Split(tuple(user), n_engine, n_library)


def _unreadable(trace: TracebackType | None) -> str:
    """Return the file that Python was about to compile, where its error names none, as with NUL bytes in it."""
    file = ""
    while trace is not None:
        frame = trace.tb_frame
        is_loader = frame.f_code.co_name == "source_to_code"
        file = str(frame.f_locals.get("path", "")) if is_loader else file
        trace = trace.tb_next
        is_last = trace is None or trace.tb_frame.f_code.co_filename.startswith("<frozen")
        file = file if is_last else ""
    return file


def _nul_line(file: str) -> int:
    """Number the line with the first NUL byte; 1 where there is none."""
    try:
        with open(file, "rb") as source:
            before, nul, _ = source.read().partition(b"\0")
    except OSError:
        return 1
    return before.count(b"\n") + 1 if nul else 1


def source_lines(at: UserFrame) -> list[tuple[int, str]]:
    """Return the failing line with the one before it; numbers with text, without common indentation."""
    found = [(n, linecache.getline(at.file, n).rstrip()) for n in (at.line - 1, at.line) if n > 0]
    found = [(n, text) for n, text in found if text.strip()]
    indents = [len(text) - len(text.lstrip()) for _, text in found]
    return [(n, text[min(indents) :]) for n, text in found]


def shapes(at: UserFrame) -> str:
    """Describe the variables of the failing line by type and length, such as ``top_posts: list[5]``."""
    if at.frame is None or at.function == "<module>":
        return ""
    local = at.frame.f_locals
    names = dict.fromkeys(_WORD.findall(linecache.getline(at.file, at.line)))
    shown = [f"{name}: {shape(local[name])}" for name in names if name in local and not callable(local[name])]
    return ", ".join(shown[:_MAX_LOCALS])


def shape(value: object) -> str:
    """Describe a value by type and length only."""
    name = type(value).__name__
    size = getattr(value, "shape", None)
    if isinstance(size, tuple) and all(isinstance(each, int) for each in size):
        return f"{name}[{' × '.join(f'{each:,}' for each in size)}]"
    try:
        return f"{name}[{len(value):,}]"  # type: ignore[arg-type]  # what has no length raises
    except Exception:  # a length is a nicety, and the user's class may do anything
        return name


def hint(error: BaseException, at: UserFrame) -> str:
    """Say what helps with the commonest mistakes; empty where nothing does."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"is {error.name.partition('.')[0]!r} installed in this environment?"
    if isinstance(error, KeyError) and at.frame is not None:
        return _known_keys(at)
    return ""


def _known_keys(at: UserFrame) -> str:
    """List the keys of the mapping whose key was missing, where they look like field names."""
    assert at.frame is not None
    found = re.match(r"([A-Za-z_]\w*)\[", _failing_part(at.frame.f_code, at))
    mapping = at.frame.f_locals.get(found[1]) if found else None
    if not isinstance(mapping, dict) or not mapping or len(mapping) > 20:
        return ""
    if not all(isinstance(key, str) and _WORD.fullmatch(key) and len(key) <= 40 for key in mapping):
        return ""
    return f"keys are {', '.join(mapping)}"


def _failing_part(code: CodeType, at: UserFrame) -> str:
    """Return the expression within the line that raised; empty where Python does not know it."""
    positions = list(code.co_positions())
    start_line, end_line, start, end = positions[at.position // 2] if at.position >= 0 else (None,) * 4
    if start_line != end_line or start is None or end is None or start_line is None:
        return ""
    text = linecache.getline(at.file, start_line).encode()
    return text[start:end].decode(errors="replace")


def shorter(path: str) -> str:
    """Return a path relative to the working directory where it lies below it."""
    here = os.getcwd() + os.sep
    for each in (path, os.path.realpath(path)):
        if each.startswith((here, os.path.realpath(here) + os.sep)):
            return os.path.relpath(os.path.realpath(path))
    return path
