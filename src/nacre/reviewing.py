"""The verbs about what is stored, from why and diff to rollback and promote. A build imports none of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nacre.api import Partition, Selector, as_modules, as_partitions, as_selectors, first_file
from nacre.builds import Module
from nacre.catalog.versions_at import At
from nacre.curate.accepting import AcceptResult, accept_edit
from nacre.curate.promoting import PromoteResult, promote_versions
from nacre.curate.rolling_back import RollbackResult, end_hold, roll_back
from nacre.curate.verifying import DEFAULT_SAMPLE, VerifyResult, verify_reused
from nacre.declare.asset import Asset
from nacre.declare.task import Task
from nacre.loading import find_stored, find_version
from nacre.pinning import pin_version, remove_pin
from nacre.pinning import pins as stored_pins
from nacre.project import current_project
from nacre.store.paths import env_name
from nacre.store.records import Pin
from nacre.views.difference import DEFAULT_ROWS, DiffResult, compare
from nacre.views.session import Session
from nacre.views.versions import HistoryEntry, entries
from nacre.views.why import WhyResult, explain


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version that is kept, and the name it can be asked for by.

    Args:
        name: Of the pin.
        asset: Key.
        version: Its number.
        at: When it was pinned.
        env: The environment whose version it is.
        partition: Which slice; empty for the whole.
        by: Who pinned it; empty where that is not known.
    """

    name: str
    asset: str
    version: int
    at: datetime
    env: str
    partition: str = ""
    by: str = ""


def why(
    key: str | Asset | Task[..., Any],
    *,
    modules: Sequence[Module] | Module | None = None,
    partition: Partition = "",
) -> WhyResult:
    """Explain one asset: what a build would do with it now and why, and what changed since it was made.

    Runs nothing and reads no data; the lines of code that changed come from the texts that were kept with the version.

    Args:
        key: Its key or name, or the asset.
        modules: As in ``build``. Where they cannot be imported, the answer says so and tells what is stored.
        partition: One partition of it; by default the first that would not just be reused.

    Returns:
        The answer as data; ``str`` of it is what ``nacre why`` prints.

    Raises:
        UnknownName: There is no such asset.
    """
    given = as_modules(modules)
    return explain(Session(given, current_project(first_file(given))), as_selectors(key)[0], str(partition))


def diff(
    asset: str | Asset | Task[..., Any],
    a: At = "",
    b: At = "",
    *,
    key: str | Sequence[str] = (),
    partition: Partition = "",
    rows: int = DEFAULT_ROWS,
) -> DiffResult:
    """Say what differs between two versions of an asset; imports and runs none of your code.

    Args:
        asset: Its key or name, or the asset.
        a: The version to compare with: ``"v12"``, the first digits of its content, a run, a date, a pin; by default the
            one before ``b``.
        b: The version that is compared; by default the current one.
        key: Columns that tell the rows of a table apart, or fields that tell the items of a list apart; by default rows
            are compared by position.
        partition: One partition of it.
        rows: Rows, parts or lines that are kept of what differs; all are counted.

    Returns:
        The answer as data; ``str`` of it is what ``nacre diff`` prints.

    Raises:
        NotMaterialized: Nothing is stored, or there is no such version.
        UsageError: A version could mean several, or ``key`` does not tell rows apart.
        CorruptObject: Stored bytes are damaged.
    """
    session = Session((), current_project())
    given = (key,) if isinstance(key, str) else tuple(key)
    return compare(session, as_selectors(asset)[0], a, b, partition=str(partition), key=given, rows=rows)


def history(key: str | Asset | Task[..., Any], *, partition: Partition = "") -> tuple[HistoryEntry, ...]:
    """List the versions of an asset, newest first, with what is current, held and pinned.

    Args:
        key: Its key or name, or the asset.
        partition: One partition of it.

    Raises:
        NotMaterialized: Nothing is stored under that key.
        UsageError: It has partitions, and none was named.
    """
    session = Session((), current_project())
    return tuple(entries(session.workspace, session.current(as_selectors(key)[0], str(partition))))


def rollback(
    key: str | Asset | Task[..., Any],
    at: At,
    *,
    partition: Partition = "",
    only: bool = False,
    dry_run: bool = False,
) -> RollbackResult:
    """Make an older version of an asset current again, and hold it: builds and flows leave it until it is released.

    Nothing runs. Assets below go back to their newest versions that were made from exactly what is current then.
    Doing it again changes nothing more. The hold ends with ``release``, with ``build`` of the asset by its own name,
    and with ``refresh=True``.

    Args:
        key: Its key or name, or the asset.
        at: Which version; as in ``load``.
        partition: One partition of it.
        only: True leaves what is below as it is; the next build makes it anew.
        dry_run: True writes nothing, and says what would become current.

    Returns:
        What is current again, and what the next build will make anew.

    Raises:
        NotMaterialized: There is no such version, or its record is gone.
        CorruptObject: Its bytes are gone; nothing was moved.
        UsageError: ``at`` names no one version.
        StoreError: The store, or the place of a file, refused.
    """
    project, part, name = current_project(), str(partition), as_selectors(key)[0]
    workspace = project.workspace(creates=False)
    if not dry_run and find_stored(workspace, name):
        workspace = project.workspace()  # begins the environment
    return roll_back(workspace, name, at, partition=part, only=only, dry_run=dry_run)


