"""Histories in which people go back, pin and promote beside runs: what they do is the product's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from commit_history import ABOVE, BELOW, RECIPES, History, Run
from interleaving import Violation
from nacre.catalog.history import Catalog
from nacre.catalog.index import MemoryIndex
from nacre.config import Settings
from nacre.curate.promoting import promote_versions
from nacre.curate.rolling_back import roll_back
from nacre.environments import begin, chain_of, remove
from nacre.errors import NacreError, StoreError
from nacre.execute.workspace import Workspace
from nacre.keys import slot
from nacre.pinning import pin_version, remove_pin
from nacre.project import Project
from nacre.store.holds import release
from nacre.store.port import Stored, Token, Write
from nacre.store.publish.publisher import Publisher

SETTINGS = Settings(store="memory://")
DEV = "dev"


class Followed:
    """Records whose writes are indexed at once, as a project does it: what others write is not seen."""

    def __init__(self, inner: Any, index: MemoryIndex) -> None:
        self._inner = inner
        self._index = index

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        tokens: list[Token | None] = self._inner.batch(writes)
        accepted = [
            Stored(write.path, write.data, token)
            for write, token in zip(writes, tokens, strict=True)
            if token
        ]
        self._index.apply(accepted)
        return tokens

    def create(self, path: str, data: bytes) -> Token | None:
        return self.batch([Write(path, data)])[0]

    def replace(self, path: str, data: bytes, token: Token) -> Token | None:
        return self.batch([Write(path, data, token)])[0]

    def delete(self, path: str, token: Token) -> bool:
        is_deleted: bool = self._inner.delete(path, token)
        if is_deleted:
            self._index.apply([Stored(path, b"", "")])
        return is_deleted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class CuratedHistory(History):
    """A store on which people work too, and an environment beside the default one."""

    def _kind(self) -> Callable[[], None]:
        draw, chance = self.chance.random(), self.chance
        recipe = chance.choice(RECIPES)
        back = chance.choice((1, 1, 2, 3))
        if draw < 0.3:
            return super()._kind()
        if draw < 0.4:
            return self.collect
        if draw < 0.5:
            return lambda: self.refresh(recipe)
        if draw < 0.66:
            made = chance.choice((ABOVE, ABOVE, BELOW))
            return self.curated(lambda: self.rollback(made, back))
        if draw < 0.7:
            return self.curated(lambda: release(self.records, "default", ABOVE))
        if draw < 0.77:
            return self.curated(lambda: self.pin(back))
        if draw < 0.87:
            is_below = chance.random() < 0.5
            return self.curated(lambda: self.build_aside(recipe, is_below))
        if draw < 0.96:
            sides = (DEV, "default") if chance.random() < 0.7 else ("default", DEV)
            is_forced = chance.random() < 0.5
            return self.curated(lambda: self.promote(*sides, force=is_forced))
        return self.curated(self.remove_environment)

    def curated(self, action: Callable[[], object]) -> Callable[[], None]:
        """What a person does ends with an answer or with an error, which says so."""

        def act() -> None:
            try:
                action()
            except StoreError:
                raise
            except NacreError:
                self._failed()

        return act

    def _failed(self) -> None:
        assert self.schedule is not None
        self.schedule.n_ended += 1

    def project(self) -> Project:
        """A process of its own: it looks at all heads and histories once, and then knows what it writes itself."""
        index = MemoryIndex()
        index.rebuild([*self.records.scan("heads/"), *self.records.scan("hist/")])
        records = Followed(self.records, index)
        project = Project("", SETTINGS)
        project._workspace = self.workspace._replace(records=records, catalog=Catalog(index.read))
        project._is_kept = True
        return project

    # ── what goes on besides ──────────────────────────────────────────────────────────────────────────────────────

    def refresh(self, recipe: str) -> None:
        """Make a known result again, which gives other content."""
        run = Run(self)
        head = run.survey(ABOVE)
        output = run._output(ABOVE, self._bytes(recipe, is_same=False))
        seq = head.current.seq if head is not None else 0
        run.commit(f"above-{recipe}", output, seq, (), overwrites=True)
        run.end()

    def rollback(self, made: str, back: int) -> None:
        workspace = self.project().workspace()
        rows = workspace.catalog.history("default", made)
        if len(rows) > back:
            done = roll_back(workspace, made, rows[back].seq)
            if done.problems:
                self._failed()

    def pin(self, back: int) -> None:
        """Pin an older version; a pin that is there is moved, or removed."""
        workspace = self.project().workspace()
        rows = workspace.catalog.history("default", ABOVE)
        if len(rows) > back:
            pin = pin_version(workspace, "kept", ABOVE, "", rows[back], moves=True)
            self.witness.pinned(pin)
        elif rows:
            remove_pin(workspace, "kept")

    def aside(self) -> Workspace:
        chain = chain_of(SETTINGS, self.records, DEV)
        begin(self.records, chain, self.time.now())
        unpublished = Publisher((), self.publisher.open, is_active=False)
        return self.workspace._replace(env=chain.folders[0], publisher=unpublished)

    def build_aside(self, recipe: str, is_below: bool) -> None:
        """Build in the other environment, over what is current in the default one."""
        run = Run(self, self.aside())
        made = run.step(ABOVE, f"above-{recipe}", self._bytes(recipe, is_same=False), ())
        if is_below:
            run.step(BELOW, f"below-{made.data_version}", f"from {made.data_version}".encode(), (made,))
        run.end()

    def promote(self, source: str, target: str, *, force: bool) -> None:
        promote_versions(self.project(), source, target, force=force)

    def remove_environment(self) -> None:
        remove(self.project().workspace(), SETTINGS, DEV)

    def _end(self) -> None:
        assert self.schedule is not None
        if not self.schedule.n_ended:
            self._require_published("though nobody failed")
        release(self.records, "default", ABOVE)
        self.build("k", is_same=False)
        self.survey_again()
        self._require_published("after a clean run")
        self._require_indexed()

    def _require_indexed(self) -> None:
        """What an index says is what the records list, in whichever order it heard of them."""
        records = [*self.records.scan("heads/"), *self.records.scan("hist/")]
        self.chance.shuffle(records)
        index = MemoryIndex()
        for each in records:
            index.apply([each])
        catalog = Catalog(index.read)
        listed: dict[tuple[str, str], set[int]] = {}
        for _, part, version in self.witness.listed():
            listed.setdefault((part.env, slot(part.asset, part.partition)), set()).add(version.seq)
        for (env, made), seqs in listed.items():
            found = {row.seq for row in catalog.history(env, made)}
            if found != seqs:
                raise Violation(
                    f"I10: of {made} in {env} are listed {sorted(seqs)}, and indexed {sorted(found)}"
                )
