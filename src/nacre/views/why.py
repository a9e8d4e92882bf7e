"""Why one asset is as it is: what would happen now, what its current version was made from, and what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from nacre.declare.task import outside
from nacre.errors import NacreError, NotMaterialized
from nacre.execute.report import duration
from nacre.graph.graph import Edge
from nacre.keys import key_of, partition_of, resolved, slot
from nacre.planning.decide import Action, all_causes
from nacre.planning.doubt import doubts
from nacre.planning.explain import sentence, short
from nacre.planning.facts import UNSEEN
from nacre.planning.plan import Plan, Step
from nacre.planning.reason import Cause, Reason
from nacre.store.records import Action as Record
from nacre.store.records import StepRecord
from nacre.views.changed import MAX_LINES, CodeChange, Compared, relative, shortened
from nacre.views.session import Session
from nacre.views.standing import ACTION_GLYPHS, FLOWS_ONLY, PROBLEM
from nacre.views.versions import unknown_lineage
from nacre.views.words import SHORT, accepted_by, ago

_NEVER = datetime.min.replace(tzinfo=UTC)
#: How a row of the answer is shown where there is colour: as a heading, quietly, or as a line that came or went.
PLAIN, STRONG, QUIET, ADDED, REMOVED, DOUBT = "", "strong", "quiet", "added", "removed", "doubt"


@dataclass(frozen=True, slots=True)
class InputUse:
    """One input of an asset: which version is current, and which was used.

    Args:
        parameter: The parameter it is passed by; empty for one of ``asset_deps``.
        asset: Its slot.
        version: The version that is current; 0 where there is none.
        used: The version that the asset was made from; 0 where it was not made from it.
        partitions: First and last partition, and how many, where several are read whole.
    """

    parameter: str
    asset: str
    version: int = 0
    used: int = 0
    partitions: tuple[str, str, int] = ("", "", 0)

    def __str__(self) -> str:
        name = self.parameter or short(key_of(self.asset))
        first, last, n = self.partitions
        if n > 1:
            return f"{name}  {n} partitions, {first} to {last}"
        about = "" if name == short(self.asset) else f" ({short(self.asset)})"
        if not self.version:
            return f"{name}{about}  not made yet"
        same = self.used in (0, self.version)
        return f"{name}{about}  v{self.version}" + ("" if same else f", made from v{self.used}")


MAX_READS = 8


@dataclass(frozen=True, slots=True)
class Made:
    """How the current version came to be.

    Args:
        version: Its number.
        at: When it became current.
        duration_s: How long it took; None where its record is gone.
        run: By which run.
        by: What that run was: ``build *``.
        accepted: Who bound an earlier result to newer code, when and why; empty where nobody did.
        reason: Why it was made then, in one sentence; empty for the first version, and where the run is forgotten.
    """

    version: int
    at: datetime
    duration_s: float | None = None
    run: str = ""
    by: str = ""
    accepted: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WhyResult:
    """The answer to why; ``str`` is what ``nacre why`` prints.

    Args:
        asset: The asset's key.
        partition: Which slice; empty for the whole.
        place: Where its function is; of an external asset, where its file lies.
        action: What would happen now: build, check, reuse or pending; empty where the modules cannot be imported.
        reason: Why, in one sentence.
        causes: Every cause, as data, the one that ``reason`` names first; then those of ``otherwise``.
        otherwise: What would happen if no source had changed, and why; empty where that is certain.
        inputs: What it is made from.
        made: Its current version; None where there is none.
        code: The pieces of code that changed since.
        n_parts: Of how many pieces its code consists.
        reads: What it read besides its inputs when it last ran: ``file queries/top.sql``.
        warnings: What of its code or lineage could not be followed; one sentence each.
        problem: What kept the modules from being imported.
        now: When it was asked.
    """

    asset: str
    partition: str = ""
    place: str = ""
    action: str = ""
    reason: str = ""
    causes: tuple[Reason, ...] = ()
    otherwise: tuple[str, str] | None = None
    inputs: tuple[InputUse, ...] = ()
    made: Made | None = None
    code: tuple[CodeChange, ...] = ()
    n_parts: int = 0
    reads: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str = ""
    now: datetime = field(default=_NEVER, repr=False)

    @property
    def slot(self) -> str:
        """The key, with the partition where it is one."""
        return slot(self.asset, self.partition)

    def __str__(self) -> str:
        return "\n".join(text for _, text in self.rows())

    def rows(self, limit: int = MAX_LINES) -> list[tuple[str, str]]:
        """Lay the answer out: how to show each line, and its text.

        Args:
            limit: How many lines of differences, in all; 0 for none.
        """
        rows = [(DOUBT, f"{PROBLEM}{self.problem}")] if self.problem else []
        rows.append((STRONG, f"{short(self.slot)}  {resolved(self.slot)}  {self.place}".rstrip()))
        if self.action:
            rows += _labelled("now", self._now())
        rows += [(DOUBT, f"  {'!' if not n else '':<7} {text}") for n, text in enumerate(self.warnings)]
        rows += _labelled("inputs", [str(each) for each in self.inputs])
        rows += _labelled("read", shown_reads(self.reads))
        rows += _labelled(
            "made", [self._made(), *([self.made.reason] if self.made and self.made.reason else [])]
        )
        if self.code:
            for number, change in enumerate(shortened(list(self.code), limit)):
                rows.append((PLAIN, f"  {'' if number else 'code':<7} {change.text}"))
                rows += [(_kind(line), f"          {line}") for line in change.diff.splitlines() if limit]
        elif self.n_parts:
            rows += _labelled("code", [f"{_parts(self.n_parts)}, unchanged since"])
        return rows

    def _now(self) -> list[str]:
        lines = [f"{ACTION_GLYPHS[self.action]} {self.action}: {self.reason}"]
        if self.otherwise:
            lines.append(f"if no source changed: {self.otherwise[0]}, {self.otherwise[1]}")
        # Pieces of code are listed below, each with what changed in it.
        further = self.causes[2 if self.otherwise else 1 :]
        told = [each for each in further if each.cause is not Cause.CODE or not self.code]
        return lines + [f"also: {sentence(each)}" for each in told]

    def _made(self) -> str:
        made = self.made
        if made is None:
            return "never"
        took = f" in {duration(made.duration_s)}" if made.duration_s is not None else ""
        by = f" ({made.by})" if made.by else ""
        accepted = f", {made.accepted}" if made.accepted else ""
        return f"v{made.version}, {ago(made.at, self.now)}{took}, run {made.run[:SHORT]}{by}{accepted}"


def shown_reads(reads: Sequence[str]) -> list[str]:
    """Name what was read, a few of many."""
    more = len(reads) - MAX_READS
    return [*reads[:MAX_READS], *([f"and {more:,} more"] if more > 0 else [])]


def _labelled(label: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(PLAIN, f"  {'' if number else label:<7} {line}") for number, line in enumerate(lines)]


def _kind(line: str) -> str:
    return {"+": ADDED, "-": REMOVED}.get(line[:1], QUIET)


def _parts(n: int) -> str:
    return f"{n:,} {'part' if n == 1 else 'parts'}"


def explain(session: Session, asset: str, partition: str = "") -> WhyResult:
    """Explain one asset from what is stored and declared; runs nothing and reads no data.

    Args:
        session: The project.
        asset: A key, or a name.
        partition: One partition; without it the first that would not just be reused, else the last.

    Raises:
        NacreError: There is no such asset, or what is declared is wrong.
    """
    try:
        key = session.resolve(asset)
    except NacreError:
        raise
    except Exception as error:  # user code that cannot be imported: what is stored can be shown all the same
        return _stored(session, asset, partition, error)
    if key in session.declared.graph.descendants(session.declared.missing):
        return replace(_stored(session, key, partition, None), warnings=(FLOWS_ONLY,))
    plan = session.plan([key], partition=partition, looks_at_places=True)
    then = session.plan([key], partition=partition, reuse_sources=True)
    step = _chosen(plan, then, key)
    made = slot(key, partition_of(step.key))
    head = plan.facts.heads.get(made)
    record = session.action(head.fingerprint) if head is not None else None
    is_outside = step.task.fn is outside
    has_code = record is not None and not is_outside
    compared = (
        Compared(session.workspace, session.versions, step.task, record) if has_code and record else None
    )
    known = then.steps[step.key]
    causes = [step.reason] if step.action is Action.PENDING else []
    if decided := step.decision or known.decision:
        causes += all_causes(decided, plan.facts)
    edges = plan.graph.upstream[step.key]
    is_told = step.action is Action.PENDING and known.action is not Action.PENDING
    otherwise = (known.action.value, sentence(known.reason)) if is_told else None
    return WhyResult(
        asset=key,
        partition=partition_of(made),
        place=session.workspace.outside.location(made) if is_outside else relative(step.task.place),
        action=step.action.value,
        reason=sentence(step.reason),
        causes=tuple(causes or [step.reason]),
        otherwise=otherwise,
        inputs=tuple(_input(session, made, group) for group in _by_input(edges)),
        made=_made(session, made, record),
        code=tuple(compared.changes()) if compared else (),
        n_parts=compared.n_parts if compared else 0,
        reads=_reads(record),
        warnings=_warnings(plan, step, record, edges),
        now=session.now,
    )


def _reads(record: Record | None) -> tuple[str, ...]:
    """Name what a version was made from besides its inputs: what it read, and what it is declared to read."""
    if record is None:
        return ()
    found = [name for name in record.recipe if name.startswith(("env ", "file "))]
    found += [f"{each.kind} {each.name}" for each in record.reads if each.kind != UNSEEN]
    return tuple(dict.fromkeys(found))


def _warnings(plan: Plan, step: Step, record: Record | None, edges: Sequence[Edge]) -> tuple[str, ...]:
    """Collect what cannot be followed: of the code, of what the current version was made with, and of its lineage."""
    lineage = unknown_lineage(record, [edge.parameter for edge in edges])
    found = doubts(step.task, step.key, plan.facts)
    return tuple(dict.fromkeys([*found, *(record.unknowns if record else ()), *lineage]))


def _stored(session: Session, asset: str, partition: str, error: Exception | None) -> WhyResult:
    """Explain what is stored of an asset whose modules cannot be imported, or that only a flow can make.

    Raises:
        Exception: Nothing is stored of it, so the problem is all there is to say.
    """
    try:
        head = session.current(asset, partition)
    except NotMaterialized:
        if error is None:
            raise
        raise error from None
    record = session.action(head.fingerprint)
    inputs = session.workspace.catalog.inputs(session.workspace.env, head.asset, head.seq, head.partition)
    return WhyResult(
        asset=head.asset,
        partition=head.partition,
        inputs=tuple(
            InputUse(key_of(row.parameter), row.upstream, row.upstream_seq, row.upstream_seq)
            for row in inputs
        ),
        made=_made(session, head.slot, record),
        reads=_reads(record),
        warnings=record.unknowns if record else (),
        problem=f"{type(error).__name__}: {error}".splitlines()[0] if error is not None else "",
        now=session.now,
    )


def _chosen(plan: Plan, then: Plan, key: str) -> Step:
    """Choose the step of an asset to explain: the only one, else the first partition that would run, else the last."""
    steps = [step for step in plan.steps.values() if any(key_of(made) == key for made in step.assets)]
    runs = (step for step in steps if then.steps[step.key].action is not Action.REUSE)
    return next(runs, steps[-1])


def _by_input(edges: Sequence[Edge]) -> list[list[Edge]]:
    """Put the partitions of an asset that is read whole together."""
    found: dict[tuple[str, str], list[Edge]] = {}
    for edge in edges:
        found.setdefault((edge.parameter, key_of(edge.asset)), []).append(edge)
    return list(found.values())


def _input(session: Session, made: str, edges: list[Edge]) -> InputUse:
    """Say which version of an input is current, and which was used."""
    parameter, upstream, _ = edges[0]
    if len(edges) > 1:
        span = (partition_of(upstream), partition_of(edges[-1].asset), len(edges))
        return InputUse(parameter, key_of(upstream), partitions=span)
    heads = {row.slot: row for rows in session.slots.values() for row in rows}
    head, now = heads.get(made), heads.get(upstream)
    used = {}
    if head is not None:
        catalog, env = session.workspace.catalog, session.workspace.env
        rows = catalog.inputs(env, key_of(made), head.seq, partition_of(made))
        used = {slot(row.upstream, partition_of(row.parameter)): row.upstream_seq for row in rows}
    return InputUse(parameter, upstream, now.seq if now else 0, used.get(upstream, 0))


def _made(session: Session, made: str, record: Record | None) -> Made | None:
    head = next((row for row in session.slots.get(key_of(made), ()) if row.slot == made), None)
    if head is None:
        return None
    run = session.workspace.catalog.run(head.run)
    steps = session.workspace.catalog.steps(head.run)
    reasons = [each.reason for each in steps if each.seq == head.seq and made in _slots(each)]
    return Made(
        version=head.seq,
        at=datetime.fromisoformat(head.at),
        duration_s=record.duration_s if record is not None else None,
        run=head.run,
        by=f"{run.kind} {run.name}" if run else "",
        accepted=accepted_by(record.accepted) if record is not None and record.accepted else "",
        reason=next((sentence(each) for each in reasons if each.cause is not Cause.FIRST), ""),
    )


def _slots(step: StepRecord) -> list[str]:
    return [slot(asset, step.partition) for asset in step.assets]
