"""Where dbt finds the files of the assets it reads: published ones where they lie, others copied out of the store."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from nacre.encoding import digest_chunks
from nacre.errors import StepFailed
from nacre.execute.active import ActiveRun
from nacre.execute.made import Made
from nacre.execute.step import StepRun
from nacre.graph.infer import asset_names
from nacre.integrations.dbt.manifest import Source
from nacre.keys import key_name, key_of, partition_of
from nacre.store.directory import copy_bytes

#: ``by`` of the tasks that dbt models are; a source never means one of them by its name alone.
BY = "dbt"
_TABLE = "parquet"
_CHUNK = 1 << 20
_DIMENSION = re.compile(r"\{\w+\}")
#: An environment variable cannot hold more on Linux, where a program that another thread starts gets it too.
_MAX_LISTED = 100_000


class Sources:
    """The sources of one project.

    Args:
        folder: Where copies go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def provide(self, run: ActiveRun, step: StepRun, sources: Iterable[Source]) -> dict[str, str]:
        """See to it that a step's files are there, with the content it was planned with.

        Returns:
            For each source the environment variable dbt reads, holding SQL: a file's name, or a list of them.

        Raises:
            StepFailed: A source is no table, or nothing of it is stored.
        """
        found = {}
        for source in sources:
            key = _key(run, step, source)
            slots = [each.asset for each in step.inputs if key_of(each.asset) == key]
            if not slots:
                facts = {"source": f"{source.group}.{source.name}", "asset": key}
                raise StepFailed(
                    "A dbt source has nothing stored", facts, f"nacre build {key_name(key) or key}"
                )
            found[source.variable] = self._files(run, source, slots)
        return found

    def _files(self, run: ActiveRun, source: Source, slots: Sequence[str]) -> str:
        """Say in SQL which files are exactly those of some slots: a place may hold others that are no inputs."""
        where = run.workspace.place_of
        places = [where(slot, run.facts.heads.get(slot)) for slot in slots]
        if not all(places):
            return _text(self._copied(run, source, slots))
        run.commits.flush()  # a version is published when it is durable
        listed = ", ".join(_text(place if "://" in place else glob.escape(place)) for place in places)
        if len(listed) > _MAX_LISTED:
            whole = as_pattern(where(key_of(slots[0])))
            run.log(logging.WARNING, f"dbt reads all files at {whole}: there are too many to name each")
            return _text(whole)
        return listed if len(places) == 1 else f"[{listed}]"

    def _copied(self, run: ActiveRun, source: Source, slots: Sequence[str]) -> str:
        """Copy stored versions into a folder that holds them and nothing else; returns the pattern of its files."""
        folder = self._folder / f"{source.group}.{source.name}"
        folder.mkdir(parents=True, exist_ok=True)
        files = {folder / f"{partition_of(slot) or source.name}.parquet": slot for slot in slots}
        for path in set(folder.iterdir()) - set(files):
            path.unlink()
        for path, slot in files.items():
            output = current(run, slot).output
            if output.format != _TABLE:
                name = f"{source.group}.{source.name}"
                facts = {"source": name, "asset": output.asset, "stored as": output.format}
                raise StepFailed(
                    "A dbt source must be a table", facts, "return a table where the asset is made"
                )
            if path.exists() and _digest(path) == output.digest:
                continue  # another process may have put other content there, so the bytes themselves are asked
            unfinished = path.with_suffix(".unfinished")
            with run.workspace.contents.open(output) as stored, open(unfinished, "wb") as file:
                copy_bytes(stored, file)
            unfinished.replace(path)
        return f"{glob.escape(str(folder))}/*.parquet"


def as_pattern(place: str) -> str:
    """Turn the place of an asset into a pattern of the files of all its partitions.

    >>> as_pattern("/home/ada/lake/posts/date={date}/posts.parquet")
    '/home/ada/lake/posts/date=*/posts.parquet'
    """
    if "://" in place:
        return _DIMENSION.sub("*", place)
    return "*".join(map(glob.escape, _DIMENSION.split(place)))


def current(run: ActiveRun, slot: str) -> Made:
    """Return the version of a slot that a run works with.

    Raises:
        NotMaterialized: There is none.
    """
    return run.shared.made.get(slot) or run.stored.current(slot, run.facts.heads)


def _key(run: ActiveRun, step: StepRun, source: Source) -> str:
    """Find the asset a source is among those the step reads, as the graph did: by its key, else by its name."""
    if source.asset:
        return source.asset
    read = {key_of(each.asset) for each in step.inputs}
    for task in list(run.shared.producers.values()):
        if task.by != BY:
            for name, key in asset_names(task):
                if name == source.name and key in read:
                    return key
    return source.name


def _text(value: str) -> str:
    """Write a text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return digest_chunks(iter(lambda: file.read(_CHUNK), b""))
