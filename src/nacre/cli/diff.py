"""``nacre diff``: what differs between two versions of an asset."""

from __future__ import annotations

import click

from nacre.cli.layout import fit, print_json
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.views.difference import DEFAULT_ROWS, compare
from nacre.views.session import Session


@click.command("diff")
@click.argument("asset")
@click.argument("old", default="", metavar="[A]")
@click.argument("new", default="", metavar="[B]")
@click.option(
    "--key",
    "key",
    multiple=True,
    metavar="COLUMN",
    help="A column that tells rows apart, or a field that tells the items of a list apart; several may be given.",
)
@click.option(
    "-n",
    "--rows",
    type=click.IntRange(min=0),
    default=DEFAULT_ROWS,
    show_default=True,
    metavar="N",
    help="Rows, parts or lines shown.",
)
@one_partition_option
@modules_option
@json_option
def command(
    asset: str,
    old: str,
    new: str,
    key: tuple[str, ...],
    rows: int,
    partition: str,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what differs between two versions of an asset: rows, columns and figures, parts, lines or bytes.

    Alone, ASSET is compared with the version before. A is the version to compare with, B the one that is compared, by
    default the current one: v12, the first digits of its content, a run, a date, or a pin. ASSET@v12 compares v12 with
    the version before it.
    """
    result = compare(Session(modules), asset, old, new, partition=partition, key=key, rows=rows)
    if as_json:
        print_json(result.fields())
        return
    for kind, text in result.rows():
        echo(paint(fit(text), kind))
