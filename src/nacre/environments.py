"""Environments: which there are, what each reads what it has not from, where it publishes, and how one is removed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from nacre.config import Settings
from nacre.errors import SAFE, UsageError
from nacre.execute.workspace import Workspace
from nacre.pinning import pins
from nacre.store.paths import env_path
from nacre.store.port import RecordStore
from nacre.store.publish.places import SCHEMES, Places
from nacre.store.records import DEFAULT_ENV, Environment, decode, encode


class EnvironmentStatus(NamedTuple):
    """How an environment stands.

    Args:
        name: Its name.
        base: What it reads what it has not from; empty for the default one.
        n_own: How many assets, or partitions of them, it has a version of its own of.
        changed_at: When the last of these became current, as ISO 8601; empty where it has none.
        is_begun: False where it is only set, and nothing was ever run in it.
    """

    name: str
    base: str
    n_own: int
    changed_at: str
    is_begun: bool


class Chain(NamedTuple):
    """An environment and what it reads through.

    Args:
        names: The environment itself, its base, the base of that, and so on.
        is_begun: False where nothing was ever run in it.
    """

    names: tuple[str, ...]
    is_begun: bool

    @property
    def base(self) -> str:
        """What it reads through; empty for the default environment."""
        return self.names[1] if len(self.names) > 1 else ""


def chain_of(settings: Settings, records: RecordStore, env: str) -> Chain:
    """Work out what an environment reads through; one read for each that is not the default one.

    What an environment was begun over stays its base; the settings say it of one that is not begun.

    Args:
        settings: Of the project.
        records: The store's.
        env: The environment.

    Raises:
        UsageError: It was begun over another base than the settings say, or is its own.
    """
    names: list[str] = []
    is_begun = True
    while env not in names:
        names.append(env)
        if env == DEFAULT_ENV:
            return Chain(tuple(names), is_begun)
        begun = _read(records, env)
        is_begun = is_begun and (begun is not None or len(names) > 1)
        env = _base(settings, env, begun)
    hint = (f"nacre env rm {names[-1]}", "or give it another base in the settings", SAFE)
    raise UsageError("An environment cannot be its own base", {"bases": " → ".join([*names, env])}, hint)


def _base(settings: Settings, env: str, begun: Environment | None) -> str:
    said = settings.environment(env).base
    if begun is None:
        return said or DEFAULT_ENV
    if said and said != begun.base:
        facts = {"environment": env, "begun over": begun.base, "base": f"{said}, in {settings.file}"}
        hints = (f'set its base to "{begun.base}"', f"or begin it anew: nacre env rm {env}", SAFE)
        raise UsageError("An environment keeps the base that it was begun over", facts, hints)
    return begun.base


def _read(records: RecordStore, env: str) -> Environment | None:
    path = env_path(env)
    stored = records.get(path)
    return decode(stored.data, Environment, path) if stored is not None else None


def begin(records: RecordStore, chain: Chain, now: datetime) -> None:
    """Record an environment where it is not yet. Idempotent: whoever was first stays."""
    if not chain.is_begun:
        name = chain.names[0]
        records.create(env_path(name), encode(Environment(name=name, base=chain.base, created_at=now)))


def places_in(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[Places, bool, str]:
    """Say where the environment that is used publishes.

    Returns:
        Beginnings of keys and what they stand for, whether anything is published at all, and where that is set.
    """
    file = os.path.basename(settings.file)
    if settings.env == DEFAULT_ENV:
        return settings.places, True, "NACRE_PLACES" if "NACRE_PLACES" in environ else file
    root = settings.environment(settings.env).publish_root
    if not root:
        return (), False, ""
    # Whatever has a place has one below the root: its key, or the beginning that stands for a folder, without a scheme.
    starts = dict.fromkeys([*SCHEMES, *(start for start, _ in settings.places)])
    places = [(start, f"{root.rstrip('/')}/{start.partition('://')[2]}".rstrip("/")) for start in starts]
    return tuple(places), True, f"{file} as publish_root of [env.{settings.env}]"


def environments(workspace: Workspace, settings: Settings) -> list[EnvironmentStatus]:
    """List all environments that are begun or set, the default one first, then by name."""
    begun = [decode(each.data, Environment, each.path) for each in workspace.records.scan("envs/")]
    bases: dict[str, str] = {each.name: each.base or DEFAULT_ENV for each in settings.environments}
    bases |= {each.name: each.base for each in begun}
    own = workspace.catalog.environments()
    bases |= {name: DEFAULT_ENV for name in own if name not in bases}
    bases[DEFAULT_ENV] = ""
    names = {each.name for each in begun} | own.keys() | {DEFAULT_ENV}
    return [
        EnvironmentStatus(name, bases[name], *own.get(name, (0, "")), name in names)
        for name in sorted(bases, key=lambda each: (each != DEFAULT_ENV, each))
    ]


def require_known(workspace: Workspace, settings: Settings, name: str) -> EnvironmentStatus:
    """Find an environment by its name.

    Raises:
        UsageError: There is none; offers the closest name.
    """
    found: Mapping[str, EnvironmentStatus] = {each.name: each for each in environments(workspace, settings)}
    if name in found:
        return found[name]
    from difflib import get_close_matches

    close = get_close_matches(name, found, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "nacre env ls"
    raise UsageError(f"There is no environment {name!r}", {"there are": ", ".join(found)}, hint)


def remove(workspace: Workspace, settings: Settings, name: str) -> int:
    """Remove an environment: its heads, their histories, its record. What they name is left to ``nacre gc``.

    Not atomic, and idempotent: what a crash leaves goes at the next time, since the record of the environment is last.

    Returns:
        How many heads went.

    Raises:
        UsageError: It is the default one, another reads through it, or there is none.
    """
    require_removable(workspace, settings, name)
    records = workspace.records
    n_heads = 0
    for prefix in (f"hist/{name}/", f"heads/{name}/", env_path(name)):
        for stored in list(records.scan(prefix)):
            if prefix != env_path(name) or stored.path == prefix:
                n_heads += _deleted(records, stored.path) and prefix.startswith("heads/")
    return n_heads


def require_removable(workspace: Workspace, settings: Settings, name: str) -> None:
    """Find out whether an environment can be removed.

    Raises:
        UsageError: It is the default one, another reads through it, versions of it are pinned, or there is none.
    """
    if name == DEFAULT_ENV:
        hint = "what all others read through is there; a whole store is removed with its folder or prefix"
        raise UsageError("The environment 'default' cannot be removed", {}, hint)
    require_known(workspace, settings, name)
    pinned = [each.name for each in pins(workspace) if each.env == name]
    if pinned:
        facts = {"environment": name, "pins": ", ".join(pinned)}
        hint = f"free them first: nacre pin --remove {pinned[0]}"
        raise UsageError("An environment of which versions are pinned cannot be removed", facts, hint)
    over = [each.name for each in environments(workspace, settings) if each.base == name and each.is_begun]
    if over:
        facts = {"environment": name, "read through by": ", ".join(over)}
        raise UsageError(
            "An environment that others read through cannot be removed", facts, f"nacre env rm {over[0]}"
        )


def _deleted(records: RecordStore, path: str) -> bool:
    """Delete a record, also where a run is writing to it at the same time."""
    while (stored := records.get(path)) is not None:
        if records.delete(path, stored.token):
            return True
    return False
