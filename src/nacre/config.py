"""Settings of a project: ``nacre.toml`` or ``[tool.nacre]``, decoded strictly; the environment wins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from nacre.errors import UsageError
from nacre.keys import odd_segment
from nacre.schedule.definition import Schedule
from nacre.schedule.settings import read_schedules

STORE_FOLDER = ".nacre"
#: The settings that say what `nacre gc` leaves.
KEPT = ("keep_versions", "keep_days", "cache_keep", "keep_runs")
PLACES_EXAMPLE = 'write: places = {"s3://lake" = "./lake"}'


@dataclass(frozen=True, slots=True)
class Settings:
    """What a project may set.

    Args:
        store: Where versions are kept: a folder, relative to the project, or ``memory://``.
        modules: Files or modules that ``nacre build`` finds assets in.
        env: Environment whose heads are read and moved.
        file: Where the settings were read from; empty where there is no file.
        places: Beginnings of keys, each with the absolute folder or URL that its values are published to.
        schedules: What ``nacre serve`` runs by itself, and when.
        keep_sources: False keeps no text of code in the store.
        keep_versions: How many versions of each asset ``nacre gc`` leaves at least; 0 for all.
        keep_days: For how many days a version is left after it was current; 0 for ever.
        cache_keep: For how many days a result without a version is left after its last use.
        keep_runs: For how many days runs, logs, artifacts and ticks are left; 0 for ever.
    """

    store: str = STORE_FOLDER
    modules: tuple[str, ...] = ()
    env: str = "default"
    file: str = ""
    places: tuple[tuple[str, str], ...] = ()
    schedules: tuple[Schedule, ...] = ()
    keep_sources: bool = True
    keep_versions: int = 0
    keep_days: float = 0
    cache_keep: float = 30
    keep_runs: float = 0


def read_settings(root: str, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read a project's settings.

    Args:
        root: The project's folder.
        environ: Where ``NACRE_STORE`` and ``NACRE_PLACES`` are looked up.

    Raises:
        UsageError: The file is no TOML, or names a setting that does not exist or has the wrong type; or the store
            cannot be a folder.
    """
    file, table = _table(root)
    known = {field.name for field in fields(Settings)} - {"file"}
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
    texts = {name: table[name] for name in ("store", "env") if name in table}
    for name, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"Setting {name!r} must be a text", {"file": file, "value": repr(value)})
    given = environ.get("NACRE_STORE")
    said_in = "NACRE_STORE" if given else file if "store" in texts else ""
    store = _store(root, given or str(texts.get("store", STORE_FOLDER)), said_in)
    places = _places(root, environ.get("NACRE_PLACES"), table.get("places", {}), file)
    schedules = read_schedules(table["schedules"], file) if "schedules" in table else ()
    keep_sources = table.get("keep_sources", True)
    if not isinstance(keep_sources, bool):
        raise UsageError("Setting 'keep_sources' must be true or false", {"file": file})
    env = str(texts.get("env", "default"))
    kept = {name: _kept(name, table[name], file) for name in KEPT if name in table}
    settings = Settings(store, tuple(modules), env, file, places, schedules, keep_sources)
    return replace(settings, **kept) if kept else settings  # type: ignore[arg-type]  # each is judged by its name


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
        folder = os.path.expanduser(place.removeprefix("file://"))
        _, is_url, rest = folder.partition("://")
        if is_url and (odd := odd_segment(rest)) is not None:
            facts = {"file": file, "places": f"{start!r} = {place!r}"}
            raise UsageError(f"The URL of a place cannot have the part {odd!r}", facts, PLACES_EXAMPLE)
        found.append((start, place if "://" in folder else os.path.normpath(os.path.join(root, folder))))
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
