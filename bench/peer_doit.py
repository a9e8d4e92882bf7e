"""doit on the same graph: a task per asset, with file dependencies, a target and a Python action.

usage: peer_doit.py N
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from graphs import Value, asset_value, check, layered, root_value

GRAPH = layered(int(sys.argv[1]))
# doit skips a task by its file dependencies: n0 has the world's state as one, the other sources one that never changes.
WORLD, CONSTANT = "world.txt", "constant.txt"


def target(name: str) -> str:
    return f"out/{name}.json"


def load(name: str) -> Value:
    value: Value = json.loads(Path(target(name)).read_bytes())
    return value


def run(name: str, upstream: list[str]) -> None:
    value = root_value() if name == "n0" else asset_value(name, [load(u) for u in upstream])
    Path(target(name)).write_text(json.dumps(value))


def task_asset() -> Iterator[dict[str, object]]:
    for name, upstream in GRAPH:
        needs = [target(u) for u in upstream] or [WORLD if name == "n0" else CONSTANT]
        yield {
            "name": name,
            "actions": [(run, [name, upstream])],
            "targets": [target(name)],
            "file_dep": needs,
        }


def main() -> None:
    sys.setrecursionlimit(200_000)
    os.makedirs("out", exist_ok=True)
    for file, text in ((WORLD, os.environ["BENCH_SRC"]), (CONSTANT, "0")):
        if not os.path.exists(file) or Path(file).read_text() != text:
            Path(file).write_text(text)
    settings = {"dep_file": "doit.db", "backend": "dbm", "verbosity": 0, "reporter": "zero"}
    tasks = {"task_asset": task_asset, "DOIT_CONFIG": settings}
    if code := DoitMain(ModuleTaskLoader(tasks)).run(["run"]):
        raise SystemExit(f"doit ended with {code}")
    check(GRAPH, load)


if __name__ == "__main__":
    main()
