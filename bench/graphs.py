"""The graphs every contender builds, the trivial work of one asset, and the check of the result.

A graph is a list of (name, upstream names) in topological order. Exactly one asset, n0, looks at the world: it returns
the environment's ``BENCH_SRC``. The others add up what they get. Each execution appends one byte to the file
``BENCH_COUNT``, so the harness knows what really ran, in whatever process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

Graph = list[tuple[str, list[str]]]
Value = dict[str, Any]
MODULUS = 1_000_000_007
_count = -1  # kept open, so that counting costs all contenders next to nothing


def layered(n: int) -> Graph:
    """A square of √n layers of √n assets, each made of three of the layer before."""
    side = max(3, math.isqrt(n))
    return [
        (f"n{row * side + i}", [f"n{(row - 1) * side + (i + k) % side}" for k in range(3)] if row else [])
        for row in range(side)
        for i in range(side)
    ]


def sinks(graph: Graph) -> list[str]:
    """The assets nothing is made of."""
    used = {name for _, upstream in graph for name in upstream}
    return [name for name, _ in graph if name not in used]


def _tick() -> None:
    global _count
    if _count < 0:
        _count = os.open(os.environ["BENCH_COUNT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_count, b".")


def root_value() -> Value:
    """What n0 returns: the state of the world."""
    _tick()
    return {"n": "n0", "v": int(os.environ["BENCH_SRC"])}


def asset_value(name: str, upstream: list[Value]) -> Value:
    """What every other asset returns."""
    _tick()
    return {"n": name, "v": (1 + sum(value["v"] for value in upstream)) % MODULUS}


def check(graph: Graph, load: Callable[[str], Value]) -> None:
    """Compare the sinks with straight arithmetic.

    Raises:
        SystemExit: A sink is wrong.
    """
    right: dict[str, int] = {}
    for name, upstream in graph:
        total = (1 + sum(right[u] for u in upstream)) % MODULUS
        right[name] = int(os.environ["BENCH_SRC"]) if name == "n0" else total
    wrong = [name for name in sinks(graph) if load(name)["v"] != right[name]]
    if wrong:
        raise SystemExit(f"wrong result at {wrong[:3]}")
