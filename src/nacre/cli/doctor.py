"""``nacre doctor``: looks at what the project rests on, and says what to do about what is wrong."""

from __future__ import annotations

import click

from nacre.cli.errors import FAILED
from nacre.cli.layout import print_json
from nacre.cli.options import full_option, json_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.doctor import Examined, Level, examine
from nacre.views.session import Session

_COLOURS = {Level.OK: "quiet", Level.WARN: "stale", Level.FAIL: "failed"}
_LONGEST = 20


@click.command("doctor")
@json_option
@full_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Look at settings, store, places, credentials, clock and libraries; change nothing.

    Exits with 1 where something fails.
    """
    session = Session()
    has_failed = False
    for each in examine(session.project):
        has_failed = has_failed or each.level is Level.FAIL
        if as_json:
            print_json(dict(each._asdict()))
        else:
            _print(each)
    ctx.exit(FAILED if has_failed else 0)


def _print(each: Examined) -> None:
    echo(paint(f"{each.level:<4}", _COLOURS[each.level]) + f"  {each.what:<{_LONGEST}}  {each.text}")
    if each.hint:
        echo(f"{'':<{_LONGEST + 8}}→ {each.hint}")
