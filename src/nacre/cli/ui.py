"""``nacre ui``: serves the web page of a project on this machine."""

from __future__ import annotations

import sys
import webbrowser

import click

from nacre.cli.options import modules_option
from nacre.cli.streams import echo
from nacre.web.serve import DEFAULT_PORT, serve


@click.command("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help=f"Port; 0 takes any. Default: {DEFAULT_PORT}, else any.",
)
@click.option(
    "--allow-host", "names", multiple=True, metavar="NAME", help="Answer to this name too, as behind a proxy."
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@modules_option
def command(
    host: str, port: int | None, names: tuple[str, ...], no_browser: bool, modules: tuple[str, ...]
) -> None:
    """Show the project in a browser: how assets stand and why, lineage, versions, runs, artifacts."""

    def opened(address: str) -> None:
        echo(f"{address}  (Ctrl-C ends it)")
        if not no_browser and sys.stdout.isatty():
            webbrowser.open(address)

    serve(modules, host, port, names, opened)
