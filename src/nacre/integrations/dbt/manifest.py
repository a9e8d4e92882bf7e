"""From a dbt manifest to what nacre knows of each model: key, upstream, and the parts of its code. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nacre.encoding import digest
from nacre.errors import DefinitionError
from nacre.version.code import CodePart

Entry = Mapping[str, Any]

SOURCE_PREFIX = "NACRE_SOURCE_"
#: Schemes of keys that are published as files, so that their ending says which.
_FILE_SCHEMES = ("s3", "gs", "az", "file")
_VAR = re.compile(r"\bvar\(\s*['\"]([\w.]+)['\"]")
_ENV = re.compile(r"\benv_var\(\s*['\"](\w+)['\"]")
#: Settings of a model that change who may see it or how it is listed, never what it computes.
_INERT = frozenset(
    {"access", "docs", "enabled", "event_time", "freshness", "grants", "group", "meta", "packages", "tags"}
)


class Source(NamedTuple):
    """A table that dbt reads and does not make.

    Args:
        group: Name of its group in ``sources:``.
        name: Its own name.
        asset: Key of the asset it is, by its ``meta``; empty where its name says it.
    """

    group: str
    name: str
    asset: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that tells dbt where the table's files lie."""
        return SOURCE_PREFIX + re.sub(r"\W", "_", f"{self.group}_{self.name}").upper()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What SQL can depend on beside the text in the manifest.

    Args:
        vars: The ``vars:`` of ``dbt_project.yml``.
        versions: Package or distribution to the version that counts.
        environ: Environment variables.
        seeds: Unique id of a seed to the digest of its file.
    """

    vars: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)


class Model(NamedTuple):
    """One model or seed.

    Args:
        id: dbt's unique id.
        name: Its name.
        key: Key of its asset.
        file: Where it is written, relative to the project.
        selector: What selects it alone, in dbt's words.
        relation: The relation it makes, quoted.
        kind: How it is materialized: ``table``, ``view``, ``incremental``, ``seed`` …
        description: What ``description:`` says.
        tags: dbt's tags.
        refs: Keys of the models it reads.
        sources: The sources it reads.
        parts: Its code: its own text first.
    """

    id: str
    name: str
    key: str
    file: str
    selector: str
    relation: str
    kind: str
    description: str
    tags: frozenset[str]
    refs: tuple[str, ...]
    sources: tuple[Source, ...]
    parts: tuple[CodePart, ...]


def models_in(
    manifest: Entry,
    surroundings: Surroundings,
    selected: Iterable[str] | None = None,
    prefix: str | None = None,
) -> list[Model]:
    """List the models and seeds of a project's own, with what each reads.

    Args:
        manifest: The decoded ``manifest.json``, version 12.
        surroundings: What SQL can depend on beside it.
        selected: Unique ids to keep; all by default.
        prefix: What keys begin with instead of ``dbt://`` and the project's name.

    Raises:
        DefinitionError: A model reads something that nacre cannot make, or a name means two things.
    """
    reading = _Reading(manifest, surroundings, prefix)
    wanted = None if selected is None else set(selected)
    found = [
        reading.model(name)
        for name, entry in manifest["nodes"].items()
        if _is_asset(entry) and (wanted is None or name in wanted)
    ]
    names = {model.name for model in found}
    for source in (source for model in found for source in model.sources):
        if not source.asset and source.name in names:
            facts = {"source": f"{source.group}.{source.name}", "model": source.name}
            hint = "name the asset the source is: meta: {nacre: {asset: KEY}} in its sources.yml"
            raise DefinitionError("A dbt source and a dbt model have the same name", facts, hint)
    return found


def names_of_environ(text: str) -> set[str]:
    """Name the environment variables a text asks dbt for, without those nacre itself sets."""
    return {name for name in _ENV.findall(text) if not name.startswith(SOURCE_PREFIX)}


def _is_asset(entry: Entry) -> bool:
    kind = entry["resource_type"]
    return bool(kind == "seed" or (kind == "model" and entry["config"]["materialized"] != "ephemeral"))


class _Reading:
    """Looks things up in one manifest."""

    def __init__(self, manifest: Entry, surroundings: Surroundings, prefix: str | None) -> None:
        self.nodes: Mapping[str, Entry] = manifest["nodes"]
        self.macros: Mapping[str, Entry] = manifest["macros"]
        self.sources: Mapping[str, Entry] = manifest["sources"]
        self.project: str = manifest["metadata"]["project_name"]
        self.around = surroundings
        self.prefix = prefix
        self.tests: dict[str, list[Entry]] = {}
        for entry in self.nodes.values():
            reads = entry["depends_on"].get("nodes", ())
            if entry["resource_type"] == "test" and len(reads) == 1:
                self.tests.setdefault(reads[0], []).append(entry)

    def model(self, id: str) -> Model:
        entry = self.nodes[id]
        refs, sources = self.reads(entry)
        return Model(
            id=id,
            name=entry["name"],
            key=self.key(entry),
            file=entry["original_file_path"],
            selector=self.selector(entry),
            relation=entry["relation_name"],
            kind="seed" if entry["resource_type"] == "seed" else entry["config"]["materialized"],
            description=entry["description"],
            tags=frozenset(entry["tags"]),
            refs=tuple(dict.fromkeys(refs)),
            sources=tuple(dict.fromkeys(sources)),
            parts=tuple(self.parts(id)),
        )

    def selector(self, entry: Entry) -> str:
        """Select by file: a name would mean a folder of that name too. Files of packages cannot be selected so."""
        if entry["package_name"] == self.project:
            return f"path:{entry['original_file_path']}"
        return "fqn:" + ".".join(entry["fqn"])

    def key(self, entry: Entry) -> str:
        own = _said(entry, "key")
        if own:
            return own
        path = "/".join(entry["fqn"][1:])
        if self.prefix is None:
            return f"dbt://{entry['fqn'][0]}/{path}"
        ending = ".parquet" if self.prefix.partition("://")[0] in _FILE_SCHEMES else ""
        return f"{self.prefix.rstrip('/')}/{path}{ending}"

    def reads(self, entry: Entry) -> tuple[list[str], list[Source]]:
        """List what a model reads; what an ephemeral model reads counts as the model's own."""
        refs: list[str] = []
        sources: list[Source] = []
        for each in entry["depends_on"].get("nodes", ()):
            if each in self.sources:
                source = self.sources[each]
                sources.append(Source(source["source_name"], source["name"], _said(source, "asset")))
            elif each in self.nodes and _is_asset(self.nodes[each]):
                refs.append(self.key(self.nodes[each]))
            elif each in self.nodes and self.nodes[each]["resource_type"] == "model":
                below = self.reads(self.nodes[each])
                refs += below[0]
                sources += below[1]
            else:
                facts = {"model": entry["original_file_path"], "reads": each}
                hint = (
                    "nacre makes models and seeds; read a table as a source, or leave the model out: select="
                )
                raise DefinitionError("A dbt model reads what nacre does not make", facts, hint)
        return refs, sources

    # ── code ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def parts(self, id: str) -> Iterator[CodePart]:
        """Say what a model's code is: its text, its settings, and all it can reach."""
        texts: list[str] = []
        for each in self.inlined(id):
            entry = self.nodes[each]
            own = self.around.seeds.get(each) or digest("dbt text", entry["raw_code"])
            yield CodePart(entry["name"], entry["original_file_path"], own)
            yield CodePart(f"config of {entry['name']}", entry["original_file_path"], _settings(entry))
            texts += [entry["raw_code"], json.dumps(entry["unrendered_config"], default=str)]
        for test in sorted(self.tests.get(id, ()), key=lambda test: str(test["unique_id"])):
            said = json.dumps([test["raw_code"], test.get("test_metadata")], sort_keys=True)
            yield CodePart(
                f"test {test['name']}", test["original_file_path"], digest("dbt test", said, _settings(test))
            )
        packages: set[str] = set()
        for macro in self.reached(id):
            if macro["package_name"] == self.project:
                texts.append(macro["macro_sql"])
                text = digest("dbt text", macro["macro_sql"])
                yield CodePart(f"macro {macro['name']}", macro["original_file_path"], text)
            else:
                packages.add(macro["package_name"])
        yield from self.outside("\n".join(texts), packages)

    def outside(self, text: str, packages: set[str]) -> Iterator[CodePart]:
        for name in sorted(set(_VAR.findall(text))):
            yield CodePart(f"var {name}", "dbt_project.yml", digest("dbt var", self.var(name)))
        for name in sorted(names_of_environ(text)):
            value = self.around.environ.get(name)
            yield CodePart(f"env {name}", "", digest("dbt env", *([] if value is None else [value])))
        always = {"dbt-core", "dbt-duckdb", "duckdb"}
        for name in sorted(always | packages):
            if self.around.versions.get(name):
                yield CodePart(f"dist {name}", "", self.around.versions[name])

    def var(self, name: str) -> str:
        """Give a variable as text; a value for the project wins over one for all."""
        scoped = self.around.vars.get(self.project)
        for values in (scoped if isinstance(scoped, dict) else {}, self.around.vars):
            if name in values:
                return json.dumps(values[name], sort_keys=True, default=str)
        return ""

    def inlined(self, id: str) -> Iterator[str]:
        """Walk a model and the ephemeral models that dbt writes into it."""
        waiting, seen = [id], {id}
        while waiting:
            each = waiting.pop()
            yield each
            for above in self.nodes[each]["depends_on"].get("nodes", ()):
                if above in self.nodes and above not in seen and not _is_asset(self.nodes[above]):
                    seen.add(above)
                    waiting.append(above)

    def reached(self, id: str) -> list[Entry]:
        """List the macros a model calls, those that they call included, by name."""
        waiting = [m for each in self.inlined(id) for m in self.nodes[each]["depends_on"].get("macros", ())]
        waiting += [m for test in self.tests.get(id, ()) for m in test["depends_on"].get("macros", ())]
        found: dict[str, Entry] = {}
        while waiting:
            each = waiting.pop()
            if each in self.macros and each not in found:
                found[each] = self.macros[each]
                waiting += self.macros[each]["depends_on"]["macros"]
        return [found[each] for each in sorted(found)]


def _said(entry: Entry, name: str) -> str:
    """Read what ``meta: {nacre: {…}}`` of a model or source says."""
    for meta in (entry.get("config", {}).get("meta"), entry.get("meta")):
        said = meta.get("nacre") if isinstance(meta, dict) else None
        if isinstance(said, dict) and isinstance(said.get(name), str):
            return str(said[name])
    return ""


def _settings(entry: Entry) -> str:
    settings = {name: value for name, value in entry["config"].items() if name not in _INERT}
    columns = {}
    if entry.get("contract", {}).get("enforced"):
        columns = {
            name: (column.get("data_type"), column.get("constraints"))
            for name, column in entry["columns"].items()
        }
    return digest("dbt config", json.dumps([settings, columns], sort_keys=True, default=str))
