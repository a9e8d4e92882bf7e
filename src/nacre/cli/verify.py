"""``nacre verify``: makes a sample of reused assets once more and compares; keeps nothing."""

from __future__ import annotations

import click

from nacre.cli.errors import FAILED
from nacre.cli.layout import fit, print_json
from nacre.cli.options import json_option, modules_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.curate.verifying import DEFAULT_SAMPLE, Verified, VerifyResult, verify_reused
from nacre.execute.report import duration
from nacre.views.session import Session
from nacre.views.words import names_of

_GLYPHS = {"same": "=", "differs": "✗", "failed": "✗", "not run": "·"}
_COLOURS = {"same": "quiet", "differs": "failed", "failed": "failed", "not run": "quiet"}


@click.command("verify")
@click.argument("select", nargs=-1)
@click.option(
    "--sample",
    default=DEFAULT_SAMPLE,
    show_default=True,
    metavar="N|N%",
    help="How many of the reused assets, or which share of them.",
)
@click.option("--all", "all_of_them", is_flag=True, help="All of them.")
@click.option("--seed", type=int, help="Chooses the sample; by default the day, so that days differ.")
@modules_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    select: tuple[str, ...],
    sample: str,
    all_of_them: bool,
    seed: int | None,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a sample of reused assets once more from their stored inputs, and compare with what is stored.

    Runs their functions; stores, publishes and moves nothing. SELECT as in nacre build. Exits with 1 where one differs.
    """
    session = Session(modules)
    size = "all" if all_of_them else sample
    result = verify_reused(session.project, session.modules, select or ("*",), sample=size, seed=seed)
    if as_json:
        for each in result.checked:
            print_json(_fields(each))
    else:
        _print(result)
    ctx.exit(0 if result.ok else FAILED)


def _print(result: VerifyResult) -> None:
    n, seed = len(result.checked), f"seed {result.seed}"
    echo(paint(f"Made {n:,} of {result.n_reused:,} reused once more, and stored nothing · {seed}", "strong"))
    names = names_of(each.asset for each in result.checked)
    shown = [
        f"{names[each.asset]}[{each.partition}]" if each.partition else names[each.asset]
        for each in result.checked
    ]
    longest = max(map(len, shown), default=0)
    for name, each in zip(shown, result.checked, strict=True):
        took = duration(each.duration_s)
        line = f"{_GLYPHS[each.outcome]} {name:<{longest}}  {each.outcome:<7}  {took:>7}  {each.text}"
        echo(paint(fit(line.rstrip()), _COLOURS[each.outcome]))
        if each.hint:
            echo(fit(f"{'':<{longest + 4}}hint: {each.hint}"))


def _named(name: str, partition: str) -> str:
    return f"{name}[{partition}]" if partition else name


def _fields(each: Verified) -> dict[str, object]:
    return {
        "asset": each.asset,
        **({"partition": each.partition} if each.partition else {}),
        "outcome": each.outcome,
        "text": each.text,
        "hint": each.hint,
        "duration_s": each.duration_s,
    }
