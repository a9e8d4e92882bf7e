"""Commands run in this process, in a project of its own: what the tests of the command line share."""

from __future__ import annotations

import json
import linecache
import sys

from click.testing import CliRunner, Result

from nacre.cli.main import cli
from sandbox import Sandbox

HEAD = """\
from nacre import flow, Asset
from nacre.assets import materialize
from nacre.artifacts import *

"""
SHOP = (
    HEAD
    + """
@materialize("demo://orders")
def orders() -> list:
    return [{"item": "tea", "price": 3}, {"item": "cake", "price": 4}]

@materialize("demo://sales")
def sales(orders: list) -> dict:
    Asset("demo://sales").add_metadata({"rows read": len(orders)})
    return {"sum": sum(o["price"] for o in orders)}

@materialize("demo://report")
def write_report(sales: dict, orders: list) -> str:
    create_markdown_artifact(f"# Sales\\n\\n**{sales['sum']}**", key="words", description="In words")
    return f"sum {sales['sum']}"

@flow
def shop(times: int = 1, who: str = "you") -> list:
    return [f"{who}: {write_report()}"] * times

@flow
async def later() -> int:
    return 7
"""
)
BROKEN = (
    HEAD
    + """
@materialize("demo://posts")
def posts() -> list:
    return [{"day": "Monday", "token": "s3cr3t"}] * 5

@materialize("demo://moods")
def moods(posts: list) -> list:
    scores = {"good": 1}
    for post in posts: return [scores[post["mood"]]]

@materialize("demo://weekly")
def weekly(moods: list) -> int:
    return 1

@flow
def all_moods():
    return moods()
"""
)


class Shell:
    """Runs commands in a project's folder, in this process."""

    def __init__(self, project: Sandbox) -> None:
        self.project = project

    def write(self, text: str, name: str = "pipeline.py") -> None:
        """Write a file, and forget what was imported, as the next process would."""
        self.forget()
        (self.project.folder / name).write_text(text, encoding="utf-8")
        linecache.clearcache()
        self.project.reopen()

    def forget(self) -> None:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.project.folder)):
                del sys.modules[name]

    def __call__(self, *arguments: str, exits: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(arguments))
        assert result.exit_code == exits, result.output + repr(result.exception)
        assert "Traceback" not in result.output or "--full" in arguments
        return result

    def rows(self, *arguments: str, exits: int = 0) -> list[dict[str, object]]:
        return [json.loads(line) for line in self(*arguments, "--json", exits=exits).stdout.splitlines()]
