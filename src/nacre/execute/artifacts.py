"""Artifacts: what a person looks at. Each creation is a version under its key; progress can be moved on."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import msgspec

from nacre import context
from nacre.errors import InvalidOption, UsageError
from nacre.execute.workspace import Workspace
from nacre.keys import validate_artifact_key
from nacre.store.codec import decode, encode
from nacre.store.paths import artifact_path
from nacre.store.records import Artifact

MAX_IMAGE_BYTES = 20 * 1024 * 1024


class Draft(msgspec.Struct, frozen=True):
    """What the user gave for an artifact.

    Args:
        kind: markdown, table, link, image or progress.
        data: Its content as text.
        key: Where its versions are kept together; empty for none.
        description: What it shows.
        file: A local file to store with it.
    """

    kind: str
    data: str
    key: str = ""
    description: str = ""
    file: str = ""


def create(workspace: Workspace, draft: Draft) -> str:
    """Store an artifact as a new version of its key.

    Returns:
        Its id. The record is durable on return.

    Raises:
        InvalidKey: The key has a character it may not have.
        StoreError: The store refused.
    """
    if draft.key:
        validate_artifact_key(draft.key)
    run, step = context.current_run.get(), context.current_step.get()
    artifact = Artifact(
        id=workspace.new_id(),
        kind=draft.kind,
        created_at=workspace.clock.now(),
        data=draft.data,
        key=draft.key,
        description=draft.description,
        run=run.id if run else "",
        step=step.id if step else "",
        asset=step.assets[0] if step and step.assets else "",
    )
    if draft.file:
        artifact = _with_file(workspace, artifact, draft.file)
    workspace.records.create(artifact_path(artifact.key, artifact.id), encode(artifact))
    return artifact.id


def update_progress(workspace: Workspace, artifact_id: str, progress: float, description: str | None) -> None:
    """Move a progress artifact on.

    Raises:
        UsageError: There is no such artifact, or it shows no progress.
    """
    key = workspace.catalog.artifact_key(artifact_id)
    stored = workspace.records.get(artifact_path(key, artifact_id)) if key is not None else None
    if stored is not None:
        artifact = decode(stored.data, Artifact, stored.path)
        if artifact.kind != "progress":
            raise UsageError(
                "Only a progress artifact can be updated", {"artifact": artifact.key, "kind": artifact.kind}
            )
        changed = msgspec.structs.replace(
            artifact,
            data=percent(progress),
            description=artifact.description if description is None else description,
            updated_at=workspace.clock.now(),
        )
        workspace.records.replace(stored.path, encode(changed), stored.token)
        return
    raise UsageError("There is no such artifact", {"id": artifact_id})


def percent(progress: object) -> str:
    """Check a progress and clamp it to 0 … 100."""
    if isinstance(progress, bool) or not isinstance(progress, (int, float)) or math.isnan(progress):
        raise InvalidOption("progress must be a number from 0 to 100", {"progress": repr(progress)})
    return f"{min(max(float(progress), 0.0), 100.0):g}"


def table_rows(table: object) -> str:
    """Turn a table into JSON: a list of rows by column, NaN as null.

    Args:
        table: A dict of columns, a list of dicts, or a list of lists.

    Raises:
        InvalidOption: It is none of these.
    """
    if isinstance(table, Mapping):
        columns = {str(name): list(values) for name, values in table.items()}
        n_rows = max(map(len, columns.values()), default=0)
        rows: list[object] = [
            {name: values[i] if i < len(values) else None for name, values in columns.items()}
            for i in range(n_rows)
        ]
    elif isinstance(table, (list, tuple)) and all(isinstance(row, (Mapping, list, tuple)) for row in table):
        rows = list(table)
    else:
        raise InvalidOption(
            "A table artifact is a dict of columns, a list of dicts or a list of lists",
            {"given": type(table).__name__},
            "a DataFrame converts with .to_dict('records') or .to_dicts()",
        )
    return msgspec.json.encode(_plain(rows), enc_hook=str).decode()


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _with_file(workspace: Workspace, artifact: Artifact, path: str) -> Artifact:
    """Keep a local file with the artifact, so that it can still be seen when the file is gone."""
    try:
        size = os.path.getsize(path)
        if size > MAX_IMAGE_BYTES:
            facts = {"file": path, "bytes": f"{size:,}", "limit": f"{MAX_IMAGE_BYTES:,}"}
            raise InvalidOption("The image is too large to store", facts)
        with open(path, "rb") as source:
            data = source.read()
    except OSError as error:
        raise UsageError(f"The image cannot be read: {error.strerror}", {"file": path}) from error
    name = f"artifacts/{artifact.id}"
    with workspace.contents.objects.put(name) as sink:
        sink.write(data)
    from mimetypes import guess_type

    media_type = guess_type(path)[0] or "application/octet-stream"
    return msgspec.structs.replace(artifact, object=name, media_type=media_type)
