"""Gathers the facts a plan needs: now, heads, code identities; records only where planning asks for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from nacre.catalog.history import Catalog
from nacre.planning.facts import CodeFact, Facts
from nacre.survey.versions import Versions


def gather(
    catalog: Catalog,
    versions: Versions,
    code: Callable[[str], CodeFact],
    now: datetime,
    env: str,
    *,
    refresh: frozenset[str] = frozenset(),
    reuse_sources: bool = False,
) -> Facts:
    """Gather the facts for one plan.

    Args:
        catalog: Where heads are listed; one query, whatever their number.
        versions: Stored versions, read when planning asks.
        code: Step key to its code version.
        now: Aware UTC.
        env: Environment.
        refresh: Steps to run whatever is known; ``*`` means all.
        reuse_sources: True where sources with a current version are not looked at again.

    Returns:
        The facts; linear in heads.
    """
    heads = {row.asset: row for row in catalog.heads(env) if not row.partition}
    return Facts(
        now=now,
        heads=heads,
        code=code,
        known=versions.known,
        evidence=versions.evidence,
        outline=versions.outline,
        refresh=refresh,
        reuse_sources=reuse_sources,
    )
