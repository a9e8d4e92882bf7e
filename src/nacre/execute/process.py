"""Which process runs something, in a text that any other process can look up: ``host:pid:start``.

A pid is used again, so the time at which its process started tells the two apart, where the system says it (Linux).
"""

from __future__ import annotations

import os
from functools import cache


@cache
def named(pid: int) -> str:
    """Name a process of this machine, as ``host:pid:start``; ``start`` is empty where the system does not say it.

    Args:
        pid: That of this process: what is said is kept.
    """
    return f"{_host()}:{pid}:{_started(pid)[0]}"


def lives(process: str) -> bool | None:
    """Say whether a process still runs.

    Args:
        process: What ``named`` said there.

    Returns:
        None where that cannot be known: it runs elsewhere, or nobody recorded it.
    """
    host, pid, start = ["", "", "", *process.rsplit(":", 2)][-3:]
    if host != _host() or not pid.isdecimal():
        return None
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is another person's
    found, has_ended = _started(int(pid))
    return not has_ended and (not start or not found or start == found)


def _host() -> str:
    """Name what a pid means something in: the machine and, on Linux, the namespace, such as that of a container."""
    name = os.uname().nodename
    try:
        return f"{name}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return name


def _started(pid: int) -> tuple[str, bool]:
    """Return when a process started, in ticks since the machine did, and whether it only waits to be forgotten."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name comes second, in brackets, and may hold anything; the state is third, the start field 22.
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return "", False
    return fields[19], fields[0] in "ZX"


def person() -> str:
    """Name the person who runs this process; empty where the system does not know."""
    from getpass import getuser  # late: only who does something by hand pays for it

    try:
        return getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        return ""
