"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


def modules_option(command: F) -> F:
    """Add ``-m`` and ``--full``, for commands that import the user's modules."""
    command = click.option(
        "-m",
        "--module",
        "modules",
        multiple=True,
        metavar="FILE",
        help="File or module that declares assets; several may be given. Default: settings, else pipeline.py.",
    )(command)
    return full_option(command)


def full_option(command: F) -> F:
    """Add ``--full``."""
    return click.option(
        "--full",
        is_flag=True,
        expose_value=False,
        callback=_keep_full,
        help="Show whole tracebacks.",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def reuse_sources_option(command: F) -> F:
    """Add ``--reuse-sources``."""
    text = "Take sources as they are, without looking whether the world changed."
    return click.option("--reuse-sources", is_flag=True, help=text)(command)


def refresh_option(command: F) -> F:
    """Add ``--refresh``."""
    text = "Run what is selected even where its result is known."
    return click.option("--refresh", is_flag=True, help=text)(command)


def partition_options(command: F) -> F:
    """Add ``--partition`` and ``--missing``."""
    text = "A partition, or a range FIRST..LAST of them; several may be given. Default: all that have begun."
    command = click.option("--partition", "partitions", multiple=True, metavar="A[..B]", help=text)(command)
    return click.option("--missing", is_flag=True, help="Only partitions that have no version.")(command)


def one_partition_option(command: F) -> F:
    """Add ``--partition`` for one of them."""
    return click.option("--partition", default="", metavar="NAME", help="One partition of the asset.")(
        command
    )


def _keep_full(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta["nacre.full"] = value
