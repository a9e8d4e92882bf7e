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
from nacre.store.codec import encode
from nacre.store.lives import read, recorded
from nacre.store.paths import env_folder, env_life, env_name, env_path
from nacre.store.port import RecordStore, Token
from nacre.store.publish.places import SCHEMES, Places
from nacre.store.records import DEFAULT_ENV, Environment
from nacre.store.tries import MAX_TRIES, contended


class EnvironmentStatus(NamedTuple):
    """How an environment stands.

    Args:
        name: Its name.
        base: What it reads what it has not from; empty for the default one.
        n_own: How many assets, or partitions of them, it has a version of its own of.
        changed_at: When the last of these became current, as ISO 8601; empty where it has none.
        folder: Where its heads lie; empty where it is only set, and nothing was ever run in it.
    """

    name: str
    base: str
    n_own: int
    changed_at: str
    folder: str

    @property
    def is_begun(self) -> bool:
        """False where it is only set, and nothing was ever run in it."""
        return bool(self.folder)


class Chain(NamedTuple):
    """An environment and what it reads through.

    Args:
        folders: Where the heads of the environment itself lie, those of its base, of the base of that, and so on.
        is_begun: False where nothing was ever run in it, or it was removed since.
        ended: Token of the record that says that it was removed; empty where there is no record of its name.
    """

    folders: tuple[str, ...]
    is_begun: bool
    ended: Token = ""

    @property
    def base(self) -> str:
        """What it reads through; empty for the default environment."""
        return env_name(self.folders[1]) if len(self.folders) > 1 else ""


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
    folders: list[str] = []
    is_begun, ended = True, ""
    while env not in names:
        names.append(env)
        if env == DEFAULT_ENV:
            return Chain((*folders, env), is_begun, ended)
        stored, known = read(records, env)
        is_there = known is not None and known.ended_at is None
        if not folders:
            is_begun, ended = is_there, stored.token if stored is not None and not is_there else ""
        folders.append(known.folder if known is not None and is_there else _next_folder(env, known))
        env = _base(settings, env, known if is_there else None)
    hint = (f"nacre env rm {names[-1]}", "or give it another base in the settings", SAFE)
    raise UsageError("An environment cannot be its own base", {"bases": " → ".join([*names, env])}, hint)


def _next_folder(env: str, ended: Environment | None) -> str:
    """Where the heads of an environment will lie once it is begun: never where those that were removed lay."""
    return env_folder(env, ended.life + 1 if ended is not None else 1)


def _base(settings: Settings, env: str, begun: Environment | None) -> str:
    said = settings.environment(env).base
    if begun is None:
        return said or DEFAULT_ENV
    if said and said != begun.base:
        facts = {"environment": env, "begun over": begun.base, "base": f"{said}, in {settings.file}"}
        hints = (f'set its base to "{begun.base}"', f"or begin it anew: nacre env rm {env}", SAFE)
        raise UsageError("An environment keeps the base that it was begun over", facts, hints)
    return begun.base


