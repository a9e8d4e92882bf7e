"""Artifacts, on Prefect's import path: markdown, tables, links, images and progress for people to look at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from nacre import context
from nacre.execute.artifacts import Draft, percent, table_rows

__all__ = [
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]


def create_markdown_artifact(markdown: str, key: str | None = None, description: str | None = None) -> str:
    """Store markdown for people to read.

    Args:
        markdown: The text.
        key: Lower-case letters, digits and dashes; versions of one key are kept together.
        description: What it shows.

    Returns:
        The artifact's id.

    Raises:
        InvalidKey: The key has another character.
    """
    return _create(Draft("markdown", markdown, key or "", description or ""))


def create_table_artifact(
    table: Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]] | Sequence[Sequence[object]],
    key: str | None = None,
    description: str | None = None,
) -> str:
    """Store a table for people to read; NaN becomes empty.

    Args:
        table: A dict of columns, a list of dicts, or a list of lists.
        key: Lower-case letters, digits and dashes.
        description: What it shows.

    Returns:
        The artifact's id.
    """
    return _create(Draft("table", table_rows(table), key or "", description or ""))


def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> str:
    """Store a link.

    Args:
        link: Where it leads.
        link_text: What it says; the link itself by default.
        key: Lower-case letters, digits and dashes.
        description: What it shows.

    Returns:
        The artifact's id.
    """
    text = f"[{link_text}]({link})" if link_text else f"[{link}]({link})"
    return _create(Draft("link", text, key or "", description or ""))


def create_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> str:
    """Store an image: a local file is kept with the artifact, a URL is only named.

    Args:
        image_url: A local path, a ``file://`` URL, or a URL.
        key: Lower-case letters, digits and dashes.
        description: What it shows.

    Returns:
        The artifact's id.

    Raises:
        UsageError: The local file cannot be read.
    """
    address = os.fspath(image_url)
    parts = urlsplit(address)
    file = unquote(parts.path) if parts.scheme == "file" else "" if parts.scheme else address
    return _create(Draft("image", address, key or "", description or "", file))


def create_progress_artifact(progress: float, key: str | None = None, description: str | None = None) -> str:
    """Store a progress from 0 to 100; values outside are clamped.

    Returns:
        The artifact's id, for ``update_progress_artifact``.
    """
    return _create(Draft("progress", percent(progress), key or "", description or ""))


def update_progress_artifact(artifact_id: str, progress: float, description: str | None = None) -> str:
    """Move a progress artifact on.

    Args:
        artifact_id: What ``create_progress_artifact`` returned.
        progress: From 0 to 100; values outside are clamped.
        description: Replaces the description when given.

    Returns:
        The artifact's id.
    """
    context.runtime().update_progress(artifact_id, progress, description)
    return artifact_id


def _create(draft: Draft) -> str:
    return context.runtime().create_artifact(draft)
