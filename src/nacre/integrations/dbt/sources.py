"""Where dbt finds the files of the assets it reads: published ones where they lie, others copied out of the store."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from nacre.api import find_stored
from nacre.config import read_settings
from nacre.encoding import digest_chunks
from nacre.errors import NotMaterialized, StepFailed
from nacre.execute.active import ActiveRun
from nacre.execute.made import Made
from nacre.graph.infer import asset_names
from nacre.integrations.dbt.manifest import Model, Source
from nacre.store.directory import copy_bytes
from nacre.store.publish.places import Places, location

#: ``by`` of the tasks that dbt models are; a source never means one of them by its name alone.
BY = "dbt"
_TABLE = "parquet"
_CHUNK = 1 << 20
_DIMENSION = re.compile(r"\{\w+\}")


class Sources:
    """The sources of one project.

    Args:
        models: Its models.
        folder: Where copies go.
    """

    def __init__(self, models: Iterable[Model], folder: Path) -> None:
        self._all = list(dict.fromkeys(source for model in models for source in model.sources))
        self._folder = folder

    def environ(self, run: ActiveRun) -> dict[str, str]:
        """Say where each source lies that is known in a run, as the environment variables dbt reads."""
        places = read_settings(run.workspace.root).places
        found = {}
        for source in self._all:
            try:
                key = _key(run, source)
            except NotMaterialized:
                continue  # of a model that is not built in this run
            found[source.variable] = files_of(key, places) or str(self._copy_of(source))
        return {name: text.replace("'", "''") for name, text in found.items()}

    def provide(self, run: ActiveRun, sources: Iterable[Source]) -> None:
        """See to it that the files of some sources are there, with the content this run has.

        Raises:
            NotMaterialized: A source has no version yet.
            StepFailed: A source is no table.
        """
        places = read_settings(run.workspace.root).places
        for source in sources:
            key = _key(run, source)
            if files_of(key, places):
                run.flush()  # a version is published when it is durable
            else:
                self._copy(run, source, current(run, key))

    def _copy_of(self, source: Source) -> Path:
        return self._folder / f"{source.group}.{source.name}.parquet"

    def _copy(self, run: ActiveRun, source: Source, made: Made) -> None:
        output = made.output
        if output.format != _TABLE:
            facts = {
                "source": f"{source.group}.{source.name}",
                "asset": output.asset,
                "stored as": output.format,
            }
            raise StepFailed("A dbt source must be a table", facts, "return a table where the asset is made")
        path = self._copy_of(source)
        if path.exists() and _digest(path) == output.digest:
            return  # another process may have put other content there, so the bytes themselves are asked
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with run.workspace.contents.open(output) as stored, open(unfinished, "wb") as file:
            copy_bytes(stored, file)
        unfinished.replace(path)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return digest_chunks(iter(lambda: file.read(_CHUNK), b""))


def files_of(key: str, places: Places = ()) -> str:
    """Say where the published files of an asset lie, those of all its partitions; empty where it is not published.

    >>> files_of("s3://lake/posts/date={date}/posts.parquet", [("s3://lake", "/home/ada/lake")])
    '/home/ada/lake/posts/date=*/posts.parquet'
    """
    place = location(key, places)
    if not place or "://" in place:
        return _DIMENSION.sub("*", place)
    return "*".join(map(glob.escape, _DIMENSION.split(place)))


def current(run: ActiveRun, key: str) -> Made:
    """Return the version of an asset that a run works with.

    Raises:
        NotMaterialized: There is none.
    """
    return run.shared.made.get(key) or run.current(key)


def _key(run: ActiveRun, source: Source) -> str:
    """Find the asset a source is, as the graph did: by its key, else by its name."""
    if source.asset:
        return source.asset
    for task in list(run.shared.producers.values()):
        if task.by != BY:
            for name, key in asset_names(task):
                if name == source.name:
                    return key
    return find_stored(run.workspace, source.name)
