"""nacre on the same graph: a module of decorated functions, built by asking for the sinks.

usage: peer_nacre.py N [--prepare | --imports]

--prepare only writes and compiles the module, before any clock runs; --imports imports it and the engine, and stops.
"""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path

from graphs import check, layered, sinks

GRAPH = layered(int(sys.argv[1]))
HEAD = """from graphs import asset_value, root_value
from nacre.assets import materialize
from nacre.cache_policies import INPUTS


@materialize("bench://n0")
def n0() -> dict:
    return root_value()
"""
ASSET = """

@materialize("bench://{name}"{options})
def {name}({parameters}) -> dict:
    return asset_value({name!r}, [{arguments}])
"""


def source() -> str:
    """The module a person would have written. Only n0 is to be looked at on every run, as in the other contenders."""
    parts = [HEAD]
    for name, upstream in GRAPH[1:]:
        options = "" if upstream else ", cache_policy=INPUTS"
        parameters = ", ".join(f"{u}: dict" for u in upstream)
        parts.append(
            ASSET.format(name=name, options=options, parameters=parameters, arguments=", ".join(upstream))
        )
    return "".join(parts)


def main() -> None:
    if "--prepare" in sys.argv:
        Path("assets_of_bench.py").write_text(source())
        py_compile.compile("assets_of_bench.py", doraise=True)
        return
    sys.path.insert(0, os.getcwd())
    import assets_of_bench

    import nacre

    if "--imports" in sys.argv:
        nacre.build  # noqa: B018  # asking for it imports the engine
        return
    nacre.build([f"bench://{name}" for name in sinks(GRAPH)], modules=[assets_of_bench])
    check(GRAPH, lambda name: nacre.load(f"bench://{name}"))


if __name__ == "__main__":
    main()
