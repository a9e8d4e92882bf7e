"""What a run knows of the world: the facts of its start, and what it found when it looked at places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

from msgspec import Struct, field

from nacre.execute.asking import Asking
from nacre.execute.made import Shared
from nacre.execute.publishing import Publishing
from nacre.execute.stored import Heads
from nacre.execute.taking import changed_outside
from nacre.execute.workspace import Workspace
from nacre.planning.decide import held_head
from nacre.planning.facts import Facts, nothing_released
from nacre.planning.plan import outline_in
from nacre.survey.gather import Versions, gather


class Surveying(Struct, eq=False):
    """The facts of one run: gathered once, then pinned; only its own looks at places add to them.

    Args:
        workspace: The store, the code and the places.
        shared: What all runs of the tree have in common; its lock guards this too.
        versions: Stored versions.
        publishing: Looks at published files.
        asks: Makes what answers for cache policies, once it is known what is current.
        now: When the run started.
    """

    workspace: Workspace
    shared: Shared
    versions: Versions
    publishing: Publishing
    asks: Callable[[Heads], Asking]
    now: datetime
    #: External assets that are held: their files are not looked at.
    held_outside: set[str] = field(default_factory=set)
    _facts: Facts | None = None

    @property
    def facts(self) -> Facts:
        """The facts as of the run's start; gathered when first asked for."""
        if self._facts is None:
            with self.shared.lock:
                # A flow may ask for anything that is current.
                self.workspace.catalog.require_readable(self.workspace.env)
                return self._facts or self.gather()
        return self._facts

    def gather(
        self,
        refresh: frozenset[str] = frozenset(),
        reuse_sources: bool = False,
        released: Callable[[str], bool] = nothing_released,
    ) -> Facts:
        """Gather the facts once; what comes later in the run does not change them."""
        workspace, shared = self.workspace, self.shared
        facts = gather(
            workspace.catalog,
            self.versions,
            lambda key: workspace.code.of(shared.producers[key]),
            workspace.reads.digest,
            self.now,
            workspace.env,
            refresh=refresh,
            reuse_sources=reuse_sources,
        )
        self._facts = facts._replace(
            outline=outline_in(shared.outlines, facts.outline),
            doubts=workspace.code.doubts,
            released=released,
            digest_now=lambda kind, name: _digest_now(kind, name, shared, facts),
            asked=self.asks(facts.heads),  # type: ignore[arg-type]  # mypy does not see the __call__ of a named tuple
        )
        return self._facts

    def pin(self, facts: Facts) -> None:
        """Take the facts of the run that called this one; what cache policies ask for is this one's own."""
        self._facts = facts._replace(asked=self.asks(facts.heads))  # type: ignore[arg-type]  # as above

    @property
    def asking(self) -> Asking:
        """Answers what cache policies ask for."""
        return cast(Asking, self.facts.asked)

    def look_at_places(self, slots: Sequence[str]) -> Facts:
        """Add to the facts which of some slots are no longer published as they were.

        Raises:
            StoreError: A place cannot be reached.
        """
        found = self.publishing.drifted(slots, self.facts.heads)
        with self.shared.lock:  # calls of a flow look at the same time, each at its own
            self._facts = self.facts._replace(drifted=self.facts.drifted | found)
            return self._facts

    def look_outside(self, keys: Sequence[str]) -> Facts:
        """Add to the facts which external assets are no longer as they were seen; at those held, nobody looks.

        Raises:
            StoreError: A place cannot be reached.
        """
        held = [each for each in keys if held_head([each], self.facts) is not None]
        found = changed_outside(self.workspace, [each for each in keys if each not in held], self.facts.heads)
        with self.shared.lock:
            self.held_outside.update(held)
            self._facts = self.facts._replace(drifted=self.facts.drifted | found.keys())
            return self._facts


def _digest_now(kind: str, name: str, shared: Shared, facts: Facts) -> str:
    """Digest something that was read, as it is now: an asset as this run made it, if it did."""
    made = shared.made.get(name) if kind == "asset" else None
    return made.version.data_version if made is not None else facts.digest_now(kind, name)
