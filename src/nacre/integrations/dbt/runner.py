"""dbt in this process: one invocation at a time, with its log lines handed on and its telemetry off.

``dbtRunner`` keeps its state in globals and DuckDB lets one process in, so two locks stand around all of it: one for
the threads of this process, and one for the processes that use a project.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.errors import DefinitionError, UsageError
from nacre.integrations.dbt.extensions import extensions

Log = Callable[[int, str], None]

_turn = threading.RLock()
#: What dbt fills its lines with, up to the outcome at their end.
_DOTS = re.compile(r" \.{3,} ")
_LEVELS = {"info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
#: Lines that say the same on every run, or that are part of the error a failed step raises.
_PASSED_OVER = frozenset(
    {
        *("AdapterRegistered", "ConcurrencyLine", "EndOfRunSummary", "FinishedRunningStats", "Formatting"),
        *("FoundStats", "LogStartLine", "MainReportVersion", "RunResultError", "RunResultFailure"),
        *("ParsePerfInfoPath", "SQLCompiledPath", "StatsLine"),
    }
)


@dataclass(frozen=True, slots=True)
class Dbt:
    """Where dbt works.

    Args:
        folder: The folder of ``dbt_project.yml``.
        profiles: The folder of ``profiles.yml``.
        target_path: Where dbt writes, relative to the project.
        target: Which output of the profile; empty for the profile's own.
    """

    folder: Path
    profiles: Path
    target_path: str
    target: str | None = None

    def options(self) -> list[str]:
        """Say all this on dbt's command line."""
        options = ["--project-dir", str(self.folder), "--profiles-dir", str(self.profiles)]
        options += ["--target-path", self.target_path, "--log-path", str(self.folder / self.target_path)]
        options += ["--log-level", "none", "--log-level-file", "none", "--no-use-colors", "--quiet"]
        options += ["--no-send-anonymous-usage-stats", "--no-version-check"]
        return options + (["--target", self.target] if self.target else [])


@contextmanager
def asked(dbt: Dbt, log: Log | None = None) -> Iterator[Running]:
    """Take dbt for a while; others wait.

    Args:
        dbt: Where it works.
        log: Takes dbt's log lines.

    Raises:
        UsageError: dbt or its adapter for DuckDB is not installed.
    """
    with _turn, _alone(dbt.folder / dbt.target_path, log):
        yield Running(dbt, log)


class Running:
    """dbt, while the lock is held.

    Args:
        dbt: Where it works.
        log: Takes its log lines.
    """

    def __init__(self, dbt: Dbt, log: Log | None = None) -> None:
        self._dbt = dbt
        self._log = log
        self._runner = _runner()
        #: Set while dbt works; part of what it reads, so changing it makes dbt read the project again.
        self.environ: dict[str, str] = extensions(dbt.profiles, dbt.folder / dbt.target_path)

    def invoke(self, command: str, *arguments: str, manifest: Any = None) -> Any:
        """Run one command and return what dbt gives: ``success``, ``exception``, ``result``."""
        runner = self._runner(manifest=manifest, callbacks=[self._on_event])
        try:
            with _environment(self.environ):
                return runner.invoke([command, *arguments, *self._dbt.options()])
        finally:
            _let_go()

    def parse(self, *, writes: bool) -> Any:
        """Read the project; returns dbt's own manifest.

        Args:
            writes: True leaves it as ``manifest.json`` too.

        Raises:
            DefinitionError: The project has a mistake.
        """
        return self._answer("parse", "--write-json" if writes else "--no-write-json").result

    def selected(self, select: str) -> list[str]:
        """List the unique ids of the models and seeds that a selection means."""
        kinds = ("--resource-type", "model", "--resource-type", "seed")
        lines = self._answer(
            "ls", "--select", select, *kinds, "--output", "json", "--output-keys", "unique_id"
        )
        return [json.loads(line)["unique_id"] for line in lines.result]

    def vars(self) -> dict[str, Any]:
        """Read the ``vars:`` of the project."""
        from dbt.clients.yaml_helper import load_yaml_text

        said = load_yaml_text((self._dbt.folder / "dbt_project.yml").read_text(encoding="utf-8"))
        return dict(said.get("vars") or {})

    def credentials(self) -> Any:
        """Give the connection settings that the last invocation used."""
        from dbt.adapters.factory import get_adapter_by_type

        return get_adapter_by_type("duckdb").config.credentials

    def _answer(self, command: str, *arguments: str) -> Any:
        answer = self.invoke(command, *arguments)
        if not answer.success:
            facts = {"project": self._dbt.folder, "dbt says": answer.exception}
            raise DefinitionError(
                "dbt cannot read the project", facts, "nothing was run; correct it and try again"
            )
        return answer

    def _on_event(self, event: Any) -> None:
        level, text = _LEVELS.get(event.info.level), _DOTS.sub(" ", str(event.info.msg).strip())
        if self._log is not None and level is not None and text and event.info.name not in _PASSED_OVER:
            self._log(level, text)


@contextmanager
def _alone(folder: Path, log: Log | None) -> Iterator[None]:
    """Wait for other processes that work in the folder; the system lets the lock go when a process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if log is not None:
                log(logging.INFO, "waiting for another process that uses this dbt project")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _let_go() -> None:
    """Close the DuckDB file, which dbt may keep open for its next command, so that other programs can open it."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    with suppress(Exception):  # it raises where no connection was ever opened
        DuckDBConnectionManager.env().close()
    DuckDBConnectionManager.close_all_connections()


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _runner() -> Any:
    try:
        from dbt.adapters.duckdb import Plugin  # noqa: F401  # said to be missing here, not in the middle of a run
        from dbt.cli.main import dbtRunner
    except ImportError as error:
        facts = {"missing": error.name}
        raise UsageError(
            "dbt with its adapter for DuckDB is not installed", facts, 'pip install ".[dbt]"'
        ) from error
    return dbtRunner
