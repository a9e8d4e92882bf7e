"""The ``[[schedules]]`` tables of a project's settings, decoded strictly: every error names file and schedule."""

from __future__ import annotations

from collections.abc import Mapping

from nacre.errors import InvalidOption, UsageError
from nacre.schedule.definition import (
    CATCHUPS,
    GRACE_S,
    OVERLAPS,
    Schedule,
    build_command,
    make_trigger,
    run_command,
)

#: What a table may have.
NAMES = (
    "name",
    "cron",
    "interval",
    "timezone",
    "build",
    "run",
    "parameters",
    "catchup",
    "grace",
    "overlap",
    "paused",
)
EXAMPLE = 'write: [[schedules]]  name = "daily"  cron = "0 7 * * *"  build = ["report"]'


def read_schedules(given: object, file: str) -> tuple[Schedule, ...]:
    """Read the tables.

    Args:
        given: What the settings have under ``schedules``.
        file: Where they stand, for errors.

    Raises:
        UsageError: One is wrong, or two have one name.
    """
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise UsageError("Setting 'schedules' must be tables", {"file": file}, EXAMPLE)
    found: dict[str, Schedule] = {}
    for number, table in enumerate(given, 1):
        facts = {"file": file, "schedule": table.get("name") or f"number {number}"}
        try:
            schedule = _schedule(table)
        except InvalidOption as error:
            raise UsageError(error.what, {**facts, **error.facts}, error.hint) from None
        if schedule.name in found:
            raise UsageError(
                "Two schedules have the same name", facts, "give each its own: ticks are kept by it"
            )
        found[schedule.name] = schedule
    return tuple(found.values())


def _schedule(table: Mapping[str, object]) -> Schedule:
    for name in table:
        if name not in NAMES:
            from difflib import get_close_matches

            close = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(NAMES)}"
            raise InvalidOption(f"A schedule has no setting {name!r}", {}, hint)
    if "name" not in table:
        raise InvalidOption("A schedule needs a name", {}, EXAMPLE)
    return Schedule(
        name=table["name"],  # type: ignore[arg-type]  # checks itself
        trigger=make_trigger(table.get("cron"), table.get("interval"), table.get("timezone")),
        command=_command(table),
        catchup=_one_of(table, "catchup", CATCHUPS),
        grace_s=_seconds(table, "grace", GRACE_S),
        overlap=_one_of(table, "overlap", OVERLAPS),
        paused=_flag(table, "paused"),
    )


def _command(table: Mapping[str, object]) -> tuple[str, ...]:
    build, run = table.get("build"), table.get("run")
    if (build is None) == (run is None):
        what = "A schedule builds assets or runs a flow" + ("" if build is None else ", not both")
        raise InvalidOption(what, {}, ('build = ["report"]', 'run = "pipeline.py:flow_name"'))
    parameters = table.get("parameters", {})
    if not isinstance(parameters, Mapping) or (parameters and run is None):
        raise InvalidOption(
            "'parameters' is a table, and belongs to 'run'", {}, "parameters = { limit = 10 }"
        )
    if run is not None:
        if not isinstance(run, str) or not run.partition(":")[0] or run.startswith("-"):
            raise InvalidOption("'run' names a file and a flow in it", {"run": repr(run)}, "FILE:NAME")
        return run_command(run, parameters)
    select = [build] if isinstance(build, str) else build
    if not isinstance(select, list) or not select or not all(_is_selector(each) for each in select):
        facts = {"build": repr(build)}
        raise InvalidOption(
            "'build' is a list of what to build", facts, 'build = ["report"], or ["*"] for everything'
        )
    return build_command(tuple(select))


def _is_selector(value: object) -> bool:
    # One that starts with a dash would be taken for an option.
    return isinstance(value, str) and bool(value.strip()) and not value.startswith("-")


def _one_of(table: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str:
    value = table.get(name, allowed[0])
    if value not in allowed:
        raise InvalidOption(f"{name!r} is one of {', '.join(allowed)}", {name: repr(value)})
    return str(value)


def _seconds(table: Mapping[str, object], name: str, default: float) -> float:
    value = table.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InvalidOption(f"{name!r} is a number of seconds, 0 or more", {name: repr(value)})
    return float(value)


def _flag(table: Mapping[str, object], name: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise InvalidOption(f"{name!r} is true or false", {name: repr(value)})
    return value
