"""``nacre accept``: the result that is there stands for the edited code, since the edit does not change it."""

from __future__ import annotations

import click

from nacre.cli.layout import fit, print_json
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.curate.accepting import AcceptedVersion, accept_edit
from nacre.views.changed import shortened
from nacre.views.session import Session


@click.command("accept")
@click.argument("asset")
@click.option(
    "--reason", default="", metavar="TEXT", help="Why the edit does not change the result; kept with it."
)
@click.option("--dry-run", is_flag=True, help="Say what would be accepted, and write nothing.")
@one_partition_option
@modules_option
@json_option
def command(
    asset: str, reason: str, dry_run: bool, partition: str, modules: tuple[str, ...], as_json: bool
) -> None:
    """Say that an edit of the code does not change an asset: what is stored stands for the new code.

    Nothing runs, and what is below is reused. Refused, with the causes, where anything but the code differs.
    """
    session = Session(modules)
    result = accept_edit(
        session.project, session.modules, asset, partition=partition, reason=reason, dry_run=dry_run
    )
    if as_json:
        for each in result.accepted:
            print_json(_fields(each, dry_run))
        return
    told = ""
    for change in shortened(list(result.accepted[0].code)):
        echo(fit(f"  {change.text}"))
        for line in change.diff.splitlines():
            echo(paint(fit(f"  {line}"), {"+": "added", "-": "removed"}.get(line[:1], "quiet")))
        told = "its code changed, its result did not"
    for line in str(result).splitlines():
        echo(
            paint(
                f"{'·' if dry_run else '✓'} {line}: {told or 'the same result'}",
                "quiet" if dry_run else "built",
            )
        )


def _fields(each: AcceptedVersion, dry_run: bool) -> dict[str, object]:
    return {
        "asset": each.asset,
        **({"partition": each.partition} if each.partition else {}),
        "version": each.version,
        "code": [change.text for change in each.code],
        "written": not dry_run,
    }
