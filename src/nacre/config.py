"""Settings of a project: ``nacre.toml`` or ``[tool.nacre]``, decoded strictly; the environment wins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from nacre.errors import UsageError
from nacre.keys import odd_segment
from nacre.schedule.definition import Schedule
from nacre.schedule.settings import read_schedules
from nacre.store.records import DEFAULT_ENV

STORE_FOLDER = ".nacre"
#: The settings that say what `nacre gc` leaves.
KEPT = ("keep_versions", "keep_days", "cache_keep", "keep_runs")
PLACES_EXAMPLE = 'write: places = {"s3://lake" = "./lake"}'
ENV_EXAMPLE = 'write: env = "dev", or a table: [env.dev]  base = "default"  publish_root = "./dev"'


class EnvironmentSettings(Struct, frozen=True):
    """What a project says of one environment.

    Args:
        name: Its name.
        base: The environment that it reads what it has not from; empty where that is not said.
        publish_root: The absolute folder or URL that its versions are published below; empty for nowhere.
    """

    name: str
    base: str = ""
    publish_root: str = ""


class Settings(Struct, frozen=True):
    """What a project may set.

    Args:
        store: Where versions are kept: a folder, relative to the project, or ``memory://``.
        modules: Files or modules that ``nacre build`` finds assets in.
        env: Environment whose heads are read and moved.
        file: Where the settings were read from; empty where there is no file.
        places: Beginnings of keys, each with the absolute folder or URL that its values are published to.
        schedules: What ``nacre serve`` runs by itself, and when.
        keep_sources: False keeps no text of code in the store.
        environments: What is said of single environments.
        keep_external: True keeps the bytes of external assets in the store, each version that is seen.
        keep_versions: How many versions of each asset ``nacre gc`` leaves at least; 0 for all.
        keep_days: For how many days a version is left after it was current; 0 for ever.
        cache_keep: For how many days a result without a version is left after its last use.
        keep_runs: For how many days runs, logs, artifacts and ticks are left; 0 for ever.
    """

    store: str = STORE_FOLDER
    modules: tuple[str, ...] = ()
    env: str = DEFAULT_ENV
    file: str = ""
    places: tuple[tuple[str, str], ...] = ()
    schedules: tuple[Schedule, ...] = ()
    keep_sources: bool = True
    environments: tuple[EnvironmentSettings, ...] = ()
    keep_external: bool = False
    keep_versions: int = 0
    keep_days: float = 0
    cache_keep: float = 30
    keep_runs: float = 0

    def environment(self, name: str) -> EnvironmentSettings:
        """Return what is said of an environment: nothing, for most."""
        return next((each for each in self.environments if each.name == name), EnvironmentSettings(name))


def read_settings(root: str, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read a project's settings.

    Args:
        root: The project's folder.
        environ: Where ``NACRE_STORE``, ``NACRE_ENV`` and ``NACRE_PLACES`` are looked up.

    Raises:
        UsageError: The file is no TOML, or names a setting that does not exist or has the wrong type; or the store
            cannot be a folder.
    """
    file, table = _table(root)
    known = set(Settings.__struct_fields__) - {"file", "environments"}
    for name in table:
        if name not in known:
            from difflib import get_close_matches

            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known settings: {', '.join(sorted(known))}"
            raise UsageError(f"Unknown setting {name!r}", {"file": file}, hint)
    modules = table.get("modules", ())
    if isinstance(modules, str):
        modules = [modules]
    if not isinstance(modules, (list, tuple)) or not all(isinstance(each, str) for each in modules):
        raise UsageError("Setting 'modules' must be a list of files or modules", {"file": file})
    said = table.get("env")
    environments = _environments(root, said, file) if isinstance(said, Mapping) else ()
    texts = {name: table[name] for name in ("store", "env") if name in table}
    if isinstance(said, Mapping):
        del texts["env"]
    for name, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"Setting {name!r} must be a text", {"file": file, "value": repr(value)})
    given = environ.get("NACRE_STORE")
    said_in = "NACRE_STORE" if given else file if "store" in texts else ""
    store = _store(root, given or str(texts.get("store", STORE_FOLDER)), said_in)
    places = _places(root, environ.get("NACRE_PLACES"), table.get("places", {}), file)
    schedules = read_schedules(table["schedules"], file) if "schedules" in table else ()
    keep_sources = _switch(table, "keep_sources", file, default=True)
    keep_external = _switch(table, "keep_external", file, default=False)
    env = _env(environ.get("NACRE_ENV"), texts.get("env", DEFAULT_ENV), file)
    kept = {name: _kept(name, table[name], file) for name in KEPT if name in table}
    settings = Settings(
        store, tuple(modules), env, file, places, schedules, keep_sources, environments, keep_external
    )
    return replace(settings, **kept) if kept else settings


def _switch(table: Mapping[str, object], name: str, file: str, *, default: bool) -> bool:
    value = table.get(name, default)
    if not isinstance(value, bool):
        raise UsageError(f"Setting {name!r} must be true or false", {"file": file})
    return value


