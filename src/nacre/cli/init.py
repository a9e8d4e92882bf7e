"""``nacre init``: writes a pipeline that runs, and settings. Overwrites nothing."""

from __future__ import annotations

import os

import click

from nacre.cli.layout import print_next
from nacre.cli.streams import echo
from nacre.errors import UsageError

PIPELINE = '''\
"""Three assets. A parameter's name says which asset it is made from."""

from nacre.artifacts import create_markdown_artifact
from nacre.assets import materialize


@materialize("demo://orders")
def orders() -> list[dict[str, object]]:
    return [{"item": "tea", "price": 3.5}, {"item": "cake", "price": 4.0}, {"item": "tea", "price": 3.5}]


@materialize("demo://sales")
def sales(orders: list[dict[str, object]]) -> dict[str, float]:
    return {item: sum(o["price"] for o in orders if o["item"] == item) for item in ("tea", "cake")}


@materialize("demo://report")
def report(sales: dict[str, float]) -> str:
    best = max(sales, key=sales.get)
    create_markdown_artifact(f"# Sales\\n\\nMost was earned with **{best}**.", key="sales")
    return best
'''
SETTINGS = """\
# Settings of this project. Versions are kept in .nacre/ unless `store` (or NACRE_STORE) says otherwise.
modules = ["pipeline.py"]
"""
FILES = {"pipeline.py": PIPELINE, "nacre.toml": SETTINGS}


@click.command("init")
@click.argument("folder", default=".", metavar="[DIR]")
def command(folder: str) -> None:
    """Write a small pipeline that runs into DIR, to start from. Existing files stay as they are."""
    if os.path.isfile(folder):
        raise UsageError(f"{folder} is a file", hint="give a folder, or none for this one")
    os.makedirs(folder, exist_ok=True)
    n_written = 0
    for name, text in FILES.items():
        path = os.path.normpath(os.path.join(folder, name))
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            echo(f"= {path} is there, left as it is")
        else:
            n_written += 1
            echo(f"✓ {path}")
    go_there = "" if os.path.realpath(folder) == os.path.realpath(".") else f"cd {folder} && "
    print_next(
        [(f"{go_there}nacre build", "build all three assets"), ("nacre", "how they stand, at any time")]
    )
