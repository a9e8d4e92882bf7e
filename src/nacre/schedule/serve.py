"""Serves schedules until a signal ends it: puts the loop together for a project's store."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from nacre import context
from nacre.declare.deployment import Deployment
from nacre.errors import InvalidOption, MissingContext, UsageError
from nacre.execute.workspace import Workspace
from nacre.schedule.definition import Schedule, make_trigger, run_command
from nacre.schedule.lines import TickLines
from nacre.schedule.loop import Loop
from nacre.schedule.process import nacre_processes, stopped_by_signals
from nacre.schedule.ticks import TickBook
from nacre.store.ids import RUN_ID
from nacre.store.lease import Tenure
from nacre.store.records import DEFAULT_ENV


def serve_deployments(open_workspace: Callable[[], Workspace], deployments: Sequence[object]) -> None:
    """Serve flows until a signal ends it.

    Args:
        open_workspace: Gives the project's store and time, and looks at what others wrote meanwhile.
        deployments: Of ``flow.to_deployment``.

    Raises:
        InvalidOption: One is no deployment, or does not say when it is due.
        MissingContext: It was called in a run, or by what a tick itself started.
    """
    if RUN_ID in os.environ or context.current_run.get() is not None:
        hint = 'put the call under: if __name__ == "__main__":'
        raise MissingContext("serve was called by what is served itself", {}, hint)
    root = open_workspace().root
    serve(open_workspace, [scheduled(each, root) for each in deployments], TickLines())


def serve(open_workspace: Callable[[], Workspace], schedules: Sequence[Schedule], lines: TickLines) -> None:
    """Serve schedules until a signal ends it, then wait for what they started.

    Args:
        open_workspace: As above.
        schedules: What is served.
        lines: Shows what happens.

    Raises:
        UsageError: There is nothing to serve, or no other process could see the store.
        StoreError: The store refuses.
    """
    workspace = open_workspace()
    _check(workspace, schedules)
    if workspace.env_name != DEFAULT_ENV:
        schedules = [each.in_environment(workspace.env_name) for each in schedules]
    holder = f"{os.uname().nodename}/{os.getpid()}/{workspace.new_id()}"
    records, clock = workspace.records, workspace.clock
    tenure = Tenure(records, ", ".join(sorted(schedule.name for schedule in schedules)), holder, clock)
    book = TickBook(records, workspace.catalog, clock, holder, tenure.path, look=open_workspace)
    start = nacre_processes(workspace.root)
    tenure.hold()  # a store that refuses is found before anything is promised; later on the loop tries again
    with stopped_by_signals() as stop:
        lines.begin(schedules, workspace.root, clock.now())
        loop = Loop(schedules, book, tenure, clock, start, lines, workspace.new_id)
        try:
            while not stop.asked.is_set():
                stop.asked.wait(loop.turn())
        finally:
            loop.stop(clock.sleep, stop.is_hurried)
        lines.end()


def scheduled(deployment: object, root: str) -> Schedule:
    """Make the schedule of a deployment; a file in the project is named from its folder.

    Raises:
        InvalidOption: It is no deployment, or does not say when it is due.
    """
    if not isinstance(deployment, Deployment):
        hint = 'serve(my_flow.to_deployment("name", cron="0 7 * * *"))'
        raise InvalidOption("serve takes deployments", {"given": repr(deployment)}, hint)
    file, _, name = deployment.where.rpartition(":")
    inside = os.path.relpath(os.path.realpath(file), root)
    where = f"{file if inside.startswith(os.pardir) else inside}:{name}"
    try:
        trigger = make_trigger(deployment.cron, deployment.interval, deployment.timezone, deployment.schedule)
        command = run_command(where, deployment.parameters, deployment.tags)
        return Schedule(deployment.name, trigger, command, paused=deployment.paused)
    except InvalidOption as error:
        raise error.about("deployment", deployment.name) from None


def _check(workspace: Workspace, schedules: Sequence[Schedule]) -> None:
    if not schedules:
        hint = 'add to nacre.toml: [[schedules]]  name = "daily"  cron = "0 7 * * *"  build = ["*"]'
        raise UsageError("There is no schedule to serve", {"project": workspace.root}, hint)
    names = [schedule.name for schedule in schedules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        hint = "give each its own: ticks are kept by it"
        raise InvalidOption("Two schedules have the same name", {"name": ", ".join(twice)}, hint)
    if workspace.location.startswith("memory://"):
        hint = "set NACRE_STORE to a folder or a bucket"
        facts = {"store": workspace.location}
        raise UsageError("Schedules need a store that other processes see", facts, hint)
