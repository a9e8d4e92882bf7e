"""The floor: straight-line Python doing the same work. No planning, no locks, no history, no explanation.

One SQLite file, one transaction: a row per asset with the digest of its recipe (code and upstream content), the digest
of its content, and its value as JSON. The no-op computes every recipe and compares it with the row's; it loads no value
but those of the sinks.

usage: floor.py N
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from hashlib import blake2b

from graphs import Value, asset_value, check, layered, root_value

CODE = blake2b(asset_value.__code__.co_code, digest_size=16).digest()


def recipe(name: str, upstream: list[bytes]) -> bytes:
    """The digest of all an asset depends on."""
    digest = blake2b(CODE, digest_size=16)
    digest.update(name.encode())
    if name == "n0":
        digest.update(os.environ["BENCH_SRC"].encode())
    for content in upstream:
        digest.update(content)
    return digest.digest()


def main() -> None:
    graph = layered(int(sys.argv[1]))
    store = sqlite3.connect("floor.db", isolation_level=None)
    store.execute("pragma journal_mode=wal")
    store.execute("pragma synchronous=normal")
    store.execute(
        "create table if not exists asset(n text primary key, recipe blob, content blob, v blob) without rowid"
    )
    store.execute("begin")
    known = {n: (r, c) for n, r, c in store.execute("select n, recipe, content from asset")}
    contents: dict[str, bytes] = {}
    values: dict[str, Value] = {}

    def load(name: str) -> Value:
        if name not in values:
            (data,) = store.execute("select v from asset where n = ?", (name,)).fetchone()
            values[name] = json.loads(data)
        return values[name]

    for name, upstream in graph:
        key = recipe(name, [contents[u] for u in upstream])
        if name in known and known[name][0] == key:
            contents[name] = known[name][1]
            continue
        values[name] = root_value() if name == "n0" else asset_value(name, [load(u) for u in upstream])
        data = json.dumps(values[name]).encode()
        contents[name] = blake2b(data, digest_size=16).digest()
        store.execute("insert or replace into asset values(?, ?, ?, ?)", (name, key, contents[name], data))
    store.execute("commit")
    check(graph, load)


if __name__ == "__main__":
    main()
