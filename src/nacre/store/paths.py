"""Where each record lies: docs/reference/store-format.md has the table. Pure."""

from __future__ import annotations

import re

from nacre.keys import key_path

# How the records of an area are named, by the functions below.
_SLUG = r"(?!\.)[A-Za-z0-9_.=-]*-[0-9a-f]{16}"
_ID = r"[0-9A-Z]{26}"
_NAME = r"[a-z0-9][a-z0-9_-]*"
_NAMES = {
    "heads": rf"heads/.+/{_SLUG}",
    "hist": rf"hist/.+/{_SLUG}/[0-9]{{10}}",
    "runs": rf"runs/{_ID}",
    "artifacts": rf"artifacts/[a-z0-9-]+/{_ID}",
    "schedules": rf"schedules/{_SLUG}",
    "ticks": rf"ticks/{_SLUG}/[0-9][^/.]*",
    "envs": rf"envs/{_NAME}",
    "pins": rf"pins/{_NAME}",
}


def is_record_path(path: str) -> bool:
    """Whether a path is as those below are: in a bucket others may leave anything beside our records.

    Areas that no function below makes paths for are judged by their hidden segments only.
    """
    pattern = _NAMES.get(path.partition("/")[0])
    if pattern is not None:
        # Compiled when first asked: only a store in a bucket asks.
        return re.fullmatch(pattern, path) is not None
    return all(part and part[0] != "." for part in path.split("/"))


def action_path(fingerprint: str) -> str:
    """Where the action record of a fingerprint lies."""
    return f"ac/{fingerprint}"


def replaced_path(fingerprint: str, attempt: str) -> str:
    """Where the action record of a fingerprint lies once a refresh, or a result that had expired, replaced it."""
    return f"{action_path(fingerprint)}/was-{attempt}"


def source_path(digest: str) -> str:
    """Where the text of a version of a source file lies."""
    return f"sources/{digest}"


def head_path(env: str, asset: str, partition: str = "") -> str:
    """Where the head of an asset-partition lies."""
    path = f"heads/{env}/{key_path(asset)}"
    return f"{path}/{key_path(partition)}" if partition else path


def past_path(env: str, asset: str, partition: str, last: int) -> str:
    """Where the part of a head's history lies that ends with the version ``last``; below the path of the head."""
    return f"hist/{head_path(env, asset, partition).removeprefix('heads/')}/{last:010d}"


def env_path(name: str) -> str:
    """Where an environment is described."""
    return f"envs/{name}"


def env_folder(name: str, life: int) -> str:
    """Where the heads of an environment lie, in ``heads/`` and ``hist/``: it has another folder each time it is begun.

    Args:
        name: Of the environment; has no dot.
        life: How many times it was begun.
    """
    return name if life == 1 else f"{name}.{life}"


def env_name(folder: str) -> str:
    """Of which environment the heads in a folder are."""
    return folder.partition(".")[0]


def env_life(folder: str) -> int:
    """Of which of its environment's lives the heads in a folder are."""
    life = folder.partition(".")[2]
    return int(life) if life.isdecimal() else 1


def pin_path(name: str) -> str:
    """Where a pin lies."""
    return f"pins/{name}"


def run_path(run: str) -> str:
    """Where a run record lies."""
    return f"runs/{run}"


def artifact_path(key: str, id: str) -> str:
    """Where an artifact lies: under its key, else under ``-``."""
    return f"artifacts/{key or '-'}/{id}"


def schedule_path(name: str) -> str:
    """Where the record of a schedule lies."""
    return f"schedules/{key_path(name)}"


def tick_path(schedule: str, nominal: str) -> str:
    """Where a tick lies: below its schedule, under its nominal time."""
    return f"ticks/{key_path(schedule)}/{nominal}"


def lease_path(what: str) -> str:
    """Where a lease lies."""
    return f"leases/{key_path(what)}"
