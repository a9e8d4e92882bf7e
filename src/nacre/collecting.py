"""Removes from a project's store what nothing needs, as its settings say."""

from __future__ import annotations

from nacre.errors import UsageError
from nacre.project import Project
from nacre.store.gc import GRACE_S, Report, Retention, collect


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
        StoreError: It cannot be reached, written or read.
    """
    workspace = project.workspace(creates=False)
    if not project.is_stored:
        raise UsageError("There is no store yet", {"store": project.store}, "a build makes it: nacre build")
    own = project.settings
    keep = Retention(own.keep_versions, own.keep_days, own.cache_keep, own.keep_runs, grace_s)
    report = collect(
        workspace.records, workspace.contents.objects, now=workspace.clock.now(), settings=keep, delete=delete
    )
    return report, project.compact() if delete else 0