def begin(records: RecordStore, chain: Chain, now: datetime) -> None:
    """Record an environment where it is not yet. Atomic and idempotent: whoever was first stays.

    Raises:
        UsageError: It was begun over another base, or removed, since it was looked at.
    """
    if chain.is_begun:
        return
    folder = chain.folders[0]
    name = env_name(folder)
    path = env_path(name)
    data = encode(Environment(name=name, base=chain.base, created_at=now, life=env_life(folder)))
    if chain.ended:
        token = records.replace(path, data, chain.ended)
    else:
        token = records.create(path, data)
    if token is None:
        _, first = read(records, name)
        if first is None or (first.folder, first.base, first.ended_at) != (folder, chain.base, None):
            facts = {"environment": name, "base": chain.base}
            hint = ("run this again: it looks at what there is now", SAFE)
            raise UsageError("The environment was begun or removed by somebody else meanwhile", facts, hint)


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
    known = recorded(workspace.records)
    folders = {name: each.folder for name, each in known.items() if each.ended_at is None}
    own = workspace.catalog.environments()
    # Heads may be left of one that was removed; of one that nobody recorded they are all that there is.
    folders |= {name: name for name in own if name not in known and name == env_name(name)}
    folders[DEFAULT_ENV] = DEFAULT_ENV
    bases = {each.name: each.base for each in settings.environments} | {
        name: each.base for name, each in known.items() if name in folders
    }
    bases = {name: bases.get(name) or DEFAULT_ENV for name in folders.keys() | bases.keys()}
    bases[DEFAULT_ENV] = ""
    return [
        EnvironmentStatus(name, bases[name], *own.get(folders.get(name, ""), (0, "")), folders.get(name, ""))
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
    """Remove an environment: its heads and their histories. What they name is left to ``nacre gc``.

    Atomic: it ends when its record says so, and whatever begins under this name later has heads of its own. Those that
    a crash leaves, and those that a run which is at work in it still writes, are read by nobody; ``nacre gc`` removes
    them.

    Returns:
        How many heads went; none of one that is only set, which stays as it is.

    Raises:
        UsageError: It is the default one, another reads through it, or there is none.
    """
    require_removable(workspace, settings, name)
    if not require_known(workspace, settings, name).is_begun:
        return 0
    records = workspace.records
    folder = _end(records, name, workspace.clock.now())
    n_heads = 0
    for prefix in (f"hist/{folder}/", f"heads/{folder}/"):
        for stored in list(records.scan(prefix)):
            n_heads += _deleted(records, stored.path) and prefix.startswith("heads/")
    return n_heads


def _end(records: RecordStore, name: str, now: datetime) -> str:
    """Record that an environment is removed; returns the folder of its heads."""
    path = env_path(name)
    for _ in range(MAX_TRIES):
        stored, known = read(records, name)
        if known is not None and known.ended_at is not None:
            return known.folder
        ended = (known or Environment(name=name, base=DEFAULT_ENV, created_at=now)).ended(now)
        data = encode(ended)
        if (records.replace(path, data, stored.token) if stored else records.create(path, data)) is not None:
            return ended.folder
    raise contended(path)


def require_removable(workspace: Workspace, settings: Settings, name: str) -> None:
    """Find out whether an environment can be removed.

    Raises:
        UsageError: It is the default one, another reads through it, versions of it are pinned, or there is none.
    """
    if name == DEFAULT_ENV:
        hint = "what all others read through is there; a whole store is removed with its folder or prefix"
        raise UsageError("The environment 'default' cannot be removed", {}, hint)
    require_known(workspace, settings, name)
    pinned = [each.name for each in pins(workspace) if env_name(each.env) == name]
    if pinned:
        facts = {"environment": name, "pins": ", ".join(pinned)}
        hint = f"free them first: nacre pin --remove {pinned[0]}"
        raise UsageError("An environment of which versions are pinned cannot be removed", facts, hint)
    begun = [each.name for each in environments(workspace, settings) if each.is_begun and each.name != name]
    known = recorded(workspace.records)
    over = [each for each in begun if name in _all_below(settings, known, each)]
    if over:
        facts = {"environment": name, "read through by": ", ".join(over)}
        raise UsageError(
            "An environment that others read through cannot be removed", facts, f"nacre env rm {over[0]}"
        )


def _all_below(settings: Settings, known: Mapping[str, Environment], name: str) -> list[str]:
    """Name what an environment reads through, nearest first; one that is only set may stand between."""
    names = [name]
    while names[-1] != DEFAULT_ENV and names[-1] not in names[:-1]:
        found = known.get(names[-1])
        begun = found if found is not None and found.ended_at is None else None
        names.append(begun.base if begun is not None else _base(settings, names[-1], None))
    return names[1:]


def _deleted(records: RecordStore, path: str) -> bool:
    """Delete a record, also where a run is writing to it at the same time."""
    while (stored := records.get(path)) is not None:
        if records.delete(path, stored.token):
            return True
    return False
