"""Running one dbt model as a step: give dbt what it reads, let it work, and return what it made."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from nacre import context
from nacre.errors import SAFE, MissingContext, StepFailed
from nacre.execute.active import ActiveRun
from nacre.execute.step import StepRun
from nacre.integrations.dbt.manifest import Model
from nacre.integrations.dbt.project import TARGET, DbtProject
from nacre.integrations.dbt.runner import Running, asked
from nacre.integrations.dbt.sources import Sources, current
from nacre.integrations.dbt.warehouse import Warehouse, in_any_order, opened
from nacre.values import identify
from nacre.version.code import CodePart

_BAD = frozenset({"error", "fail", "runtime error"})


class Shared:
    """What the models of one project share in this process.

    Args:
        project: The project.
    """

    def __init__(self, project: DbtProject) -> None:
        self.project = project
        self.models: Mapping[str, Model] = {model.key: model for model in project.models}
        self.sources = Sources(project.folder / TARGET / "sources")
        #: Where the sources lie that were provided so far; dbt reads the project again when it changes.
        self.environ: dict[str, str] = {}
        self._parsed_with: Mapping[str, str] | None = None
        self._parsed: Any = None

    def parsed(self, dbt: Running) -> Any:
        """Return dbt's manifest; read again only where the sources lie elsewhere than before."""
        if self._parsed_with != dbt.environ:
            self._parsed, self._parsed_with = dbt.parse(writes=False), dict(dbt.environ)
        return self._parsed


class ModelStep:
    """The function of one model's task: runs the model and returns its rows as an Arrow table.

    Args:
        model: The model.
        shared: What it shares with the others.
    """

    def __init__(self, model: Model, shared: Shared) -> None:
        self.model = model
        self.shared = shared
        self.__name__ = self.__qualname__ = model.name
        self.__doc__ = model.description or None
        self.__nacre_code__: tuple[CodePart, ...] = model.parts

    def __repr__(self) -> str:
        return self.model.file

    def __call__(self) -> Any:
        """Run the model.

        Raises:
            StepFailed: dbt, DuckDB or a test of the model says no; names the file of the user's SQL.
            SourceDrift: The project's files are not the ones that were planned with.
        """
        run, step = context.current_run.get(), context.current_step.get()
        if not isinstance(run, ActiveRun) or not isinstance(step, StepRun):
            raise MissingContext(
                f"{self.model.name} runs as a step only", hint=f"nacre build {self.model.name}"
            )
        return self._make(run, step)

    def _make(self, run: ActiveRun, step: StepRun) -> Any:
        model, shared = self.model, self.shared
        with asked(shared.project.dbt, step.log) as dbt:
            shared.project.require_unchanged()
            shared.environ |= shared.sources.provide(run, step, model.sources)
            dbt.environ |= shared.environ
            manifest = shared.parsed(dbt)
            with opened(dbt.credentials()) as warehouse:
                options = self._prepare(run, warehouse)
            _require_success(model, _build(dbt, model, options, manifest), self._shown(run))
            with opened(dbt.credentials()) as warehouse:
                table = warehouse.read(model.relation)
                warehouse.mark(model.relation, _data_version(table), run.id)
        return table

    def _shown(self, run: ActiveRun) -> Callable[[str], str]:
        """Name files of the project as a person in the folder of the pipeline would."""
        folder = self.shared.project.folder
        return lambda file: os.path.relpath(folder / file, run.workspace.root) if file else ""

    def _prepare(self, run: ActiveRun, warehouse: Warehouse) -> list[str]:
        """Put the relations it reads as this run has them; returns dbt's options for this run."""
        for key in self.model.refs:
            if key in self.shared.models:
                self._restore(run, warehouse, self.shared.models[key])
        if self.model.kind == "seed":
            return ["--full-refresh"]
        if self.model.kind != "incremental":
            return []
        if not self._continues(run):
            return ["--full-refresh"]
        self._restore(run, warehouse, self.model)
        return []

    def _continues(self, run: ActiveRun) -> bool:
        """Say whether an incremental model adds to its current version: same code, and no fresh result asked for."""
        key = self.model.key
        head = run.facts.heads.get(key)
        if head is None or run.facts.refresh & {key, "*"}:
            return False
        before = run.versions.action(head.fingerprint)
        return before is not None and before.code == run.facts.code(key).digest

    def _restore(self, run: ActiveRun, warehouse: Warehouse, model: Model) -> None:
        made = current(run, model.key)
        if not warehouse.holds(model.relation, made.version.data_version, run.id):
            table = run.workspace.contents.read(made.output)
            warehouse.restore(model.relation, table, made.version.data_version, run.id)


def _data_version(table: Any) -> str:
    """Give the data version that the engine gives the table, by the rule that all models have."""
    return identify(in_any_order(table)).digest


def _build(dbt: Running, model: Model, options: list[str], manifest: Any) -> Any:
    # Tests that read other models too run with none of them: when those change, this one would not run again.
    alone = ["--select", model.selector, "--indirect-selection", "cautious", "--no-write-json"]
    return dbt.invoke("build", *alone, *options, manifest=manifest)


def _require_success(model: Model, outcome: Any, shown: Callable[[str], str]) -> None:
    """Raise what went wrong, the user's file first.

    Args:
        model: What ran.
        outcome: What dbt gave.
        shown: Names a file of the project for a person.

    Raises:
        StepFailed: Something did.
    """
    results = list(outcome.result.results) if outcome.result is not None else []
    bad = next((result for result in results if str(result.status) in _BAD), None)
    if bad is None and outcome.success and results:
        return
    said = str(outcome.exception or "dbt found nothing to run") if bad is None else bad.message or ""
    compiled = shown("" if bad is None else bad.node.compiled_path or "")
    if bad is not None and bad.node.resource_type in ("test", "unit_test"):
        facts = {"file": shown(model.file), "test": bad.node.name, "found": said, "its SQL": compiled}
        raise StepFailed(f"{model.name} does not pass the test {bad.node.name}", facts, SAFE)
    facts = {"file": shown(model.file), "DuckDB says": _without_frame(said), "compiled": compiled}
    raise StepFailed(f"The dbt model {model.name} failed", facts, SAFE)


def _without_frame(said: str) -> str:
    """Leave out dbt's first line, which names the model again."""
    first, _, rest = said.partition("\n")
    return textwrap.dedent(rest).strip() if rest.strip() and " in " in first else said
