"""A project in a folder of its own, with a clock that tests move: what acceptance tests work on."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from datetime import datetime
from pathlib import Path
from types import ModuleType

import nacre
from nacre import project as roots
from nacre.config import read_settings
from nacre.declare.discover import load_module
from nacre.execute.workspace import Workspace
from nacre.store.codec import decode
from nacre.store.paths import action_path
from nacre.store.records import Action, Artifact, Run
from nacre.testing import ManualClock

SOURCES = Path(__file__).parent.parent / "src"
_numbers = itertools.count(1)
HEADER = """\
import nacre
from nacre import Asset, flow, materialize, tags, task, get_run_logger, without
from typing import Annotated

calls = []
world = {}

def turn(**facts):
    world.update(facts)
"""


class Sandbox:
    """One project folder. Modules are written as files, imported under names nobody else has, and forgotten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.clock = ManualClock()
        self._modules: list[str] = []
        self.reopen()

    def reopen(self) -> None:
        """Forget what this process knows of the store, as a new process would."""
        self.close()
        root = os.path.realpath(self.folder)
        settings = read_settings(root)
        roots._open_projects[root, repr(settings)] = roots.Project(root, settings, self.clock)

    def move_to(self, at: datetime) -> None:
        """Let time pass until a moment."""
        self.clock.advance((at - self.clock.now()).total_seconds())

    def map(self, start: str, folder: str) -> Path:
        """Let a beginning of keys stand for a folder of the project."""
        with open(self.folder / "nacre.toml", "a", encoding="utf-8") as settings:
            settings.write(f'[places]\n"{start}" = "{folder}"\n')
        self.reopen()
        return self.folder / folder

    def close(self) -> None:
        for project in roots._open_projects.values():
            project.close()
        roots._open_projects.clear()
        roots._engines.clear()

    def module(self, source: str, name: str = "") -> ModuleType:
        """Write a module, with the usual imports and ``calls`` and ``world`` above, and import it."""
        name = name or f"pipe_{next(_numbers)}"
        path = self.folder / f"{name}.py"
        path.write_text(HEADER + textwrap.dedent(source), encoding="utf-8")
        self._modules.append(name)
        return load_module(path)

    def edit(self, module: ModuleType, old: str, new: str) -> ModuleType:
        """Change a module's file and import it afresh, as the next process would."""
        path = Path(str(module.__file__))
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        sys.modules.pop(module.__name__)
        self.reopen()
        return load_module(path)

    def forget_modules(self) -> None:
        for name in self._modules:
            sys.modules.pop(name, None)
        while str(self.folder) in sys.path:
            sys.path.remove(str(self.folder))

    def build(self, module: ModuleType, *select: str, **options: bool) -> nacre.RunResult:
        return nacre.build(list(select) or ["*"], modules=[module], **options)

    def ran(self, module: ModuleType, *select: str, **options: bool) -> list[str]:
        """Build as a new process would; say which functions ran, by what they appended to ``calls``."""
        self.reopen()
        module.calls.clear()
        self.build(module, *select, **options).raise_for_failure()
        return list(module.calls)

    def python(self, *arguments: str) -> subprocess.Popen[str]:
        """Start another Python on this project."""
        environ = {**os.environ, "PYTHONPATH": str(SOURCES)}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @property
    def workspace(self) -> Workspace:
        return roots.current_project().workspace()

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [decode(stored.data, Run, stored.path) for stored in self.workspace.records.scan("runs/")]

    def artifacts(self) -> list[Artifact]:
        return [
            decode(stored.data, Artifact, stored.path) for stored in self.workspace.records.scan("artifacts/")
        ]

    def history(self, asset: str) -> list[str]:
        """Fingerprints of an asset's versions, newest first."""
        return [row.fingerprint for row in self.workspace.catalog.history("default", asset)]

    def record(self, asset: str) -> Action:
        """The action record of an asset's current version."""
        path = action_path(self.history(asset)[0])
        stored = self.workspace.records.get(path)
        assert stored is not None
        return decode(stored.data, Action, path)

    def inputs(self, asset: str) -> dict[str, tuple[str, bool]]:
        """Parameter to the asset it came from, and whether it was changed on the way."""
        return {each.parameter: (each.asset, each.derived) for each in self.record(asset).inputs}

    def log(self) -> list[str]:
        """The texts that the latest run logged."""
        import msgspec

        run = self.runs()[-1]
        with self.workspace.contents.objects.get(f"logs/{run.id}") as file:
            return [msgspec.json.decode(line)["text"] for line in file.read().splitlines()]
