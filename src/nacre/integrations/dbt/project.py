"""A dbt project on disk: whether what dbt last said about it still holds, and asking dbt again where it does not.

Asking costs seconds, so the answer is kept in ``target/nacre`` together with a digest of every file it rests on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from nacre.encoding import digest_bytes, digest_texts
from nacre.errors import SAFE, DefinitionError, SourceDrift
from nacre.integrations.dbt.manifest import Entry, Model, Surroundings, models_in, names_of_environ
from nacre.integrations.dbt.runner import Dbt, asked

FORMAT = "1"
#: dbt's own ``target-path``, so that nacre and a person's ``dbt`` never write the same files.
TARGET = "target/nacre"
_READ = frozenset({".csv", ".md", ".py", ".sql", ".yaml", ".yml"})
_PASSED_OVER = frozenset({"logs", "target"})


class DbtProject:
    """One dbt project, as it was when it was read.

    Args:
        folder: The folder of ``dbt_project.yml``.
        profiles: The folder of ``profiles.yml``; where there is none in the project, dbt's own rules hold.
        target: Which output of the profile; the profile's own by default.
        select: dbt's selection of models; all by default.
        prefix: What keys begin with instead of ``dbt://`` and the project's name.

    Raises:
        DefinitionError: There is no project, or dbt cannot read it.
        UsageError: dbt is not installed.
    """

    def __init__(
        self,
        folder: Path,
        profiles: Path | None = None,
        target: str | None = None,
        select: str | None = None,
        prefix: str | None = None,
    ) -> None:
        self.folder = folder
        self.profiles = profiles or _profiles(folder)
        self.select = select
        if not (folder / "dbt_project.yml").is_file():
            facts = {"looked for": folder / "dbt_project.yml"}
            raise DefinitionError(
                "There is no dbt project in this folder", facts, "give its folder: dbt_assets(…)"
            )
        self.dbt = Dbt(folder, self.profiles, TARGET, target)
        self.digest, self._environ = self._look()
        answer = self._remembered() or self._ask()
        self.vars: Mapping[str, Any] = answer["vars"]
        self.models: list[Model] = models_in(self.manifest, self._surroundings(), answer["selected"], prefix)

    @cached_property
    def manifest(self) -> Entry:
        """What dbt said about the project."""
        manifest: Entry = json.loads((self.folder / TARGET / "manifest.json").read_bytes())
        kind = manifest["metadata"]["adapter_type"]
        if kind != "duckdb":
            facts = {"project": self.folder, "adapter": kind}
            raise DefinitionError(
                "nacre runs dbt models in DuckDB only", facts, "use an output of type: duckdb"
            )
        return manifest

    def require_unchanged(self) -> None:
        """Refuse to run files that are not the ones the code versions were taken from.

        Raises:
            SourceDrift: A file changed since it was read.
        """
        if self._look()[0] != self.digest:
            hint = "run it again: a process takes a dbt project as it was when it started"
            raise SourceDrift(
                "The dbt project changed after it was read", {"project": self.folder}, (hint, SAFE)
            )

    # ── what it rests on ──────────────────────────────────────────────────────────────────────────────────────────

    def _look(self) -> tuple[str, dict[str, str]]:
        """Digest everything that dbt's answer rests on; also returns the environment variables it asks for."""
        texts = [FORMAT, self.dbt.target or "", self.select or ""]
        names: set[str] = set()
        for path in self._files():
            data = path.read_bytes()
            texts += (os.path.relpath(path, self.folder), digest_bytes(data))
            if path.suffix != ".csv":
                names |= names_of_environ(data.decode("utf-8", "replace"))
        environ = {name: os.environ[name] for name in sorted(names) if name in os.environ}
        texts += [text for pair in environ.items() for text in pair]
        texts += [text for pair in _distributions().items() for text in pair]
        return digest_texts("dbt project", texts), environ

    def _files(self) -> Iterator[Path]:
        profiles = self.profiles / "profiles.yml"
        if profiles.is_file() and self.profiles != self.folder:
            yield profiles
        for folder, below, names in os.walk(self.folder):
            below[:] = sorted(each for each in below if each[0] != "." and each not in _PASSED_OVER)
            yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix in _READ)

    def _remembered(self) -> dict[str, Any] | None:
        try:
            kept: dict[str, Any] = json.loads((self.folder / TARGET / "read.json").read_bytes())
            manifest = (self.folder / TARGET / "manifest.json").read_bytes()
        except (OSError, ValueError):
            return None
        is_current = kept["digest"] == self.digest and kept["manifest"] == digest_bytes(manifest)
        return kept if is_current else None

    def _ask(self) -> dict[str, Any]:
        with asked(self.dbt) as running:
            running.parse(writes=True)
            answer = {
                "digest": self.digest,
                "manifest": digest_bytes((self.folder / TARGET / "manifest.json").read_bytes()),
                "selected": running.selected(self.select) if self.select else None,
                "vars": running.vars(),
            }
        whole = self.folder / TARGET / f"read.{os.getpid()}"
        whole.write_text(json.dumps(answer), encoding="utf-8")
        whole.replace(self.folder / TARGET / "read.json")
        return answer

    def _surroundings(self) -> Surroundings:
        nodes: Mapping[str, Entry] = self.manifest["nodes"]
        seeds = {
            name: digest_bytes(
                Path(entry["root_path"] or self.folder, entry["original_file_path"]).read_bytes()
            )
            for name, entry in nodes.items()
            if entry["resource_type"] == "seed"
        }
        packages = {entry["package_name"] for entry in self.manifest["macros"].values()}
        versions = {name: _package_version(self.folder, name) for name in packages}
        return Surroundings(self.vars, {**versions, **_distributions()}, self._environ, seeds)


def _profiles(folder: Path) -> Path:
    """Say where the profiles lie, as dbt does, but for the project's own, which wins."""
    if (folder / "profiles.yml").is_file():
        return folder
    said = os.environ.get("DBT_PROFILES_DIR")
    return Path(said).resolve() if said else Path.home() / ".dbt"


def _distributions() -> dict[str, str]:
    """Version of what runs the SQL, without the part that patch releases change."""
    found = {}
    for name in ("dbt-core", "dbt-duckdb", "duckdb"):
        try:
            found[name] = ".".join(metadata.version(name).split(".")[:2])
        except metadata.PackageNotFoundError:
            continue  # said clearly as soon as it is needed
    return found


def _package_version(folder: Path, name: str) -> str:
    """Read the version of an installed dbt package; the ones that come with dbt have that of their distribution."""
    try:
        text = (folder / "dbt_packages" / name / "dbt_project.yml").read_text(encoding="utf-8")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip().strip("'\"") for label, _, value in lines if label == "version"), "?")
