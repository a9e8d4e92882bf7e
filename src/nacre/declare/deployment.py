"""A flow with when it is to run: what ``flow.to_deployment`` makes and ``serve`` takes, in Prefect's words."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from nacre.errors import InvalidOption, NotYetEffective


class ServeOptions(TypedDict, total=False):
    """Keyword options of ``flow.serve`` and ``flow.to_deployment``."""

    cron: str | None
    interval: timedelta | float | None
    schedule: object
    timezone: str | None
    parameters: Mapping[str, object] | None
    tags: Iterable[str] | None
    paused: bool
    pause_on_shutdown: bool
    print_starting_message: bool
    description: str | None
    version: str | None
    rrule: object
    schedules: object
    triggers: object
    limit: int | None
    global_limit: object
    concurrency_limit: object
    enforce_parameter_schema: bool
    webserver: bool
    entrypoint_type: object


class ServerOptions(TypedDict, total=False):
    """Keyword options of ``nacre.serve``, which are about all deployments."""

    pause_on_shutdown: bool
    print_starting_message: bool
    limit: int | None
    webserver: bool


NAMES = frozenset(ServeOptions.__annotations__)
SERVER_NAMES = frozenset(ServerOptions.__annotations__)
#: Accepted with any value because nacre already does what they ask for, or has nothing that they could change.
FREE = frozenset(
    {"description", "version", "pause_on_shutdown", "print_starting_message", "enforce_parameter_schema"}
)
#: Accepted by name; any value other than these is an error until they act.
WAITING: Mapping[str, tuple[tuple[Hashable, ...], str]] = {
    "rrule": ((None,), "say it with cron= or interval="),
    "schedules": ((None,), "make a deployment of each schedule, and serve them together"),
    "triggers": ((None,), "events do not exist in nacre; a schedule looks at the sources on each run"),
    "limit": ((None,), "a tick is skipped while the run before it goes on"),
    "global_limit": ((None,), "a tick is skipped while the run before it goes on"),
    "concurrency_limit": ((None,), "a tick is skipped while the run before it goes on"),
    "webserver": ((None, False), "there is no web server to ask"),
    "entrypoint_type": ((None,), "a flow is found by its file and name"),
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow and when it is to run. When exactly is judged where it is served.

    Args:
        name: Its name; one in a store.
        where: ``FILE:NAME``, where the process of each run finds the flow.
        cron: A cron expression.
        interval: Seconds, or a ``timedelta``.
        schedule: A ``Cron`` or ``Interval`` of ``nacre.schedules`` instead.
        timezone: Zone of ``cron``.
        parameters: What the flow is called with.
        tags: Tags of each run.
        paused: True is never due.
    """

    name: str
    where: str
    cron: str | None = None
    interval: timedelta | float | None = None
    schedule: object = None
    timezone: str | None = None
    parameters: Mapping[str, object] | None = None
    tags: tuple[str, ...] = ()
    paused: bool = False


def deploy(
    flow: object, fn: Callable[..., object], flow_name: str, options: Mapping[str, object], name: str | None
) -> Deployment:
    """Make a deployment of a flow.

    Args:
        flow: The flow.
        fn: Its function.
        flow_name: Its name.
        options: ``ServeOptions``.
        name: The deployment's name; the flow's by default.

    Raises:
        InvalidOption: An option is unknown or impossible, or the flow lies where no other process can find it.
        NotYetEffective: A name is Prefect's, but nacre does not act on it yet.
    """
    given = effective(options, NAMES, flow_name)
    tags = given.pop("tags", None) or ()
    if isinstance(tags, str) or not isinstance(tags, Iterable) or not all(isinstance(t, str) for t in tags):
        raise InvalidOption(
            "Option tags= must be a list of strings", {"flow": flow_name, "value": repr(tags)}
        )
    if not isinstance(given.get("parameters") or {}, Mapping):
        facts = {"flow": flow_name, "value": repr(given["parameters"])}
        raise InvalidOption("Option parameters= must be a dict", facts, 'parameters={"limit": 10}')
    if not isinstance(given.get("paused", False), bool):
        raise InvalidOption("Option paused= must be True or False", {"flow": flow_name})
    return Deployment(name or flow_name, _where(flow, fn, flow_name), tags=tuple(tags), **given)  # type: ignore[arg-type]


def effective(options: Mapping[str, object], names: frozenset[str], owner: str) -> dict[str, object]:
    """Return the options that have an effect.

    Args:
        options: As given.
        names: Those there are.
        owner: What they belong to, for errors.

    Raises:
        InvalidOption: One is unknown.
        NotYetEffective: One is Prefect's, but nacre does not act on it yet.
    """
    given = {}
    for option, value in options.items():
        if option not in names:
            from difflib import get_close_matches

            close = get_close_matches(option, sorted(names), n=1)
            hint = f"did you mean {close[0]}=?" if close else "see docs/reference/options.md for all names"
            raise InvalidOption(f"Unknown option {option}= of serve", {"serves": owner}, hint)
        if option in WAITING:
            _refuse_waiting(option, value, owner)
        elif option not in FREE:
            given[option] = value
    return given


def _refuse_waiting(name: str, value: object, owner: str) -> None:
    accepted, instead = WAITING[name]
    if not any(value is each for each in accepted):
        raise NotYetEffective(
            f"Option {name}= of serve has no effect in nacre yet",
            {"serves": owner, "value": repr(value)},
            (instead, f"or leave {name}= out"),
        )


def _where(flow: object, fn: Callable[..., object], flow_name: str) -> str:
    """Say where another process finds the flow: by its file, and the variable that it is bound to there."""
    file = getattr(getattr(fn, "__code__", None), "co_filename", "")
    if not str(file).endswith(".py") or "<locals>" in fn.__qualname__:
        facts = {"flow": flow_name, "written in": file or repr(fn)}
        hint = "write the flow at the top level of a file: each run is a process that imports it"
        raise InvalidOption("A flow that is served must lie in a file", facts, hint)
    variable = next((name for name, value in fn.__globals__.items() if value is flow), flow_name)
    return f"{file}:{variable}"
