"""Turns templates and plain values into pages. Whatever comes from a store is escaped: only ``markdown`` makes HTML."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nacre.catalog.history import RunRow
from nacre.execute.report import GLYPHS as ACTION_GLYPHS
from nacre.execute.report import duration, summary, why
from nacre.planning.explain import short
from nacre.store.records import StepRecord
from nacre.views.words import SHORT, accepted_by, ago, count, size
from nacre.web.figure import GLYPH, asset_href

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
RUN_GLYPHS = {"completed": "✓", "failed": "✗", "running": "▸", "cancelled": "-", "killed": "✗"}


@cache
def static_files() -> Mapping[str, tuple[bytes, str]]:
    """Name to content and type of what pages load; read once, so no address ever reaches the file system."""
    files = sorted((_HERE / "static").iterdir())
    return {file.name: (file.read_bytes(), _TYPES[file.suffix]) for file in files if file.suffix in _TYPES}


@cache
def static_href(name: str) -> str:
    """Where a static file lies: its address changes with its content, so that a browser may keep it."""
    return f"/static/{name}?v={hashlib.sha256(static_files()[name][0]).hexdigest()[:8]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        accepted_by=accepted_by,
        ago=ago,
        stamp=stamp,
        size=size,
        count=count,
        duration=duration,
        short=short,
        cut=_cut,
        quoted=_quoted,
        why=why,
        run_name=run_name,
    )
    environment.globals.update(
        static=static_href, asset_href=asset_href, GLYPH=GLYPH, summary=summary, kind_of=kind_of
    )
    environment.globals.update(ACTION_GLYPH=ACTION_GLYPHS, RUN_GLYPH=RUN_GLYPHS)
    return environment


def render(name: str, values: Mapping[str, object]) -> str:
    """Fill in a template."""
    return _environment().get_template(name).render(values)


def stamp(at: str | datetime) -> str:
    """Write a time out: ``2026-11-25 16:56:17 UTC``."""
    then = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{then:%Y-%m-%d %H:%M:%S} UTC"


def kind_of(step: StepRecord) -> str:
    """Say what a step did: built, checked, reused, skipped, failed."""
    return "checked" if step.checked else step.action


def run_name(row: RunRow) -> str:
    """Name a run after what it was asked for."""
    return "everything" if row.name == "*" else row.name or row.kind


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _cut(id: str) -> str:
    return id[:SHORT]
