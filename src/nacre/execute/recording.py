"""What a step leaves in the store: its action record, and the heads that move to what it made or took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set

import msgspec

from nacre.execute.step import Receipt
from nacre.execute.workspace import CodeReader, Workspace
from nacre.graph.graph import AnyTask
from nacre.keys import key_of, partition_of, slot
from nacre.planning.decide import Action as Planned
from nacre.planning.decide import Decision
from nacre.planning.doubt import unseen
from nacre.planning.facts import UNSEEN, CodeFact, HeadFact, nothing_released
from nacre.store.commit import Commit, Move
from nacre.store.paths import source_path
from nacre.store.records import Action, Input, Part, Read
from nacre.version.fingerprint import InputVersion


class Recording:
    """Makes the commits of one run.

    Args:
        workspace: Time, ids, environment and code versions.
        run: The run's id.
        heads: Slot to what was current when the run looked.
        kept: Digests of source files whose text is known to be stored.
        released: Whether making a slot that is held ends that.
    """

    def __init__(
        self,
        workspace: Workspace,
        run: str,
        heads: Mapping[str, HeadFact],
        kept: Set[str] = frozenset(),
        released: Callable[[str], bool] = nothing_released,
    ) -> None:
        self._workspace = workspace
        self._run = run
        self._heads = heads
        self._kept = kept
        self._released = released

    def made(
        self,
        task: AnyTask,
        decision: Decision,
        receipt: Receipt,
        fingerprint: str,
        derived: Sequence[InputVersion] = (),
    ) -> Commit:
        """Make the commit of a step that ran.

        Args:
            task: What ran.
            decision: Why, and from which recipe.
            receipt: What came of it.
            fingerprint: What it is recorded under.
            derived: Versions its arguments came from without being them.
        """
        action = self._action(task, decision, receipt, fingerprint, derived)
        inputs = _by_name(action.inputs)
        inputs |= {each.name: (key_of(each.name), each.seq) for each in receipt.reads if each.kind == "asset"}
        return Commit(
            fingerprint=fingerprint,
            run=self._run,
            attempt=receipt.attempt,
            at=self._workspace.clock.now(),
            action=action,
            moves=tuple(
                self._move(
                    slot(output.asset, action.partition),
                    output.data_version,
                    inputs,
                    receipt.metadata.get(output.asset),
                )
                for output in action.outputs
            ),
            overwrites=decision.overwrites,
            sources=texts_of(action, self._workspace.code, self._kept),
        )

    def taken(self, task: AnyTask, decision: Decision, action: Action | None) -> Commit:
        """Make the commit of a known result that was not current: heads move, nothing is recorded.

        Args:
            task: What would have run.
            decision: Which result is taken.
            action: Its record, which also knows what its arguments derived from.
        """
        recorded = action.inputs if action is not None else ()
        inputs = _by_name(self._renumbered(each) if each.derived else each for each in recorded)
        inputs |= {each.name: (key_of(each.asset), each.seq) for each in decision.recipe.inputs}
        return Commit(
            fingerprint=decision.fingerprint,
            run=self._run,
            attempt=self._workspace.new_id(),
            at=self._workspace.clock.now(),
            moves=tuple(
                self._move(each, decision.data_versions[each], inputs) for each in decision.recipe.assets
            ),
            taken=action,
        )

    def _renumbered(self, derived: Input) -> Input:
        """Give a recorded input the number that its content has now: what was expected then may be other content's."""
        workspace = self._workspace
        rows = workspace.catalog.recent(workspace.env, derived.asset, derived.partition)
        same = [row.seq for row in rows if row.data_version == derived.data_version]
        seq = derived.seq if derived.seq in same else next(iter(same), 0)
        return msgspec.structs.replace(derived, seq=seq)

    def _move(
        self,
        made: str,
        data_version: str,
        inputs: Mapping[str, tuple[str, int]],
        metadata: Mapping[str, object] | None = None,
    ) -> Move:
        head = self._heads.get(made)
        texts = {name: _as_text(value) for name, value in (metadata or {}).items()}
        return Move(
            self._workspace.env,
            key_of(made),
            data_version,
            inputs,
            head.seq if head else 0,
            texts,
            partition_of(made),
            base=head.base if head else "",
            releases=head is not None and bool(head.held) and self._released(made),
        )

    def _action(
        self,
        task: AnyTask,
        decision: Decision,
        receipt: Receipt,
        fingerprint: str,
        derived: Sequence[InputVersion],
    ) -> Action:
        recipe = decision.recipe
        code = self._workspace.code.of(task)
        is_source = decision.action is Planned.CHECK
        return Action(
            fingerprint=fingerprint,
            task=task.name,
            code=recipe.code,
            outputs=tuple([receipt.outputs[each] for each in recipe.assets]),
            attempt=receipt.attempt,
            run=self._run,
            started_at=receipt.started_at,
            duration_s=receipt.duration_s,
            env=self._workspace.env_name,
            partition=recipe.partition,
            inputs=tuple([_input(each) for each in (*recipe.inputs, *derived)]),
            parameters=dict(recipe.parameters),
            recipe=dict(recipe.settings),
            parts=parts_of(code),
            reads=tuple([Read(kind=r.kind, name=r.name, digest=r.digest) for r in receipt.reads]),
            unknowns=(
                *code.unknowns,
                *(unseen(each.name) for each in receipt.reads if each.kind == UNSEEN and not is_source),
            ),
            is_source=is_source,
            sources=self._workspace.code.sources(task),
            shown=dict(recipe.shown),
        )


def parts_of(code: CodeFact) -> tuple[Part, ...]:
    """Turn the pieces of a code version into what a record keeps of them."""
    return tuple([Part(name=p.name, place=p.place, digest=p.digest) for p in code.parts])


def texts_of(action: Action, code: CodeReader, kept: Set[str]) -> dict[str, bytes]:
    """Collect the texts of the code that a record names, where they may not be stored yet.

    Args:
        action: The record.
        code: Knows the texts, and which this process has stored.
        kept: Digests of files whose text is stored, as records say.

    Returns:
        Path to record.
    """
    return {
        source_path(digest): code.text_record(file)
        for file, digest in action.sources.items()
        if digest not in code.kept and digest not in kept
    }


def _by_name(inputs: Iterable[Input]) -> dict[str, tuple[str, int]]:
    """Map inputs by name; a further one that an argument derives from goes by its own key."""
    found: dict[str, tuple[str, int]] = {}
    for each in inputs:
        name = each.name
        if name in found:
            name = slot(each.asset, each.partition)
        found[name] = (each.asset, each.seq)
    return found


def _input(version: InputVersion) -> Input:
    return Input(
        parameter=version.parameter,
        asset=key_of(version.asset),
        partition=partition_of(version.asset),
        data_version=version.data_version,
        seq=version.seq,
        derived=version.derived,
    )


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
