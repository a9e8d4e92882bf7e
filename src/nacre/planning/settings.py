"""What is part of a recipe besides code, inputs and parameters: by name, for builds and calls alike. Pure."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath

from nacre.declare.dependencies import Env
from nacre.declare.options import Options
from nacre.planning.facts import CodeFact, Facts
from nacre.version.fingerprint import is_secret

#: A setting of the recipe of a source's partition into which nothing more comes: run once more, and then never again.
CLOSED = "closed"


def settings(
    options: Options, code: CodeFact, facts: Facts, partition: str = "", *, is_source: bool = False
) -> dict[str, str]:
    """List the settings of one recipe; empty for most.

    The data version rule is none: it says what counts as a change of the output, not what the output is made from.

    Args:
        options: The task's options.
        code: Its code version.
        facts: What is known; files and variables are asked of it.
        partition: Which slice; empty for the whole.
        is_source: True where the step has no upstream assets.

    Returns:
        Name to value: its ``version=``, a digest of each file and variable that it declares or its code looks up, and
        whether a source's partition is closed.
    """
    found: dict[str, str] = {}
    if code.variables and not runs_every_time(
        options, is_source
    ):  # what runs every time looks at them anyway
        found = _variables(code, options, facts)
    if options.version is not None:
        found["version"] = options.version
    if options.deps:
        found |= declared(options, facts)
    if partition and is_source:
        found |= closed(options, partition, facts.now)
    return found


def declared(options: Options, facts: Facts) -> dict[str, str]:
    """Digest the files and variables that ``deps=`` names, as they are now."""
    found = {}
    for each in options.deps:
        if isinstance(each, Env):
            found[f"env {each.name}"] = facts.digest_now("env", each.name)
        elif isinstance(each, PurePath):
            found[f"file {each.as_posix()}"] = facts.digest_now("file", each.as_posix())
    return found


def _variables(code: CodeFact, options: Options, facts: Facts) -> dict[str, str]:
    """Digest the environment variables that code looks up.

    One whose name says that it is a secret counts by its name only, which the code has; an ignored one not at all.
    """
    ignored = {each.name for each in options.ignore if isinstance(each, Env)} if options.ignore else ()
    counted = [name for name in code.variables if name not in ignored and not is_secret(name)]
    return {f"env {name}": facts.digest_now("env", name) for name in counted}


def closed(options: Options, partition: str, now: datetime) -> dict[str, str]:
    """Give the setting that marks a partition as closed; nothing while more may come into it."""
    closes_at = (
        options.partitions.closes_at(partition) if options.partitions is not None and partition else None
    )
    return {CLOSED: partition} if closes_at is not None and closes_at <= now else {}


def runs_every_time(options: Options, is_source: bool, reuse_sources: bool = False) -> bool:
    """Say whether a step runs on every run, so that its record is kept under recipe and content."""
    if options.cache_policy is not None:
        return not options.cache_policy.reuses
    return is_source and options.cache_expiration is None and not reuse_sources
