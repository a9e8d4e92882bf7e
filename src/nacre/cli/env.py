"""``nacre env``: the environments of a store; ``nacre env rm`` removes one."""

from __future__ import annotations

import click

from nacre.cli.layout import print_json, print_lines, table
from nacre.cli.options import full_option, json_option
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.environments import (
    EnvironmentStatus,
    chain_of,
    environments,
    remove,
    require_known,
    require_removable,
)
from nacre.store.records import DEFAULT_ENV
from nacre.views.session import Session
from nacre.views.words import ago, count

#: So many heads that cannot be used are named; fsck lists all.
_MAX_ASIDE = 5


def tell_environment(session: Session) -> None:
    """Say what to know of the environment that is used: that it is new, so a mistyped name is seen, or damaged."""
    settings = session.project.settings
    aside = session.workspace.catalog.aside(session.workspace.env)
    for path, problem in sorted(aside.items())[:_MAX_ASIDE]:
        echo(f"! {path} {problem}, and what it is of is left out: nacre fsck", err=True)
    if len(aside) > _MAX_ASIDE:
        echo(f"! … and {len(aside) - _MAX_ASIDE:,} more: nacre fsck", err=True)
    if settings.env == DEFAULT_ENV:
        return
    chain = chain_of(settings, session.workspace.records, settings.env)
    if not chain.is_begun:
        text = f"{settings.env} is a new environment: until it makes versions of its own"
        echo(f"{text}, {chain.base}'s are read", err=True)


@click.group("env")
def command() -> None:
    """List environments, or remove one."""


@command.command("ls")
@full_option
@json_option
def ls(as_json: bool) -> None:
    """List environments: what each reads through, how many versions it has of its own, and when it last changed."""
    session = _session()
    found = environments(session.workspace, session.project.settings)
    if as_json:
        for each in found:
            print_json(_fields(session, each))
        return
    rows = [
        [
            each.name,
            each.base,
            f"{each.n_own:,}",
            ago(each.changed_at, session.now) if each.changed_at else "",
            _place(session, each),
        ]
        for each in found
    ]
    print_lines(table(rows, ["environment", "reads through", "own", "changed", "publishes to"]))


@command.command("rm")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@full_option
def rm(name: str, yes: bool) -> None:
    """Remove an environment: which versions are current in it, and their histories.

    What it made stays until nacre gc finds that nobody else uses it. Files that it published stay where they are.
    """
    session = _session()
    workspace, settings = session.workspace, session.project.settings
    require_removable(workspace, settings, name)
    if not yes:
        found = require_known(workspace, settings, name)
        own = count(found.n_own, "version")
        click.confirm(f"Remove the environment {name}, with {own} of its own?", abort=True)
    n_heads = remove(workspace, settings, name)
    echo(paint(f"✓ {name} is removed: {count(n_heads, 'version')} of its own", "built"))


def _session() -> Session:
    """Look at the store from the default environment: the one that is used may be what is wrong."""
    return Session((), Session().project.from_default())


def _place(session: Session, each: EnvironmentStatus) -> str:
    if not each.base:
        return "what keys say"
    return session.project.settings.environment(each.name).publish_root or "nowhere"


def _fields(session: Session, each: EnvironmentStatus) -> dict[str, object]:
    return {
        "environment": each.name,
        "base": each.base,
        "own": each.n_own,
        "changed_at": each.changed_at or None,
        "publish_root": session.project.settings.environment(each.name).publish_root or None,
        "begun": each.is_begun,
    }
