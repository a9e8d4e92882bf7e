"""Accepting an edit: what is stored stands for the new code, since somebody says that the edit does not change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from nacre.builds import Module, Request, declared, make_plan
from nacre.errors import SAFE, CorruptRecord, UsageError
from nacre.execute.process import person
from nacre.execute.recording import parts_of, texts_of
from nacre.execute.workspace import Workspace
from nacre.graph.select import resolve
from nacre.keys import key_of, partition_of, resolved, slot
from nacre.planning.decide import Action, Decision, all_causes
from nacre.planning.explain import sentence, short
from nacre.planning.facts import Facts
from nacre.planning.plan import Plan, Step
from nacre.planning.reason import Cause
from nacre.planning.settings import runs_every_time
from nacre.project import Project
from nacre.store.commit import Commit, Committer, Move
from nacre.store.records import Accepted
from nacre.survey.gather import Versions
from nacre.version.fingerprint import fingerprint_with_reads
from nacre.views.changed import CodeChange, Compared


@dataclass(frozen=True, slots=True)
class AcceptedVersion:
    """One result that stands for newer code now.

    Args:
        asset: The asset's key.
        partition: Which slice; empty for the whole.
        version: Its version number now.
        code: What changed in the code, and does not change the result.
    """

    asset: str
    partition: str
    version: int
    code: tuple[CodeChange, ...]

    @property
    def name(self) -> str:
        """The asset as a person would name it; one partition of it in brackets."""
        return short(slot(self.asset, self.partition))


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """What was accepted; nothing ran and no value was written.

    Args:
        accepted: One entry for each asset, or partition of one, whose result stands for new code now.
        is_dry_run: True where nothing was written, only judged.
    """

    accepted: tuple[AcceptedVersion, ...]
    is_dry_run: bool = False

    def __str__(self) -> str:
        verb = "would be accepted as" if self.is_dry_run else "accepted as"
        return "\n".join(f"{each.name} {verb} v{each.version}" for each in self.accepted)


def accept_edit(
    project: Project,
    modules: Sequence[Module],
    asset: str,
    *,
    partition: str = "",
    reason: str = "",
    dry_run: bool = False,
) -> AcceptResult:
    """Bind the current result of an asset to its present code.

    Args:
        project: Where.
        modules: Where the asset is declared.
        asset: A key, or a name.
        partition: One partition; by default all that have a version.
        reason: Why the edit does not change the result; kept with it.
        dry_run: True writes nothing.

    Raises:
        UsageError: The code is not the one thing that differs; lists what does.
    """
    key = resolve(declared(project, modules), asset)
    partitions = (partition,) if partition else ()
    plan = make_plan(project, Request((key,), tuple(modules), "", reuse_sources=True, partitions=partitions))
    workspace = project.workspace(creates=False)
    versions = Versions(workspace.records, workspace.catalog, workspace.env)
    steps = [step for step in plan.steps.values() if any(key_of(made) == key for made in step.assets)]
    if any(runs_every_time(step.task.options, step.is_source) for step in steps):
        hint = "nothing is to be accepted: what it brings is compared with what is stored"
        raise UsageError(f"{short(key)} runs on every run, whatever its code", {"asset": key}, hint)
    wanted = [step for step in steps if not _is_settled(step)]
    if not wanted:
        facts = {"asset": key, "why": sentence(steps[-1].reason)}
        raise UsageError(f"Nothing of {short(key)} is to be accepted", facts, SAFE)
    for step in wanted:
        _require_code_alone(step, plan)
    committer = Committer(workspace.records, workspace.clock.monotonic)
    accepted: list[AcceptedVersion] = []
    for step in wanted:
        commit, changes = _commit(workspace, versions, step, plan.facts, reason)
        committer.add(commit)
        accepted += [
            AcceptedVersion(move.asset, move.partition, move.surveyed_seq + 1, changes)
            for move in commit.moves
        ]
    if not dry_run:
        project.workspace()  # begins the environment
        _flush(committer, workspace)
    return AcceptResult(tuple(accepted), dry_run)


def _is_settled(step: Step) -> bool:
    """Say whether there is nothing to accept: it is reused as it is, or is one of several partitions and never made."""
    return step.action is Action.REUSE or bool(partition_of(step.key) and step.reason.cause is Cause.FIRST)


def _require_code_alone(step: Step, plan: Plan) -> None:
    """Refuse a step whose result may differ for another reason than its code.

    Raises:
        UsageError: It may; names every other cause.
    """
    heads = plan.facts.heads
    made_by = {heads[each].fingerprint if each in heads else "" for each in step.assets}
    if len(made_by) > 1:
        facts = {"assets": "\n".join(step.assets)}
        what = f"{short(step.key)} cannot be accepted: its assets were not made together"
        raise UsageError(what, facts, (f"nacre build {short(step.key)}", SAFE))
    if step.decision is None:
        others, hint = [step.reason], f"accept or build that first: nacre why {short(step.reason.subject)}"
    else:
        others = [each for each in all_causes(step.decision, plan.facts) if each.cause is not Cause.CODE]
        hint = f"nacre build {short(step.key)}"
    if others:
        facts = {"asset": resolved(step.key), "why": "\n".join(map(sentence, others))}
        what = f"{short(step.key)} cannot be accepted: its code is not the one thing that differs"
        raise UsageError(what, facts, (hint, SAFE))


def _commit(
    workspace: Workspace, versions: Versions, step: Step, facts: Facts, reason: str
) -> tuple[Commit, tuple[CodeChange, ...]]:
    """Make the commit that binds the current outputs of a step to the recipe of now."""
    decision = step.decision
    assert decision is not None
    head = facts.heads[decision.recipe.assets[0]]
    record = versions.made(head.fingerprint, decision.recipe.assets[0], head.data_version)
    if record is None:
        raise CorruptRecord("A version has no record", {"asset": step.key}, f"nacre build {short(step.key)}")
    changes = tuple(Compared(workspace, versions, step.task, record).changes())
    now, code = workspace.clock.now(), workspace.code.of(step.task)
    reads = [(each.kind, each.name, each.digest) for each in record.reads]
    fingerprint = fingerprint_with_reads(decision.fingerprint, reads) if reads else decision.fingerprint
    action = replace(
        record,
        fingerprint=fingerprint,
        attempt=workspace.new_id(),
        env=workspace.env_name,
        accepted=Accepted(who=_who(), at=now, fingerprint=head.fingerprint, reason=reason),
        code=code.digest,
        parts=parts_of(code),
        unknowns=tuple(dict.fromkeys((*code.unknowns, *record.unknowns))),
        sources=workspace.code.sources(step.task),
    )
    # Accepting makes nothing younger than it is: a result that expires does so when it would have.
    has_age = step.task.options.cache_expiration is not None
    commit = Commit(
        fingerprint=fingerprint,
        run=record.run,
        attempt=action.attempt,
        at=datetime.fromisoformat(head.at) if has_age else now,
        action=action,
        moves=tuple(_move(each, decision, facts, workspace) for each in decision.recipe.assets),
        sources=texts_of(action, workspace.code, versions.sources),
    )
    return commit, changes


def _move(made: str, decision: Decision, facts: Facts, workspace: Workspace) -> Move:
    head, env = facts.heads[made], workspace.env
    asset, partition = key_of(made), partition_of(made)
    # The numbers of the history: a record keeps those that its run expected.
    rows = workspace.catalog.inputs(env, asset, head.seq, partition)
    inputs = {row.parameter: (row.upstream, row.upstream_seq) for row in rows}
    inputs |= {each.name: (key_of(each.asset), each.seq) for each in decision.recipe.inputs}
    return Move(
        env, asset, head.data_version, inputs, head.seq, {}, partition, keeps_file=True, base=head.base
    )


def _flush(committer: Committer, workspace: Workspace) -> None:
    for done in committer.flush():
        if done.superseded_by:
            facts = {"asset": ", ".join(done.seqs), "run": done.superseded_by}
            raise UsageError("A run made a newer version meanwhile", facts, ("look again: nacre plan", SAFE))
    workspace.code.save()


def _who() -> str:
    """Name the person and the machine."""
    from socket import gethostname  # late: only who accepts pays for it

    return f"{person() or 'unknown'}@{gethostname()}"
