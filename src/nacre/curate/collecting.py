"""Removes from a project's store what nothing needs, as its settings say."""

from __future__ import annotations

from datetime import datetime, timedelta

from nacre.catalog.history import Catalog
from nacre.catalog.index import WENT_BACK
from nacre.errors import CorruptRecord, StoreError, UsageError, said
from nacre.planning.decide import is_seen_outside
from nacre.project import Project
from nacre.store.codec import MEND
from nacre.store.gc import GRACE_S, Report, Retention, collect
from nacre.store.paths import env_name


def collect_garbage(
    project: Project, *, delete: bool = False, grace_s: float = GRACE_S
) -> tuple[Report, int]:
    """Remove what no version needs any more, or say what that would be. Safe beside runs that go on.

    Args:
        project: The project.
        delete: False only looks.
        grace_s: Whatever is younger, in seconds, is left alone. Less than the default is safe only while nobody writes.

    Returns:
        What was removed or would be, and by how many bytes the file of records became smaller.

    Raises:
        UsageError: There is no store.
        CorruptRecord: A head is older than one that is known here: what it does not name may be what it is mended with.
        StoreError: It cannot be reached, written or read.
    """
    workspace = project.workspace(creates=False)
    if not project.is_stored:
        raise UsageError("There is no store yet", {"store": project.store}, "a build makes it: nacre build")
    for path in workspace.catalog.behind():
        raise CorruptRecord(f"A record of the store {WENT_BACK}", {"record": path}, MEND)
    own = project.settings
    keep = Retention(own.keep_versions, own.keep_days, own.cache_keep, own.keep_runs, grace_s)
    now = workspace.clock.now()
    report = collect(workspace.records, workspace.contents.objects, now=now, settings=keep, delete=delete)
    _sweep_places(project, workspace.catalog, now - timedelta(seconds=grace_s), report)
    return report, project.compact() if delete else 0


def _sweep_places(project: Project, catalog: Catalog, before: datetime, report: Report) -> None:
    """Remove what killed writers left where files are published; where files of others lie nothing is looked for.

    What the store itself need not keep is gone by now, so a folder that cannot be read is only told of.
    """
    for env in catalog.environments():
        slots = (head.slot for head in catalog.own_heads(env) if not is_seen_outside(head.slot, head))
        publisher = project.publisher_of(env_name(env))
        sizes, errors = publisher.sweep(slots, before, delete=report.deleted)
        for size in sizes:
            report.remove("unfinished", size)
        report.warnings += [_warning(error) for error in errors]


def _warning(error: StoreError) -> str:
    problem = error.facts.get("problem", "")
    return f"{said(error).splitlines()[0]}, so leftovers of killed writers stay there: {problem}"
