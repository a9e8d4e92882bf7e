"""What a command works on: the project of the files it was given, its assets as declared and as stored."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property

from nacre import context
from nacre.builds import DEFAULT_FILE, Module, Request, declared, make_plan, with_outside
from nacre.catalog.history import HeadRow
from nacre.catalog.versions_at import split_at
from nacre.errors import NotMaterialized, UnknownName, UsageError
from nacre.execute.workspace import Reporter, Workspace
from nacre.graph.infer import Inferred
from nacre.graph.select import resolve
from nacre.loading import find_stored, not_there
from nacre.planning.explain import short
from nacre.planning.plan import Plan
from nacre.project import Project, current_project, runtime
from nacre.store.records import Action, Output
from nacre.survey.gather import Versions


class Session:
    """One command's view of a project.

    Args:
        modules: What ``-m`` gave; the first file decides the project.
        project: The project, where it is known; then modules may be module objects as well.

    Raises:
        UsageError: One can be neither a file nor a module.
    """

    def __init__(self, modules: Sequence[Module] = (), project: Project | None = None) -> None:
        self.modules: tuple[Module, ...] = tuple(modules)
        if project is not None:
            self.project: Project = project
            return
        texts = list(map(str, modules))
        for each in texts:
            # Python would take an empty part for a relative import.
            if not each.endswith(".py") and os.sep not in each and "" in each.split("."):
                hint = "give a file such as pipeline.py, or a module such as shop.assets"
                raise UsageError(f"{each!r} is no file and no module", {}, hint)
        files = [os.path.abspath(each) for each in texts if each.endswith(".py")]
        self.project = current_project(files[0] if files else os.getcwd())
        # As `python file.py` and `python -m` would: modules beside the project and in this folder can be imported.
        for folder in (self.project.root, os.getcwd()):
            if folder not in sys.path:
                sys.path.insert(0, folder)

    @cached_property
    def workspace(self) -> Workspace:
        """The project's store, or an empty one where nothing was stored; never makes one."""
        return self.project.workspace(creates=False)

    @property
    def now(self) -> datetime:
        """The project's time."""
        return self.workspace.clock.now()

    @property
    def has_modules(self) -> bool:
        """True where it is known which modules declare assets."""
        file = os.path.join(self.project.root, DEFAULT_FILE)
        return bool(self.modules or self.project.settings.modules or os.path.isfile(file))

    @cached_property
    def declared(self) -> Inferred:
        """The graph of what the modules declare."""
        return declared(self.project, self.modules)

    def resolve(self, name: str) -> str:
        """Find the key that a name means among what the modules declare, and the files of others that they read.

        Raises:
            UnknownName: Nothing answers to it; the closest name is offered.
            AmbiguousName: Several assets do.
        """
        try:
            return resolve(self.declared, name)
        except UnknownName:
            return resolve(with_outside(self.project, self.declared), name)

    def plan(
        self,
        select: Sequence[str] = ("*",),
        *,
        reuse_sources: bool = False,
        partition: str = "",
        looks_at_places: bool = False,
    ) -> Plan:
        """Plan without running anything; nothing selected means everything."""
        partitions = (partition,) if partition else ()
        chosen = tuple(select) or ("*",)
        request = Request(chosen, self.modules, "", reuse_sources, partitions, is_lenient=chosen == ("*",))
        return make_plan(self.project, request, looks_at_places=looks_at_places)

    @cached_property
    def heads(self) -> dict[str, HeadRow]:
        """Key to what is current; of a partitioned asset, the partition that was made last."""
        return {asset: max(rows, key=lambda row: row.at) for asset, rows in self.slots.items()}

    @cached_property
    def slots(self) -> dict[str, list[HeadRow]]:
        """Key to what is current, by partition; one row where there are none."""
        found: dict[str, list[HeadRow]] = {}
        for row in self.workspace.catalog.heads(self.workspace.env):
            found.setdefault(row.asset, []).append(row)
        return found

    def current(self, name: str, partition: str = "") -> HeadRow:
        """Find what is current of a stored asset, or of one partition of it.

        Raises:
            NotMaterialized: There is none.
            UsageError: It has partitions, and none was named.
        """
        rows = self.slots[self.find(name)]
        row = next((row for row in rows if row.partition == partition), None)
        if row is not None:
            return row
        if partition:
            raise not_there(rows[0].asset, partition, [row.partition for row in rows])
        newest = rows[-1].partition
        facts = {
            "asset": rows[0].asset,
            "partitions": f"{rows[0].partition} to {newest}, {len(rows):,} in all",
        }
        raise UsageError(
            f"{short(rows[0].asset)} has partitions: say which", facts, f"add --partition {newest}"
        )

    @cached_property
    def versions(self) -> Versions:
        """Records of stored versions."""
        return Versions(self.workspace.records, self.workspace.catalog, self.workspace.env)

    def find(self, name: str) -> str:
        """Find the key of a stored asset by key, name, or the name of its function.

        Raises:
            NotMaterialized: There is none.
        """
        try:
            return find_stored(self.workspace, name)
        except NotMaterialized:
            inferred, _ = self.try_declared()
            keys = (
                inferred.names.get(name, [name] if name in inferred.graph.producer else [])
                if inferred
                else []
            )
            if len(keys) != 1:
                raise
            if keys[0] in self.heads:
                return keys[0]
            facts = {"looked in": self.workspace.location}
            raise NotMaterialized(
                f"{name} is declared and not built yet", facts, f"nacre build {name}"
            ) from None

    def find_at(self, text: str) -> tuple[str, str]:
        """Find the key of a stored asset, and what is said of its version, in ``KEY@v12``; empty where nothing is.

        Raises:
            NotMaterialized: There is no such asset.
        """
        name, at = (text, "") if text in self.slots else split_at(text)
        return self.find(name), at

    def try_declared(self) -> tuple[Inferred | None, str]:
        """Return what the modules declare; None and the problem where they cannot be imported or there are none."""
        if not self.has_modules:
            return None, ""
        try:
            return self.declared, ""
        except Exception as error:  # user code, imported only to say more than the store knows
            what = str(error).splitlines()[0] if str(error) else ""
            return None, f"{type(error).__name__}: {what}".rstrip(": ")

    def output(self, row: HeadRow) -> Output | None:
        """What is stored of what is current; None where its record is gone."""
        return self.versions.output(row.fingerprint, row.slot, row.data_version)

    def action(self, fingerprint: str) -> Action | None:
        """The record of a recipe; None where it is gone."""
        return self.versions.action(fingerprint)

    @contextmanager
    def running(self, reporter: Callable[[], Reporter]) -> Iterator[None]:
        """Let what user code calls reach this project's engine, so that all of it goes to one store."""
        engine = self.project.engine(reporter)
        context.provide(lambda: engine)
        try:
            yield
        finally:
            context.provide(runtime)
