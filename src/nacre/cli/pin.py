"""``nacre pin``: keeps a version whatever the settings say, under a name that can be asked for."""

from __future__ import annotations

import click

from nacre.cli.layout import fit, print_json, print_lines, table
from nacre.cli.options import json_option, modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.errors import UsageError
from nacre.keys import slot
from nacre.loading import find_version
from nacre.pinning import pin_version, pins, remove_pin
from nacre.planning.explain import short
from nacre.store.paths import env_name
from nacre.store.records import DEFAULT_ENV, Pin
from nacre.views.session import Session
from nacre.views.words import ago


@click.command("pin")
@click.argument("version", metavar="[ASSET[@VERSION]", default="")
@click.argument("name", metavar="NAME]", default="")
@click.option(
    "--remove", metavar="NAME", help="Remove a pin; the version stays for as long as the settings keep it."
)
@click.option(
    "--move", is_flag=True, help="Let a pin that is there name this version of the asset from now on."
)
@one_partition_option
@modules_option
@json_option
def command(
    version: str,
    name: str,
    remove: str | None,
    move: bool,
    partition: str,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Keep a version of an asset, whatever the settings say, under a name: nacre show posts@NAME.

    Without VERSION the current one. Alone, it lists the pins.
    """
    session = Session(modules)
    if remove is not None:
        if version or name:
            raise UsageError(
                "--remove takes the name of a pin, and nothing else", {}, f"nacre pin --remove {remove}"
            )
        gone = remove_pin(session.workspace, remove)
        if gone.asset:
            _print(session, gone, "removed: ", as_json=as_json)
        else:
            echo(f"removed: {remove}, which could not be read")
        return
    if not version:
        _list(session, as_json=as_json)
        return
    if not name:
        raise UsageError("A pin needs a name", {}, f"for example nacre pin {version} before-backfill")
    key, at = session.find_at(version)
    row = find_version(session.workspace, session.current(key, partition), at or None)
    workspace = session.project.workspace()
    _print(session, pin_version(workspace, name, key, partition, row, moves=move), "✓ ", as_json=as_json)


def _list(session: Session, *, as_json: bool) -> None:
    found = pins(session.workspace)
    if as_json:
        for pin in found:
            print_json(_fields(pin))
    elif found:
        # Only where it says something: a pin is read in the environment whose version it keeps.
        says_env = any(pin.env != DEFAULT_ENV for pin in found)
        rows = [
            [
                *(pin.name, _slot(pin), f"v{pin.seq}"),
                *([env_name(pin.env)] if says_env else []),
                *(ago(pin.at, session.now), pin.by, pin.asset),
            ]
            for pin in found
        ]
        headings = ["pin", "asset", "version", *(["environment"] if says_env else []), "pinned", "by", "key"]
        print_lines(table(rows, headings))
    else:
        echo("No pins.")


def _print(session: Session, pin: Pin, start: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_fields(pin))
    else:
        echo(paint(fit(f"{start}{pin.name} is v{pin.seq} of {_slot(pin)}"), "built"))


def _slot(pin: Pin) -> str:
    return short(slot(pin.asset, pin.partition))


def _fields(pin: Pin) -> dict[str, object]:
    return {
        "pin": pin.name,
        "asset": pin.asset,
        **({"partition": pin.partition} if pin.partition else {}),
        "version": pin.seq,
        "env": env_name(pin.env),
        "at": pin.at,
        "by": pin.by,
    }
