"""``nacre gc``: removes what no version needs any more; by itself it only says what that is."""

from __future__ import annotations

from collections.abc import Mapping

import click

from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import full_option, json_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.curate.collecting import collect_garbage
from nacre.store.gc import GRACE_S, Report, Tally
from nacre.views.session import Session
from nacre.views.words import size

_DAY_S = 86_400
#: What each kind of what goes is called, in the order it is shown.
_KINDS = {
    "versions": "versions beyond keep_versions and keep_days",
    "left": "versions of environments that were removed",
    "results": "results that no version names",
    "objects": "objects that no result names",
    "texts": "texts of code that no result names",
    "unfinished": "leftovers of writers that were killed",
    "runs": "runs older than keep_runs",
    "logs": "logs of those runs",
    "ticks": "ticks older than keep_runs",
    "artifacts": "artifacts older than keep_runs",
    "images": "images of those artifacts",
    "leases": "leases that nobody holds",
    "tombstones": "marks of results that were removed before",
}
_REASONS = {
    "current": "what is current",
    "pinned": "pinned or held",
    "history": "versions of histories",
    "recent": "results used within cache_keep",
    "young": "objects that a writer may be about to name",
}


@click.command("gc")
@click.option("--delete", is_flag=True, help="Remove it; without this, only say what would go.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0, max=36_500),
    default=GRACE_S / _DAY_S,
    show_default=True,
    metavar="DAYS",
    help="Leave whatever is younger. Below the default only while nothing else uses the store.",
)
@json_option
@full_option
def command(delete: bool, grace: float, as_json: bool) -> None:
    """Say what could be removed from the store, and what stays and why; with --delete, remove it.

    What is current, held or pinned always stays, and so does every version within the limits of the settings.
    """
    if grace != grace:  # NaN is in every range
        raise click.BadParameter("give a number of days", param_hint="--grace")
    session = Session()
    report, gained = collect_garbage(session.project, delete=delete, grace_s=grace * _DAY_S)
    for each in report.warnings:
        echo(f"! {each}", err=True)
    if as_json:
        print_json(_fields(report, gained))
        return
    _print(report, gained)


def _print(report: Report, gained: int) -> None:
    if not report.removed:
        echo("Nothing to remove.")
    else:
        echo(paint("Removed" if report.deleted else "Would be removed", "strong"))
        print_lines(_lines(report.removed, _KINDS))
    if report.kept:
        echo(paint("Stays", "strong"))
        print_lines(_lines(report.kept, _REASONS))
    if gained:
        echo(f"The file of records is {size(gained)} smaller.")
    if report.removed and not report.deleted:
        echo("Remove it with: nacre gc --delete")


def _lines(tallies: Mapping[str, Tally], names: Mapping[str, str]) -> list[str]:
    rows = [
        [f"{tallies[kind].n:,}", size(tallies[kind].size_bytes) if tallies[kind].size_bytes else "", text]
        for kind, text in names.items()
        if kind in tallies
    ]
    return table(rows, ["number", "size", "what"])


def _fields(report: Report, gained: int) -> dict[str, object]:
    return {
        "deleted": report.deleted,
        "removed": {kind: each._asdict() for kind, each in report.removed.items()},
        "kept": {reason: each._asdict() for reason, each in report.kept.items()},
        "freed_bytes": report.freed_bytes,
        "file_bytes": gained,
        "warnings": report.warnings,
    }
