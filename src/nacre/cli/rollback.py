"""``nacre rollback``: an older version is current again, and builds leave it so until it is released."""

from __future__ import annotations

import click

from nacre.cli.layout import fit, print_json
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.curate.going_back import RolledBack
from nacre.curate.rolling_back import RollbackResult, end_hold, roll_back
from nacre.errors import UsageError
from nacre.keys import key_of, partition_of
from nacre.planning.explain import short
from nacre.views.session import Session

FAILED = 1


@click.command("rollback")
@click.argument("version", metavar="ASSET@VERSION")
@click.option("--only", is_flag=True, help="Leave what is below as it is; the next build makes it anew.")
@click.option("--dry-run", is_flag=True, help="Say what would become current, and write nothing.")
@click.option(
    "--release", is_flag=True, help="End the hold; the next build goes on as if there had been none."
)
@one_partition_option
@modules_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    version: str,
    only: bool,
    dry_run: bool,
    release: bool,
    partition: str,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make an older version of an asset current again, and hold it: builds and flows leave it as it is.

    VERSION is v12, a part of its content or of a run, a time such as 2026-11-01, or a pin. Nothing runs. What is below
    goes back to its newest version that was made from exactly that, as far as there is one.
    """
    session = Session(modules)
    key, at = session.find_at(version)
    name = short(key)
    if release:
        if at or only or dry_run:
            raise UsageError(
                "--release takes an asset, and nothing else", {}, f"nacre rollback {name} --release"
            )
        _release(session, key, partition, as_json=as_json)
        return
    if not at:
        hints = (f"for example nacre rollback {name}@v1", f"which there are: nacre history {name}")
        raise UsageError(f"Which version of {name}?", {"asset": key}, hints)
    # What is stored is found by now: one that writes begins the environment.
    workspace = session.workspace if dry_run else session.project.workspace()
    result = roll_back(workspace, key, at, partition=partition, only=only, dry_run=dry_run)
    if as_json:
        for each in result.rolled_back:
            print_json(_fields(each, dry_run))
    else:
        _print(result, name)
    for problem in result.problems:
        echo(problem, err=True)
    ctx.exit(FAILED if result.problems else 0)


def _release(session: Session, key: str, partition: str, *, as_json: bool) -> None:
    ended = end_hold(session.workspace, key, partition=partition)
    for each, held in ended:
        if as_json:
            print_json(
                {"asset": key_of(each), "partition": partition_of(each), "held": held, "released": True}
            )
        else:
            echo(paint(f"✓ {short(each)} was held at {held}, and is released", "built"))
    if not ended and not as_json:
        echo(f"{short(key)} is not held.")


def _print(result: RollbackResult, name: str) -> None:
    sign, style = ("·", "quiet") if result.is_dry_run else ("✓", "built")
    for each in result.rolled_back:
        echo(paint(fit(f"{sign} {each}"), style))
    for below in result.rebuilt:
        echo(fit(f"+ {below}: no version was made from this; the next build makes it"))
    until = f"until: nacre rollback {name} --release"
    echo(paint("Nothing is written: this is what would be." if result.is_dry_run else until, "quiet"))


def _fields(each: RolledBack, dry_run: bool) -> dict[str, object]:
    return {
        "asset": each.asset,
        **({"partition": each.partition} if each.partition else {}),
        "version": each.version,
        "to": each.to,
        "before": each.before,
        "held": each.is_held,
        "written": not dry_run,
    }
