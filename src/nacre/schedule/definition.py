"""What a schedule is: a name, when it is due, and the ``nacre`` command that one tick of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nacre.errors import InvalidOption
from nacre.schedule.trigger import ANCHOR, Cron, Interval, Trigger

CATCHUPS = ("latest", "none")
OVERLAPS = ("skip", "allow")
#: How late the newest missed tick may be and still be run: one day.
GRACE_S = 86_400.0
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Schedule:
    """What runs by itself, and when.

    Args:
        name: Its name: one in a store.
        trigger: When it is due.
        command: What follows ``nacre`` when it is: ``("build", "report")`` or ``("run", "pipeline.py:shop")``.
        catchup: What happens to ticks that were missed: ``latest`` runs the newest, ``none`` runs none.
        grace_s: How many seconds late that one may be.
        overlap: What happens when the run before still goes on: ``skip`` the tick, or ``allow`` both.
        paused: True is never due.

    Raises:
        InvalidOption: The name says nothing or is too long.
    """

    name: str
    trigger: Trigger
    command: tuple[str, ...]
    catchup: str = CATCHUPS[0]
    grace_s: float = GRACE_S
    overlap: str = OVERLAPS[0]
    paused: bool = False

    def __post_init__(self) -> None:
        name = self.name
        if (
            not isinstance(name, str)
            or name != name.strip()
            or not 0 < len(name) <= MAX_NAME
            or not name.isprintable()
        ):
            rule = f"a text of up to {MAX_NAME} characters on one line"
            raise InvalidOption("A schedule's name must say something", {"name": repr(name)}, rule)

    @property
    def target(self) -> str:
        """What it runs, as a person would type it: ``build report``."""
        from shlex import join

        return join(self.command)

    def in_environment(self, env: str) -> Schedule:
        """The same schedule in an environment: it runs there, under a name of its own, since ticks are kept by it."""
        return replace(self, name=f"{self.name} in {env}", command=(*self.command, "--env", env))


def make_trigger(
    cron: object = None, interval: object = None, timezone: object = None, given: object = None
) -> Trigger:
    """Make what says when, of the ways to say it.

    Args:
        cron: A cron expression.
        interval: Seconds or a ``timedelta``.
        timezone: The zone of either; UTC by default.
        given: A ready ``Cron`` or ``Interval`` instead.

    Raises:
        InvalidOption: There is not exactly one of them, or it is wrong.
    """
    ways = {"cron": cron, "interval": interval, "schedule": given}
    said = [name for name, value in ways.items() if value is not None]
    if len(said) != 1:
        what = (
            "Say when it is due" if not said else f"Only one can say when it is due, not {' and '.join(said)}"
        )
        raise InvalidOption(what, {}, 'cron = "0 7 * * *", or interval = 900 (seconds)')
    if given is not None:
        if not isinstance(given, Cron | Interval):
            raise InvalidOption("A schedule is a Cron or an Interval", {"schedule": repr(given)})
        if timezone is not None:
            raise InvalidOption("The schedule has its own time zone", {"timezone": repr(timezone)})
        return given
    zone = "UTC" if timezone is None else timezone
    # Both check what they are given.
    if cron is not None:
        return Cron(cron, zone)  # type: ignore[arg-type]
    return Interval(interval, ANCHOR, zone)  # type: ignore[arg-type]


def build_command(select: tuple[str, ...]) -> tuple[str, ...]:
    """Say how selected assets are built."""
    return ("build", *select)


def run_command(
    where: str, parameters: Mapping[str, object] | None = None, tags: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Say how a flow is run: ``run FILE:NAME key:=JSON``.

    Args:
        where: ``FILE:NAME``.
        parameters: What it is called with; must be JSON, since another process gets it.
        tags: Tags of its run.

    Raises:
        InvalidOption: A parameter is no JSON.
    """
    import json

    texts = []
    for name, value in (parameters or {}).items():
        try:
            texts.append(f"{name}:={json.dumps(value, ensure_ascii=False, allow_nan=False)}")
        except (TypeError, ValueError):
            facts = {"runs": where, "parameter": name, "type": type(value).__name__}
            hint = "texts, numbers, lists and dicts go to the process that a tick starts"
            raise InvalidOption("A scheduled flow's parameters must be JSON", facts, hint) from None
    return ("run", where, *texts, *(f"--tag={tag}" for tag in tags))