def release(key: str | Asset | Task[..., Any], *, partition: Partition = "") -> tuple[str, ...]:
    """End the hold of a rollback; the next build goes on as if there had been none. Idempotent.

    Args:
        key: Its key or name, or the asset.
        partition: One partition of it; by default all that are held.

    Returns:
        The keys, with their partition where it is one, that were held.

    Raises:
        NotMaterialized: Nothing is stored under that key.
        StoreError: The store refused.
    """
    workspace = current_project().workspace(creates=False)
    return tuple(slot for slot, _ in end_hold(workspace, as_selectors(key)[0], partition=str(partition)))


def pin(
    key: str | Asset | Task[..., Any],
    at: At | None,
    name: str,
    *,
    partition: Partition = "",
    move: bool = False,
) -> Pinned:
    """Keep a version whatever the settings say, under a name that can be asked for: ``load(key, at=name)``.

    Pinning the same one again changes nothing.

    Args:
        key: Its key or name, or the asset.
        at: Which version; as in ``load``, None for the current one.
        name: What it is called: lower-case letters, digits, ``-`` and ``_``.
        partition: One partition of it.
        move: True lets a pin of this name leave another version of the same asset.

    Returns:
        The pin, as data.

    Raises:
        NotMaterialized: There is no such version.
        UsageError: The name is taken, or means something else.
    """
    session = Session((), current_project())
    row = session.current(as_selectors(key)[0], str(partition))
    found = find_version(session.workspace, row, at)
    workspace = session.project.workspace()
    return _pinned(pin_version(workspace, name, row.asset, row.partition, found, moves=move))


def pins() -> tuple[Pinned, ...]:
    """List the pins of the store, by name."""
    return tuple(map(_pinned, stored_pins(current_project().workspace(creates=False))))


def unpin(name: str) -> Pinned:
    """Remove a pin; the version stays for as long as the settings keep it.

    Returns:
        The pin; of one that could not be read only its name.

    Raises:
        UsageError: There is none of this name.
    """
    return _pinned(remove_pin(current_project().workspace(creates=False), name))


def promote(
    source: str,
    target: str,
    select: Selector | Iterable[Selector] = (),
    *,
    partition: Partition | Sequence[Partition] = (),
    force: bool = False,
    dry_run: bool = False,
) -> PromoteResult:
    """Make the versions that one environment has of its own current in another, and publish them as that one does.

    Nothing runs and no value is copied. Where the target moved on meanwhile, nothing is promoted. Idempotent.

    Args:
        source: The environment they are promoted from.
        target: The environment they become current in.
        select: Keys, names, globs, ``+a`` and ``a+``, by the lineage that is recorded; everything by default.
        partition: Only these partitions.
        force: True promotes over what the target got meanwhile, and over what is held there.
        dry_run: True writes nothing, and says what would be promoted.

    Returns:
        What is current there now.

    Raises:
        PromotionConflict: Something keeps versions from being promoted; names all.
        NotPublished: They are current, and a file could not be put; the next build of the target puts it.
        UsageError: There is no such environment.
    """
    return promote_versions(
        current_project(),
        source,
        target,
        as_selectors(select),
        partitions=as_partitions(partition),
        force=force,
        dry_run=dry_run,
    )


def accept(
    key: str | Asset | Task[..., Any],
    reason: str = "",
    *,
    modules: Sequence[Module] | Module | None = None,
    partition: Partition = "",
    dry_run: bool = False,
) -> AcceptResult:
    """Say that an edit of the code does not change a result: what is stored stands for the new code, and nothing runs.

    Args:
        key: Its key or name, or the asset.
        reason: Why the edit does not change the result; kept with it.
        modules: As in ``build``.
        partition: One partition of it; by default all that have a version.
        dry_run: True writes nothing, and says what would be accepted.

    Returns:
        The versions that stand for the new code.

    Raises:
        UsageError: The code is not the one thing that differs; lists what does.
    """
    given = as_modules(modules)
    project = current_project(first_file(given))
    name, part = as_selectors(key)[0], str(partition)
    return accept_edit(project, given, name, partition=part, reason=reason, dry_run=dry_run)


def verify(
    select: Selector | Iterable[Selector] = "*",
    *,
    modules: Sequence[Module] | Module | None = None,
    sample: int | str = DEFAULT_SAMPLE,
    seed: int | None = None,
) -> VerifyResult:
    """Make a sample of reused assets once more from their stored inputs, and compare with what is stored.

    Runs their functions; stores, publishes and moves nothing. What differs is not decided by its code and inputs alone.

    Args:
        select: As in ``build``; everything by default.
        modules: As in ``build``.
        sample: How many: a number, a share such as ``"1%"``, or ``"all"``.
        seed: Chooses the sample; by default the day.

    Returns:
        One entry for each asset that was made once more; ``ok`` says whether all came out the same.

    Raises:
        UsageError: ``sample`` says no number.
    """
    given = as_modules(modules)
    project = current_project(first_file(given))
    return verify_reused(project, given, as_selectors(select), sample=str(sample), seed=seed)


def _pinned(pin: Pin) -> Pinned:
    """Give of a pin what a person asks for."""
    return Pinned(pin.name, pin.asset, pin.seq, pin.at, env_name(pin.env), pin.partition, pin.by)
