"""Looks at what a project rests on: settings, store, places, credentials, clock, libraries. Changes nothing."""

from __future__ import annotations

import enum
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nacre.errors import NacreError, StoreError
from nacre.execute.workspace import Workspace
from nacre.keys import key_of
from nacre.planning.decide import is_seen_outside
from nacre.project import Project
from nacre.store.bucket_records import BucketRecords
from nacre.store.codec import encode
from nacre.store.failures import free_bytes
from nacre.store.filesystems import network_filesystem
from nacre.store.paths import lease_path
from nacre.store.port import RecordStore, Token
from nacre.store.publish.publisher import Publisher
from nacre.store.records import FORMAT_VERSION, Lease
from nacre.store.skew import skew_s

#: Less than this is little room for a store.
_LITTLE_BYTES = 1 << 30
_MAX_SKEW_S = 60
_LIBRARIES = (
    "pyarrow",
    "polars",
    "pandas",
    "duckdb",
    "numpy",
    "obstore",
    "msgspec",
    "blake3",
    "click",
    "cronsim",
)
#: Variables that credentials come from, and what they are then; the first that is set counts.
_ORIGINS = {
    "s3": (
        ("AWS_SKIP_SIGNATURE", "none: requests are not signed (AWS_SKIP_SIGNATURE)"),
        ("AWS_ACCESS_KEY_ID", "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("AWS_PROFILE", "the profile that AWS_PROFILE names"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "the token that AWS_WEB_IDENTITY_TOKEN_FILE names"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "the role of this container"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "the role of this container"),
        ("", "the AWS configuration in the home folder, else the role of this machine"),
    ),
    "gs": (
        ("GOOGLE_APPLICATION_CREDENTIALS", "the file that GOOGLE_APPLICATION_CREDENTIALS names"),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", "the variable GOOGLE_SERVICE_ACCOUNT_KEY"),
        ("", "gcloud's own file, else the service account of this machine"),
    ),
    "az": (
        ("AZURE_STORAGE_CONNECTION_STRING", "the variable AZURE_STORAGE_CONNECTION_STRING"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "the variable AZURE_STORAGE_ACCOUNT_KEY"),
        ("AZURE_STORAGE_SAS_TOKEN", "the variable AZURE_STORAGE_SAS_TOKEN"),
        ("AZURE_CLIENT_ID", "the application that AZURE_CLIENT_ID names"),
        ("", "the Azure command line, else the identity of this machine"),
    ),
}


class Level(enum.StrEnum):
    """How something stands; the values are shown, and stand in ``--json``."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Examined(NamedTuple):
    """One thing that was looked at.

    Args:
        level: How it stands.
        what: What it is.
        text: How it is found.
        hint: What to do about it, or what to know.
    """

    level: Level
    what: str
    text: str
    hint: str = ""


def examine(project: Project, environ: Mapping[str, str] = os.environ) -> Iterator[Examined]:
    """Look at what a project rests on.

    A store is tried out with a record of its own, which is removed again; a project without a store is given none.

    Args:
        project: The project; its settings were read.
        environ: Where credentials may come from; no value of a variable is ever told.
    """
    settings = project.settings
    yield Examined(Level.OK, "nacre", f"{_version('nacre')}, store format {FORMAT_VERSION}")
    yield Examined(Level.OK, "python", f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    yield Examined(
        Level.OK,
        "libraries",
        ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name))),
    )
    yield Examined(Level.OK, "project", project.root)
    yield Examined(Level.OK, "settings", settings.file or "none: the defaults count")
    yield from _store(project)
    yield from _places(project)
    yield from _credentials(project, environ)


def _store(project: Project) -> Iterator[Examined]:
    store = project.store
    kind = "in memory: gone with the process" if store == "memory://" else store
    if "://" not in store:
        yield from _disk(Path(store))
    try:
        workspace = project.workspace(creates=False)
        if not project.is_stored:
            yield Examined(Level.OK, "store", f"{kind}: nothing stored yet", "a build makes it: nacre build")
            return
        yield Examined(Level.OK, "store", kind)
        yield from _tried(workspace)
    except StoreError as error:
        yield _failed("store", error)
        return
    if "://" in store and store != "memory://":
        yield from _advice(store)


def _disk(folder: Path) -> Iterator[Examined]:
    kind = network_filesystem(folder)
    if kind:
        hint = "keep the store on a local disk, or in a bucket where several machines use it"
        yield Examined(Level.WARN, "file system", f"{kind}: on another machine", hint)
    free = free_bytes(folder)
    if free is not None:
        level = Level.OK if free >= _LITTLE_BYTES else Level.WARN
        hint = "" if level is Level.OK else "make room: nacre gc says what the store need not keep"
        yield Examined(level, "free space", f"{free / 1e9:,.1f} GB", hint)


def _tried(workspace: Workspace) -> Iterator[Examined]:
    """Try out what commits rest on: a write that must not overwrite, and one that must find what was read."""
    records, now = workspace.records, workspace.clock.now()
    path = lease_path(f"doctor {workspace.new_id()}")
    first = encode(Lease(holder="", renewed_at=now))
    token = records.create(path, first)
    broken, last = "", token
    try:
        if isinstance(records, BucketRecords):
            yield _clock(records, path, workspace)
        broken, last = _broken(records, path, first, token)
    finally:
        if last is not None:
            records.delete(path, last)
    if broken:
        hint = (
            "choose a service that keeps conditions; versions of two machines would overwrite each other here"
        )
        yield Examined(Level.FAIL, "conditional writes", broken, hint)
    else:
        yield Examined(Level.OK, "conditional writes", "kept")


def _broken(records: RecordStore, path: str, data: bytes, token: Token | None) -> tuple[str, Token | None]:
    """Say which condition a store does not keep, and which token its record has now."""
    if token is None:
        return "a new record was refused", None
    if (again := records.create(path, data)) is not None:
        return "a record was created twice", again
    second = records.replace(path, data, token)
    if second is None:
        return "a record that nobody changed could not be replaced", token
    if (third := records.replace(path, data, token)) is not None:
        return "a record was replaced although it had changed", third
    stored = records.get(path)
    return ("" if stored is not None and stored.data == data else "what was written is not read back"), second


def _clock(records: BucketRecords, path: str, workspace: Workspace) -> Examined:
    ahead = skew_s(records.bucket, records.location(path), workspace.clock.now())
    if abs(ahead) <= _MAX_SKEW_S:
        return Examined(Level.OK, "clock", "as the service's")
    text = f"{abs(ahead):,.0f} s {'behind' if ahead > 0 else 'ahead of'} the service's"
    return Examined(
        Level.WARN, "clock", text, "set the clock, for example with NTP: requests are signed with the time"
    )


def _advice(store: str) -> Iterator[Examined]:
    """Tell what only the bucket's owner can set, and nobody can look up with the rights that a store needs."""
    folder = f"{store.rstrip('/')}/"
    rule = "let a lifecycle rule abort incomplete multipart uploads after 7 days"
    yield Examined(Level.OK, "lifecycle", f"no rule may expire what is below {folder}", rule)
    text = "not needed: names are never reused, and every version is kept as an object of its own"
    yield Examined(
        Level.OK,
        "versioning",
        text,
        "with it, or with object lock, what nacre gc removes goes on using space",
    )


def _places(project: Project) -> Iterator[Examined]:
    publisher = project.publisher
    try:
        heads = project.workspace(creates=False).catalog.heads(project.settings.env)
    except StoreError:
        heads = []  # told with the store
    published: dict[str, str] = {}
    made = [row.slot for row in heads if not is_seen_outside(row.slot, row)]
    seen = [row.slot for row in heads if is_seen_outside(row.slot, row)]
    starts = [f"{start.rstrip('/')}/" for start, _ in project.settings.places]
    slots = [f"{start}nacre-doctor.txt" for start in starts if not _is_of_others(start, made, seen)]
    for slot in (*slots, *publisher.placed(made)):
        where = publisher.location(slot)
        published.setdefault(where.rpartition("/")[0] if where else key_of(slot), slot)
    for folder, slot in sorted(published.items()):
        if not publisher.location(slot):
            continue
        try:
            publisher.check([slot])
            yield Examined(Level.OK, "place", folder)
        except NacreError as error:
            yield _failed(f"place {folder}", error)
    for slot in seen:
        yield _file_of_others(project.outside, slot)


def _is_of_others(start: str, made: Sequence[str], seen: Sequence[str]) -> bool:
    """Whether a place is one of others, as far as is known: files of theirs were seen there, and none put."""
    return any(slot.startswith(start) for slot in seen) and not any(slot.startswith(start) for slot in made)


def _file_of_others(outside: Publisher, slot: str) -> Examined:
    """Look at an external asset, and write nothing."""
    what = f"file {outside.location(slot)}"
    try:
        if outside.marks([slot]):
            return Examined(Level.OK, what, "made by others; it can be seen")
    except NacreError as error:
        return _failed(what, error)
    hint = "put it there, or correct the key in the code that reads it"
    return Examined(Level.WARN, what, "it is not there; what reads it fails in the next build", hint)


def _credentials(project: Project, environ: Mapping[str, str]) -> Iterator[Examined]:
    used = [project.settings.store, *(place for _, place in project.settings.places)]
    for scheme in dict.fromkeys(each.partition("://")[0] for each in used if "://" in each):
        origins = _ORIGINS.get(scheme, ())
        found = next((text for name, text in origins if not name or environ.get(name)), "")
        if found:
            yield Examined(Level.OK, f"credentials {scheme}://", found)


def _failed(what: str, error: NacreError) -> Examined:
    problem = str(error.facts.get("problem", ""))
    text = f"{error.what}: {problem}" if problem else error.what
    return Examined(Level.FAIL, what, text, error.hint[0] if error.hint else "")


def _version(name: str) -> str:
    """Say which version of a distribution is installed; empty where it is not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