def require_env_name(name: str, facts: Mapping[str, object]) -> str:
    """Check the name of an environment: it becomes part of paths, and is typed.

    Raises:
        UsageError: It has another character, or begins with another than a letter or digit.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        hint = "lower-case letters, digits, _ and -, the first a letter or digit"
        raise UsageError("An environment cannot be named that", {"name": repr(name), **facts}, hint)
    return name


def _env(variable: str | None, setting: object, file: str) -> str:
    """Say which environment is used: the variable wins; a blank one says nothing."""
    if variable is not None and variable.strip():
        return require_env_name(variable, {"set in": "NACRE_ENV"})
    env = str(setting)
    return env if env == DEFAULT_ENV else require_env_name(env, {"file": file})


def _environments(root: str, tables: Mapping[str, object], file: str) -> tuple[EnvironmentSettings, ...]:
    """Read the tables ``[env.NAME]``.

    Raises:
        UsageError: One has another setting or a wrong one, or is its own base, by whatever way round.
    """
    found: dict[str, EnvironmentSettings] = {}
    for name, table in tables.items():
        facts = {"file": file, "environment": name}
        require_env_name(name, {"file": file})
        if not isinstance(table, Mapping) or not table.keys() <= {"base", "publish_root"}:
            facts["given"] = repr(table)
            raise UsageError(
                "A table of 'env' has base and publish_root, and nothing else", facts, ENV_EXAMPLE
            )
        for setting, value in table.items():
            if not isinstance(value, str) or not value.strip():
                raise UsageError(f"Setting {setting!r} must be a text", {**facts, "value": repr(value)})
        base, publish_root = table.get("base", ""), table.get("publish_root", "")
        if name == DEFAULT_ENV:
            hint = "it has no base, and publishes where keys and places say"
            raise UsageError("The environment 'default' cannot be set", {"file": file}, hint)
        if base:
            require_env_name(base, facts)
        found[name] = EnvironmentSettings(name, base, publish_root and _folder_or_url(root, publish_root))
    for name in found:
        seen, above = [name], found[name].base
        while above in found and above not in seen:
            seen.append(above)
            above = found[above].base
        if above in seen:
            facts = {"file": file, "bases": " → ".join([*seen, above])}
            raise UsageError("An environment cannot be its own base", facts, "let one of them have another")
    return tuple(found.values())


def _folder_or_url(root: str, given: str) -> str:
    """Make a place absolute: a folder is meant relative to the project, and may begin with ``~``."""
    folder = os.path.expanduser(given.removeprefix("file://"))
    return folder if "://" in folder else os.path.normpath(os.path.join(root, folder))


def _kept(name: str, value: object, file: str) -> float:
    """Judge for how long something is kept, or how much of it."""
    is_count = name == "keep_versions"
    is_number = isinstance(value, int) or (isinstance(value, float) and not is_count)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not is_number
        or not 0 <= value < 1e6
    ):
        what = "a whole number" if is_count else "a number of days"
        hint = f"{name} = 0 keeps everything" if name != "cache_keep" else "cache_keep = 30 is the default"
        raise UsageError(f"Setting {name!r} must be {what}", {"file": file, "value": repr(value)}, hint)
    return value


def _places(root: str, variable: str | None, given: object, file: str) -> tuple[tuple[str, str], ...]:
    """Read what beginnings of keys stand for: folders, relative to the project, or URLs; the variable wins."""
    if variable is not None:
        pairs = [each.strip().partition("=") for each in variable.split(",") if each.strip()]
        given, file = {start.strip(): place.strip() for start, _, place in pairs}, "NACRE_PLACES"
    if not isinstance(given, Mapping):
        raise UsageError("Setting 'places' must be a table", {"file": file}, PLACES_EXAMPLE)
    found = []
    for start, place in given.items():
        if not isinstance(place, str) or not place.strip() or "://" not in start:
            facts = {"file": file, "places": f"{start!r} = {place!r}"}
            raise UsageError("A place maps the beginning of keys to a folder or URL", facts, PLACES_EXAMPLE)
        folder = _folder_or_url(root, place)
        _, is_url, rest = folder.partition("://")
        if is_url and (odd := odd_segment(rest)) is not None:
            facts = {"file": file, "places": f"{start!r} = {place!r}"}
            raise UsageError(f"The URL of a place cannot have the part {odd!r}", facts, PLACES_EXAMPLE)
        found.append((start, place if is_url else folder))
    return tuple(found)


def _store(root: str, given: str, said_in: str) -> str:
    """Judge where the store shall be; a ``~`` is the user's home, since not every shell replaces it."""
    if not given.strip():
        raise UsageError("NACRE_STORE is blank", {"value": repr(given)}, "give a folder, or unset it")
    store = os.path.expanduser(given)
    place = store.removeprefix("file://")
    if "://" in place:
        return store
    facts = {"store": os.path.join(root, place), "set in": said_in}
    if place.startswith("~"):
        raise UsageError("The store is in the home of a user who is not known", facts, "give the whole path")
    if os.path.exists(facts["store"]) and not os.path.isdir(facts["store"]):
        hint = "set NACRE_STORE to a folder" if said_in else "move it away, or set NACRE_STORE to a folder"
        raise UsageError("The store must be a folder, and there is something else", facts, hint)
    return store


def find_root(start: str) -> str:
    """Find the project a folder belongs to: the nearest ancestor with settings or a store, else the folder itself."""
    folder = os.path.realpath(start)
    while True:
        if os.path.isfile(os.path.join(folder, "nacre.toml")) or os.path.isdir(
            os.path.join(folder, STORE_FOLDER)
        ):
            return folder
        if _has_table(os.path.join(folder, "pyproject.toml")):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return os.path.realpath(start)
        folder = above


def _has_table(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return b"[tool.nacre" in file.read()
    except OSError:
        return False


def _table(root: str) -> tuple[str, dict[str, object]]:
    own = os.path.join(root, "nacre.toml")
    if os.path.isfile(own):
        return own, _load(own)
    shared = os.path.join(root, "pyproject.toml")
    if _has_table(shared):
        return shared, _load(shared).get("tool", {}).get("nacre", {})  # type: ignore[attr-defined]  # TOML tables
    return "", {}


def _load(path: str) -> dict[str, object]:
    from tomllib import TOMLDecodeError, load

    try:
        with open(path, "rb") as file:
            return load(file)
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("The settings cannot be read", {"file": path, "problem": error}) from None
