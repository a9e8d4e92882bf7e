"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

from nacre.config import require_env_name

_ENV = "NACRE_ENV"
F = TypeVar("F", bound=Callable[..., object])


def modules_option(command: F) -> F:
    """Add ``-m``, ``--env`` and ``--full``, for commands that import the user's modules."""
    command = click.option(
        "-m",
        "--module",
        "modules",
        multiple=True,
        metavar="FILE",
        help="File or module that declares assets; several may be given. Default: settings, else pipeline.py.",
    )(command)
    return full_option(env_option(command))


def env_option(command: F) -> F:
    """Add ``--env``: the same as setting ``NACRE_ENV`` for this one command, and for the processes it starts."""
    return click.option(
        "--env",
        metavar="NAME",
        expose_value=False,
        callback=_use_env,
        help="Environment to work in. Default: NACRE_ENV, else settings, else default.",
    )(command)


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


def _use_env(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        before = os.environ.get(_ENV)
        os.environ[_ENV] = require_env_name(value, {"set in": "--env"})
        ctx.call_on_close(lambda: _set_back(before))


def _set_back(before: str | None) -> None:
    if before is None:
        os.environ.pop(_ENV, None)
    else:
        os.environ[_ENV] = before
