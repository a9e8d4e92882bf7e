"""Which versions came from which, read from the catalog. Direct neighbours only; never writes."""

from __future__ import annotations

from nacre.catalog.queries import QUERIES, Read, Row


class InputRow(Row, frozen=True, gc=False):
    """A version that another was made from.

    ``env`` is the environment whose number ``upstream_seq`` is, where that is not the one that was asked for: the other
    version was made there, and is read through.
    """

    parameter: str
    upstream: str
    upstream_seq: int
    env: str = ""


def inputs(
    read: Read, env: str, asset: str, seq: int, partition: str = "", chain: str = ""
) -> list[InputRow]:
    """The versions that one version was made from, by parameter.

    Args:
        read: How the catalog's tables are reached.
        env: The environment.
        asset: Its key.
        seq: The version's number.
        partition: Which slice.
        chain: The environment and what it reads through, as JSON; empty where it reads through nothing.
    """
    if chain:
        where = {"chain": chain, "env": env, "asset": asset, "partition": partition, "seq": seq}
        return read(QUERIES["inputs_through"], where, InputRow)
    return read(QUERIES["inputs"], (env, asset, partition, seq), InputRow)


def upstream(read: Read, env: str, asset: str, chain: str = "") -> set[str]:
    """The assets that the current version of any partition was made from."""
    if chain:
        return {above for above, below in edges(read, env, chain) if below == asset}
    return set(read(QUERIES["upstream"], (env, asset), str))


def downstream(read: Read, env: str, asset: str, chain: str = "") -> set[str]:
    """The assets whose current version, in any partition, was made from some version of this one."""
    if chain:
        return {below for above, below in edges(read, env, chain) if above == asset}
    return set(read(QUERIES["downstream"], (env, asset), str))


def edges(read: Read, env: str, chain: str = "") -> list[tuple[str, str]]:
    """Every pair of an asset and one whose current version was made from it."""
    if chain:
        return read(QUERIES["edges_through"], (chain,), lambda above, below: (above, below))
    return read(QUERIES["edges"], (env,), lambda above, below: (above, below))
