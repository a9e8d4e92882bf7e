"""``nacre fsck``: checks that the store holds what it says, and mends what can be mended."""

from __future__ import annotations

import click

from nacre.cli.errors import FAILED
from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import full_option, json_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.curate.checking import CheckResult, check_store
from nacre.planning.explain import short
from nacre.views.session import Session
from nacre.views.words import count


@click.command("fsck")
@click.option("--read-data", is_flag=True, help="Read every stored value and verify its digest.")
@click.option(
    "--repair",
    is_flag=True,
    help="Make the index anew, note lost versions for the next build, publish stale files. Removes nothing.",
)
@json_option
@full_option
@click.pass_context
def command(ctx: click.Context, read_data: bool, repair: bool, as_json: bool) -> None:
    """Check that every version's record and bytes are there, the index is right, and files are as published.

    Exits with 1 where something is wrong.
    """
    session = Session()
    result = check_store(session.project, reads_data=read_data, repair=repair)
    if as_json:
        for each in result.checked.findings:
            print_json({**each._asdict(), "is_fault": each.is_fault})
        for text in result.repaired:
            print_json({"repaired": text})
        for text in result.left:
            print_json({"left": text})
    else:
        _print(result, reads_data=read_data, repair=repair)
    ctx.exit(0 if result.ok else FAILED)


def _print(result: CheckResult, *, reads_data: bool, repair: bool) -> None:
    checked = result.checked
    seen = [
        count(checked.n_versions, "version"),
        count(checked.n_records, "record"),
        count(checked.n_objects, "object"),
    ]
    how = "every byte verified" if reads_data else "sizes looked at; --read-data verifies every byte"
    echo(f"Checked {', '.join(seen)}: {how}")
    if checked.findings:
        rows = [
            [each.problem, short(each.slot) if each.slot else "", each.version, each.text, each.place]
            for each in checked.findings
        ]
        states = ["failed" if each.is_fault else "quiet" for each in checked.findings]
        print_lines(table(rows, ["problem", "asset", "version", "", "place"], states))
    for text in result.repaired:
        echo(f"Repaired: {text}.")
    for text in result.left:
        echo(f"Left: {text}")
    if result.ok:
        n_noted = sum(each.is_noted for each in checked.findings)
        but = f", but for {count(n_noted, 'version')} known to be lost" if n_noted else ""
        echo(paint(f"All is well{but}.", "strong"))
    elif not repair:
        echo("Mend what can be mended with: nacre fsck --repair")
