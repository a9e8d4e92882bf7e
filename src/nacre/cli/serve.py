"""``nacre serve``: runs what the settings schedule until a signal ends it; one line for each start and end."""

from __future__ import annotations

from functools import partial

import click

from nacre.cli.options import env_option, full_option
from nacre.cli.streams import echo
from nacre.schedule.lines import TickLines
from nacre.schedule.serve import serve
from nacre.views.session import Session


@click.command("serve")
@env_option
@full_option
def command() -> None:
    """Run what the settings schedule, when it is due, each time in a process of its own.

    Several may serve one store: no tick is run twice, and when one ends another goes on.
    """
    session = Session()
    project = session.project
    serve(partial(project.workspace, schedules=True), project.settings.schedules, TickLines(echo))
