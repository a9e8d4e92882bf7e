"""Which versions came from which, read from the catalog. Direct neighbours only; never writes."""

from __future__ import annotations

from nacre.catalog.queries import QUERIES, Read, Row


class InputRow(Row, frozen=True, gc=False):
    """A version that another was made from."""

    parameter: str
    upstream: str
    upstream_seq: int


def inputs(read: Read, env: str, asset: str, seq: int, partition: str = "") -> list[InputRow]:
    """The versions that one version was made from, by parameter."""
    return read(QUERIES["inputs"], (env, asset, partition, seq), InputRow)


def upstream(read: Read, env: str, asset: str) -> set[str]:
    """The assets that the current version of any partition was made from."""
    return set(read(QUERIES["upstream"], (env, asset), str))


def downstream(read: Read, env: str, asset: str) -> set[str]:
    """The assets whose current version, in any partition, was made from some version of this one."""
    return set(read(QUERIES["downstream"], (env, asset), str))


def edges(read: Read, env: str) -> list[tuple[str, str]]:
    """Every pair of an asset and one whose current version was made from it."""
    return read(QUERIES["edges"], (env,), lambda above, below: (above, below))
