"""The ``nacre`` command: finds the command that was called and imports only that one. Knows no engine."""

from __future__ import annotations

import difflib
import signal
from importlib import import_module
from types import ModuleType

import click

import nacre
from nacre.cli.errors import report
from nacre.cli.streams import echo, settle

#: Command → what the list of commands says about it; in the order people meet them. Each is ``nacre.cli.<command>``.
COMMANDS = {
    "init": "Write a small pipeline that runs, to start from.",
    "build": "Build assets and what they need, running only what must.",
    "plan": "Say what a build would do and why; run nothing.",
    "why": "Explain one asset: what would happen now, and why.",
    "accept": "Say that an edit does not change a result; run nothing.",
    "verify": "Make some reused assets once more, and compare; keep nothing.",
    "run": "Run a flow or an asset function from a file.",
    "ls": "List assets with state, version, age and size.",
    "show": "Show an asset's value, and where it came from.",
    "history": "List the versions of an asset.",
    "lineage": "Draw what an asset was made from and what uses it.",
    "artifacts": "List artifacts, or show the latest of one.",
    "gc": "Say what the store need not keep; remove it if asked.",
    "fsck": "Check the store; mend what can be mended.",
    "doctor": "Look at what the project rests on.",
    "ui": "Show the project in a browser.",
    "serve": "Run what the settings schedule, when it is due.",
    "schedules": "List schedules with their last and next tick.",
}
STATUS = "status"


class _Terminated(KeyboardInterrupt):
    """SIGTERM came, as from a container that is stopped: ends a run as Ctrl-C does, so that it is recorded."""


def _terminate(signum: int, frame: object) -> None:
    raise _Terminated


class Commands(click.Group):
    """The group of commands; imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = _load(cmd_name).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was called.

        Raises:
            click.UsageError: There is none of that name; offers the closest.
        """
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(COMMANDS)}."
            raise click.UsageError(f"No such command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, so that help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; whatever it raises is shown as a person needs it, and becomes the exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as ended:
            how = "Ended by SIGTERM" if isinstance(ended, _Terminated) else "Interrupted"
            echo(f"\n{how}. What had finished is stored; the next build goes on from there.", err=True)
            ctx.exit(143 if isinstance(ended, _Terminated) else 130)
        except Exception as error:  # the one place where errors become text and an exit code
            ctx.exit(report(error, full=bool(ctx.meta.get("nacre.full"))))


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage.",
)
@click.version_option(nacre.__version__, prog_name="nacre")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Build data assets: versioned, reused, explained.

    Alone, it says how the assets of this project stand and what to type next.
    """
    if ctx.invoked_subcommand is None:
        _load(STATUS).show()


def _load(name: str) -> ModuleType:
    return import_module(f"nacre.cli.{name}")


def main() -> None:
    """Run the command line of this process."""
    settle()
    signal.signal(signal.SIGTERM, _terminate)  # what serves until it is stopped has a handler of its own
    cli(prog_name="nacre")
