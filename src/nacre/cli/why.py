"""``nacre why``: what would happen to one asset now, what its current version was made from, and what changed since."""

from __future__ import annotations

import dataclasses

import click

from nacre.cli.layout import fit, print_json
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.planning.explain import sentence
from nacre.views.changed import MAX_LINES
from nacre.views.session import Session
from nacre.views.why import WhyResult, explain


@click.command("why")
@click.argument("asset")
@one_partition_option
@modules_option
@click.option(
    "--diff/--no-diff",
    "shows_diff",
    default=True,
    help="Show the lines of code that changed.",
    show_default=True,
)
@json_option
def command(asset: str, partition: str, modules: tuple[str, ...], shows_diff: bool, as_json: bool) -> None:
    """Explain one asset: what would happen now and why, its inputs, and what it was made from.

    Of an asset with partitions, the one that is named; else the first that would not just be reused, else the last.
    """
    result = explain(Session(modules), asset, partition)
    if as_json:
        print_json(fields(result))
        return
    for kind, text in result.rows(MAX_LINES if shows_diff else 0):
        echo(paint(fit(text), kind))


def fields(result: WhyResult) -> dict[str, object]:
    """Turn the answer into JSON: causes as sentences with their kind, differences whole."""
    made = result.made
    otherwise = result.otherwise
    return {
        "asset": result.asset,
        **({"partition": result.partition} if result.partition else {}),
        "action": result.action,
        "reason": result.reason,
        "causes": [
            {
                "cause": each.cause.value,
                "subject": each.subject,
                "text": sentence(dataclasses.replace(each, also=0)),
            }
            for each in result.causes
        ],
        "otherwise": {"action": otherwise[0], "reason": otherwise[1]} if otherwise else None,
        "inputs": [
            {"parameter": each.parameter, "asset": each.asset, "version": each.version, "used": each.used}
            for each in result.inputs
        ],
        "made": dataclasses.asdict(made) if made else None,
        "code": [dataclasses.asdict(each) for each in result.code],
        "reads": list(result.reads),
        "warnings": list(result.warnings),
        "problem": result.problem,
    }
