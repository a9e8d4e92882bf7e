"""``nacre promote``: what is current in one environment becomes current in another, and nothing runs."""

from __future__ import annotations

import click

from nacre.cli.layout import print_json
from nacre.cli.options import full_option, json_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.curate.promoting import PromotedVersion, PromoteResult, promote_versions
from nacre.views.session import Session
from nacre.views.words import count


@click.command("promote")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("select", nargs=-1)
@click.option(
    "--partition",
    "partitions",
    multiple=True,
    metavar="NAME",
    help="Only this partition; several may be given.",
)
@click.option("--force", is_flag=True, help="Also over what TO got meanwhile, and over what is held there.")
@click.option("--dry-run", is_flag=True, help="Say what would be promoted, and write nothing.")
@full_option
@json_option
def command(
    source: str,
    target: str,
    select: tuple[str, ...],
    partitions: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the versions that environment FROM has of its own current in TO, and publish them as TO does.

    Nothing runs and no code is read. SELECT is a key, a name, a glob, +a or a+ by the lineage that is recorded; nothing
    selected means all. Where TO has moved on since FROM began, all such conflicts are named, and nothing is promoted.
    """
    project = Session().project
    result = promote_versions(
        project, source, target, select, partitions=partitions, force=force, dry_run=dry_run
    )
    for text in result.warnings:
        echo(f"! {text}", err=True)
    if as_json:
        for each in result.promoted:
            print_json(_fields(result, each))
        return
    glyph, kind = ("·", "quiet") if dry_run else ("✓", "built")
    for each in result.promoted:
        echo(paint(f"{glyph} {each.name}  v{each.promoted} of {source} → v{each.version} of {target}", kind))
    echo(paint(_summary(result), "strong"))


def _summary(result: PromoteResult) -> str:
    same = f" · {result.n_same:,} the same in both" if result.n_same else ""
    if not result.promoted:
        return f"Nothing to promote from {result.source} to {result.target}{same}"
    verb = "would be promoted" if result.is_dry_run else "promoted"
    n_published = sum(bool(each.place) for each in result.promoted)
    published = f" · {n_published:,} published" if n_published and not result.is_dry_run else ""
    return f"{count(len(result.promoted), 'version')} {verb}{published}{same} · 0 steps run"


def _fields(result: PromoteResult, each: PromotedVersion) -> dict[str, object]:
    return {
        "asset": each.asset,
        **({"partition": each.partition} if each.partition else {}),
        "from": result.source,
        "to": result.target,
        "promoted": each.promoted,
        "version": each.version,
        "place": each.place,
        "written": not result.is_dry_run,
    }
