"""``nacre why``: what would happen to one asset now, and what its current version was made from."""

from __future__ import annotations

from collections.abc import Sequence

import click

from nacre.cli.layout import fit
from nacre.cli.options import modules_option, one_partition_option
from nacre.cli.paint import paint
from nacre.cli.plan import GLYPHS
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.frames import shorter
from nacre.graph.graph import Edge
from nacre.graph.select import resolve
from nacre.keys import key_of, partition_of, resolved, slot
from nacre.planning.decide import Action
from nacre.planning.explain import sentence, short
from nacre.planning.plan import Plan, Step
from nacre.store.records import Action as Record
from nacre.views.session import Session
from nacre.views.words import SHORT, ago

_MAX_PARTS = 8


@click.command("why")
@click.argument("asset")
@one_partition_option
@modules_option
def command(asset: str, partition: str, modules: tuple[str, ...]) -> None:
    """Explain one asset: what would happen now and why, its inputs, and what it was made from.

    Of an asset with partitions, the one that is named; else the first that would not just be reused, else the last.
    """
    session = Session(modules)
    key = resolve(session.declared, asset)
    plan = session.plan([key], partition=partition, looks_at_places=True)
    then = session.plan([key], partition=partition, reuse_sources=True)
    step = _chosen(plan, then, key)
    made = slot(key, partition_of(step.key))
    echo(f"{paint(short(made), 'strong')}  {resolved(made)}  {_relative(step.task.place)}")
    _row("now", f"{GLYPHS[step.action]} {step.action}: {sentence(step.reason)}")
    if step.action is Action.PENDING:
        known = then.steps[step.key]
        _row("", f"if no source changed: {known.action}, {sentence(known.reason)}")
    head = plan.facts.heads.get(made)
    record = session.action(head.fingerprint) if head else None
    for number, edges in enumerate(_by_input(plan.graph.upstream[step.key])):
        _row("" if number else "inputs", _input(session, made, edges))
    if head is None:
        _row("made", "never")
        return
    head = session.current(key, partition_of(made))
    run = session.workspace.catalog.run(head.run)
    by = f" ({run.kind} {run.name})" if run else ""
    took = f" in {duration(record.duration_s)}" if record else ""
    _row("made", f"v{head.seq}, {ago(head.at, session.now)}{took}, run {head.run[:SHORT]}{by}")
    if record is not None:
        for number, line in enumerate(_code(session, step, record)):
            _row("" if number else "code", line)


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<7} {text}"))


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


def _input(session: Session, made: str, edges: list[Edge]) -> str:
    """Say which version of an input is current, and which was used."""
    parameter, upstream, _ = edges[0]
    name = parameter or short(key_of(upstream))
    if len(edges) > 1:
        return f"{name}  {len(edges)} partitions, {partition_of(upstream)} to {partition_of(edges[-1].asset)}"
    heads = {row.slot: row for rows in session.slots.values() for row in rows}
    head, now = heads.get(made), heads.get(upstream)
    used = {}
    if head is not None:
        rows = session.workspace.catalog.inputs(
            session.workspace.env, key_of(made), head.seq, partition_of(made)
        )
        used = {slot(row.upstream, partition_of(row.parameter)): row.upstream_seq for row in rows}
    about = "" if name == short(upstream) else f" ({short(upstream)})"
    if now is None:
        return f"{name}{about}  not made yet"
    if upstream not in used:
        return f"{name}{about}  v{now.seq}"
    same = used[upstream] == now.seq
    return f"{name}{about}  v{now.seq}" + ("" if same else f", made from v{used[upstream]}")


def _code(session: Session, step: Step, record: Record) -> list[str]:
    """Compare the pieces of code with those the current version was made with."""
    now = {part.name: part for part in session.workspace.code.of(step.task).parts}
    before = {part.name: part for part in record.parts}
    changed = [
        f"`{name}` changed  {_relative(part.place)}"
        for name, part in now.items()
        if name in before and before[name].digest != part.digest
    ]
    changed += [
        f"`{name}` is new  {_relative(part.place)}" for name, part in now.items() if name not in before
    ]
    changed += [
        f"`{name}` is no longer used  {_relative(part.place)}"
        for name, part in before.items()
        if name not in now
    ]
    if not changed:
        return [f"{len(now):,} {'part' if len(now) == 1 else 'parts'}, unchanged since"]
    more = len(changed) - _MAX_PARTS
    return [*changed[:_MAX_PARTS], *([f"and {more:,} more"] if more > 0 else [])]


def _relative(place: str) -> str:
    path, _, line = place.rpartition(":")
    return f"{shorter(path)}:{line}" if path else place
